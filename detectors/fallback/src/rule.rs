//! The rule: what each session began with, and what it has now.

use std::collections::BTreeMap;

use runwatch_detector::stats::select;
use runwatch_detector::{Parameters, glob};
use serde::{Deserialize, Serialize};

use crate::crowd::Crowds;

/// Where times are unknown, the throttle is so many calls of the session.
const THROTTLE_CALLS: u64 = 20;
/// Bytes kept of a value.
const VALUE: usize = 96;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) labels: Vec<String>,
    pub(crate) session: String,
    pub(crate) told: Vec<String>,
    fallbacks: Vec<String>,
    throttle: f64,
    ttl: f64,
    sessions: usize,
    pub(crate) crowd: u32,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When no label is watched, or no session's.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let list = |name| -> Result<Vec<String>, String> {
            let items = parameters.list(name)?;
            Ok(items.into_iter().map(str::to_owned).collect())
        };
        let settings = Self {
            labels: list("labels")?,
            session: parameters.text("session")?.trim().to_owned(),
            told: list("told")?,
            fallbacks: list("fallbacks")?,
            throttle: parameters.number("throttle")?,
            ttl: parameters.number("ttl")?,
            sessions: parameters.count("sessions")?.max(1),
            crowd: u32::try_from(parameters.count("crowd")?).unwrap_or(u32::MAX),
        };
        if settings.labels.is_empty() || settings.session.is_empty() {
            return Err("`labels` and `session` must name at least one label each".to_owned());
        }
        Ok(settings)
    }

    fn is_fallback(&self, values: &[String]) -> bool {
        let whole = shown(values);
        let matches = |pattern: &String| {
            glob::matches(pattern, &whole)
                || values.iter().any(|value| glob::matches(pattern, value))
        };
        self.fallbacks.iter().any(matches)
    }
}

/// One call of a session.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Which session it is.
    pub session: u64,
    /// The labels' values, in the order of the setting; none where the row has
    /// no such label.
    pub values: Vec<Option<&'a str>>,
    /// Seconds since 1970, or NaN.
    pub time: f64,
}

/// News of a session. Values are `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It has changed.
    Changed {
        /// Which session.
        session: u64,
        /// What it began with; unknown when it begins with a fallback.
        from: Option<String>,
        /// What it has now.
        to: String,
        /// It begins with a fallback.
        cold: bool,
    },
    /// It has again what it began with.
    Back {
        /// Which session.
        session: u64,
        /// What it had.
        from: String,
        /// What it has now.
        to: String,
    },
    /// It has left one fallback for another.
    Other {
        /// Which session.
        session: u64,
        /// What it had.
        from: String,
        /// What it has now.
        to: String,
    },
    /// It is forgotten while it had a fallback.
    Forgotten {
        /// Which session.
        session: u64,
        /// What it had.
        from: String,
    },
    /// So many sessions have the same fallback that they are told together.
    Crowd {
        /// What they have.
        to: String,
        /// How many there are.
        sessions: u32,
    },
    /// None of these has it any more.
    Dispersed {
        /// What they had.
        from: String,
    },
}

impl Seen {
    /// Which session it is; none: several.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        match self {
            Self::Changed { session, .. }
            | Self::Back { session, .. }
            | Self::Other { session, .. }
            | Self::Forgotten { session, .. } => Some(*session),
            Self::Crowd { .. } | Self::Dispersed { .. } => None,
        }
    }
}

/// What is remembered of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// By their hashes.
    sessions: BTreeMap<u64, Session>,
    crowds: Crowds,
    /// How many calls there were.
    calls: u64,
    /// The latest time, and when sessions were last looked through.
    swept: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    id: u64,
    /// Empty until it is known: the session began with a fallback.
    primary: Vec<String>,
    now: Vec<String>,
    /// The fallback that is told and not over.
    open: Option<String>,
    /// It is told with others, not by itself.
    crowded: bool,
    /// The fallback told last, when, and at which call of the session.
    told: Option<(String, f64, u64)>,
    calls: u64,
    /// The last call: in stream time, and counted over all sessions.
    time: f64,
    call: u64,
}

/// `provider/model`.
fn shown(values: &[String]) -> String {
    let known: Vec<&str> = values
        .iter()
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .collect();
    known.join("/")
}

fn kept(value: &str) -> String {
    runwatch_detector::text::cut(value, VALUE)
}

impl Watch {
    /// Looks at the next call.
    pub fn look(&mut self, settings: &Settings, call: &Call<'_>, mut tell: impl FnMut(Seen)) {
        self.calls += 1;
        self.sweep(settings, call.time, &mut tell);
        if call.values.iter().all(Option::is_none) {
            return;
        }
        if let Some(session) = self.sessions.get_mut(&call.session) {
            session.goes_on(settings, call, self.calls, &mut self.crowds, &mut tell);
            return;
        }
        self.make_room(settings, &mut tell);
        let session = Session::begin(settings, call, self.calls, &mut self.crowds, &mut tell);
        self.sessions.insert(call.session, session);
    }

