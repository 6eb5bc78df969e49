//! `runwatch compare`: runs side by side, their metrics aligned by step.

mod apart;

use std::collections::BTreeMap;

use clap::Args as ClapArgs;
use serde::Serialize;

use self::apart::{Pair, Verdict, verdict};
use super::Outcome;
use super::delivery::Looked;
use super::json::{Json, document};
use super::output::{count, number, print};
use super::scope::{self, Scope, unreadable, wrong};
use super::table::{Column, Table};
use crate::deliver::text::clean_line;
use crate::exit::{Ending, Failure};
use crate::ledger::Ledger;
use crate::ledger::history::Window;
use crate::view::{Metric, Number, Run};

/// Compare runs: their metrics by step, and where they part
///
/// The others are held against the first. Two runs have parted from the first
/// step from which their difference stays on one side and beyond three times
/// its usual jitter, for at least ten steps and to the last that both have, and
/// is usually larger than it was before.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The runs, by name or as PROJECT/RUN
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<String>,
    /// The project of runs that name none; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only this metric, as printed or by its canonical name; more than once for several
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    #[command(flatten)]
    form: Json,
    #[command(flatten)]
    looked: Looked,
}

/// Runs side by side.
#[derive(Serialize)]
pub(crate) struct Comparison {
    runs: Vec<Named>,
    metrics: Vec<Compared>,
}

#[derive(Debug, Clone, Serialize)]
struct Named {
    project: String,
    run: String,
}

/// A metric in the runs that have it.
#[derive(Serialize)]
struct Compared {
    metric: String,
    /// Steps that all of them have.
    common_steps: usize,
    last_common_step: Option<i64>,
    runs: Vec<Side>,
    /// The others, held against the first.
    parted: Vec<Parted>,
}

/// What a run made of it.
#[derive(Serialize)]
struct Side {
    project: String,
    run: String,
    metric: String,
    rows: u64,
    first_step: i64,
    last_step: i64,
    first: Number,
    last: Number,
    min: Option<f64>,
    max: Option<f64>,
    nonfinite: u64,
    at_last_common_step: Option<Number>,
}

#[derive(Serialize)]
struct Parted {
    project: String,
    run: String,
    /// Steps that it has in common with the first.
    common_steps: usize,
    /// `same`, `apart`, `not told apart`, or `too few steps`.
    verdict: &'static str,
    from_step: Option<i64>,
    /// Whether it is `above` or `below` the first from there on; null if one of
    /// them has no number.
    side: Option<&'static str>,
    /// The step from which on only one of them has a number, if it is so at
    /// the end.
    only_one_from: Option<i64>,
}

/// The value at each step; of several ranks, their mean.
type Values = BTreeMap<i64, f64>;

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let meant = |text: &String| meant(&ledger, args.project.as_ref(), text);
    let runs: Result<Vec<Run>, Failure> = args.runs.iter().map(meant).collect();
    let comparison = comparison(&ledger, runs?, &args.metric)?;
    print(&match args.form.json {
        true => document(&comparison)?,
        false => text(&comparison),
    });
    Ok(Ending::Fine)
}

/// Compares runs by the metrics that are named, or by those that they share
/// with the first.
pub(crate) fn comparison(
    ledger: &Ledger,
    of: Vec<Run>,
    wanted: &[String],
) -> Result<Comparison, Failure> {
    let mut runs: Vec<(Run, Vec<Metric>)> = Vec::new();
    for run in of {
        let mut known = runs.iter();
        if known.any(|(it, _)| (&it.project, &it.run) == (&run.project, &run.run)) {
            return Err(wrong(&format!("the run `{}` is named twice", run.run)));
        }
        let metrics = scope::metrics(ledger, &run)?;
        runs.push((run, metrics));
    }
    let names = names(ledger, &runs, wanted)?;
    let metrics: Result<Vec<Compared>, Failure> = names
        .iter()
        .map(|name| compare(ledger, &runs, name))
        .collect();
    let named = |run: &Run| Named {
        project: run.project.clone(),
        run: run.run.clone(),
    };
    Ok(Comparison {
        runs: runs.iter().map(|(run, _)| named(run)).collect(),
        metrics: metrics?,
    })
}

