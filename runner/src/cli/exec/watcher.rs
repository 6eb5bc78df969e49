//! The watcher of a wrapped job: what the job writes comes in frames, and what
//! it wants of the keeper goes out as orders.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use anyhow::anyhow;

use super::Args;
use super::leader::Leader;
use super::verdict::{self, Ended};
use crate::cli::act::{Act, Scene};
use crate::cli::live::{Before, Live};
use crate::cli::options;
use crate::cli::output::{print, say};
use crate::cli::watch::{self, IDLE};
use crate::config::Config;
use crate::exit::{Ending, Failure};
use crate::halt::{Halting, Settings, Target};
use crate::job::ending::JobEnding;
use crate::job::frames::{Frame, Note, Reader};
use crate::job::{Order, environment};
use crate::record::Run;
use crate::restart::Restart;

/// Frames that may wait for their turn: some 250 kB.
const WAITING: usize = 64;

/// Standard error's name, where it is apart.
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// Gives an exit code, at which nobody looks.
pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let frames = frames()?;
    let config = args.delivering.close_network().and_then(|()| args.config());
    let config = match config {
        Ok(config) => config,
        Err(failure) => return Ok(only_drain(&failure, &frames)),
    };
    let mut restart = Restart::new(config.restart.clone());
    loop {
        let mut watch = match Watch::begin(args, &config) {
            Ok(watch) => watch,
            Err(failure) => return Ok(only_drain(&failure, &frames)),
        };
        watch.run(&config, &frames);
        let ended = watch.ended();
        let again = verdict::restart(&mut watch.live, &ended, &mut restart);
        order(&again.map_or(Order::Finishing, |after| Order::Restart { after }));
        let ending = watch.live.close(watch.quiet, true);
        if again.is_none() {
            return Ok(ending.code());
        }
    }
}

fn only_drain(failure: &Failure, frames: &Receiver<Frame>) -> u8 {
    say(&failure.to_string());
    say("runwatch: not watching; the job goes on");
    drain(frames);
    failure.ending.code()
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

struct Watch {
    live: Live,
    quiet: bool,
    run: String,
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
    /// How the job ended, once it has.
    ending: Option<JobEnding>,
}

impl Watch {
    fn begin(args: &Args, config: &Config) -> Result<Self, Failure> {
        let quiet = args.shown.quiet;
        let note = |text: String| {
            if !quiet {
                say(&format!("runwatch: {text}"));
            }
        };
        let pipeline = options::pipeline(config, 1, true, note)?;
        // The keeper has named the run, and said so in the environment.
        let run = config.run.clone().unwrap_or_default();
        let decoding = options::decoding(config, STREAMS[0], &run, None, &pipeline);
        let outlets = watch::outlets_of(
            args.shown,
            &args.delivering,
            !args.no_history,
            config,
            Before::New,
        )?;
        let live = Live::new(decoding, pipeline, outlets)?;
        if !quiet {
            let watchers = options::watchers(&live.pipeline);
            say(&format!("runwatch: watching with {watchers}"));
        }
        Ok(Self {
            live,
            quiet,
            run,
            job: Arc::default(),
            inputs: [Some(0), None],
            attempt: 1,
            began: 0.0,
            interrupted: false,
            told: false,
            ending: None,
        })
    }

    /// Watches the job to its end.
    fn run(&mut self, config: &Config, frames: &Receiver<Frame>) {
        while self.ending.is_none() {
            match frames.recv_timeout(IDLE) {
                Ok(Frame::Note(Note::Started {
                    attempt,
                    pid,
                    began,
                })) => self.started(config, attempt, pid, began),
                Ok(frame) => self.take(frame),
                Err(RecvTimeoutError::Timeout) => self.rest(),
                // The keeper was killed: how the job ended nobody knows.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tell_of_the_halt();
        }
        let ended = self.ended();
        verdict::tell(&mut self.live, &ended);
    }

    /// There is a job: from now on something can be done about it.
    fn started(&mut self, config: &Config, attempt: u32, pid: u32, began: f64) {
        (self.attempt, self.began) = (attempt, began);
        self.job.set(pid);
        let run = Run {
            project: config.project.as_str().into(),
            run: self.run.as_str().into(),
        };
        let variable = |name: &str| std::env::var(name).ok();
        let token = variable("RUNWATCH_TOKEN").unwrap_or_default();
        let target = Target {
            project: config.project.clone(),
            run: self.run.clone(),
            dir: variable("RUNWATCH_DIR").map(Into::into),
            token: environment::token_of(&token, attempt),
            rank: environment::rank(&variable),
            began,
            job: Some(Box::new(self.job.clone())),
        };
        let halting = Halting::new(Settings::of(config), target, self.live.ledger());
        let scene: Arc<dyn Scene> = self.job.clone();
        self.live.act(Act::new(run, Some(halting), Some(scene)));
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

    fn ended(&self) -> Ended {
        Ended {
            ending: self.ending,
            attempt: self.attempt,
            interrupted: self.interrupted,
        }
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Output { stream, bytes } => {
                if let Some(input) = self.input(stream) {
                    self.live.on(input).take(&bytes, true);
                }
            }
            Frame::Note(Note::Ended { ending, .. }) => self.ending = Some(ending),
            Frame::Note(Note::Interrupted { .. }) => self.interrupted = true,
            Frame::Note(_) => {}
        }
    }

    /// The input of a stream, which is made when it first writes.
    fn input(&mut self, stream: u8) -> Option<usize> {
        let input = self.inputs.get_mut(usize::from(stream))?;
        if input.is_none() {
            self.live.add(STREAMS[1], &self.run, None);
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
