//! How often a detector may fail.

use std::collections::VecDeque;

/// A budget of faults in a stretch of stream time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The faults that are forgiven.
    pub faults: usize,
    /// Seconds of stream time in which they count.
    pub seconds: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            faults: 5,
            seconds: 600.0,
        }
    }
}

/// The first pause after a fault when live, in seconds; it doubles with each
/// further fault within the budget's time. In review there is nothing to wait for.
const FIRST_PAUSE: f64 = 0.5;

/// A detector's record of faults.
#[derive(Debug, Default)]
pub(super) struct Record {
    faults: VecDeque<f64>,
    /// Stream time until which it pauses.
    until: f64,
    pub(super) quarantined: bool,
}

impl Record {
    /// Writes down a fault at stream time `now` (NaN where the stream has no
    /// times: then all faults count). True if that was one too many.
    pub(super) fn fault(&mut self, now: f64, budget: Budget) -> bool {
        self.faults.push_back(now);
        while self
            .faults
            .front()
            .is_some_and(|&first| now - first > budget.seconds)
        {
            self.faults.pop_front();
        }
        if self.faults.len() > budget.faults {
            self.quarantined = true;
            self.faults.clear();
            return true;
        }
        // The first fault may be bad luck, such as a deadline on a busy machine.
        let doublings = i32::try_from(self.faults.len()).unwrap_or(i32::MAX) - 2;
        if doublings >= 0 {
            self.until = now + FIRST_PAUSE * 2_f64.powi(doublings.min(10));
        }
        false
    }

    /// Whether it may run at stream time `now`. Time that stands still or is
    /// unknown pauses nobody.
    pub(super) fn may_run(&self, now: f64, live: bool) -> bool {
        let pauses = live && now < self.until;
        !self.quarantined && !pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_forgiven_and_the_sixth_is_not() {
        let mut record = Record::default();
        for n in 0..5 {
            assert!(!record.fault(f64::from(n), Budget::default()));
        }
        assert!(record.fault(5.0, Budget::default()));
        assert!(!record.may_run(1e9, true));
    }

    #[test]
    fn old_faults_are_forgotten() {
        let mut record = Record::default();
        for n in 0..100 {
            assert!(
                !record.fault(f64::from(n) * 200.0, Budget::default()),
                "{n}"
            );
        }
    }

    #[test]
    fn without_times_all_faults_count() {
        let mut record = Record::default();
        let quarantined = (0..6)
            .map(|_| record.fault(f64::NAN, Budget::default()))
            .collect::<Vec<_>>();
        assert_eq!(quarantined, [false, false, false, false, false, true]);
    }

    #[test]
    fn pauses_double_when_live_only() {
        let mut record = Record::default();
        record.fault(100.0, Budget::default());
        assert!(
            record.may_run(100.0, true),
            "the first fault costs no pause"
        );
        record.fault(100.0, Budget::default());
        assert!(!record.may_run(100.4, true));
        assert!(record.may_run(100.4, false));
        assert!(record.may_run(100.5, true));
        record.fault(101.0, Budget::default());
        assert!(!record.may_run(101.9, true));
        assert!(record.may_run(102.0, true));
    }
}