/// The run that is meant by its name, or by its project's name and its own.
fn meant(ledger: &Ledger, project: Option<&String>, text: &str) -> Result<Run, Failure> {
    let find = |project: Option<&str>, run: &str| {
        let scope = Scope {
            project: project.map(str::to_owned),
            run: Some(run.to_owned()),
        };
        scope.the_run(ledger)
    };
    let plain = find(project.map(String::as_str), text);
    match (plain, text.split_once('/')) {
        (Err(_), Some((project, run))) => find(Some(project), run),
        (plain, _) => plain,
    }
}

/// The metrics to compare: those that are named, or those of the first run that
/// another one has, too.
fn names(
    ledger: &Ledger,
    runs: &[(Run, Vec<Metric>)],
    wanted: &[String],
) -> Result<Vec<String>, Failure> {
    let Some(((first, metrics), others)) = runs.split_first() else {
        return Ok(Vec::new());
    };
    for name in wanted {
        if runs
            .iter()
            .all(|(_, metrics)| find(metrics, name).is_none())
        {
            // Says what may have been meant.
            scope::metric(ledger, first, name)?;
        }
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let shared = |metric: &&Metric| {
        let mut others = others.iter();
        others.any(|(_, theirs)| counterpart(theirs, metric).is_some())
    };
    let names: Vec<String> = metrics
        .iter()
        .filter(shared)
        .map(|metric| metric.name.clone())
        .collect();
    if names.is_empty() {
        return Err(wrong("the runs have no metric in common")
            .hint("`runwatch list metrics --run RUN` shows those of a run"));
    }
    Ok(names)
}

/// A metric by its printed or its canonical name.
fn find<'a>(metrics: &'a [Metric], name: &str) -> Option<&'a Metric> {
    let printed = metrics.iter().find(|metric| metric.name == name);
    printed.or_else(|| metrics.iter().find(|metric| metric.canonical == name))
}

/// The metric of another run that means the same.
fn counterpart<'a>(metrics: &'a [Metric], of: &Metric) -> Option<&'a Metric> {
    let printed = metrics.iter().find(|metric| metric.name == of.name);
    printed.or_else(|| find(metrics, &of.canonical))
}

fn compare(ledger: &Ledger, runs: &[(Run, Vec<Metric>)], name: &str) -> Result<Compared, Failure> {
    let pattern = runs.iter().find_map(|(_, metrics)| find(metrics, name));
    let mut sides: Vec<(&Run, &Metric, Values)> = Vec::new();
    for (run, metrics) in runs {
        if let Some(metric) = pattern.and_then(|it| counterpart(metrics, it)) {
            sides.push((run, metric, values(ledger, run, &metric.name)?));
        }
    }
    let common: Vec<i64> = match sides.split_first() {
        Some(((_, _, first), others)) => first
            .keys()
            .filter(|step| {
                others
                    .iter()
                    .all(|(_, _, values)| values.contains_key(step))
            })
            .copied()
            .collect(),
        None => Vec::new(),
    };
    let last = common.last().copied();
    let parted = match sides.split_first() {
        Some(((_, _, first), others)) => others
            .iter()
            .map(|(run, _, values)| held_against(first, run, values))
            .collect(),
        None => Vec::new(),
    };
    let side = |(run, metric, values): &(&Run, &Metric, Values)| Side {
        project: run.project.clone(),
        run: run.run.clone(),
        metric: metric.name.clone(),
        rows: metric.rows,
        first_step: metric.first_step,
        last_step: metric.last_step,
        first: metric.first,
        last: metric.last,
        min: metric.min,
        max: metric.max,
        nonfinite: metric.nonfinite,
        at_last_common_step: last
            .filter(|_| sides.len() > 1)
            .and_then(|step| values.get(&step))
            .map(|value| Number(*value)),
    };
    Ok(Compared {
        metric: name.to_owned(),
        common_steps: common.len(),
        last_common_step: last.filter(|_| sides.len() > 1),
        runs: sides.iter().map(side).collect(),
        parted,
    })
}

