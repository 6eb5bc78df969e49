//! `{{name}}`: the evaluation loss goes up again and again.

use runwatch_detector::prelude::*;
use runwatch_detector::state;
use serde::{Deserialize, Serialize};

/// Watches one run. runwatch opens one value of this type for each run.
pub struct Rule {
    /// How many rises in a row are too many.
    times: usize,
    /// What is known of each series and rank.
    watches: Keyed<Watch>,
}

/// One series of one rank.
#[derive(Default, Serialize, Deserialize)]
struct Watch {
    last: Option<f64>,
    rises: usize,
    /// Whether the trouble has been reported and is not over.
    reported: Latch,
}

impl Detector for Rule {
    /// What the detector is, and what can be set in `runwatch.toml`.
    fn describe() -> Description {
        Description::new(
            "{{name}}",
            "0.1.0",
            "The evaluation loss goes up again and again",
        )
        .parameter(
            Parameter::integer("times", 3)
                .unit("evaluations")
                .min(1)
                .max(100)
                .doc("How many rises in a row are too many."),
        )
    }

    /// A run begins. Every parameter is there and valid.
    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            times: parameters.count("times")?,
            watches: Keyed::default(),
        })
    }

    /// What to be told of; nothing else is.
    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric("eval_loss")]
    }

    /// New rows, in the order in which the job printed them: one row live, or
    /// thousands in review. That must not change what is found.
    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for point in batch.points() {
            // NaN is data, but it is the business of another detector, and
            // nothing can be compared with it.
            if !point.value.is_finite() {
                continue;
            }
            let watch = self.watches.of(&point, Watch::default);
            let rose = watch.last.is_some_and(|last| point.value > last);
            watch.rises = if rose { watch.rises + 1 } else { 0 };
            watch.last = Some(point.value);
            // Once when it begins, and once when it is over.
            if watch.rises >= self.times && watch.reported.set() {
                findings.push(rising(&point, watch.rises));
            } else if !rose && watch.reported.clear() {
                findings.push(falling(&point));
            }
        }
    }

    /// The state, so that a restart goes on where it was.
    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.watches)
    }

    fn restore(&mut self, saved: &[u8]) -> Result<(), String> {
        self.watches = state::restore(saved)?;
        Ok(())
    }
}

fn rising(point: &Point, rises: usize) -> Finding {
    // The key says what is wrong, not how much.
    Finding::warning("rising", point.row)
        .title("Evaluation loss keeps rising")
        .message(format!(
            "eval_loss has risen {rises} times in a row, to {} at step {}.",
            point.value, point.step
        ))
        .recommendation(
            "Compare with the training loss: if that still falls, the model overfits. Stop here, \
             or go back to the best checkpoint.",
        )
        .value("eval_loss", point.value)
        .value("rises", rises as f64)
}

fn falling(point: &Point) -> Finding {
    Finding::resolved("rising", point.row)
        .title("Evaluation loss falls again")
        .message(format!(
            "eval_loss is {} at step {}.",
            point.value, point.step
        ))
}

export!(Rule);

#[cfg(test)]
mod tests {
    use runwatch_detector::testing::{Harness, rows};

    use super::Rule;

    #[test]
    fn three_rises_are_one_finding() {
        let losses = rows("eval_loss", &[2.0, 1.8, 1.9, 2.0, 2.1, 2.2]);
        // How rows are grouped into calls must not matter: try several ways.
        for batch in [1, 2, 100] {
            let mut harness = Harness::<Rule>::new().expect("the defaults are fine");
            let found = harness.play(&losses, batch);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].row, 4);
        }
    }
}
