//! Tables on screen: aligned, and no wider than a screen.

use textwrap::core::display_width;

use crate::deliver::text::clean_line;

/// Columns of a screen.
const SCREEN: usize = 100;
/// Between two columns of the table.
const GAP: usize = 2;
/// A column is not cut to less.
const LEAST: usize = 6;

/// A table that is being filled.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// How a column is written.
#[derive(Debug, Clone)]
pub(super) struct Column {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Cut where there is no room.
    Text,
    /// Never cut.
    Whole,
    /// Never cut, and at the right.
    Number,
}

impl Column {
    pub(super) fn text(name: &str) -> Self {
        Self::new(name, Kind::Text)
    }

    pub(super) fn whole(name: &str) -> Self {
        Self::new(name, Kind::Whole)
    }

    pub(super) fn number(name: &str) -> Self {
        Self::new(name, Kind::Number)
    }

    fn new(name: &str, kind: Kind) -> Self {
        let name = clean_line(name).into_owned();
        Self { name, kind }
    }
}

impl Table {
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Its texts come from logs: what would drive a terminal is
    /// made visible.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter();
        self.rows
            .push(cells.map(|cell| clean_line(&cell).into_owned()).collect());
    }

    /// The table with the names of its columns above, ending in a newline.
    pub(super) fn text(&self) -> String {
        let widths = self.widths();
        let names: Vec<String> = self.columns.iter().map(|it| it.name.clone()).collect();
        let mut text = String::new();
        for row in std::iter::once(&names).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let cell = cut(cell, *width);
                let pad = " ".repeat(width.saturating_sub(display_width(&cell)));
                match column.kind {
                    Kind::Number => line.extend([&pad, cell.as_str()]),
                    Kind::Text | Kind::Whole => line.extend([cell.as_str(), &pad]),
                }
                line.push_str(&" ".repeat(GAP));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// What each column needs, the widest texts cut until all fit.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| display_width(&column.name))
            .collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = display_width(cell).max(*width);
            }
        }
        let room = SCREEN.saturating_sub(GAP * self.columns.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let texts = widths.iter_mut().zip(&self.columns);
            let widest = texts
                .filter(|(width, column)| column.kind == Kind::Text && **width > LEAST)
                .max_by_key(|(width, _)| **width);
            let Some((width, _)) = widest else { break };
            *width -= 1;
        }
        widths
    }
}

/// The beginning of a text that is too wide, ending in `…`.
fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += display_width(c.encode_utf8(&mut [0; 4]));
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]]) -> String {
        let columns = [
            Column::whole("id"),
            Column::number("step"),
            Column::text("title"),
        ];
        let mut table = Table::new(columns);
        for row in rows {
            table.row(row.map(str::to_owned));
        }
        table.text()
    }

    #[test]
    fn columns_are_aligned() {
        let expected = "id    step  title\nab       5  loss is NaN\nabcd  2404  x\n";
        assert_eq!(
            table(&[["ab", "5", "loss is NaN"], ["abcd", "2404", "x"]]),
            expected
        );
    }

    #[test]
    fn long_texts_are_cut_and_wide_characters_count_twice() {
        let id = "i".repeat(40);
        for title in ["t".repeat(300), "損".repeat(300)] {
            let text = table(&[[&id, "5", &title]]);
            let line = text.lines().nth(1).unwrap();
            assert!(line.contains(&id) && line.ends_with('…'), "{line}");
            let width = display_width(line);
            assert!((99..=100).contains(&width), "{width}");
        }
    }

    #[test]
    fn what_would_drive_a_terminal_is_shown() {
        let text = table(&[["a", "1", "red\u{1b}[31m\nnext"]]);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
