//! Builds `tests/hostile`: detectors that break every promise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the fixtures are built: beside the runner's own build, so that
/// `cargo clean` knows about it.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("hostile")
}

/// Builds the fixtures, once per test process, and gives their folder.
pub(crate) fn fixtures() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let wasm = ["--package", "hostile", "--package", "hostile-io"];
        build(&[&wasm[..], &["--target", "wasm32-wasip2"]].concat());
        build(&["--package", "shapes"]);
        target().join("wasm32-wasip2/release")
    })
}

fn build(what: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--target-dir"])
        .arg(target())
        .args(what)
        .current_dir(source)
        // Coverage and sanitizer flags of the runner are not for these.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "tests/hostile does not build");
}

pub(crate) fn hostile_bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| std::fs::read(fixtures().join("hostile.wasm")).expect("it was built"))
}
