//! Tables of cells, one row per line: CSV and TSV.
//!
//! ```text
//! epoch,step,train_loss,val_loss
//! 0,49,2.31,
//! 0,99,,2.10
//! ```
//!
//! A table begins with a line of names that is followed by a row that fits it,
//! at the beginning of the input or in the middle of a log. Loggers that meet a
//! new metric write a new header. They may leave the rows before it as they
//! were, shorter than the header, so that rows may grow and not shrink: a
//! shorter row is one that was cut.
//!
//! An empty cell, `NA` and the like say that nothing was logged; `nan` is a
//! measurement. Cells may stand in quotes and between blanks; lists and dicts
//! in them pass by. Line feeds in cells are not understood.

use memchr::{memchr, memchr3};

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::{self, whole};
use crate::decode::number::spelled;
use crate::names::{Role, role_of};

mod cells;
mod dialects;

use cells::{Cell, cell_of, cells};
pub(super) use dialects::DIALECTS;
use dialects::Dialect;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "csv",
        title: "CSV and TSV tables of any program",
        example: "step,loss,accuracy\n10,2.5,0.25\n20,2.25,0.5",
        step: "the column `step`, `iter`, `epoch` or the like, else counted",
    },
    begins: b"",
    new: || Box::new(Csv::default()),
};

/// The most columns of a table, and the longest name of one.
const MOST: usize = 8_192;
const LONGEST: usize = 300;

/// How many lines may stand between a header and its first row.
const PATIENCE: u64 = 4;

#[derive(Default)]
struct Csv {
    /// The last line that may be a header, and its number.
    header: Option<(u64, Header)>,
    table: Option<Table>,
    /// When the episodes of the table that comes next began: see [`monitor`].
    start: Option<f64>,
}

/// The line of names.
struct Header {
    names: Vec<Vec<u8>>,
    separator: u8,
}

/// A header that a row has confirmed.
struct Table {
    header: Header,
    /// Who writes such a header, if known.
    dialect: Option<&'static Dialect>,
    /// The column of the step, and whether that is an epoch.
    step: Option<usize>,
    epochs: bool,
    /// The most cells that a row had.
    longest: usize,
    /// When it began, and the steps of its episodes so far, if its rows are
    /// episodes.
    start: Option<f64>,
    total: i64,
}

impl Format for Csv {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if line.bar.is_some() {
            return false;
        }
        if let Some(start) = monitor(line.text) {
            self.start = Some(start);
            return true;
        }
        if let Some((number, _)) = &self.header
            && line.number - number > PATIENCE
        {
            self.header = None;
        }
        if let Some((number, header)) = self.header.take() {
            let row = row_of(&header, line).unwrap_or_default();
            match Table::open(header, &row) {
                Ok(mut table) => {
                    table.start = self.start.take();
                    let taken = table.row(&row, line, out);
                    self.table = Some(table);
                    return taken;
                }
                Err(header) => self.header = Some((number, header)),
            }
        }
        if let Some(table) = &mut self.table
            && let Some(row) = row_of(&table.header, line)
            && table.row(&row, line, out)
        {
            return true;
        }
        if let Some(header) = Header::read(line.text) {
            self.header = Some((line.number, header));
        }
        false
    }
}

/// The first line of Gym's `monitor.csv`, which says when it begins.
fn monitor(text: &[u8]) -> Option<f64> {
    let mut line = Cursor::new(text);
    line.word(b"#{")?;
    line.word(b"\"t_start\":")?;
    line.blanks().number()
}

impl Header {
    /// Reads a line of names, or says that it is none.
    fn read(text: &[u8]) -> Option<Self> {
        // Windows marks files as UTF-8 by a character that nobody sees.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        memchr3(b'\t', b',', b';', text)?;
        let separator = *[b'\t', b',', b';']
            .iter()
            .find(|mark| memchr(**mark, text).is_some())?;
        // Pandas writes an index that has no name.
        let cells = cells(text, separator).take(MOST + 1);
        let named = |(at, cell): (usize, &[u8])| cell.is_empty() && at == 0 || is_name(cell);
        if !cells.clone().enumerate().all(named) {
            return None;
        }
        let names: Vec<_> = cells.map(<[u8]>::to_vec).collect();
        if names.len() < 2 || names.len() > MOST {
            return None;
        }
        let header = Self { names, separator };
        let known = header.dialect().is_some()
            || header.step().is_some()
            || header.names.iter().any(|name| keyvalue::is_score(name));
        known.then_some(header)
    }

