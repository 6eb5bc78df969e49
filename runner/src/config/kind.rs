//! The kinds of values that settings take: how each is read, named in a
//! message, and written back.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::literal;
use super::tree::Value;
use super::units;
use crate::alert::Severity;

type Read<T> = dyn Fn(&Value) -> Option<T>;
type Write<T> = dyn Fn(&T) -> String;

/// What a setting takes.
pub(crate) struct Kind<T> {
    /// What fits, to read on after "must be".
    pub(crate) expected: String,
    /// The only valid texts, for "did you mean"; empty when there are others.
    pub(crate) choices: Vec<&'static str>,
    /// Reads a value; none if it does not fit.
    pub(crate) read: Box<Read<T>>,
    /// Writes a value as TOML.
    pub(crate) write: Box<Write<T>>,
}

impl<T> Kind<T> {
    pub(super) fn new(
        expected: impl Into<String>,
        read: impl Fn(&Value) -> Option<T> + 'static,
        write: impl Fn(&T) -> String + 'static,
    ) -> Self {
        let (read, write) = (Box::new(read), Box::new(write));
        Self {
            expected: expected.into(),
            choices: Vec::new(),
            read,
            write,
        }
    }
}

/// A whole number.
pub(crate) fn count<T>(range: RangeInclusive<u64>) -> Kind<T>
where
    T: TryFrom<u64> + Display + 'static,
{
    let expected = format!("a whole number {}", bounds(&range, &u64::to_string));
    let read = move |value: &Value| {
        let number = u64::try_from(value.integer()?).ok()?;
        if range.contains(&number) {
            T::try_from(number).ok()
        } else {
            None
        }
    };
    Kind::new(expected, read, T::to_string)
}

/// A size in bytes.
pub(crate) fn size(range: RangeInclusive<u64>) -> Kind<usize> {
    let write = |bytes: &u64| units::write_size(*bytes);
    let expected = format!("a size {}, such as \"64 KiB\"", bounds(&range, &write));
    let read = move |value: &Value| {
        let bytes = match value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok()?,
            other => units::parse_size(other.text()?)?,
        };
        if range.contains(&bytes) {
            usize::try_from(bytes).ok()
        } else {
            None
        }
    };
    Kind::new(expected, read, move |bytes: &usize| {
        literal::text(&write(&(*bytes as u64)))
    })
}

/// A duration.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> Kind<Duration> {
    let write = |duration: &Duration| units::write_duration(*duration);
    let expected = format!("a duration {}, such as \"30s\"", bounds(&range, &write));
    let read = move |value: &Value| {
        units::parse_duration(value.text()?).filter(|duration| range.contains(duration))
    };
    Kind::new(expected, read, move |duration| {
        literal::text(&write(duration))
    })
}

fn bounds<T>(range: &RangeInclusive<T>, write: &dyn Fn(&T) -> String) -> String {
    format!("from {} to {}", write(range.start()), write(range.end()))
}

/// A number of seconds, or `"off"`.
pub(crate) fn seconds_or_off() -> Kind<Option<f64>> {
    let read = |value: &Value| match value.text() {
        Some("off") => Some(None),
        _ => value.number().filter(|s| *s > 0.0 && *s <= 1e9).map(Some),
    };
    let write = |seconds: &Option<f64>| seconds.map_or("\"off\"".to_owned(), literal::number);
    Kind::new("a number of seconds above 0, or \"off\"", read, write)
}

/// A switch.
pub(crate) fn boolean() -> Kind<bool> {
    Kind::new("true or false", Value::boolean, bool::to_string)
}

/// One of a few words.
pub(crate) fn choice<T>(choices: &'static [(&'static str, T)]) -> Kind<T>
where
    T: Copy + PartialEq,
{
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    let quoted: Vec<_> = names.iter().map(|name| literal::text(name)).collect();
    let read = |value: &Value| {
        let text = value.text()?;
        choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, choice)| *choice)
    };
    let write = |wanted: &T| {
        let name = choices
            .iter()
            .find(|(_, choice)| choice == wanted)
            .map(|(name, _)| *name);
        literal::text(name.unwrap_or_default())
    };
    let kind = Kind::new(format!("one of {}", quoted.join(", ")), read, write);
    Kind {
        choices: names,
        ..kind
    }
}

