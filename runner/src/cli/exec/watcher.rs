//! The watcher of a wrapped job: what the job writes comes in frames, and what
//! it wants of the keeper goes out as orders.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::Args;
use super::leader::Leader;
use super::verdict::{self, Ended};
use crate::cli::act::Act;
use crate::cli::live::{Before, Live};
use crate::cli::options;
use crate::cli::output::{print, say};
use crate::cli::watch::IDLE;
use crate::config::Config;
use crate::exit::{Ending, Failure};
use crate::halt::{Halting, Settings, Target};
use crate::job::ending::JobEnding;
use crate::job::frames::{Frame, Note, Reader};
use crate::job::{Order, environment, postmortem};
use crate::record::Run;
use crate::restart::Restart;

/// Frames that may wait for their turn: some 250 kB.
const WAITING: usize = 64;

/// A relay tells of what came in bursts of frames: one that comes so soon after
/// another belongs to the same, and each call of a detector costs as much as
/// many rows.
const GAP: Duration = Duration::from_millis(5);
/// No burst is waited for longer than this.
const BURST: Duration = Duration::from_millis(100);

/// Standard error's name, where it is apart.
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// Watches until the job ends; not if the network could not be closed as asked.
pub(super) fn run(args: &Args, closed: Result<(), Failure>) -> Result<Ending, Failure> {
    let frames = frames()?;
    let config = match closed.and_then(|()| args.config()) {
        Ok(config) => config,
        Err(failure) => return Ok(only_drain(&failure, &frames)),
    };
    let mut restart = Restart::new(config.restart.clone());
    loop {
        let mut watch = match Watch::begin(args, &config) {
            Ok(watch) => watch,
            Err(failure) => return Ok(only_drain(&failure, &frames)),
        };
        watch.run(&frames);
        let again = watch.verdict(&mut restart);
        order(&again.map_or(Order::Finishing, |after| Order::Restart { after }));
        let ending = watch.live.close(watch.quiet, true);
        if again.is_none() {
            return Ok(ending);
        }
    }
}

fn only_drain(failure: &Failure, frames: &Receiver<Frame>) -> Ending {
    say(&failure.to_string());
    say("runwatch: not watching; the job goes on");
    drain(frames);
    failure.ending
}

/// The frames from standard input; there are no more when the channel closes.
fn frames() -> Result<Receiver<Frame>, Failure> {
    let failed = |error| Failure::new(Ending::Input, anyhow!("cannot read the job: {error}"));
    let (sender, receiver) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("frames".into())
        .spawn(move || {
            let mut reader = Reader::new(io::stdin().lock());
            loop {
                match reader.next_frame() {
                    Ok(Some(frame)) => {
                        if sender.send(frame).is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(error) => return say(&format!("runwatch: cannot read the job: {error}")),
                }
            }
        })
        .map_err(failed)?;
    Ok(receiver)
}

/// Waits for the job's end without a look at what it does.
fn drain(frames: &Receiver<Frame>) {
    let ended = |frame: &Frame| matches!(frame, Frame::Note(Note::Ended { .. }));
    _ = frames.iter().find(ended);
}

struct Watch<'a> {
    config: &'a Config,
    live: Live,
    quiet: bool,
    run: Run,
    job: Arc<Leader>,
    /// The number of the stream's input, once it has written something.
    inputs: [Option<usize>; 2],
    attempt: u32,
    /// When the job began, in seconds since 1970.
    began: f64,
    /// The user asked for the end.
    interrupted: bool,
    /// The keeper knows of the halt.
    told: bool,
    /// The machine when the job began.
    machine: Option<postmortem::Before>,
    /// How the job ended, and when, once it has.
    ending: Option<(JobEnding, f64)>,
}

impl<'a> Watch<'a> {
    fn begin(args: &Args, config: &'a Config) -> Result<Self, Failure> {
        let pipeline = args.live.pipeline(config)?;
        // The keeper has named the run, and said so in the environment.
        let run = Run::new(&config.project, config.run.as_deref().unwrap_or_default());
        let decoding = options::decoding(config, STREAMS[0], &run.run, None, &pipeline);
        let outlets = args.live.outlets(config, Before::New)?;
        let mut live = Live::new(decoding, pipeline, outlets)?;
        // That nothing comes at all is worth an alert, too.
        let expected = live.expect(&run.run);
        live.answers(0, expected);
        args.live.announce(&live.pipeline);
        Ok(Self {
            config,
            live,
            quiet: args.live.shown.quiet,
            run,
            job: Arc::default(),
            inputs: [Some(0), None],
            attempt: 1,
            began: 0.0,
            interrupted: false,
            told: false,
            machine: None,
            ending: None,
        })
    }

