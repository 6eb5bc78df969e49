//! The steps of a halt, each with the time that the job has after it: a state
//! machine that knows nothing but what time it is.

use std::time::Duration;

use super::settings::{Reach, Settings, Usr1};

/// How long a job may outlive SIGKILL: one in uninterruptible sleep does.
pub(super) const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// A step of a halt. They are taken in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    /// The user's command runs.
    Hook,
    /// The control files ask. A watcher that joins in finds them there as a rule.
    Files,
    Usr1,
    Term,
    Kill,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Take this step.
    Take(Step),
    /// Say that all was done and the job goes on.
    GiveUp,
}

/// What there is to halt a job with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Means {
    /// A command, and the right to run it.
    pub(super) hook: bool,
    /// A folder for control files.
    pub(super) files: bool,
    /// A job to send signals to.
    pub(super) signals: bool,
}

/// A step and how many seconds the job has after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rung {
    pub(super) step: Step,
    pub(super) patience: f64,
}

/// The steps that these means allow, up to this reach, in order.
pub(super) fn rungs(settings: &Settings, reach: Reach, means: Means) -> Vec<Rung> {
    let signals = means.signals && reach >= Reach::Signal;
    let steps = [
        (Step::Hook, means.hook),
        (Step::Files, means.files),
        (Step::Usr1, signals && settings.halt.usr1 != Usr1::Off),
        (Step::Term, signals),
        (Step::Kill, signals && reach >= Reach::Kill),
    ];
    let taken = steps.into_iter().filter(|(_, taken)| *taken);
    taken
        .map(|(step, _)| Rung {
            step,
            patience: settings.patience(step).as_secs_f64(),
        })
        .collect()
}

/// A halt on its way.
#[derive(Debug)]
pub(super) struct Ladder {
    /// The steps that are still to be taken, in order.
    rungs: Vec<Rung>,
    last: Option<Step>,
    /// When the next one is due.
    due: f64,
    given_up: bool,
}

impl Ladder {
    /// Begins now.
    pub(super) fn new(rungs: Vec<Rung>, now: f64) -> Self {
        Self {
            rungs,
            last: None,
            due: now,
            given_up: false,
        }
    }

    /// What is to be done now. To be asked again until there is nothing, and
    /// not any more once the job has ended.
    pub(super) fn next(&mut self, now: f64) -> Option<Act> {
        if now < self.due || self.given_up {
            return None;
        }
        if self.rungs.is_empty() {
            self.given_up = true;
            return Some(Act::GiveUp);
        }
        let rung = self.rungs.remove(0);
        self.last = Some(rung.step);
        self.due = now + rung.patience;
        Some(Act::Take(rung.step))
    }

    /// What this step was waited for has come: the next one is due.
    pub(super) fn done(&mut self, step: Step, now: f64) {
        if self.last == Some(step) {
            self.due = self.due.min(now);
        }
    }

    /// It is to go further: the steps beyond the last that was taken are these.
    pub(super) fn extend(&mut self, rungs: Vec<Rung>) {
        let beyond = |rung: &Rung| self.last.is_none_or(|last| rung.step > last);
        self.rungs = rungs.into_iter().filter(beyond).collect();
        self.given_up &= self.rungs.is_empty();
    }

    /// The next step, and in how many seconds.
    pub(super) fn ahead(&self, now: f64) -> Option<(Step, f64)> {
        let rung = self.rungs.first()?;
        Some((rung.step, (self.due - now).max(0.0)))
    }

    /// The steps that are still to be taken.
    pub(super) fn rest(&self) -> &[Rung] {
        &self.rungs
    }

    /// The last step that was taken.
    pub(super) fn last(&self) -> Option<Step> {
        self.last
    }
}
