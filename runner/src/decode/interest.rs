//! What the enabled detectors want to be told, so that the host decodes, keeps
//! and sends only that.

use crate::describe::Interest;
use crate::names::glob;
use crate::record::{HISTORY, Mask};

/// The wishes of all detectors; detector `n` is bit `n` of a [`Mask`].
#[derive(Debug, Clone, Default)]
pub struct Interests {
    metrics: Vec<(String, Mask, bool)>,
    labels: Vec<(String, Mask)>,
    needles: Vec<(String, Mask)>,
    exceptions: Vec<(String, Mask)>,
    events: Vec<(String, Mask)>,
    rows: Mask,
}

/// Who wants a metric's values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Detectors that want every value.
    pub all: Mask,
    /// Detectors that want the first value, those that are not finite, and the
    /// first finite one after.
    pub edges: Mask,
}

impl Interests {
    /// Wants everything there is, as detector number 0.
    #[must_use]
    pub fn everything() -> Self {
        let all = || vec![("*".to_owned(), 1)];
        Self {
            metrics: vec![("*".to_owned(), 1, false)],
            labels: all(),
            needles: Vec::new(),
            exceptions: all(),
            events: all(),
            rows: 1,
        }
    }

    /// Wants every metric for the history as well.
    #[must_use]
    pub fn with_history(mut self) -> Self {
        self.metrics.push(("*".to_owned(), HISTORY, false));
        self
    }

    /// Wants what a report shows besides alerts: every metric, and every exception.
    #[must_use]
    pub fn with_report(self) -> Self {
        let mut wishes = self.with_history();
        wishes.exceptions.push(("*".to_owned(), HISTORY));
        wishes
    }

    /// Adds the wishes of detector number `detector`. Returns the kinds that
    /// this host does not know, for the log.
    pub fn add(&mut self, detector: usize, interests: &[Interest]) -> Vec<String> {
        let bit: Mask = 1 << detector;
        let mut unknown = Vec::new();
        for interest in interests {
            let pattern = interest.pattern.clone();
            match interest.kind.as_str() {
                "metric" => {
                    let edges = interest
                        .options
                        .iter()
                        .any(|(k, v)| k == "values" && v == "edges");
                    self.metrics.push((pattern, bit, edges));
                }
                "label" => self.labels.push((pattern, bit)),
                // An empty needle would match every line of the stream.
                "text" if !pattern.is_empty() => self.needles.push((pattern, bit)),
                "exception" => self.exceptions.push((pattern, bit)),
                "event" => self.events.push((pattern, bit)),
                "row" => self.rows |= bit,
                "tick" => {} // The sandbox's side: see `detect`.
                other => unknown.push(other.to_owned()),
            }
        }
        unknown
    }

    /// Who wants the metric with this canonical name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Wanted {
        let mut wanted = Wanted::default();
        for (pattern, bit, edges) in &self.metrics {
            if glob(pattern, name) {
                *(if *edges {
                    &mut wanted.edges
                } else {
                    &mut wanted.all
                }) |= bit;
            }
        }
        // Who gets every value needs no edges on top.
        wanted.edges &= !wanted.all;
        wanted
    }

    /// Who wants every row, whatever is in it.
    #[must_use]
    pub fn rows(&self) -> Mask {
        self.rows
    }

    /// Who wants the label with this name.
    #[must_use]
    pub fn label(&self, name: &str) -> Mask {
        matching(&self.labels, name)
    }

    /// The needles that plain lines are searched for.
    #[must_use]
    pub fn needles(&self) -> &[(String, Mask)] {
        &self.needles
    }

    /// Who wants exceptions of this type.
    #[must_use]
    pub fn exception(&self, name: &str) -> Mask {
        matching(&self.exceptions, name)
    }

    /// Who wants events of this name.
    #[must_use]
    pub fn event(&self, name: &str) -> Mask {
        matching(&self.events, name)
    }
}

fn matching(wishes: &[(String, Mask)], name: &str) -> Mask {
    wishes
        .iter()
        .filter(|(pattern, _)| glob(pattern, name))
        .fold(0, |mask, (_, bit)| mask | bit)
}
