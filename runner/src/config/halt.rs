//! `[halt]` and `[restart]`: how a job is ended, and started again.

use std::time::Duration;

use super::kind::{self, Kind, boolean, choice, count, duration};
use super::reader::Reader;
use super::tree::Value;
use super::types::{Halt, Restart};
use crate::halt::{By, On, Reach, Usr1};

const ON: &[(&str, On)] = &[
    ("off", On::Off),
    ("asked", On::Asked),
    ("critical", On::Critical),
    ("warning", On::Warning),
];
const UP_TO: &[(&str, Reach)] = &[
    ("file", Reach::File),
    ("signal", Reach::Signal),
    ("kill", Reach::Kill),
];
const REACH: &[(&str, Reach)] = &[
    ("off", Reach::Off),
    ("file", Reach::File),
    ("signal", Reach::Signal),
    ("kill", Reach::Kill),
];
const USR1: &[(&str, Usr1)] = &[
    ("off", Usr1::Off),
    ("checkpoint", Usr1::Checkpoint),
    ("stacks", Usr1::Stacks),
];
const BY: &[(&str, By)] = &[("any", By::Any), ("rank-0", By::RankZero)];

/// `halt` of a detector or a route.
pub(super) fn reach() -> Kind<Reach> {
    choice(REACH)
}

/// Reads `[halt]`.
pub(super) fn halt(reader: &mut Reader) -> Halt {
    let day = Duration::from_secs(24 * 3600);
    let wait = || duration(Duration::ZERO..=day);
    Halt {
        on: reader.get("halt", "on", &choice(ON)),
        up_to: reader.get("halt", "up-to", &choice(UP_TO)),
        dry_run: reader.get("halt", "dry-run", &boolean()),
        hook: reader.get("halt", "hook", &command()),
        hook_timeout: reader.get(
            "halt",
            "hook-timeout",
            &duration(Duration::from_secs(1)..=day),
        ),
        file_timeout: reader.get("halt", "file-timeout", &wait()),
        usr1: reader.get("halt", "usr1", &choice(USR1)),
        usr1_timeout: reader.get("halt", "usr1-timeout", &wait()),
        term_timeout: reader.get("halt", "term-timeout", &wait()),
        by: reader.get("halt", "by", &choice(BY)),
    }
}

/// Reads `[restart]`.
pub(super) fn restart(reader: &mut Reader) -> Restart {
    let day = Duration::from_secs(24 * 3600);
    let reasons = reader.get("restart", "on", &reasons());
    let after = |reason: &str| reasons.iter().any(|it| it == reason);
    Restart {
        on_halt: after("halt"),
        on_crash: after("crash"),
        attempts: reader.get("restart", "attempts", &count(0..=1_000_000)),
        progress: reader.get("restart", "progress", &count(1..=1_000_000_000)),
        backoff: reader.get("restart", "backoff", &duration(Duration::ZERO..=day)),
        window: reader.get("restart", "window", &duration(Duration::ZERO..=day * 365)),
    }
}

/// A program and its arguments; an empty list is none.
fn command() -> Kind<Vec<String>> {
    let fits = |words: &Vec<String>| {
        let program = words.first().is_none_or(|program| !program.is_empty());
        program && !words.iter().any(|word| word.contains('\0'))
    };
    let expected = "a program and its arguments such as [\"/opt/checkpoint.sh\", \"--now\"]";
    list(expected, fits)
}

fn reasons() -> Kind<Vec<String>> {
    let fits = |words: &Vec<String>| words.iter().all(|word| word == "halt" || word == "crash");
    list("a list of \"halt\" and \"crash\"", fits)
}

/// A list of texts that fit.
fn list(expected: &str, fits: impl Fn(&Vec<String>) -> bool + 'static) -> Kind<Vec<String>> {
    let Kind { read, write, .. } = kind::names();
    let read = move |value: &Value| read(value).filter(&fits);
    Kind::new(expected, read, move |words| write(words))
}
