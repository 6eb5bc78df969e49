//! C: clang makes a core module, and runwatch a component of it.

use std::path::{Path, PathBuf};

use super::{Step, Template, Tool};
use crate::author::programs;
use crate::author::project::Project;

/// Where the bindings and the core module are written to.
const BINDINGS: &str = "bindings";
const TARGET: &str = "--target=wasm32-wasi";
const OPTIONS: [&str; 8] = [
    // A reactor has no `main`: the host calls what it exports.
    "-mexec-model=reactor",
    "-O2",
    "-Wall",
    // Names are kept, so that a fault says where it was.
    "-Wl,--strip-debug",
    // As in Rust; clang gives 64 KiB, zig 16 MiB.
    "-Wl,-z,stack-size=1048576",
    "-I",
    BINDINGS,
    "-o",
];

pub(super) fn templates() -> Vec<Template> {
    vec![
        Template {
            path: "detector.c",
            text: include_str!("../templates/c/detector.c"),
        },
        Template {
            path: "runwatch.h",
            text: include_str!("../templates/c/runwatch.h"),
        },
    ]
}

pub(super) fn tools() -> Vec<Tool> {
    if let Compiler::Zig(command) = Compiler::choose() {
        return vec![Tool {
            name: "zig cc",
            purpose: "compiles the detector",
            found: zig_version(&command),
            install: "pip install ziglang".to_owned(),
        }];
    }
    let clang = clang();
    let part = |name, purpose, found| Tool {
        name,
        purpose,
        found,
        install: "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32, \
                  or: pip install ziglang"
            .to_owned(),
    };
    vec![
        part(
            "clang",
            "compiles the detector",
            programs::version(&[&clang, "--version"]),
        ),
        part(
            "wasm-ld",
            "links it",
            tool_of(&clang, "-print-prog-name=wasm-ld"),
        ),
        part(
            "wasi-libc",
            "the C library for WebAssembly",
            tool_of(&clang, "-print-file-name=crt1-reactor.o"),
        ),
        part(
            "compiler-rt",
            "clang's own library for WebAssembly",
            tool_of(&clang, "-print-libgcc-file-name"),
        ),
    ]
}

pub(super) fn steps(project: &Project) -> Vec<Step> {
    let module = format!("{BINDINGS}/core.wasm");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (mut command, own): (Vec<String>, Vec<String>) = match Compiler::choose() {
        // A stack that overflows is a trap, and not other data: zig does that
        // unasked.
        Compiler::Clang => (vec![clang()], words(&[TARGET, "-Wl,--stack-first"])),
        Compiler::Zig(command) => (command, words(&["-target", "wasm32-wasi"])),
    };
    command.extend(own);
    command.extend(OPTIONS.map(str::to_owned));
    command.push(module.clone());
    command.extend(sources(&project.folder));
    command.push(format!("{BINDINGS}/detector_component.c"));
    vec![
        Step::CBindings {
            folder: BINDINGS.into(),
        },
        Step::Run(command),
        Step::Componentize {
            module: module.into(),
        },
    ]
}

/// Every C file in the project's folder.
fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| PathBuf::from(entry.file_name()));
    let mut names: Vec<String> = names
        .filter(|name| name.extension().is_some_and(|end| end == "c"))
        .map(|name| name.display().to_string())
        .collect();
    names.sort();
    names
}

/// What compiles.
enum Compiler {
    Clang,
    /// Zig comes with all that clang needs besides itself.
    Zig(Vec<String>),
}

impl Compiler {
    /// `CC` if it is one of the two; clang if it has all that it needs; zig if
    /// it is there; else clang, of which something is missing.
    fn choose() -> Self {
        let cc = std::env::var("CC").unwrap_or_default();
        if cc.contains("zig") {
            return Self::Zig(cc.split_whitespace().map(str::to_owned).collect());
        }
        let clang = clang();
        let is_complete = [
            "-print-prog-name=wasm-ld",
            "-print-file-name=crt1-reactor.o",
            "-print-libgcc-file-name",
        ];
        if cc.contains("clang") || is_complete.iter().all(|it| tool_of(&clang, it).is_ok()) {
            return Self::Clang;
        }
        let zigs: [&[&str]; 2] = [&["zig", "cc"], &["python3", "-m", "ziglang", "cc"]];
        let zigs = zigs.map(|zig| {
            zig.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        });
        let mut zigs = zigs.into_iter();
        let zig = zigs.find(|zig| zig_version(zig).is_ok());
        zig.map_or(Self::Clang, Self::Zig)
    }
}

/// `CC` if it is a clang: no other compiler makes WebAssembly.
fn clang() -> String {
    let cc = std::env::var("CC").ok();
    let cc = cc.filter(|cc| cc.contains("clang"));
    cc.unwrap_or_else(|| "clang".to_owned())
}

/// Asks clang where a part of it is. It answers with a bare name when it does
/// not know.
fn tool_of(clang: &str, question: &str) -> Result<String, String> {
    let answer =
        programs::output(&[clang, TARGET, question]).ok_or_else(|| "no clang to ask".to_owned())?;
    match programs::find(&answer) {
        Some(path) => Ok(path.display().to_string()),
        None => Err(format!("clang does not find `{answer}`")),
    }
}

fn zig_version(command: &[String]) -> Result<String, String> {
    let words = command.iter().map(String::as_str);
    let words: Vec<&str> = words
        .take_while(|word| *word != "cc")
        .chain(["version"])
        .collect();
    programs::version(&words).map(|version| format!("zig {version}"))
}
