//! The watcher of a wrapped job: what the job writes comes in frames, and what
//! it wants of the keeper goes out as orders.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use anyhow::anyhow;

use super::Args;
use crate::cli::live::Live;
use crate::cli::options;
use crate::cli::output::{print, say};
use crate::cli::watch::{self, IDLE};
use crate::exit::{Ending, Failure};
use crate::job::Order;
use crate::job::ending::JobEnding;
use crate::job::frames::{Frame, Note, Reader};

/// Frames that may wait for their turn: some 250 kB.
const WAITING: usize = 64;

/// Standard error's name, where it is apart.
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// Watches until the job ends; not if the network could not be closed as asked.
pub(super) fn run(args: &Args, closed: Result<(), Failure>) -> Result<Ending, Failure> {
    let frames = frames()?;
    match closed.and_then(|()| Watch::begin(args)) {
        Ok(watch) => Ok(watch.run(&frames)),
        Err(failure) => {
            say(&failure.to_string());
            say("runwatch: not watching; the job goes on");
            drain(&frames);
            Ok(failure.ending)
        }
    }
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
    /// The number of the stream's input, once it has written something.
    inputs: [Option<usize>; 2],
    /// How the job ended, once it has.
    ending: Option<JobEnding>,
}

impl Watch {
    fn begin(args: &Args) -> Result<Self, Failure> {
        let loaded = args.configured.load()?;
        let config = &loaded.config;
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
        let outlets = watch::outlets_of(args.shown, &args.delivering, !args.no_history, config)?;
        let live = Live::new(decoding, pipeline, outlets)?;
        if !quiet {
            let watchers = options::watchers(&live.pipeline);
            say(&format!("runwatch: watching with {watchers}"));
        }
        Ok(Self {
            live,
            quiet,
            run,
            inputs: [Some(0), None],
            ending: None,
        })
    }

    fn run(mut self, frames: &Receiver<Frame>) -> Ending {
        while self.ending.is_none() {
            match frames.recv_timeout(IDLE) {
                Ok(frame) => self.take(frame, frames),
                Err(RecvTimeoutError::Timeout) => self.rest(),
                // The keeper was killed: how the job ended nobody knows.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        order(&Order::Finishing);
        self.live.finish(self.quiet, true)
    }

    /// Takes a frame and those that have come with it.
    fn take(&mut self, frame: Frame, more: &Receiver<Frame>) {
        let mut next = Some(frame);
        while let Some(frame) = next.take() {
            next = more.try_recv().ok();
            match frame {
                Frame::Output { stream, bytes } => {
                    if let Some(input) = self.input(stream) {
                        self.live.on(input).take(&bytes, next.is_none());
                    }
                }
                // After it nothing of the job comes any more.
                Frame::Note(Note::Ended { ending, .. }) => self.ending = Some(ending),
                Frame::Note(_) => {}
            }
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
