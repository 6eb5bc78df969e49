//! What the user starts as `runwatch exec`: it starts the job and its helpers,
//! and ends as the job ended.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGSTOP, SIGTERM, SIGTTIN, SIGTTOU};

use super::ending::JobEnding;
use super::environment::Environment;
use super::folder::{self, Folder};
use super::frames::Note;
use super::roles::{Order, RelayProcess, Watcher};
use super::streams::Streams;
use super::terminal::{Terminal, Window, is_terminal, never_stop_for_output};
use super::{group, signals};
use crate::halt;

/// How long processes that the job left behind may take to end by themselves,
/// and again after SIGTERM.
const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// How often what is left is killed, in case that it starts others meanwhile.
const KILLS: usize = 20;

/// How long an output without news is waited for once the job has ended.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// How long the watcher may take to read what the job wrote.
const BACKLOG: Duration = Duration::from_secs(300);

/// How long it may take for its own ending, besides that of deliveries.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How often is looked for what nobody tells.
const LOOK: Duration = Duration::from_millis(250);

/// What to run, and how.
#[derive(Debug)]
pub struct Plan {
    /// The program and its arguments.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Arguments of `runwatch exec` for the watcher.
    pub watcher: Vec<OsString>,
    /// Whether the job gets a terminal in any case.
    pub tty: bool,
    /// What the job finds in its environment.
    pub environment: Environment,
    /// The folder of control files, if it was made for this run alone.
    pub folder: Option<Folder>,
    /// How long deliveries may take at the end.
    pub flush: Duration,
    /// Tells the user something.
    pub say: fn(&str),
}

/// Why there is no job.
#[derive(Debug)]
pub enum NoJob {
    /// The program cannot be started.
    Program(io::Error),
    /// Something else is missing.
    Other(io::Error),
}

/// What the keeper waits for.
#[derive(Debug)]
pub(super) enum Event {
    Signal(i32),
    Order(Order),
}

