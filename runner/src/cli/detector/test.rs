//! `runwatch detector test`: the golden cases of a detector.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde_json::{Map, Value};

use super::subject::Subject;
use crate::author::cases::{self, Case};
use crate::author::golden::{Change, Disagreement, Terms, Tried, Trouble, changes, try_case};
use crate::author::lint;
use crate::author::play::Way;
use crate::cli::Outcome;
use crate::cli::output::{count, grouped, print, say};
use crate::cli::table::{Column, Table};
use crate::deliver::text::clean_line;
use crate::describe::Description;
use crate::exit::{Ending, Failure};

/// Play the golden cases of a detector, and compare
///
/// A case is a folder in `tests/`: `input.log` (or any file `input.*`) is what a
/// job prints, `config.toml` sets parameters, and `expected.jsonl` has the alerts
/// that must come out. Each case is played row by row, in one batch, in random
/// batches, and saved and restored on the way: all must find the same.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The folder of a detector's project, or a component file with `tests/`
    /// beside it
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    what: PathBuf,
    /// Write what comes out into `expected.jsonl`
    #[arg(long)]
    bless: bool,
    /// This case only
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// The seed of the random batches
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// The command as it was given, without its flags.
    fn command(&self) -> String {
        match self.what.as_os_str() == "." {
            true => "runwatch detector test".to_owned(),
            false => format!("runwatch detector test {}", self.what.display()),
        }
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let usage = |error| Failure::new(Ending::Usage, error);
    let subject = Subject::of(&args.what)?;
    let bytes = subject.bytes()?;
    let mut cases = Case::all(&subject.folder).map_err(usage)?;
    if let Some(name) = &args.case {
        cases = Case::named(cases, name).map_err(usage)?;
    }
    let component = subject.metered(&bytes)?;
    if cases.is_empty() {
        say_no_cases(args, &subject);
        return Ok(Ending::Fine);
    }
    let project = subject.project.as_ref();
    let terms = Terms {
        seed: args.seed,
        max_fuel_per_point: project.and_then(|it| it.tests.max_fuel_per_point),
    };
    let mut tried = Vec::new();
    for case in &cases {
        let mut result = try_case(&component, case, terms)
            .with_context(|| format!("case `{}`", case.name))
            .map_err(usage)?;
        if args.bless {
            bless(case, &mut result)?;
        }
        tried.push((case, result));
    }
    print(&table(&tried));
    let troubles = tried
        .iter()
        .flat_map(|(case, it)| it.troubles.iter().map(move |trouble| (*case, trouble)));
    for (case, trouble) in troubles {
        print(&told(case, trouble, args));
    }
    for note in notes(&component.description, &tried, args) {
        print(&format!("note: {}\n", clean_line(&note)));
    }
    print(&summary(&tried, terms));
    let failed = tried.iter().any(|(_, it)| !it.troubles.is_empty());
    Ok(if failed { Ending::Alerts } else { Ending::Fine })
}

fn say_no_cases(args: &Args, subject: &Subject) {
    let folder = subject.folder.join(cases::FOLDER);
    say(&format!("runwatch: `{}` has no cases", folder.display()));
    say(&format!(
        "hint: write what a job prints into {}; `{} --bless` then writes beside it what the \
         detector finds in it",
        folder.join("first").join("input.log").display(),
        args.command()
    ));
}

fn notes(description: &Description, tried: &[(&Case, Tried)], args: &Args) -> Vec<String> {
    let mut notes = Vec::new();
    // One case alone need not set every parameter.
    if args.case.is_none() {
        let tried: Vec<(&Case, &Tried)> = tried.iter().map(|(case, it)| (*case, it)).collect();
        notes = lint::notes(description, &tried);
    }
    if tried.iter().any(|(_, it)| it.stateless) {
        notes.push("the detector keeps no state, so that it was not saved and restored".into());
    }
    notes
}

/// Writes down what came out, and says what that changes.
fn bless(case: &Case, tried: &mut Tried) -> Result<(), Failure> {
    if !tried.may_be_blessed() {
        print(&format!(
            "nothing is written for {}: what it finds is in doubt\n",
            case.name
        ));
        return Ok(());
    }
    let is_golden = |it: &Trouble| matches!(it, Trouble::Unknown | Trouble::Differs(_));
    if !tried.troubles.iter().any(is_golden) {
        return Ok(());
    }
    let usage = |error| Failure::new(Ending::Usage, error);
    let before = case
        .expected(&tried.alerts)
        .map_err(usage)?
        .unwrap_or_default();
    case.bless(&tried.alerts).map_err(usage)?;
    tried.troubles.retain(|it| !is_golden(it));
    print(&format!(
        "wrote {}: {}\n",
        case.expected.display(),
        count(tried.alerts.len() as u64, "alert", "alerts")
    ));
    print(&comparison(&changes(&before, &tried.alerts)));
    Ok(())
}

