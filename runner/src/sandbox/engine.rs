//! How wasmtime is set up, and the ticker that makes deadlines real.

use std::time::Duration;

use anyhow::{Context, Result};
use wasmtime::Config;

/// The resolution of deadlines. The ticker wakes this often, whatever runs.
pub const TICK: Duration = Duration::from_millis(10);

/// The fuel of one call in an engine of [`Engine::metered`]: some seconds of
/// work, whatever the machine.
const FUEL_PER_CALL: u64 = 10_000_000_000;

/// A wasmtime engine whose epoch advances once per [`TICK`].
///
/// Clones share the engine; the ticker thread ends when the last is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    /// The fuel of one call, where fuel and not time is what limits it.
    fuel: Option<u64>,
}

impl Engine {
    /// Sets up the engine.
    ///
    /// # Errors
    /// When the machine cannot run compiled WebAssembly, or no thread can start.
    pub fn new() -> Result<Self> {
        let mut config = config();
        // The wall-time limit. Fuel would be exact but costs up to 50 % in
        // branchy code.
        config.epoch_interruption(true);
        let inner = engine(&config)?;
        let weak = inner.weak();
        std::thread::Builder::new()
            .name("epoch-ticker".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .context("cannot start the thread that interrupts detectors")?;
        Ok(Self { inner, fuel: None })
    }

    /// Sets up an engine that counts what each call costs, in units of fuel: an
    /// instruction is about one. What a detector costs is then the same on any
    /// machine, however busy, and so is the limit of a call. For tests of
    /// detectors, since it is slower.
    ///
    /// # Errors
    /// When the machine cannot run compiled WebAssembly.
    pub fn metered() -> Result<Self> {
        let mut config = config();
        config.consume_fuel(true);
        Ok(Self {
            inner: engine(&config)?,
            fuel: Some(FUEL_PER_CALL),
        })
    }

    /// The fuel of one call; none where a call's limit is time.
    #[must_use]
    pub fn fuel(&self) -> Option<u64> {
        self.fuel
    }

    /// The wasmtime engine.
    #[must_use]
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }
}

/// What all engines have in common.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // On, an empty call costs three times as much (531 against 171 ns).
        .concurrency_support(false)
        // A panic alone takes eight, and none of them says where it was.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    if address_space_is_limited() {
        // By default each memory reserves 4 GiB of addresses, so that bounds
        // need no checks. Under `ulimit -v`, as some clusters set it, no
        // detector would start; checks make them some 10 % slower instead.
        config
            .memory_reservation(0)
            .memory_reservation_for_growth(1 << 20)
            .memory_guard_size(0);
    }
    config
}

fn engine(config: &Config) -> Result<wasmtime::Engine> {
    wasmtime::Engine::new(config)
        .map_err(anyhow::Error::from)
        .context("cannot set up the WebAssembly engine")
}

/// Whether `ulimit -v` is set.
fn address_space_is_limited() -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max address space"));
    line.and_then(|line| line.split_whitespace().nth(3))
        .is_some_and(|soft| soft != "unlimited")
}
