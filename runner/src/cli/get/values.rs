//! `runwatch get metric` and `get snapshot`: values, and where they stand.

use clap::{ArgGroup, Args as ClapArgs};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::{Form, Object, document, lines};
use crate::cli::output::{number, print, say};
use crate::cli::scope::{self, Scope, time, unreadable};
use crate::cli::table::{Column, Table};
use crate::deliver::post::wall_clock;
use crate::exit::{Ending, Failure};
use crate::ledger::Ledger;
use crate::ledger::history::{Point, Window};
use crate::record::known_rank;
use crate::view::{self, Number};

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Metric {
    #[command(flatten)]
    scope: Scope,
    /// The metric, as the job printed it or by its canonical name
    #[arg(long, value_name = "NAME")]
    metric: String,
    #[command(flatten)]
    place: Place,
    /// At most so many, the last
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(group = ArgGroup::new("where").required(true).args(["step", "around", "at_time"]))]
pub(super) struct Snapshot {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

/// Where in a run.
#[derive(Debug, Clone, ClapArgs)]
struct Place {
    /// At this step
    #[arg(long, value_name = "STEP", conflicts_with_all = ["around", "at_time"],
          allow_negative_numbers = true)]
    step: Option<i64>,
    /// At this step and so many before and after it as --window says
    #[arg(
        long,
        value_name = "STEP",
        conflicts_with = "at_time",
        allow_negative_numbers = true
    )]
    around: Option<i64>,
    /// At this time (as for `--since`), and up to --window seconds before and after it
    #[arg(long, value_name = "TIME")]
    at_time: Option<String>,
    /// How many steps, or seconds, around it
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    window: u64,
}

impl Place {
    fn window(&self) -> Result<Window, Failure> {
        if let Some(step) = self.step {
            return Ok(Window::step(step));
        }
        if let Some(step) = self.around {
            return Ok(Window::around(step, self.window));
        }
        let at = time(self.at_time.as_deref(), wall_clock())?;
        Ok(at.map_or_else(Window::default, |millis| {
            Window::at_time(millis as f64 / 1000.0, self.window as f64)
        }))
    }
}

/// A value as Trackio has it; the rank where the job names one.
#[derive(Debug, Serialize)]
struct Value {
    timestamp: Moment,
    step: i64,
    value: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
}

/// Seconds since 1970, to the microsecond; null where it is not known.
#[derive(Debug, Clone, Copy)]
struct Moment(f64);

impl Moment {
    fn text(self) -> Option<String> {
        let micros = (self.0 * 1e6).round();
        // What is no number becomes none of these.
        let time = Timestamp::from_microsecond(micros as i64).ok()?;
        (!micros.is_nan()).then(|| time.to_string())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(to)
    }
}

impl From<Point> for Value {
    fn from(point: Point) -> Self {
        Self {
            timestamp: Moment(point.time),
            step: point.step,
            value: Number(point.value),
            rank: known_rank(point.rank),
        }
    }
}

pub(super) fn metric(args: &Metric) -> Outcome {
    #[derive(Serialize)]
    struct Document<'a> {
        project: &'a str,
        run: &'a str,
        metric: &'a str,
        values: &'a [Value],
    }
    let ledger = args.looked.open()?;
    let window = args.place.window()?;
    let run = args.scope.the_run(&ledger)?;
    let metric = scope::metric(&ledger, &run, &args.metric)?.name;
    let most = args.limit.unwrap_or(usize::MAX);
    let values = values(&ledger, &run, &metric, &window, most)?;
    if args.form.json {
        let (project, run) = (&run.project, &run.run);
        print(&document(&Document {
            project,
            run,
            metric: &metric,
            values: &values,
        })?);
    } else if args.form.json_lines {
        print(&lines(&values)?);
    } else if values.is_empty() {
        say("no values found");
    } else {
        let ranks = values.iter().any(|value| value.rank.is_some());
        let mut table = Table::new(columns(ranks));
        for value in &values {
            table.row(cells(value, ranks));
        }
        print(&table.text());
    }
    Ok(Ending::Fine)
}

/// All metrics with the values that they have there.
#[derive(Serialize)]
struct Snapped<'a> {
    project: &'a str,
    run: &'a str,
    metrics: Object<'a, Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u64>,
}

/// A value under its name, for JSON lines.
#[derive(Serialize)]
struct Line<'a> {
    metric: &'a str,
    #[serde(flatten)]
    value: &'a Value,
}

pub(super) fn snapshot(args: &Snapshot) -> Outcome {
    let ledger = args.looked.open()?;
    let place = &args.place;
    let window = place.window()?;
    let run = args.scope.the_run(&ledger)?;
    let mut metrics = Vec::new();
    for metric in scope::metrics(&ledger, &run)? {
        let values = values(&ledger, &run, &metric.name, &window, usize::MAX)?;
        if !values.is_empty() {
            metrics.push((metric.name, values));
        }
    }
    if args.form.json {
        print(&document(&Snapped {
            project: &run.project,
            run: &run.run,
            metrics: Object(&metrics),
            step: place.step,
            around: place.around,
            at_time: place.at_time.as_deref(),
            window: place.step.is_none().then_some(place.window),
        })?);
        return Ok(Ending::Fine);
    }
    let all = || {
        metrics.iter().flat_map(|(metric, values)| {
            let line = move |value| Line { metric, value };
            values.iter().map(line)
        })
    };
    if args.form.json_lines {
        print(&lines(&all().collect::<Vec<_>>())?);
    } else if metrics.is_empty() {
        say("no values found");
    } else {
        let names = [Column::text("metric")].into_iter();
        let ranks = all().any(|line| line.value.rank.is_some());
        let mut table = Table::new(names.chain(columns(ranks)));
        for line in all() {
            let name = line.metric.to_owned();
            table.row([name].into_iter().chain(cells(line.value, ranks)));
        }
        print(&table.text());
    }
    Ok(Ending::Fine)
}

fn values(
    ledger: &Ledger,
    run: &view::Run,
    metric: &str,
    window: &Window,
    most: usize,
) -> Result<Vec<Value>, Failure> {
    let points = ledger
        .last_points(&run.project, &run.run, metric, window, most)
        .map_err(|error| unreadable(&error))?;
    Ok(points.into_iter().flatten().map(Value::from).collect())
}

/// The columns of a value; that of the ranks only where there are some.
fn columns(ranks: bool) -> Vec<Column> {
    let mut columns = vec![Column::number("step"), Column::whole("time")];
    if ranks {
        columns.push(Column::number("rank"));
    }
    columns.push(Column::number("value"));
    columns
}

fn cells(value: &Value, ranks: bool) -> Vec<String> {
    let time = value.timestamp.text().unwrap_or_default();
    let mut cells = vec![value.step.to_string(), time];
    if ranks {
        let rank = value.rank.map(|rank| rank.to_string());
        cells.push(rank.unwrap_or_default());
    }
    cells.push(number(value.value.0));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_to_the_microsecond() {
        let text = |seconds| Moment(seconds).text();
        assert_eq!(
            text(1_795_357_458.572_45).as_deref(),
            Some("2026-11-22T14:24:18.57245Z")
        );
        assert_eq!(text(f64::NAN), None);
        assert_eq!(text(1e300), None);
        assert_eq!(
            serde_json::to_string(&Moment(f64::NAN)).ok().as_deref(),
            Some("null")
        );
    }
}
