//! What is told of a halt.

use std::io;
use std::path::Path;

use super::files::{Folder, Halt as File};
use super::ladder::{Rung, Step};
use super::{Cause, Halt, Settings, Target, Usr1};
use crate::alert::{Finding, Severity, State};
use crate::deliver::text::clean_line;

/// The key of a halt.
const HALT: &str = "halt";

/// What must be known to tell it.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) settings: &'a Settings,
    pub(super) target: &'a Target,
    pub(super) folder: Option<&'a Folder>,
}

impl Words<'_> {
    /// A halt has begun.
    pub(super) fn begun(self, halt: &Halt, clock: f64) -> Finding {
        let cause = &halt.cause;
        let done = sentence(&log(halt));
        let ahead = self.ahead(halt, clock);
        if halt.leads {
            return Finding {
                recommendation: self.advice(cause),
                values: self.values(halt),
                ..finding(
                    HALT,
                    Severity::Critical,
                    format!("Halting the run: {}", cause.title),
                    join(&[&self.why(cause), &done, &ahead]),
                )
            };
        }
        let job = match &self.target.job {
            Some(_) => "This process is of the same run and ends with it.",
            None => "This watcher only looks on.",
        };
        Finding {
            recommendation: self.advice(cause),
            ..finding(
                HALT,
                Severity::Info,
                format!("Another watcher halts the run: {}", cause.title),
                join(&[&self.why(cause), job, &done, &ahead]),
            )
        }
    }

    /// The job is over.
    pub(super) fn over(self, halt: &Halt, clock: f64) -> Finding {
        let took = seconds(clock - halt.stepped);
        let title = match halt.ladder.last() {
            Some(step) => format!("Halted: the job ended {took} after {}", after(step)),
            None => "Halted: the job ended before anything was done".to_owned(),
        };
        let severity = if halt.leads || halt.gave_up {
            Severity::Critical
        } else {
            Severity::Info
        };
        Finding {
            state: State::Resolved,
            recommendation: self.advice(&halt.cause),
            values: vec![("halt_seconds".to_owned(), clock - halt.began)],
            ..finding(
                HALT,
                severity,
                title,
                join(&[&self.why(&halt.cause), &sentence(&log(halt))]),
            )
        }
    }

    /// Everything was done, and the job goes on.
    pub(super) fn goes_on(self, halt: &Halt, clock: f64) -> Finding {
        let (title, recommendation) = match halt.ladder.last() {
            Some(Step::Kill) => (
                "The job ignores everything, SIGKILL too",
                "A process that outlives SIGKILL waits in the kernel, for a disk, a network file \
                 system or a GPU driver: look at `ps -o pid,stat,wchan` on its machine. It ends \
                 when that answers, or with the machine."
                    .to_owned(),
            ),
            Some(Step::Usr1 | Step::Term) => (
                "The job goes on in spite of SIGTERM",
                "End it by hand, with SIGKILL if need be. `up-to = \"kill\"` in `[halt]` lets \
                 runwatch do that."
                    .to_owned(),
            ),
            Some(Step::Hook | Step::Files) if self.target.job.is_some() => (
                "The job goes on though it was asked to end",
                "End it by hand, or let the trainer look for the file `.HALT` \
                 (docs/integrations.md). `up-to = \"kill\"` in `[halt]` lets runwatch go further."
                    .to_owned(),
            ),
            Some(Step::Hook | Step::Files) => (
                "No end of the job is seen though it was asked to end",
                "End it by hand, or let the trainer look for the file `.HALT` \
                 (docs/integrations.md). runwatch can send signals only to a job that it has \
                 started: `runwatch exec -- python train.py`."
                    .to_owned(),
            ),
            None => (
                "The run cannot be halted",
                "Start the job with `runwatch exec -- python train.py`, or say where the trainer \
                 looks for `.HALT` with `--dir`."
                    .to_owned(),
            ),
        };
        let since = clock - halt.began;
        Finding {
            recommendation,
            values: vec![("halt_seconds".to_owned(), since)],
            ..finding(
                HALT,
                Severity::Critical,
                title.to_owned(),
                join(&[
                    &self.why(&halt.cause),
                    &sentence(&log(halt)),
                    &format!("No end {} after the cause.", seconds(since)),
                ]),
            )
        }
    }

    /// What would be done.
    pub(super) fn dry_run(self, cause: &Cause, rungs: &[Rung]) -> Finding {
        let would = match self.plan(rungs).as_str() {
            "" => "There is nothing to halt it with here: no job and no folder.".to_owned(),
            plan => format!("It would be halted so: {plan}."),
        };
        Finding {
            recommendation: "Nothing was done. If this should have halted the run, set `dry-run \
                             = false` in `[halt]` or give `--halt critical`; if not, change `on` \
                             there, or `halt` of the detector or route."
                .to_owned(),
            ..finding(
                "halt-dry-run",
                Severity::Warning,
                format!("Dry run: would halt the run: {}", cause.title),
                join(&[&self.why(cause), &would]),
            )
        }
    }

    /// The trainer itself asks for an end.
    pub(super) fn asked(self, request: &File) -> Finding {
        let kind = match request.kind.as_str() {
            "" => "for no reason given",
            kind => kind,
        };
        let kind = clean_line(kind);
        let folder = self.folder.map(|folder| folder.path().display());
        let place = folder.map_or(String::new(), |folder| format!(" in {folder}"));
        Finding {
            recommendation: "The trainer ends itself; see what it says of the cause. runwatch \
                             does nothing about it."
                .to_owned(),
            ..finding(
                "halt-asked",
                Severity::Info,
                format!("The trainer asks to halt: {kind}"),
                format!("There is a file `.HALT`{place} that is of no watcher: {kind}."),
            )
        }
    }

    /// The hook did not do what it should.
    pub(super) fn hook_failed(self, cause: &Cause, why: &str) -> Finding {
        let words = self.settings.halt.hook.join(" ");
        Finding {
            recommendation: "What it was to do, such as saving a checkpoint, may not be done. Try \
                             it by hand; `hook` and `hook-timeout` are in `[halt]`."
                .to_owned(),
            ..finding(
                "halt-hook",
                Severity::Warning,
                format!("The hook {}", why.split(':').next().unwrap_or(why)),
                format!(
                    "The hook `{words}` {why}. The halt goes on ({}).",
                    cause.title
                ),
            )
        }
    }

    fn why(self, cause: &Cause) -> String {
        let Target { project, run, .. } = self.target;
        let alert = match cause.alert.get(..8) {
            Some(short) => format!(" (alert {short})"),
            None => String::new(),
        };
        format!(
            "Cause: {}{alert}, {}, run {project}/{run}.",
            cause.reason, cause.kind
        )
    }

    fn advice(self, cause: &Cause) -> String {
        let mut advice = String::new();
        if !cause.alert.is_empty() {
            let ledger = format!(
                "`runwatch get alert {}` shows what led to it. ",
                cause.alert
            );
            advice.push_str(&ledger);
        }
        advice.push_str(
            "Mend that, then start the job again from the last good checkpoint: the control files \
             of this halt do not concern another start. To let such runs go on, give `--halt off` \
             or change `[halt]`.",
        );
        advice
    }

    /// What comes next, in words.
    fn ahead(self, halt: &Halt, clock: f64) -> String {
        let Some((_, wait)) = halt.ladder.ahead(clock) else {
            return String::new();
        };
        let plan = self.plan(halt.ladder.rest());
        format!("If it has not ended in {}: {plan}.", seconds(wait))
    }

    /// Steps in words, with the time after each but the last.
    fn plan(self, rungs: &[Rung]) -> String {
        let mut plan = Vec::new();
        for (place, rung) in rungs.iter().enumerate() {
            let step = self.step(rung.step);
            let last = place + 1 == rungs.len();
            plan.push(match rung.step {
                _ if last => step,
                Step::Hook => format!("{step} (at most {})", seconds(rung.patience)),
                _ => format!("{step}, {} later", seconds(rung.patience)),
            });
        }
        plan.join(" ")
    }

    fn step(self, step: Step) -> String {
        let folder = self.folder.map(|folder| folder.path().display());
        match (step, self.settings.halt.usr1) {
            (Step::Hook, _) => format!("the hook `{}`", self.settings.halt.hook.join(" ")),
            (Step::Files, _) => match folder {
                Some(folder) => format!("control files in {folder}"),
                None => "control files".to_owned(),
            },
            (Step::Usr1, Usr1::Stacks) => "SIGUSR1 for its stacks".to_owned(),
            (Step::Usr1, _) => "SIGUSR1 for a checkpoint".to_owned(),
            (Step::Term, _) => "SIGTERM".to_owned(),
            (Step::Kill, _) => "SIGKILL to all of its processes".to_owned(),
        }
    }

    /// The time that the job has after each step to come.
    fn values(self, halt: &Halt) -> Vec<(String, f64)> {
        let name = |step| match step {
            Step::Hook => "hook_timeout",
            Step::Files => "file_timeout",
            Step::Usr1 => "usr1_timeout",
            Step::Term => "term_timeout",
            Step::Kill => "kill_timeout",
        };
        let last = halt.ladder.last().into_iter();
        let steps = last.chain(halt.ladder.rest().iter().map(|rung| rung.step));
        steps
            .map(|step| {
                let patience = self.settings.patience(step).as_secs_f64();
                (name(step).to_owned(), patience)
            })
            .collect()
    }
}

