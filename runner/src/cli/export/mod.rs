//! `runwatch export`: the history and the alerts as files that other programs
//! read.

mod alerts;
mod columns;
mod csv;
mod jsonl;
mod target;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args as ClapArgs, ValueEnum};

use super::Outcome;
use super::delivery::Looked;
use super::output::{count, say};
use super::scope;
use crate::exit::{Ending, Failure};
use crate::ledger::Ledger;
use crate::ledger::history::{Span, Stretch};
use crate::suggest::did_you_mean;

use target::Target;

/// Write the history of runs as CSV, JSON lines or Parquet
///
/// CSV has a row per record and a column per metric; JSON lines an object per
/// record, which `runwatch import` reads again; Parquet a row per value. NaN
/// and the infinities are the texts NaN, Infinity and -Infinity, but in Parquet,
/// which has them as numbers. Cells that begin with = + - or @ come from logs
/// and stay as they are: a spreadsheet may take them for formulas.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Only of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only this run; several if it is given several times
    #[arg(long, value_name = "NAME")]
    run: Vec<String>,
    /// Only this metric, as it was printed or by its canonical name; several if
    /// it is given several times
    #[arg(long, value_name = "NAME", conflicts_with = "alerts")]
    metric: Vec<String>,
    /// Alerts instead of metrics
    #[arg(long)]
    alerts: bool,
    /// The form; by default what the file's name ends in, else CSV
    #[arg(long, value_enum, value_name = "FORM")]
    format: Option<Form>,
    /// Write this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Csv,
    Jsonl,
    Parquet,
}

/// Takes the history, run by run and stretch by stretch.
trait Writer {
    fn add(&mut self, run: &Span, stretch: &Stretch) -> io::Result<()>;

    /// All is there.
    fn end(self: Box<Self>) -> io::Result<()>;
}

pub(super) fn run(args: &Args) -> Outcome {
    let output = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    let form = form(args.format, output)?;
    let ledger = args.looked.open()?;
    let mut target = Target::open(output).map_err(|error| unwritten(output, &error))?;
    let written = if args.alerts {
        alerts::write(args, &ledger, form, &mut target)
    } else {
        metrics(args, &ledger, form, &mut target)
    };
    let said = match written? {
        Ok(said) => said,
        // Who read it has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Ending::Fine),
        Err(error) => return Err(unwritten(output, &error)),
    };
    match target.finish() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(unwritten(output, &error));
        }
        _ => {}
    }
    if let Some(path) = output {
        say(&format!("runwatch: {said} in `{}`", path.display()));
    }
    Ok(Ending::Fine)
}

fn unwritten(output: Option<&Path>, error: &io::Error) -> Failure {
    let to = output.map_or("standard output".to_owned(), |path| {
        format!("`{}`", path.display())
    });
    usage(format!("cannot write {to}: {error}"))
}

fn usage(what: impl std::fmt::Display) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{what}"))
}

/// The form that is asked for, or that the file's name tells.
fn form(asked: Option<Form>, output: Option<&Path>) -> Result<Form, Failure> {
    let Some(path) = output else {
        return match asked {
            Some(Form::Parquet) => Err(usage("Parquet is not for standard output")
                .hint("name a file with --output runs.parquet")),
            asked => Ok(asked.unwrap_or(Form::Csv)),
        };
    };
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let by_name = match &*ending.to_lowercase() {
        "csv" => Some(Form::Csv),
        "jsonl" | "ndjson" | "json" => Some(Form::Jsonl),
        "parquet" | "pq" => Some(Form::Parquet),
        _ => None,
    };
    asked.or(by_name).ok_or_else(|| {
        usage(format!(
            "`{}` does not tell which form it is to have",
            path.display()
        ))
        .hint("give --format csv, jsonl or parquet, or let its name end in one of them")
    })
}

/// Writes the history; says what was written, or why it could not be.
fn metrics(
    args: &Args,
    ledger: &Ledger,
    form: Form,
    target: &mut Target,
) -> Result<io::Result<String>, Failure> {
    let runs = scope::histories(ledger, args.project.as_deref(), &args.run)?;
    let names = names(args, ledger, &runs)?;
    let mut writer: Box<dyn Writer + '_> = match form {
        Form::Csv => match csv::Wide::new(target, &names) {
            Ok(writer) => Box::new(writer),
            Err(error) => return Ok(Err(error)),
        },
        Form::Jsonl => Box::new(jsonl::Lines::new(target, &names)),
        Form::Parquet => match columns::Long::new(target, &names) {
            Ok(writer) => Box::new(writer),
            Err(error) => return Ok(Err(error)),
        },
    };
    for run in &runs {
        let mut wrote = Ok(());
        let mut take = |stretch: &Stretch| {
            wrote = writer.add(run, stretch);
            wrote.is_ok()
        };
        let read = ledger.stretches(&run.project, &run.run, &names, &mut take);
        read.map_err(usage)?;
        if let Err(error) = wrote {
            return Ok(Err(error));
        }
    }
    let runs = count(runs.len() as u64, "run", "runs");
    let names = count(names.len() as u64, "metric", "metrics");
    Ok(writer.end().map(|()| format!("{runs} with {names}")))
}

/// The printed names of the metrics, in the order in which they appeared.
fn names(args: &Args, ledger: &Ledger, runs: &[Span]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    let mut found = vec![false; args.metric.len()];
    let mut seen = std::collections::HashSet::new();
    for run in runs {
        for metric in ledger.metrics(&run.project, &run.run).map_err(usage)? {
            let mut wanted = args.metric.is_empty();
            for (name, found) in args.metric.iter().zip(&mut found) {
                if [&metric.source, &metric.name].contains(&name) {
                    (wanted, *found) = (true, true);
                }
            }
            if seen.insert(metric.source.clone()) {
                all.push((metric.source, wanted));
            }
        }
    }
    if let Some((name, _)) = args.metric.iter().zip(found).find(|(_, found)| !found) {
        let known = all.iter().map(|(name, _)| name.as_str());
        let hint = did_you_mean(name, known)
            .unwrap_or_else(|| "without --metric all of them are written".to_owned());
        return Err(usage(format!("none of these runs has a metric `{name}`")).hint(&hint));
    }
    let wanted = all.into_iter().filter(|(_, wanted)| *wanted);
    Ok(wanted.map(|(name, _)| name).collect())
}

/// A number as JSON has it, without the quotes of one that is not finite.
fn number(value: f64) -> String {
    let text = serde_json::to_string(&crate::view::Number(value)).unwrap_or_default();
    text.trim_matches('"').to_owned()
}
