//! What can be asked. See `docs/dashboard.md` for each form.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::App;
use super::answer::Problem;
use super::asked::Asked;
use crate::deliver::post::wall_clock;
use crate::ledger::history::Window;
use crate::ledger::{Filter, Ledger, LedgerError, STATES, SinkRow};
use crate::view;

/// Alerts or deliveries in an answer, and the most.
const PAGE: usize = 100;
const MOST: usize = 1000;
/// Values of a series in an answer, and the most.
const POINTS: usize = 2000;
const MOST_POINTS: usize = 20_000;

type Answer = Result<Response, Problem>;

pub(super) async fn runs(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked = Asked::of(&uri, &["project"])?;
    let project = asked.text("project");
    let look = move |ledger: Option<&Ledger>| {
        let runs = ledger.map(|ledger| view::runs(ledger, project.as_deref()));
        Ok(json!({ "runs": runs.transpose()?.unwrap_or_default() }))
    };
    app.readers.answer(look).await
}

/// A run with all that it has but values and alerts.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    run: view::Run,
    metrics_list: Vec<view::Metric>,
    muted_list: Vec<crate::ledger::MutedRow>,
}

pub(super) async fn run(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked = Asked::of(&uri, &["project", "run"])?;
    let (project, run) = (asked.needed("project")?, asked.needed("run")?);
    let look = move |ledger: Option<&Ledger>| {
        let none = || no_run(&project, &run);
        let ledger = ledger.ok_or_else(none)?;
        let row = view::run(ledger, &project, &run)?.ok_or_else(none)?;
        let metrics = ledger.metrics(&project, &run)?;
        let filter = Filter {
            project: Some(project.clone()),
            run: Some(run.clone()),
            limit: MOST,
            ..Filter::default()
        };
        let mut muted_list = ledger.find_muted(&filter)?;
        muted_list.reverse();
        Ok(Whole {
            run: row,
            metrics_list: metrics.into_iter().map(Into::into).collect(),
            muted_list,
        })
    };
    app.readers.answer(look).await
}

fn no_run(project: &str, run: &str) -> Problem {
    Problem::missing(format!(
        "there is no run `{run}` of the project `{project}`"
    ))
    .hint("/api/runs lists those that there are")
}

pub(super) async fn series(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked = Asked::of(&uri, &["project", "run", "metric", "from", "to", "points"])?;
    let (project, run) = (asked.needed("project")?, asked.needed("run")?);
    let metric = asked.needed("metric")?;
    let steps = match (asked.number("from")?, asked.number("to")?) {
        (None, None) => None,
        (from, to) => Some(from.unwrap_or(i64::MIN)..=to.unwrap_or(i64::MAX)),
    };
    let wanted = asked.count("points", POINTS, MOST_POINTS)?;
    let look = move |ledger: Option<&Ledger>| {
        let ledger = ledger.ok_or_else(|| no_run(&project, &run))?;
        let whole = steps.is_none();
        let window = Window { steps, times: None };
        match ledger.points(&project, &run, &metric, &window)? {
            Some(points) => {
                let mut series = view::Series::new(metric, &points, wanted);
                if whole {
                    let metrics = ledger.metrics(&project, &run)?;
                    series.count_forgotten(&metrics);
                }
                Ok(series)
            }
            None if ledger.span(&project, &run)?.is_none() => Err(no_run(&project, &run)),
            None => {
                let error = format!("the run `{run}` has no metric `{metric}`");
                Err(Problem::missing(error).hint("/api/run lists its metrics"))
            }
        }
    };
    app.readers.answer(look).await
}

pub(super) async fn alerts(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked = Asked::of(
        &uri,
        &[
            "project", "run", "detector", "level", "state", "text", "before", "limit",
        ],
    )?;
    let filter = view::Filter {
        project: asked.text("project"),
        run: asked.text("run"),
        detector: asked.text("detector"),
        level: asked.level()?,
        state: asked.state()?,
        text: asked.text("text"),
        before: asked.number("before")?,
        ..view::Filter::default()
    };
    let limit = asked.count("limit", PAGE, MOST)?;
    let look = move |ledger: Option<&Ledger>| {
        let found = ledger.map(|ledger| view::alerts(ledger, &filter, limit));
        let (alerts, more) = found.transpose()?.unwrap_or_default();
        Ok(json!({ "alerts": alerts, "more": more }))
    };
    app.readers.answer(look).await
}

pub(super) async fn alert(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let id = Asked::of(&uri, &["id"])?.needed("id")?;
    let look = move |ledger: Option<&Ledger>| {
        let (ledger, alert) = find_alert(ledger, &id)?;
        let mut deliveries = ledger.deliveries_of(&alert.alert.id)?;
        deliveries.reverse();
        Ok(json!({ "alert": alert, "deliveries": deliveries }))
    };
    app.readers.answer(look).await
}

/// The alert with this id, and the ledger that it is in.
pub(super) fn find_alert<'a>(
    ledger: Option<&'a Ledger>,
    id: &str,
) -> Result<(&'a Ledger, view::Alert), Problem> {
    let none = || Problem::missing(format!("there is no alert `{id}`"));
    let ledger = ledger.ok_or_else(none)?;
    let alert = view::alert(ledger, id)?.ok_or_else(none)?;
    Ok((ledger, alert))
}

pub(super) async fn deliveries(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let asked = Asked::of(&uri, &["state", "sink", "limit"])?;
    let limit = asked.count("limit", PAGE, MOST)?;
    let filter = Filter {
        state: asked.word("state", &STATES)?,
        sink: asked.text("sink"),
        // One more, to know whether there are more.
        limit: limit + 1,
        ..Filter::default()
    };
    let look = move |ledger: Option<&Ledger>| {
        let found = ledger.map(|ledger| ledger.find_deliveries(&filter));
        let mut found = found.transpose()?.unwrap_or_default();
        found.reverse();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(json!({ "deliveries": found, "more": more }))
    };
    app.readers.answer(look).await
}

pub(super) async fn sinks(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    Asked::of(&uri, &[])?;
    let configured = app.options.sinks.clone();
    let look = move |ledger: Option<&Ledger>| Ok(json!({ "sinks": standing(ledger, configured)? }));
    app.readers.answer(look).await
}

/// The sinks of the configuration, and those that the ledger knows besides.
fn standing(ledger: Option<&Ledger>, configured: Vec<String>) -> Result<Vec<SinkRow>, LedgerError> {
    let mut known = ledger.map_or(Ok(Vec::new()), Ledger::find_sinks)?;
    let mut sinks = Vec::new();
    for name in configured {
        match known.iter().position(|sink| sink.name == name) {
            Some(at) => sinks.push(known.remove(at)),
            None => sinks.push(SinkRow::unused(name)),
        }
    }
    sinks.append(&mut known);
    Ok(sinks)
}

pub(super) async fn silences(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    Asked::of(&uri, &[])?;
    let look = |ledger: Option<&Ledger>| {
        let silences = ledger.map(|ledger| view::silences(ledger, true, wall_clock()));
        let mut silences = silences.transpose()?.unwrap_or_default();
        silences.truncate(MOST);
        Ok(json!({ "silences": silences }))
    };
    app.readers.answer(look).await
}

pub(super) async fn detectors(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    Asked::of(&uri, &[])?;
    let look = |ledger: Option<&Ledger>| {
        let found = ledger.map(|ledger| ledger.detectors(MOST)).transpose()?;
        Ok(json!({ "detectors": found.unwrap_or_default() }))
    };
    app.readers.answer(look).await
}
