//! `runwatch decode`: what runwatch reads in a log, without judging it.

use std::fs::File;
use std::io::{self, BufWriter, Read, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Args as ClapArgs;

use super::Outcome;
use super::options::{self, Configured};
use super::output::{print, say};
use super::review::names_of;
use crate::decode::{Decoder, Interests, formats};
use crate::exit::{Ending, Failure};

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
    /// The logs, or `-` for standard input
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

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

pub(super) fn run(args: &Args) -> Outcome {
    if args.list {
        print(&list());
        return Ok(Ending::Fine);
    }
    let format = args.format.as_deref().map(known).transpose()?;
    let loaded = args.configured.load()?;
    let config = &loaded.config;
    let mut out = Out::Open(BufWriter::new(io::stdout().lock()));
    let mut ending = Ending::Fine;
    for path in &args.paths {
        let (input, run) = names_of(path);
        let wanted = Arc::new(Interests::everything());
        let mut decoder = Decoder::new(crate::decode::Options {
            format,
            ..options::decoding_for(config, &input, &run, wanted)
        });
        let mut summary = args.summary.then(Summary::default);
        if let Err(error) = decode(path, &mut decoder, summary.as_mut(), &mut out) {
            say(&Failure::new(Ending::Input, error).to_string());
            ending = Ending::Input;
        }
        if let Some(summary) = summary {
            out.write(|out| summary.write(&input, &decoder.tally(), out));
        } else if let Some((line, problem)) = decoder.tally().first_malformed {
            say(&format!("runwatch: {input}:{line}: {problem}"));
        }
        if matches!(out, Out::Closed) {
            break;
        }
    }
    out.write(Write::flush);
    Ok(ending)
}

fn decode(
    path: &Path,
    decoder: &mut Decoder,
    mut summary: Option<&mut Summary>,
    out: &mut Out<'_>,
) -> Result<()> {
    let shown = path.display();
    let mut input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot open `{shown}`"))?;
        Box::new(file)
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let len = match input.read(&mut buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read `{shown}`")),
        };
        if len == 0 {
            decoder.finish();
        }
        decoder.push(&buffer[..len]);
        let segment = decoder.take();
        match &mut summary {
            Some(summary) => summary.add(&segment),
            None => out.write(|out| records::write(&segment, out)),
        }
        decoder.recycle(segment);
        if len == 0 || matches!(out, Out::Closed) {
            return Ok(());
        }
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
    let nearest = formats()
        .map(|about| (strsim::jaro_winkler(about.name, name), about.name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((likeness, nearest)) if likeness > 0.8 => format!("did you mean `{nearest}`?"),
        _ => "`runwatch decode --list` names them all".to_owned(),
    };
    Err(Failure::new(Ending::Usage, anyhow!("there is no format `{name}`")).hint(&hint))
}

fn list() -> String {
    let width = formats().map(|about| about.name.len()).max().unwrap_or(0);
    formats()
        .map(|about| format!("{:width$}  {}\n", about.name, about.title))
        .collect()
}
