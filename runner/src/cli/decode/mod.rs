//! `runwatch decode`: what runwatch reads in a log, without judging it.

use std::io::{self, BufWriter, Read, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::Args as ClapArgs;

use super::Outcome;
use super::logs::{self, names_of};
use super::options::{self, Configured};
use super::output::{print, say};
use crate::config::Config;
use crate::decode::{Decoder, Interests, formats};
use crate::exit::{Ending, Failure};
use crate::input::find::Found;
use crate::input::naming::Naming;
use crate::suggest::did_you_mean;

mod records;
mod summary;

use summary::Summary;

/// Show what runwatch reads in logs: records as strict JSON lines, or a summary
///
/// Formats are recognised by what the lines look like, not by names of files.
/// Without --summary every record is one line on standard output, its metrics
/// by the names that the job printed; NaN and the infinities are texts there.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Logs, folders of logs, archives, patterns in quotes, or `-` for standard input
    #[arg(required_unless_present = "list", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A table instead of the records: format, runs, metrics, what was skipped
    #[arg(long)]
    summary: bool,
    /// Read only this format (see --list), whatever the lines look like
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Name every format that runwatch reads
    #[arg(long, exclusive = true)]
    list: bool,
    #[command(flatten)]
    configured: Configured,
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.list {
        print(&list());
        return Ok(Ending::Fine);
    }
    let format = args.format.as_deref().map(known).transpose()?;
    let loaded = args.configured.load()?;
    let found = Found::all(&args.paths);
    let mut naming = Naming::with(&loaded.config.paths);
    naming.expect(found.files.iter().map(PathBuf::as_path));
    let mut reading = Reading {
        args,
        config: &loaded.config,
        format,
        naming,
        out: Out::Open(BufWriter::new(io::stdout().lock())),
        left_out: found.left_out,
        ending: Ending::Fine,
    };
    for text in found.problems {
        reading.problem(anyhow!(text));
    }
    for path in &found.files {
        if let Err(error) = reading.input(path) {
            reading.problem(error);
        }
        if matches!(reading.out, Out::Closed) {
            break;
        }
    }
    reading.out.write(Write::flush);
    logs::say_left_out(reading.left_out);
    Ok(reading.ending)
}

/// What is at work while the inputs are read one after the other.
struct Reading<'a> {
    args: &'a Args,
    config: &'a Config,
    format: Option<&'static str>,
    naming: Naming,
    out: Out<'a>,
    left_out: usize,
    ending: Ending,
}

impl Reading<'_> {
    /// Says what is wrong with an input; the others are still worth reading.
    fn problem(&mut self, error: anyhow::Error) {
        say(&Failure::new(Ending::Input, error).to_string());
        self.ending = Ending::Input;
    }

    /// Reads an input: a log, or an archive of logs.
    fn input(&mut self, path: &Path) -> Result<()> {
        let mut log = |log: Option<&Path>, bytes: &mut dyn Read| {
            match log.map(|log| self.log(log, bytes)) {
                Some(Ok(())) => {}
                Some(Err(error)) => self.problem(error),
                None => self.left_out += 1,
            }
            !matches!(self.out, Out::Closed)
        };
        logs::each_of(path, |file| file, &mut log)
    }

    fn log(&mut self, path: &Path, bytes: &mut dyn Read) -> Result<()> {
        let (input, named) = names_of(path, &mut self.naming);
        let wanted = Arc::new(Interests::everything());
        let mut decoder = Decoder::new(crate::decode::Options {
            format: self.format,
            ..options::decoding_for(self.config, &input, &named.run, named.rank, wanted)
        });
        let mut summary = self.args.summary.then(Summary::default);
        let read = logs::feed(&mut decoder, bytes, |decoder, _| {
            let segment = decoder.take();
            match &mut summary {
                Some(summary) => summary.add(&segment),
                None => self.out.write(|out| records::write(&segment, out)),
            }
            decoder.recycle(segment);
            Ok(!matches!(self.out, Out::Closed))
        });
        let tally = decoder.tally();
        if let Some(summary) = summary {
            self.out.write(|out| summary.write(&input, &tally, out));
        } else if let Some((line, problem)) = tally.first_malformed {
            say(&format!("runwatch: {input}:{line}: {problem}"));
        }
        read.with_context(|| format!("cannot read `{input}` after line {}", tally.lines))
    }
}

/// Standard output, until its reader has had enough.
enum Out<'a> {
    Open(BufWriter<StdoutLock<'a>>),
    Closed,
}

impl<'a> Out<'a> {
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<StdoutLock<'a>>) -> io::Result<()>) {
        if let Self::Open(out) = self
            && let Err(error) = write(out)
        {
            if error.kind() != io::ErrorKind::BrokenPipe {
                say(&format!("error: cannot write to standard output: {error}"));
            }
            *self = Self::Closed;
        }
    }
}

/// The format with this name.
fn known(name: &str) -> Result<&'static str, Failure> {
    if let Some(about) = formats().find(|about| about.name == name) {
        return Ok(about.name);
    }
    let names = formats().map(|about| about.name);
    let hint = did_you_mean(name, names)
        .unwrap_or_else(|| "`runwatch decode --list` names them all".to_owned());
    Err(Failure::new(Ending::Usage, anyhow!("there is no format `{name}`")).hint(&hint))
}

fn list() -> String {
    let width = formats().map(|about| about.name.len()).max().unwrap_or(0);
    formats()
        .map(|about| format!("{:width$}  {}\n", about.name, about.title))
        .collect()
}
