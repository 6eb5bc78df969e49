//! Alerts for people, on stderr: as panels, or one line each.
//!
//! Everything that may come from a log is escaped before it is shown.

use std::ffi::OsStr;
use std::io::Write;

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

use crate::alert::{Alert, Recent, Severity, State, spans};
use crate::chart::{Canvas, Scale, number};
use crate::deliver::print::escape::{Newlines, escape};
use crate::deliver::print::{PrintError, Printer};

/// The width where the terminal's is unknown, and the most that reads well.
const MAX_WIDTH: usize = 100;
/// Narrower panels are not worth drawing; the terminal wraps them.
const MIN_WIDTH: usize = 40;

/// Lines of the chart in a panel.
const ROWS: usize = 3;
/// Fewer values are no course.
const LEAST_VALUES: usize = 8;
/// Columns for a metric's name beside its chart.
const NAME: usize = 16;

/// How an alert looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A box of several lines.
    Panel,
    /// One line, for logs and `grep`.
    Plain,
}

/// Shows alerts on a terminal.
#[derive(Debug)]
pub struct Console<W> {
    to: W,
    form: Form,
    colour: bool,
    /// None: ask the terminal each time, since it can be resized.
    width: Option<usize>,
}

impl<W: Write + Send> Console<W> {
    /// A console on any writer. Without a width the terminal is asked each
    /// time, since it can be resized.
    pub fn new(to: W, form: Form, colour: bool, width: Option<usize>) -> Self {
        Self {
            to,
            form,
            colour,
            width,
        }
    }
}

/// Whether a terminal's user wants colours, by `NO_COLOR` and `TERM`.
#[must_use]
pub fn colour_wanted(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && term != Some(OsStr::new("dumb"))
}

impl<W: Write + Send> Printer for Console<W> {
    fn name(&self) -> &str {
        "console"
    }

    fn print(&mut self, alert: &Alert) -> Result<(), PrintError> {
        let text = match self.form {
            Form::Panel => panel(
                alert,
                self.colour,
                self.width.unwrap_or_else(textwrap::termwidth),
            ),
            Form::Plain => plain(alert, self.colour),
        };
        // In one piece, so that the job's own output does not cut it in two.
        let written = self.to.write_all(text.as_bytes());
        written.map_err(|error| PrintError::from_io(|| "write to the console".to_owned(), error))
    }

    fn flush(&mut self) -> Result<(), PrintError> {
        let flushed = self.to.flush();
        flushed.map_err(|error| PrintError::from_io(|| "write to the console".to_owned(), error))
    }
}

/// The word that stands for the alert as a whole, and its colour.
fn label(alert: &Alert) -> (&'static str, &'static str) {
    match (alert.state, alert.severity) {
        (State::Resolved, _) => ("RESOLVED", "32"),
        (State::Firing, Severity::Critical) => ("CRITICAL", "31"),
        (State::Firing, Severity::Warning) => ("WARNING", "33"),
        (State::Firing, Severity::Info) => ("INFO", "34"),
    }
}

/// The ranks that the alert is about, if the log names them.
fn ranks(alert: &Alert) -> Option<String> {
    (!alert.ranks.is_empty()).then(|| spans(&alert.ranks))
}

/// The alert as one line.
fn plain(alert: &Alert, colour: bool) -> String {
    let (word, code) = label(alert);
    let mut line = escape(
        &format!("{} run={}/{}", alert.detector, alert.project, alert.run),
        Newlines::Escape,
    )
    .into_owned();
    if let Some(step) = alert.step {
        line.push_str(&format!(" step={step}"));
    }
    if let Some(rank) = ranks(alert) {
        line.push_str(&format!(" rank={}", rank.replace(' ', "")));
    }
    // Many messages begin with what the title says.
    let text = if alert.message.is_empty() {
        alert.title.clone()
    } else if alert.message.starts_with(&alert.title) {
        alert.message.clone()
    } else {
        format!("{}: {}", alert.title, alert.message)
    };
    let text = format!("{text} | do: {}", alert.recommendation);
    let text = escape(&text, Newlines::Escape);
    if colour {
        format!("\x1b[1;{code}m{word}\x1b[0m {line} {text}\n")
    } else {
        format!("{word} {line} {text}\n")
    }
}

