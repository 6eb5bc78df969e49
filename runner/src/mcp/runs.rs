//! Runs, their metrics, and what these did.

use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::{Arguments, Refusal};
use super::tools::Call;
use crate::deliver::text::clean;
use crate::ledger::Ledger;
use crate::ledger::history::{Metric, Point, Window};
use crate::suggest::did_you_mean;
use crate::view::{self, Number, Series};

/// How far around a step or a time, in steps or seconds.
const WINDOW: f64 = 10.0;
/// How many names of metrics without a value are given.
const SILENT: usize = 20;

pub(super) fn list(call: &Call<'_>) -> Result<Value, Refusal> {
    let (arguments, limit) = (&call.arguments, call.count("limit"));
    let mut runs = view::runs(&call.ledger, arguments.text("project"))?;
    let state = arguments.text("state");
    runs.retain(|run| state.is_none_or(|state| run.state == state));
    runs.retain(|run| has(&run.run, arguments.text("text")));
    let left_out = runs.len().saturating_sub(limit);
    runs.truncate(limit);
    Ok(json!({ "runs": runs, "left_out": left_out }))
}

pub(super) fn metrics(call: &Call<'_>) -> Result<Value, Refusal> {
    let (project, run) = of_run(call)?;
    let text = call.arguments.text("text");
    let mut metrics = call.ledger.metrics(&project, &run)?;
    metrics.retain(|metric| has(&metric.source, text) || has(&metric.name, text));
    let limit = call.count("limit");
    let left_out = metrics.len().saturating_sub(limit);
    let metrics: Vec<view::Metric> = metrics
        .into_iter()
        .take(limit)
        .map(view::Metric::from)
        .collect();
    Ok(json!({ "project": project, "run": run, "metrics": metrics, "left_out": left_out }))
}

pub(super) fn metric(call: &Call<'_>) -> Result<Value, Refusal> {
    let (project, run) = of_run(call)?;
    let arguments = &call.arguments;
    let window = window(arguments)?.unwrap_or_default();
    let all = call.ledger.metrics(&project, &run)?;
    let metric = of_metric(&run, &all, arguments.needed("metric"))?;
    let points = call
        .ledger
        .points(&project, &run, &metric.source, &window)?
        .unwrap_or_default();
    let summary = Summary::of(&points);
    let series = Series::new(metric.source.clone(), &points, call.count("points"));
    let mut answer = json!({
        "project": project,
        "run": run,
        "metric": series.metric,
        "canonical": metric.name,
        "rows": series.rows,
        "thinned": series.thinned,
        "summary": summary,
        "steps": series.steps,
        "values": shortened(&series.values),
    });
    if let Some(answer) = answer.as_object_mut() {
        if let Some(ranks) = series.ranks {
            answer.insert("ranks".to_owned(), json!(ranks));
        }
        if arguments.flag("times") {
            answer.insert("times".to_owned(), json!(series.times));
        }
        if points.is_empty() {
            let (from, to) = metric.steps;
            let note = format!("there is no value there: the metric has steps {from} to {to}");
            answer.insert("note".to_owned(), note.into());
        }
    }
    Ok(answer)
}

pub(super) fn snapshot(call: &Call<'_>) -> Result<Value, Refusal> {
    let (project, run) = of_run(call)?;
    let arguments = &call.arguments;
    let mut metrics = call.ledger.metrics(&project, &run)?;
    let window = match window(arguments)? {
        Some(window) => window,
        None => last_steps(&metrics, arguments),
    };
    let text = arguments.text("text");
    metrics.retain(|metric| has(&metric.source, text) || has(&metric.name, text));
    let (limit, wanted) = (call.count("limit"), call.count("points"));
    let (mut shown, mut silent) = (Vec::new(), Vec::new());
    let (mut left_out, mut no_value) = (0_usize, 0_usize);
    for metric in metrics {
        if shown.len() == limit {
            left_out += 1;
            continue;
        }
        let name = &metric.source;
        let points = call.ledger.points(&project, &run, name, &window)?;
        match points.unwrap_or_default() {
            points if points.is_empty() => {
                no_value += 1;
                silent.push(metric.source);
            }
            points => shown.push(Moment::new(metric, &points, wanted)),
        }
    }
    silent.truncate(SILENT);
    let steps = window.steps.as_ref();
    Ok(json!({
        "project": project,
        "run": run,
        "from_step": steps.map(|steps| steps.start()),
        "to_step": steps.map(|steps| steps.end()),
        "metrics": shown,
        "silent": silent,
        "silent_count": no_value,
        "left_out": left_out,
    }))
}

/// The end of a run.
fn last_steps(metrics: &[Metric], arguments: &Arguments<'_>) -> Window {
    let last = metrics.iter().map(|metric| metric.steps.1).max();
    let window = arguments.size("window").unwrap_or(WINDOW);
    let last = last.unwrap_or_default();
    Window {
        steps: Some(last.saturating_sub(window as i64)..=last),
        times: None,
    }
}

/// What a metric did in a window.
#[derive(Serialize)]
struct Moment {
    name: String,
    canonical: String,
    rows: usize,
    thinned: bool,
    steps: Vec<i64>,
    values: Vec<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranks: Option<Vec<Option<u32>>>,
}

impl Moment {
    fn new(metric: Metric, points: &[Point], wanted: usize) -> Self {
        let series = Series::new(metric.source, points, wanted);
        Self {
            name: series.metric,
            canonical: metric.name,
            rows: series.rows,
            thinned: series.thinned,
            steps: series.steps,
            values: shortened(&series.values),
            ranks: series.ranks,
        }
    }
}

