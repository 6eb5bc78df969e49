//! Metrics that a detector of the user's own asks for by name, and that the
//! stream does not have: such a detector finds nothing and says nothing, so we
//! say it.

use std::sync::Arc;

use crate::config::printable;
use crate::detect::Detect;
use crate::names::{CANONICAL, Names, Role, role};
use crate::record::{Mask, Metric, Segment};
use crate::suggest::nearest;

/// Rows after which a metric that has not come is missed, live. A review waits
/// for the end.
const ROWS: u64 = 200;
/// The same for metrics of evaluations, which are rare.
const ROWS_OF_EVALUATIONS: u64 = 2000;
/// Names that are told where none is near.
const SHOWN: usize = 8;
/// Names that are told because they are near.
const NEAR: usize = 3;

/// What own detectors ask for by name, until it came or its lack was said.
pub(super) struct Unmatched {
    /// By detector.
    asked: Vec<(usize, Vec<String>)>,
    rows: u64,
    /// By metric, whether it has come.
    came: Vec<bool>,
    metrics: Arc<Vec<Metric>>,
}

impl Unmatched {
    pub(super) fn new(detect: &Detect) -> Self {
        let mut all = Self {
            asked: Vec::new(),
            rows: 0,
            came: Vec::new(),
            metrics: Arc::default(),
        };
        for number in detect.own() {
            all.ask(number, detect, true);
        }
        all
    }

    /// A detector was replaced: begins to wait for what the new one asks for.
    pub(super) fn again(&mut self, number: usize, detect: &Detect) {
        self.ask(number, detect, false);
    }

    fn ask(&mut self, number: usize, detect: &Detect, first: bool) {
        self.asked.retain(|(of, _)| *of != number);
        let wishes = detect.wishes(number).iter();
        let exact = wishes.filter(|it| it.kind == "metric" && !it.pattern.contains('*'));
        // The edges that there were have been told, and no more may come.
        let exact = exact.filter(|it| first || it.options.is_empty());
        let names: Vec<String> = exact.map(|it| it.pattern.clone()).collect();
        if !names.is_empty() {
            self.asked.push((number, names));
            (self.rows, self.came) = (0, Vec::new());
        }
    }

    /// Looks at what has come; says what has not, once there was time for it.
    pub(super) fn see(&mut self, segment: &Segment, detect: &Detect) -> Vec<String> {
        if self.asked.is_empty() {
            return Vec::new();
        }
        self.came.resize(segment.metrics.len(), false);
        for value in segment.batches.iter().flat_map(|batch| &batch.values) {
            if let Some(came) = self.came.get_mut(value.metric as usize)
                && !std::mem::replace(came, true)
                && let Some(metric) = segment.metrics.get(value.metric as usize)
            {
                found(&mut self.asked, metric, value.mask);
            }
        }
        self.metrics = segment.metrics.clone();
        self.rows += u64::from(segment.rows);
        match detect.is_live() && self.rows >= ROWS {
            true => self.say(detect, false),
            false => Vec::new(),
        }
    }

    /// Says what has not come: nothing more will.
    pub(super) fn end(&mut self, detect: &Detect) -> Vec<String> {
        self.say(detect, true)
    }

    fn say(&mut self, detect: &Detect, over: bool) -> Vec<String> {
        let rows = self.rows;
        let is_due = |name: &str| over || rows >= patience(name);
        let mut names = self.asked.iter().flat_map(|(_, names)| names);
        if !names.any(|name| is_due(name)) {
            return Vec::new();
        }
        let metrics = self.there();
        if metrics.is_empty() {
            return Vec::new();
        }
        let mut missed = Vec::new();
        for (number, names) in &mut self.asked {
            let due = names.extract_if(.., |name| is_due(name));
            missed.extend(due.map(|name| (*number, name)));
        }
        self.asked.retain(|(_, names)| !names.is_empty());
        if self.asked.is_empty() {
            self.metrics = Arc::default();
        }
        let note = |(number, asked): (usize, String)| {
            let name = detect.name(number);
            note(name, &asked, &metrics, over)
        };
        missed.into_iter().map(note).collect()
    }

    /// The metrics of the stream, those first that surely have numbers: of what
    /// nobody asked for only the name is known.
    fn there(&self) -> Vec<Metric> {
        let is_metric = |metric: &Metric| role(&metric.source) == Role::Value;
        let all = self.metrics.iter().zip(self.came.iter());
        let (came, others): (Vec<_>, Vec<_>) = all
            .filter(|(metric, _)| is_metric(metric))
            .partition(|(_, came)| **came);
        let metrics = came.into_iter().chain(others);
        metrics.map(|(metric, _)| metric.clone()).collect()
    }
}

/// A metric has come that these detectors asked for.
fn found(asked: &mut Vec<(usize, Vec<String>)>, metric: &Metric, mask: Mask) {
    for (_, names) in asked.iter_mut().filter(|(of, _)| mask & (1 << of) != 0) {
        names.retain(|name| **name != *metric.name);
    }
    asked.retain(|(_, names)| !names.is_empty());
}

/// Rows after which a metric is missed.
fn patience(name: &str) -> u64 {
    let is_evaluation = |word| ["eval", "val", "valid", "validation", "test"].contains(&word);
    match name
        .split(|c: char| !c.is_alphanumeric())
        .any(is_evaluation)
    {
        true => ROWS_OF_EVALUATIONS,
        false => ROWS,
    }
}

