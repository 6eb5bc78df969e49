//! Loading a detector: from bytes to a component that has proved it runs.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::DetectorComponentPre;
use super::cache::{Cache, Origin};
use super::engine::Engine;
use super::instance::{Host, Instance};
use super::limits::Limits;
use super::wasi;
use crate::describe::Description;

/// The export that makes a component a detector, before its version.
const CONTRACT: &str = "runwatch:detector/detector";
/// The contract's version that this runner reads.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// An import of a component and what it gets for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The interface, with its version.
    pub name: String,
    /// Whether it is satisfied by the virtual world; otherwise calls are denied.
    pub granted: bool,
}

/// A detector that has been loaded and checked.
#[derive(Clone)]
pub struct Component {
    pub(super) engine: Engine,
    pub(super) world: DetectorComponentPre<Host>,
    pub(super) limits: Limits,
    /// SHA-256 of the component's bytes.
    pub digest: [u8; 32],
    /// The version of the contract that it was built against, such as `0.1.0`.
    pub contract: String,
    /// What the detector says about itself.
    pub description: Description,
    /// The file that it comes from, where whoever loads it knows.
    pub path: Option<PathBuf>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// Where its compiled code came from.
    pub origin: Origin,
    /// The size of the component in bytes.
    pub size: usize,
    /// Bytes of linear memory after the load check.
    pub memory: usize,
}

impl Component {
    /// Loads a component: compiles it or finds it compiled, checks its
    /// contract, satisfies its imports, starts it once, and asks it to describe
    /// itself.
    ///
    /// # Errors
    /// Says which of these failed and why; the caller adds which detector.
    pub fn load(engine: &Engine, cache: &Cache, limits: &Limits, bytes: &[u8]) -> Result<Self> {
        if !bytes.starts_with(b"\0asm") {
            bail!("this is not a WebAssembly file");
        }
        if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
            bail!(
                "this is a core WebAssembly module, not a component; build for the target \
                 wasm32-wasip2, or wrap it with `wasm-tools component new`"
            );
        }
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let (component, origin) = cache
            .compile(engine, &digest, bytes)
            .context("the component is not valid")?;
        let wasmtime = engine.wasmtime();
        let contract = check_contract(&component, wasmtime)?;
        let imports = component
            .component_type()
            .imports(wasmtime)
            .map(|(name, _)| Import {
                name: name.to_owned(),
                granted: wasi::is_virtual(name),
            })
            .collect();

        let mut linker = Linker::new(wasmtime);
        wasi::link(&mut linker)?;
        super::bindings::runwatch::detector::log::add_to_linker::<_, HasSelf<_>>(
            &mut linker,
            |host| host,
        )?;
        wasi::deny_rest(&mut linker, &component, wasmtime)?;
        let pre = linker.instantiate_pre(&component)?;
        let world = DetectorComponentPre::new(pre)
            .map_err(anyhow::Error::from)
            .context("the component does not export all of the contract")?;
        let mut loaded = Self {
            engine: engine.clone(),
            world,
            limits: limits.clone(),
            digest,
            contract,
            description: Description::default(),
            path: None,
            imports,
            origin,
            size: bytes.len(),
            memory: 0,
        };
        // Names match by now; that shapes match too shows only here.
        let mut instance = Instance::new(&loaded).map_err(|error| {
            match error.downcast_ref::<super::fault::Fault>() {
                Some(fault) => anyhow!("{error}: {fault}{}", said(&fault.output)),
                None => error,
            }
        })?;
        loaded.description = instance
            .describe()
            .map_err(|fault| anyhow!("{fault}{}", said(&fault.output)))?;
        loaded
            .description
            .check()
            .map_err(|problem| anyhow!("its description breaks the contract: {problem}"))?;
        loaded.memory = instance.memory();
        Ok(loaded)
    }

    /// What its calls may take.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        crate::digest::hex(&self.digest)
    }

    /// The imports that are denied.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.imports
            .iter()
            .filter(|import| !import.granted)
            .map(|import| import.name.as_str())
    }
}

fn said(output: &[String]) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!("; it said: {}", output.join(" / "))
    }
}

fn check_contract(
    component: &wasmtime::component::Component,
    engine: &wasmtime::Engine,
) -> Result<String> {
    let ty = component.component_type();
    let versions: Vec<&str> = ty
        .exports(engine)
        .filter_map(|(name, _)| name.strip_prefix(CONTRACT)?.strip_prefix('@'))
        .collect();
    // 0.1.x is one contract: a patch release changes comments only. A component
    // may export others as well, for other generations of runwatch.
    if let Some(version) = versions.iter().find(|version| version.starts_with("0.1.")) {
        return Ok((*version).to_owned());
    }
    match versions.first() {
        Some(version) => bail!(
            "it was built against version {version} of the contract, and this runwatch reads {CONTRACT_VERSION}"
        ),
        None => {
            let exports: Vec<String> = ty
                .exports(engine)
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let exports = if exports.is_empty() {
                "nothing".to_owned()
            } else {
                exports.join(", ")
            };
            bail!(
                "it is a component but no detector: it exports {exports}, not `{CONTRACT}@{CONTRACT_VERSION}`"
            )
        }
    }
}
