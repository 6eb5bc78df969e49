//! What is done to the job, step by step.

use super::files::{Of, Written};
use super::hook::Hook;
use super::ladder::{Act, Step};
use super::{Halt, Halting, Signal, words};
use crate::config::units::write_duration;

impl Halting {
    /// Takes the steps that are due, unless the job has ended.
    pub(super) fn advance(&mut self) {
        // To ask for the job may cost a look at all processes.
        if self.halt.is_none() || !self.is_alive() {
            return;
        }
        // Taken out, so that all the rest is at hand.
        let Some(mut halt) = self.halt.take() else {
            return;
        };
        self.await_hook(&mut halt);
        while self.is_alive() {
            match halt.ladder.next(self.clock) {
                Some(Act::Take(step)) => self.step(&mut halt, step),
                Some(Act::GiveUp) => self.give_up(&mut halt),
                None => break,
            }
        }
        if !halt.announced {
            halt.announced = true;
            let said = self.words().begun(&halt, self.clock);
            self.told.insert(0, said);
        }
        self.halt = Some(halt);
    }

    fn await_hook(&mut self, halt: &mut Halt) {
        let Some(answer) = halt.hook.as_ref().and_then(Hook::poll) else {
            return;
        };
        halt.hook = None;
        match answer {
            Ok(()) => halt.note(self.clock, "the hook ended well"),
            Err(why) => {
                halt.note(self.clock, &format!("the hook {why}"));
                self.told.push(self.words().hook_failed(&halt.cause, &why));
            }
        }
        halt.ladder.done(Step::Hook, self.clock);
    }

    fn step(&mut self, halt: &mut Halt, step: Step) {
        halt.stepped = self.clock;
        if step != Step::Hook && halt.leads {
            self.under_way(halt);
        }
        match step {
            Step::Hook => self.run_hook(halt),
            Step::Files => self.write_files(halt),
            Step::Usr1 => self.signal(halt, Signal::Usr1),
            Step::Term => self.signal(halt, Signal::Term),
            Step::Kill => self.signal(halt, Signal::Kill),
        }
    }

    /// Lets the others join in.
    fn under_way(&mut self, halt: &mut Halt) {
        if halt.hook.take().is_some() {
            let limit = write_duration(self.settings.halt.hook_timeout);
            let why = format!("did not end within {limit}");
            halt.note(self.clock, &format!("the hook {why}"));
            self.told.push(self.words().hook_failed(&halt.cause, &why));
        }
        // Where it cannot be told, the folder says it.
        _ = self.claims.note("halting");
    }

    fn run_hook(&mut self, halt: &mut Halt) {
        let target = &self.target;
        let folder = self.folder.as_ref();
        let folder = folder.map(|folder| folder.path().to_string_lossy().into_owned());
        let variables = [
            ("RUNWATCH_HALT_TYPE", halt.cause.kind.as_str()),
            ("RUNWATCH_HALT_REASON", &halt.cause.reason),
            ("RUNWATCH_PROJECT", &target.project),
            ("RUNWATCH_RUN", &target.run),
            ("RUNWATCH_DIR", folder.as_deref().unwrap_or_default()),
            ("RUNWATCH_TOKEN", &target.token),
            ("RUNWATCH_ALERT_ID", &halt.cause.alert),
        ];
        let words = &self.settings.halt.hook;
        let input = serde_json::to_vec(&halt.alert).unwrap_or_default();
        match Hook::start(words, &variables, input, self.settings.halt.hook_timeout) {
            Ok(hook) => {
                halt.hook = Some(hook);
                halt.note(self.clock, "the hook was started");
            }
            Err(error) => {
                let why = format!("could not be started: {error}");
                halt.note(self.clock, &format!("the hook {why}"));
                self.told.push(self.words().hook_failed(&halt.cause, &why));
                halt.ladder.done(Step::Hook, self.clock);
            }
        }
    }

    fn write_files(&mut self, halt: &mut Halt) {
        let Some(folder) = &self.folder else { return };
        let of = Of {
            project: &self.target.project,
            run: &self.target.run,
            token: &self.target.token,
        };
        let write = || folder.write(of, &halt.cause, halt.alert.as_ref(), self.now);
        let mut written = write();
        if let Ok(Written::Theirs(theirs)) = &written
            && theirs.token.is_some()
            && !self.claims.is_ours(theirs)
        {
            // Of another start; nobody heeds it any more.
            let cleaned = folder.clean(of.token, self.target.began, self.target.job.is_some());
            written = cleaned.and_then(|()| write());
        }
        match written {
            Ok(Written::Ours) => {
                let text = format!("control files written to {}", folder.path().display());
                halt.note(self.clock, &text);
            }
            Ok(Written::Theirs(theirs)) => {
                // Of two who came at once, whoever wrote it halts.
                halt.leads &= theirs.token.is_none();
                let text = format!("control files are in {}", folder.path().display());
                halt.note(self.clock, &text);
            }
            Err(error) => {
                halt.note(self.clock, "the control files could not be written");
                let said = words::not_written(folder.path(), &error);
                self.told.push(said);
                // Nobody was asked, so there is nothing to wait for.
                halt.ladder.done(Step::Files, self.clock);
            }
        }
    }

    fn signal(&mut self, halt: &mut Halt, signal: Signal) {
        let Some(job) = &mut self.target.job else {
            return;
        };
        let name = signal.name();
        match job.signal(signal) {
            Ok(()) => halt.note(self.clock, name),
            Err(error) => halt.note(self.clock, &format!("{name} could not be sent: {error}")),
        }
    }

    fn give_up(&mut self, halt: &mut Halt) {
        if halt.leads {
            self.under_way(halt);
        }
        // Of a job that is not ours, whoever halts it says it.
        if halt.leads || self.target.job.is_some() {
            halt.gave_up = true;
            self.told.push(self.words().goes_on(halt, self.clock));
        }
    }

    /// The last words of a halt.
    pub(super) fn conclude(&mut self, how: &str) {
        let Some(mut halt) = self.halt.take() else {
            return;
        };
        if !halt.announced {
            // It ended by itself before anything was done.
            if halt.leads {
                _ = self.claims.withdraw(self.folder.as_ref());
            }
            return;
        }
        self.await_hook(&mut halt);
        if halt.hook.is_some() {
            halt.note(self.clock, "the hook is still running");
        }
        if halt.leads {
            _ = self.claims.note("over");
        }
        halt.note(self.clock, &format!("the job ended: {how}"));
        self.told.push(self.words().over(&halt, self.clock));
        self.halt = Some(halt);
    }
}