fn values(ledger: &Ledger, run: &Run, metric: &str) -> Result<Values, Failure> {
    let points = ledger
        .points(&run.project, &run.run, metric, &Window::default())
        .map_err(|error| unreadable(&error))?;
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for point in points.into_iter().flatten() {
        let (sum, number) = sums.entry(point.step).or_default();
        *sum += point.value;
        *number += 1.0;
    }
    let mean = |(step, (sum, number)): (i64, (f64, f64))| (step, sum / number);
    Ok(sums.into_iter().map(mean).collect())
}

fn held_against(first: &Values, run: &Run, values: &Values) -> Parted {
    let pairs: Vec<Pair> = first
        .iter()
        .filter_map(|(&step, &first)| {
            let second = *values.get(&step)?;
            Some(Pair {
                step,
                first,
                second,
            })
        })
        .collect();
    let found = verdict(&pairs);
    let (verdict, from_step, above) = match found {
        Verdict::Same => ("same", None, None),
        Verdict::Apart { step, above } => ("apart", Some(step), above),
        Verdict::Unclear => ("not told apart", None, None),
        Verdict::TooFew => ("too few steps", None, None),
    };
    Parted {
        project: run.project.clone(),
        run: run.run.clone(),
        common_steps: pairs.len(),
        verdict,
        from_step,
        side: above.map(|above| if above { "above" } else { "below" }),
        only_one_from: pairs
            .iter()
            .rev()
            .take_while(only_one)
            .last()
            .map(|it| it.step),
    }
}

fn only_one(pair: &&Pair) -> bool {
    pair.first.is_finite() != pair.second.is_finite()
}

fn text(comparison: &Comparison) -> String {
    let parts: Vec<String> = comparison
        .metrics
        .iter()
        .map(|metric| about(metric, &comparison.runs))
        .collect();
    parts.join("\n")
}

fn about(compared: &Compared, runs: &[Named]) -> String {
    // The project is only of use where there are several.
    let several = runs.windows(2).any(|two| match two {
        [a, b] => a.project != b.project,
        _ => false,
    });
    let name = |project: &str, run: &str| match several {
        true => format!("{project}/{run}"),
        false => run.to_owned(),
    };
    let at = compared
        .last_common_step
        .map_or_else(|| "at".to_owned(), |step| format!("at {step}"));
    let mut table = Table::new([
        Column::text("run"),
        Column::number("values"),
        Column::number("to"),
        Column::number("first"),
        Column::number("last"),
        Column::number("min"),
        Column::number("max"),
        Column::number(&at),
    ]);
    let some = |value: Option<f64>| value.map(number).unwrap_or_default();
    for side in &compared.runs {
        table.row([
            name(&side.project, &side.run),
            side.rows.to_string(),
            side.last_step.to_string(),
            number(side.first.0),
            number(side.last.0),
            some(side.min),
            some(side.max),
            some(side.at_last_common_step.map(|value| value.0)),
        ]);
    }
    let mut text = format!("{}\n{}", clean_line(&compared.metric), table.text());
    let first = compared.runs.first();
    let first = first.map_or_else(String::new, |side| name(&side.project, &side.run));
    for parted in &compared.parted {
        let run = name(&parted.project, &parted.run);
        let line = said(parted, &run, &first);
        text.push_str(&format!("{}\n", clean_line(&line)));
    }
    let missing = runs.len() - compared.runs.len().min(runs.len());
    if missing > 0 {
        let number = count(missing as u64, "run has", "runs have");
        text.push_str(&format!("{number} no such metric.\n"));
    }
    text
}

fn said(parted: &Parted, run: &str, first: &str) -> String {
    let common = count(parted.common_steps as u64, "common step", "common steps");
    let mut text = match (parted.from_step, parted.side) {
        (Some(step), Some(side)) => format!("{run} stays {side} {first} from step {step} on."),
        // What is said below is all.
        (Some(_), None) => String::new(),
        _ if parted.verdict == "same" => format!("{run} has the values of {first} ({common})."),
        _ if parted.verdict == "too few steps" => {
            format!("{run} and {first}: not told apart, there are too few steps ({common}).")
        }
        _ => format!("{run} and {first} are not told apart ({common})."),
    };
    if let Some(step) = parted.only_one_from {
        let only = format!("From step {step} on only one of {run} and {first} has a number.");
        let gap = if text.is_empty() { "" } else { " " };
        text.push_str(&format!("{gap}{only}"));
    }
    text
}