    /// Watches the job to its end.
    fn run(&mut self, frames: &Receiver<Frame>) {
        let mut quiet_from = Instant::now();
        while self.ending.is_none() {
            let left = IDLE.saturating_sub(quiet_from.elapsed());
            match frames.recv_timeout(self.live.patience(left)) {
                Err(RecvTimeoutError::Timeout) if quiet_from.elapsed() < IDLE => self.live.look(),
                received => {
                    match received {
                        Ok(frame) => self.take(frame, frames),
                        Err(RecvTimeoutError::Timeout) => self.rest(),
                        // The keeper was killed: how the job ended nobody knows.
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                    quiet_from = Instant::now();
                }
            }
            self.tell_of_the_halt();
        }
    }

    /// There is a job: from now on something can be done about it.
    fn started(&mut self, attempt: u32, pid: u32, began: f64) {
        let config = self.config;
        (self.attempt, self.began) = (attempt, began);
        self.job.set(pid);
        let folder = std::env::current_dir().unwrap_or_default();
        self.machine = Some(postmortem::Before::take(pid, &folder));
        let variable = |name: &str| std::env::var(name).ok();
        let token = variable("RUNWATCH_TOKEN").unwrap_or_default();
        let target = Target {
            project: self.run.project.to_string(),
            run: self.run.run.to_string(),
            dir: variable("RUNWATCH_DIR").map(Into::into),
            token: environment::token_of(&token, attempt),
            rank: environment::rank(&variable),
            began,
            job: Some(Box::new(self.job.clone())),
        };
        let halting = Halting::new(Settings::of(config), target, self.live.ledger());
        let halts = vec![(self.run.clone(), halting)];
        self.live.act(Act::new(halts, Some(self.job.clone())));
    }

    fn tell_of_the_halt(&mut self) {
        if !self.told
            && let Some(why) = self.live.halted()
        {
            order(&Order::Halting {
                why: why.to_owned(),
            });
            self.told = true;
        }
    }

    /// What is to be done now that the job has ended: start it again after so
    /// many seconds, or nothing.
    fn verdict(&mut self, restart: &mut Restart) -> Option<f64> {
        let ended = Ended {
            run: &self.run,
            ending: self.ending.map(|(ending, _)| ending),
            attempt: self.attempt,
            ran: self.ending.map_or(0.0, |(_, at)| at - self.began),
            interrupted: self.interrupted,
            machine: self.machine.as_ref(),
        };
        verdict::tell(&mut self.live, &ended);
        verdict::restart(&mut self.live, &ended, restart)
    }

    /// Takes a frame and those that have come with it.
    fn take(&mut self, frame: Frame, more: &Receiver<Frame>) {
        let until = Instant::now() + BURST;
        let mut next = Some(frame);
        while let Some(frame) = next.take() {
            let left = until.saturating_duration_since(Instant::now());
            next = more.recv_timeout(GAP.min(left)).ok();
            match frame {
                Frame::Output { stream, bytes } => {
                    if let Some(input) = self.input(stream) {
                        self.live.on(input).take(&bytes, next.is_none());
                    }
                }
                // After it nothing of the job comes any more.
                Frame::Note(Note::Ended { ending, at, .. }) => self.ending = Some((ending, at)),
                Frame::Note(Note::Interrupted { .. }) => self.interrupted = true,
                Frame::Note(Note::Started {
                    attempt,
                    pid,
                    began,
                }) => self.started(attempt, pid, began),
                Frame::Note(Note::Closed { .. }) => {}
            }
        }
    }

    /// The input of a stream, which is made when it first writes.
    fn input(&mut self, stream: u8) -> Option<usize> {
        let input = self.inputs.get_mut(usize::from(stream))?;
        if input.is_none() {
            self.live.add(STREAMS[1], &self.run.run, None);
            *input = Some(1);
        }
        *input
    }

    /// Nothing came for a while.
    fn rest(&mut self) {
        for input in self.inputs.into_iter().flatten() {
            self.live.on(input).rest();
        }
        self.live.tick();
    }
}

/// Tells the keeper what to do. If it is gone, nobody does it.
fn order(order: &Order) {
    if let Ok(line) = serde_json::to_string(order) {
        print(&format!("{line}\n"));
    }
}
