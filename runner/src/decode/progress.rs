//! Which of the progress bars is the training's.
//!
//! Lines of Hugging Face's Trainer print no step; the bar beside them does. But
//! tokenising, downloads and evaluation draw bars as well.

use super::bar::Bar;

/// Bars of others in a row after which a training that has not ended is taken
/// to be over: its job was killed and another began.
const GIVEN_UP: u32 = 2_000;

/// The training's bar, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Progress {
    current: Option<(u64, u64)>,
    /// Whether a record was printed beside it.
    proven: bool,
    /// Other bars since its last.
    others: u32,
    /// The last step that a record took from it.
    last: Option<i64>,
}

impl Progress {
    /// Looks at a bar.
    pub(super) fn see(&mut self, bar: &Bar<'_>) {
        // Training's bar has a total and no description, and counts steps.
        let Some(total) = bar.total else { return };
        if !bar.description.is_empty() {
            return;
        }
        let count = bar.current;
        match self.current {
            // Full, and it begins anew: another training as long as the last.
            Some((done, known)) if known == total && done >= known && count < known => {
                self.begin(count, total);
            }
            Some((_, known)) if known == total => self.take(count, total),
            // While a training goes on, any other bar is that of an evaluation;
            // before the first record the longer one is more likely the training.
            Some((done, known)) if done < known && (self.proven || total < known) => {
                self.others += 1;
                if self.others > GIVEN_UP {
                    self.begin(count, total);
                }
            }
            _ => self.begin(count, total),
        }
    }

    fn begin(&mut self, count: u64, total: u64) {
        self.proven = false;
        self.take(count, total);
    }

    fn take(&mut self, count: u64, total: u64) {
        self.current = Some((count, total));
        self.others = 0;
    }

    /// The step that the bar shows, for a record beside it.
    pub(super) fn step(&mut self) -> Option<i64> {
        let (count, _) = self.current?;
        self.proven = true;
        self.last = i64::try_from(count).ok();
        self.last
    }

    /// Whether a record was printed beside the bar, so that it is the
    /// training's.
    pub(super) fn is_proven(&self) -> bool {
        self.proven || self.current.is_none()
    }

    /// The step that the last record took.
    pub(super) fn last_step(&self) -> Option<i64> {
        self.last
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decode::bar::bar;

    fn steps(bars: &[&str]) -> Option<i64> {
        let mut progress = Progress::default();
        for text in bars {
            if *text == "record" {
                progress.step();
            } else {
                progress.see(&bar(text.as_bytes()).unwrap());
            }
        }
        progress.step()
    }

    #[test]
    fn a_bar_that_is_full_makes_room() {
        let map = "100%|####| 52002/52002 [00:03<00:00, 15000.00it/s]";
        assert_eq!(
            steps(&[map, "  8%|#   | 5/60 [00:10<01:50,  2.00s/it]"]),
            Some(5)
        );
    }

    #[test]
    fn a_bar_with_a_description_is_something_else() {
        let map = "Map:  50%|##  | 500/1000 [00:03<00:03, 150.00 examples/s]";
        assert_eq!(
            steps(&["  8%|#   | 5/60 [00:10<01:50,  2.00s/it]", map]),
            Some(5)
        );
    }

    #[test]
    fn an_evaluation_is_not_the_training_however_long() {
        let training = "  8%|#   | 5/60 [00:10<01:50,  2.00s/it]";
        for evaluation in [
            " 50%|##  | 2/4 [00:01<00:01,  2.00it/s]",
            "  1%|    | 9/900 [00:01<01:00,  2.00it/s]",
        ] {
            assert_eq!(
                steps(&[training, "record", evaluation]),
                Some(5),
                "{evaluation}"
            );
        }
    }
}
