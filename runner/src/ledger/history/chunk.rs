//! Columns as bytes, and bytes as columns.
//!
//! All numbers are little-endian. Steps that count up evenly, as most do, are
//! their first and their stride.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use super::super::{LedgerError, Result};
use crate::record::NO_RANK;
use crate::view::Number;

/// The most rows of a chunk: the place of a row in it is two bytes.
pub(super) const MOST: usize = 1 << 16;

const RAW: u8 = 0;
const EVEN: u8 = 1;

/// The steps, times and ranks of a chunk's rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Axis {
    pub(super) steps: Vec<i64>,
    /// Seconds since 1970, NaN where unknown.
    pub(super) times: Vec<f64>,
    pub(super) ranks: Vec<u32>,
}

/// The values of one metric in a chunk, and the rows that have one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Column {
    pub(super) rows: Vec<u16>,
    pub(super) values: Vec<f64>,
}

pub(super) fn steps(steps: &[i64]) -> Vec<u8> {
    if let [first, second, ..] = steps
        && let Some(stride) = second.checked_sub(*first)
        && steps
            .windows(2)
            .all(|two| two[1].checked_sub(two[0]) == Some(stride))
    {
        let mut bytes = vec![EVEN];
        bytes.extend(first.to_le_bytes());
        bytes.extend(stride.to_le_bytes());
        return bytes;
    }
    let mut bytes = Vec::with_capacity(1 + 8 * steps.len());
    bytes.push(RAW);
    bytes.extend(steps.iter().flat_map(|step| step.to_le_bytes()));
    bytes
}

pub(super) fn read_steps(bytes: &[u8], rows: usize) -> Result<Vec<i64>> {
    let (kind, rest) = bytes.split_first().ok_or_else(damaged)?;
    let mut numbers = words(rest).map(i64::from_le_bytes);
    let steps: Vec<i64> = match *kind {
        EVEN => {
            let (Some(first), Some(stride)) = (numbers.next(), numbers.next()) else {
                return Err(damaged());
            };
            let step = |row: usize| first.wrapping_add(stride.wrapping_mul(row as i64));
            (0..rows).map(step).collect()
        }
        _ => numbers.collect(),
    };
    sized(steps, rows)
}

/// None: nothing is known of any.
pub(super) fn times(times: &[f64]) -> Option<Vec<u8>> {
    times
        .iter()
        .any(|time| !time.is_nan())
        .then(|| floats(times))
}

pub(super) fn read_times(bytes: Option<&[u8]>, rows: usize) -> Result<Vec<f64>> {
    match bytes {
        None => Ok(vec![f64::NAN; rows]),
        Some(bytes) => sized(read_floats(bytes), rows),
    }
}

/// None: no row names one. One number: all rows have the same.
pub(super) fn ranks(ranks: &[u32]) -> Option<Vec<u8>> {
    let first = ranks.first()?;
    if ranks.iter().any(|rank| rank != first) {
        return Some(ranks.iter().flat_map(|rank| rank.to_le_bytes()).collect());
    }
    (*first != NO_RANK).then(|| first.to_le_bytes().to_vec())
}

pub(super) fn read_ranks(bytes: Option<&[u8]>, rows: usize) -> Result<Vec<u32>> {
    let Some(bytes) = bytes else {
        return Ok(vec![NO_RANK; rows]);
    };
    let ranks: Vec<u32> = words(bytes).map(u32::from_le_bytes).collect();
    match ranks.as_slice() {
        [one] => Ok(vec![*one; rows]),
        _ => sized(ranks, rows),
    }
}

pub(super) fn floats(values: &[f64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn read_floats(bytes: &[u8]) -> Vec<f64> {
    words(bytes).map(f64::from_le_bytes).collect()
}

impl Column {
    /// The rows as bytes; none: every row of the chunk has a value.
    pub(super) fn places(&self, rows: usize) -> Option<Vec<u8>> {
        // A row may have several values.
        let all =
            self.rows.len() == rows && self.rows.iter().map(|row| usize::from(*row)).eq(0..rows);
        (!all).then(|| self.rows.iter().flat_map(|row| row.to_le_bytes()).collect())
    }

    pub(super) fn read(places: Option<&[u8]>, values: &[u8], rows: usize) -> Result<Self> {
        let values = read_floats(values);
        let places: Vec<u16> = match places {
            Some(bytes) => words(bytes).map(u16::from_le_bytes).collect(),
            None => (0..rows)
                .filter_map(|row| u16::try_from(row).ok())
                .collect(),
        };
        let fits = places.iter().all(|row| usize::from(*row) < rows);
        if places.len() != values.len() || !fits {
            return Err(damaged());
        }
        Ok(Self {
            rows: places,
            values,
        })
    }
}

/// The numbers in a row of bytes, each as so many bytes; a rest is left out.
fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

fn sized<T>(column: Vec<T>, rows: usize) -> Result<Vec<T>> {
    if column.len() == rows {
        Ok(column)
    } else {
        Err(damaged())
    }
}

fn damaged() -> LedgerError {
    LedgerError("a piece of the ledger's history is damaged".to_owned())
}

/// Makes the function known by which the view `history` unpacks a series:
/// `points(rows, steps, times, ranks, places, values)` is a JSON array of
/// `[step, time, rank, value]`, with texts for values that JSON has no number
/// for.
pub(in super::super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("points", 6, flags, |context| {
        let blob = |at: usize| match context.get_raw(at) {
            ValueRef::Blob(bytes) => Some(bytes),
            _ => None,
        };
        let rows = context.get::<i64>(0)?.clamp(0, MOST as i64) as usize;
        let unpack = || -> Result<String> {
            let axis = Axis {
                steps: read_steps(blob(1).unwrap_or_default(), rows)?,
                times: read_times(blob(2), rows)?,
                ranks: read_ranks(blob(3), rows)?,
            };
            let column = Column::read(blob(4), blob(5).unwrap_or_default(), rows)?;
            Ok(json(&axis, &column))
        };
        unpack().map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))
    })
}

fn json(axis: &Axis, column: &Column) -> String {
    let mut points = Vec::with_capacity(column.values.len());
    for (row, value) in column.rows.iter().zip(&column.values) {
        let row = usize::from(*row);
        let rank = axis.ranks.get(row).filter(|rank| **rank != NO_RANK);
        points.push(serde_json::json!([
            axis.steps.get(row),
            axis.times.get(row),
            rank,
            Number(*value)
        ]));
    }
    serde_json::Value::Array(points).to_string()
}