/// The alert as a box.
fn panel(alert: &Alert, colour: bool, width: usize) -> String {
    let width = width.clamp(MIN_WIDTH, MAX_WIDTH);
    let (word, code) = label(alert);
    let (paint, bold, plain, reset) = if colour {
        (format!("\x1b[{code}m"), "\x1b[1m", "\x1b[22m", "\x1b[0m")
    } else {
        (String::new(), "", "", "")
    };

    let heading = fit(&heading(alert), width - 6 - word.len());
    let rule = "─".repeat(width - 5 - word.len() - display_width(&heading));
    let mut text = format!("{paint}╭─ {bold}{word}{plain}{heading} {rule}╮{reset}\n");

    let inner = width - 4;
    let mut line = |content: &str, on: &str, off: &str| {
        let space = " ".repeat(inner.saturating_sub(display_width(content)));
        text.push_str(&format!(
            "{paint}│{reset} {on}{content}{off}{space} {paint}│{reset}\n"
        ));
    };
    for content in wrap(&alert.title, "", inner) {
        line(&content, bold, plain);
    }
    if alert.message != alert.title {
        for content in wrap(&alert.message, "", inner) {
            line(&content, "", "");
        }
    }
    for content in alert
        .recent
        .iter()
        .flat_map(|it| course(it, alert.step, inner))
    {
        line(&content, "", "");
    }
    for content in wrap(&alert.recommendation, "→ ", inner) {
        line(&content, "", "");
    }

    let footing = fit(&footing(alert), width - 6);
    let rule = "─".repeat(width - 5 - display_width(&footing));
    text.push_str(&format!("{paint}╰─ {footing} {rule}╯{reset}\n"));
    text
}

/// Which run, and where in it.
fn heading(alert: &Alert) -> String {
    let mut heading = format!(" · {}/{}", alert.project, alert.run);
    if let Some(step) = alert.step {
        heading.push_str(&format!(" · step {step}"));
    }
    if let Some(ranks) = ranks(alert) {
        let noun = if alert.ranks.len() > 1 {
            "ranks"
        } else {
            "rank"
        };
        heading.push_str(&format!(" · {noun} {ranks}"));
    }
    heading
}

/// Who says so, from which line, when.
fn footing(alert: &Alert) -> String {
    let mut footing = alert.detector.clone();
    if let Some(location) = &alert.location {
        footing.push_str(&format!(" · {}:{}", location.input, location.line));
    }
    if let Some(time) = &alert.time {
        footing.push_str(&format!(" · {time}"));
    }
    footing
}

/// How the metric came there, as a small chart; nothing if there is nothing to
/// see.
fn course(recent: &Recent, step: Option<i64>, width: usize) -> Vec<String> {
    let values = &recent.values;
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    if values.len() < LEAST_VALUES || low >= high {
        return Vec::new();
    }
    let (top, bottom) = (number(high), number(low));
    let margin = top.len().max(bottom.len());
    let mut right = [fit(&recent.metric, NAME), String::new(), String::new()];
    right[ROWS - 1] = step.map_or_else(String::new, |step| format!("step {step}"));
    let beside = right
        .iter()
        .map(|text| display_width(text))
        .max()
        .unwrap_or(0);
    let room = width.saturating_sub(margin + 3 + beside);
    let columns = room.min(values.len());
    let mut canvas = Canvas::new(columns, ROWS, true);
    let (across, up) = (
        Scale::new(0.0, (values.len() - 1) as f64),
        Scale::new(low, high),
    );
    let height = |value: f64| value.is_finite().then(|| up.place(value)).ok_or(value);
    let points = values.iter().enumerate();
    canvas.line(
        0,
        points.map(|(at, value)| (across.place(at as f64), height(*value))),
    );
    let rows = right.iter().enumerate().map(|(row, right)| {
        let label = match row {
            0 => &top,
            row if row + 1 == ROWS => &bottom,
            _ => "",
        };
        let edge = if label.is_empty() { '│' } else { '┤' };
        format!("{label:>margin$} {edge}{} {right}", canvas.row(row, false))
    });
    rows.collect()
}