/// How bad something is.
pub(crate) fn severity() -> Kind<Severity> {
    choice(&[
        ("info", Severity::Info),
        ("warning", Severity::Warning),
        ("critical", Severity::Critical),
    ])
}

/// A name of a person's choosing: of a project, a run or a metric.
pub(crate) fn name() -> Kind<String> {
    let read = |value: &Value| {
        let text = value.text()?;
        let fits = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned())
    };
    Kind::new("a text of 1 to 256 bytes on one line", read, |name| {
        literal::text(name)
    })
}

/// A regular expression.
pub(crate) fn expression() -> Kind<String> {
    let read = |value: &Value| Some(value.text()?.to_owned()).filter(|text| !text.is_empty());
    Kind::new("a regular expression", read, |text| literal::text(text))
}

/// A list of regular expressions.
pub(crate) fn expressions() -> Kind<Vec<String>> {
    let Kind { read, write, .. } = names();
    let valid = |texts: &Vec<String>| texts.iter().all(|it| regex::Regex::new(it).is_ok());
    let read = move |value: &Value| read(value).filter(valid);
    let expected = "a list of regular expressions such as ['runs/(?<run>[^/]+)/']";
    Kind::new(expected, read, move |texts| write(texts))
}

/// A text for people, or an expression: not empty, and not without end.
pub(crate) fn sentence() -> Kind<String> {
    let read = |value: &Value| {
        let text = value.text()?;
        (1..=4096).contains(&text.len()).then(|| text.to_owned())
    };
    Kind::new("a text of 1 to 4096 bytes", read, |text| {
        literal::text(text)
    })
}

/// A path; `~/` stands for the home folder, and a relative one starts at `base`.
pub(crate) fn path(home: Option<PathBuf>, base: PathBuf) -> Kind<PathBuf> {
    let read = move |value: &Value| {
        let text = value
            .text()
            .filter(|text| !text.is_empty() && !text.contains('\0'))?;
        match (text.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(base.join(text)),
        }
    };
    Kind::new("a path", read, |path: &PathBuf| {
        literal::text(&path.to_string_lossy())
    })
}

/// A SHA-256 digest.
pub(crate) fn sha256() -> Kind<String> {
    let read = |value: &Value| {
        let text = value.text()?;
        let fits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| text.to_ascii_lowercase())
    };
    Kind::new(
        "a SHA-256 digest of 64 hexadecimal digits",
        read,
        |digest| literal::text(digest),
    )
}

/// A list of names.
pub(crate) fn names() -> Kind<Vec<String>> {
    let read = |value: &Value| match value {
        Value::List(values) => values
            .iter()
            .map(|value| value.text().map(str::to_owned))
            .collect(),
        _ => None,
    };
    let write = |names: &Vec<String>| literal::list(names.iter().map(String::as_str));
    Kind::new("a list of names such as [\"phase\"]", read, write)
}

/// `"all"` (none), or a list of names.
pub(crate) fn all_or_names() -> Kind<Option<Vec<String>>> {
    let read = |value: &Value| match value {
        Value::Text(text) if text == "all" => Some(None),
        Value::List(values) => {
            let names = values.iter().map(|value| value.text().map(str::to_owned));
            names.collect::<Option<Vec<_>>>().map(Some)
        }
        _ => None,
    };
    let write = |names: &Option<Vec<String>>| match names {
        None => "\"all\"".to_owned(),
        Some(names) => literal::list(names.iter().map(String::as_str)),
    };
    Kind::new(
        "\"all\" or a list of names such as [\"loss-spike\"]",
        read,
        write,
    )
}
