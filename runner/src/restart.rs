//! Whether a job that has ended is started again, and when. A pure rule: it
//! is told what happened and what time it is.

use std::time::Duration;

use crate::config;

/// The longest wait before a start.
const LONGEST: Duration = Duration::from_secs(600);

/// What becomes of a job that has ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is started again.
    Again {
        /// After so many seconds.
        after: f64,
    },
    /// It is not.
    Stop {
        /// Why, to be read on after "not started again: ".
        why: String,
    },
}

/// The policy, and what it remembers of the attempts.
#[derive(Debug)]
pub struct Restart {
    settings: config::Restart,
    /// Starts in a row that brought nothing.
    attempts: u32,
    /// The furthest step of all attempts.
    furthest: Option<i64>,
    /// The crashes that were answered by another start, each with its time.
    crashes: Vec<(String, f64)>,
}

impl Restart {
    /// With these settings, before the first end.
    #[must_use]
    pub fn new(settings: config::Restart) -> Self {
        Self {
            settings,
            attempts: 0,
            furthest: None,
            crashes: Vec::new(),
        }
    }

    /// Whether a job is started again at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.on_halt || self.settings.on_crash
    }

    /// The job has ended: `ending` is how, such as `exit status 1`, and empty
    /// if it ended well; `halted` says that we ended it; `cause` names the last
    /// exception or critical alert; `last_step` is how far it came; `now` is in
    /// seconds since 1970.
    pub fn decide(
        &mut self,
        ending: &str,
        halted: bool,
        cause: Option<&str>,
        last_step: Option<i64>,
        now: f64,
    ) -> Decision {
        let progress = self.progressed(last_step);
        if progress {
            self.attempts = 0;
        }
        if let Err(why) = self.may(ending, halted) {
            return Decision::Stop { why };
        }
        if !halted && !self.is_news(ending, cause, progress, now) {
            let within = config::units::write_duration(self.settings.window);
            return stop(format!("the same crash came twice within {within}"));
        }
        if self.attempts >= self.settings.attempts {
            return stop(match self.attempts {
                0 => "no attempt is allowed".to_owned(),
                1 => "1 attempt brought nothing".to_owned(),
                attempts => format!("{attempts} attempts brought nothing"),
            });
        }
        // Beyond that the longest wait is reached, whatever the first one.
        let doubled = f64::from(1_u32 << self.attempts.min(24));
        let backoff = self.settings.backoff.as_secs_f64();
        // A backoff that is longer was set so.
        let longest = backoff.max(LONGEST.as_secs_f64());
        self.attempts += 1;
        Decision::Again {
            after: (backoff * doubled).min(longest),
        }
    }

    /// Whether the job came much further than any attempt before it. The first
    /// has none before it.
    fn progressed(&mut self, last_step: Option<i64>) -> bool {
        let Some(step) = last_step else { return false };
        let least = i64::try_from(self.settings.progress).unwrap_or(i64::MAX);
        let further = self
            .furthest
            .is_some_and(|furthest| step >= furthest.saturating_add(least));
        self.furthest = self.furthest.max(Some(step));
        further
    }

    fn may(&self, ending: &str, halted: bool) -> Result<(), String> {
        let why = match (halted, ending.is_empty()) {
            (true, _) if !self.settings.on_halt => "it was halted",
            (true, _) => return Ok(()),
            (false, true) => "it ended well",
            (false, false) if !self.settings.on_crash => "it crashed",
            (false, false) => return Ok(()),
        };
        Err(why.to_owned())
    }

    /// Whether this crash did not happen of late; from now on it did. One that
    /// comes after progress is another, though it looks the same.
    fn is_news(&mut self, ending: &str, cause: Option<&str>, progress: bool, now: f64) -> bool {
        let window = self.settings.window.as_secs_f64();
        self.crashes.retain(|(_, at)| now - at < window);
        let crash = format!("{ending}\n{}", cause.unwrap_or_default());
        let known = self.crashes.iter().position(|(other, _)| *other == crash);
        match known {
            Some(_) if !progress => return false,
            Some(place) => drop(self.crashes.remove(place)),
            None => {}
        }
        self.crashes.push((crash, now));
        true
    }
}

