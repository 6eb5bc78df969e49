//! What the host itself says about detectors.

use crate::alert::{Finding, Severity, State};
use crate::detect::{Failure, Identity, Next};

/// The host's own alert about a detector that failed.
pub(super) fn fault_finding(name: &str, failure: &Failure) -> Finding {
    let fault = &failure.fault;
    let steps = match failure.steps {
        Some((first, last)) if first == last => format!(" at step {first}"),
        Some((first, last)) => format!(" at steps {first} to {last}"),
        None => String::new(),
    };
    let mut message = format!(
        "The detector `{name}` failed in `{}`{steps}: {} ({}).",
        fault.call,
        fault.message,
        fault.kind.name()
    );
    if !fault.output.is_empty() {
        message.push_str(" It said: ");
        message.push_str(&fault.output.join(" / "));
        message.push('.');
    }
    if !fault.frames.is_empty() {
        message.push_str(" In: ");
        message.push_str(&fault.frames.join(" < "));
        message.push('.');
    }
    let key = key(failure.next, name);
    let (title, next) = match failure.next {
        Next::Restarted => (
            "failed",
            "It was started again with the state it had saved last; the others go on undisturbed.",
        ),
        Next::Quarantined => (
            "failed too often and is switched off",
            "It stays off for this run until runwatch is started again; the others go on undisturbed.",
        ),
        Next::Refused => ("refuses to watch this run", "The run goes on without it."),
    };
    message.push(' ');
    message.push_str(next);
    if let Some(file) = &failure.file {
        message.push_str(&format!(
            " What it was shown is kept: `runwatch detector replay {file}` shows it again."
        ));
    }
    Finding {
        key,
        severity: Severity::Warning,
        state: State::Firing,
        title: format!("Detector {name} {title}"),
        message,
        recommendation: fault.kind.advice().to_owned(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}

/// What the trouble is called.
fn key(next: Next, name: &str) -> String {
    let key = match next {
        Next::Restarted => "detector-fault",
        Next::Quarantined => "detector-quarantined",
        Next::Refused => "detector-refused",
    };
    format!("{key}/{name}")
}

/// The end of such an alert: another detector works in its place.
pub(super) fn back_finding(name: &str, next: Next) -> Finding {
    Finding {
        key: key(next, name),
        severity: Severity::Warning,
        state: State::Resolved,
        title: format!("Detector {name} was replaced"),
        message: format!("Another version of the detector `{name}` watches this run."),
        recommendation: String::new(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}

/// The host's own alert about a detector that cannot keep up.
pub(super) fn behind_finding(name: &str, rows: u64) -> Finding {
    let rows = match rows {
        1 => "1 row was".to_owned(),
        rows => format!("{rows} rows were"),
    };
    Finding {
        key: format!("detector-behind/{name}"),
        severity: Severity::Warning,
        state: State::Firing,
        title: format!("Detector {name} cannot keep up"),
        message: format!(
            "Detector {name} cannot keep up: {rows} not given to it so far. What is in them it \
             cannot find; the others go on undisturbed."
        ),
        recommendation: "Let it ask for less (fewer metrics, or `values` = `edges` where only \
                         what is not finite matters), make its rule cheaper, or write it in a \
                         faster language."
            .to_owned(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}

/// That is over.
pub(super) fn caught_up_finding(name: &str, rows: u64) -> Finding {
    Finding {
        state: State::Resolved,
        title: format!("Detector {name} has caught up"),
        message: format!(
            "Detector {name} keeps up again. Rows that were not given to it, in all: {rows}."
        ),
        recommendation: String::new(),
        ..behind_finding(name, rows)
    }
}

/// What is said of a detector that was replaced.
pub(super) fn replaced(name: &str, from: &Identity, to: &Identity) -> String {
    let short = |identity: &Identity| identity.digest.chars().take(8).collect::<String>();
    let (from, to) = (short(from), short(to));
    format!("detector `{name}` was replaced: sha256 {from}… → {to}…")
}