/// Escapes a text and cuts it to the width.
fn fit(text: &str, width: usize) -> String {
    let text = escape(text, Newlines::Escape);
    if display_width(&text) <= width {
        return text.into_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if display_width(&cut) > width - 1 {
            cut.pop();
            break;
        }
    }
    cut.push('…');
    cut
}

/// Escapes a text and breaks it into lines, at spaces only: paths and flags
/// stay whole as long as they fit.
fn wrap(text: &str, first: &str, width: usize) -> Vec<String> {
    let rest = " ".repeat(display_width(first));
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(&rest)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    let text = escape(text.trim_end(), Newlines::Keep);
    textwrap::wrap(&text, options)
        .into_iter()
        .map(String::from)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::deliver::sample;

    fn shown(alert: &Alert, form: Form, colour: bool, width: usize) -> String {
        let mut bytes = Vec::new();
        Console::new(&mut bytes, form, colour, Some(width))
            .print(alert)
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn assert_square(panel: &str, width: usize) {
        for line in panel.lines() {
            assert_eq!(display_width(line), width, "{panel}");
        }
    }

    #[test]
    fn panel_without_colour() {
        let panel = shown(&sample(), Form::Panel, false, 60);
        let expected = "\
╭─ CRITICAL · default/train · step 2404 · rank 3 ──────────╮
│ loss is NaN                                              │
│ loss was 2.31 at step 2403 and is NaN at step 2404.      │
│ → Stop the run, go back to the last good checkpoint, and │
│   lower the learning rate.                               │
╰─ non-finite · train.log:17 · 2023-11-14T22:13:20Z ───────╯
";
        assert_eq!(panel, expected);
        assert_square(&panel, 60);
    }

    fn with_course(values: Vec<f64>) -> Alert {
        let metric = "loss".to_owned();
        Alert {
            recent: Some(Recent { metric, values }),
            ..sample()
        }
    }

    #[test]
    fn panel_with_the_course_of_its_metric() {
        let mut values: Vec<f64> = (0..38).map(|it| 2.5 - 0.01 * f64::from(it)).collect();
        values.extend([30.25, f64::NAN]);
        let panel = shown(&with_course(values.clone()), Form::Panel, false, 60);
        let expected = "\
╭─ CRITICAL · default/train · step 2404 · rank 3 ──────────╮
│ loss is NaN                                              │
│ loss was 2.31 at step 2403 and is NaN at step 2404.      │
│ 30.25 ┤                                     ⡸× loss      │
│       │                                     ⡇            │
│  2.13 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣰⠁  step 2404 │
│ → Stop the run, go back to the last good checkpoint, and │
│   lower the learning rate.                               │
╰─ non-finite · train.log:17 · 2023-11-14T22:13:20Z ───────╯
";
        assert_eq!(panel, expected);
        // It makes room for itself in the narrowest, and stays out of a line.
        for width in [40, 47, 100] {
            assert_square(
                &shown(&with_course(values.clone()), Form::Panel, false, width),
                width,
            );
        }
        assert_eq!(
            shown(&with_course(values), Form::Plain, false, 40),
            shown(&sample(), Form::Plain, false, 40)
        );
    }

    #[test]
    fn no_course_without_something_to_see() {
        let without = shown(&sample(), Form::Panel, false, 60);
        for values in [vec![1.0; 40], vec![1.0, 2.0, 3.0], vec![f64::NAN; 40]] {
            assert_eq!(shown(&with_course(values), Form::Panel, false, 60), without);
        }
    }

    #[test]
    fn panel_with_colour() {
        let alert = Alert {
            rank: None,
            ranks: Vec::new(),
            time: None,
            location: None,
            recommendation: "Stop the run.".to_owned(),
            message: "loss is NaN".to_owned(),
            ..sample()
        };
        let expected = "\
\x1b[31m╭─ \x1b[1mCRITICAL\x1b[22m · default/train · step 2404 ───╮\x1b[0m
\x1b[31m│\x1b[0m \x1b[1mloss is NaN\x1b[22m                              \x1b[31m│\x1b[0m
\x1b[31m│\x1b[0m → Stop the run.                          \x1b[31m│\x1b[0m
\x1b[31m╰─ non-finite ─────────────────────────────╯\x1b[0m
";
        assert_eq!(shown(&alert, Form::Panel, true, 44), expected);
    }

    #[test]
    fn severities_have_colours_of_their_own() {
        let colours = [
            (Severity::Critical, State::Firing, "31", "CRITICAL"),
            (Severity::Warning, State::Firing, "33", "WARNING"),
            (Severity::Info, State::Firing, "34", "INFO"),
            (Severity::Critical, State::Resolved, "32", "RESOLVED"),
        ];
        for (severity, state, code, word) in colours {
            let alert = Alert {
                severity,
                state,
                ..sample()
            };
            let panel = shown(&alert, Form::Panel, true, 80);
            assert!(panel.starts_with(&format!("\x1b[{code}m╭─ \x1b[1m{word}\x1b[22m ")));
            let line = shown(&alert, Form::Plain, true, 80);
            assert!(line.starts_with(&format!("\x1b[1;{code}m{word}\x1b[0m non-finite ")));
        }
    }

    #[test]
    fn plain_is_one_line() {
        let expected = "CRITICAL non-finite run=default/train step=2404 rank=3 loss is NaN: loss \
                        was 2.31 at step 2403 and is NaN at step 2404. | do: Stop the run, go \
                        back to the last good checkpoint, and lower the learning rate.\n";
        assert_eq!(shown(&sample(), Form::Plain, false, 40), expected);
    }

    #[test]
    fn plain_does_not_say_things_twice() {
        let alert = Alert {
            step: None,
            rank: None,
            ranks: Vec::new(),
            state: State::Resolved,
            message: "loss is NaN no more".to_owned(),
            recommendation: "No action needed.".to_owned(),
            ..sample()
        };
        let expected = "RESOLVED non-finite run=default/train loss is NaN no more | do: No \
                        action needed.\n";
        assert_eq!(shown(&alert, Form::Plain, false, 40), expected);
    }

    #[test]
    fn a_log_cannot_drive_the_terminal() {
        let evil = "a\x1b]0;title\x07\x1b[2J\rb\u{9b}31m\u{202e}";
        let alert = Alert {
            project: evil.to_owned(),
            run: evil.to_owned(),
            detector: evil.to_owned(),
            title: format!("{evil}\n{evil}"),
            message: format!("{evil}\n\n{evil}"),
            recommendation: format!("{evil}\n{evil}"),
            location: Some(crate::alert::Location {
                input: evil.to_owned(),
                line: 1,
            }),
            ..sample()
        };
        for (form, lines) in [(Form::Panel, 8..20), (Form::Plain, 1..2)] {
            let text = shown(&alert, form, false, 100);
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n'),
                "{text:?}"
            );
            assert!(!text.contains('\u{202e}'));
            assert!(text.contains("a\\x1b]0;title\\x07\\x1b[2J\\rb\\u{9b}31m\\u{202e}"));
            assert!(lines.contains(&text.lines().count()), "{text}");
        }
        assert_square(&shown(&alert, Form::Panel, false, 100), 100);
    }

    #[test]
    fn panels_stay_square() {
        let long = "損失が発散しました ".repeat(20) + &"x".repeat(300) + " 🔥 --a-long-flag=value";
        let alert = Alert {
            run: "a-rather-long-name-of-a-run".repeat(9),
            detector: "検出".repeat(40),
            title: long.clone(),
            message: format!("{long}\nsecond line\n\n  indented"),
            recommendation: long,
            ..sample()
        };
        for width in [0, 40, 41, 80, 100, 500] {
            let panel = shown(&alert, Form::Panel, false, width);
            assert_square(&panel, width.clamp(MIN_WIDTH, MAX_WIDTH));
        }
    }

    #[test]
    fn colour_is_a_matter_of_taste() {
        let wanted = |no_color: Option<&str>, term: Option<&str>| {
            colour_wanted(no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(wanted(None, None));
        assert!(wanted(None, Some("xterm")));
        assert!(wanted(Some(""), Some("xterm")));
        assert!(!wanted(Some("1"), Some("xterm")));
        assert!(!wanted(None, Some("dumb")));
    }
}