    /// Forgets sessions that were silent for too long; looks ten times as often
    /// as they live.
    fn sweep(&mut self, settings: &Settings, now: f64, tell: &mut impl FnMut(Seen)) {
        if now.is_nan() {
            return;
        }
        let due = self
            .swept
            .is_none_or(|swept| now - swept > settings.ttl / 10.0 || now < swept);
        if !due {
            return;
        }
        self.swept = Some(now);
        // A clock that was set back must not keep them for as long again.
        for session in self.sessions.values_mut() {
            session.time = session.time.min(now);
        }
        self.forget(tell, |session| now - session.time > settings.ttl);
    }

    /// Forgets the quarter that is silent for longest when there are too many.
    fn make_room(&mut self, settings: &Settings, tell: &mut impl FnMut(Seen)) {
        if self.sessions.len() < settings.sessions {
            return;
        }
        let mut calls: Vec<u64> = self.sessions.values().map(|session| session.call).collect();
        let quarter = calls.len() / 4;
        let last = select(&mut calls, quarter, u64::lt).unwrap_or_default();
        self.forget(tell, |session| session.call <= last);
    }

    fn forget(&mut self, tell: &mut impl FnMut(Seen), old: impl Fn(&Session) -> bool) {
        let crowds = &mut self.crowds;
        self.sessions.retain(|_, session| {
            if !old(session) {
                return true;
            }
            if let Some(from) = session.leave(crowds, tell) {
                let session = session.id;
                tell(Seen::Forgotten { session, from });
            }
            false
        });
    }
}

impl Session {
    fn begin(
        settings: &Settings,
        call: &Call<'_>,
        calls: u64,
        crowds: &mut Crowds,
        tell: &mut impl FnMut(Seen),
    ) -> Self {
        let now: Vec<String> = call
            .values
            .iter()
            .map(|value| kept(value.unwrap_or_default()))
            .collect();
        let mut session = Self {
            id: call.session,
            primary: Vec::new(),
            now,
            open: None,
            crowded: false,
            told: None,
            calls: 1,
            time: call.time,
            call: calls,
        };
        if settings.is_fallback(&session.now) {
            session.change(settings, true, crowds, tell);
        } else {
            session.primary = session.now.clone();
        }
        session
    }

    fn goes_on(
        &mut self,
        settings: &Settings,
        call: &Call<'_>,
        calls: u64,
        crowds: &mut Crowds,
        tell: &mut impl FnMut(Seen),
    ) {
        self.calls += 1;
        self.call = calls;
        if !call.time.is_nan() {
            self.time = call.time;
        }
        let mut changed = false;
        for (at, value) in call.values.iter().enumerate() {
            // A row without the label says nothing about it.
            let (Some(value), Some(now)) = (value.map(kept), self.now.get_mut(at)) else {
                continue;
            };
            if *now == value {
                continue;
            }
            // A label that comes late completes what was known.
            match self.primary.get_mut(at) {
                Some(primary) if primary.is_empty() => primary.clone_from(&value),
                _ => changed = true,
            }
            *now = value;
        }
        if !changed {
            return;
        }
        let good = if self.primary.is_empty() {
            !settings.is_fallback(&self.now)
        } else {
            self.now == self.primary
        };
        if good {
            if self.primary.is_empty() {
                self.primary = self.now.clone();
            }
            if let Some(from) = self.leave(crowds, tell) {
                let to = shown(&self.now);
                tell(Seen::Back {
                    session: self.id,
                    from,
                    to,
                });
            }
        } else {
            self.change(settings, false, crowds, tell);
        }
    }

    /// The fallback that is told, if there is one, is over. Gives it if it was
    /// told of this session by itself.
    fn leave(&mut self, crowds: &mut Crowds, tell: &mut impl FnMut(Seen)) -> Option<String> {
        let from = self.open.take()?;
        let crowded = std::mem::take(&mut self.crowded);
        if crowds.leave(&from, crowded) {
            tell(Seen::Dispersed { from: from.clone() });
        }
        (!crowded).then_some(from)
    }

    /// The session has a fallback that it did not have at the call before.
    fn change(
        &mut self,
        settings: &Settings,
        cold: bool,
        crowds: &mut Crowds,
        tell: &mut impl FnMut(Seen),
    ) {
        let (session, to) = (self.id, shown(&self.now));
        if self.open.as_ref() == Some(&to) {
            return;
        }
        if let Some(from) = self.leave(crowds, tell) {
            let to = to.clone();
            tell(Seen::Other { session, from, to });
        }
        if self.is_throttled(settings, &to) {
            return;
        }
        self.told = Some((to.clone(), self.time, self.calls));
        self.open = Some(to.clone());
        let joined = crowds.join(&to, settings.crowd);
        self.crowded = joined.crowded;
        if let Some(sessions) = joined.news {
            tell(Seen::Crowd { to, sessions });
        } else if !joined.crowded {
            let from = (!self.primary.is_empty()).then(|| shown(&self.primary));
            tell(Seen::Changed {
                session,
                from,
                to,
                cold,
            });
        }
    }

    fn is_throttled(&self, settings: &Settings, to: &str) -> bool {
        let Some((last, time, call)) = &self.told else {
            return false;
        };
        let seconds = self.time - time;
        let recent = if seconds.is_nan() {
            self.calls - call < THROTTLE_CALLS
        } else {
            // Calls may come a little out of order; a clock that was set back
            // must not mute what comes until it has caught up.
            seconds.abs() < settings.throttle
        };
        last == to && recent
    }
}
