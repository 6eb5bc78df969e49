//! When a monitor is woken because time passes.

use crate::describe::Interest;

/// When a detector wants to be woken, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ticks {
    /// The time between two.
    pub(super) every: f64,
    /// Only after so long without a row; 0 is always.
    after: f64,
}

impl Ticks {
    /// What the wishes come to: the most ticks that any of them asks for.
    pub(super) fn of(wishes: &[Interest]) -> Option<Self> {
        let seconds = |text: &str| {
            text.parse::<f64>()
                .ok()
                .filter(|seconds: &f64| *seconds > 0.0)
        };
        let of_wish = |wish: &Interest| {
            let after = wish.options.iter().find(|(name, _)| name == "after");
            Some(Self {
                every: seconds(&wish.pattern)?.max(0.1),
                after: after.and_then(|(_, value)| seconds(value)).unwrap_or(0.0),
            })
        };
        wishes
            .iter()
            .filter(|wish| wish.kind == "tick")
            .filter_map(of_wish)
            .reduce(|a, b| Self {
                every: a.every.min(b.every),
                after: a.after.min(b.after),
            })
    }

    /// Whether a run whose last row came at this time was silent for so long
    /// that its silence is no news.
    pub(super) fn is_over(self, last: f64, now: f64) -> bool {
        now - last > self.after
    }

    /// Whether it is silence that is listened for.
    pub(super) fn is_of_silence(self) -> bool {
        self.after > 0.0
    }

    /// When the next tick is due once a row has come.
    pub(super) fn after_row(self, time: f64, due: Option<f64>) -> f64 {
        match due {
            None if self.after == 0.0 => time + self.every,
            None => time + self.after,
            Some(due) if self.after == 0.0 => due,
            // Rows of several ranks may come in any order of their times.
            Some(due) => due.max(time + self.after),
        }
    }
}

/// In a review, a silence longer than this was the end of a process: the log
/// was continued by the next one.
const LONGEST_SILENCE: f64 = 3600.0;

impl Ticks {
    /// Whether a row came so long after the last one that another process wrote
    /// it: nobody was silent, nobody was there.
    pub(super) fn skips(self, last: Option<f64>, time: f64) -> bool {
        self.after > 0.0 && last.is_some_and(|last| time - last > LONGEST_SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(every: &str, options: &[(&str, &str)]) -> Interest {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Interest {
            kind: "tick".to_owned(),
            pattern: every.to_owned(),
            options: options.iter().map(owned).collect(),
        }
    }

    #[test]
    fn wishes() {
        assert_eq!(Ticks::of(&[]), None);
        assert_eq!(Ticks::of(&[tick("never", &[])]), None);
        let (every, after) = (5.0, 0.0);
        assert_eq!(Ticks::of(&[tick("5", &[])]), Some(Ticks { every, after }));
        let silence = tick("1", &[("after", "120")]);
        let (every, after) = (1.0, 120.0);
        assert_eq!(
            Ticks::of(std::slice::from_ref(&silence)),
            Some(Ticks { every, after })
        );
        let after = 0.0;
        assert_eq!(
            Ticks::of(&[silence, tick("5", &[])]),
            Some(Ticks { every, after })
        );
    }

    #[test]
    fn a_log_that_was_continued_later_was_not_silent() {
        let silence = Ticks {
            every: 1.0,
            after: 120.0,
        };
        assert!(!silence.skips(None, 1e6) && !silence.skips(Some(0.0), 3600.0));
        assert!(silence.skips(Some(0.0), 3601.0));
        let plain = Ticks {
            every: 1.0,
            after: 0.0,
        };
        assert!(!plain.skips(Some(0.0), 1e6));
    }

    #[test]
    fn plain_ticks_go_on_whatever_comes() {
        let (every, after) = (5.0, 0.0);
        let ticks = Ticks { every, after };
        assert_eq!(ticks.after_row(10.0, None), 15.0);
        assert_eq!(ticks.after_row(12.0, Some(15.0)), 15.0);
    }

    #[test]
    fn rows_put_off_the_ticks_of_a_silence() {
        let (every, after) = (1.0, 120.0);
        let ticks = Ticks { every, after };
        assert_eq!(ticks.after_row(10.0, None), 130.0);
        assert_eq!(ticks.after_row(20.0, Some(130.0)), 140.0);
        assert_eq!(ticks.after_row(5.0, Some(140.0)), 140.0);
    }
}
