//! Several runs in one stream, told apart where no field names them.
//!
//! A requeued job, a script that trains four times, a log that is appended to:
//! the steps go back to where they began. So they do in other cases, which are
//! no new run:
//!
//! - a resume from a checkpoint goes back to some earlier step, not to the
//!   beginning;
//! - batches that are counted within an epoch begin again with each: the epoch
//!   moves on, or nothing says that the counter is of the whole run;
//! - evaluations count their own batches, or print an epoch where training
//!   prints a step: their counter does not keep up with the training's;
//! - ranks take turns.
//!
//! When in doubt there is no new run: two runs in one are two series that meet,
//! but a run cut in pieces has no history at all.

use super::keys::{KeyId, START};
use super::row::Row;

/// Kinds of rows that are followed in a run and rank: training, evaluation, …
const MAX_KINDS: usize = 8;

/// The way of one rank through a run.
#[derive(Debug, Default)]
pub(super) struct Course {
    kinds: Vec<Kind>,
    /// The last step of any row.
    position: i64,
}

/// Rows that begin with the same metric.
#[derive(Debug)]
struct Kind {
    lead: KeyId,
    rows: u32,
    first: i64,
    second: i64,
    last: i64,
    highest: i64,
    epoch: f64,
    /// The step kept up with those of the other kinds.
    follows: bool,
    /// How often a step came twice in a row: ranks that are not told apart.
    repeats: u32,
}

/// How sure it is that the printed step counts through the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// Nothing is known; the batches of an epoch are counted like this.
    Local,
    /// The name says nothing, but other things may.
    Unsure,
    /// It does.
    Global,
}

impl Course {
    /// Whether a row with this step is the first of a new run. `died` says that
    /// something fatal was printed since the last row.
    pub(super) fn restarts(&self, row: &Row, step: i64, counter: Counter, died: bool) -> bool {
        let Some(kind) = self.kinds.iter().find(|kind| kind.lead == row.lead) else {
            return false;
        };
        // One that died before it got anywhere begins where it began.
        let stillborn = died && counter == Counter::Global && step <= kind.first.min(1);
        stillborn || kind.is_behind(step) && kind.begins_again(row.progress, counter, died)
    }

    /// Takes note of a row of the run.
    pub(super) fn see(&mut self, row: &Row, step: i64) {
        let position = std::mem::replace(&mut self.position, step);
        if row.lead == START {
            return;
        }
        match self.kinds.iter_mut().position(|kind| kind.lead == row.lead) {
            Some(at) => {
                self.kinds[at].see(step, row.progress, position);
                // The next row is likely of the same kind.
                self.kinds.swap(0, at);
            }
            None if self.kinds.len() < MAX_KINDS => {
                let follows = self.kinds.is_empty() || step >= position;
                self.kinds.push(Kind::new(row, step, follows));
            }
            None => {}
        }
    }
}

impl Kind {
    fn new(row: &Row, step: i64, follows: bool) -> Self {
        Self {
            lead: row.lead,
            rows: 1,
            first: step,
            second: step,
            last: step,
            highest: step,
            epoch: row.progress.unwrap_or(f64::NAN),
            follows,
            repeats: 0,
        }
    }

    fn see(&mut self, step: i64, epoch: Option<f64>, position: i64) {
        self.rows = self.rows.saturating_add(1);
        if self.second == self.first {
            self.second = step;
        }
        if step >= self.last && step < position {
            self.follows = false;
        }
        self.repeats += u32::from(step == self.last);
        self.last = step;
        self.highest = self.highest.max(step);
        if let Some(epoch) = epoch {
            self.epoch = epoch;
        }
    }

    /// Whether a step is back where this kind began, after progress.
    #[inline]
    fn is_behind(&self, step: i64) -> bool {
        if step >= self.last || step > self.first.max(1) {
            return false;
        }
        // A log that begins in the middle of a run begins at a checkpoint.
        let interval = self.second.saturating_sub(self.first);
        let from_the_start = self.first <= interval.saturating_mul(2).max(1) || step <= 1;
        self.rows >= 2 && self.highest > self.first && from_the_start
    }

