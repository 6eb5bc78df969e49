//! Silences and acknowledgements.

use std::time::Duration;

use serde_json::{Value, json};

use super::alerts::{found, newest};
use super::arguments::Refusal;
use super::tools::Call;
use crate::alert::State;
use crate::config::units::parse_duration;
use crate::deliver::post::wall_clock;
use crate::deliver::silence::Silence;
use crate::view;

/// What lasts longer is a person's to silence.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn list(call: &Call<'_>) -> Result<Value, Refusal> {
    let ended = call.arguments.flag("ended");
    let mut silences = view::silences(&call.ledger, ended, wall_clock())?;
    let limit = call.count("limit");
    let left_out = silences.len().saturating_sub(limit);
    silences.truncate(limit);
    Ok(json!({ "silences": silences, "left_out": left_out }))
}

pub(super) fn acknowledge(call: &Call<'_>) -> Result<Value, Refusal> {
    let alert = found(&call.ledger, call.arguments.needed("id"))?;
    if let Some(known) = &alert.acknowledged {
        return Ok(json!({ "id": known.silence, "alert": alert.alert.id, "already": known }));
    }
    let newest = newest(&call.ledger, &alert)?;
    let state = newest.as_ref().unwrap_or(&alert).alert.state;
    if state == State::Resolved {
        return Err(Refusal::new("the trouble is over already")
            .hint("there is nothing to acknowledge; `get_alert` has its newest alert"));
    }
    let (author, comment) = (call.server.author.clone(), comment(call)?);
    let silence = Silence::acknowledging(&alert.alert, author, comment, wall_clock());
    call.ledger.keep_silence(&silence)?;
    Ok(json!({ "id": silence.id, "alert": alert.alert.id, "until": "resolved" }))
}

pub(super) fn silence(call: &Call<'_>) -> Result<Value, Refusal> {
    let arguments = &call.arguments;
    let values: Vec<(&str, &str)> = ["project", "run", "detector", "key"]
        .into_iter()
        .filter_map(|label| Some((label, arguments.text(label)?)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    if values.is_empty() {
        return Err(Refusal::new("this would silence everything")
            .hint("name at least one of project, run, detector, key"));
    }
    let lasting = lasting(arguments.needed("for"))?;
    let now = wall_clock();
    let millis = i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX);
    let (author, comment) = (call.server.author.clone(), comment(call)?);
    let silence = Silence::of(&values, now.saturating_add(millis), author, comment, now);
    call.ledger.keep_silence(&silence)?;
    Ok(json!({ "id": silence.id, "silence": view::Silence::new(&silence, now) }))
}

pub(super) fn unsilence(call: &Call<'_>) -> Result<Value, Refusal> {
    let begin = call.arguments.needed("id");
    let ids = call.ledger.silences_named(begin)?;
    let [id] = ids.as_slice() else {
        let error = match ids.len() {
            0 => format!("there is no silence `{begin}`"),
            _ => format!("several silences begin with `{begin}`"),
        };
        return Err(Refusal::new(error).hint("`list_silences` has the ids of those that there are"));
    };
    call.ledger.remove_silence(id, wall_clock())?;
    Ok(json!({ "id": id, "state": "ended" }))
}

fn lasting(text: &str) -> Result<Duration, Refusal> {
    let refused = |why: &str| Refusal::new(format!("`for`: `{text}` is {why}"));
    match parse_duration(text) {
        Some(lasting) if lasting > LONGEST => Err(refused("more than a day")
            .hint("a person may silence for longer, with `runwatch silence add`")),
        Some(lasting) if !lasting.is_zero() => Ok(lasting),
        _ => Err(refused("no duration").hint("write 30m, 2h or 1d")),
    }
}

fn comment(call: &Call<'_>) -> Result<String, Refusal> {
    let comment = call.arguments.needed("comment").trim();
    if comment.is_empty() {
        return Err(Refusal::new("`comment` is empty").hint("say why, for people to read"));
    }
    Ok(crate::deliver::text::cut_chars(comment, 1000).into_owned())
}
