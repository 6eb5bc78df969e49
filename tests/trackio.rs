//! The JSON of `list`, `get` and `query` beside that of the published Trackio,
//! on the same data. `tests/trackio/compare.py` says what is compared, and what
//! may differ and why.
//!
//! RUNWATCH_TRACKIO_PYTHON names a Python that has the package `trackio`, in
//! the version 0.43.0; `.ci/run` makes one. Without it the test is skipped.

use std::path::Path;
use std::process::Command;

#[test]
#[allow(clippy::print_stderr)]
fn the_json_is_that_of_trackio() {
    let Some(python) = std::env::var_os("RUNWATCH_TRACKIO_PYTHON").filter(|it| !it.is_empty())
    else {
        eprintln!("skipped: RUNWATCH_TRACKIO_PYTHON names no Python with trackio 0.43.0");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-cache");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/trackio/compare.py");
    let output = Command::new(python)
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_runwatch"))
        .arg(folder.path())
        .env("HOME", folder.path())
        .env("XDG_CACHE_HOME", cache)
        .env("XDG_CONFIG_HOME", folder.path().join("none"))
        .env_remove("RUNWATCH_CONFIG")
        .env_remove("RUNWATCH_PROJECT")
        .env_remove("RUNWATCH_RUN")
        .current_dir(folder.path())
        .output()
        .expect("Python starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
}