    fn begins_again(&self, epoch: Option<f64>, counter: Counter, died: bool) -> bool {
        if !self.follows {
            return false;
        }
        if let Some(epoch) = epoch
            && epoch != self.epoch
        {
            // An epoch goes back only in a new run: this is no checkpoint.
            return epoch < self.epoch;
        }
        let mixed = self.repeats > self.rows / 4;
        match counter {
            Counter::Local => false,
            Counter::Unsure => died,
            Counter::Global => died || !mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::run_counts as runs;

    fn lines(range: impl Iterator<Item = i64>, show: impl Fn(i64) -> String) -> String {
        range.map(|step| show(step) + "\n").collect()
    }

    fn json(range: impl Iterator<Item = i64>) -> String {
        lines(range, |step| format!("{{\"step\": {step}, \"loss\": 2.5}}"))
    }

    fn pairs(range: impl Iterator<Item = i64>) -> String {
        lines(range, |step| format!("step {step} | loss 2.5 | lr 1e-4"))
    }

    #[test]
    fn steps_that_begin_again_are_another_run() {
        let text = json(0..5) + &json(0..3) + &json(0..2);
        assert_eq!(runs(text), ["default 5", "default#2 3", "default#3 2"]);
        let text = json((50..500).step_by(50)) + &json((50..200).step_by(50));
        assert_eq!(runs(text), ["default 9", "default#2 3"]);
    }

    #[test]
    fn a_resume_is_the_same_run() {
        assert_eq!(runs(json(0..100) + &json(50..80)), ["default 130"]);
        // A log that begins in the middle begins at a checkpoint.
        assert_eq!(runs(json(1000..1100) + &json(1000..1010)), ["default 110"]);
    }

    #[test]
    fn a_name_alone_does_not_say_what_is_counted() {
        assert_eq!(runs(pairs(0..9) + &pairs(0..9)), ["default 18"]);
        let died =
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: no\n";
        assert_eq!(
            runs(pairs(0..9) + died + &pairs(0..9)),
            ["default 9", "default#2 9"]
        );
        let killed = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2025-01-02T03:04:05 DUE TO PREEMPTION ***\n";
        assert_eq!(
            runs(pairs(0..9) + killed + &pairs(0..9)),
            ["default 9", "default#2 9"]
        );
        // A requeued job goes on where its checkpoint was.
        assert_eq!(
            runs(pairs(0..90) + killed + &pairs(50..90)),
            ["default 130"]
        );
    }

    #[test]
    fn one_that_dies_at_once_is_a_run() {
        let killed = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2025-01-02T03:04:05 ***\n";
        let text = json(0..1) + killed + &json(0..3);
        assert_eq!(runs(text), ["default 1", "default#2 3"]);
    }

    #[test]
    fn batches_of_an_epoch_are_no_run() {
        let epoch = |epoch: i64| {
            lines(0..9, |batch| {
                format!("{{\"epoch\": {epoch}, \"iter\": {batch}, \"loss\": 2.5}}")
            })
        };
        let first = epoch(0) + &epoch(1) + &epoch(2);
        assert_eq!(runs(&first), ["default 27"]);
        assert_eq!(
            runs(first + &epoch(0) + &epoch(1)),
            ["default 27", "default#2 18"]
        );
        let batches = |_| lines(0..9, |batch| format!("batch {batch} | loss 2.5 | lr 1e-4"));
        assert_eq!(
            runs((0..5).map(batches).collect::<String>()),
            ["default 45"]
        );
        let epochs = |epoch| {
            lines(1..9, |batch| {
                format!("Epoch [{epoch}/5], Step [{batch}/8], Loss: 2.5")
            })
        };
        assert_eq!(runs((1..5).map(epochs).collect::<String>()), ["default 32"]);
    }

    #[test]
    fn evaluations_are_no_run() {
        // They print an epoch as their step.
        let eval = |step| format!("{{\"accuracy\": 0.5, \"step\": {step}}}\n");
        let text = json(1..50) + &eval(1) + &json(50..100) + &eval(2) + &json(100..150) + &eval(3);
        assert_eq!(runs(text), ["default 152"]);
        // They count their own batches.
        let eval = || {
            lines(0..5, |step| {
                format!("{{\"eval_loss\": 0.5, \"step\": {step}}}")
            })
        };
        let text = json(1..50) + &eval() + &json(50..100) + &eval() + &json(100..150);
        assert_eq!(runs(text), ["default 159"]);
        // They repeat the training's.
        let eval = |step| format!("{{\"eval_loss\": 0.5, \"step\": {step}}}\n");
        let text = eval(0) + &json(0..50) + &eval(49) + &eval(0) + &json(0..50);
        assert_eq!(runs(text), ["default 52", "default#2 51"]);
    }

    #[test]
    fn ranks_take_turns() {
        let rank = |rank, range| {
            lines(range, |step| {
                format!("[rank{rank}]: {{\"step\": {step}, \"loss\": 2.5}}")
            })
        };
        let text = rank(0, 0..9) + &rank(1, 0..9) + &rank(0, 9..20) + &rank(1, 9..20);
        assert_eq!(runs(text), ["default 40"]);
        // Nor do those that are not told apart.
        let twice = |range| {
            lines(range, |step| {
                format!("{{\"step\": {step}, \"loss\": 2.5}}\n{{\"step\": {step}, \"loss\": 2.6}}")
            })
        };
        assert_eq!(runs(twice(0..9) + &json(0..9)), ["default 27"]);
    }

    #[test]
    fn a_run_with_a_name_is_that_run() {
        let text = lines((0..9).chain(0..9), |step| {
            format!("{{\"run\": \"a\", \"step\": {step}, \"loss\": 2.5}}")
        });
        assert_eq!(runs(text), ["a 18"]);
    }

    #[test]
    fn trainings_beside_bars() {
        let training = |total: i64, evaluation: bool| {
            let mut text = String::new();
            for step in 1..=total {
                text += &format!("\r {step}/{total} [00:01<00:01,  1.00s/it]\n");
                if step % 10 == 0 {
                    let epoch = step as f64 / total as f64;
                    text += &format!("{{'loss': 2.5, 'epoch': {epoch:.2}}}\n");
                }
                if evaluation && step == total / 2 {
                    for at in 0..5 {
                        text += &format!("\r {at}/5 [00:01<00:01,  1.00s/it]\n");
                    }
                    text += "{'eval_loss': 2.5, 'epoch': 0.5}\n";
                }
            }
            text
        };
        assert_eq!(
            runs(training(100, false) + &training(40, true) + &training(40, false)),
            ["default 10", "default#2 5", "default#3 4"]
        );
        let after = "\r 3/7 [00:01<00:01,  1.00s/it]\n{'eval_loss': 2.5, 'epoch': 1.0}\n";
        assert_eq!(runs(training(100, true) + after), ["default 12"]);
    }
}
