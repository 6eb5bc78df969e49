//! What is wrong with a configuration: every problem with its place and a hint.

use std::fmt;

use super::literal::printable;
use super::origin::Origin;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; none when it is no single place, such as a file that is missing.
    pub origin: Option<Origin>,
    /// What is wrong, as a fragment without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(origin: &Origin, message: impl Into<String>) -> Self {
        let origin = Some(origin.clone());
        Self {
            origin,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn nowhere(message: impl Into<String>) -> Self {
        Self {
            origin: None,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The problem on one line, without its hint.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.origin {
            Some(origin) => format!("{origin}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// A configuration that cannot be used: one or more problems, in the order of
/// their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// An error with these problems, sorted; none when there are none.
    pub(crate) fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        problems.dedup();
        Err(Self { problems })
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    /// Writes a line per problem, each followed by its `hint: …` if it has one.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(to)?;
            }
            to.write_str(&problem.line())?;
            if let Some(hint) = &problem.hint {
                write!(to, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The names in backticks, joined by commas.
pub(crate) fn list_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names
        .into_iter()
        .map(|name| format!("`{}`", printable(name)))
        .collect();
    names.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_sorted_and_carry_their_hints() {
        let at = |line| Origin::File {
            path: "a.toml".into(),
            line,
            column: 2,
        };
        let problems = vec![
            Problem::new(&at(9), "second"),
            Problem::new(&at(3), "first").hint(Some("do this".into())),
        ];
        let error = ConfigError::check(problems).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.toml:3:2: first\nhint: do this\na.toml:9:2: second"
        );
        assert_eq!(ConfigError::check(Vec::new()), Ok(()));
    }
}
