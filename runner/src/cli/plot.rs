//! `runwatch plot`: the history as charts in the terminal.

use std::io::IsTerminal;
use std::num::NonZeroU64;

use anyhow::anyhow;
use clap::Args as ClapArgs;

use super::Outcome;
use super::delivery::Looked;
use super::output::{grouped, print};
use super::scope;
use crate::alert::Severity;
use crate::chart::{Chart, Style, legend};
use crate::deliver::print::console::colour_wanted;
use crate::deliver::text::clean_line;
use crate::exit::{Ending, Failure};
use crate::ledger::history::{Point, Span, Window};
use crate::ledger::{Ledger, Search};
use crate::suggest::did_you_mean;

/// Alerts that are marked, at most; the newest.
const ALERTS: usize = 10_000;

/// Draw metrics of runs in the terminal, with their alerts on the axis
///
/// Every value is drawn, so that no spike is lost: NaN is ×, an infinity ↑ or
/// ↓. Letters on the axis are alerts: C critical, W warning, I info. Without
/// --run it draws the run that was seen last.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Metrics as they were printed, or by their canonical names
    #[arg(required = true, value_name = "METRIC")]
    metrics: Vec<String>,
    /// Of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// This run; several in one chart if it is given several times
    #[arg(long, value_name = "NAME")]
    run: Vec<String>,
    /// Only around this step
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    around: Option<i64>,
    /// How many steps before and after
    #[arg(long, value_name = "STEPS", default_value = "100", requires = "around")]
    window: u64,
    /// Only the last values
    #[arg(long, value_name = "NUMBER")]
    last: Option<NonZeroU64>,
    /// Columns of text; by default as wide as the terminal
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
    /// Lines of a chart, without its axis
    #[arg(long, value_name = "LINES", default_value = "15")]
    height: usize,
    /// A logarithmic axis; what is not above zero is ↓
    #[arg(long)]
    log: bool,
    /// Plain characters and no colour
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    looked: Looked,
}

/// The widest chart.
const WIDEST: usize = 1000;

/// A line of a chart.
struct Line<'a> {
    run: &'a Span,
    points: Vec<(f64, f64)>,
    nonfinite: usize,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let runs = runs(args, &ledger)?;
    let mut text = String::new();
    for metric in &args.metrics {
        let lines = lines(args, &ledger, &runs, metric)?;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&drawn(args, &ledger, metric, &lines)?);
    }
    print(&text);
    Ok(Ending::Fine)
}

fn usage(what: impl std::fmt::Display) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{what}"))
}

/// The runs that are asked for, else the one that was seen last.
fn runs(args: &Args, ledger: &Ledger) -> Result<Vec<Span>, Failure> {
    let mut runs = scope::histories(ledger, args.project.as_deref(), &args.run)?;
    if args.run.is_empty() {
        runs.drain(..runs.len().saturating_sub(1));
    }
    Ok(runs)
}

fn lines<'a>(
    args: &Args,
    ledger: &Ledger,
    runs: &'a [Span],
    metric: &str,
) -> Result<Vec<Line<'a>>, Failure> {
    let window = args
        .around
        .map_or_else(Window::default, |step| Window::around(step, args.window));
    let mut lines = Vec::new();
    for run in runs {
        let points = ledger
            .points(&run.project, &run.run, metric, &window)
            .map_err(usage)?;
        if let Some(points) = points {
            lines.push(line(args, run, &points));
        }
    }
    if lines.is_empty() {
        return Err(missing(ledger, runs, metric)?);
    }
    Ok(lines)
}

fn line<'a>(args: &Args, run: &'a Span, points: &[Point]) -> Line<'a> {
    let many = args.last.map_or(usize::MAX, |last| {
        usize::try_from(last.get()).unwrap_or(usize::MAX)
    });
    let points = points
        .get(points.len().saturating_sub(many)..)
        .unwrap_or_default();
    Line {
        run,
        points: points.iter().map(|it| (it.step as f64, it.value)).collect(),
        nonfinite: points.iter().filter(|it| !it.value.is_finite()).count(),
    }
}

