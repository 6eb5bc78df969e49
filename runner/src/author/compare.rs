//! Plays a log through one detector, and says what changed since the last time.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use crate::alert::{Alert, State};
use crate::decode::{Decoder, Options};
use crate::deliver::text::clean_line;
use crate::judge::{Judge, Policy};
use crate::load::alone;
use crate::pipeline::Pipeline;
use crate::sandbox::Component;

/// The alerts of a log, read as in a review. `given` are parameters as somebody
/// would write them.
///
/// # Errors
/// When the detector does not start or a parameter does not fit.
pub fn replay(
    component: &Component,
    given: &[(String, String)],
    input: &str,
    log: &[u8],
) -> Result<Vec<Alert>> {
    let description = &component.description;
    for (name, _) in given {
        if !description.parameters.iter().any(|it| it.name == *name) {
            return Err(anyhow!("`{}` has no parameter `{name}`", description.name));
        }
    }
    let given: Vec<(&str, &str)> = given.iter().map(|(k, v)| (&**k, &**v)).collect();
    let judge = Judge::new(Policy::default(), "localhost".to_owned());
    let mut pipeline = Pipeline::new(alone(component.clone(), &given)?, judge);
    let mut decoder = Decoder::new(Options {
        input: input.into(),
        run: "run".to_owned(),
        interests: pipeline.interests(),
        ..Options::default()
    });
    decoder.push(log);
    decoder.finish();
    let mut alerts = Vec::new();
    pipeline.submit(decoder.take(), &mut alerts);
    pipeline.finish("unknown", &mut alerts);
    Ok(alerts)
}

/// The parameters of a case's `config.toml`; none if there is no such file.
///
/// # Errors
/// When it is not made of `key = value`.
pub fn parameters(file: &Path) -> Result<Vec<(String, String)>> {
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let place = || format!("`{}`", file.display());
    let text = std::fs::read_to_string(file).with_context(place)?;
    let table: toml::Table = toml::from_str(&text).with_context(place)?;
    let given = table.into_iter().map(|(name, value)| {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Array(items) => {
                let items = items.iter().map(|item| match item {
                    toml::Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                items.collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        (name, text)
    });
    Ok(given.collect())
}

/// An alert in one line.
#[must_use]
pub fn line(alert: &Alert) -> String {
    let what = match alert.state {
        State::Firing => alert.severity.name(),
        State::Resolved => "resolved",
    };
    let step = alert
        .step
        .map_or(String::new(), |step| format!("step {step} · "));
    let key = &alert.key;
    let text = format!("{what:<8} {step}{key}: {}. {}", alert.title, alert.message);
    clean_line(&text).into_owned()
}

/// The lines of now, with ` ` before those that were there, `+` before new ones,
/// and `-` before those that are gone.
#[must_use]
pub fn changes<'a>(before: &'a [String], now: &'a [String]) -> Vec<(char, &'a str)> {
    let known: HashSet<&str> = before.iter().map(String::as_str).collect();
    let kept: HashSet<&str> = now.iter().map(String::as_str).collect();
    let mut old = before.iter().map(String::as_str).peekable();
    let mut lines = Vec::new();
    for line in now {
        while let Some(gone) = old.next_if(|old| !kept.contains(old)) {
            lines.push(('-', gone));
        }
        if !known.contains(line.as_str()) {
            lines.push(('+', line));
            continue;
        }
        lines.push((' ', line));
        old.next_if(|old| old == line);
    }
    lines.extend(
        old.filter(|old| !kept.contains(old))
            .map(|gone| ('-', gone)),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_stands_where_it_was() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let told = |before: &str, now: &str| {
            let (before, now) = (lines(before), lines(now));
            let told = changes(&before, &now);
            let told = told.iter().map(|(sign, line)| format!("{sign}{line}"));
            told.collect::<Vec<_>>().join(",")
        };
        assert_eq!(told("a b c", "a b c"), " a, b, c");
        assert_eq!(told("a b c", "a x c"), " a,-b,+x, c");
        assert_eq!(told("a b", "a b c"), " a, b,+c");
        assert_eq!(told("a b c", "c"), "-a,-b, c");
        assert_eq!(told("a b c", "c a"), " c, a,-b");
    }
}
