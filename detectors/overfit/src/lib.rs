//! `overfit`: the evaluation loss rises while the training loss falls.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::NO_ROW;
use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Evaluation, Overfitting, Seen, Settings, Train, Watch};

const KEY: &str = "overfit";
const EVAL: &str = "eval_loss";

/// Watches the evaluation losses of one run.
pub struct Overfit {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    /// One for all ranks: each shows the same model.
    train: Train,
    watches: Keyed<Watch>,
    episode: Episode,
    /// Whether there were evaluations since the last training loss.
    evaluating: bool,
}

impl Detector for Overfit {
    fn describe() -> Description {
        Description::new(
            "overfit",
            "0.1.0",
            "The evaluation loss rises while the training loss falls",
        )
        .parameter(
            Parameter::number("rise", 0.05)
                .unit("ratio")
                .min(0)
                .max(100)
                .doc("How far above its best the evaluation loss must be; 0.05 is 5 %."),
        )
        .parameter(
            Parameter::integer("evaluations", 2)
                .unit("evaluations")
                .min(1)
                .max(1000)
                .doc("For how many evaluations in a row."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            state: State::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric("loss"), Interest::metric(EVAL)]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            if batch.name(point.series) == EVAL {
                let train = state.train.mean();
                let watch = state.watches.of(&point, Watch::default);
                let resumed_open = watch.take(point.step, point.value, train);
                if resumed_open && state.episode.leave() {
                    findings.push(resumed(&point));
                }
                state.evaluating = true;
            } else {
                state.end_evaluations(settings, point.row, findings);
                state.train.take(point.series, point.step, point.value);
            }
        }
    }

    fn finish(&mut self, _outcome: &str, findings: &mut Vec<Finding>) {
        self.state.end_evaluations(&self.settings, NO_ROW, findings);
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

impl State {
    fn end_evaluations(&mut self, settings: &Settings, row: u32, findings: &mut Vec<Finding>) {
        if !std::mem::take(&mut self.evaluating) {
            return;
        }
        for (series, rank, watch) in self.watches.iter_mut() {
            let Some((Evaluation { step, value }, seen)) = watch.end(settings) else {
                continue;
            };
            let point = Point {
                series,
                row,
                step,
                time: f64::NAN,
                rank,
                value,
            };
            match seen {
                Seen::Nothing => {}
                Seen::Began(found) => {
                    if self.episode.join(Severity::Warning) {
                        findings.push(overfits(&point, &found, settings));
                    }
                }
                Seen::Over { best } => {
                    if self.episode.leave() {
                        findings.push(over(&point, best));
                    }
                }
            }
        }
    }
}

fn overfits(point: &Point, found: &Overfitting, settings: &Settings) -> Finding {
    let (then, now) = found.train;
    Finding::warning(KEY, point.row)
        .title(format!(
            "Overfitting: eval loss {} above its best",
            percent(found.rise)
        ))
        .message(format!(
            "`eval_loss` is {} at {}: {} above its best of {} at step {}, and has been too high for {}. \
             The mean of `loss` went from {} to {} since then.",
            number(point.value),
            place(point),
            percent(found.rise),
            number(found.best),
            found.best_step,
            count(settings.evaluations, "evaluation"),
            number(then),
            number(now),
        ))
        .recommendation(format!(
            "Keep the checkpoint from around step {}. Look at the metric that matters before you stop: \
             accuracy, word error rate and the like may go on improving while the loss rises. If they do \
             not, stop, or go on from there with fewer epochs, a lower learning rate, more data or \
             augmentation, dropout or weight decay.",
            found.best_step
        ))
        .value("eval-loss", point.value)
        .value("best", found.best)
        .value("best-step", found.best_step as f64)
        .value("rise", found.rise)
        .value("train-then", then)
        .value("train-now", now)
}

fn over(point: &Point, best: f64) -> Finding {
    Finding::resolved(KEY, point.row)
        .title("Eval loss is back")
        .message(format!(
            "`eval_loss` is {} at {}; its best before was {}.",
            number(point.value),
            place(point),
            number(best),
        ))
        .value("eval-loss", point.value)
        .value("best", best)
}

fn resumed(point: &Point) -> Finding {
    Finding::resolved(KEY, point.row)
        .title("Run resumed")
        .message(format!(
            "The run went on from {}; what was known of its losses holds no longer.",
            place(point)
        ))
}

export!(Overfit);

#[cfg(test)]
mod tests;
