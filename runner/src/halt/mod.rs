//! Halting: ending a run that wastes its machines, if the user asked for it.
//!
//! An alert that the configuration lets halt its run begins a ladder: the
//! user's hook, control files that ask the job to end, SIGUSR1, SIGTERM,
//! SIGKILL, each with the time that the job has after it (docs/halting.md). Of
//! several watchers of a run one begins it; the others join in, each with its
//! own job. All that is done is told, as findings.

mod cause;
mod claim;
mod files;
mod hook;
mod ladder;
mod settings;
mod steps;
#[cfg(test)]
mod tests;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashSet;

pub use self::cause::Cause;
pub use self::claim::random_token;
pub use self::settings::{By, On, Reach, Settings, Usr1};

use self::claim::{Claim, Claims, Whose};
use self::files::Folder;
use self::hook::Hook;
use self::ladder::{Ladder, Means, rungs};
use self::words::Words;
use crate::alert::{Alert, Finding};
use crate::ledger::Ledger;

/// A signal to the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGUSR1.
    Usr1,
    /// SIGTERM.
    Term,
    /// SIGKILL, which is for its whole process group.
    Kill,
}

/// What can be done to a job.
pub trait Job: Send {
    /// Whether it has not ended yet.
    fn is_alive(&mut self) -> bool;
    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it could not be sent.
    fn signal(&mut self, signal: Signal) -> io::Result<()>;
}

/// Removes the control files of earlier starts from a folder, before a job with
/// this token begins there, at `began` in seconds since 1970.
///
/// # Errors
///
/// If something could not be removed.
pub fn clean(dir: &Path, token: &str, began: f64) -> io::Result<()> {
    Folder::new(dir.to_owned()).clean(token, began, true)
}

/// What may be halted.
pub struct Target {
    /// The project.
    pub project: String,
    /// The run; `NAME#2`, … are of it too.
    pub run: String,
    /// Where control files go; none if there is no place for them.
    pub dir: Option<PathBuf>,
    /// Names this start of the run: from the scheduler, or [`random_token`].
    pub token: String,
    /// Which of the run's processes it is.
    pub rank: Option<u32>,
    /// When it began, in seconds since 1970.
    pub began: f64,
    /// The job; none if it is not ours to signal.
    pub job: Option<Box<dyn Job>>,
}

/// Seconds between two looks at what others do.
const LOOK: f64 = 1.0;
/// Troubles that a dry run remembers to have spoken of.
const MAX_CAUSES: usize = 256;

/// Halts one start of one run, at most once.
pub struct Halting {
    settings: Settings,
    enabled: bool,
    target: Target,
    folder: Option<Folder>,
    claims: Claims,
    /// The time that has passed, in seconds: a clock that is set back must not
    /// stretch a timeout.
    clock: f64,
    /// The last time that we were told.
    now: f64,
    /// When to look next at what others do, by `clock`.
    look: f64,
    halt: Option<Halt>,
    /// The job is over.
    over: bool,
    /// The causes of which a dry run has spoken.
    spoken: FxHashSet<String>,
    /// The trainer's own request was told.
    asked: bool,
    told: Vec<Finding>,
}

/// A halt that has begun.
struct Halt {
    cause: Cause,
    /// The alert, if it was seen here.
    alert: Option<Alert>,
    /// Whether we have begun it, rather than joined in.
    leads: bool,
    ladder: Ladder,
    hook: Option<Hook>,
    /// When it began, by `clock`.
    began: f64,
    /// When the last step was taken, by `clock`.
    stepped: f64,
    /// What was done, each with its seconds since the beginning.
    steps: Vec<(f64, String)>,
    announced: bool,
    gave_up: bool,
}

impl Halting {
    /// Ready to halt this target. Removes the control files of earlier starts
    /// where a job of ours begins, or halting is on.
    #[must_use]
    pub fn new(settings: Settings, mut target: Target, ledger: Option<Arc<Ledger>>) -> Self {
        let enabled = settings.enabled();
        let folder = target.dir.take().map(Folder::new);
        let hook = settings.halt.hook_timeout.as_secs_f64();
        let whose = Whose {
            project: target.project.clone(),
            run: target.run.clone(),
            token: target.token.clone(),
            rank: target.rank,
            began: target.began,
            hook: if settings.halt.hook.is_empty() {
                0.0
            } else {
                hook
            },
        };
        let mut told = Vec::new();
        if let Some(folder) = &folder
            && (target.job.is_some() || (enabled && !settings.halt.dry_run))
            && let Err(error) = folder.clean(&target.token, target.began, target.job.is_some())
        {
            told.push(words::not_cleaned(folder.path(), &error));
        }
        Self {
            now: target.began,
            claims: Claims::new(whose, ledger),
            settings,
            enabled,
            target,
            folder,
            clock: 0.0,
            look: 0.0,
            halt: None,
            over: false,
            spoken: FxHashSet::default(),
            asked: false,
            told,
        }
    }

    /// Looks at an alert, which may begin a halt. `now` is in seconds since 1970.
    pub fn consider(&mut self, alert: &Alert, now: f64) {
        self.pass(now);
        if self.over || !self.enabled || !self.is_of_this_run(alert) {
            return;
        }
        let reach = self.settings.reach(alert);
        if reach == Reach::Off {
            return;
        }
        let cause = Cause::of_alert(alert, reach);
        if self.settings.halt.dry_run {
            self.speak(&cause);
        } else if self.halt.is_some() {
            self.go_further(reach);
        } else if self.may_begin() {
            self.begin(cause, alert);
        }
    }

