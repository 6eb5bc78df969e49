//! `runwatch review`: logs in batch, on the records' own time.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::{Args as ClapArgs, ValueEnum};

use super::Outcome;
use super::logs::{self, names_of};
use super::options::{self, Configured, Shown};
use super::output::{count, say, summarize};
use super::progress::Progress;
use super::report::Reports;
use crate::alert::{Alert, Severity, State};
use crate::config::Config;
use crate::decode::{Decoder, Tally};
use crate::deliver::print::console::Console;
use crate::deliver::print::json::JsonLines;
use crate::deliver::print::{PrintError, Printer};
use crate::exit::{Ending, Failure};
use crate::input::find::Found;
use crate::input::naming::Naming;
use crate::judge::Suppressed;
use crate::pipeline::{Pipeline, SEGMENT_ROWS};
use crate::report::{Collector, Detector, Skipped};

/// Review logs in batch: files of any format that runwatch reads, folders of
/// them, patterns in quotes, or `-` for standard input
///
/// Compressed logs (gzip, zstd, xz, bzip2) and tar archives are read as they
/// are. A file with a rank in its path, such as `rank0.jsonl`, is one process of
/// a run; any other is a run of its own (see docs/inputs.md). Alerts go to standard output, everything else to standard error. Time is the
/// records' own; the same input gives the same output, byte for byte.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The logs, in the order in which they were written; folders are walked
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
    reports: Reports,
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
    let mut pipeline = options::pipeline(config, shards(args.threads), false, &note)?;
    let mut out = Out::new(args, config)?;
    let found = Found::all(&args.paths);
    args.reports.check(args.json, &found.files)?;
    let mut naming = Naming::with(&config.paths);
    naming.expect(found.files.iter().map(PathBuf::as_path));
    let first = found.files.first().map_or(Path::new("-"), PathBuf::as_path);
    let (input, named) = names_of(first, &mut naming);
    let mut decoding = options::decoding(config, &input, &named.run, named.rank, &pipeline);
    let collector = args.reports.any().then(Collector::default);
    if collector.is_some() {
        pipeline.keep_muted();
    }
    if args.reports.in_full() {
        decoding.interests = Arc::new((*decoding.interests).clone().with_report());
    }
    let mut review = Review {
        decoder: Decoder::new(decoding),
        pipeline: &mut pipeline,
        out: &mut out,
        collector,
        naming,
        run: config.run.as_deref(),
        quiet,
        progress: Progress::new(&found.files, quiet),
        left_out: found.left_out,
        problem: None,
    };
    for text in found.problems {
        review.problem(anyhow!(text));
    }
    for path in &found.files {
        if let Err(error) = review.input(path) {
            review.unread(path, &error);
            review.problem(error);
        }
        if review.is_over() {
            break;
        }
    }
    review.progress.clear();
    let problem = review.problem;
    let left_out = review.left_out;
    let collector = review.collector.take();
    if !quiet {
        logs::say_left_out(left_out);
    }
    pipeline.finish("unknown", &mut out.alerts);
    pipeline.take_notes().into_iter().for_each(note);
    if let Some(mut collector) = collector {
        collector.alerts(&out.alerts);
        collector.muted(&pipeline.take_muted());
        let detectors = pipeline.accounts().into_iter().map(Detector::from);
        let report = collector.finish(detectors.collect(), left_out as u64);
        out.failed |= !args.reports.write(&report, quiet);
    }
    out.deliver();
    if !quiet {
        say(&closing(&out, pipeline.suppressed()));
    }
    Ok(ending(args, &out, &pipeline, problem))
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

/// What is at work while the inputs are read one after the other.
struct Review<'a> {
    decoder: Decoder,
    pipeline: &'a mut Pipeline,
    out: &'a mut Out,
    /// What the reports are made of, if any is wanted.
    collector: Option<Collector>,
    naming: Naming,
    /// The run that the configuration names.
    run: Option<&'a str>,
    quiet: bool,
    progress: Progress,
    left_out: usize,
    problem: Option<Ending>,
}

impl Review<'_> {
    /// Reads an input: a log, or an archive of logs.
    fn input(&mut self, path: &Path) -> anyhow::Result<()> {
        self.progress.input(&path.display().to_string());
        let count = self.progress.counter();
        let mut log = |log: Option<&Path>, bytes: &mut dyn Read| {
            match log.map(|log| self.log(log, bytes)) {
                Some(Ok(())) => {}
                Some(Err(error)) => self.problem(error),
                None => self.left_out += 1,
            }
            !self.is_over()
        };
        logs::each_of(path, count, &mut log)
    }

    /// Whether nobody wants to know more.
    fn is_over(&self) -> bool {
        self.out.closed && self.collector.is_none()
    }

    /// Notes in the reports that an input could not be opened.
    fn unread(&mut self, path: &Path, error: &anyhow::Error) {
        if let Some(collector) = &mut self.collector {
            let (tally, why) = (Tally::default(), format!("{error:#}"));
            let input = path.to_string_lossy().into_owned();
            collector.input(Skipped::new(input, &tally, Some(why)));
        }
    }

    /// Says what is wrong with an input; the others are still worth reading.
    fn problem(&mut self, error: anyhow::Error) {
        self.progress.clear();
        say(&Failure::new(Ending::Input, error).to_string());
        self.problem = Some(Ending::Input);
    }

    fn log(&mut self, path: &Path, bytes: &mut dyn Read) -> anyhow::Result<()> {
        let (input, named) = names_of(path, &mut self.naming);
        let run = self.run.unwrap_or(&named.run);
        self.decoder.begin(&input, run, named.rank);
        let read = self.read(bytes);
        // What was read is worth judging, whatever happened then.
        match &read {
            Ok(()) => self.decoder.finish(),
            Err(_) => self.decoder.break_off(),
        }
        self.hand_over();
        let tally = self.decoder.tally();
        if !self.quiet && (read.is_ok() || tally.lines > 0) {
            self.progress.clear();
            summarize(&input, &tally);
        }
        if let Some(collector) = &mut self.collector {
            let unread = read.as_ref().err().map(ToString::to_string);
            collector.input(Skipped::new(input.clone(), &tally, unread));
        }
        read.with_context(|| match tally.lines {
            0 => format!("cannot read `{input}`"),
            lines => format!("cannot read `{input}` after line {lines}"),
        })
    }

    fn read(&mut self, bytes: &mut dyn Read) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        while !self.is_over() {
            let len = match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.decoder.push(&buffer[..len]);
            if self.decoder.rows() >= SEGMENT_ROWS {
                self.hand_over();
            }
            self.progress.show();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        let segment = self.decoder.take();
        if let Some(collector) = &mut self.collector {
            collector.segment(&segment);
        }
        if let Some(spent) = self.pipeline.submit(segment, &mut self.out.alerts) {
            self.decoder.recycle(spent);
        }
        if let Some(collector) = &mut self.collector {
            collector.alerts(&self.out.alerts);
            collector.muted(&self.pipeline.take_muted());
        }
        if !self.out.alerts.is_empty() {
            self.progress.clear();
        }
        self.out.deliver();
    }
}

/// Where the alerts of a review go: at once, in order, nothing in between.
struct Out {
    sinks: Vec<Box<dyn Printer>>,
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
        let mut sinks: Vec<Box<dyn Printer>> = Vec::new();
        if args.reports.to_stdout() {
            // Standard output is the report's.
        } else if args.json {
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
                match sink.print(&alert) {
                    Ok(()) => {}
                    Err(PrintError::BrokenPipe) => self.closed = true,
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
            if let Err(PrintError::BrokenPipe) = sink.flush() {
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
