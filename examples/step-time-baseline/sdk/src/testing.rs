//! Runs a detector natively on rows, the way the runner does, for tests.

use std::collections::BTreeMap;

use crate::batch::{Batch, NO_RANK, NO_ROW, Series, Text};
use crate::describe::{Facts, Interest, Parameters};
use crate::finding::Finding;
use crate::{Detector, glob};

/// One row of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The training step.
    pub step: i64,
    /// The process, or [`NO_RANK`].
    pub rank: u32,
    /// Seconds since 1970, or NaN.
    pub time: f64,
    /// Names and values.
    pub metrics: Vec<(String, f64)>,
    /// Labels, lines, exceptions and events. Their `row` is set when played.
    pub texts: Vec<Text>,
}

impl Row {
    /// A row without a rank.
    #[must_use]
    pub fn new(step: i64, metrics: &[(&str, f64)]) -> Self {
        let metrics = metrics
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect();
        Self {
            step,
            rank: NO_RANK,
            time: f64::NAN,
            metrics,
            texts: Vec::new(),
        }
    }

    /// Names the rank.
    #[must_use]
    pub fn on(mut self, rank: u32) -> Self {
        self.rank = rank;
        self
    }

    /// Names the time, in seconds since 1970.
    #[must_use]
    pub fn at(mut self, time: f64) -> Self {
        self.time = time;
        self
    }

    /// Adds a text: `label`, `text`, `exception` or `event`, its name, its content.
    #[must_use]
    pub fn text(self, kind: &str, name: &str, content: &str) -> Self {
        self.text_with(kind, name, content, &[])
    }

    /// Adds a text with fields.
    #[must_use]
    pub fn text_with(
        mut self,
        kind: &str,
        name: &str,
        content: &str,
        fields: &[(&str, &str)],
    ) -> Self {
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        self.texts.push(Text {
            row: 0,
            kind: kind.to_owned(),
            name: name.to_owned(),
            content: content.to_owned(),
            fields: fields.iter().map(owned).collect(),
        });
        self
    }
}

/// The rows of one metric with steps 0, 1, 2…
#[must_use]
pub fn rows(name: &str, values: &[f64]) -> Vec<Row> {
    let steps = 0..values.len() as i64;
    steps
        .zip(values)
        .map(|(step, &value)| Row::new(step, &[(name, value)]))
        .collect()
}

/// A monitor and what the runner keeps for it.
pub struct Harness<D> {
    /// The monitor.
    pub detector: D,
    parameters: Parameters,
    interests: Vec<Interest>,
    series: Vec<Series>,
    /// By series and rank: whether the last value was finite.
    finite: BTreeMap<(u32, u32), bool>,
    played: u32,
}

impl<D: Detector> Harness<D> {
    /// A monitor with default parameters.
    ///
    /// # Errors
    /// What the detector says against its own defaults.
    pub fn new() -> Result<Self, String> {
        Self::with(D::describe().defaults())
    }

    /// A monitor with these parameters.
    ///
    /// # Errors
    /// What the detector says against the parameters.
    pub fn with(parameters: Parameters) -> Result<Self, String> {
        let detector = D::open(&Facts::default(), &parameters)?;
        let interests = detector.interests();
        let (series, finite) = (Vec::new(), BTreeMap::new());
        Ok(Self {
            detector,
            parameters,
            interests,
            series,
            finite,
            played: 0,
        })
    }

    /// Plays the rows, and plays them with a gap before row `at`: forty rows of
    /// `odd`, a value that says nothing, such as NaN. Both must find the same.
    ///
    /// # Panics
    /// When they do not, or find nothing.
    pub fn assert_not_blinded(self, rows: &[Row], at: usize, odd: f64) {
        const GAP: usize = 40;
        let (before, after) = rows.split_at(at);
        let stride = rows[at].step - rows[at - 1].step;
        let later = |row: &Row, by: usize| Row {
            step: row.step + by as i64 * stride,
            ..row.clone()
        };
        let blank = |by| {
            let mut row = later(&rows[at], by);
            row.metrics.iter_mut().for_each(|(_, value)| *value = odd);
            row
        };
        let mut with_gap = before.to_vec();
        with_gap.extend((0..GAP).map(blank));
        with_gap.extend(after.iter().map(|row| later(row, GAP)));
        let play = |rows: &[Row], gap: u32| -> Vec<_> {
            let mut harness = Self::with(self.parameters.clone()).expect("as before");
            let brief = |it: Finding| {
                let is_after = it.row != NO_ROW && it.row as usize >= at;
                let row = if is_after { it.row - gap } else { it.row };
                (row, it.key, it.state, it.severity)
            };
            harness.play(rows, 64).into_iter().map(brief).collect()
        };
        let expected = play(rows, 0);
        assert!(!expected.is_empty(), "there must be something to find");
        assert_eq!(play(&with_gap, GAP as u32), expected, "with a gap of {odd}");
    }

