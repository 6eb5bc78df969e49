//! From the configuration to loaded detectors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::config::{self, Config};
use crate::describe::Description;
use crate::detect::{self, Budget, Detect, Settings};
use crate::digest;
use crate::exit::{Ending, Failure};
use crate::sandbox::cache::{Cache, Origin};
use crate::sandbox::{Component, Engine, Limits};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
}

/// The detectors that come with runwatch: name and component.
pub use embedded::BUILTIN;
use embedded::EXAMPLES;

/// The detector that runs the rules of the configuration, one monitor each.
const RULE: &str = "rule";

/// The names of the detectors that come with runwatch.
#[must_use]
pub fn builtin_names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

/// Loads detectors. One per process: it owns the engine.
pub struct Loader {
    engine: Engine,
    cache: Cache,
}

impl Loader {
    /// Sets up the engine and finds the cache.
    ///
    /// # Errors
    /// When this machine cannot run compiled WebAssembly.
    pub fn new() -> Result<Self> {
        Ok(Self {
            engine: Engine::new()?,
            cache: Cache::user(),
        })
    }

    /// The same with an engine that counts what detectors cost: see
    /// [`Engine::metered`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn metered() -> Result<Self> {
        Ok(Self {
            engine: Engine::metered()?,
            cache: Cache::user(),
        })
    }

    /// The cache of compiled code.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A short log in which a built-in detector finds something.
    #[must_use]
    pub fn example(&self, name: &str) -> Option<&'static str> {
        let (_, example) = EXAMPLES.iter().find(|(known, _)| *known == name)?;
        Some(example)
    }

    /// Loads a component from its bytes.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn component(&self, bytes: &[u8], limits: &Limits) -> Result<Component> {
        Component::load(&self.engine, &self.cache, limits, bytes)
    }

    /// Loads one detector of the configuration.
    ///
    /// # Errors
    /// Says which detector, which file, and what is wrong with it.
    pub fn detector(&self, config: &Config, detector: &config::Detector) -> Result<Component> {
        let name = &detector.name;
        let read;
        let bytes = match &detector.path {
            Some(path) => {
                read = std::fs::read(path).with_context(|| {
                    format!("detector `{name}`: cannot read `{}`", path.display())
                })?;
                read.as_slice()
            }
            None => {
                let builtin = BUILTIN.iter().find(|(builtin, _)| builtin == name);
                builtin
                    .with_context(|| format!("there is no detector `{name}`"))?
                    .1
            }
        };
        self.detector_of(config, detector, bytes)
    }

    /// The same from its bytes, wherever they come from. What is not what the
    /// configuration expects is not even started.
    ///
    /// # Errors
    /// Says which detector, which file, and what is wrong with it.
    pub fn detector_of(
        &self,
        config: &Config,
        detector: &config::Detector,
        bytes: &[u8],
    ) -> Result<Component> {
        let name = &detector.name;
        let mut limits = limits(config);
        limits.memory = detector.memory.unwrap_or(limits.memory);
        limits.timeout = detector.timeout.unwrap_or(limits.timeout);
        let place = || match &detector.path {
            Some(path) => format!("detector `{name}` (`{}`)", path.display()),
            None => format!("detector `{name}`"),
        };
        if let Some(expected) = &detector.sha256 {
            let digest = digest::sha256_hex(bytes);
            if *expected != digest {
                bail!(
                    "{}: its sha256 is {digest}, and {expected} is pinned",
                    place()
                );
            }
        }
        let mut component = self.component(bytes, &limits).with_context(place)?;
        component.path = detector
            .path
            .as_ref()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        let denied: Vec<&str> = component.denied().collect();
        if detector.strict_imports && !denied.is_empty() {
            bail!(
                "{}: it asks for {}, and strict-imports is on",
                place(),
                denied.join(", ")
            );
        }
        Ok(component)
    }

    /// Loads every detector that is enabled, with its parameters resolved.
    /// `note` is told what the user should know: a first compilation, a
    /// detector that asks for the network.
    ///
    /// # Errors
    /// The first detector that cannot be loaded, or a parameter that does not fit.
    pub fn enabled(
        &self,
        config: &Config,
        mut note: impl FnMut(String),
    ) -> Result<Vec<detect::Detector>, Failure> {
        let wanted: Vec<_> = config
            .detectors
            .iter()
            .filter(|detector| detector.enabled)
            // Without rules there is nothing for it to run.
            .filter(|detector| detector.name != RULE || !config.rules.is_empty())
            .collect();
        let mut detectors = Vec::new();
        for (wanted, component) in wanted.iter().zip(self.load(config, &wanted)) {
            let component = component.map_err(|error| Failure::new(Ending::Detector, error))?;
            let parameters = config::resolve(&component.description, &wanted.parameters)?;
            let denied: Vec<&str> = component.denied().collect();
            if !denied.is_empty() {
                note(format!(
                    "detector `{}` asks for {}: denied",
                    wanted.name,
                    denied.join(", ")
                ));
            }
            if wanted.path.is_some() && component.origin != Origin::Cached {
                note(format!(
                    "compiled detector `{}`; the next start finds it compiled",
                    wanted.name
                ));
            }
            let name: Arc<str> = wanted.name.as_str().into();
            let sets = match wanted.name.as_str() {
                RULE => config
                    .rules
                    .iter()
                    .map(|rule| rule.parameters.clone())
                    .collect(),
                _ => vec![parameters],
            };
            detectors.extend(sets.into_iter().map(|parameters| detect::Detector {
                name: name.clone(),
                source: Box::new(component.clone()),
                parameters,
                own: wanted.path.is_some(),
            }));
        }
        if detectors.len() > crate::record::MAX_DETECTORS {
            let error = anyhow::anyhow!(
                "{} detectors are enabled, and at most {} can be",
                detectors.len(),
                crate::record::MAX_DETECTORS
            );
            return Err(Failure::new(Ending::Usage, error)
                .hint("switch some off with `--detector NAME=off`"));
        }
        Ok(detectors)
    }

    /// Loads several detectors at once: on a first start most of the time goes
    /// into compiling.
    fn load(&self, config: &Config, wanted: &[&config::Detector]) -> Vec<Result<Component>> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = wanted
                .iter()
                .map(|detector| scope.spawn(move || self.detector(config, detector)))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|result| result.unwrap_or_else(|_| bail!("the thread that loads it panicked")))
                .collect()
        })
    }

    /// The descriptions of all configured detectors that can be loaded, by name.
    #[must_use]
    pub fn descriptions(&self, config: &Config) -> BTreeMap<String, Description> {
        let load = |detector: &config::Detector| {
            Some((
                detector.name.clone(),
                self.detector(config, detector).ok()?.description,
            ))
        };
        config.detectors.iter().filter_map(load).collect()
    }
}

