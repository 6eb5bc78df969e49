//! What can be changed: the same that `runwatch silence` and `sink resend` do.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::App;
use super::answer::Problem;
use super::api::find_alert;
use super::asked::unknown;
use crate::alert::State as AlertState;
use crate::config::units::parse_duration;
use crate::deliver::matcher::Matcher;
use crate::deliver::post::wall_clock;
use crate::deliver::silence::{Silence, Until, ceiling};
use crate::ledger::Ledger;

/// The longest comment, in bytes.
const COMMENT: usize = 4000;

type Body = Result<Bytes, BytesRejection>;
type Answer = Result<Json<Value>, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    alert: String,
    #[serde(default)]
    comment: String,
}

pub(super) async fn acknowledge(State(app): State<Arc<App>>, body: Body) -> Answer {
    let wanted: Acknowledge = read(body)?;
    let comment = checked(wanted.comment)?;
    let author = app.options.author.clone();
    change(app, move |ledger, _| {
        let (_, alert) = find_alert(Some(ledger), &wanted.alert)?;
        if let Some(known) = alert.acknowledged {
            return Ok(json!({ "id": known.silence }));
        }
        let alert = alert.alert;
        let over = alert.state == AlertState::Resolved
            || ledger.is_over(&alert.fingerprint, alert.episode)?;
        if over {
            let error = "this trouble is over: there is nothing to acknowledge";
            return Err(Problem::new(StatusCode::CONFLICT, error));
        }
        let silence = Silence::acknowledging(&alert, author, comment, wall_clock());
        ledger.keep_silence(&silence)?;
        Ok(json!({ "id": silence.id }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSilence {
    project: Option<String>,
    run: Option<String>,
    detector: Option<String>,
    key: Option<String>,
    r#for: String,
    comment: String,
}

pub(super) async fn silence(State(app): State<Arc<App>>, body: Body) -> Answer {
    let wanted: NewSilence = read(body)?;
    let comment = checked(wanted.comment)?;
    let lasting = parse_duration(&wanted.r#for).ok_or_else(|| {
        let error = format!("`{}` is no duration", wanted.r#for);
        Problem::bad(error).hint("write `30m` or `2h`")
    })?;
    let labels = [
        ("project", wanted.project),
        ("run", wanted.run),
        ("detector", wanted.detector),
        ("key", wanted.key),
    ];
    let given = labels
        .into_iter()
        .filter_map(|(label, value)| Some((label, value.filter(|value| !value.is_empty())?)));
    let matchers: Vec<Matcher> = given
        .map(|(label, value)| Matcher::equal(label, value))
        .collect();
    let now = wall_clock();
    let millis = i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX);
    let silence = Silence {
        id: Silence::fresh_id(),
        severity: ceiling(&matchers),
        matchers,
        until: Until::Time(now.saturating_add(millis)),
        comment,
        author: app.options.author.clone(),
        begins: now,
        created: now,
    };
    silence.check(&app.options.labels).map_err(|mistake| {
        Problem::bad(mistake.message).hint("say which project, run, detector or key is meant")
    })?;
    change(app, move |ledger, _| {
        ledger.keep_silence(&silence)?;
        Ok(json!({ "id": silence.id }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: String,
}

pub(super) async fn unsilence(State(app): State<Arc<App>>, body: Body) -> Answer {
    let Named { id } = read(body)?;
    change(app, move |ledger, _| {
        // All of the id: of what is removed here, nobody is asked whether it is
        // the one that was meant.
        let silences = ledger.silences(false)?;
        if !silences.iter().any(|(known, _)| *known == id) {
            return Err(Problem::missing(format!("there is no silence `{id}`"))
                .hint("it may have ended; /api/silences lists those that there are"));
        }
        ledger.remove_silence(&id, wall_clock())?;
        Ok(json!({}))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resend {
    sink: Option<String>,
    delivery: Option<i64>,
}

pub(super) async fn resend(State(app): State<Arc<App>>, body: Body) -> Answer {
    let wanted: Resend = read(body)?;
    change(app, move |ledger, app| {
        match (wanted.sink, wanted.delivery) {
            (Some(sink), None) => {
                configured(app, &sink)?;
                ledger.resend(&sink, true, 0)?;
                (app.options.resend)(&sink)?;
                Ok(json!({}))
            }
            (None, Some(id)) => {
                let none = || Problem::missing(format!("there is no delivery {id}"));
                let (sink, state) = ledger.delivery(id)?.ok_or_else(none)?;
                configured(app, &sink)?;
                if !ledger.resend_one(id, wall_clock())? {
                    let error = format!("this delivery is {state} and cannot be sent again");
                    return Err(Problem::new(StatusCode::CONFLICT, error));
                }
                (app.options.resend)(&sink)?;
                Ok(json!({}))
            }
            _ => Err(Problem::bad("one of `sink` and `delivery` is needed")),
        }
    })
    .await
}

fn configured(app: &App, sink: &str) -> Result<(), Problem> {
    let names: Vec<&str> = app.options.sinks.iter().map(String::as_str).collect();
    match names.contains(&sink) {
        true => Ok(()),
        false => Err(unknown("sink", sink, &names)),
    }
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::bad(format!("the body does not fit: {error}")))
}

fn checked(comment: String) -> Result<String, Problem> {
    match comment.len() {
        0..=COMMENT => Ok(comment),
        _ => Err(Problem::bad(format!(
            "the comment is longer than {COMMENT} bytes"
        ))),
    }
}

/// Changes the ledger that there is, on a thread that may wait.
async fn change<F>(app: Arc<App>, change: F) -> Answer
where
    F: FnOnce(&Ledger, &App) -> Result<Value, Problem> + Send + 'static,
{
    let changed = spawn_blocking(move || {
        let path = &app.options.ledger;
        if !path.exists() {
            return Err(Problem::missing("there is no ledger yet"));
        }
        change(&Ledger::open(path)?, &app)
    });
    let value = changed.await.map_err(|_| Problem::broken())??;
    Ok(Json(value))
}
