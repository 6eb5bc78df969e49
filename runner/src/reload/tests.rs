//! Looks come when a test says so; the detectors are those that are built in.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Change, Reload};
use crate::config::{self, Config, Flags, Place};
use crate::load::{BUILTIN, Loader, builtin_names};

fn bytes(name: &str) -> &'static [u8] {
    BUILTIN.iter().find(|(known, _)| *known == name).unwrap().1
}

/// A detector `mine` in a file, at work.
struct Bench {
    reload: Reload,
    folder: TempDir,
}

impl Bench {
    /// It is `non-finite`, with this in its table of the configuration.
    fn new(more: &str) -> Self {
        Self::of("non-finite", more)
    }

    fn of(name: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.wasm"), bytes(name)).unwrap();
        let toml = format!("[detectors.mine]\nsource = \"mine.wasm\"\n{more}");
        fs::write(folder.path().join("runwatch.toml"), toml).unwrap();
        let config = config(folder.path());
        let loader = Loader::new().unwrap();
        let at_work = loader.enabled(&config, |_| {}).unwrap();
        let reload = Reload::new(loader, &config, "here", &at_work);
        Self { reload, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mine.wasm")
    }

    /// Looks twice at this content: what has changed is then at rest.
    fn after(&mut self, content: &[u8]) -> Vec<String> {
        fs::write(self.path(), content).unwrap();
        let (first, second) = (self.look(), self.look());
        assert_eq!(first, [""; 0], "it may be half written");
        second
    }

    fn look(&mut self) -> Vec<String> {
        let told = |change| match change {
            Change::Note(note) => note,
            Change::Ready(new) => format!("ready: {}", new.detector.source.identity().summary),
        };
        self.reload.look().into_iter().map(told).collect()
    }
}

fn config(folder: &Path) -> Config {
    let flags = Flags {
        config: Some(folder.join("runwatch.toml")),
        ..Flags::default()
    };
    let place = Place {
        folder,
        variable: &|_| None,
    };
    config::load(&flags, &place, &builtin_names())
        .unwrap()
        .config
}

#[test]
fn what_is_as_it_was_is_left_alone() {
    let mut bench = Bench::new("");
    assert_eq!(bench.look(), [""; 0]);
    assert_eq!(bench.after(bytes("non-finite")), [""; 0]);
    fs::remove_file(bench.path()).unwrap();
    assert_eq!(bench.look(), [""; 0]);
    assert_eq!(bench.after(bytes("non-finite")), [""; 0]);
}

#[test]
fn what_has_changed_is_loaded_once() {
    let mut bench = Bench::new("");
    let ready = bench.after(bytes("loss-spike"));
    assert!(ready[0].starts_with("ready: "), "{ready:?}");
    assert_eq!(bench.look(), [""; 0]);
    // And back.
    assert_eq!(bench.after(bytes("non-finite")).len(), 1);
}

#[test]
fn what_cannot_be_used_is_said_once() {
    let mut bench = Bench::new("");
    let said = bench.after(b"not quite");
    let [note] = said.as_slice() else {
        panic!("{said:?}");
    };
    let begin = "detector `mine` was changed and cannot be used, the one before goes on: detector \
                 `mine` (`";
    assert!(note.starts_with(begin), "{note}");
    assert!(note.ends_with("this is not a WebAssembly file"), "{note}");
    assert_eq!(bench.look(), [""; 0]);
    // It is back, and then comes the same again.
    assert_eq!(bench.after(bytes("non-finite")), [""; 0]);
    assert_eq!(bench.after(b"not quite"), [""; 0]);
    assert_eq!(bench.after(bytes("loss-spike")).len(), 1);
}

#[test]
fn what_is_pinned_stays() {
    let digest = crate::digest::sha256_hex(bytes("non-finite"));
    let mut bench = Bench::new(&format!("sha256 = \"{digest}\"\n"));
    let said = bench.after(bytes("loss-spike"));
    assert!(said[0].contains("its sha256 is "), "{said:?}");
    assert!(said[0].contains("is pinned"), "{said:?}");
}

#[test]
fn parameters_that_no_longer_fit_are_said() {
    let mut bench = Bench::of("loss-spike", "window = 64\n");
    let said = bench.after(bytes("non-finite"));
    assert!(said[0].contains("has no parameter `window`"), "{said:?}");
}
