//! Reading and writing matchers.
//!
//! The grammar is that of Alertmanager's UTF-8 mode, and what it refuses is
//! refused here, with three things more: a bare word means `detector=word`,
//! `severity>=warning` is understood, and a backslash that begins no escape is
//! itself, so that the `\d` of a regular expression needs no second one.

use std::fmt;

use super::{LABELS, Matcher, Test, anchored};
use crate::alert::Severity;
use crate::deliver::Notice;
use crate::suggest::did_you_mistype;

const OPERATORS: &str = "the operators are `=`, `!=`, `=~`, `!~`, and `>=` for `severity`";
const QUOTE: &str = "put a text with spaces or any of {}!=~,\"'` in double quotes";
const SEVERITIES: &[&str] = &["info", "warning", "critical"];
const STATES: &[&str] = &["firing", "resolved"];

/// What is wrong with the text of a matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The character at which it is, from 1.
    pub column: usize,
    /// What is wrong, as a fragment without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    fn new(column: usize, message: impl Into<String>) -> Self {
        Self {
            column,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} (column {})", self.message, self.column)?;
        match &self.hint {
            Some(hint) => write!(to, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

/// The matchers of a text: none or more, with commas between, in braces or
/// not. `own` are the operator's labels, which may be named besides [`LABELS`].
///
/// # Errors
/// If the text is not such a list, names an unknown label, or gives a label a
/// value that it never has.
pub fn parse_all(text: &str, own: &[(String, String)]) -> Result<Vec<Matcher>, Mistake> {
    Reader::new(text, Some(own)).list()
}

/// One matcher with any label.
pub(super) fn parse_one(text: &str) -> Result<Matcher, Mistake> {
    let mut matchers = Reader::new(text, None).list()?.into_iter();
    match (matchers.next(), matchers.next()) {
        (Some(matcher), None) => Ok(matcher),
        _ => Err(Mistake::new(1, "there must be exactly one matcher")),
    }
}

/// Writes a label or a value, in quotes where it cannot stand without.
pub(super) fn write_word(to: &mut impl fmt::Write, word: &str) -> fmt::Result {
    let odd = |c: char| is_reserved(c) || "\\<>".contains(c) || c.is_control();
    if !word.is_empty() && !word.contains(odd) {
        return to.write_str(word);
    }
    to.write_char('"')?;
    for c in word.chars() {
        match c {
            '"' | '\\' => write!(to, "\\{c}")?,
            '\n' => to.write_str("\\n")?,
            '\r' => to.write_str("\\r")?,
            '\t' => to.write_str("\\t")?,
            c if c.is_control() => write!(to, "\\u{:04x}", u32::from(c))?,
            c => to.write_char(c)?,
        }
    }
    to.write_char('"')
}

fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\"'`".contains(c)
}

/// The side of the operator on which a word stands.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Label,
    Value,
}

struct Reader<'a> {
    rest: &'a str,
    column: usize,
    /// The operator's labels; none if any label will do.
    own: Option<&'a [(String, String)]>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, own: Option<&'a [(String, String)]>) -> Self {
        Self {
            rest: text,
            column: 1,
            own,
        }
    }

    fn list(mut self) -> Result<Vec<Matcher>, Mistake> {
        let mut matchers = Vec::new();
        self.skip_spaces();
        let braces = self.eat('{');
        self.skip_spaces();
        while !matches!(self.peek(), None | Some('}')) {
            matchers.push(self.matcher()?);
            self.skip_spaces();
            if !self.eat(',') {
                break;
            }
            self.skip_spaces();
        }
        self.close(braces)?;
        Ok(matchers)
    }

    /// The end of the list, and nothing after it.
    fn close(&mut self, braces: bool) -> Result<(), Mistake> {
        if braces && self.peek().is_none() {
            return Err(self.wrong("the closing `}` is missing"));
        }
        if braces && self.eat('}') {
            self.skip_spaces();
        }
        match self.peek() {
            None => Ok(()),
            Some('}') => Err(self.wrong("there is no `{` for this `}`")),
            Some(c) => {
                let wrong = self.wrong(format!("expected a comma or the end, found `{c}`"));
                Err(wrong.hint(QUOTE))
            }
        }
    }

    fn matcher(&mut self) -> Result<Matcher, Mistake> {
        let label_at = self.column;
        let label = self.word(Side::Label)?;
        self.skip_spaces();
        let operator_at = self.column;
        let operator = self.take_while(|c| "=!~<>".contains(c));
        if operator.is_empty() {
            return bare(label, label_at);
        }
        self.check_label(&label, label_at)?;
        self.skip_spaces();
        let value_at = self.column;
        let value = self.word(Side::Value)?;
        let test = test_of(operator, &label, &value, operator_at, value_at)?;
        if self.own.is_some() && matches!(test, Test::Equal | Test::NotEqual) {
            check_value(&label, &value, value_at)?;
        }
        Ok(Matcher { label, value, test })
    }

    fn check_label(&self, label: &str, column: usize) -> Result<(), Mistake> {
        let Some(own) = self.own else {
            return Ok(());
        };
        let own = || own.iter().map(|(name, _)| name.as_str());
        if LABELS.contains(&label) || own().any(|name| name == label) {
            return Ok(());
        }
        let mistake = Mistake::new(column, format!("there is no label `{label}`"));
        let hint = did_you_mistype(label, LABELS.iter().copied().chain(own()));
        Err(mistake.hint(hint.unwrap_or_else(|| {
            format!(
                "the labels are {}, and those of `[labels]`",
                LABELS.join(", ")
            )
        })))
    }

    /// A label or a value, bare or in quotes.
    fn word(&mut self, side: Side) -> Result<String, Mistake> {
        if self.peek() == Some('"') {
            return self.quoted(side);
        }
        // A bare value ends where Alertmanager's does, but for the backslash.
        let ends = |c: char| is_reserved(c) || side == Side::Label && "\\<>".contains(c);
        let word = self.take_while(|c| !ends(c));
        if !word.is_empty() {
            return Ok(word.to_owned());
        }
        Err(match (self.peek(), side) {
            (Some(c @ ('\'' | '`')), _) => {
                self.wrong(format!("`{c}` does not quote; use double quotes"))
            }
            (None | Some(',' | '}'), Side::Value) => self
                .wrong("a value is missing")
                .hint("for an empty or absent label write `\"\"`"),
            (Some(c), Side::Value) => self
                .wrong(format!("a bare value cannot begin with `{c}`"))
                .hint(QUOTE),
            (Some(c), Side::Label) => self.wrong(format!("expected a label, found `{c}`")),
            (None, Side::Label) => self.wrong("a label is missing"),
        })
    }

    fn quoted(&mut self, side: Side) -> Result<String, Mistake> {
        let start = self.column;
        let mut word = String::new();
        self.bump();
        loop {
            match self.bump() {
                Some('"') => break,
                Some('\\') => self.escape(&mut word),
                Some(c) => word.push(c),
                None => return Err(Mistake::new(start, "the closing `\"` is missing")),
            }
        }
        if word.is_empty() && side == Side::Label {
            return Err(Mistake::new(start, "a label cannot be empty"));
        }
        Ok(word)
    }

    /// What follows a backslash. One that begins no escape is itself.
    fn escape(&mut self, word: &mut String) {
        let escaped = match self.peek() {
            Some(c @ ('"' | '\\')) => Some((c, 1)),
            Some('n') => Some(('\n', 1)),
            Some('r') => Some(('\r', 1)),
            Some('t') => Some(('\t', 1)),
            Some('u') => hex(self.rest.get(1..5)).map(|c| (c, 5)),
            _ => None,
        };
        let Some((c, length)) = escaped else {
            return word.push('\\');
        };
        word.push(c);
        for _ in 0..length {
            self.bump();
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.bump();
        }
        there
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.column += 1;
        Some(c)
    }

    fn wrong(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(self.column, message)
    }
}

