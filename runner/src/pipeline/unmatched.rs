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
        if detect.is_live() && self.rows >= ROWS {
            return self.end(detect);
        }
        Vec::new()
    }

    /// Says what has not come by now.
    pub(super) fn end(&mut self, detect: &Detect) -> Vec<String> {
        let metrics = self.there();
        if self.rows == 0 || metrics.is_empty() {
            return Vec::new();
        }
        let asked = std::mem::take(&mut self.asked);
        self.metrics = Arc::default();
        let of_one = |(number, names): &(usize, Vec<String>)| {
            let name = detect.name(*number);
            let said = names.iter().map(|asked| note(name, asked, &metrics));
            said.collect::<Vec<_>>()
        };
        asked.iter().flat_map(of_one).collect()
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

/// What is said of one name that has not come.
fn note(detector: &str, asked: &str, metrics: &[Metric]) -> String {
    let begin = format!("detector `{detector}` asks for `{}`", printable(asked));
    let names = Names::default();
    let has = |name: &str| metrics.iter().any(|metric| *metric.name == *name);
    if let Some(name) = names.canonical(asked).filter(|name| has(name)) {
        return format!("{begin}, which is called `{name}` for all detectors: ask for that");
    }
    let near = near(asked, metrics);
    let [first, ..] = near.as_slice() else {
        let mut shown = listed(metrics.iter().take(SHOWN));
        if metrics.len() > SHOWN {
            shown.push_str(&format!(" and {} more", metrics.len() - SHOWN));
        }
        return format!("{begin}, and nothing in this stream has a name like it; it has {shown}");
    };
    let begin = format!("{begin}; this stream has {}", listed(near.iter().copied()));
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

/// `` `a`, `b` and `c` ``
fn listed<'a>(metrics: impl Iterator<Item = &'a Metric>) -> String {
    let quoted: Vec<String> = metrics
        .map(|metric| format!("`{}`", printable(&metric.name)))
        .collect();
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
