//! Scores in the layout of the Numenta Anomaly Benchmark (NAB): data in
//! `DATA/<group>/<file>.csv` with the columns `timestamp,value`, scores in
//! `OUT/<group>/<file>.csv` with the columns `timestamp,value,anomaly_score`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::decode::{Decoder, Options};
use crate::detect::{Detect, What};

/// Scores every file of every group in `data` with the detector that `start`
/// makes for the file; of each finding the value named `score` counts. Gives
/// the numbers of files and rows.
///
/// # Errors
/// When a file cannot be read or written, a row is none, or the detector fails.
pub fn score(
    data: &Path,
    out: &Path,
    start: &dyn Fn() -> Result<Detect>,
) -> Result<(usize, usize)> {
    let (mut files, mut rows) = (0, 0);
    for group in entries(data)?.iter().filter(|group| group.is_dir()) {
        let folder = out.join(group.file_name().unwrap_or_default());
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        let is_csv = |file: &&PathBuf| file.extension().is_some_and(|end| end == "csv");
        for file in entries(group)?.iter().filter(is_csv) {
            let shown = file.display();
            let text =
                fs::read_to_string(file).with_context(|| format!("cannot read `{shown}`"))?;
            let (scored, lines) = one(&text, start()?).with_context(|| format!("`{shown}`"))?;
            let target = folder.join(file.file_name().unwrap_or_default());
            fs::write(&target, scored)
                .with_context(|| format!("cannot write `{}`", target.display()))?;
            files += 1;
            rows += lines;
        }
    }
    ensure!(
        files > 0,
        "`{}` has no files `<group>/<file>.csv`",
        data.display()
    );
    Ok((files, rows))
}

/// A data file with its scores, and how many rows it has.
fn one(text: &str, mut detect: Detect) -> Result<(String, usize)> {
    let rows: Vec<(&str, &str)> = text
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end().split_once(','))
        .map(|row| row.ok_or_else(|| anyhow!("a row has no `timestamp,value`")))
        .collect::<Result<_>>()?;
    let mut decoder = Decoder::new(Options {
        interests: detect.interests(),
        restarts: false,
        ..Options::default()
    });
    for (step, (stamp, value)) in rows.iter().enumerate() {
        let line = format!("{{\"step\":{step},\"timestamp\":\"{stamp}\",\"value\":{value}}}\n");
        decoder.push(line.as_bytes());
    }
    decoder.finish();
    let segment = decoder.take();
    ensure!(
        segment.rows as usize == rows.len(),
        "some rows are no records"
    );
    detect.submit(segment);
    let mut scores = vec![0.0; rows.len()];
    let events = detect
        .collect()
        .map(|(_, events)| events)
        .unwrap_or_default();
    for event in events {
        let (row, finding) = match (event.row, event.what) {
            (Some(row), What::Found(finding)) => (row as usize, finding),
            (_, What::Failed(failure)) => anyhow::bail!("{}", failure.fault.message),
            (None, What::Found(_)) | (_, What::Behind(_) | What::CaughtUp(_) | What::Back(_)) => {
                continue;
            }
        };
        let score = finding.values.iter().find(|(name, _)| name == "score");
        if let (Some(slot), Some((_, score))) = (scores.get_mut(row), score) {
            *slot = *score;
        }
    }
    let mut scored = "timestamp,value,anomaly_score\n".to_owned();
    for ((stamp, value), score) in rows.iter().zip(&scores) {
        // A String takes everything that is written to it.
        let _ = writeln!(scored, "{stamp},{value},{score}");
    }
    Ok((scored, rows.len()))
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let shown = || format!("cannot read the folder `{}`", folder.display());
    let found = fs::read_dir(folder).with_context(shown)?;
    let paths = found.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().with_context(shown)?;
    paths.sort();
    Ok(paths)
}
