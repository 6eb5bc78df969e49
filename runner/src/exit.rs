//! Exit codes, and how an error becomes one.
//!
//! Every way in which runwatch ends has a code of its own, so that a script or
//! a CI job can tell "alerts" from "did not work". Where several apply, the
//! one that casts most doubt on the result wins: [`Ending`] is in that order.

use std::fmt;

use crate::config::ConfigError;

/// All is fine; alerts, if any, are not a failure unless `--fail-on` says so.
pub const OK: u8 = 0;
/// There were alerts at or above the severity that `--fail-on` names, or a detector failed its tests.
pub const ALERTS: u8 = 1;
/// The command line or the configuration is wrong; nothing was read.
pub const USAGE: u8 = 2;
/// A detector could not be loaded or was quarantined, so that alerts may be missing.
pub const DETECTOR: u8 = 3;
/// An alert could not be delivered to one of its sinks, or a report not be written.
pub const DELIVERY: u8 = 4;
/// The input could not be opened, or not be read to its end.
pub const INPUT: u8 = 5;
/// Interrupted by Ctrl-C before the input ended.
pub const INTERRUPTED: u8 = 130;

/// Every exit code with its meaning, as the README has them.
pub const TABLE: &[(u8, &str)] = &[
    (
        OK,
        "All is fine; alerts, if any, are not a failure unless `--fail-on` says so.",
    ),
    (
        ALERTS,
        "There were alerts at or above the severity that `--fail-on` names, or a detector failed its tests.",
    ),
    (
        USAGE,
        "The command line or the configuration is wrong; nothing was read.",
    ),
    (
        DETECTOR,
        "A detector could not be loaded or was quarantined, so that alerts may be missing.",
    ),
    (
        DELIVERY,
        "An alert could not be delivered to one of its sinks, or a report not be written.",
    ),
    (
        INPUT,
        "The input could not be opened, or not be read to its end.",
    ),
    (INTERRUPTED, "Interrupted by Ctrl-C before the input ended."),
];

/// How a run of the program ended, from good to bad: of two endings the
/// greater is the one to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Ending {
    /// [`OK`].
    #[default]
    Fine,
    /// [`ALERTS`].
    Alerts,
    /// [`DELIVERY`]: the alerts are known here, though not there.
    Delivery,
    /// [`DETECTOR`]: alerts may be missing.
    Detector,
    /// [`INPUT`]: what was not read was not watched.
    Input,
    /// [`USAGE`]: nothing was watched.
    Usage,
    /// [`INTERRUPTED`]: the user knows.
    Interrupted,
}

impl Ending {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => OK,
            Self::Alerts => ALERTS,
            Self::Usage => USAGE,
            Self::Detector => DETECTOR,
            Self::Delivery => DELIVERY,
            Self::Input => INPUT,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

/// An error that ends the program: what to print, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which kind, and so which code.
    pub ending: Ending,
    /// Each error on a line, with its hint.
    pub errors: Vec<(String, Option<String>)>,
}

impl Failure {
    /// A failure from an error and its causes, which are joined on one line.
    /// A failure or a configuration error stays what it is, so that errors can
    /// travel as `anyhow::Error` without losing their code and hints.
    #[must_use]
    pub fn new(ending: Ending, error: anyhow::Error) -> Self {
        let other = match error.downcast::<Self>() {
            Ok(failure) => return failure,
            Err(error) => error,
        };
        match other.downcast::<ConfigError>() {
            Ok(error) => Self::from(error),
            Err(error) => Self {
                ending,
                errors: vec![(format!("{error:#}"), None)],
            },
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some((_, last)) = self.errors.last_mut() {
            *last = Some(hint.into());
        }
        self
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let errors = error
            .problems
            .into_iter()
            .map(|problem| (problem.line(), problem.hint));
        Self {
            ending: Ending::Usage,
            errors: errors.collect(),
        }
    }
}

impl fmt::Display for Failure {
    /// Writes `error: …` and `hint: …` lines, without a newline at the end.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (error, hint)) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(to)?;
            }
            write!(to, "error: {error}")?;
            if let Some(hint) = hint {
                write!(to, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDINGS: [Ending; 7] = [
        Ending::Fine,
        Ending::Alerts,
        Ending::Delivery,
        Ending::Detector,
        Ending::Input,
        Ending::Usage,
        Ending::Interrupted,
    ];

    #[test]
    fn every_ending_has_a_code_of_its_own_in_the_table() {
        let mut codes: Vec<_> = ENDINGS.iter().map(|ending| ending.code()).collect();
        codes.sort_unstable();
        let table: Vec<_> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, table);
    }

    #[test]
    fn the_worse_ending_wins() {
        assert_eq!(Ending::Alerts.max(Ending::Detector).code(), DETECTOR);
        assert_eq!(Ending::Fine.max(Ending::Alerts).code(), ALERTS);
        assert_eq!(Ending::default().code(), OK);
    }

    #[test]
    fn a_failure_says_what_and_what_next() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = anyhow::Error::from(missing).context("cannot open `run.log`");
        let failure = Failure::new(Ending::Input, error).hint("check the path");
        assert_eq!(
            failure.to_string(),
            "error: cannot open `run.log`: entity not found\nhint: check the path"
        );
        let travelled = Failure::new(Ending::Delivery, failure.clone().into());
        assert_eq!(travelled, failure);
    }

    #[test]
    fn the_table_says_what_the_constants_say() {
        let source = include_str!("exit.rs");
        for (_, meaning) in TABLE {
            assert!(
                source.contains(&format!("\n/// {meaning}\npub const")),
                "{meaning}"
            );
        }
    }

    #[test]
    fn configuration_errors_are_listed() {
        let problem = |message: &str, hint: Option<&str>| crate::config::Problem {
            origin: None,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let error = ConfigError {
            problems: vec![problem("a", Some("b")), problem("c", None)],
        };
        let failure = Failure::new(Ending::Detector, error.into());
        assert_eq!(failure.to_string(), "error: a\nhint: b\nerror: c");
        assert_eq!(failure.ending.code(), USAGE);
    }
}
