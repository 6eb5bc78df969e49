//! What reading a database may cost, by its size.
//!
//! Pages refer to each other by number, and nothing keeps them from leading in
//! circles or to the same rows again and again: a few pages can hold more rows
//! than anybody could read. `SQLite` does not mind.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result, Row, ffi};

/// Steps of `SQLite`'s machine for each byte; a sound database takes two.
const STEPS_PER_BYTE: u64 = 16;
/// Bytes of texts for each byte; rows to which a column was added later share
/// what stands in it.
const TEXT_PER_BYTE: u64 = 64;
/// Steps and bytes besides.
const ALLOWANCE: u64 = 1 << 16;

/// How many steps are taken at once.
const STRIDE: u16 = 1 << 12;

/// Interrupts what takes more steps than a database of this size can.
pub(super) fn set(database: &mut Connection, size: u64) -> Result<()> {
    let mut strides = (STEPS_PER_BYTE * size + ALLOWANCE) / u64::from(STRIDE);
    let spent = move || {
        strides = strides.saturating_sub(1);
        strides == 0
    };
    database.progress_handler(STRIDE.into(), Some(spent))
}

/// How many bytes of texts may still come.
pub(super) struct Texts(u64);

impl Texts {
    pub(super) fn of(size: u64) -> Self {
        Self(TEXT_PER_BYTE * size + ALLOWANCE)
    }

    /// Takes note of a row, and refuses one too many.
    pub(super) fn take(&mut self, row: &Row<'_>, columns: usize) -> Result<()> {
        for at in 0..columns {
            if let ValueRef::Text(text) | ValueRef::Blob(text) = row.get_ref(at)? {
                let left = self.0.checked_sub(text.len() as u64);
                self.0 = left.ok_or_else(too_large)?;
            }
        }
        Ok(())
    }
}

fn too_large() -> Error {
    let problem = "its rows are larger than itself".to_owned();
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(problem))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::database;
    use crate::decode::formats::testing::{malformed, records};

    const PAGE: usize = 512;

    /// A table's inner page that leads to the same page many times.
    fn inner_page(to: u32) -> Vec<u8> {
        // As many as fit, were each to a cell of its own.
        let pointers = 80_u16;
        let cell = (PAGE - 5) as u16;
        let mut page = vec![5, 0, 0];
        page.extend(pointers.to_be_bytes());
        page.extend(cell.to_be_bytes());
        page.push(0);
        page.extend(to.to_be_bytes());
        page.extend(cell.to_be_bytes().repeat(pointers.into()));
        page.resize(cell.into(), 0);
        page.extend(to.to_be_bytes());
        // The largest row on that page.
        page.push(1);
        page
    }

    /// A table whose root leads, over `depth` more pages, to the same rows
    /// again and again.
    fn in_circles(sql: &str, depth: u32) -> Vec<u8> {
        let mut file = database(&format!("PRAGMA page_size = {PAGE}; {sql}"));
        let root = PAGE..2 * PAGE;
        let rows = file[root.clone()].to_vec();
        let pages = (file.len() / PAGE) as u32;
        file.splice(root, inner_page(pages + 1));
        for next in 1..=depth {
            file.extend(inner_page(pages + next + 1));
        }
        file.extend(rows);
        let pages = (file.len() / PAGE) as u32;
        file[28..32].copy_from_slice(&pages.to_be_bytes());
        file
    }

    #[test]
    fn rows_without_end_are_an_end() {
        let sql = "CREATE TABLE log (step INTEGER, loss REAL); INSERT INTO log VALUES (1, 2.5);";
        // A row eighty-one times is still read.
        assert_eq!(records(in_circles(sql, 0)).len(), 81);
        let (count, problem) = malformed(in_circles(sql, 12));
        assert_eq!(count, 1);
        assert!(problem.unwrap().contains("interrupted"));
    }

    #[test]
    fn texts_without_end_are_an_end() {
        let text = "x".repeat(100_000);
        let file = in_circles(
            &format!(
                "CREATE TABLE log (step INTEGER, loss REAL, note TEXT); INSERT INTO log VALUES (1, 2.5, '{text}');"
            ),
            1,
        );
        let (count, problem) = malformed(&file);
        assert_eq!(count, 1);
        assert!(problem.unwrap().contains("larger than itself"));
    }

    #[test]
    fn columns_that_are_computed_are_not() {
        let file = database(
            "CREATE TABLE log (step INTEGER, loss REAL, twice AS (loss * 2), big AS (hex(zeroblob(400000000))));
             INSERT INTO log (step, loss) VALUES (1, 2.5);",
        );
        assert_eq!(records(&file), ["step 1: loss=2.5"]);
    }
}