    /// Time passes: takes the steps that are due, and returns what is to be
    /// told. To be called every second or so.
    pub fn tick(&mut self, now: f64) -> Vec<Finding> {
        self.pass(now);
        if !self.over {
            if self.halt.is_none() && self.clock >= self.look {
                self.look = self.clock + LOOK;
                self.look_around();
            }
            self.advance();
        }
        std::mem::take(&mut self.told)
    }

    /// The job is over; `how` is read on after "the job ended": `exit status
    /// 0`. Removes the control files, unless other processes of the run may
    /// still have to see them. Returns what is to be told.
    pub fn ended(&mut self, how: &str, now: f64) -> Vec<Finding> {
        self.pass(now);
        if !self.over {
            self.over = true;
            self.conclude(how);
            if let Some(folder) = &self.folder
                && self.target.job.is_some()
                && self.target.rank.is_none()
            {
                folder.clear(&self.target.token);
            }
        }
        std::mem::take(&mut self.told)
    }

    /// Whether a halt has begun, ours or another's, and the job is not over.
    #[must_use]
    pub fn is_halting(&self) -> bool {
        self.halt.is_some() && !self.over
    }

    /// Why the job was halted, if it was. Also after its end.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.halt.as_ref().map(|halt| &halt.cause)
    }

    fn pass(&mut self, now: f64) {
        if now.is_finite() {
            self.clock += (now - self.now).max(0.0);
            self.now = now;
        }
    }

    /// Trainings that follow each other in one log are named `RUN#2`, …
    fn is_of_this_run(&self, alert: &Alert) -> bool {
        let rest = alert.run.strip_prefix(self.target.run.as_str());
        let again = |rest: &str| {
            let number = rest.strip_prefix('#');
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        alert.project == self.target.project
            && rest.is_some_and(|rest| rest.is_empty() || again(rest))
    }

    fn may_begin(&self) -> bool {
        match self.settings.halt.by {
            By::Any => true,
            By::RankZero => self.target.rank.is_none_or(|rank| rank == 0),
        }
    }

    fn means(&self, leads: bool) -> Means {
        Means {
            hook: leads && !self.settings.halt.hook.is_empty(),
            files: self.folder.is_some(),
            signals: self.target.job.is_some(),
        }
    }

    /// A dry run says once for each trouble what would be done.
    fn speak(&mut self, cause: &Cause) {
        let new = self.spoken.len() < MAX_CAUSES && self.spoken.insert(cause.fingerprint.clone());
        if new {
            let rungs = rungs(&self.settings, cause.reach, self.means(true));
            self.told.push(self.words().dry_run(cause, &rungs));
        }
    }

    fn go_further(&mut self, reach: Reach) {
        let Some(leads) = self.halt.as_ref().map(|halt| halt.leads) else {
            return;
        };
        let rungs = rungs(&self.settings, reach, self.means(leads));
        if let Some(halt) = self.halt.as_mut().filter(|halt| halt.cause.reach < reach) {
            halt.cause.reach = reach;
            halt.ladder.extend(rungs);
        }
    }

    fn begin(&mut self, cause: Cause, alert: &Alert) {
        match self.claims.claim(&cause, self.folder.as_ref(), self.now) {
            Claim::Ours => self.start(cause, Some(alert.clone()), true),
            Claim::Theirs(Some(theirs)) => self.start(theirs, Some(alert.clone()), false),
            // Seen when its hook is over.
            Claim::Theirs(None) => {}
        }
    }

    fn start(&mut self, mut cause: Cause, alert: Option<Alert>, leads: bool) {
        if cause.reach == Reach::Off {
            cause.reach = self.settings.halt.up_to;
        }
        let rungs = rungs(&self.settings, cause.reach, self.means(leads));
        self.halt = Some(Halt {
            cause,
            alert,
            leads,
            ladder: Ladder::new(rungs, self.clock),
            hook: None,
            began: self.clock,
            stepped: self.clock,
            steps: Vec::new(),
            announced: false,
            gave_up: false,
        });
    }

    /// Joins in where somebody else halts this run, and tells what the trainer
    /// itself asks for.
    fn look_around(&mut self) {
        if self.enabled
            && !self.settings.halt.dry_run
            && let Some(cause) = self.claims.look(self.folder.as_ref(), self.now)
        {
            self.start(cause, None, false);
            return;
        }
        let request = self.folder.as_ref().and_then(Folder::halt);
        if !self.asked
            && let Some(request) = request
            && request.token.is_none()
            && request.at >= self.target.began
        {
            self.asked = true;
            self.told.push(self.words().asked(&request));
        }
    }

    fn words(&self) -> Words<'_> {
        Words {
            settings: &self.settings,
            target: &self.target,
            folder: self.folder.as_ref(),
        }
    }

    fn is_alive(&mut self) -> bool {
        self.target.job.as_mut().is_none_or(|job| job.is_alive())
    }
}

impl Halt {
    fn note(&mut self, clock: f64, what: &str) {
        self.steps.push((clock - self.began, what.to_owned()));
    }
}

impl Signal {
    /// The name, as in `kill -l` with `SIG` before it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usr1 => "SIGUSR1",
            Self::Term => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }
}