/// The files of an earlier start could not be removed.
pub(super) fn not_cleaned(folder: &Path, error: &io::Error) -> Finding {
    Finding {
        recommendation: "Remove `.HALT` there by hand: a trainer that looks for nothing but the \
                         file stops at once."
            .to_owned(),
        ..finding(
            "halt-files",
            Severity::Warning,
            "Old control files cannot be removed".to_owned(),
            format!(
                "Control files of an earlier start in {} cannot be removed: {error}.",
                folder.display()
            ),
        )
    }
}

/// The control files could not be written.
pub(super) fn not_written(folder: &Path, error: &io::Error) -> Finding {
    Finding {
        recommendation: "Give a folder with `--dir` that can be written.".to_owned(),
        ..finding(
            "halt-files",
            Severity::Warning,
            "The control files cannot be written".to_owned(),
            format!(
                "The control files cannot be written to {}: {error}. The halt goes on with what \
                 comes next.",
                folder.display()
            ),
        )
    }
}

fn finding(key: &str, severity: Severity, title: String, message: String) -> Finding {
    Finding {
        key: key.to_owned(),
        severity,
        state: State::Firing,
        title,
        message,
        recommendation: String::new(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}

/// What was done, each with its time since the cause.
fn log(halt: &Halt) -> String {
    let steps = halt
        .steps
        .iter()
        .map(|(at, what)| format!("+{} {what}", seconds(*at)));
    steps.collect::<Vec<_>>().join("; ")
}

fn after(step: Step) -> &'static str {
    match step {
        Step::Hook => "the hook was started",
        Step::Files => "the control files",
        Step::Usr1 => "SIGUSR1",
        Step::Term => "SIGTERM",
        Step::Kill => "SIGKILL",
    }
}

fn seconds(seconds: f64) -> String {
    if seconds >= 100.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{seconds:.1} s")
    }
}

fn sentence(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}.")
    }
}

fn join(parts: &[&str]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.copied().collect::<Vec<_>>().join(" ")
}
