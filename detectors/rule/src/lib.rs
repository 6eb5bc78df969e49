//! `rule`: a condition that the user wrote holds.
//!
//! The runner compiles the expressions of `[rule.NAME]` to programs and gives
//! them as parameters; this detector only runs them.

use runwatch_detector::prelude::*;
use runwatch_detector::show::number;
use runwatch_detector::state::{self, Episode, Move, Progress};
use runwatch_detector::{NO_RANK, NO_ROW, Severity};

mod names;
mod program;
mod seen;

pub use names::{LONGEST, Names};
pub use program::{Here, Program, Statistic, Value};
pub use seen::Seen;

/// Seconds between two looks at an age.
const TICK: f64 = 5.0;

/// Watches one condition in one run.
pub struct Rule {
    key: String,
    names: Names,
    when: Option<Program>,
    /// What the texts show: the expression as it was written, and its program.
    shown: Vec<(String, Program)>,
    rows: u32,
    severity: Severity,
    title: String,
    message: String,
    recommendation: String,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    ranks: Keyed<Watch>,
    episode: Episode,
}

/// One rank.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Watch {
    seen: Seen,
    progress: Progress,
    /// How often in a row the condition held, or did not.
    held: u32,
    failed: u32,
    firing: bool,
    /// The step of the last row.
    step: i64,
}

enum Turn {
    Fires,
    Ends,
}

