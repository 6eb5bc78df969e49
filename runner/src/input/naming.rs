//! The run and the rank that a path names.
//!
//! `exp1/heartbeat_rank3.jsonl` is rank 3 of the run `heartbeat`, and its
//! siblings are the other ranks of it. A file without a rank in its path is a
//! run of its own, named by its stem, or by as much of its path as tells it
//! from the others.

use std::path::{Component, Path};

use regex::Regex;
use rustc_hash::{FxHashMap, FxHashSet};

/// What a path says of the log in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The run of rows that name none.
    pub run: String,
    /// The rank of rows that name none.
    pub rank: Option<u32>,
}

/// Names inputs, each run once.
#[derive(Debug, Default)]
pub struct Naming {
    /// Short names that two of the expected inputs could have.
    ambiguous: FxHashSet<String>,
    /// The runs named so far, by path without rank, and their names.
    runs: FxHashMap<String, String>,
    taken: FxHashSet<String>,
    /// What the user says of paths.
    patterns: Vec<Regex>,
    /// All files of a folder are one run.
    folders: bool,
}

/// Names that are remembered. Beyond them, as in an archive of millions of
/// files, each run is named by its whole path.
const MOST: usize = 1 << 16;

/// The run of an input whose path has no name for it.
const UNNAMED: &str = "default";

impl Naming {
    /// Names inputs as these patterns say, where one fits: the group `run` of a
    /// regular expression is the run, `rank` the rank. A text that is none
    /// fits nothing; the configuration has refused it.
    #[must_use]
    pub fn with(patterns: &[String]) -> Self {
        Self {
            patterns: patterns
                .iter()
                .filter_map(|it| Regex::new(it).ok())
                .collect(),
            ..Self::default()
        }
    }

    /// Takes all files of a folder for one run, which has the folder's name.
    #[must_use]
    pub fn by_folder(self) -> Self {
        Self {
            folders: true,
            ..self
        }
    }

    /// What the first pattern that fits says.
    fn said(&self, path: &Path) -> Option<(Option<String>, Option<u32>)> {
        if self.patterns.is_empty() {
            return None;
        }
        let path = path.to_string_lossy().replace('\\', "/");
        let found = self.patterns.iter().find_map(|it| it.captures(&path))?;
        let group = |name| found.name(name).map(|text| text.as_str());
        let run = group("run")
            .filter(|run| !run.is_empty())
            .map(str::to_owned);
        Some((run, group("rank").and_then(|rank| rank.parse().ok())))
    }

    /// Looks at inputs that will come, so that of two with the same stem
    /// neither gets it.
    pub fn expect<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>) {
        let key = |path| split(path, self.folders).0;
        let keys: FxHashSet<Key> = paths.into_iter().map(key).collect();
        let mut seen = FxHashSet::default();
        for name in keys.iter().flat_map(names) {
            if !seen.insert(name.clone()) {
                self.ambiguous.insert(name);
            }
        }
    }

    /// The name of the run in a file, the same for the same path.
    pub fn of(&mut self, path: &Path) -> Named {
        let (run, rank) = self.said(path).unwrap_or_default();
        if let Some(run) = run {
            return Named {
                run,
                rank: rank.or_else(|| split(path, self.folders).1),
            };
        }
        let named = self.derived(path);
        Named {
            rank: rank.or(named.rank),
            ..named
        }
    }

    /// What can be told from a path by itself.
    fn derived(&mut self, path: &Path) -> Named {
        let (key, rank) = split(path, self.folders);
        let whole = key.parts.join("/");
        if let Some(run) = self.runs.get(&whole) {
            let run = run.clone();
            return Named { run, rank };
        }
        if self.runs.len() >= MOST {
            return Named { run: whole, rank };
        }
        let run = names(&key)
            .find(|name| !self.ambiguous.contains(name) && !self.taken.contains(name))
            .unwrap_or_else(|| whole.clone());
        self.taken.insert(run.clone());
        self.runs.insert(whole, run.clone());
        Named { run, rank }
    }
}

/// The names that a path without its rank could have, the best first: its stem,
/// its folder and stem, and so on, then the same with the extension.
fn names(key: &Key) -> impl Iterator<Item = String> {
    let parts = &key.parts;
    let suffixes = || (0..parts.len()).rev().map(|at| parts[at..].join("/"));
    let stem = |name: String| {
        let file = name.rfind('/').map_or(0, |slash| slash + 1);
        match name[file..].rfind('.') {
            Some(dot) if dot > 0 && key.is_file => name[..file + dot].to_owned(),
            _ => name,
        }
    };
    let mut names: Vec<String> = Vec::with_capacity(2 * parts.len());
    for name in suffixes().map(stem).chain(suffixes()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter()
}

/// A path without the rank in it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    parts: Vec<String>,
    /// The last part is a file, which has an extension, and no folder.
    is_file: bool,
}

