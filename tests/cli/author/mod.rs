//! `runwatch detector …` for those who write detectors, from `new` to the first
//! alert.

mod bench;
mod build;
mod doctor;
mod new;
mod replay;
mod test;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::Test;

/// A new project in a folder of its own.
struct Project {
    folder: TempDir,
    name: &'static str,
}

impl Project {
    fn new(name: &'static str, language: &str) -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
            name,
        };
        Test::new(&format!("detector new {name} --lang {language} --dir"))
            .argument(project.path())
            .any_stdout()
            .run();
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    /// A command with the project's folder as its last argument, which finds the
    /// tools of this machine.
    fn command(&self, command: &str) -> Test {
        with_tools(Test::new(command)).argument(self.path())
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).unwrap()
    }

    /// Changes a text in a file, where it stands once.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        std::fs::write(self.path().join(file), text.replace(from, to)).unwrap();
    }
}

/// Tests clear the environment; cargo and clang have to be found, cargo without
/// the network, and what it builds is worth sharing.
fn with_tools(test: Test) -> Test {
    let home = std::env::home_dir().unwrap();
    let variable = |name: &str, fallback: PathBuf| {
        let value = std::env::var_os(name).map_or(fallback, PathBuf::from);
        value.to_str().unwrap().to_owned()
    };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors");
    test.env("PATH", &std::env::var("PATH").unwrap())
        .env("CARGO_HOME", &variable("CARGO_HOME", home.join(".cargo")))
        .env(
            "RUSTUP_HOME",
            &variable("RUSTUP_HOME", home.join(".rustup")),
        )
        .env("CARGO_TARGET_DIR", target.to_str().unwrap())
        .env("CARGO_NET_OFFLINE", "true")
}

/// Whether C can be built here; says so if it cannot.
#[allow(clippy::print_stderr)]
fn has_clang() -> bool {
    let asked = Command::new("clang")
        .args(["--target=wasm32-wasi", "-print-file-name=crt1-reactor.o"])
        .output();
    let has = asked.is_ok_and(|output| output.stdout.starts_with(b"/"));
    if !has {
        eprintln!("skipped: there is no clang with wasi-libc");
    }
    has
}