fn missing(ledger: &Ledger, runs: &[Span], metric: &str) -> Result<Failure, Failure> {
    let mut known = Vec::new();
    for run in runs {
        let metrics = ledger.metrics(&run.project, &run.run).map_err(usage)?;
        known.extend(metrics.into_iter().map(|metric| metric.source));
    }
    known.dedup();
    let hint = did_you_mean(metric, known.iter().map(String::as_str)).unwrap_or_else(|| {
        let some: Vec<&str> = known.iter().map(String::as_str).take(12).collect();
        format!("there are {}", some.join(", "))
    });
    let names: Vec<&str> = runs.iter().map(|run| run.run.as_str()).collect();
    let error = format!("`{}` has no metric `{metric}`", names.join("`, `"));
    Ok(usage(error).hint(&hint))
}

/// A chart with a line above it that says what is in it.
fn drawn(
    args: &Args,
    ledger: &Ledger,
    metric: &str,
    lines: &[Line<'_>],
) -> Result<String, Failure> {
    let style = style(args, lines.len());
    let width = args.width.unwrap_or_else(textwrap::termwidth);
    let chart = Chart {
        lines: lines.iter().map(|line| line.points.as_slice()).collect(),
        alerts: alerts(ledger, lines)?,
        size: (width.min(WIDEST), args.height),
        log: args.log,
        style,
    };
    let mut text = format!(
        "{}{}\n",
        clean_line(metric),
        if args.log { " (log)" } else { "" }
    );
    for (number, line) in lines.iter().enumerate() {
        let values = grouped(line.points.len() as u64);
        let name = format!("{}/{}", line.run.project, line.run.run);
        let sign = match lines.len() {
            1 => String::new(),
            _ => format!("{} ", legend(number, style)),
        };
        text.push_str(&format!("{sign}{} · {values} values", clean_line(&name)));
        if line.nonfinite > 0 {
            let many = grouped(line.nonfinite as u64);
            text.push_str(&format!(", {many} of them not finite"));
        }
        text.push('\n');
    }
    if style.dots {
        text.push_str(&chart.text().unwrap_or_else(nothing));
    } else {
        text = text.replace('·', "-") + &chart.text().unwrap_or_else(nothing);
    }
    Ok(text)
}

fn nothing() -> String {
    "no values to draw\n".to_owned()
}

/// The alerts of these runs within the steps that are drawn.
fn alerts(ledger: &Ledger, lines: &[Line<'_>]) -> Result<Vec<(f64, Severity)>, Failure> {
    let steps = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|it| it.0));
    let (low, high) = steps.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), step| {
        (low.min(step), high.max(step))
    });
    let mut alerts = Vec::new();
    for Line { run, .. } in lines {
        let search = Search {
            project: Some(&run.project),
            run: Some(&run.run),
            firing: Some(true),
            ..Search::default()
        };
        let found = ledger.search(&search, ALERTS).map_err(usage)?;
        alerts.extend(found.iter().filter_map(|it| {
            let step = it.alert.step? as f64;
            (low..=high)
                .contains(&step)
                .then_some((step, it.alert.severity))
        }));
    }
    Ok(alerts)
}

/// Dots and colours where the terminal has them. Lines of dots are told apart
/// by their colours only.
fn style(args: &Args, lines: usize) -> Style {
    let variable = |name: &str| std::env::var_os(name);
    let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
    let colour = !args.plain
        && std::io::stdout().is_terminal()
        && colour_wanted(no_color.as_deref(), term.as_deref());
    let dots = !args.plain && has_braille(&|name| std::env::var(name).ok());
    Style {
        dots: dots && (colour || lines == 1),
        colour,
    }
}

/// Whether a terminal shows braille: not where another encoding than UTF-8 is
/// set, nor on a console whose font lacks it.
fn has_braille(variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
    let utf8 = locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    let term = variable("TERM").unwrap_or_default();
    utf8 && term != "linux" && term != "dumb"
}
