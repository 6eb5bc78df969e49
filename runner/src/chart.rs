//! Charts for the terminal, in dots of braille.
//!
//! The crate `textplots` draws lines of such dots too, but in single precision,
//! which mixes up the steps of a long run, and it knows no marks for what has
//! no height, no alerts on the axis, no logarithmic axis, and no characters for
//! terminals without braille. Here every value is drawn, so that each column of
//! dots goes from the lowest to the highest of its values and no spike is lost.

use crate::alert::Severity;

/// Colours of lines, by their numbers in a terminal: cyan, magenta, green,
/// yellow, blue, red.
const COLOURS: [&str; 6] = ["36", "35", "32", "33", "34", "31"];
/// What lines are made of where there are no dots.
const SIGNS: [char; 6] = ['*', 'o', '+', 'x', '#', '@'];
/// The dots of a braille character, row by row.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// In dots of braille, and not in ASCII.
    pub dots: bool,
    /// With the colours of a terminal.
    pub colour: bool,
}

/// A chart with axes.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    /// Steps and values, a line each, in the order in which they were written.
    pub lines: Vec<&'a [(f64, f64)]>,
    /// Alerts: their steps.
    pub alerts: Vec<(f64, Severity)>,
    /// Characters of a line of text, and lines of the chart without its axis.
    pub size: (usize, usize),
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// How it is drawn.
    pub style: Style,
}

/// A rectangle of characters to draw in.
pub(crate) struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<Cell>,
    dots: bool,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// Of a braille character; anything else than none where there are no dots.
    dots: u8,
    line: usize,
    mark: Option<char>,
}

impl Chart<'_> {
    /// The chart as text, each line with its end; none if nothing can be drawn.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let (low, high) = self.range(|(_, y)| self.height(y))?;
        let (first, last) = self.range(|(x, _)| Some(x))?;
        let (width, rows) = (self.size.0, self.size.1.clamp(2, 200));
        // What stands in the middle row is not quite the middle.
        let middle = high - (high - low) * ((rows / 2) as f64 / (rows - 1) as f64);
        let labels = [high, middle, low].map(|height| {
            number(if self.log {
                10_f64.powf(height)
            } else {
                height
            })
        });
        let margin = labels.iter().map(String::len).max().unwrap_or(0);
        let columns = width.saturating_sub(margin + 2).max(10);
        let mut canvas = Canvas::new(columns, rows, self.style.dots);
        let (across, up) = (Scale::new(first, last), Scale::new(low, high));
        for (number, line) in self.lines.iter().enumerate() {
            let heights = line.iter().map(|(x, y)| {
                let height = self.height(*y).map(|height| up.place(height));
                (across.place(*x), height.ok_or(*y))
            });
            canvas.line(number, heights);
        }
        let mut text = String::new();
        for row in 0..rows {
            let label = match row {
                0 => labels[0].as_str(),
                row if row == rows / 2 && rows > 4 => &labels[1],
                row if row + 1 == rows => &labels[2],
                _ => "",
            };
            let edge = match (self.style.dots, label) {
                (true, "") => "│",
                (true, _) => "┤",
                (false, _) => "|",
            };
            let line = canvas.row(row, self.style.colour);
            text.push_str(format!("{label:>margin$} {edge}{line}").trim_end());
            text.push('\n');
        }
        text.push_str(&self.axis(margin, columns, &across));
        text.push_str(&steps(margin, columns, first, last));
        Some(text)
    }

    /// Where a value stands, if it has a height.
    fn height(&self, value: f64) -> Option<f64> {
        let height = if self.log { value.log10() } else { value };
        height.is_finite().then_some(height)
    }

    /// The least and the most of something that points have.
    fn range(&self, of: impl Fn((f64, f64)) -> Option<f64>) -> Option<(f64, f64)> {
        let all = self.lines.iter().flat_map(|line| line.iter().copied());
        let mut range = None;
        for value in all.filter_map(of) {
            let (low, high) = range.unwrap_or((value, value));
            range = Some((value.min(low), value.max(high)));
        }
        range
    }

    /// The lower axis, with a letter for each alert: the worst of its place.
    fn axis(&self, margin: usize, columns: usize, across: &Scale) -> String {
        let (corner, rule) = if self.style.dots {
            ('└', '─')
        } else {
            ('+', '-')
        };
        let mut worst: Vec<Option<Severity>> = vec![None; columns];
        for (step, severity) in &self.alerts {
            let at = (across.place(*step) * (columns - 1) as f64).round() as usize;
            if let Some(place) = worst.get_mut(at) {
                *place = (*place).max(Some(*severity));
            }
        }
        let mut text = format!("{:margin$} {corner}", "");
        for severity in worst {
            match severity {
                None => text.push(rule),
                Some(severity) => text.push_str(&self.letter(severity)),
            }
        }
        text.push('\n');
        text
    }

    /// What stands for an alert.
    fn letter(&self, severity: Severity) -> String {
        let (letter, code) = match severity {
            Severity::Critical => ('C', "31"),
            Severity::Warning => ('W', "33"),
            Severity::Info => ('I', "34"),
        };
        paint(&letter.to_string(), code, self.style.colour)
    }
}

