//! The processes that write the heartbeats of a folder,
//! `heartbeat_rank0.jsonl` or `heartbeat.jsonl`.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::job::processes;

/// How much of the end of a file is looked at for its last record.
const END: u64 = 1 << 16;
/// The most files that are looked at.
const MOST: usize = 4096;
/// How far apart, in seconds, the clock of the records and that of the kernel
/// may be for the same moment.
const SLACK: f64 = 2.0;

/// The processes on this machine that wrote the newest heartbeats in a folder,
/// each with its rank, ordered by rank. A process that began after its record
/// was written only has its number, and is left out; so is every process where
/// the system does not say when it began (other than Linux).
///
/// That a process of another machine or container has the number of one here,
/// of the same user and begun before, cannot be seen unless the record names
/// the `host`.
#[must_use]
pub fn pids(folder: &Path) -> Vec<(Option<u32>, u32)> {
    let host = gethostname::gethostname();
    let host = host.to_string_lossy();
    let mut pids: Vec<(Option<u32>, u32)> = files(folder)
        .filter_map(|(path, rank)| {
            let beat = Beat::last_in(&path, rank)?;
            let here = beat.host.as_deref().is_none_or(|it| it == host);
            let began = began(beat.pid).filter(|_| here)?;
            let wrote = began < beat.time + SLACK && is_owner(beat.pid, &path);
            wrote.then_some(beat)
        })
        .map(|beat| (beat.rank, beat.pid))
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// The files of heartbeats, with the rank that the name says.
fn files(folder: &Path) -> impl Iterator<Item = (std::path::PathBuf, Option<u32>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let heartbeat = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let middle = name.to_str()?.strip_prefix("heartbeat")?;
        let middle = middle.strip_suffix(".jsonl")?;
        let rank = middle.strip_prefix("_rank").map(|rank| rank.parse().ok());
        (middle.is_empty() || rank.is_some()).then(|| (entry.path(), rank.flatten()))
    };
    entries.filter_map(heartbeat).take(MOST)
}

/// What a record says of who wrote it.
struct Beat {
    time: f64,
    rank: Option<u32>,
    pid: u32,
    host: Option<String>,
}

impl Beat {
    /// The last record of a file that names a process.
    fn last_in(path: &Path, rank: Option<u32>) -> Option<Self> {
        let end = end_of(path).ok()?;
        let mut lines = end.rsplit(|&byte| byte == b'\n');
        lines.find_map(|line| Self::read(line, rank))
    }

    fn read(line: &[u8], rank: Option<u32>) -> Option<Self> {
        let record: Value = serde_json::from_slice(line).ok()?;
        let number = |name: &str| record.get(name)?.as_u64()?.try_into().ok();
        let host = record.get("host").or_else(|| record.get("hostname"));
        Some(Self {
            time: record.get("ts")?.as_f64()?,
            rank: number("rank").or(rank),
            pid: number("pid")?,
            host: host.and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(Vec::new());
    }
    file.seek(SeekFrom::Start(about.len().saturating_sub(END)))?;
    let mut end = Vec::new();
    file.take(END).read_to_end(&mut end)?;
    Ok(end)
}

/// When a process began, in seconds since 1970; none if there is no such one,
/// or nobody says.
fn began(pid: u32) -> Option<f64> {
    let process = processes::find(pid).filter(|it| !it.state.is_dead())?;
    processes::started_at(&process)
}

/// Whether a process is of the user whose file it is, and none of the kernel's.
#[cfg(target_os = "linux")]
fn is_owner(pid: u32, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let process = Path::new("/proc").join(pid.to_string());
    let owner = |path: &Path| fs::metadata(path).ok().map(|about| about.uid());
    let command = fs::read(process.join("cmdline")).unwrap_or_default();
    !command.is_empty() && owner(&process) == owner(path)
}

#[cfg(not(target_os = "linux"))]
fn is_owner(_pid: u32, _path: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_the_heartbeats() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::process::id();
        let now = jiff::Timestamp::now().as_second();
        let began = began(own).unwrap();
        assert!(began <= now as f64 + SLACK, "{began} {now}");
        let line = |pid: u32, rank: u32, time: i64| {
            format!("{{\"ts\": {time}.5, \"pid\": {pid}, \"rank\": {rank}, \"step\": 1}}\n")
        };
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        // The newest record counts, even if a line is being written.
        let long = "x".repeat(5000);
        let first = line(1, 0, now) + &line(own, 0, now) + "{\"ts\": 1, \"pid\"";
        write("heartbeat_rank0.jsonl", &first);
        write("heartbeat_rank1.jsonl", &line(own, 1, 1_000_000_000));
        write("heartbeat_rank2.jsonl", &line(u32::MAX, 2, now));
        let padded = format!("{{\"ts\": {now}, \"pid\": {own}, \"text\": \"{long}\"}}\n");
        write("heartbeat_rank3.jsonl", &padded);
        let elsewhere =
            format!("{{\"ts\": {now}, \"pid\": {own}, \"rank\": 4, \"host\": \"no.such\"}}\n");
        write("heartbeat_rank4.jsonl", &elsewhere);
        write(
            "heartbeat_rank5.jsonl",
            "{\"ts\": null, \"pid\": []}\n\u{0}",
        );
        write("other.jsonl", &line(own, 6, now));
        assert_eq!(pids(folder.path()), [(Some(0), own), (Some(3), own)]);
        assert_eq!(pids(Path::new("no such folder")), []);
    }
}
