//! What a rule's expressions name.

/// The most values of a window: 256 of eight bytes are half of what a detector
/// may keep per series.
pub const LONGEST: usize = 256;

/// A metric of the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The canonical or printed name.
    pub name: String,
    /// The longest window over it.
    pub span: usize,
}

/// Metrics and labels, by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// The labels.
    pub labels: Vec<String>,
    /// Whether an age is asked for, so that time alone can change the answer.
    pub ages: bool,
}

impl Names {
    /// The slot of a metric over which a window of `span` values is kept.
    pub fn metric(&mut self, name: &str, span: usize) -> usize {
        let span = span.min(LONGEST);
        let known = self.metrics.iter().position(|metric| metric.name == name);
        let slot = known.unwrap_or_else(|| {
            self.metrics.push(Metric {
                name: name.to_owned(),
                span: 0,
            });
            self.metrics.len() - 1
        });
        if let Some(metric) = self.metrics.get_mut(slot) {
            metric.span = metric.span.max(span);
        }
        slot
    }

    /// The slot of a metric whose age is asked for.
    pub fn aged(&mut self, name: &str) -> usize {
        self.ages = true;
        self.metric(name, 0)
    }

    /// The slot of a label.
    pub fn label(&mut self, name: &str) -> usize {
        let known = self.labels.iter().position(|label| label == name);
        known.unwrap_or_else(|| {
            self.labels.push(name.to_owned());
            self.labels.len() - 1
        })
    }
}