/// The sign and the colour by which a line is known.
#[must_use]
pub fn legend(line: usize, style: Style) -> String {
    let sign = if style.dots {
        '━'
    } else {
        SIGNS[line % SIGNS.len()]
    };
    paint(
        &sign.to_string(),
        COLOURS[line % COLOURS.len()],
        style.colour,
    )
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The first step, the one in the middle if there is room, and the last.
fn steps(margin: usize, columns: usize, first: f64, last: f64) -> String {
    let [first, middle, last] =
        [first, ((first + last) / 2.0).round(), last].map(|it| it.to_string());
    let mut text = format!("{:margin$}  {first}", "");
    let half = columns / 2;
    if first.len() + middle.len() + last.len() + 8 < columns {
        let gap = (half - first.len()).saturating_sub(middle.len() / 2);
        text.push_str(&format!("{:gap$}{middle}", ""));
    }
    let used = text.len() - margin - 2;
    if last != first && used + last.len() < columns {
        let gap = columns - used - last.len();
        text.push_str(&format!("{:gap$}{last}", ""));
    }
    text.push('\n');
    text
}

/// A number in four digits or so.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", without_zeros(digits));
    }
    let digits = 3.0 - size.max(1e-4).log10().floor();
    without_zeros(&format!("{value:.*}", digits.max(0.0) as usize)).to_owned()
}

/// Without zeros that say nothing.
fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// From a range to the part of the way through it. What has no width is in the
/// middle.
pub(crate) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    pub(crate) fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    pub(crate) fn place(&self, value: f64) -> f64 {
        // Halved first: the distance between the largest numbers is none.
        let way = self.high / 2.0 - self.low / 2.0;
        if way > 0.0 {
            ((value / 2.0 - self.low / 2.0) / way).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }
}

impl Canvas {
    pub(crate) fn new(columns: usize, rows: usize, dots: bool) -> Self {
        Self {
            columns,
            rows,
            cells: vec![Cell::default(); columns * rows],
            dots,
        }
    }

    /// Draws a line through points between 0 and 1, upwards; a value without
    /// height is a mark. Where it goes back, it begins anew.
    pub(crate) fn line(
        &mut self,
        line: usize,
        points: impl Iterator<Item = (f64, Result<f64, f64>)>,
    ) {
        let (wide, tall) = if self.dots { (2, 4) } else { (1, 1) };
        let right = (self.columns * wide).saturating_sub(1) as f64;
        let bottom = (self.rows * tall).saturating_sub(1) as f64;
        let mut before: Option<(i64, i64)> = None;
        for (x, height) in points {
            let x = (x * right).round() as i64;
            let Ok(height) = height.map_err(|value| self.mark(line, x as usize / wide, value))
            else {
                before = None;
                continue;
            };
            let here = (x, ((1.0 - height) * bottom).round() as i64);
            let from = before.filter(|before| before.0 <= x).unwrap_or(here);
            self.stroke(line, from, here);
            before = Some(here);
        }
    }

    /// Every dot between two.
    fn stroke(&mut self, line: usize, from: (i64, i64), to: (i64, i64)) {
        let way = (to.0 - from.0).abs().max((to.1 - from.1).abs());
        for step in 0..=way {
            let part = |from: i64, to: i64| {
                let part = (to - from) as f64 * step as f64 / way.max(1) as f64;
                from + part.round() as i64
            };
            self.dot(
                line,
                part(from.0, to.0) as usize,
                part(from.1, to.1) as usize,
            );
        }
    }

    fn dot(&mut self, line: usize, x: usize, y: usize) {
        let (column, row, dot) = match self.dots {
            true => (x / 2, y / 4, DOTS[y % 4][x % 2]),
            false => (x, y, 1),
        };
        if let Some(cell) = self.cell(column, row) {
            cell.dots |= dot;
            cell.line = line;
        }
    }

    /// NaN and what lies beyond the top is a mark in the first row, what lies
    /// beyond the bottom in the last.
    fn mark(&mut self, line: usize, column: usize, value: f64) {
        let (up, down, nan) = if self.dots {
            ('↑', '↓', '×')
        } else {
            ('^', 'v', 'N')
        };
        let (row, sign) = match value {
            f64::INFINITY => (0, up),
            value if value.is_nan() => (0, nan),
            _ => (self.rows.saturating_sub(1), down),
        };
        if let Some(cell) = self.cell(column, row) {
            cell.mark = Some(sign);
            cell.line = line;
        }
    }

    fn cell(&mut self, column: usize, row: usize) -> Option<&mut Cell> {
        if column >= self.columns {
            return None;
        }
        self.cells.get_mut(row * self.columns + column)
    }

    /// A row of characters.
    pub(crate) fn row(&self, row: usize, colour: bool) -> String {
        let begin = row * self.columns;
        let cells = self
            .cells
            .get(begin..begin + self.columns)
            .unwrap_or_default();
        let sign = |cell: &Cell| match (cell.mark, cell.dots) {
            (Some(mark), _) => mark,
            (None, 0) => ' ',
            (None, _) if !self.dots => SIGNS[cell.line % SIGNS.len()],
            (None, dots) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
        };
        let mut text = String::new();
        for part in cells.chunk_by(|a, b| a.line == b.line && (sign(a) == ' ') == (sign(b) == ' '))
        {
            let signs: String = part.iter().map(sign).collect();
            let (line, blank) = part
                .first()
                .map_or((0, true), |cell| (cell.line, sign(cell) == ' '));
            text.push_str(&paint(
                &signs,
                COLOURS[line % COLOURS.len()],
                colour && !blank,
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests;
