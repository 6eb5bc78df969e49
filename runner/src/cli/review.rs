//! `runwatch review`: logs in batch, on the records' own time.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args as ClapArgs, ValueEnum};

use super::Outcome;
use super::options::{self, Configured, Shown};
use super::output::{count, say, summarize};
use crate::alert::{Alert, Severity, State};
use crate::config::Config;
use crate::decode::Decoder;
use crate::deliver::sinks::console::Console;
use crate::deliver::sinks::json::JsonLines;
use crate::deliver::{Sink, SinkError};
use crate::exit::{Ending, Failure};
use crate::judge::Suppressed;
use crate::pipeline::{Pipeline, SEGMENT_ROWS};

/// Review logs in batch: files of any format that runwatch reads, or `-` for
/// standard input
///
/// Alerts go to standard output, everything else to standard error. Time is the
/// records' own; the same input gives the same output, byte for byte.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The logs, in the order in which they were written
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One alert per line as strict JSON (see docs/alert.md)
    #[arg(long)]
    json: bool,
    /// End with exit code 1 if there is an alert of this severity or above
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Threads to use; the output does not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    configured: Configured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Info,
    Warning,
    Critical,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Critical => Severity::Critical,
        }
    }
}

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

pub(super) fn run(args: &Args) -> Outcome {
    let loaded = args.configured.load()?;
    let config = &loaded.config;
    let quiet = args.shown.quiet;
    let note = |text: String| {
        if !quiet {
            say(&format!("runwatch: {text}"));
        }
    };
    let mut pipeline = options::pipeline(config, shards(args.threads), false, note)?;
    let mut out = Out::new(args, config)?;
    let first = args
        .paths
        .first()
        .map(PathBuf::as_path)
        .unwrap_or(Path::new("-"));
    let (input, run) = names_of(first);
    let mut decoder = Decoder::new(options::decoding(config, &input, &run, &pipeline));
    let mut worst_problem = None;
    for (number, path) in args.paths.iter().enumerate() {
        if number > 0 {
            let (input, run) = names_of(path);
            decoder.begin(&input, config.run.as_deref().unwrap_or(&run));
        }
        let read = read(path, &mut decoder, &mut pipeline, &mut out);
        let failed = read.is_err();
        if let Err(error) = read {
            // The other files are still worth reading.
            say(&Failure::new(Ending::Input, error).to_string());
            worst_problem = Some(Ending::Input);
        }
        let tally = decoder.tally();
        if !quiet && (!failed || tally.lines > 0) {
            summarize(&names_of(path).0, &tally);
        }
        if out.closed {
            break;
        }
    }
    pipeline.finish("unknown", &mut out.alerts);
    out.deliver();
    if !quiet {
        say(&closing(&out, pipeline.suppressed()));
    }
    Ok(ending(args, &out, &pipeline, worst_problem))
}

fn ending(args: &Args, out: &Out, pipeline: &Pipeline, problem: Option<Ending>) -> Ending {
    let mut ending = problem.unwrap_or_default();
    if let (Some(limit), Some(worst)) = (args.fail_on, out.worst)
        && worst >= limit.severity()
    {
        ending = ending.max(Ending::Alerts);
    }
    if out.failed {
        ending = ending.max(Ending::Delivery);
    }
    if pipeline.quarantined() {
        ending = ending.max(Ending::Detector);
    }
    ending
}

/// With one thread everything happens in turn; with more, decoding has one and
/// the detectors share the others.
fn shards(threads: Option<usize>) -> usize {
    let threads = threads.unwrap_or_else(|| {
        std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(4)
    });
    match threads {
        0 | 1 => 1,
        2 => 2,
        more => more - 1,
    }
}

/// The name of an input in locations, and the run that it is unless it says so.
pub(super) fn names_of(path: &Path) -> (String, String) {
    if path == Path::new("-") {
        return ("stdin".to_owned(), "default".to_owned());
    }
    let run = path
        .file_stem()
        .map_or_else(|| "default".into(), |stem| stem.to_string_lossy());
    (path.to_string_lossy().into_owned(), run.into_owned())
}

