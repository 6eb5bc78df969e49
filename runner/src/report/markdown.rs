//! A comment for a pull request, in the Markdown of GitHub and GitLab.

use std::fmt::Write as _;

use super::{Report, Run, WORST_FIRST, count};
use crate::alert::{Alert, Severity, spans};
use crate::deliver::text::{clean_line, cut_chars};
use crate::view::Counts;

/// The longest comment that GitHub takes, in UTF-16 code units.
const LIMIT: usize = 65_536;
/// Room kept for saying what was left out.
const RESERVE: usize = 512;
/// Runs that have a line.
const RUNS: usize = 50;
/// Recommendations.
const ADVICE: usize = 20;
/// Characters of a name or a title, and of a message.
const SHORT: usize = 200;
const LONG: usize = 1000;

/// The report as a comment.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = format!("## {}\n\n", heading(report));
    runs(report, &mut text);
    let mut worst_first: Vec<(&Run, &Alert)> = Vec::new();
    for severity in WORST_FIRST {
        for run in &report.runs {
            let alerts = run.firing().filter(|alert| alert.severity == severity);
            worst_first.extend(alerts.map(|alert| (run, alert)));
        }
    }
    let advice = advice(report, &worst_first);
    let notes = notes(report);
    let room = LIMIT.saturating_sub(units(&text) + units(&advice) + units(&notes) + RESERVE);
    table(report, &worst_first, room, &mut text);
    text.push_str(&advice);
    text.push_str(&notes);
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}

fn heading(report: &Report) -> String {
    let total = total(report);
    let runs = count(report.runs.len() as u64, "run", "runs");
    match total.critical + total.warning + total.info {
        0 => format!("runwatch: no alerts in {runs}"),
        alerts => format!("runwatch: {} in {runs}", count(alerts, "alert", "alerts")),
    }
}

fn total(report: &Report) -> Counts {
    let mut total = Counts::default();
    for run in &report.runs {
        total.critical += run.row.alerts.critical;
        total.warning += run.row.alerts.warning;
        total.info += run.row.alerts.info;
    }
    total
}

/// A line per run.
fn runs(report: &Report, text: &mut String) {
    for run in report.runs.iter().take(RUNS) {
        let row = &run.row;
        let _ = write!(
            text,
            "- **{}**: {}",
            inert(&run.name(), SHORT),
            count(row.rows, "record", "records")
        );
        if let (Some(first), Some(last)) = (row.first_step, row.last_step) {
            let _ = write!(text, ", steps {first} to {last}");
        }
        let counts = row.alerts;
        let alerts = [
            (counts.critical, "critical", "criticals"),
            (counts.warning, "warning", "warnings"),
            (counts.info, "info", "infos"),
        ];
        let parts = alerts.iter().filter(|(number, ..)| *number > 0);
        let parts: Vec<_> = parts
            .map(|(number, one, many)| count(*number, one, many))
            .collect();
        let alerts = match parts.is_empty() {
            true => "no alerts".to_owned(),
            false => parts.join(", "),
        };
        let _ = write!(text, ": {alerts}");
        if row.muted > 0 {
            let _ = write!(text, " ({} muted)", count(row.muted, "finding", "findings"));
        }
        text.push('\n');
    }
    if let Some(more) = report.runs.len().checked_sub(RUNS + 1) {
        let more = count(more as u64 + 1, "run", "runs");
        let _ = writeln!(text, "- … and {more} more");
    }
    text.push('\n');
}

