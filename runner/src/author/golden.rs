//! Whether a case holds: the same alerts in every way of playing it, those that
//! it expects, and at no more cost than the project allows.

use anyhow::Result;

use super::cases::Case;
use super::observed::Cut;
use super::play::{Log, Played, Way, play};
use crate::config;
use crate::exit::{Ending, Failure};
use crate::sandbox::{Component, Fault};

/// Random batches and restarts of each case: chance should have a chance.
const ROUNDS: u64 = 3;

/// What is wrong with a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// The detector failed.
    Failed {
        /// In which way of playing.
        way: Way,
        /// How.
        fault: Fault,
    },
    /// Two ways of playing find different things.
    Disagreement(Box<Disagreement>),
    /// What comes out is not what is expected.
    Differs(Vec<Change>),
    /// Nobody has said what must come out.
    Unknown,
    /// A point costs more than it may.
    Dear {
        /// In which way of playing.
        way: Way,
        /// Units of fuel per point.
        fuel: u64,
        /// The most that it may be.
        limit: u64,
    },
}

/// Where another way of playing a case differs from one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The other way.
    pub way: Way,
    /// The first alert that differs, from 0.
    pub at: usize,
    /// That alert in one batch, if there are so many.
    pub batch: Option<String>,
    /// That alert in the other way, if there are so many.
    pub other: Option<String>,
    /// The rows of each call in the other way.
    pub sizes: Vec<u32>,
    /// Before which call the detector was started again.
    pub cut: Option<u64>,
    /// Why it refused the state that it had saved.
    pub refusal: Option<String>,
}

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Both have it.
    Same(String),
    /// It was expected, and is not there.
    Missing(String),
    /// It is there, and was not expected.
    Extra(String),
}

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The alerts of one batch, in the form of the case.
    pub alerts: Vec<String>,
    /// Their keys.
    pub keys: Vec<String>,
    /// Values and texts that the detector was shown.
    pub points: u64,
    /// Units of fuel per point: in one batch, and row by row.
    pub fuel: (u64, u64),
    /// The most bytes of memory that an instance had.
    pub memory: usize,
    /// Whether it keeps no state, so that it could not be restored.
    pub stateless: bool,
    /// Whether the log has no records.
    pub empty: bool,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

/// How cases are tried.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The first seed of the random ways.
    pub seed: u64,
    /// The most fuel that a point may cost.
    pub max_fuel_per_point: Option<u64>,
}

/// Plays a case in every way. The component must be of a metered engine.
///
/// # Errors
/// When a file cannot be read, a parameter does not fit, or the detector does
/// not start.
pub fn try_case(component: &Component, case: &Case, terms: Terms) -> Result<Tried> {
    let parameters = config::resolve(&component.description, &case.parameters)?;
    let bytes = case.bytes()?;
    let input = case.input.file_name().unwrap_or_default().to_string_lossy();
    let log = Log {
        input: &input,
        run: &case.name,
        bytes: &bytes,
    };
    let play = |way| {
        play(component, &parameters, &log, way).map_err(|error| {
            let error = error.context(format!("case `{}`", case.name));
            Failure::new(Ending::Detector, error)
        })
    };
    let batch = play(Way::OneBatch)?;
    let mut tried = Tried::of(case, &batch);
    if tried.failed() {
        // It fails in the other ways as well, perhaps after seconds each.
        return Ok(tried);
    }
    let rows = play(Way::EachRow)?;
    tried.fuel.1 = rows.price();
    tried.compare(case, Way::EachRow, &rows);
    for seed in (0..ROUNDS).map(|round| terms.seed.wrapping_add(round)) {
        let way = Way::Split { seed };
        let split = play(way)?;
        tried.compare(case, way, &split);
        let calls = split.seen.calls;
        if tried.stateless || calls < 2 {
            continue;
        }
        let way = Way::Restart { seed, calls };
        let restarted = play(way)?;
        match restarted.seen.cut {
            Some(Cut::NoState) => tried.stateless = true,
            _ => tried.compare(case, way, &restarted),
        }
    }
    tried.price(terms);
    match case.expected(&tried.alerts)? {
        // What is in doubt is not worth keeping.
        None if !tried.may_be_blessed() => {}
        None => tried.troubles.push(Trouble::Unknown),
        Some(expected) if expected != tried.alerts => {
            let changes = changes(&expected, &tried.alerts);
            tried.troubles.push(Trouble::Differs(changes));
        }
        Some(_) => {}
    }
    Ok(tried)
}

