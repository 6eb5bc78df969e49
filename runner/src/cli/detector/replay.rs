//! `runwatch detector replay`: makes a detector fail again.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;

use crate::author::replay::{Again, Replay};
use crate::cli::Outcome;
use crate::cli::output::{count, number, print, say};
use crate::cli::table::{Column, Table};
use crate::deliver::text::clean_line;
use crate::detect::fault_file::{FaultFile, usual_folder};
use crate::exit::{Ending, Failure};
use crate::load::{BUILTIN, Loader};
use crate::record::NO_RANK;
use crate::sandbox::instance::RowFinding;
use crate::sandbox::{Component, Fault};

/// Show a detector the rows that made it fail, and find the fewest that do
///
/// A detector that fails leaves a file behind, which its alert names: the rows,
/// the state that it had saved, its parameters. The file is in
/// $XDG_STATE_HOME/runwatch/faults and holds what the training has printed.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The file, or its name as the alert has it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Another component than the one that failed, such as a repaired one
    #[arg(long, value_name = "PATH")]
    component: Option<PathBuf>,
}

/// Rows of the table.
const ROWS: usize = 20;
/// Metrics of the table.
const METRICS: usize = 6;

pub(super) fn run(args: &Args) -> Outcome {
    let file =
        FaultFile::read(&find(&args.file)).map_err(|error| Failure::new(Ending::Input, error))?;
    let component = component(args, &file)?;
    let failed = |error: anyhow::Error| {
        let error = error.context(format!("detector `{}`", file.detector));
        Failure::new(Ending::Detector, error)
    };
    let replay = Replay::new(&component, &file).map_err(failed)?;
    let rows = replay.rows();
    print(&format!(
        "{} {} failed in `{}`: {} ({})\n",
        file.detector,
        file.version,
        clean_line(&file.fault.call),
        clean_line(&file.fault.message),
        clean_line(&file.fault.kind)
    ));
    match replay.show(0..rows).map_err(failed)? {
        Again::Failed(fault) => {
            print(&told(&fault));
            let smallest = replay.smallest().map_err(failed)?;
            print(&shown(&file, smallest));
            Ok(Ending::Detector)
        }
        Again::Found(findings) => {
            print(&passed(&file, &findings, rows));
            Ok(Ending::Fine)
        }
    }
}

/// The file as it is given, else in the folder where faults leave theirs.
fn find(given: &Path) -> PathBuf {
    let usual = || usual_folder(&|name| std::env::var_os(name)).map(|it| it.join(given));
    match given.exists() {
        true => given.to_owned(),
        false => usual()
            .filter(|path| path.is_file())
            .unwrap_or_else(|| given.to_owned()),
    }
}

/// The component of the file, or another one that is asked for.
fn component(args: &Args, file: &FaultFile) -> Result<Component, Failure> {
    let failed = |error| Failure::new(Ending::Detector, error);
    let loader = Loader::new().map_err(failed)?;
    let path = args.component.as_ref().or(file.component.as_ref());
    let builtin = BUILTIN.iter().find(|(name, _)| *name == file.detector);
    let read;
    let bytes: &[u8] = match (path, builtin) {
        (Some(path), _) => {
            read = std::fs::read(path)
                .with_context(|| format!("cannot read `{}`", path.display()))
                .map_err(|error| {
                    failed(error).hint("say where the component is with --component PATH")
                })?;
            &read
        }
        (None, Some((_, bytes))) => bytes,
        (None, None) => {
            let error = anyhow!("this runwatch has no detector `{}`", file.detector);
            return Err(failed(error).hint("say which component to use with --component PATH"));
        }
    };
    let place = || format!("detector `{}`", file.detector);
    let component = loader.component(bytes, &file.limits());
    let component = component.with_context(place).map_err(failed)?;
    let digest = component.digest_hex();
    if digest == file.sha256 {
        return Ok(component);
    }
    if args.component.is_some() {
        say("runwatch: this is not the component that failed");
        return Ok(component);
    }
    let error = anyhow!(
        "detector `{}` has changed since it failed: its sha256 was {}, and is {digest}",
        file.detector,
        file.sha256
    );
    let hint = match path {
        Some(path) => format!("`--component {}` uses it all the same", path.display()),
        None => format!("it came with runwatch {}", file.runwatch),
    };
    Err(failed(error).hint(hint))
}

