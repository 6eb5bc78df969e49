//! Silences as programs and pages get them.

use std::collections::HashSet;

use serde::Serialize;

use super::Time;
use crate::deliver::matcher::Matcher;
use crate::deliver::silence::{self, Until};
use crate::ledger::{Ledger, LedgerError, Result};

/// A silence or an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// Names it among the silences.
    pub id: String,
    /// Which alerts: `run=a,detector=loss-spike`.
    pub matchers: String,
    /// The most severe that it mutes.
    pub severity: &'static str,
    /// When it begins to mute.
    pub from: Time,
    /// When it ends: a time, `step 100`, or `resolved`.
    pub until: String,
    /// Why there is one.
    pub comment: String,
    /// Who made it.
    pub by: String,
    /// `active`, `pending` or `ended`.
    pub state: &'static str,
}

impl Silence {
    /// What is known of a silence that nobody has removed.
    #[must_use]
    pub fn new(silence: &silence::Silence, now: i64) -> Self {
        let matchers: Vec<String> = silence.matchers.iter().map(Matcher::to_string).collect();
        Self {
            id: silence.id.clone(),
            matchers: matchers.join(","),
            severity: silence.severity.name(),
            from: Time(silence.begins),
            until: match silence.until {
                Until::Time(end) => Time(end).to_string(),
                Until::Step(step) => format!("step {step}"),
                Until::Resolved => "resolved".to_owned(),
            },
            comment: silence.comment.clone(),
            by: silence.author.clone(),
            state: match () {
                () if silence.ended(now) => "ended",
                () if now < silence.begins => "pending",
                () => "active",
            },
        }
    }
}

/// The silences that have not ended at this time, in milliseconds since 1970,
/// or with `ended` all; the newest first.
///
/// # Errors
///
/// If the ledger cannot be read.
pub fn silences(ledger: &Ledger, ended: bool, now: i64) -> Result<Vec<Silence>> {
    let kept: HashSet<String> = ledger
        .silences(false)?
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut silences = Vec::new();
    for (id, body) in ledger.silences(ended)? {
        let silence = serde_json::from_str(&body)
            .map_err(|error| LedgerError(format!("the silence {id} cannot be read: {error}")))?;
        let mut silence = Silence::new(&silence, now);
        if !kept.contains(&id) {
            silence.state = "ended";
        }
        if ended || silence.state != "ended" {
            silences.push(silence);
        }
    }
    silences.reverse();
    Ok(silences)
}