    fn dialect(&self) -> Option<&'static Dialect> {
        DIALECTS.iter().find(|dialect| (dialect.fits)(self))
    }

    /// Where the column with this name stands, in any case.
    fn find(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn starts_with(&self, names: &[&str]) -> bool {
        let mut own = self.names.iter().zip(names);
        self.names.len() >= names.len() && own.all(|(own, name)| own == name.as_bytes())
    }

    /// The column that counts the steps, by its name: the finest one.
    fn step(&self) -> Option<usize> {
        let rank = |name: &[u8]| match role_of(name) {
            // Batches begin anew in every epoch.
            _ if name.eq_ignore_ascii_case(b"batch") => Some(9),
            Role::Step(rank) => Some(rank),
            Role::Epoch => Some(8),
            _ if keyvalue::is_step(name) => Some(7),
            // A table with scores and no step, but an index.
            _ if name.is_empty() && self.names.iter().any(|name| keyvalue::is_score(name)) => {
                Some(10)
            }
            _ => None,
        };
        let ranks = self.names.iter().enumerate();
        ranks
            .filter_map(|(at, name)| rank(name).map(|rank| (rank, at)))
            .min()
            .map(|(_, at)| at)
    }
}

impl Table {
    /// The table of a header and its first row; gives the header back when the
    /// row does not fit it.
    fn open(header: Header, row: &[Cell<'_>]) -> Result<Self, Header> {
        let dialect = header.dialect();
        let mut table = Self {
            step: None,
            epochs: false,
            dialect,
            header,
            longest: 0,
            start: None,
            total: 0,
        };
        // Ray writes columns of steps that stay empty.
        let is_number = |at: &usize| matches!(row.get(*at), Some(Cell::Number(_)));
        let known = dialect.iter().flat_map(|known| known.steps(&table.header));
        table.step = known.chain(table.header.step()).find(is_number);
        let name = table.step.and_then(|at| table.header.names.get(at));
        table.epochs = name.is_some_and(|name| role_of(name) == Role::Epoch);
        let numbers = row.iter().filter(|cell| matches!(cell, Cell::Number(_)));
        let measures = numbers.count() > usize::from(table.step.is_some());
        if measures && table.fits(row) {
            Ok(table)
        } else {
            Err(table.header)
        }
    }

    /// Whether cells can be a row.
    fn fits(&self, row: &[Cell<'_>]) -> bool {
        let columns = self.header.names.len();
        let (row, more) = row.split_at(row.len().min(columns));
        // A comma at the end of each row is harmless.
        if more.iter().any(|cell| !matches!(cell, Cell::Empty)) {
            return false;
        }
        let step = self.step.and_then(|at| row.get(at));
        let stepped = matches!(step, Some(Cell::Number(_)));
        if matches!(step, Some(Cell::Text(_))) {
            return false;
        }
        if !stepped && row.iter().any(|cell| matches!(cell, Cell::Text(_))) {
            return false;
        }
        if row.len() == columns {
            return true;
        }
        // Blanks at the end are gone, and with them a TSV's last empty cells.
        let grows = row.len() >= self.longest || self.header.separator == b'\t';
        let texts = row.iter().any(|cell| matches!(cell, Cell::Text(_)));
        stepped && !texts && grows
    }

    /// Reads a row; false when the line is none.
    fn row(&mut self, row: &[Cell<'_>], line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if !self.fits(row) {
            return false;
        }
        self.longest = self.longest.max(row.len());
        let out = match self.dialect {
            Some(dialect) => out.of(dialect.about.name),
            None => out,
        };
        out.begin();
        let mut step = None;
        for (at, (name, cell)) in self.header.names.iter().zip(row).enumerate() {
            match *cell {
                Cell::Number(value) if self.step == Some(at) => {
                    step = whole(value);
                    if step.is_none() || self.epochs {
                        out.number(name, value);
                    }
                }
                Cell::Number(value) => out.number(name, value),
                Cell::Text([b'[' | b'{' | b'(', ..]) | Cell::Empty => {}
                Cell::Text(text) => out.field(name, text),
            }
        }
        if self.dialect.is_some_and(Dialect::is_monitor) {
            step = self.episode(row, out);
        }
        if let Some(step) = step {
            out.step(step);
        }
        out.end(line);
        true
    }

    /// The step at the end of an episode: a row of its reward, its length, and
    /// the seconds since the table's start.
    fn episode(&mut self, row: &[Cell<'_>], out: &mut Out<'_>) -> Option<i64> {
        if let Some(Cell::Number(length)) = row.get(1) {
            self.total = self.total.saturating_add(whole(*length)?);
        }
        if let (Some(start), Some(Cell::Number(elapsed))) = (self.start, row.get(2)) {
            out.time(start + elapsed);
        }
        Some(self.total)
    }
}

/// The cells of a row of this header; `None` when there is but one.
fn row_of<'a>(header: &Header, line: &Line<'a>) -> Option<Vec<Cell<'a>>> {
    // Tabs before the text were empty cells.
    let tabs = header.separator == b'\t';
    let empty = if tabs { line.indent.min(MOST) } else { 0 };
    let mut row = Vec::with_capacity(empty + header.names.len());
    row.resize_with(empty, || Cell::Empty);
    let before = row.len();
    row.extend(cells(line.text, header.separator).map(cell_of));
    (row.len() > before + 1).then_some(row)
}

/// Whether a cell of a header can be a name: a few words and no number.
fn is_name(cell: &[u8]) -> bool {
    let (mut blanks, mut letters, mut before) = (0, false, 0);
    for &byte in cell {
        match byte {
            b' ' if before == b':' => return false,
            b' ' => blanks += 1,
            b'=' | b'{' | b'}' | b'<' | b'>' | b'"' | ..0x20 | 0x7f => return false,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => letters = true,
            _ => {}
        }
        before = byte;
    }
    letters && blanks <= 5 && cell.len() <= LONGEST && spelled(cell).is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn an_empty_cell_is_no_measurement_and_nan_is_one() {
        let log =
            "epoch,lr,step,train_loss,val_loss\r\n0,0.1,9,2.5,\r\n0,,19,nan,NA\r\n0,,19,,1.5\r\n";
        let expected = [
            "step 9: epoch=0 lr=0.1 train_loss=2.5",
            "step 19: epoch=0 train_loss=NaN",
            "step 19: epoch=0 val_loss=1.5",
        ];
        assert_eq!(records(log), expected);
        assert_eq!(formats(log), ["lightning-csv"]);
    }

    #[test]
    fn blanks_quotes_and_lists() {
        let log = concat!(
            "               epoch,      train/box_loss,   metrics/mAP_0.5\n",
            "                   0,             0.11042,           0.00123\n",
        );
        assert_eq!(
            records(log),
            ["step 0: epoch=0 train/box_loss=0.11042 metrics/mAP_0.5=0.00123"]
        );
        assert_eq!(formats(log), ["ultralytics-csv"]);
        let log = concat!(
            "episode_reward_mean,date,timesteps_total,training_iteration,time_this_iter_s,config\n",
            "-2.5,2024-01-02,4000,1,3.5,\"{'lr': 1, \"\"a\"\": [2, 3]}\"\n",
        );
        assert_eq!(
            records(log),
            ["step 4000: episode_reward_mean=-2.5 time_this_iter_s=3.5 label:date=2024-01-02"]
        );
        assert_eq!(formats(log), ["rllib-csv"]);
    }

    #[test]
    fn a_column_of_steps_that_stays_empty_counts_nothing() {
        let log = "timesteps_total,loss,training_iteration,time_this_iter_s\n,0.5,3,1.5\n";
        assert_eq!(records(log), ["step 3: loss=0.5 time_this_iter_s=1.5"]);
    }

    #[test]
    fn rows_grow_and_do_not_shrink() {
        let log = "loss,step,val_loss\n0.5,1\n0.4,2,0.6\n0.3,3,\n0.2,4\n";
        assert_eq!(
            records(log),
            [
                "step 1: loss=0.5",
                "step 2: loss=0.4 val_loss=0.6",
                "step 3: loss=0.3"
            ]
        );
    }

    #[test]
    fn a_new_header_begins_a_new_table() {
        let log = concat!(
            "Starting, with two workers\n",
            "[2024-05-01 10:00:00] metrics follow\n",
            "step,loss\n1,0.5\n",
            "saved, as ever\n",
            "step,loss,acc\n1,0.5,\n2,0.4,0.9\n",
        );
        assert_eq!(
            records(log),
            [
                "step 1: loss=0.5",
                "step 1: loss=0.5",
                "step 2: loss=0.4 acc=0.9"
            ]
        );
        assert_eq!(formats(log), ["csv"]);
    }

    #[test]
    fn tabs_keep_empty_cells_at_both_ends() {
        let log = "loss\titer\tacc\n0.5\t1\t\n\t2\t0.5\n";
        assert_eq!(records(log), ["step 1: loss=0.5", "step 2: acc=0.5"]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_name() {
        assert_eq!(
            records("\u{feff}epoch;loss\r\n3;0.5\r\n"),
            ["step 3: epoch=3 loss=0.5"]
        );
    }

    #[test]
    fn an_index_without_a_name_is_a_step() {
        assert_eq!(
            records(",loss,val_loss\n0,0.5,0.6\n"),
            ["step 0: loss=0.5 val_loss=0.6"]
        );
    }

    #[test]
    fn episodes_end_where_their_lengths_add_up() {
        let log =
            "#{\"t_start\": 1700000000.5, \"env_id\": \"Cart\"}\nr,l,t\n25.0,25,9.5\n7.0,7,9.9\n";
        assert_eq!(
            records(log),
            ["step 25: r=25 l=25 t=9.5", "step 32: r=7 l=7 t=9.9"]
        );
        assert_eq!(formats(log), ["sb3-monitor"]);
    }

    #[test]
    fn prose_is_no_table() {
        for text in [
            "Hello, world\n1, 2\n",
            "step, by step\nit, works\n",
            "epoch, loss: see below\n1, 2\n",
            "step,loss\nand, so on\n",
            "epoch,loss\n1\n",
            "epoch,loss\n1,2,3\n",
            "id,date\n1,2024-01-01\n",
            "loss,hash\n0.5,12e99999\n",
        ] {
            assert_eq!(records(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn every_known_table_fits_its_example() {
        for dialect in &DIALECTS {
            let lines = dialect.about.example.lines();
            let header = lines
                .map(|line| Header::read(line.as_bytes()))
                .find_map(|read| read);
            let found = header.unwrap().dialect().unwrap();
            assert_eq!(found.about.name, dialect.about.name);
        }
    }
}
