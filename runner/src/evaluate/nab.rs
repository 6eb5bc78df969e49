//! Files in the layout of the Numenta Anomaly Benchmark (NAB): data in
//! `DATA/<group>/<file>.csv` with the columns `timestamp,value`, scores in
//! `OUT/<group>/<file>.csv` with the columns `timestamp,value,anomaly_score`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of a data file.
struct Row<'a> {
    /// As it is in the file: `2014-04-01 00:05:00`.
    stamp: &'a str,
    /// The same in seconds since 1970, NaN if it is no time.
    time: f64,
    /// As it is in the file.
    cell: &'a str,
}

/// Scores every file of every group in `data`, row by row with what `new`
/// makes for the file, and says how many files and rows there were.
///
/// # Errors
/// When a file cannot be read or written, or a cell is no number.
pub(crate) fn score<S: FnMut(f64, f64) -> f64>(
    data: &Path,
    out: &Path,
    mut new: impl FnMut() -> S,
) -> Result<(usize, usize), String> {
    let (mut files, mut rows) = (0, 0);
    for group in entries(data)?.iter().filter(|group| group.is_dir()) {
        let folder = out.join(group.file_name().unwrap_or_default());
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let is_csv = |file: &&PathBuf| file.extension().is_some_and(|end| end == "csv");
        for file in entries(group)?.iter().filter(is_csv) {
            let text = read(file)?;
            let (scored, lines) =
                score_text(&text, new()).map_err(|error| format!("{}: {error}", file.display()))?;
            let target = folder.join(file.file_name().unwrap_or_default());
            fs::write(&target, scored).map_err(|error| format!("{}: {error}", target.display()))?;
            files += 1;
            rows += lines;
        }
    }
    Ok((files, rows))
}

/// A data file with its scores, and how many rows it has.
fn score_text(
    text: &str,
    mut score: impl FnMut(f64, f64) -> f64,
) -> Result<(String, usize), String> {
    let mut scored = "timestamp,value,anomaly_score\n".to_owned();
    let mut rows = 0;
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let Row { stamp, time, cell } = row(line).ok_or_else(|| format!("`{line}` is no row"))?;
        let value = cell.parse().map_err(|_| format!("`{cell}` is no number"))?;
        // A String takes everything that is written to it.
        let _ = writeln!(scored, "{stamp},{cell},{}", score(time, value));
        rows += 1;
    }
    Ok((scored, rows))
}

fn row(line: &str) -> Option<Row<'_>> {
    let (stamp, cell) = line.trim_end().split_once(',')?;
    let time = seconds(stamp).map_or(f64::NAN, |seconds| seconds as f64);
    Some(Row { stamp, time, cell })
}

/// Seconds since 1970 of `YYYY-MM-DD HH:MM:SS`, taken as UTC.
fn seconds(stamp: &str) -> Option<i64> {
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    let clock = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    Some(days(number(0, 4)?, number(5, 7)?, number(8, 10)?) * 86_400 + clock)
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + (153 * month + 2) / 5 + day - 719_469
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let found = fs::read_dir(folder).map_err(failed)?;
    let mut paths = found
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::{score_text, seconds};

    #[test]
    fn stamps_are_seconds() {
        for (stamp, expected) in [
            ("1970-01-01 00:00:00", Some(0)),
            ("2000-03-01 00:00:01", Some(951_868_801)),
            ("2014-04-10 16:15:00", Some(1_397_146_500)),
            ("2016-02-29 23:59:59", Some(1_456_790_399)),
            ("yesterday", None),
        ] {
            assert_eq!(seconds(stamp), expected, "{stamp}");
        }
    }

    #[test]
    fn every_row_gets_a_score() {
        let text = "timestamp,value\n2014-04-01 00:00:00,20.0\n2014-04-01 00:05:00,7\n";
        let (scored, rows) =
            score_text(text, |time, value| time - 1_396_310_400.0 + value).unwrap();
        assert_eq!(rows, 2);
        assert_eq!(
            scored,
            "timestamp,value,anomaly_score\n2014-04-01 00:00:00,20.0,20\n2014-04-01 00:05:00,7,307\n"
        );
        assert!(score_text("timestamp,value\n2014-04-01 00:00:00,x\n", |_, _| 0.0).is_err());
    }
}
