//! Rust: cargo and the SDK, which a project has its own copy of.

use std::path::{Path, PathBuf};

use super::{Step, Template, Tool};
use crate::author::programs;
use crate::author::project::Project;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
}

const TARGET: &str = "wasm32-wasip2";

const OWN: &[Template] = &[
    Template {
        path: "Cargo.toml",
        text: include_str!("../templates/rust/Cargo.toml"),
    },
    Template {
        path: "Cargo.lock",
        text: include_str!("../templates/rust/Cargo.lock"),
    },
    Template {
        path: "src/lib.rs",
        text: include_str!("../templates/rust/src/lib.rs"),
    },
    Template {
        path: "sdk/Cargo.toml",
        text: include_str!("../templates/rust/sdk/Cargo.toml"),
    },
];

pub(super) fn templates() -> Vec<Template> {
    let sdk = embedded::SDK
        .iter()
        .map(|(path, text)| Template { path, text });
    OWN.iter().cloned().chain(sdk).collect()
}

pub(super) fn tools() -> Vec<Tool> {
    let rustup = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";
    vec![
        Tool {
            name: "cargo",
            purpose: "builds the detector",
            found: programs::version(&["cargo", "--version"]),
            install: rustup.to_owned(),
        },
        Tool {
            name: TARGET,
            purpose: "Rust's WebAssembly target",
            found: target(),
            install: format!("rustup target add {TARGET}"),
        },
    ]
}

/// Where the target's standard library is.
fn target() -> Result<String, String> {
    let sysroot = programs::output(&["rustc", "--print", "sysroot"])
        .ok_or_else(|| "no rustc to ask".to_owned())?;
    let folder = Path::new(&sysroot).join("lib/rustlib").join(TARGET);
    if folder.is_dir() {
        Ok(folder.display().to_string())
    } else {
        Err(format!("not in {sysroot}"))
    }
}

pub(super) fn steps(project: &Project) -> Vec<Step> {
    let command = ["cargo", "build", "--quiet", "--release", "--target", TARGET];
    let built = format!("{TARGET}/release/{}.wasm", project.identifier());
    vec![
        Step::Run(command.map(str::to_owned).to_vec()),
        Step::Take {
            from: target_folder().join(built),
        },
    ]
}

/// Where cargo writes to; if relative, in the project's folder.
fn target_folder() -> PathBuf {
    let named = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];
    let named = named.into_iter().find_map(std::env::var_os);
    named.map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    /// The versions that runwatch itself has been built with: whoever has built
    /// it has them, and needs no network.
    #[test]
    fn a_new_project_locks_what_the_built_in_detectors_lock() {
        let own = include_str!("../templates/rust/Cargo.lock");
        let ours = include_str!("../../../../detectors/Cargo.lock");
        let packages = own.split("\n[[package]]\n");
        let packages: Vec<&str> = packages.filter(|it| it.contains("\nsource = ")).collect();
        assert!(packages.len() > 10);
        for package in packages {
            assert!(ours.contains(package.trim()), "{package}");
        }
    }
}