/// One detector alone, with these parameters, which are valid. One fault, and it
/// is off.
///
/// # Errors
/// When it does not start.
pub fn only(detector: detect::Detector) -> Result<Detect> {
    let settings = Settings {
        shards: 1,
        budget: Budget {
            faults: 0,
            seconds: 1.0,
        },
        host: "localhost".to_owned(),
        live: false,
        faults: None,
    };
    Detect::new(vec![detector], &settings)
}

/// One detector alone, outside of any configuration, with these parameters and
/// the defaults of the others.
///
/// # Errors
/// When it does not start.
pub fn alone(component: Component, given: &[(&str, &str)]) -> Result<Detect> {
    let name: Arc<str> = component.description.name.as_str().into();
    let mut parameters = config::resolve(&component.description, &[])?;
    for (name, value) in &mut parameters {
        if let Some((_, given)) = given.iter().find(|(given, _)| given == name) {
            *value = (*given).to_owned();
        }
    }
    only(detect::Detector {
        name,
        source: Box::new(component),
        parameters,
        own: false,
    })
}

fn limits(config: &Config) -> Limits {
    let given = &config.limits;
    Limits {
        memory: given.memory,
        timeout: given.timeout,
        output: given.output,
        findings: given.findings,
        finding_bytes: given.finding_bytes,
        log_lines: given.log_lines,
    }
}

/// A path as the user wrote it, for detectors named on the command line.
#[must_use]
pub fn is_component_path(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    (text.contains(['/', '\\']) || path.extension().is_some_and(|end| end == "wasm"))
        .then_some(path)
}