/// Runs the job to its end, and all attempts of it.
///
/// # Errors
/// When it cannot be started.
pub fn run(plan: Plan) -> Result<JobEnding, NoJob> {
    never_stop_for_output();
    #[cfg(target_os = "linux")]
    {
        // Whatever the job leaves behind becomes our child.
        _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
    let (sender, events) = channel();
    signals::listen(sender.clone()).map_err(NoJob::Other)?;
    let mut variables = plan.environment.variables(1);
    if let Some(folder) = &plan.folder {
        variables.push((folder::VARIABLE, folder.path().into()));
    }
    let watcher = Watcher::new(plan.watcher.clone(), variables, sender).map_err(NoJob::Other)?;
    let mut keeper = Keeper {
        plan,
        events,
        watcher,
        terminal: Terminal::controlling(),
        window: None,
        relays: Vec::new(),
        job: None,
        interrupts: 0,
        halting: false,
        finishing: false,
        restart: None,
    };
    let ended = keeper.run();
    if let Some(folder) = keeper.plan.folder.take() {
        folder.remove();
    }
    ended
}

struct Keeper {
    plan: Plan,
    events: Receiver<Event>,
    watcher: Watcher,
    terminal: Option<Terminal>,
    window: Option<Window>,
    relays: Vec<RelayProcess>,
    job: Option<Job>,
    /// How often the user has asked for the end since the job ended.
    interrupts: u32,
    halting: bool,
    finishing: bool,
    restart: Option<f64>,
}

/// The leader of the job's group. When it has ended, it is left unburied, so
/// that its number is not used again while somebody may ask about it.
#[derive(Debug, Clone, Copy)]
struct Job {
    pid: Pid,
    ending: Option<JobEnding>,
}

impl Keeper {
    fn run(&mut self) -> Result<JobEnding, NoJob> {
        let mut attempt = 1;
        loop {
            let job = self.start(attempt)?;
            if attempt == 1 && !self.watcher.start() {
                self.say("the watcher cannot be started; the job goes on unwatched");
            }
            let ending = self.until_the_job_ends();
            let at = now();
            self.end_what_is_left(job, ending);
            self.until_the_output_ends();
            self.watcher.tell(Note::Ended {
                attempt,
                ending,
                at,
            });
            if !self.is_to_restart() {
                self.until_the_watcher_ends();
                bury(job);
                return Ok(ending);
            }
            bury(job);
            attempt += 1;
        }
    }

    fn start(&mut self, attempt: u32) -> Result<Pid, NoJob> {
        self.halting = false;
        let environment = &self.plan.environment;
        // Before there is anybody who could take them for its own. What cannot
        // be removed the watcher says.
        _ = halt::clean(&environment.dir, &environment.token_of(attempt), now());
        let streams = Streams::like_ours(self.plan.tty).map_err(NoJob::Other)?;
        let mut command = Command::new(&self.plan.program);
        command
            .args(&self.plan.arguments)
            .envs(environment.variables(attempt))
            .stdout(streams.stdout)
            .stderr(streams.stderr)
            .process_group(0);
        let child = command.spawn().map_err(NoJob::Program)?;
        // The job's side of its streams is the job's alone.
        drop(command);
        let pid = Pid::from_child(&child);
        self.job = Some(Job { pid, ending: None });
        self.window = streams.window;
        self.hand_over_terminal(pid);
        self.watcher.tell(Note::Started {
            attempt,
            pid: child.id(),
            began: now(),
        });
        let watcher = &self.watcher;
        self.relays = streams
            .sources
            .into_iter()
            .map(|source| RelayProcess::start(source, watcher))
            .collect();
        Ok(pid)
    }

    fn until_the_job_ends(&mut self) -> JobEnding {
        self.wait(None, |keeper| keeper.ending().is_some());
        if let (Some(terminal), Some(job)) = (&self.terminal, self.job) {
            terminal.take_back(job.pid);
        }
        self.interrupts = 0;
        self.ending().unwrap_or(JobEnding::Exited(0))
    }

    fn ending(&self) -> Option<JobEnding> {
        self.job.and_then(|job| job.ending)
    }

    /// Other processes of the job's group end with it, unless it ended well.
    fn end_what_is_left(&mut self, job: Pid, ending: JobEnding) {
        let nobody = move |keeper: &Self| keeper.left_behind(job).is_empty();
        if self.wait(Some(LEFT_BEHIND), nobody) {
            return;
        }
        let left = match self.left_behind(job).len() {
            1 => "a process".to_owned(),
            more => format!("{more} processes"),
        };
        if ending.is_success() && !self.halting {
            self.say(&format!("the job has ended and left {left} behind"));
            return;
        }
        self.say(&format!("ending {left} that the job left behind"));
        self.signal_left_behind(job, Signal::TERM);
        let patience = [LEFT_BEHIND].into_iter().chain([LOOK; KILLS]);
        for patience in patience {
            if self.wait(Some(patience), nobody) {
                return;
            }
            // Those whose parents are gone become our children one after another.
            self.signal_left_behind(job, Signal::KILL);
        }
    }

    /// What lives of the job: its group, and what came to us because its
    /// parents ended, such as workers with sessions of their own.
    /// Services that a job leaves on purpose are its own affair, if it ended
    /// well.
    fn left_behind(&self, job: Pid) -> Vec<Pid> {
        let mut left = group::members(job);
        if self.ending().is_some_and(JobEnding::is_success) && !self.halting {
            return left;
        }
        let adopted = group::adopted(&self.own_children()).into_iter();
        let others: Vec<Pid> = adopted.filter(|pid| !left.contains(pid)).collect();
        left.extend(others);
        left
    }

    fn signal_left_behind(&self, job: Pid, signal: Signal) {
        for pid in self.left_behind(job) {
            // It may be gone meanwhile.
            _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Those whom we have started, the job's leader included.
    fn own_children(&self) -> Vec<Pid> {
        let job = self.job.map(|job| job.pid);
        let helpers = self.relays.iter().map(RelayProcess::pid);
        helpers.chain([self.watcher.pid(), job]).flatten().collect()
    }

    /// Until all of the job's output has come, or nothing comes any more
    /// because somebody else has the stream.
    fn until_the_output_ends(&mut self) {
        let done = |keeper: &Self| keeper.relays.iter().all(RelayProcess::is_done);
        while !self.wait(Some(LAST_OUTPUT), |keeper| {
            keeper.interrupts > 0 || done(keeper)
        }) {
            // A slow reader is waited for, but not who was left behind.
            let left = self
                .job
                .is_some_and(|job| !group::members(job.pid).is_empty());
            if left || !self.relays.iter().any(RelayProcess::has_more) {
                return;
            }
        }
    }

    /// Whether the watcher wants another attempt. The time until then has
    /// passed.
    fn is_to_restart(&mut self) -> bool {
        self.wait(Some(BACKLOG), |keeper| {
            keeper.finishing
                || keeper.restart.is_some()
                || keeper.watcher.is_gone()
                || keeper.interrupts > 0
        });
        let Some(after) = self.restart.take() else {
            return false;
        };
        let pause = Duration::try_from_secs_f64(after).unwrap_or(Duration::ZERO);
        !self.wait(Some(pause), |keeper| keeper.interrupts > 0)
    }

    fn until_the_watcher_ends(&mut self) {
        let patience = self.plan.flush + LAST_WORDS;
        self.wait(Some(patience), |keeper| {
            keeper.watcher.is_gone() || keeper.interrupts > 0
        });
        self.watcher.kill();
    }

    /// Takes what happens until this is so, or so much time has passed. True
    /// if it is so.
    fn wait(&mut self, patience: Option<Duration>, so: impl Fn(&Self) -> bool) -> bool {
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            if so(self) {
                return true;
            }
            let mut wait = self.look_again();
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                wait = wait.min(left);
            }
            match self.events.recv_timeout(wait) {
                Ok(event) => self.take(&event),
                Err(RecvTimeoutError::Timeout) => self.look_around(),
                // Nobody tells anything any more; there is still time.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait.min(LOOK)),
            }
        }
    }

    fn look_again(&self) -> Duration {
        if self.window.is_some() || self.ending().is_some() {
            LOOK
        } else {
            Duration::from_secs(3600)
        }
    }

    fn take(&mut self, event: &Event) {
        match *event {
            Event::Signal(SIGCHLD) => self.children(),
            Event::Signal(signal) => {
                if matches!(signal, SIGINT | SIGTERM) {
                    self.interrupts += 1;
                    self.watcher.tell(Note::Interrupted { signal });
                }
                if let Some(signal) = signals::named(signal) {
                    self.signal(signal);
                }
            }
            Event::Order(Order::Restart { after }) => self.restart = Some(after),
            Event::Order(Order::Halting { .. }) => self.halting = true,
            Event::Order(Order::Finishing) => self.finishing = true,
        }
    }

    fn look_around(&mut self) {
        let Some(window) = &mut self.window else {
            return;
        };
        let terminals = self.relays.iter().map(|relay| &relay.source);
        let terminals = terminals.filter(|source| source.terminal);
        if window.follow(terminals.map(|source| &source.from)) {
            self.signal(Signal::WINCH);
        }
    }

    /// To all of the job's group.
    fn signal(&self, signal: Signal) {
        if let Some(job) = self.job {
            // There may be nobody left.
            _ = rustix::process::kill_process_group(job.pid, signal);
        }
    }

    /// One of our children ended or stopped; it is not said which.
    fn children(&mut self) {
        if let Some(mut job) = self.job.filter(|job| job.ending.is_none()) {
            job.ending = ended(job.pid);
            self.job = Some(job);
            if let Some(signal) = stopped(job.pid) {
                self.stop_with(job.pid, signal);
            }
        }
        for relay in &mut self.relays {
            relay.look(&self.watcher);
        }
        if !self.watcher.look() {
            self.say("the watcher died again and again; the job goes on unwatched");
        }
        group::reap_adopted(&self.own_children());
    }

    /// The user's keys go to the job, if they came to us alone. Where others
    /// share them, such as a pager behind a pipe, the job gets them when it
    /// first asks for them.
    fn hand_over_terminal(&self, job: Pid) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        if is_terminal(io::stdin()) && terminal.is_ours() && group::is_alone() {
            terminal.give(job);
            // It may have asked for them too early.
            self.signal(Signal::CONT);
        }
    }

    /// The job was stopped: as a rule by Ctrl-Z, and then we stop like it, so
    /// that the shell takes over.
    fn stop_with(&self, job: Pid, signal: i32) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        let wants_terminal = matches!(signal, SIGTTIN | SIGTTOU);
        if wants_terminal && (terminal.is_ours() || terminal.belongs_to(job)) {
            terminal.give(job);
            self.signal(Signal::CONT);
            return;
        }
        let had_terminal = terminal.belongs_to(job);
        // Somebody stops the job in the background and will continue it.
        if signal == SIGSTOP && !had_terminal {
            return;
        }
        terminal.take_back(job);
        // Where no shell would ever let us go on, nobody stops.
        if !group::is_orphaned() {
            _ = signal_hook::low_level::raise(SIGSTOP);
        }
        if had_terminal && terminal.is_ours() {
            terminal.give(job);
        }
        self.signal(Signal::CONT);
    }

    fn say(&self, text: &str) {
        (self.plan.say)(&format!("runwatch: {text}"));
    }
}

/// How a child ended, which stays to be buried.
fn ended(pid: Pid) -> Option<JobEnding> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid), options).ok()??;
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(JobEnding::Exited(code)),
        (_, Some(signal)) => Some(JobEnding::Killed(signal)),
        _ => None,
    }
}

/// The signal that stopped a child since the last time.
fn stopped(pid: Pid) -> Option<i32> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    waitid(WaitId::Pid(pid), options).ok()??.stopping_signal()
}

fn bury(pid: Pid) {
    _ = waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    );
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}