    /// Feeds rows in calls of at most `batch` rows. The rows of the findings
    /// are counted from the first row ever fed.
    pub fn play(&mut self, rows: &[Row], batch: usize) -> Vec<Finding> {
        let mut all = Vec::new();
        for rows in rows.chunks(batch.max(1)) {
            let mut findings = Vec::new();
            self.call(rows, &mut findings);
            for finding in findings.iter_mut().filter(|it| it.row != NO_ROW) {
                finding.row += self.played;
            }
            self.played += rows.len() as u32;
            all.append(&mut findings);
        }
        all
    }

    fn call(&mut self, rows: &[Row], findings: &mut Vec<Finding>) {
        let (mut indices, mut places, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (at, row) in rows.iter().enumerate() {
            for (name, value) in &row.metrics {
                let Some(index) = self.index(name, *value, row.rank) else {
                    continue;
                };
                indices.push(index);
                places.push(at as u32);
                values.push(*value);
            }
        }
        let batch = Batch {
            steps: &rows.iter().map(|row| row.step).collect::<Vec<_>>(),
            times: &rows.iter().map(|row| row.time).collect::<Vec<_>>(),
            ranks: &rows.iter().map(|row| row.rank).collect::<Vec<_>>(),
            indices: &indices,
            rows: &places,
            values: &values,
            texts: &self.texts(rows),
            series: &self.series,
        };
        self.detector.observe(&batch, findings);
    }

    /// The texts that the detector wants.
    fn texts(&self, rows: &[Row]) -> Vec<Text> {
        let wanted = |text: &Text| {
            self.interests.iter().any(|interest| {
                let is_needle = text.kind == "text";
                interest.kind == text.kind
                    && if is_needle {
                        text.content.contains(&interest.pattern)
                    } else {
                        glob::matches(&interest.pattern, &text.name)
                    }
            })
        };
        let texts = rows.iter().enumerate().flat_map(|(at, row)| {
            row.texts.iter().map(move |text| Text {
                row: at as u32,
                ..text.clone()
            })
        });
        texts.filter(wanted).collect()
    }

    /// Lets time pass, whether or not the detector asked for ticks.
    pub fn tick(&mut self, now: f64) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.detector.tick(now, &mut findings);
        findings
    }

    /// Ends the run.
    pub fn finish(&mut self, outcome: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.detector.finish(outcome, &mut findings);
        findings
    }

    /// The series' index, if the detector wants this value of it.
    fn index(&mut self, name: &str, value: f64, rank: u32) -> Option<u32> {
        let wanted = |i: &&Interest| i.kind == "metric" && glob::matches(&i.pattern, name);
        let mut wanting = self.interests.iter().filter(wanted).peekable();
        wanting.peek()?;
        let edges_only = wanting.all(|interest| !interest.options.is_empty());
        let index = self.series.iter().find(|s| s.name == name).map(|s| s.index);
        let index = index.unwrap_or_else(|| {
            let index = self.series.len() as u32;
            self.series.push(Series {
                index,
                name: name.to_owned(),
                source: name.to_owned(),
            });
            index
        });
        let before = self.finite.insert((index, rank), value.is_finite());
        let edge = !value.is_finite() || before != Some(true);
        (edge || !edges_only).then_some(index)
    }

    /// Saves the monitor and goes on with a new one that took the state back.
    ///
    /// # Errors
    /// When it does not keep state, or refuses what it saved.
    pub fn restart(&mut self) -> Result<(), String> {
        let state = self.detector.save().ok_or("it keeps no state")?;
        self.detector = D::open(&Facts::default(), &self.parameters)?;
        self.detector.restore(&state)
    }
}

/// The same noise for the same seed, on every machine.
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// Noise from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal with mean 0 and deviation 1, never beyond 6.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
