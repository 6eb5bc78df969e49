//! Files that grow, as `tail -F` reads them, by looking at them again and
//! again: network filesystems notify of nothing.
//!
//! [`Follow::poll`] is one look, and takes what is new from each file. A file
//! may be cut to nothing and begun anew, or be moved away for a new one of its
//! name (both are rotations), vanish, and come back.

use std::fs;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use super::find::{self, Found};
use super::tail::Tail;

/// The most files that are open at once; systems allow 1024 and less.
const MOST: usize = 512;
/// What a look at the files found.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// The file with this number, counted from 0, is there for the first time.
    File(usize, &'a Path),
    /// More bytes of a file.
    Bytes(usize, &'a [u8]),
    /// The file begins anew: its name stands for another file now, or it was
    /// cut. What comes next is from its beginning, and a line that was not
    /// ended is over.
    Anew(usize),
    /// Something to tell the user, once.
    Note(String),
}

/// The files that are followed.
pub struct Follow {
    paths: Vec<PathBuf>,
    files: Vec<Tail>,
    known: FxHashSet<PathBuf>,
    from_end: bool,
    /// Files that are there at the first look may be taken from their end.
    first: bool,
    full: bool,
}

impl Follow {
    /// Follows files, and what is or comes to be in folders and of patterns.
    /// With `from_end`, what is in them now is not read.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, from_end: bool) -> Self {
        Self {
            paths,
            files: Vec::new(),
            known: FxHashSet::default(),
            from_end,
            first: true,
            full: false,
        }
    }

    /// Looks for files that are new in the folders and of the patterns.
    pub fn scan(&mut self, seen: &mut dyn FnMut(Seen<'_>)) {
        let mut found = Found::default();
        for path in &self.paths {
            // One that is not there yet may come; so it is no problem.
            found.add(path);
        }
        let all: FxHashSet<PathBuf> = found.files.iter().cloned().collect();
        for path in found.files {
            if self.known.contains(&path) {
                continue;
            }
            let rotated = archived_of(&path).is_some_and(|of| all.contains(&of));
            if rotated && !self.paths.contains(&path) || self.is_open(&path) {
                // It was, or is still, read under its first name.
                self.known.insert(path);
                continue;
            }
            if self.files.len() >= MOST {
                if !std::mem::replace(&mut self.full, true) {
                    let text = format!("following {MOST} files; others are left out");
                    seen(Seen::Note(text));
                }
                return;
            }
            let there = fs::metadata(&path).is_ok();
            if self.first && !there {
                let text = format!("waiting for `{}` to appear", path.display());
                seen(Seen::Note(text));
            }
            self.known.insert(path.clone());
            let at_end = self.from_end && self.first && there;
            self.files.push(Tail::new(path, at_end));
        }
        if self.first {
            for path in self.paths.iter().filter(|path| find::may_grow(path)) {
                let text = format!("watching `{}` for new files", path.display());
                seen(Seen::Note(text));
            }
        }
        self.first = false;
    }

    /// Whether a file is being read under another name.
    fn is_open(&self, path: &Path) -> bool {
        let Ok(about) = fs::metadata(path) else {
            return false;
        };
        self.files.iter().any(|file| file.is_moved(path, &about))
    }

    /// Looks at each file once. True when one has more to give at once.
    pub fn poll(&mut self, seen: &mut dyn FnMut(Seen<'_>)) -> bool {
        let mut more = false;
        for (number, file) in self.files.iter_mut().enumerate() {
            more |= file.poll(number, seen);
        }
        more
    }
}

/// The name of the log that a rotated one, `train.log.1` or
/// `train.log-20260131`, had before.
fn archived_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let digits = |c: char| c.is_ascii_digit();
    let without = name.trim_end_matches(digits);
    (without.len() < name.len())
        .then(|| without.strip_suffix(['.', '-']))
        .flatten()
        .map(|name| path.with_file_name(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::super::tail::{MARK, TURN};
    use super::*;

    struct Test {
        folder: tempfile::TempDir,
        follow: Follow,
        notes: Vec<String>,
    }

    impl Test {
        fn new(paths: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let paths = paths.iter().map(|path| folder.path().join(path)).collect();
            Self {
                follow: Follow::new(paths, false),
                folder,
                notes: Vec::new(),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn append(&self, name: &str, text: &str) {
            let mut options = fs::OpenOptions::new();
            let mut file = options.append(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// One look, in short.
        fn look(&mut self) -> Vec<String> {
            let (mut shown, notes) = (Vec::new(), &mut self.notes);
            let folder = self.folder.path();
            let mut seen = |seen: Seen<'_>| match seen {
                Seen::File(number, path) => {
                    let path = path.strip_prefix(folder).unwrap();
                    let path = path.strip_prefix(".").unwrap_or(path);
                    shown.push(format!("{number} is {}", path.display()));
                }
                Seen::Bytes(number, bytes) => {
                    shown.push(format!("{number} {:?}", String::from_utf8_lossy(bytes)));
                }
                Seen::Anew(number) => shown.push(format!("{number} anew")),
                Seen::Note(text) => notes.push(text),
            };
            self.follow.scan(&mut seen);
            self.follow.poll(&mut seen);
            shown
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_file_that_grows() {
        let mut test = Test::new(&["a.log"]);
        test.write("a.log", "one\ntw");
        assert_eq!(test.look(), ["0 is a.log", "0 \"one\\ntw\""]);
        assert_eq!(test.look(), NOTHING);
        test.append("a.log", "o\n");
        assert_eq!(test.look(), ["0 \"o\\n\""]);
        assert_eq!(test.look(), NOTHING);
        assert!(test.notes.is_empty());
    }

    #[test]
    fn a_file_that_appears_later() {
        let mut test = Test::new(&["a.log"]);
        assert_eq!(test.look(), NOTHING);
        assert!(test.notes[0].starts_with("waiting for"), "{:?}", test.notes);
        assert_eq!(test.look(), NOTHING);
        test.write("a.log", "one\n");
        assert_eq!(test.look(), ["0 is a.log", "0 \"one\\n\""]);
        assert_eq!(test.notes.len(), 1);
    }

    #[test]
    fn from_the_end_only_what_comes() {
        let mut test = Test::new(&["*.log", "later"]);
        test.follow.from_end = true;
        test.write("a.log", "old\n");
        assert_eq!(test.look(), ["0 is a.log"]);
        test.write("later", "too\n");
        assert_eq!(test.look(), ["1 is later", "1 \"too\\n\""]);
        test.append("a.log", "new\n");
        test.write("b.log", "all\n");
        assert_eq!(test.look(), ["0 \"new\\n\"", "2 is b.log", "2 \"all\\n\""]);
    }

    #[test]
    fn a_file_that_is_cut() {
        let mut test = Test::new(&["a.log"]);
        test.write("a.log", "one\ntwo\npart");
        test.look();
        // As copytruncate does it: the same file, emptied.
        fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(test.path("a.log"))
            .unwrap();
        assert_eq!(test.look(), ["0 anew"]);
        test.append("a.log", "three\n");
        assert_eq!(test.look(), ["0 \"three\\n\""]);
    }

    #[test]
    fn a_file_that_is_cut_and_outgrows_what_it_was() {
        let mut test = Test::new(&["a.log"]);
        test.write("a.log", "one\n");
        test.look();
        test.write("a.log", "something longer\n");
        assert_eq!(test.look(), ["0 anew", "0 \"something longer\\n\""]);
        let long = "x".repeat(MARK);
        test.append("a.log", &long);
        assert_eq!(test.look().len(), 1);
        test.append("a.log", "more");
        assert_eq!(test.look(), ["0 \"more\""]);
        test.write("a.log", &"y".repeat(1000));
        assert_eq!(test.look()[0], "0 anew");
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_is_moved_away() {
        let mut test = Test::new(&["a.log"]);
        test.write("a.log", "one\n");
        test.look();
        test.append("a.log", "two\n");
        fs::rename(test.path("a.log"), test.path("a.log.1")).unwrap();
        // Nobody has the name yet, and the writer goes on.
        assert_eq!(test.look(), ["0 \"two\\n\""]);
        test.append("a.log.1", "three\n");
        assert_eq!(test.look(), ["0 \"three\\n\""]);
        test.write("a.log", "four\n");
        assert_eq!(test.look(), NOTHING);
        test.append("a.log.1", "last\n");
        assert_eq!(test.look(), ["0 \"last\\n\""]);
        let mut rest = test.look();
        rest.extend(test.look());
        assert_eq!(rest, ["0 anew", "0 \"four\\n\""]);
        test.append("a.log", "five\n");
        assert_eq!(test.look(), ["0 \"five\\n\""]);
    }

    #[test]
    fn a_file_that_is_gone_and_comes_back() {
        let mut test = Test::new(&["a.log"]);
        test.write("a.log", "one\n");
        test.look();
        fs::remove_file(test.path("a.log")).unwrap();
        assert_eq!(test.look(), NOTHING);
        test.write("a.log", "two\n");
        let looks: Vec<String> = (0..3).flat_map(|_| test.look()).collect();
        assert_eq!(looks, ["0 anew", "0 \"two\\n\""]);
    }

    #[test]
    fn new_files_in_folders_and_of_patterns() {
        let mut test = Test::new(&["runs", "*/rank*.jsonl"]);
        fs::create_dir(test.path("runs")).unwrap();
        assert_eq!(test.look(), NOTHING);
        test.write("runs/a.log", "a\n");
        test.write("runs/rank0.jsonl", "0\n");
        test.write("runs/model.pt", "x");
        assert_eq!(
            test.look(),
            [
                "0 is runs/a.log",
                "0 \"a\\n\"",
                "1 is runs/rank0.jsonl",
                "1 \"0\\n\""
            ]
        );
        fs::create_dir(test.path("more")).unwrap();
        test.write("more/rank1.jsonl", "1\n");
        assert_eq!(test.look(), ["2 is more/rank1.jsonl", "2 \"1\\n\""]);
        assert_eq!(test.look(), NOTHING);
    }

    #[test]
    #[cfg(unix)]
    fn a_rotated_file_in_a_folder_is_not_read_again() {
        let mut test = Test::new(&["."]);
        test.write("a.log", "one\n");
        test.write("a.log.7", "long ago\n");
        assert_eq!(test.look(), ["0 is a.log", "0 \"one\\n\""]);
        // By rename, with a name that nobody knows, and by copy.
        fs::rename(test.path("a.log"), test.path("a.log.old")).unwrap();
        assert_eq!(test.look(), NOTHING);
        test.write("a.log", "two\n");
        let looks: Vec<String> = (0..3).flat_map(|_| test.look()).collect();
        assert_eq!(looks, ["0 anew", "0 \"two\\n\""]);
        fs::copy(test.path("a.log"), test.path("a.log-20260131")).unwrap();
        test.write("a.log", "");
        assert_eq!(test.look(), ["0 anew"]);
        test.append("a.log", "three\n");
        assert_eq!(test.look(), ["0 \"three\\n\""]);
    }

    #[test]
    fn a_folder_that_appears_later() {
        let mut test = Test::new(&["runs"]);
        assert_eq!(test.look(), NOTHING);
        fs::create_dir(test.path("runs")).unwrap();
        assert_eq!(test.look(), NOTHING);
        test.write("runs/a.log", "one\n");
        assert_eq!(test.look(), ["1 is runs/a.log", "1 \"one\\n\""]);
        assert_eq!(test.notes.len(), 1, "{:?}", test.notes);
    }

    #[test]
    fn a_long_file_comes_in_turns() {
        let mut test = Test::new(&["a.log", "b.log"]);
        test.write("a.log", &"x".repeat(TURN + 5));
        test.write("b.log", "b\n");
        let first = test.look();
        assert_eq!(first[2..], ["1 is b.log", "1 \"b\\n\""]);
        assert_eq!(test.look(), ["0 \"xxxxx\""]);
    }

    #[test]
    fn a_compressed_file_is_not_followed() {
        let mut test = Test::new(&["a.log"]);
        fs::write(test.path("a.log"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
        assert_eq!(test.look(), NOTHING);
        assert_eq!(test.look(), NOTHING);
        assert_eq!(test.notes.len(), 1);
        assert!(test.notes[0].contains("compressed"), "{:?}", test.notes);
    }
}
