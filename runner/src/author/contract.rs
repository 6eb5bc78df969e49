//! The contract as a project has it: pinned in its folder `wit/`.

use std::path::Path;

use anyhow::{Context as _, Result};
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use super::project::Project;

/// The contract that this runwatch reads.
pub const TEXT: &str = include_str!("../../../wit/v0.1/detector.wit");
/// Where a project has its copy.
pub const FILE: &str = "wit/detector.wit";
/// The world that a detector targets.
const WORLD: &str = "detector-component";
/// What the bindings call so that the linker keeps the object file that there is
/// none of.
const NO_OBJECT_FILE: &str = "
// runwatch adds the component's type to the module afterwards.
void __component_type_object_force_link_detector_component(void) {}
";

/// What a project's copy is to the contract of this runwatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// The same text.
    Same,
    /// Another text: another runwatch wrote it, or somebody changed it.
    Differs,
    /// There is none.
    Missing,
}

/// Compares a project's copy with the contract of this runwatch.
#[must_use]
pub fn pinned(project: &Project) -> Pinned {
    match std::fs::read_to_string(project.folder.join(FILE)) {
        Ok(text) if text == TEXT => Pinned::Same,
        Ok(_) => Pinned::Differs,
        Err(_) => Pinned::Missing,
    }
}

/// Writes the C bindings of a project's contract into a folder:
/// `detector_component.c` and `.h`.
///
/// # Errors
/// When the contract cannot be read, or the folder not be written to.
pub fn write_c_bindings(project: &Path, folder: &Path) -> Result<()> {
    let (mut resolve, world) = read(project)?;
    let options = Opts {
        // It would hold what `componentize` adds to the module.
        no_object_file: true,
        ..Opts::default()
    };
    let mut files = Files::default();
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .context("no C bindings can be made of `wit/`")?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    for (name, text) in files.iter() {
        let mut text = text.to_vec();
        if name.ends_with(".c") {
            text.extend_from_slice(NO_OBJECT_FILE.as_bytes());
        }
        let file = folder.join(name);
        // An unchanged file keeps its time.
        if std::fs::read(&file).is_ok_and(|old| old == text) {
            continue;
        }
        std::fs::write(&file, text)
            .with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(())
}

/// Makes a component of a core module and a project's contract.
///
/// # Errors
/// When the module cannot be read, or imports or exports what the contract
/// does not know.
pub fn componentize(project: &Path, module: &Path) -> Result<Vec<u8>> {
    let (resolve, world) = read(project)?;
    let mut bytes =
        std::fs::read(module).with_context(|| format!("cannot read `{}`", module.display()))?;
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.validate(true).encode())
        .with_context(|| format!("no component can be made of `{}`", module.display()))
}

fn read(project: &Path) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let folder = project.join("wit");
    let (package, _) = resolve
        .push_path(&folder)
        .with_context(|| format!("`{}` cannot be read", folder.display()))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    Ok((resolve, world))
}