/// A path without the rank that it names, and the rank. With `folders`, it is
/// the path of the folder that the file is in.
fn split(path: &Path, folders: bool) -> (Key, Option<u32>) {
    let mut parts: Vec<String> = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let mut rank = None;
    let whole = parts.len();
    if let Some(local) = torchrun(&parts) {
        parts.truncate(parts.len() - 3);
        rank = Some(local);
    }
    if let Some(folder) = run_folder(&parts) {
        parts.truncate(folder + 1);
    } else if let Some(last) = parts.last_mut().filter(|_| rank.is_none()) {
        strip_compression(last);
    }
    // The file's own rank counts before that of a folder.
    for part in parts.iter_mut().rev() {
        if let Some((without, number)) = without_rank(part) {
            *part = without;
            rank = rank.or(Some(number));
        }
    }
    let extension_only = |part: &str| part.is_empty() || part.starts_with('.') && part != "..";
    if folders && parts.len() == whole {
        parts.pop();
    }
    // With the file's name gone, the last is a folder.
    let is_file = parts.len() == whole && parts.last().is_some_and(|last| !extension_only(last));
    parts.retain(|part| !extension_only(part));
    if parts.is_empty() || parts.iter().all(|part| part == "..") {
        parts = vec![UNNAMED.to_owned()];
    }
    (Key { parts, is_file }, rank)
}

/// The rank in torchrun's `attempt_0/3/stdout.log`. All attempts and both
/// streams belong to one run.
fn torchrun(parts: &[String]) -> Option<u32> {
    let [.., attempt, rank, file] = parts else {
        return None;
    };
    let attempt = attempt.strip_prefix("attempt_")?;
    let stream = file.starts_with("stdout.") || file.starts_with("stderr.");
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (stream && number(attempt) && number(rank))
        .then(|| rank.parse().ok())
        .flatten()
}

/// The folder that is the run, of a tracker that names a run's files alike or
/// by their metrics: MLflow's `<run id>/metrics/train/loss`, TensorBoard's
/// `exp1/events.out.tfevents.1700000000.host.4242.0`.
fn run_folder(parts: &[String]) -> Option<usize> {
    let is_id = |name: &str| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mlflow = parts
        .windows(2)
        .position(|pair| is_id(&pair[0]) && pair[1] == "metrics");
    mlflow.or_else(|| {
        let folder = parts.len().checked_sub(2)?;
        let events = parts[folder + 1].starts_with("events.out.tfevents.");
        (events && parts[folder] != "..").then_some(folder)
    })
}

fn strip_compression(name: &mut String) {
    for extension in [".gz", ".zst", ".xz", ".bz2"] {
        if name.len() > extension.len() && name.ends_with(extension) {
            name.truncate(name.len() - extension.len());
            return;
        }
    }
}