fn table(tried: &[(&Case, Tried)]) -> String {
    let mut table = Table::new([
        Column::whole("case"),
        Column::whole("result"),
        Column::number("alerts"),
        Column::number("points"),
        Column::number("fuel per point"),
        Column::number("row by row"),
        Column::number("memory"),
    ]);
    for (case, tried) in tried {
        let result = if tried.troubles.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        let (batch, rows) = tried.fuel;
        table.row([
            case.name.clone(),
            result.to_owned(),
            tried.alerts.len().to_string(),
            grouped(tried.points),
            grouped(batch),
            if rows == 0 {
                "-".to_owned()
            } else {
                grouped(rows)
            },
            mebibytes(tried.memory),
        ]);
    }
    table.text()
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A trouble, for people.
fn told(case: &Case, trouble: &Trouble, args: &Args) -> String {
    let name = &case.name;
    let command = args.command();
    match trouble {
        Trouble::Failed { way, fault } => {
            let mut text = format!("\n{name}: the detector failed, {}: {fault}\n", way.name());
            for line in &fault.output {
                text.push_str(&format!("    {}\n", clean_line(line)));
            }
            for frame in &fault.frames {
                text.push_str(&format!("    in {}\n", clean_line(frame)));
            }
            text
        }
        Trouble::Disagreement(it) => disagreement(name, it, args),
        Trouble::Differs(changes) => format!(
            "\n{name}: expected (-) and found (+) differ\n{}hint: if what was found is right, `{command} --case {name} --bless` writes it down\n",
            comparison(changes)
        ),
        Trouble::Unknown => format!(
            "\n{name}: there is no expected.jsonl\nhint: `{command} --case {name} --bless` writes what was found: look at it before you keep it\n"
        ),
        Trouble::Dear { way, fuel, limit } => format!(
            "\n{name}: a point costs {} units of fuel {}, and max-fuel-per-point of detector.toml is {}\n",
            grouped(*fuel),
            way.name(),
            grouped(*limit)
        ),
    }
}

fn disagreement(name: &str, it: &Disagreement, args: &Args) -> String {
    let alert = |alert: &Option<String>| match alert {
        Some(alert) => clean_line(alert).into_owned(),
        None => "none".to_owned(),
    };
    let mut text = format!(
        "\n{name}: {} it finds something else than in one batch; alert {} is the first that differs\n    in one batch: {}\n    {}: {}\n",
        it.way.name(),
        it.at + 1,
        alert(&it.batch),
        it.way.name(),
        alert(&it.other)
    );
    if let Some(refusal) = &it.refusal {
        let refusal = clean_line(refusal);
        text.push_str(&format!(
            "    it refused the state that it had saved: {refusal}\n"
        ));
    }
    if let Some(cut) = it.cut {
        text.push_str(&format!("    saved and restored after call {cut}\n"));
    }
    let seed = match it.way {
        Way::Split { seed } | Way::Restart { seed, .. } => seed,
        _ => args.seed,
    };
    if !matches!(it.way, Way::EachRow | Way::OneBatch) {
        let sizes: Vec<String> = it.sizes.iter().take(20).map(u32::to_string).collect();
        let more = if it.sizes.len() > 20 { ", …" } else { "" };
        text.push_str(&format!(
            "    rows of each call: {}{more}\n",
            sizes.join(", ")
        ));
    }
    let what = match it.way {
        Way::Restart { .. } => {
            "`save` must hold all that later findings depend on, and `restore` take it back"
        }
        _ => {
            "how rows are grouped into calls depends on how fast they arrive: keep what you need between rows in the monitor"
        }
    };
    text.push_str(&format!(
        "hint: {what}\nhint: `{} --case {name} --seed {seed}` does the same again\n",
        args.command()
    ));
    text
}

/// The fields in which an alert differs from the one that was expected.
fn fields(expected: &str, found: &str) -> Option<String> {
    let parse = |alert: &str| serde_json::from_str::<Map<String, Value>>(alert).ok();
    let (expected, found) = (parse(expected)?, parse(found)?);
    let names = expected.keys().chain(found.keys());
    let differ = names.filter(|name| expected.get(*name) != found.get(*name));
    let names: BTreeSet<&str> = differ.map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn comparison(changes: &[Change]) -> String {
    let line = |change: &Change| match change {
        Change::Same(line) => format!("    {}\n", clean_line(line)),
        Change::Missing(line) => format!("  - {}\n", clean_line(line)),
        Change::Extra(line) => format!("  + {}\n", clean_line(line)),
    };
    let mut text = String::new();
    let mut before: Option<&Change> = None;
    for change in changes {
        text.push_str(&line(change));
        if let (Some(Change::Missing(expected)), Change::Extra(found)) = (before, change)
            && let Some(fields) = fields(expected, found)
        {
            text.push_str(&format!("    differ in: {fields}\n"));
        }
        before = Some(change);
    }
    text
}

fn summary(tried: &[(&Case, Tried)], terms: Terms) -> String {
    let failed = tried.iter().filter(|(_, it)| !it.troubles.is_empty());
    let dearest = tried.iter().map(|(_, it)| it.fuel.0.max(it.fuel.1)).max();
    let memory = tried.iter().map(|(_, it)| it.memory).max();
    let limit = match terms.max_fuel_per_point {
        Some(limit) => format!(" (at most {})", grouped(limit)),
        None => String::new(),
    };
    format!(
        "{}, {} failed; {} units of fuel per point{limit}; {} of memory\n",
        count(tried.len() as u64, "case", "cases"),
        failed.count(),
        grouped(dearest.unwrap_or_default()),
        mebibytes(memory.unwrap_or_default())
    )
}