fn told(fault: &Fault) -> String {
    let mut text = format!("It fails again: {}\n", clean_line(&fault.to_string()));
    for line in &fault.output {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {}", clean_line(line));
    }
    for frame in &fault.frames {
        let _ = writeln!(text, "    in {}", clean_line(frame));
    }
    text
}

fn passed(file: &FaultFile, findings: &[RowFinding], rows: usize) -> String {
    let mut text = format!(
        "It no longer fails: {} in {}\n",
        count(findings.len() as u64, "finding", "findings"),
        count(rows as u64, "row", "rows")
    );
    for (row, finding) in findings.iter().take(ROWS) {
        let step = row.and_then(|row| file.batch.steps.get(row as usize));
        let step = step.map_or(String::new(), |step| format!(" at step {step}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "    {}{step}: {}",
            finding.severity.name(),
            clean_line(&finding.message)
        );
    }
    if file.rows_since_state > 0 {
        let _ = writeln!(
            text,
            "note: its state had been saved {} earlier; what it learned from these is not in the file",
            count(file.rows_since_state as u64, "row", "rows")
        );
    }
    text
}

/// The fewest rows that make it fail, as a table.
fn shown(file: &FaultFile, rows: Range<usize>) -> String {
    let part = file.batch.part(rows.start, rows.end);
    let all = file.batch.steps.len();
    let mut text = format!(
        "\n{} of {} {} enough:\n",
        part.steps.len(),
        count(all as u64, "row", "rows"),
        if part.steps.len() == 1 { "is" } else { "are" }
    );
    let used = |index: &u32| part.indices.contains(index);
    let metrics: Vec<(u32, &str)> = file
        .defined
        .iter()
        .filter(|(index, ..)| used(index))
        .map(|(index, name, _)| (*index, name.as_str()))
        .collect();
    let some = metrics.get(..METRICS).unwrap_or(&metrics);
    let mut columns = vec![
        Column::number("step"),
        Column::whole("time"),
        Column::number("rank"),
    ];
    columns.extend(some.iter().map(|(_, name)| Column::number(name)));
    columns.push(Column::text("text"));
    let mut table = Table::new(columns);
    for row in 0..part.steps.len().min(ROWS) {
        let one = part.part(row, row + 1);
        let first = |numbers: &[crate::detect::fault_file::Number]| {
            numbers.first().map_or(f64::NAN, |it| it.0)
        };
        let time = first(&one.times);
        let rank = one.ranks.first().filter(|rank| **rank != NO_RANK);
        let mut cells = vec![
            one.steps.first().map(i64::to_string).unwrap_or_default(),
            if time.is_nan() {
                "-".to_owned()
            } else {
                time.to_string()
            },
            rank.map_or("-".to_owned(), u32::to_string),
        ];
        cells.extend(some.iter().map(|(index, _)| {
            let at = one.indices.iter().position(|it| it == index);
            let value = at.and_then(|at| one.values.get(at));
            value.map_or("-".to_owned(), |it| number(it.0))
        }));
        cells.push(
            one.texts
                .first()
                .map(|it| it.content.clone())
                .unwrap_or_default(),
        );
        table.row(cells);
    }
    text.push_str(&table.text());
    if part.steps.len() > ROWS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "and {} more", part.steps.len() - ROWS);
    }
    if metrics.len() > some.len() {
        let _ = writeln!(text, "and {} more metrics", metrics.len() - some.len());
    }
    text
}
