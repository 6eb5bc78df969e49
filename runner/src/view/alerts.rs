//! Alerts, the newest first, and who knows of them.

use super::{Acknowledged, Alert, Time};
use crate::alert::{self, Severity, State};
use crate::deliver::matcher::Facts;
use crate::deliver::silence::{Silence, Until};
use crate::ledger::{Ledger, LedgerError, Result, Search, Written};

/// Which alerts are meant. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The project.
    pub project: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// The detector.
    pub detector: Option<String>,
    /// The least severity.
    pub level: Option<Severity>,
    /// Firing or resolved.
    pub state: Option<State>,
    /// Part of the title, the message, the detector or the run, in any case.
    pub text: Option<String>,
    /// Written down from this time on, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Written down before this time.
    pub until: Option<i64>,
    /// With a lower number.
    pub before: Option<i64>,
    /// With a higher number.
    pub after: Option<i64>,
}

/// At most `limit` alerts, the newest first, and whether there are more.
///
/// # Errors
///
/// If the ledger cannot be read.
pub fn alerts(ledger: &Ledger, filter: &Filter, limit: usize) -> Result<(Vec<Alert>, bool)> {
    let search = Search {
        project: filter.project.as_deref(),
        run: filter.run.as_deref(),
        detector: filter.detector.as_deref(),
        level: filter.level,
        firing: filter.state.map(|state| state == State::Firing),
        text: filter.text.as_deref(),
        since: filter.since,
        until: filter.until,
        before: filter.before,
        after: filter.after,
    };
    let mut found = ledger.search(&search, limit.saturating_add(1))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let silences = acknowledgements(ledger)?;
    let alerts = found.into_iter().map(|Written { seq, made, alert }| {
        let acknowledged = acknowledged(&silences, &alert);
        Alert {
            alert,
            seq,
            made: Some(Time(made)),
            acknowledged,
        }
    });
    Ok((alerts.collect(), more))
}

/// The alert with this id, or the only one whose id begins like this.
///
/// # Errors
///
/// If the ledger cannot be read, or several begin like this.
pub fn alert(ledger: &Ledger, id: &str) -> Result<Option<Alert>> {
    let Some(Written { seq, made, alert }) = ledger.written_alert(id)? else {
        return Ok(None);
    };
    let acknowledged = acknowledged(&acknowledgements(ledger)?, &alert);
    Ok(Some(Alert {
        alert,
        seq,
        made: Some(Time(made)),
        acknowledged,
    }))
}

/// The silences that last until a trouble is over.
fn acknowledgements(ledger: &Ledger) -> Result<Vec<Silence>> {
    let mut silences = Vec::new();
    for (id, body) in ledger.silences(false)? {
        let silence: Silence = serde_json::from_str(&body)
            .map_err(|error| LedgerError(format!("the silence {id} cannot be read: {error}")))?;
        if silence.until == Until::Resolved {
            silences.push(silence);
        }
    }
    Ok(silences)
}

fn acknowledged(silences: &[Silence], alert: &alert::Alert) -> Option<Acknowledged> {
    // The operator's own labels are not known here; an acknowledgement names
    // its alert without them.
    let facts = Facts::new(alert, &[]);
    let silence = silences
        .iter()
        .find(|it| it.mutes(&facts, it.created.max(it.begins)))?;
    Some(Acknowledged {
        by: silence.author.clone(),
        at: Time(silence.created),
        comment: silence.comment.clone(),
        silence: silence.id.clone(),
    })
}
