//! Labels: one JSON object a line.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is known of a stretch of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The run: its name, or the stem of its file.
    pub run: String,
    /// What it is.
    pub what: What,
    /// What happened, as the label calls it: `loss_spike`, `nan`, …; the naive
    /// rule of a trap.
    pub kind: String,
    /// From this step on an alert is right.
    pub from: i64,
    /// The step at which it began.
    pub onset: i64,
    /// The last step of it.
    pub end: i64,
}

/// Whether an alert is wanted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Something went wrong: there must be an alert.
    Incident,
    /// It looks as if, and nothing did: there must be none.
    Trap,
    /// One odd batch: an alert is neither wanted nor wrong.
    Excused,
}

/// The labels of all runs.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    by_run: BTreeMap<String, Vec<Label>>,
    excerpts: Vec<String>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    onset_step: f64,
    end_step: Option<f64>,
    earliest_fair_step: Option<f64>,
    naive_rule: Option<String>,
    #[serde(default)]
    excerpt: bool,
}

impl Labels {
    /// Reads labels.
    ///
    /// # Errors
    /// The first line that is no label, with its number, and what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut labels = Self::default();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(line)
                .map_err(|error| format!("line {}: {error}", number + 1))?;
            if line.excerpt && !labels.excerpts.contains(&line.id) {
                labels.excerpts.push(line.id.clone());
            }
            labels
                .by_run
                .entry(line.id.clone())
                .or_default()
                .push(line.label());
        }
        Ok(labels)
    }

    /// The labels of a run.
    #[must_use]
    pub fn of(&self, run: &str) -> &[Label] {
        self.by_run.get(run).map_or(&[], Vec::as_slice)
    }

    /// The runs that have labels.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        self.by_run.keys().map(String::as_str)
    }

    /// Whether the run is a few rows around an incident, which say nothing
    /// about how often a detector errs.
    #[must_use]
    pub fn is_excerpt(&self, run: &str) -> bool {
        self.excerpts.iter().any(|excerpt| excerpt == run)
    }
}

impl Line {
    fn label(self) -> Label {
        let what = match self.kind.as_str() {
            "trap" => What::Trap,
            "data_spike" => What::Excused,
            _ => What::Incident,
        };
        let onset = self.onset_step as i64;
        Label {
            run: self.id,
            what,
            kind: match what {
                What::Trap => self.naive_rule.unwrap_or_else(|| "trap".to_owned()),
                _ => self.kind,
            },
            from: self
                .earliest_fair_step
                .map_or(onset, |step| step as i64)
                .min(onset),
            onset,
            end: self.end_step.map_or(onset, |step| step as i64).max(onset),
        }
    }
}

impl Label {
    /// Whether an alert of this detector is an alert of this.
    #[must_use]
    pub fn is_told_by(&self, detector: &str) -> bool {
        let detectors: &[&str] = match self.kind.as_str() {
            "nan" | "nan_inf" | "inf" => &["non-finite"],
            // How fast a rise is decides who sees it, not what it is.
            "loss_spike" | "divergence" => &["loss-spike", "divergence"],
            "grad_explosion" | "zero_grad" | "zero_grad_norm" => &["grad-norm"],
            "throughput_regression" | "throughput_flatline" => &["throughput", "straggler"],
            "overfitting" => &["overfit"],
            "heartbeat_stall" | "stall" => &["heartbeat"],
            "reward_flatline" => &["advantage-variance"],
            "dead_run" => &["advantage-variance", "entropy-collapse"],
            "oom" => &["out-of-memory"],
            "traceback" => &["exception"],
            kind => return kind.replace('_', "-") == detector,
        };
        detectors.contains(&detector)
    }

    /// Whether a step lies in it.
    #[must_use]
    pub fn covers(&self, step: i64) -> bool {
        (self.from..=self.end).contains(&step)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_bad_ones_named() {
        let text = r#"{"id":"a","type":"loss_spike","onset_step":10,"end_step":20.0,"earliest_fair_step":8,"excerpt":true}

{"id":"a","type":"trap","naive_rule":"zero_grad","onset_step":5}
{"id":"b","type":"data_spike","onset_step":7,"end_step":7}"#;
        let labels = Labels::parse(text).unwrap();
        let [spike, trap] = labels.of("a") else {
            panic!("{labels:?}")
        };
        assert_eq!(
            (spike.what, spike.from, spike.onset, spike.end),
            (What::Incident, 8, 10, 20)
        );
        assert!(spike.is_told_by("divergence") && !spike.is_told_by("grad-norm"));
        assert!(labels.is_excerpt("a") && !labels.is_excerpt("b"));
        assert_eq!(
            (trap.what, trap.kind.as_str(), trap.end),
            (What::Trap, "zero_grad", 5)
        );
        assert_eq!(labels.of("b")[0].what, What::Excused);
        assert_eq!(labels.of("c"), []);
        let problem = Labels::parse("{\"id\":\"a\"}").unwrap_err();
        assert!(
            problem.starts_with("line 1: missing field `type`"),
            "{problem}"
        );
    }

    #[test]
    fn an_unknown_kind_belongs_to_the_detector_of_its_name() {
        let text = r#"{"id":"a","type":"clip_fraction","onset_step":1}"#;
        let labels = Labels::parse(text).unwrap();
        assert!(labels.of("a")[0].is_told_by("clip-fraction"));
        assert!(!labels.of("a")[0].is_told_by("loss-spike"));
    }
}