/// The number after the word `rank` in a name, and the name without both.
fn without_rank(name: &str) -> Option<(String, u32)> {
    const WORD: &str = "rank";
    let lower = name.to_ascii_lowercase();
    let separator = |c: char| matches!(c, '_' | '-' | '.');
    let starts = lower.match_indices(WORD).map(|(at, _)| at);
    for start in starts {
        let before = &name[..start];
        if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            continue;
        }
        let number = name[start + WORD.len()..].trim_start_matches(['_', '-', '=']);
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let after = &number[digits..];
        let Ok(rank) = number[..digits].parse() else {
            continue;
        };
        if after.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            continue;
        }
        let before = before.trim_end_matches(separator);
        return Some((format!("{before}{after}"), rank));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of these is named, in order.
    fn named(paths: &[&str]) -> Vec<String> {
        let mut naming = Naming::default();
        naming.expect(paths.iter().map(Path::new));
        paths
            .iter()
            .map(|path| {
                let Named { run, rank } = naming.of(Path::new(path));
                rank.map_or(run.clone(), |rank| format!("{run} {rank}"))
            })
            .collect()
    }

    #[test]
    fn all_files_of_a_folder_may_be_one_run() {
        let mut naming = Naming::default().by_folder();
        let mut named = |path: &str| {
            let named = naming.of(Path::new(path));
            (named.run, named.rank)
        };
        for (path, run, rank) in [
            ("runs/exp1/training.csv", "exp1", None),
            ("runs/exp1/heartbeat_rank3.jsonl", "exp1", Some(3)),
            ("runs/exp1/rank_2/train.log", "exp1", Some(2)),
            (
                "runs/exp1/events.out.tfevents.1700000000.host.42.0",
                "exp1",
                None,
            ),
            ("runs/exp1/logs/attempt_0/5/stdout.log", "logs", Some(5)),
            ("runs/exp2/training.csv", "exp2", None),
            ("more/exp2/training.csv", "more/exp2", None),
            ("more/v1.5/training.csv", "v1.5", None),
            ("training.csv", "default", None),
        ] {
            assert_eq!(named(path), (run.to_owned(), rank), "{path}");
        }
    }

    #[test]
    fn a_file_is_a_run() {
        assert_eq!(named(&["train.log"]), ["train"]);
        assert_eq!(named(&["./logs/train.log.gz"]), ["train"]);
        assert_eq!(named(&["a/train.log", "b/eval.log"]), ["train", "eval"]);
        assert_eq!(
            named(&["train.log.1", "train.log"]),
            ["train.log.1", "train"]
        );
        assert_eq!(named(&["v1.5/run"]), ["run"]);
        assert_eq!(named(&["/"]), ["default"]);
    }

    #[test]
    fn equal_stems_take_what_tells_them_apart() {
        let paths = ["x/a/train.log", "x/b/train.log", "other.log"];
        assert_eq!(named(&paths), ["a/train", "b/train", "other"]);
        assert_eq!(
            named(&["train.log", "a/train.log"]),
            ["train.log", "a/train"]
        );
        assert_eq!(named(&["t.log", "t.csv"]), ["t.log", "t.csv"]);
        assert_eq!(named(&["t.log", "t.log"]), ["t", "t"]);
    }

    #[test]
    fn one_that_comes_later_does_not_rename_the_others() {
        let mut naming = Naming::default();
        assert_eq!(naming.of(Path::new("a/train.log")).run, "train");
        assert_eq!(naming.of(Path::new("b/train.log")).run, "b/train");
        assert_eq!(naming.of(Path::new("a/train.log")).run, "train");
    }

    #[test]
    fn ranks_of_one_run() {
        let one = ["heartbeat_rank0.jsonl", "heartbeat_rank1.jsonl"];
        assert_eq!(named(&one), ["heartbeat 0", "heartbeat 1"]);
        let one = ["e/rank_0/train.log", "e/rank_1/train.log"];
        assert_eq!(named(&one), ["train 0", "train 1"]);
        let two = ["a/rank-00.log", "a/rank-01.log", "b/rank-00.log"];
        assert_eq!(named(&two), ["a 0", "a 1", "b 0"]);
        assert_eq!(
            named(&["rank0.log", "rank11.log"]),
            ["default 0", "default 11"]
        );
        assert_eq!(named(&["train-RANK=3.log.zst"]), ["train 3"]);
        assert_eq!(named(&["rank1/host_rank3.log"]), ["host 3"]);
    }

    #[test]
    fn torchrun_writes_a_folder_per_rank() {
        let paths = [
            "logs/none_x1/attempt_0/0/stdout.log",
            "logs/none_x1/attempt_0/1/stderr.log",
            "logs/none_x1/attempt_1/0/stdout.log",
        ];
        assert_eq!(named(&paths), ["none_x1 0", "none_x1 1", "none_x1 0"]);
        assert_eq!(named(&["attempt_0/1/stdout.log"]), ["default 1"]);
    }

    #[test]
    fn trackers_have_a_folder_per_run() {
        let id = "0123456789abcdef0123456789abcdef";
        let metric = format!("mlruns/0/{id}/metrics/train/loss");
        let other = format!("mlruns/0/{id}/metrics/lr");
        assert_eq!(named(&[&metric, &other]), [id, id]);
        let events = "events.out.tfevents.1700000000.host.4242.0";
        let (one, two) = (format!("runs/exp1/{events}"), format!("runs/v1.5/{events}"));
        assert_eq!(named(&[&one, &two]), ["exp1", "v1.5"]);
        assert_eq!(
            named(&[events])[0],
            "events.out.tfevents.1700000000.host.4242"
        );
        assert_eq!(named(&[&format!("r/rank_2/{events}")]), ["r 2"]);
    }

    #[test]
    fn patterns_of_the_user_come_first() {
        let pattern = r"exp/(?<run>[^/]+)/.*worker(?<rank>\d+)".to_owned();
        let mut naming = Naming::with(&[pattern]);
        let mut of = |path: &str| {
            let Named { run, rank } = naming.of(Path::new(path));
            (run, rank)
        };
        assert_eq!(of("exp/lr3/log/worker2.txt"), ("lr3".to_owned(), Some(2)));
        assert_eq!(of("exp/lr3/log/worker3.txt"), ("lr3".to_owned(), Some(3)));
        assert_eq!(of("other/rank1.log"), ("other".to_owned(), Some(1)));
    }

    #[test]
    fn other_words_are_no_rank() {
        for name in [
            "frank2.log",
            "rankings.log",
            "rank.log",
            "rank2x.log",
            "crank_3.log",
        ] {
            assert!(!named(&[name])[0].contains(' '), "{name}");
        }
        assert_eq!(named(&["rank99999999999.log"]), ["rank99999999999"]);
    }
}