/// The alerts that there is room for.
fn table(report: &Report, alerts: &[(&Run, &Alert)], room: usize, text: &mut String) {
    if alerts.is_empty() {
        return;
    }
    let several = report.runs.len() > 1;
    let head = match several {
        true => "| severity | run | step | detector | alert |\n|---|---|--:|---|---|\n",
        false => "| severity | step | detector | alert |\n|---|--:|---|---|\n",
    };
    text.push_str(head);
    let mut used = units(head);
    for (at, (run, alert)) in alerts.iter().enumerate() {
        let mut line = format!("| {} |", severity(alert.severity));
        if several {
            let _ = write!(line, " {} |", inert(&run.name(), SHORT));
        }
        let step = alert.step.map(|step| step.to_string()).unwrap_or_default();
        let detector = inert(&alert.detector, SHORT);
        let title = inert(&alert.title, SHORT);
        let _ = writeln!(line, " {step} | {detector} | {title} |");
        used += units(&line);
        if used > room {
            let left = count((alerts.len() - at) as u64, "alert", "alerts");
            let _ = writeln!(text, "\n{left} more: there is no room for them here.");
            break;
        }
        text.push_str(&line);
    }
    text.push('\n');
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "**critical**",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// What to do about what is critical.
fn advice(report: &Report, worst_first: &[(&Run, &Alert)]) -> String {
    let mut text = String::new();
    let critical = |it: &&(&Run, &Alert)| it.1.severity == Severity::Critical;
    let criticals = worst_first.iter().filter(critical);
    for (run, alert) in criticals.clone().take(ADVICE) {
        if text.is_empty() {
            text.push_str("### What to do\n\n");
        }
        let mut place = Vec::new();
        if report.runs.len() > 1 {
            place.push(inert(&run.name(), SHORT));
        }
        place.extend(alert.step.map(|step| format!("step {step}")));
        match &alert.ranks[..] {
            [] => {}
            [rank] => place.push(format!("rank {rank}")),
            ranks => place.push(format!("ranks {}", cut_chars(&spans(ranks), SHORT))),
        }
        if let Some(location) = &alert.location {
            place.push(format!(
                "{}:{}",
                inert(&location.input, SHORT),
                location.line
            ));
        }
        let place = match place.is_empty() {
            true => String::new(),
            false => format!(" ({})", place.join(", ")),
        };
        let _ = writeln!(
            text,
            "- **{}**{place}: {} *{}*",
            inert(&alert.title, SHORT),
            inert(&alert.message, LONG),
            inert(&alert.recommendation, LONG)
        );
    }
    if let Some(more) = criticals.count().checked_sub(ADVICE + 1) {
        let more = count(more as u64 + 1, "critical", "criticals");
        let _ = writeln!(text, "- … and {more} more");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What was not read, and what is not said.
fn notes(report: &Report) -> String {
    let mut text = String::new();
    let malformed: u64 = report.skipped.iter().map(|input| input.malformed).sum();
    if malformed > 0 {
        let lines = count(malformed, "malformed line", "malformed lines");
        let _ = writeln!(text, "Skipped: {lines}.\n");
    }
    for input in report.skipped.iter().take(RUNS) {
        if let Some(problem) = input.unread() {
            let name = inert(&input.input, SHORT);
            let _ = writeln!(
                text,
                "Not read to its end: {name}: {}.\n",
                inert(problem, SHORT)
            );
        }
    }
    if !report.left_out.is_empty() {
        let _ = writeln!(
            text,
            "Left out of the report: {}.\n",
            report.left_out.join(", ")
        );
    }
    text
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// At most `limit` characters of a text, on one line, in which nothing is
/// markup, a link, or the name of a person or an issue.
///
/// A backslash keeps punctuation from being markup, but for what is markup only
/// at the beginning of a line, where this never stands. Mentions and links are
/// found in what is left after that, so what begins one is followed by a space
/// of no width.
fn inert(text: &str, limit: usize) -> String {
    let text = clean_line(text);
    let text = cut_chars(text.trim(), limit);
    let mut inert = String::with_capacity(text.len() * 2);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '<' => inert.push_str("&lt;"),
            '>' => inert.push_str("&gt;"),
            '&' => inert.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '|' | '~' | '#' | '!' | '@' | '$'
            | '^' => {
                inert.push('\\');
                inert.push(c);
            }
            c => inert.push(c),
        }
        let begins_reference = matches!(c, '@' | '#' | '!' | '$' | '~' | '&' | '%')
            && rest.peek().is_some_and(|next| next.is_alphanumeric());
        let begins_link = c == ':' && rest.peek() == Some(&'/');
        let in_link = c == '.' && rest.peek().is_some_and(|next| next.is_alphanumeric());
        let in_link = in_link && ends_with(&inert, "www.");
        let is_issue = c == '-' && ends_with(&inert, "gh-");
        if begins_reference || begins_link || in_link || is_issue {
            inert.push('\u{200b}');
        }
    }
    inert
}

/// Whether a text ends in this, in letters of any case.
fn ends_with(text: &str, end: &str) -> bool {
    let from = text.len().saturating_sub(end.len());
    text.get(from..)
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::super::Collector;
    use super::super::testing::{alert, hostile, report, segment};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_markup() {
        for (text, expected) in [
            ("loss is NaN", "loss is NaN"),
            ("`a` | b", "\\`a\\` \\| b"),
            ("<b>&amp;", "&lt;b&gt;&amp;\u{200b}amp;"),
            ("@team see #12", "\\@\u{200b}team see \\#\u{200b}12"),
            ("a@b", "a\\@\u{200b}b"),
            ("https://a.b", "https:\u{200b}//a.b"),
            ("www.a.b", "www.\u{200b}a.b"),
            ("GH-7", "GH-\u{200b}7"),
            ("[a](b) ![c](d)", "\\[a\\](b) \\!\\[c\\](d)"),
            ("two\nlines", "two\\\\nlines"),
            ("50% of $x", "50% of \\$\u{200b}x"),
        ] {
            assert_eq!(inert(text, SHORT), expected);
        }
        assert_eq!(inert("abcdef", 4), "abc…");
    }

    #[test]
    fn a_comment_fits_and_says_what_does_not() {
        let mut collector = Collector::default();
        collector.segment(&segment("run", 1));
        let long = "|".repeat(300);
        for severity in [Severity::Warning, Severity::Critical] {
            for _ in 0..1000 {
                collector.alerts(&[Alert {
                    run: "run".to_owned(),
                    severity,
                    ..alert(&long)
                }]);
            }
        }
        let text = markdown(&collector.finish(Vec::new(), 0));
        assert!(units(&text) <= LIMIT, "{}", units(&text));
        assert!(text.starts_with("## runwatch: 2000 alerts in 1 run\n"));
        let shown = text.matches("| **critical** |").count();
        assert!(shown > 20);
        let left = format!("\n{} alerts more: there is no room", 2000 - shown);
        assert!(text.contains(&left), "{left}");
        assert!(text.contains("- … and 980 criticals more\n"));
        assert!(!text.contains("| warning |"));
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_line(text in hostile()) {
            let lines = |text: &str| {
                let text = markdown(&report(text));
                let bars = |line: &str| line.replace("\\|", "").matches('|').count();
                text.lines().map(|line| (line.chars().next(), bars(line))).collect::<Vec<_>>()
            };
            prop_assert_eq!(lines(&text), lines("x"));
            let comment = markdown(&report(&text));
            prop_assert!(!comment.contains('<'));
            prop_assert!(!comment.contains("@u") && !comment.contains("#1") && !comment.contains("://"));
        }
    }
}
