//! `runwatch detector bench`: what a detector costs.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::json;

use super::subject::Subject;
use crate::author::bench::{BATCHES, Cost, asked, measure};
use crate::cli::Outcome;
use crate::cli::output::{count, grouped, print, say};
use crate::cli::table::{Column, Table};
use crate::exit::{Ending, Failure};
use crate::load::Loader;
use crate::sandbox::Limits;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The folder of a detector's project, or a component file
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    what: PathBuf,
    /// Rows of the synthetic stream
    #[arg(long, value_name = "N", default_value_t = 8192)]
    rows: usize,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let failed = |error| Failure::new(Ending::Detector, error);
    let subject = Subject::of(&args.what)?;
    let bytes = subject.bytes()?;
    let shown = || format!("`{}`", subject.component.display());
    let loader = Loader::new().map_err(failed)?;
    let timed = loader.component(&bytes, &Limits::default());
    let timed = timed.with_context(shown).map_err(failed)?;
    let metered = subject.metered(&bytes)?;
    let asked = asked(&timed).with_context(shown).map_err(failed)?;
    let costs = BATCHES.map(|batch| measure(&timed, &metered, batch, args.rows));
    let costs = costs.into_iter().collect::<anyhow::Result<Vec<Cost>>>();
    let costs = costs.with_context(shown).map_err(failed)?;
    let description = &timed.description;
    if args.json {
        let whole = json!({
            "detector": description.name,
            "version": description.version,
            "sha256": timed.digest_hex(),
            "asked": asked,
            "debug_build": cfg!(debug_assertions),
            "batches": costs,
        });
        print(&format!("{whole}\n"));
        return Ok(Ending::Fine);
    }
    say(&format!(
        "runwatch: {} {}: {} of healthy noise: {}",
        description.name,
        description.version,
        count(args.rows as u64, "row", "rows"),
        match asked.as_slice() {
            [] => "it asks for no metric and no text, so that a row counts as a point".to_owned(),
            some if some.len() <= 8 => some.join(", "),
            many => format!("{} metrics and texts", many.len()),
        }
    ));
    print(&table(&costs));
    if costs.iter().any(|cost| cost.findings > 0) {
        say("note: findings on healthy noise are false alarms");
    }
    if cfg!(debug_assertions) {
        say("note: this is a debug build of runwatch, so that times say little; fuel is exact");
    }
    Ok(Ending::Fine)
}

fn table(costs: &[Cost]) -> String {
    let columns = [
        "rows per call",
        "calls",
        "points",
        "ns per point",
        "fuel per point",
        "findings",
        "memory",
    ];
    let mut table = Table::new(columns.map(Column::number));
    for cost in costs {
        table.row([
            grouped(cost.batch as u64),
            grouped(cost.calls),
            grouped(cost.points),
            grouped(cost.each(cost.nanos).round() as u64),
            grouped(cost.each(cost.fuel).round() as u64),
            grouped(cost.findings),
            format!("{:.1} MiB", cost.memory as f64 / f64::from(1 << 20)),
        ]);
    }
    table.text()
}
