//! Compares what detectors find in real runs with what people labelled.
//!
//! An incident counts as found when a detector of its family fires a warning or
//! worse between its first fair sign (or 3 rows before its onset) and its end.
//! Healthy is a run without an incident; its labelled one-step data spikes are
//! left out. Rates are per 10 000 rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runwatch_detector::Severity;
use runwatch_detector::state::Begin;
use runwatch_detector::testing::Row;

/// What a detector raised at a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alert {
    pub(crate) row: usize,
    pub(crate) severity: Severity,
}

/// A detector by name, and how to run it over rows.
pub(crate) type Player = (&'static str, fn(&[Row]) -> Vec<Alert>);

struct Label {
    id: String,
    kind: String,
    onset: i64,
    fair: Option<i64>,
    end: i64,
}

/// How many rows before the onset an alert still counts.
const EARLY_ROWS: usize = 3;
/// How many rows after a data spike belong to it.
const SPIKE_ROWS: usize = 2;

pub(crate) fn score(labels: &str, folder: &str, players: &[Player]) -> Result<(), String> {
    let labels: Vec<Label> = crate::text(labels)?.lines().filter_map(label).collect();
    let mut healthy = Healthy::default();
    let mut latencies = Vec::new();
    let mut missed = 0;
    for file in &files(folder)? {
        let id = stem(file);
        let run = crate::read(&file.to_string_lossy())?;
        let labels: Vec<&Label> = labels.iter().filter(|label| label.id == id).collect();
        let found: Vec<(&str, Vec<Alert>)> = players
            .iter()
            .map(|(name, play)| (*name, play(&run)))
            .collect();
        for label in labels.iter().filter(|label| is_incident(label)) {
            let (family, latency) = find(label, &run, &found);
            if family.is_empty() {
                continue;
            }
            match latency {
                Some((name, rows)) => {
                    latencies.push(rows);
                    println!("{id} {}: {name} after {rows} rows", label.kind);
                }
                None => {
                    missed += 1;
                    println!("{id} {}: MISSED", label.kind);
                }
            }
        }
        for label in labels.iter().filter(|label| label.kind == "trap") {
            traps(label, &labels, &run, &found);
        }
        if !labels.iter().any(|label| is_incident(label)) {
            healthy.count(&id, &labels, &run, &found);
        }
    }
    latencies.sort_unstable();
    let median = latencies.get(latencies.len() / 2);
    println!(
        "incidents: {} found, {missed} missed, median latency {median:?} rows",
        latencies.len()
    );
    healthy.print();
    Ok(())
}

fn files(folder: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    Ok(files)
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The value of a key of a flat JSON object in one line.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{key}\": "))?;
    if let Some(text) = rest.strip_prefix('"') {
        return text.split('"').next();
    }
    rest.split([',', '}']).next()
}

fn label(line: &str) -> Option<Label> {
    let step = |key| {
        field(line, key)?
            .parse::<f64>()
            .ok()
            .map(|step| step as i64)
    };
    Some(Label {
        id: field(line, "id")?.to_owned(),
        kind: field(line, "type")?.to_owned(),
        onset: step("onset_step")?,
        fair: step("earliest_fair_step"),
        end: step("end_step").unwrap_or(i64::MAX),
    })
}

fn is_incident(label: &Label) -> bool {
    !matches!(label.kind.as_str(), "data_spike" | "trap")
}

/// The detectors that may find a kind of incident.
fn family(kind: &str) -> &'static [&'static str] {
    match kind {
        "loss_spike" | "divergence" => &["loss-spike", "divergence"],
        "grad_explosion" => &["grad-norm"],
        "nan" => &["non-finite"],
        "overfitting" => &["overfit"],
        "entropy_collapse" => &["entropy-collapse"],
        _ => &[],
    }
}

type Family = &'static [&'static str];