fn stop(why: String) -> Decision {
    Decision::Stop { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_700_000_000.0;

    fn policy(on_halt: bool, on_crash: bool) -> Restart {
        Restart::new(config::Restart {
            on_halt,
            on_crash,
            attempts: 3,
            progress: 100,
            backoff: Duration::from_secs(30),
            window: Duration::from_secs(3600),
        })
    }

    fn again(after: f64) -> Decision {
        Decision::Again { after }
    }

    #[test]
    fn what_was_not_asked_for_is_not_done() {
        for (on_halt, on_crash, ending, halted, why) in [
            (false, false, "exit status 1", false, "it crashed"),
            (true, false, "exit status 1", false, "it crashed"),
            (false, true, "exit status 0", true, "it was halted"),
            (true, true, "", false, "it ended well"),
        ] {
            let decided = policy(on_halt, on_crash).decide(ending, halted, None, None, NOW);
            assert_eq!(decided, stop(why.to_owned()));
        }
    }

    #[test]
    fn each_attempt_waits_longer_and_the_last_is_the_last() {
        let mut policy = policy(true, false);
        for after in [30.0, 60.0, 120.0] {
            assert_eq!(policy.decide("", true, None, Some(500), NOW), again(after));
        }
        let decided = policy.decide("", true, None, Some(500), NOW);
        assert_eq!(decided, stop("3 attempts brought nothing".to_owned()));
    }

    #[test]
    fn no_wait_is_longer_than_ten_minutes() {
        let mut policy = policy(true, false);
        policy.settings.attempts = u32::MAX;
        let last = (0..100).map(|_| policy.decide("", true, None, None, NOW));
        assert_eq!(last.last(), Some(again(600.0)));
        policy.settings.backoff = Duration::ZERO;
        assert_eq!(policy.decide("", true, None, None, NOW), again(0.0));
        policy.settings.backoff = Duration::from_secs(3600);
        assert_eq!(policy.decide("", true, None, None, NOW), again(3600.0));
    }

    #[test]
    fn the_same_crash_is_answered_once_within_the_window() {
        let crash = |policy: &mut Restart, ending, cause, step, now| {
            policy.decide(ending, false, cause, Some(step), now)
        };
        let mut policy = policy(true, true);
        let killed = ("killed by SIGKILL", Some("oom"));
        assert_eq!(crash(&mut policy, killed.0, killed.1, 10, NOW), again(30.0));
        let twice = stop("the same crash came twice within 1h".to_owned());
        assert_eq!(
            crash(&mut policy, killed.0, killed.1, 11, NOW + 60.0),
            twice
        );
        // Of another cause, or of another ending, it is another.
        let decided = crash(&mut policy, killed.0, Some("nccl"), 12, NOW + 61.0);
        assert_eq!(decided, again(60.0));
        let decided = crash(&mut policy, "exit status 1", None, 13, NOW + 62.0);
        assert_eq!(decided, again(120.0));
        let decided = crash(&mut policy, "exit status 1", None, 14, NOW + 63.0);
        assert!(matches!(decided, Decision::Stop { .. }));
    }

    #[test]
    fn progress_and_time_make_a_crash_another() {
        let mut policy = policy(false, true);
        let mut crash = |step, now| policy.decide("exit status 1", false, None, step, now);
        assert_eq!(crash(Some(1000), NOW), again(30.0));
        assert_eq!(crash(Some(1100), NOW + 60.0), again(30.0));
        assert!(matches!(
            crash(Some(1199), NOW + 90.0),
            Decision::Stop { .. }
        ));
        assert!(matches!(crash(None, NOW + 90.0), Decision::Stop { .. }));
        assert_eq!(crash(Some(1199), NOW + 90.0 + 3600.0), again(60.0));
    }
}