/// The character with four hexadecimal digits.
fn hex(digits: Option<&str>) -> Option<char> {
    let digits = digits.filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()))?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// A word without an operator: the detector of that name, unless it is a word
/// that surely means something else.
fn bare(word: String, column: usize) -> Result<Matcher, Mistake> {
    let mistaken = |message: String| Mistake::new(column, message);
    if LABELS.contains(&word.as_str()) {
        return Err(mistaken(format!("`{word}` has no value")).hint(OPERATORS));
    }
    for (label, values) in [("severity", SEVERITIES), ("state", STATES)] {
        if values.contains(&word.as_str()) {
            let mistake = mistaken(format!("there is no detector `{word}`"));
            return Err(mistake.hint(format!("did you mean `{label}={word}`?")));
        }
    }
    Ok(Matcher::equal("detector", word))
}

fn test_of(
    operator: &str,
    label: &str,
    value: &str,
    operator_at: usize,
    value_at: usize,
) -> Result<Test, Mistake> {
    let regex = || anchored(value).map_err(|error| bad_regex(&error, value_at));
    let wrong = |message: String| Mistake::new(operator_at, message).hint(OPERATORS);
    match operator {
        "=" => Ok(Test::Equal),
        "!=" => Ok(Test::NotEqual),
        "=~" => Ok(Test::Match(regex()?)),
        "!~" => Ok(Test::NotMatch(regex()?)),
        ">=" if label == "severity" => Severity::from_name(value)
            .map(Test::AtLeast)
            .ok_or_else(|| unknown_value(label, value, value_at, SEVERITIES)),
        ">=" => Err(wrong(format!("`{label}` has no order"))),
        other => Err(wrong(format!("there is no operator `{other}`"))),
    }
}

fn bad_regex(error: &regex::Error, column: usize) -> Mistake {
    let text = match error {
        regex::Error::CompiledTooBig(_) => "it takes too much memory".to_owned(),
        error => error.to_string(),
    };
    // A syntax error comes with a drawing; its last line says what it is.
    let last = text.lines().last().unwrap_or_default();
    let what = last.strip_prefix("error: ").unwrap_or(last);
    Mistake::new(column, format!("not a regular expression: {what}"))
}

/// Whether the label can have this value at all.
fn check_value(label: &str, value: &str, column: usize) -> Result<(), Mistake> {
    let notices = [Notice::New, Notice::Reminder, Notice::Ended].map(Notice::name);
    let known: &[&str] = match label {
        "severity" => SEVERITIES,
        "state" => STATES,
        "notice" => &notices,
        "rank"
            if value.is_empty() || value.parse::<u32>().is_ok_and(|it| it.to_string() == value) =>
        {
            return Ok(());
        }
        "rank" => {
            let message = format!("a rank is a whole number, not `{value}`");
            return Err(Mistake::new(column, message));
        }
        _ => return Ok(()),
    };
    match known.contains(&value) {
        true => Ok(()),
        false => Err(unknown_value(label, value, column, known)),
    }
}

fn unknown_value(label: &str, value: &str, column: usize, known: &[&str]) -> Mistake {
    let mistake = Mistake::new(column, format!("there is no {label} `{value}`"));
    let hint = did_you_mistype(value, known.iter().copied());
    mistake.hint(hint.unwrap_or_else(|| format!("it is one of {}", known.join(", "))))
}