fn find(
    label: &Label,
    run: &[Row],
    found: &[(&'static str, Vec<Alert>)],
) -> (Family, Option<(&'static str, i64)>) {
    let family = family(&label.kind);
    let row = |step: i64| run.partition_point(|row| row.step < step);
    let onset = row(label.onset);
    let from = label.fair.map_or(onset.saturating_sub(EARLY_ROWS), row);
    let until = row(label.end.saturating_add(1));
    let hits = found.iter().filter(|(name, _)| family.contains(name));
    let hits = hits.flat_map(|(name, alerts)| alerts.iter().map(move |alert| (*name, alert)));
    let hits = hits.filter(|(_, alert)| {
        alert.severity >= Severity::Warning && (from..until).contains(&alert.row)
    });
    let first = hits.min_by_key(|(_, alert)| alert.row);
    let latency = first.map(|(name, alert)| (name, alert.row as i64 - onset as i64));
    (family, latency)
}

fn traps(trap: &Label, labels: &[&Label], run: &[Row], found: &[(&str, Vec<Alert>)]) {
    let within = |label: &Label, step: i64| (label.onset..=label.end).contains(&step);
    for (name, alerts) in found {
        for alert in alerts {
            let step = run[alert.row].step;
            let is_real = labels.iter().any(|it| is_incident(it) && within(it, step));
            if within(trap, step) && !is_real && alert.severity >= Severity::Warning {
                let severity = alert.severity.name();
                println!("{} TRAP: {name} {severity} at {step}", trap.id);
            }
        }
    }
}

#[derive(Default)]
struct Healthy {
    runs: usize,
    rows: usize,
    /// By detector and severity.
    alerts: BTreeMap<(String, Severity), usize>,
}

impl Healthy {
    fn count(
        &mut self,
        id: &str,
        labels: &[&Label],
        run: &[Row],
        found: &[(&'static str, Vec<Alert>)],
    ) {
        self.runs += 1;
        self.rows += run.len();
        let is_data_spike = |at: usize| {
            labels.iter().any(|label| {
                let onset = run.partition_point(|row| row.step < label.onset);
                label.kind == "data_spike" && (onset..=onset + SPIKE_ROWS).contains(&at)
            })
        };
        for (name, alerts) in found {
            for alert in alerts.iter().filter(|alert| !is_data_spike(alert.row)) {
                let severity = alert.severity;
                println!(
                    "{id} healthy: {name} {} at {}",
                    severity.name(),
                    run[alert.row].step
                );
                *self
                    .alerts
                    .entry(((*name).to_owned(), severity))
                    .or_default() += 1;
            }
        }
    }

    fn print(&self) {
        println!("healthy: {} runs, {} rows", self.runs, self.rows);
        for ((name, severity), count) in &self.alerts {
            let rate = *count as f64 * 1e4 / self.rows as f64;
            println!(
                "  {name} {}: {count} = {rate:.2} per 10 000",
                severity.name()
            );
        }
    }
}

/// The healthy runs of a folder, by name.
pub(crate) fn healthy(labels: &str, folder: &str) -> Result<Vec<(String, Vec<Row>)>, String> {
    let labels: Vec<Label> = crate::text(labels)?.lines().filter_map(label).collect();
    let is_ill = |id: &str| labels.iter().any(|it| it.id == id && is_incident(it));
    let files = files(folder)?.into_iter();
    let files = files.filter(|file| !is_ill(&stem(file)));
    let read = |file: PathBuf| Ok((stem(&file), crate::read(&file.to_string_lossy())?));
    files.map(read).collect()
}

/// The losses of labelled excerpts from their onset on, as ratios to the one
/// before it.
pub(crate) fn excerpts(labels: &str, folder: &str) -> Result<Vec<(String, Vec<f64>)>, String> {
    let labels = crate::text(labels)?;
    let excerpts = labels
        .lines()
        .filter(|line| line.contains("\"excerpt\": true"));
    let labels = excerpts.filter_map(label);
    let labels = labels.filter(|label| family(&label.kind).contains(&"loss-spike"));
    let mut shapes = Vec::new();
    for label in labels {
        let run = crate::read(&format!("{folder}/{}.csv", label.id))?;
        let onset = run.partition_point(|row| row.step < label.onset);
        let until = run.partition_point(|row| row.step <= label.end);
        let losses = run
            .iter()
            .filter_map(|row| row.metrics.iter().find(|it| it.0 == "loss"));
        let losses: Vec<f64> = losses.map(|it| it.1).collect();
        let before = losses
            .get(onset.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN);
        let ratios = losses.get(onset..until).unwrap_or_default();
        shapes.push((label.id, ratios.iter().map(|loss| loss / before).collect()));
    }
    Ok(shapes)
}

/// Cuts healthy runs to begin in the middle, with every, every 10th and every
/// 50th row, and counts what is raised before any warm-up is over.
pub(crate) fn pickup(files: &[String], players: &[Player]) -> Result<(), String> {
    const ROWS: usize = 64;
    const CUTS: usize = 400;
    for file in files {
        let run = crate::read(file)?;
        let mut cuts = 0;
        let mut alerts: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
        for stride in [1, 10, 50] {
            let last = run.len().saturating_sub(2 * stride);
            for start in (0..last).step_by((last / CUTS).max(1)) {
                let part = run[start..].iter().step_by(stride).take(ROWS);
                let part: Vec<Row> = part.cloned().collect();
                cuts += usize::from(begins_in_the_middle(&part));
                for (name, play) in players {
                    for alert in play(&part) {
                        *alerts.entry((name, alert.severity)).or_default() += 1;
                    }
                }
            }
        }
        alerts.retain(|(_, severity), _| *severity > Severity::Info);
        println!("{}: {cuts} cuts {alerts:?}", stem(Path::new(file)));
    }
    Ok(())
}

fn begins_in_the_middle(run: &[Row]) -> bool {
    let mut begin = Begin::default();
    run.iter().enumerate().take(2).for_each(|(at, row)| {
        begin.advance(row.step, at);
    });
    begin.is_pickup()
}
