//! Labelled runs: the healthy ones, the shapes of incidents, and healthy runs
//! that begin in the middle. `runwatch evaluate` holds alerts against labels.

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
    end: i64,
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
        end: step("end_step").unwrap_or(i64::MAX),
    })
}

fn is_incident(label: &Label) -> bool {
    !matches!(label.kind.as_str(), "data_spike" | "trap")
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
    let labels = labels.filter(|label| matches!(label.kind.as_str(), "loss_spike" | "divergence"));
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
