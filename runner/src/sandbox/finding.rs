//! A finding as a component returns it, and as the host takes it: nothing that a
//! detector returns is trusted.

use super::bindings::contract;
use super::fault::{Fault, FaultKind};
use super::instance::RowFinding;
use super::limits::Limits;
use crate::alert::{Finding, Severity, State};

/// The row of a finding that belongs to no row.
const NO_ROW: u32 = u32::MAX;
const KEY_BYTES: usize = 128;
const TITLE_BYTES: usize = 200;

/// Checks a finding for form.
pub(super) fn check_finding(
    raw: contract::Finding,
    call: &'static str,
    rows: usize,
    limits: &Limits,
) -> std::result::Result<RowFinding, Fault> {
    let bad = |problem: String| Fault::found(FaultKind::BadFinding, call, problem);
    let named = |problem: &str| bad(format!("finding `{}` {problem}", excerpt(&raw.key)));
    if raw.key.is_empty() || raw.key.len() > KEY_BYTES {
        return Err(bad(format!(
            "a finding's key has {} bytes, not 1 to {KEY_BYTES}",
            raw.key.len()
        )));
    }
    let severity = Severity::from_name(&raw.severity).ok_or_else(|| {
        named(&format!(
            "has the severity `{}`, not info, warning or critical",
            excerpt(&raw.severity)
        ))
    })?;
    let state = match raw.state.as_str() {
        "firing" => State::Firing,
        "resolved" => State::Resolved,
        other => {
            return Err(named(&format!(
                "has the state `{}`, not firing or resolved",
                excerpt(other)
            )));
        }
    };
    if raw.title.trim().is_empty() {
        return Err(named("has no title"));
    }
    if raw.title.len() > TITLE_BYTES {
        return Err(named(&format!(
            "has a title of {} bytes, the limit is {TITLE_BYTES}",
            raw.title.len()
        )));
    }
    if state == State::Firing && raw.recommendation.trim().is_empty() {
        return Err(named("has no recommendation"));
    }
    let names: usize = raw.values.iter().map(|(name, _)| name.len() + 8).sum();
    let facts: usize = raw
        .facts
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let bytes = raw.message.len() + raw.recommendation.len() + names + facts;
    if bytes > limits.finding_bytes {
        return Err(Fault::found(
            FaultKind::Flood,
            call,
            format!(
                "finding `{}` has {bytes} bytes of text, the limit is {}",
                excerpt(&raw.key),
                limits.finding_bytes
            ),
        ));
    }
    let row = (raw.row != NO_ROW).then_some(raw.row);
    if let Some(row) = row
        && row as usize >= rows
    {
        return Err(named(&if call == "observe" {
            format!("points at row {row} of {rows}")
        } else {
            format!("points at row {row}, and `{call}` has no rows")
        }));
    }
    let gather = raw
        .facts
        .iter()
        .any(|(name, value)| name == "ranks" && value == "gather");
    let mut facts = raw.facts;
    let mut fact = |wanted: &str| {
        let at = facts.iter().position(|(name, _)| name == wanted)?;
        Some(facts.swap_remove(at).1)
    };
    let (halt, route) = (fact("halt"), fact("route"));
    let finding = Finding {
        key: raw.key,
        severity,
        state,
        title: raw.title,
        message: raw.message,
        recommendation: raw.recommendation,
        values: raw.values,
        halt,
        gather,
        route,
    };
    Ok((row, finding))
}

/// The beginning of a text that nobody has checked.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
