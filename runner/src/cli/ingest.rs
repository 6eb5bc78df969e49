//! `runwatch serve --ingest`: watches what is posted.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::delivery::Delivering;
use super::live::{Before, Live, Outlets};
use super::options::{self, Shown};
use super::output::say;
use crate::config::Config;
use crate::exit::{Ending, Failure};
use crate::serve::ingest::{Intake, Limits, Next, Origin};

/// The run of records that name none, where nobody names another.
const RUN: &str = "api";
/// How often time passes for detectors.
const IDLE: Duration = Duration::from_millis(500);
/// Services whose lines are read in turn; beyond, what is known of the one
/// that was silent for longest is given up.
const INPUTS: usize = 256;

/// A thread that watches what is posted.
pub(super) struct Ingest {
    pub(super) intake: Arc<Intake>,
    thread: JoinHandle<Ending>,
}

/// Loads the detectors, opens the ways out, and begins to watch.
pub(super) fn start(
    delivering: &Delivering,
    config: &Config,
    body: usize,
    queue: usize,
) -> Result<Ingest, Failure> {
    let usual = Origin {
        project: config.project.clone(),
        run: config.run.clone().unwrap_or_else(|| RUN.to_owned()),
    };
    let limits = Limits {
        // What does not fit into the queue could never be taken.
        body: body.min(queue),
        queue,
        runs: config.decode.max_runs,
    };
    let intake = Intake::new(limits, usual.clone());
    let (config, delivering) = (config.clone(), delivering.clone());
    let theirs = intake.clone();
    let (ready, readiness) = sync_channel(1);
    let watch = move || {
        // Nobody may wait for a thread that has died.
        let _closing = Closing(&theirs);
        let watched = match Watched::new(&config, &delivering, usual) {
            Ok(watched) => watched,
            Err(failure) => {
                let ending = failure.ending;
                _ = ready.send(Err(failure));
                return ending;
            }
        };
        _ = ready.send(Ok(options::watchers(&watched.live.pipeline)));
        watched.run(&theirs)
    };
    let failed = |error| Failure::new(Ending::Usage, anyhow!("cannot start a thread: {error}"));
    let thread = thread::Builder::new()
        .name("ingest".into())
        .spawn(watch)
        .map_err(failed)?;
    let died = || Failure::new(Ending::Usage, anyhow!("what is posted cannot be watched"));
    let watchers = readiness.recv().map_err(|_| died())??;
    say(&format!(
        "runwatch: watching what is posted with {watchers}"
    ));
    Ok(Ingest { intake, thread })
}

impl Ingest {
    /// Watches what was taken, sends what is to be sent, and ends.
    pub(super) fn finish(self) -> Ending {
        self.intake.close();
        // A panic has printed itself by now.
        self.thread.join().unwrap_or(Ending::Detector)
    }
}

struct Closing<'a>(&'a Intake);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Watched {
    live: Live,
    /// By the number of the input.
    inputs: Vec<Input>,
}

struct Input {
    origin: Origin,
    /// When it was heard of last.
    heard: Instant,
    /// Whether something came since it was told to rest.
    active: bool,
}

impl Input {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            heard: Instant::now(),
            active: false,
        }
    }
}

/// The name of an input, in alerts.
fn shown(origin: &Origin) -> String {
    format!("ingest/{}/{}", origin.project, origin.run)
}

impl Watched {
    fn new(config: &Config, delivering: &Delivering, usual: Origin) -> Result<Self, Failure> {
        let note = |text: String| say(&format!("runwatch: {text}"));
        let pipeline = options::pipeline(config, 1, true, note)?;
        let shown_as = Shown {
            plain: false,
            quiet: false,
        };
        let outlets = Outlets::open(shown_as, delivering, true, config, Before::New)?;
        let name = shown(&usual);
        let decoding = options::decoding(config, &name, &usual.run, None, &pipeline);
        Ok(Self {
            live: Live::new(decoding, pipeline, outlets)?,
            inputs: vec![Input::new(usual)],
        })
    }

    fn run(mut self, intake: &Arc<Intake>) -> Ending {
        let mut ticked = Instant::now();
        loop {
            match intake.next(self.live.patience(IDLE)) {
                Next::Batch(batch) => {
                    let input = self.input(&batch.origin);
                    self.live.on(input).take(&batch.text, intake.is_empty());
                }
                Next::Nothing => self.live.look(),
                Next::Closed => break,
            }
            // Who posts all the time must not stop the clock.
            if intake.is_empty() {
                self.rest();
            }
            if ticked.elapsed() >= IDLE {
                ticked = Instant::now();
                self.live.tick();
            }
        }
        self.live.end("unknown");
        self.live.close(false, false)
    }

    /// The number of the input of these lines.
    fn input(&mut self, origin: &Origin) -> usize {
        let known = self.inputs.iter().position(|it| it.origin == *origin);
        let input = known.unwrap_or_else(|| self.begin(origin));
        if let Some(it) = self.inputs.get_mut(input) {
            (it.heard, it.active) = (Instant::now(), true);
        }
        input
    }

    fn begin(&mut self, origin: &Origin) -> usize {
        let (project, name) = (&origin.project, shown(origin));
        let new = Input::new(origin.clone());
        if self.inputs.len() < INPUTS {
            self.live.add_in(project, &name, &origin.run);
            self.inputs.push(new);
            return self.inputs.len() - 1;
        }
        let all = self.inputs.iter_mut().enumerate();
        let Some((input, oldest)) = all.min_by_key(|(_, it)| it.heard) else {
            return 0;
        };
        *oldest = new;
        self.live.replace(input, project, &name, &origin.run);
        input
    }

    /// Nothing waits: what could still be a part of something longer is not.
    fn rest(&mut self) {
        for (input, it) in self.inputs.iter_mut().enumerate() {
            if std::mem::take(&mut it.active) {
                self.live.on(input).rest();
            }
        }
    }
}
