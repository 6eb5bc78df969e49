//! Alerts and what became of them.

use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::Refusal;
use super::tools::Call;
use crate::alert::{Severity, State};
use crate::ledger::Ledger;
use crate::view::{self, Filter, Time};

/// How many deliveries an alert is given with.
const DELIVERIES: usize = 20;
/// How many alerts of a run are looked at for a newer one of a trouble.
const NEWER: usize = 1000;

/// An alert without what takes many words.
#[derive(Serialize)]
struct Brief {
    seq: i64,
    id: String,
    made: Option<Time>,
    project: String,
    run: String,
    detector: String,
    severity: Severity,
    state: State,
    step: Option<i64>,
    title: String,
    acknowledged: Option<String>,
}

impl From<view::Alert> for Brief {
    fn from(it: view::Alert) -> Self {
        Self {
            seq: it.seq,
            id: it.alert.id,
            made: it.made,
            project: it.alert.project,
            run: it.alert.run,
            detector: it.alert.detector,
            severity: it.alert.severity,
            state: it.alert.state,
            step: it.alert.step,
            title: it.alert.title,
            acknowledged: it.acknowledged.map(|it| it.by),
        }
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Value, Refusal> {
    let arguments = &call.arguments;
    let filter = Filter {
        project: arguments.owned("project"),
        run: arguments.owned("run"),
        detector: arguments.owned("detector"),
        level: arguments.level("level"),
        state: match arguments.text("state") {
            Some("firing") => Some(State::Firing),
            Some(_) => Some(State::Resolved),
            None => None,
        },
        text: arguments.owned("text"),
        since: arguments.time("since")?,
        until: arguments.time("until")?,
        before: arguments.step("before"),
        after: arguments.step("after"),
    };
    let (alerts, more) = view::alerts(&call.ledger, &filter, call.count("limit"))?;
    let alerts: Vec<Brief> = alerts.into_iter().map(Brief::from).collect();
    Ok(json!({ "alerts": alerts, "more": more }))
}

/// The alert that is meant, or that there is none.
pub(super) fn found(ledger: &Ledger, id: &str) -> Result<view::Alert, Refusal> {
    // An empty text would begin every id.
    let alert = if id.is_empty() {
        None
    } else {
        view::alert(ledger, id)?
    };
    alert.ok_or_else(|| {
        Refusal::new(format!("there is no alert `{id}`"))
            .hint("`list_alerts` has the ids of those that there are")
    })
}

/// The last alert about the same trouble; none if it is this one.
pub(super) fn newest(ledger: &Ledger, of: &view::Alert) -> Result<Option<view::Alert>, Refusal> {
    let filter = Filter {
        project: Some(of.alert.project.clone()),
        run: Some(of.alert.run.clone()),
        detector: Some(of.alert.detector.clone()),
        after: Some(of.seq),
        ..Filter::default()
    };
    let (newer, _) = view::alerts(ledger, &filter, NEWER)?;
    let same = |it: &view::Alert| it.alert.fingerprint == of.alert.fingerprint;
    Ok(newer.into_iter().find(same))
}

pub(super) fn get(call: &Call<'_>) -> Result<Value, Refusal> {
    let alert = found(&call.ledger, call.arguments.needed("id"))?;
    let mut deliveries = call.ledger.deliveries_of(&alert.alert.id)?;
    let left_out = deliveries.len().saturating_sub(DELIVERIES);
    deliveries.drain(..left_out);
    let newest = newest(&call.ledger, &alert)?.map(Brief::from);
    Ok(json!({
        "alert": alert,
        "newest": newest,
        "deliveries": deliveries,
        "deliveries_left_out": left_out,
    }))
}

pub(super) fn deliveries(call: &Call<'_>) -> Result<Value, Refusal> {
    let (arguments, limit) = (&call.arguments, call.count("limit"));
    let filter = crate::ledger::Filter {
        project: arguments.owned("project"),
        run: arguments.owned("run"),
        detector: arguments.owned("detector"),
        level: arguments.level("level"),
        since: arguments.time("since")?,
        until: arguments.time("until")?,
        sink: arguments.owned("sink"),
        state: arguments.owned("state"),
        // One more, to know whether there are more.
        limit: limit.saturating_add(1),
    };
    let mut deliveries = call.ledger.find_deliveries(&filter)?;
    deliveries.reverse();
    let more = deliveries.len() > limit;
    deliveries.truncate(limit);
    Ok(json!({ "deliveries": deliveries, "more": more }))
}
