//! Builds the detectors of `detectors/` as components and embeds them, so that
//! `cargo build` is all that anyone needs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

/// In the order in which they are listed and asked.
const BUILTIN: [&str; 27] = [
    "non-finite",
    "loss-spike",
    "divergence",
    "plateau",
    "loss-flatline",
    "overfit",
    "lr-schedule",
    "grad-norm",
    "throughput",
    "data-stall",
    "heartbeat",
    "straggler",
    "entropy-collapse",
    "kl-explosion",
    "reward-hacking",
    "reward-collapse",
    "reward-drift",
    "advantage-variance",
    "clip-fraction",
    "length-explosion",
    "gate-collapse",
    "exception",
    "out-of-memory",
    "killed",
    "fallback",
    "outlier",
    "rule",
];
const TARGET: &str = "wasm32-wasip2";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = root.parent().unwrap_or(&root).to_owned();
    let out = PathBuf::from(variable("OUT_DIR"));
    let detectors = root.join("detectors");
    for watched in ["Cargo.toml", "Cargo.lock", "sdk"].iter().chain(&BUILTIN) {
        println!(
            "cargo::rerun-if-changed={}",
            detectors.join(watched).display()
        );
    }
    println!("cargo::rerun-if-changed={}", root.join("wit").display());

    let target = target_folder(&out);
    build(&detectors, &target);

    let mut list = String::from(
        "/// The embedded components: name, bytes.\npub const BUILTIN: &[(&str, &[u8])] = &[\n",
    );
    for name in BUILTIN {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let built = target.join(TARGET).join("release").join(&file);
        let kept = out.join(&file);
        if let Err(error) = fs::copy(&built, &kept) {
            fail(&format!("cannot copy {}: {error}", built.display()));
        }
        // Writing to a String cannot fail.
        let _ = writeln!(list, "    ({name:?}, include_bytes!({kept:?})),");
    }
    list.push_str("];\n");
    list.push_str("/// Short logs in which they find something: name, lines.\n");
    list.push_str("pub(super) const EXAMPLES: &[(&str, &str)] = &[\n");
    for name in BUILTIN {
        let example = detectors.join(name).join("example.log");
        if example.is_file() {
            let _ = writeln!(list, "    ({name:?}, include_str!({example:?})),");
        }
    }
    list.push_str("];\n");
    write(&out.join("builtin.rs"), &list);
    write(&out.join("sdk.rs"), &sdk(&detectors.join("sdk/src")));
}

fn write(file: &Path, text: &str) {
    if let Err(error) = fs::write(file, text) {
        fail(&format!("cannot write {}: {error}", file.display()));
    }
}

/// The source of the SDK, of which each Rust detector's project gets a copy:
/// without its tests, and without what only the built-in detectors share.
fn sdk(source: &Path) -> String {
    let mut files = Vec::new();
    rust_files(source, &mut files);
    files.sort();
    let mut list = String::from(
        "/// The SDK's source: path in a project, text.\npub(super) const SDK: &[(&str, &str)] = &[\n",
    );
    for file in files {
        let name = file.strip_prefix(source).unwrap_or(&file);
        if name.ends_with("tests.rs") || name.starts_with("rlwatch.rs") {
            continue;
        }
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| fail(&format!("cannot read {}: {error}", file.display())));
        // Tests stand at the end of a file.
        let code = text.split("\n#[cfg(test)]\n").next().unwrap_or(&text);
        let code = code
            .replace("pub mod rlwatch;\n", "")
            .replace("../../wit/v0.1", "../wit");
        let code = code.trim_end().to_owned() + "\n";
        let path = format!("sdk/src/{}", name.display());
        let _ = writeln!(list, "    ({path:?}, {code:?}),");
    }
    list.push_str("];\n");
    list
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| fail(&format!("cannot read {}: {error}", folder.display())));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// One folder for all profiles of the runner, beside them. Cargo holds a lock
/// on its own, so the detectors cannot share it.
fn target_folder(out: &Path) -> PathBuf {
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    out.ancestors().nth(4).unwrap_or(out).join("detectors")
}

fn build(detectors: &Path, target: &Path) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--target",
            TARGET,
        ])
        .arg("--manifest-path")
        .arg(detectors.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    for name in BUILTIN {
        cargo.args(["-p", name]);
    }
    // What is meant for the runner (clippy's wrapper, its flags, its profile)
    // is not meant for the detectors.
    for name in [
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    let output = match cargo.output() {
        Ok(output) => output,
        Err(error) => fail(&format!("cannot start cargo: {error}")),
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        if text.contains("can't find crate for `core`")
            || text.contains("can't find crate for `std`")
        {
            fail(&format!(
                "the detectors need the WebAssembly target: rustup target add {TARGET}"
            ));
        }
        fail(&format!("the detectors do not build:\n{text}"));
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    println!("cargo::error={}", message.replace('\n', "\ncargo::error="));
    exit(1)
}
