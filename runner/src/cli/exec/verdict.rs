//! What is said and done when a job has ended.

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGTERM};

use crate::alert::{Finding, Severity, State};
use crate::cli::live::Live;
use crate::deliver::post::wall_clock;
use crate::job::crash::{self, End};
use crate::job::ending::JobEnding;
use crate::job::postmortem::Before;
use crate::record::Run;
use crate::restart::{Decision, Restart};

/// An end of the job.
pub(super) struct Ended<'a> {
    /// The run that the job is.
    pub(super) run: &'a Run,
    /// How; none if nobody was there to see it.
    pub(super) ending: Option<JobEnding>,
    /// Which start of it, from 1.
    pub(super) attempt: u32,
    /// The user asked for it, by way of us.
    pub(super) interrupted: bool,
    /// How many seconds it ran.
    pub(super) ran: f64,
    /// The machine then, if that was looked at.
    pub(super) machine: Option<&'a Before>,
}

impl Ended<'_> {
    /// The outcome in the words of the contract.
    fn outcome(&self, halted: bool) -> &'static str {
        match self.ending {
            None => "unknown",
            _ if halted || self.interrupted => "killed",
            Some(JobEnding::Exited(0)) => "completed",
            Some(JobEnding::Exited(_)) => "crashed",
            Some(JobEnding::Killed(signal)) if is_request(signal) => "killed",
            Some(JobEnding::Killed(_)) => "crashed",
        }
    }

    /// To be read on after "the job ended".
    fn how(&self) -> String {
        let how = |ending: JobEnding| format!("with {ending}");
        self.ending.map_or("unseen".to_owned(), how)
    }

    /// Whether the user asked for it: at a terminal the keys go to the job alone.
    fn is_asked(&self, live: &Live) -> bool {
        const CTRL_C: i32 = 128 + SIGINT;
        let says_so = || {
            live.exception()
                .is_some_and(|it| it.name == "KeyboardInterrupt")
        };
        self.interrupted
            || match self.ending {
                Some(JobEnding::Killed(signal)) => signal == SIGINT,
                Some(JobEnding::Exited(code)) => code == CTRL_C || says_so(),
                None => false,
            }
    }

    fn is_success(&self) -> bool {
        self.ending.is_some_and(JobEnding::is_success)
    }
}

/// Whether a process that gets this signal was asked to end, rather than did
/// something wrong.
fn is_request(signal: i32) -> bool {
    [SIGHUP, SIGINT, SIGKILL, SIGTERM].contains(&signal)
}

/// Tells how the job ended, unless it ended well.
pub(super) fn tell(live: &mut Live, ended: &Ended<'_>) {
    let halted = live.halted().is_some();
    live.end(ended.outcome(halted));
    live.job_ended(&ended.how());
    // That it was halted is told, and why; that it is gone with its keeper, no
    // news of the job's.
    let Some(machine) = ended.machine.filter(|_| !halted && ended.ending.is_some()) else {
        return;
    };
    let lines = live.last_lines().into_iter();
    let lines: Vec<String> = lines.flat_map(|(_, lines)| lines).collect();
    let facts = machine.facts(ended.ending, &lines);
    let traceback = live.exception().and_then(|exception| {
        let traceback = exception
            .fields
            .iter()
            .find(|(name, _)| name == "traceback");
        traceback.map(|(_, text)| text.clone())
    });
    let told = crash::finding(&End {
        ending: ended.ending,
        attempt: ended.attempt,
        ran: Duration::try_from_secs_f64(ended.ran).unwrap_or_default(),
        lines: &lines,
        traceback: traceback.as_deref(),
        facts: &facts,
        asked: ended.is_asked(live),
    });
    if let Some((finding, evidence)) = told {
        live.say(ended.run, finding, Some(evidence));
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    wall_clock() as f64 / 1000.0
}

/// Whether the job is started again, and after how many seconds; that is told,
/// too.
pub(super) fn restart(live: &mut Live, ended: &Ended<'_>, restart: &mut Restart) -> Option<f64> {
    // Whoever ends a job does not want it back.
    let ending = ended.ending.filter(|_| !ended.is_asked(live))?;
    let halted = live.halted().is_some();
    let how = if ended.is_success() {
        String::new()
    } else {
        ending.to_string()
    };
    let (cause, step) = (live.cause().map(str::to_owned), live.pipeline.last_step());
    let (finding, after) = match restart.decide(&how, halted, cause.as_deref(), step, now()) {
        Decision::Again { after } => (again(ended.attempt, after), Some(after)),
        Decision::Stop { .. } if !restart.is_on() || (ended.is_success() && !halted) => {
            return None;
        }
        Decision::Stop { why } => (not_again(&why), None),
    };
    live.say(ended.run, finding, None);
    after
}

fn again(attempt: u32, after: f64) -> Finding {
    let next = attempt.saturating_add(1);
    Finding {
        title: format!("The job is started again: attempt {next}"),
        message: format!(
            "Attempt {next} of the job begins {after:.0} s after the end of the last."
        ),
        recommendation:
            "See that it goes on from a checkpoint and not from the beginning. To keep \
                         it from starting again, end runwatch with Ctrl-C or SIGTERM."
                .to_owned(),
        ..finding("job-restart", Severity::Info)
    }
}

fn not_again(why: &str) -> Finding {
    Finding {
        title: "The job is not started again".to_owned(),
        message: format!("The job is not started again: {why}."),
        recommendation:
            "Look at why it ended, mend that, and start it by hand. `[restart]` in the \
                         configuration says how often it is tried (docs/halting.md)."
                .to_owned(),
        ..finding("job-not-restarted", Severity::Warning)
    }
}

fn finding(key: &str, severity: Severity) -> Finding {
    Finding {
        key: key.to_owned(),
        severity,
        state: State::Firing,
        title: String::new(),
        message: String::new(),
        recommendation: String::new(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}
