//! `runwatch` without a subcommand: standard input, live.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::Args as ClapArgs;

use super::Outcome;
use super::options::{self, Configured, Shown};
use super::output::{count, say, summarize};
use crate::alert::{Alert, State};
use crate::config::Config;
use crate::decode::{self, Decoder};
use crate::deliver::{Outbox, Sink};
use crate::exit::{Ending, Failure};
use crate::input::queue::Popped;
use crate::input::{Queue, passthrough};
use crate::pipeline::{Pipeline, SEGMENT_ROWS};

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    configured: Configured,
}

/// How often time passes for detectors when nothing comes in.
const IDLE: Duration = Duration::from_millis(500);
/// How long sinks may take to empty their queues at the end.
const FLUSH: Duration = Duration::from_secs(20);
/// Alerts that may wait for one sink.
const WAITING: usize = 1024;

pub(super) fn run(args: &Args) -> Outcome {
    if io::stdin().is_terminal() {
        let error = anyhow!("nothing is piped in");
        return Err(Failure::new(Ending::Usage, error).hint(
            "try `python train.py 2>&1 | runwatch`, `runwatch review run.log`, or `runwatch demo`",
        ));
    }
    // First of all, whatever may fail below: the job's output goes on.
    let queue = Arc::new(Queue::new());
    passthrough::start(queue.clone(), true).map_err(|error| {
        Failure::new(
            Ending::Input,
            anyhow!(error).context("cannot read standard input"),
        )
    })?;
    let result = watch(args, &queue);
    // A wrong configuration must not cost the job its output, nor kill it with
    // a broken pipe.
    result.or_else(|failure| {
        say(&failure.to_string());
        pass_through(&queue);
        Ok(failure.ending)
    })
}

/// Copies standard input to standard output and does nothing else: for a
/// command line that cannot be understood at the end of a job's pipe.
pub(super) fn only_pass_through() {
    let queue = Arc::new(Queue::new());
    if passthrough::start(queue.clone(), true).is_ok() {
        pass_through(&queue);
    }
}

fn pass_through(queue: &Queue) {
    say("runwatch: not watching; the output passes through unchanged");
    while queue.pop(Duration::from_secs(3600)) != Popped::Ended {}
}

fn watch(args: &Args, queue: &Arc<Queue>) -> Outcome {
    let loaded = args.configured.load()?;
    let config = &loaded.config;
    let quiet = args.shown.quiet;
    let note = |text: String| {
        if !quiet {
            say(&format!("runwatch: {text}"));
        }
    };
    let pipeline = options::pipeline(config, 1, true, note)?;
    let decoding = options::decoding(config, "stdin", &run_name(), None, &pipeline);
    let mut live = Live::new(decoding, pipeline, sinks(args, config)?)?;
    let interrupted = interrupts(queue)?;
    if !quiet {
        say(&format!(
            "runwatch: watching with {}",
            live.pipeline.detectors().join(", ")
        ));
    }
    loop {
        match queue.pop(IDLE) {
            Popped::Bytes(bytes) => live.take(&bytes, queue.is_empty()),
            Popped::Nothing => live.idle(),
            Popped::Ended => break,
        }
    }
    let dropped = queue.dropped();
    if dropped > 0 {
        say(&format!(
            "runwatch: {dropped} bytes passed through unwatched: no room to keep them"
        ));
    }
    let ending = live.finish(quiet);
    Ok(if interrupted.load(Ordering::Relaxed) {
        ending.max(Ending::Interrupted)
    } else {
        ending
    })
}

/// The run of a live stream that names none: what the launcher calls it, else
/// the moment it began.
fn run_name() -> String {
    let job = std::env::var("SLURM_JOB_ID")
        .ok()
        .filter(|id| !id.is_empty());
    job.map_or_else(
        || jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string(),
        |id| format!("slurm-{id}"),
    )
}

fn sinks(args: &Args, config: &Config) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let mut sinks = Vec::new();
    if let Some(form) = args.shown.form(config) {
        sinks.push(options::stderr_console(config, form));
    }
    sinks.extend(options::alert_file(config)?);
    Ok(sinks)
}

/// The first Ctrl-C is meant for the job, whose last words are worth watching;
/// the second ends the watch. SIGTERM ends it at once.
fn interrupts(queue: &Arc<Queue>) -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let failed =
            |error| Failure::new(Ending::Usage, anyhow!("cannot listen for signals: {error}"));
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let (flag, queue) = (interrupted.clone(), queue.clone());
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut interrupts = 0;
                for signal in signals.forever() {
                    interrupts += 1;
                    if signal == SIGTERM || interrupts == 2 {
                        flag.store(true, Ordering::Relaxed);
                        queue.end();
                    } else if interrupts == 1 {
                        say(
                            "runwatch: watching until the job ends; press Ctrl-C again to stop now",
                        );
                    }
                }
            })
            .map_err(failed)?;
    }
    Ok(interrupted)
}

/// A stream that is being watched.
pub(super) struct Live {
    input: Arc<str>,
    decoder: Decoder,
    pub(super) pipeline: Pipeline,
    outbox: Outbox,
    alerts: Vec<Alert>,
    fired: u64,
}

impl Live {
    pub(super) fn new(
        decoding: decode::Options,
        pipeline: Pipeline,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Result<Self, Failure> {
        let outbox = Outbox::new(sinks, WAITING).map_err(|error| {
            Failure::new(
                Ending::Usage,
                anyhow!("cannot start a sink's thread: {error}"),
            )
        })?;
        Ok(Self {
            input: decoding.input.clone(),
            decoder: Decoder::new(decoding),
            pipeline,
            outbox,
            alerts: Vec::new(),
            fired: 0,
        })
    }

    /// Takes bytes; `caught_up` says that no more are waiting, so that there is
    /// no reason to wait for a fuller batch.
    pub(super) fn take(&mut self, bytes: &[u8], caught_up: bool) {
        self.decoder.set_now(now());
        self.decoder.push(bytes);
        if caught_up || self.decoder.rows() >= SEGMENT_ROWS {
            self.process();
        }
    }

    /// Nothing came in for a while.
    pub(super) fn idle(&mut self) {
        self.decoder.set_now(now());
        self.decoder.release();
        self.process();
        self.pipeline.tick(now(), &mut self.alerts);
        self.send();
    }

    fn process(&mut self) {
        if self.decoder.rows() > 0 {
            self.pipeline.submit(self.decoder.take(), &mut self.alerts);
            if let Some(spent) = self.pipeline.collect(&mut self.alerts) {
                self.decoder.recycle(spent);
            }
        }
        self.send();
    }

    fn send(&mut self) {
        for alert in self.alerts.drain(..) {
            self.fired += u64::from(alert.state == State::Firing);
            self.outbox.send(&Arc::new(alert));
        }
    }

    /// The stream is over: last words, then the summary.
    pub(super) fn finish(mut self, quiet: bool) -> Ending {
        self.decoder.finish();
        self.process();
        self.pipeline.finish("unknown", &mut self.alerts);
        self.send();
        let mut ending = Ending::Fine;
        for report in self.outbox.close(FLUSH) {
            if !report.is_complete() && !report.broken_pipe {
                say(&format!("runwatch: {report}"));
                ending = ending.max(Ending::Delivery);
            }
        }
        if self.pipeline.quarantined() {
            ending = ending.max(Ending::Detector);
        }
        if !quiet {
            summarize(&self.input, &self.decoder.tally());
            say(&format!(
                "runwatch: {}",
                count(self.fired, "alert", "alerts")
            ));
        }
        ending
    }
}

/// The wall clock, in seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}