/// What is said of one name that has not come, by now or until the stream was
/// `over`.
fn note(detector: &str, asked: &str, metrics: &[Metric], over: bool) -> String {
    let yet = if over { "" } else { ", which has not come yet" };
    let begin = format!("detector `{detector}` asks for `{}`", printable(asked));
    let names = Names::default();
    let has = |name: &str| metrics.iter().any(|metric| *metric.name == *name);
    if let Some(name) = names.canonical(asked).filter(|name| has(name)) {
        return format!("{begin}, which is called `{name}` for all detectors: ask for that");
    }
    let near = near(asked, metrics);
    let [first, ..] = near.as_slice() else {
        let shown = match metrics.get(..SHOWN).filter(|_| metrics.len() > SHOWN) {
            Some(some) => format!(
                "{} and {} more",
                quoted_names(some.iter()).join(", "),
                metrics.len() - SHOWN
            ),
            None => listed(metrics.iter()),
        };
        let none = "and nothing in this stream has a name like it; it has";
        return format!("{begin}{yet}, {none} {shown}");
    };
    let near_ones = listed(near.iter().copied());
    let begin = format!("{begin}{yet}; this stream has {near_ones}");
    let is_canonical = |metric: &Metric| CANONICAL.iter().any(|(name, _)| **name == *metric.name);
    if is_canonical(first) {
        // To map it would take it from all others.
        return format!("{begin}: ask for `{}` if that is meant", first.name);
    }
    let what = if near.len() == 1 { "it" } else { "one" };
    format!(
        "{begin}: to map {what} write `{} = {}` below `[names]` in runwatch.toml",
        key(&first.source),
        quoted(asked)
    )
}

/// Metrics whose names are like this one: first that which a slip explains, then
/// those that share a word with it.
fn near<'a>(asked: &str, metrics: &'a [Metric]) -> Vec<&'a Metric> {
    let by_slip = nearest(asked, metrics.iter().map(|metric| &*metric.name), true);
    let by_slip = metrics.iter().filter(|it| Some(&*it.name) == by_slip);
    let wanted = words(asked);
    let shares = |metric: &&Metric| words(&metric.name).iter().any(|word| wanted.contains(word));
    let mut near: Vec<&Metric> = Vec::new();
    for metric in by_slip.chain(metrics.iter().filter(shares)) {
        if near.iter().all(|known| known.name != metric.name) {
            near.push(metric);
        }
    }
    near.truncate(NEAR);
    near
}

/// Words that say how something is measured, not what it is.
const HOW: &[&str] = &[
    "train", "eval", "valid", "val", "test", "mean", "avg", "average", "std", "min", "max", "sum",
    "total", "per", "rate", "step", "steps", "ratio", "frac", "fraction", "num", "count",
];

/// The words of a name that say what it is.
fn words(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_alphanumeric());
    words
        .map(str::to_lowercase)
        .filter(|word| word.len() > 1 && !HOW.contains(&word.as_str()))
        .collect()
}

fn quoted_names<'a>(metrics: impl Iterator<Item = &'a Metric>) -> Vec<String> {
    let quoted = |metric: &Metric| format!("`{}`", printable(&metric.name));
    metrics.map(quoted).collect()
}

/// `` `a`, `b` and `c` ``
fn listed<'a>(metrics: impl Iterator<Item = &'a Metric>) -> String {
    let quoted = quoted_names(metrics);
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(names: &[(&str, &str)]) -> Vec<Metric> {
        let metric = |&(name, source): &(&str, &str)| Metric {
            name: name.into(),
            source: source.into(),
        };
        names.iter().map(metric).collect()
    }

    fn said(asked: &str, names: &[(&str, &str)]) -> String {
        let note = note("mine", asked, &metrics(names), true);
        note.strip_prefix("detector `mine` asks for ")
            .unwrap_or(&note)
            .to_owned()
    }

    #[test]
    fn what_is_near_is_named_as_it_is_to_be_mapped() {
        let odd = [("loss", "loss"), ("Gate \"A\"/width", "Gate \"A\"/width")];
        assert_eq!(
            said("gate_depth", &odd),
            "`gate_depth`; this stream has `Gate \"A\"/width`: to map it write \
             `\"Gate \\\"A\\\"/width\" = \"gate_depth\"` below `[names]` in runwatch.toml"
        );
        let two = [("gate/a", "gate/a"), ("lr", "lr"), ("gate/b", "gate/b")];
        assert_eq!(
            said("gate_c", &two),
            "`gate_c`; this stream has `gate/a` and `gate/b`: to map one write `\"gate/a\" = \
             \"gate_c\"` below `[names]` in runwatch.toml"
        );
    }

    #[test]
    fn what_others_ask_for_is_not_to_be_taken_from_them() {
        let reward = [("reward_mean", "rewards/mean"), ("loss", "loss")];
        assert_eq!(
            said("reward", &reward),
            "`reward`, which is called `reward_mean` for all detectors: ask for that"
        );
        assert_eq!(
            said("reward_median", &reward),
            "`reward_median`; this stream has `reward_mean`: ask for `reward_mean` if that is meant"
        );
    }

    #[test]
    fn of_many_some_are_listed() {
        let names: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
        let names: Vec<(&str, &str)> = names.iter().map(|it| (&**it, &**it)).collect();
        let said = said("temperature", &names);
        assert!(said.ends_with("it has `m0`, `m1`, `m2`, `m3`, `m4`, `m5`, `m6`, `m7` and 4 more"));
    }

    #[test]
    fn evaluations_are_rare() {
        assert_eq!(patience("reward_mean"), ROWS);
        assert_eq!(patience("evaluator_score"), ROWS);
        assert_eq!(patience("eval_loss"), ROWS_OF_EVALUATIONS);
        assert_eq!(patience("val/acc"), ROWS_OF_EVALUATIONS);
    }
}