fn read(
    path: &Path,
    decoder: &mut Decoder,
    pipeline: &mut Pipeline,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot open `{shown}`"))?;
        if file
            .metadata()
            .with_context(|| format!("cannot read `{shown}`"))?
            .is_dir()
        {
            return Err(anyhow!(
                "`{shown}` is a folder; name the logs in it, as in `runwatch review {shown}/*`"
            ));
        }
        Box::new(file)
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let len = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let done = decoder.tally().lines;
                return Err(error).with_context(|| {
                    format!("cannot read `{}` after line {done}", path.display())
                });
            }
        };
        decoder.push(&buffer[..len]);
        if decoder.rows() >= SEGMENT_ROWS {
            hand_over(decoder, pipeline, out);
        }
        if out.closed {
            return Ok(());
        }
    }
    decoder.finish();
    hand_over(decoder, pipeline, out);
    Ok(())
}

fn hand_over(decoder: &mut Decoder, pipeline: &mut Pipeline, out: &mut Out) {
    if let Some(spent) = pipeline.submit(decoder.take(), &mut out.alerts) {
        decoder.recycle(spent);
    }
    out.deliver();
}

/// Where the alerts of a review go: at once, in order, nothing in between.
struct Out {
    sinks: Vec<Box<dyn Sink>>,
    alerts: Vec<Alert>,
    /// Alerts by severity, firing ones only.
    counts: [u64; 3],
    worst: Option<Severity>,
    failed: bool,
    /// Nobody reads the output any more.
    closed: bool,
}

impl Out {
    fn new(args: &Args, config: &Config) -> Result<Self, Failure> {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if args.json {
            sinks.push(Box::new(JsonLines::new("standard output", stdout)));
        } else if let Some(form) = args.shown.form(config) {
            let width = (!terminal).then_some(options::PLAIN_WIDTH);
            sinks.push(Box::new(Console::new(
                stdout,
                form,
                options::colour(config, terminal),
                width,
            )));
        }
        sinks.extend(options::alert_file(config)?);
        Ok(Self {
            sinks,
            alerts: Vec::new(),
            counts: [0; 3],
            worst: None,
            failed: false,
            closed: false,
        })
    }

    fn deliver(&mut self) {
        if self.alerts.is_empty() {
            return;
        }
        for alert in self.alerts.drain(..) {
            if alert.state == State::Firing {
                self.counts[alert.severity as usize] += 1;
                self.worst = self.worst.max(Some(alert.severity));
            }
            for sink in &mut self.sinks {
                match sink.deliver(&alert) {
                    Ok(()) => {}
                    Err(SinkError::BrokenPipe) => self.closed = true,
                    Err(error) => {
                        if !self.failed {
                            say(&format!("error: {error}"));
                        }
                        self.failed = true;
                    }
                }
            }
        }
        for sink in &mut self.sinks {
            if let Err(SinkError::BrokenPipe) = sink.flush() {
                self.closed = true;
            }
        }
    }
}

fn closing(out: &Out, suppressed: Suppressed) -> String {
    let [infos, warnings, criticals] = out.counts;
    let mut text = format!(
        "runwatch: {}",
        count(out.counts.iter().sum(), "alert", "alerts")
    );
    let parts: Vec<String> = [
        (criticals, "critical", "criticals"),
        (warnings, "warning", "warnings"),
        (infos, "info", "infos"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many)| count(number, one, many))
    .collect();
    if !parts.is_empty() {
        text.push_str(&format!(": {}", parts.join(", ")));
    }
    if suppressed.total() > 0 {
        text.push_str(&format!(
            " ({} muted)",
            count(suppressed.total(), "finding", "findings")
        ));
    }
    text
}