impl Tried {
    fn of(case: &Case, batch: &Played) -> Self {
        let failed = batch.seen.fault.clone().map(|fault| Trouble::Failed {
            way: Way::OneBatch,
            fault,
        });
        Self {
            alerts: batch.alerts.iter().map(|it| case.line(it)).collect(),
            keys: batch.alerts.iter().map(|it| it.key.clone()).collect(),
            points: batch.seen.points,
            fuel: (batch.price(), 0),
            memory: batch.seen.memory,
            stateless: false,
            empty: batch.tally.records + batch.tally.evaluations == 0,
            troubles: failed.into_iter().collect(),
        }
    }

    /// Whether the detector failed in some way of playing.
    #[must_use]
    pub fn failed(&self) -> bool {
        let is_failure = |it: &Trouble| matches!(it, Trouble::Failed { .. });
        self.troubles.iter().any(is_failure)
    }

    /// Compares another way with one batch. The first trouble of its kind is
    /// enough: the next seed would say the same again.
    fn compare(&mut self, case: &Case, way: Way, played: &Played) {
        self.memory = self.memory.max(played.seen.memory);
        if let Some(fault) = &played.seen.fault {
            if !self.failed() {
                let fault = fault.clone();
                self.troubles.push(Trouble::Failed { way, fault });
            }
            return;
        }
        let alerts: Vec<String> = played.alerts.iter().map(|it| case.line(it)).collect();
        let told = |it: &Trouble| !matches!(it, Trouble::Unknown);
        if alerts == self.alerts || self.troubles.iter().any(told) {
            return;
        }
        let same = alerts.iter().zip(&self.alerts).take_while(|(a, b)| a == b);
        let at = same.count();
        let refusal = match &played.seen.cut {
            Some(Cut::Refused(why)) => Some(why.clone()),
            _ => None,
        };
        let disagreement = Disagreement {
            way,
            at,
            batch: self.alerts.get(at).cloned(),
            other: alerts.get(at).cloned(),
            sizes: played.sizes.clone(),
            cut: played.cut,
            refusal,
        };
        let trouble = Trouble::Disagreement(Box::new(disagreement));
        self.troubles.push(trouble);
    }

    fn price(&mut self, terms: Terms) {
        let (batch, rows) = self.fuel;
        let (way, fuel) = match batch > rows {
            true => (Way::OneBatch, batch),
            false => (Way::EachRow, rows),
        };
        if let Some(limit) = terms.max_fuel_per_point
            && fuel > limit
        {
            self.troubles.push(Trouble::Dear { way, fuel, limit });
        }
    }

    /// Whether what came out may be written down as what must come out: it does
    /// not depend on the way, and the detector did not fail.
    #[must_use]
    pub fn may_be_blessed(&self) -> bool {
        let in_doubt =
            |it: &Trouble| matches!(it, Trouble::Failed { .. } | Trouble::Disagreement(_));
        !self.troubles.iter().any(in_doubt)
    }
}

/// The most lines that are compared in full; beyond, what differs is shown as
/// it stands.
const COMPARED: usize = 1000;

/// What must be taken away and added to make `found` of `expected`, as few lines
/// as possible.
#[must_use]
pub fn changes(expected: &[String], found: &[String]) -> Vec<Change> {
    let (rows, columns) = (expected.len(), found.len());
    if rows > COMPARED || columns > COMPARED {
        let missing = expected.iter().cloned().map(Change::Missing);
        return missing
            .chain(found.iter().cloned().map(Change::Extra))
            .collect();
    }
    // How many lines the ends from here on have in common.
    let mut common = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = match expected[row] == found[column] {
                true => common[row + 1][column + 1] + 1,
                false => common[row + 1][column].max(common[row][column + 1]),
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut changes = Vec::new();
    while row < rows || column < columns {
        if row < rows && column < columns && expected[row] == found[column] {
            changes.push(Change::Same(found[column].clone()));
            (row, column) = (row + 1, column + 1);
        } else if row < rows
            && (column == columns || common[row + 1][column] >= common[row][column + 1])
        {
            changes.push(Change::Missing(expected[row].clone()));
            row += 1;
        } else {
            changes.push(Change::Extra(found[column].clone()));
            column += 1;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    fn shown(expected: &str, found: &str) -> String {
        let sign = |change: Change| match change {
            Change::Same(line) => format!(" {line}"),
            Change::Missing(line) => format!("-{line}"),
            Change::Extra(line) => format!("+{line}"),
        };
        changes(&lines(expected), &lines(found))
            .into_iter()
            .map(sign)
            .collect()
    }

    #[test]
    fn few_lines_are_changed() {
        assert_eq!(shown("abc", "abc"), " a b c");
        assert_eq!(shown("", "a"), "+a");
        assert_eq!(shown("a", ""), "-a");
        assert_eq!(shown("abcd", "abxd"), " a b-c+x d");
        assert_eq!(shown("abc", "bc"), "-a b c");
        assert_eq!(shown("bc", "bca"), " b c+a");
    }
}
