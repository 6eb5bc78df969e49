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