/// Values to six significant digits: what is behind them is noise to a model,
/// and costs as much as the rest.
fn shortened(values: &[Number]) -> Vec<Number> {
    values.iter().map(|Number(value)| short(*value)).collect()
}

pub(super) fn short(value: f64) -> Number {
    Number(format!("{value:.5e}").parse().unwrap_or(value))
}

/// Values in a few numbers.
#[derive(Serialize)]
struct Summary {
    first: Option<Number>,
    last: Option<Number>,
    /// The lowest finite value.
    min: Option<Number>,
    /// The highest finite value.
    max: Option<Number>,
    /// The mean of the finite values.
    mean: Option<Number>,
    nonfinite: usize,
}

impl Summary {
    fn of(points: &[Point]) -> Self {
        let number = |point: Option<&Point>| point.map(|point| short(point.value));
        let values = || points.iter().map(|point| point.value);
        let finite = || values().filter(|value| value.is_finite());
        let count = finite().count();
        // Divided first: a sum of great values may be infinite.
        let mean = finite().map(|value| value / count as f64).sum();
        Self {
            first: number(points.first()),
            last: number(points.last()),
            min: finite().reduce(f64::min).map(short),
            max: finite().reduce(f64::max).map(short),
            mean: (count > 0).then(|| short(mean)),
            nonfinite: points.len() - count,
        }
    }
}

/// Whether a name has this text in it, in any case.
fn has(name: &str, text: Option<&str>) -> bool {
    text.is_none_or(|text| name.to_lowercase().contains(&text.to_lowercase()))
}

/// The project and the run that are meant.
fn of_run(call: &Call<'_>) -> Result<(String, String), Refusal> {
    let project = call.arguments.text("project");
    let run = named(&call.ledger, project, call.arguments.needed("run"))?;
    Ok((run.project, run.run))
}

/// The run of this name, of this project or of the only one that has it.
pub(super) fn named(
    ledger: &Ledger,
    project: Option<&str>,
    run: &str,
) -> Result<view::Run, Refusal> {
    if let Some(project) = project
        && let Some(found) = view::run(ledger, project, run)?
    {
        return Ok(found);
    }
    let runs = view::runs(ledger, None)?;
    let mut found = runs.iter().filter(|it| it.run == run);
    match (project, found.next(), found.next()) {
        (None, Some(only), None) => Ok(only.clone()),
        (None, Some(one), Some(other)) => {
            let (one, other) = (&one.project, &other.project);
            let error = format!("several projects have a run `{run}`");
            Err(Refusal::new(error).hint(format!("say `project`: `{one}`, `{other}`, …")))
        }
        (Some(project), Some(other), _) => {
            let error = format!("there is no run `{run}` in the project `{project}`");
            let other = &other.project;
            Err(Refusal::new(error).hint(format!("there is one in the project `{other}`")))
        }
        (_, None, _) => {
            let names = runs.iter().map(|it| it.run.as_str());
            let meant = did_you_mean(run, names);
            let hint = meant.unwrap_or_else(|| "`list_runs` names those that there are".to_owned());
            Err(Refusal::new(format!("there is no run `{run}`")).hint(hint))
        }
    }
}

/// The metric of this name, printed or canonical.
fn of_metric<'a>(run: &str, metrics: &'a [Metric], name: &str) -> Result<&'a Metric, Refusal> {
    let printed = metrics.iter().find(|metric| metric.source == name);
    let canonical = || metrics.iter().find(|metric| metric.name == name);
    // As it was shown to the agent.
    let cleaned = || metrics.iter().find(|metric| clean(&metric.source) == name);
    let found = printed.or_else(canonical).or_else(cleaned);
    found.ok_or_else(|| {
        if metrics.is_empty() {
            let error = format!("no metrics of the run `{run}` were kept");
            return Refusal::new(error).hint("`list_alerts` may still tell of it");
        }
        let names = metrics
            .iter()
            .flat_map(|metric| [metric.source.as_str(), metric.name.as_str()]);
        let meant = did_you_mean(name, names);
        let hint = meant.unwrap_or_else(|| "`list_metrics` names those that there are".to_owned());
        Refusal::new(format!("the run `{run}` has no metric `{name}`")).hint(hint)
    })
}

/// The window that is asked for; none if none is.
fn window(arguments: &Arguments<'_>) -> Result<Option<Window>, Refusal> {
    let range = arguments.has("from_step") || arguments.has("to_step");
    let ways = ["step", "around", "at_time"].map(|name| arguments.has(name));
    if ways.into_iter().chain([range]).filter(|way| *way).count() > 1 {
        let error = "several windows are asked for";
        return Err(Refusal::new(error)
            .hint("give one of `step`, `around`, `at_time`, and `from_step` with `to_step`"));
    }
    let size = arguments.size("window").unwrap_or(WINDOW);
    if range {
        let from = arguments.step("from_step").unwrap_or(i64::MIN);
        let to = arguments.step("to_step").unwrap_or(i64::MAX);
        let (steps, times) = (Some(from..=to), None);
        return Ok(Some(Window { steps, times }));
    }
    if let Some(time) = arguments.time("at_time")? {
        return Ok(Some(Window::at_time(time as f64 / 1000.0, size)));
    }
    let around = arguments.step("around");
    let around = around.map(|step| Window::around(step, size as u64));
    Ok(around.or_else(|| arguments.step("step").map(Window::step)))
}