impl Detector for Rule {
    fn describe() -> Description {
        Description::new("rule", "0.1.0", "A condition of your own holds")
            .parameter(Parameter::text("name", "rule").doc("What the alert is called."))
            .parameter(Parameter::text("when", "").doc("The condition, compiled."))
            .parameter(
                Parameter::integer("rows", 1)
                    .unit("rows")
                    .min(1)
                    .max(1_000_000)
                    .doc("For how many rows in a row it must hold, and not hold to be over."),
            )
            .parameter(
                Parameter::text("severity", "warning")
                    .choices(&["info", "warning", "critical"])
                    .doc("How bad it is."),
            )
            .parameter(Parameter::text("title", "").doc("A few words."))
            .parameter(
                Parameter::text("message", "")
                    .doc("What happened; `{0}` stands for the first of `shown`."),
            )
            .parameter(Parameter::text("recommendation", "").doc("What to do about it."))
            .parameter(
                Parameter::text("shown", "")
                    .doc("Expressions whose values the texts show: a line each, text and program."),
            )
            .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        let mut names = Names::default();
        let text = |name| parameters.text(name).map(str::to_owned);
        let when = match parameters.text("when")? {
            "" => None,
            program => Some(Program::parse(program, &mut names)?),
        };
        let shown = parameters.text("shown")?.lines().map(|line| {
            let (text, program) = line.split_once('\t').ok_or("`shown` has no program")?;
            Ok((text.to_owned(), Program::parse(program, &mut names)?))
        });
        let shown = shown.collect::<Result<Vec<_>, String>>()?;
        Ok(Self {
            key: text("name")?,
            when,
            shown,
            rows: u32::try_from(parameters.count("rows")?).unwrap_or(u32::MAX),
            severity: match parameters.text("severity")? {
                "info" => Severity::Info,
                "critical" => Severity::Critical,
                _ => Severity::Warning,
            },
            title: text("title")?,
            message: text("message")?,
            recommendation: text("recommendation")?,
            names,
            state: State::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        let metrics = self
            .names
            .metrics
            .iter()
            .map(|it| Interest::metric(&it.name));
        let labels = self.names.labels.iter().map(|it| Interest::label(it));
        let tick = self.names.ages.then(|| Interest::tick(TICK));
        metrics.chain(labels).chain(tick).collect()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let mut points = batch.points().peekable();
        let mut texts = batch.texts.iter().peekable();
        loop {
            let next = points.peek().map(|point| point.row);
            let said = texts.peek().map(|text| text.row);
            let Some(row) = next.into_iter().chain(said).min() else {
                return;
            };
            let Some(here) = here(batch, row) else { return };
            let rank = here.rank.unwrap_or(NO_RANK);
            let watch = self.state.ranks.of_rank(rank, || Watch::new(&self.names));
            if watch.begins_again(&self.names, here.step.unwrap_or_default())
                && self.state.episode.leave()
            {
                let title = format!("{} is over: the run resumed", self.key);
                findings.push(Finding::resolved(&self.key, row).title(title));
            }
            while let Some(point) = points.next_if(|point| point.row == row) {
                let name = batch.name(point.series);
                for (slot, metric) in self.names.metrics.iter().enumerate() {
                    if metric.name == name {
                        watch.seen.value(slot, metric.span, point.value, point.time);
                    }
                }
            }
            while let Some(text) = texts.next_if(|text| text.row == row) {
                if let Some(slot) = self.names.labels.iter().position(|it| *it == text.name) {
                    watch.seen.text(slot, &text.content);
                }
            }
            self.look(rank, here, row, findings);
        }
    }

    fn tick(&mut self, now: f64, findings: &mut Vec<Finding>) {
        let ranks: Vec<u32> = self
            .state
            .ranks
            .iter_mut()
            .map(|(_, rank, _)| rank)
            .collect();
        for rank in ranks {
            let here = Here {
                step: None,
                time: now,
                rank: Some(rank).filter(|rank| *rank != NO_RANK),
            };
            self.look(rank, here, NO_ROW, findings);
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

fn here(batch: &Batch<'_>, row: u32) -> Option<Here> {
    let at = row as usize;
    Some(Here {
        step: Some(*batch.steps.get(at)?),
        time: *batch.times.get(at)?,
        rank: Some(*batch.ranks.get(at)?).filter(|rank| *rank != NO_RANK),
    })
}

impl Rule {
    /// Asks whether the condition holds for a rank, and says what follows.
    fn look(&mut self, rank: u32, mut here: Here, row: u32, findings: &mut Vec<Finding>) {
        let Some(when) = &self.when else { return };
        let watch = self.state.ranks.of_rank(rank, || Watch::new(&self.names));
        here.step.get_or_insert(watch.step);
        let turn = match when.value(&watch.seen, here) {
            Value::Truth(truth) => watch.turn(truth, self.rows),
            _ => None,
        };
        let seen = watch.seen.clone();
        let told = match turn {
            Some(Turn::Fires) => self.state.episode.join(self.severity),
            Some(Turn::Ends) => self.state.episode.leave(),
            None => false,
        };
        if !told {
            return;
        }
        let values: Vec<(&str, Value<'_>)> = self
            .shown
            .iter()
            .map(|(text, program)| (text.as_str(), program.value(&seen, here)))
            .collect();
        let mut finding = match turn {
            Some(Turn::Fires) => Finding::firing(&self.key, self.severity, row),
            _ => Finding::resolved(&self.key, row),
        };
        finding = match turn {
            Some(Turn::Fires) => finding
                .title(filled(&self.title, &values))
                .message(filled(&self.message, &values))
                .recommendation(filled(&self.recommendation, &values)),
            _ => finding.title(format!("{} is over", self.key)),
        };
        for (text, value) in values {
            if let Value::Number(value) = value {
                finding = finding.value(text, value);
            }
        }
        findings.push(finding);
    }
}

impl Watch {
    fn new(names: &Names) -> Self {
        Self {
            seen: Seen::new(names),
            progress: Progress::default(),
            held: 0,
            failed: 0,
            firing: false,
            step: 0,
        }
    }

    /// Looks at the step of a row. After a resume everything starts afresh;
    /// true if something was firing.
    fn begins_again(&mut self, names: &Names, step: i64) -> bool {
        let fired = self.firing;
        self.step = step;
        if self.progress.advance(step) != Move::Resumed {
            return false;
        }
        let progress = self.progress;
        *self = Self::new(names);
        self.progress = progress;
        self.step = step;
        fired
    }

    fn turn(&mut self, holds: bool, rows: u32) -> Option<Turn> {
        self.held = if holds {
            self.held.saturating_add(1)
        } else {
            0
        };
        self.failed = if holds {
            0
        } else {
            self.failed.saturating_add(1)
        };
        if !self.firing && self.held >= rows {
            self.firing = true;
            Some(Turn::Fires)
        } else if self.firing && self.failed >= rows {
            self.firing = false;
            Some(Turn::Ends)
        } else {
            None
        }
    }
}

/// A text with the values in the places of `{0}`, `{1}`, …
fn filled(text: &str, values: &[(&str, Value<'_>)]) -> String {
    let mut text = text.to_owned();
    for (at, (_, value)) in values.iter().enumerate() {
        let shown = match value {
            Value::Unknown => "unknown".to_owned(),
            Value::Number(value) => number(*value),
            Value::Truth(truth) => truth.to_string(),
            Value::Text(text) => (*text).to_owned(),
        };
        text = text.replace(&format!("{{{at}}}"), &shown);
    }
    text
}

export!(Rule);

#[cfg(test)]
mod tests;
