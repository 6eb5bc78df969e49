//! A running component and its monitors.

use wasmtime::component::ResourceAny;
use wasmtime::{Result, Store, Trap};

use super::bindings::{DetectorComponent, contract, runwatch, types};
use super::component::Component;
use super::fault::{Fault, FaultKind};
use super::finding::{check_finding, excerpt};
use super::limits::{Limits, Meter};
use super::wasi::Random;
use crate::alert::Finding;
use crate::describe::{Description, Interest, Kind, ParameterSpec};

/// What the host keeps beside a component: everything a detector can reach.
pub struct Host {
    /// Stream time in seconds since 1970.
    pub(super) now: f64,
    /// The dice.
    pub(super) random: Random,
    /// Standard output, standard error and the log, bounded.
    pub(super) output: Output,
    meter: Meter,
}

impl runwatch::detector::types::Host for Host {}

impl runwatch::detector::log::Host for Host {
    fn log(&mut self, level: String, message: String) {
        self.output
            .write(format!("{level}: {message}\n").as_bytes());
    }
}

/// The last lines that a detector wrote.
pub(super) struct Output {
    lines: std::collections::VecDeque<String>,
    open: Vec<u8>,
    limit: usize,
}

/// Bytes kept of one line.
const LINE_BYTES: usize = 500;

impl Output {
    fn new(limit: usize) -> Self {
        Self {
            lines: std::collections::VecDeque::new(),
            open: Vec::new(),
            limit,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, whole) = line
                .strip_suffix(b"\n")
                .map_or((line, false), |text| (text, true));
            let room = LINE_BYTES.saturating_sub(self.open.len());
            self.open.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                let line = std::mem::take(&mut self.open);
                self.line(&String::from_utf8_lossy(&line));
            }
        }
    }

    fn line(&mut self, line: &str) {
        if line.trim().is_empty() || self.limit == 0 {
            return;
        }
        if self.lines.len() == self.limit {
            self.lines.pop_front();
        }
        // Shown on the user's terminal, which must not obey a detector.
        let harmless = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        self.lines
            .push_back(line.chars().take(LINE_BYTES).map(harmless).collect());
    }

    fn take(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        self.line(&String::from_utf8_lossy(&open));
        self.lines.drain(..).collect()
    }
}

/// One monitor of an [`Instance`]. Worthless once the instance is gone.
#[derive(Clone, Copy)]
pub struct Monitor(ResourceAny);

/// A metric as it is announced to a monitor.
pub struct Series<'a> {
    /// The number that stands for it.
    pub index: u32,
    /// The canonical name.
    pub name: &'a str,
    /// The printed name.
    pub source: &'a str,
}

/// A finding and the row it points at, if any.
pub type RowFinding = (Option<u32>, Finding);

/// A running component. After a [`Fault`] it is dead: make a new one. What a
/// fault has left behind is unknown, so that every later call fails.
pub struct Instance {
    store: Store<Host>,
    world: DetectorComponent,
    limits: Limits,
    dead: bool,
    /// The fuel of one call, in a metered engine.
    fuel: Option<u64>,
    /// The fuel that all calls have used.
    spent: u64,
}

/// The columns of `observe`; see the contract.
pub struct Columns<'a> {
    /// Steps by row.
    pub steps: &'a [i64],
    /// Times by row.
    pub times: &'a [f64],
    /// Ranks by row.
    pub ranks: &'a [u32],
    /// Series by value.
    pub indices: &'a [u32],
    /// Row by value.
    pub rows: &'a [u32],
    /// The values.
    pub values: &'a [f64],
    /// Texts.
    pub texts: &'a [types::Text],
}

impl Instance {
    /// Starts a component.
    ///
    /// # Errors
    /// When it does not start within its limits (the error is then a
    /// [`Fault`]), or when its shapes are not those of the contract.
    pub fn new(component: &Component) -> anyhow::Result<Self> {
        let seed = u64::from_le_bytes(component.digest[..8].try_into()?);
        let host = Host {
            now: 0.0,
            random: Random::seeded(seed),
            output: Output::new(component.limits.log_lines),
            meter: Meter::new(component.limits.memory),
        };
        let mut store = Store::new(component.engine.wasmtime(), host);
        store.limiter(|host| &mut host.meter);
        store.set_hostcall_fuel(component.limits.output);
        let fuel = component.engine.fuel();
        allow(&mut store, &component.limits, fuel)?;
        let world = component.world.instantiate(&mut store).map_err(|error| {
            let output = store.data_mut().output.take();
            let fault = Fault::from_error(&error, "start", &component.limits, fuel, output);
            if fault.kind == FaultKind::Trap && !error.is::<Trap>() {
                // Nothing ran: this is wasmtime's comparison of types.
                anyhow::Error::from(error).context("the component does not fit the contract")
            } else {
                anyhow::Error::new(fault).context("the component does not start")
            }
        })?;
        Ok(Self {
            store,
            world,
            limits: component.limits.clone(),
            dead: false,
            fuel,
            spent: 0,
        })
    }

    /// Bytes of linear memory in use, which is also the high-water mark.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.store.data().meter.used()
    }

    /// Units of fuel that all calls have used so far; 0 outside of a metered
    /// engine. Starting the component is no call.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.spent
    }

    /// Sets what the virtual clocks show.
    pub fn set_now(&mut self, now: f64) {
        self.store.data_mut().now = now;
    }

    fn call<T>(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&contract::Guest, &mut Store<Host>) -> Result<T>,
    ) -> std::result::Result<T, Fault> {
        if self.dead {
            let message = "called after a fault, which is a bug of runwatch";
            return Err(Fault::found(FaultKind::Trap, name, message.to_owned()));
        }
        let guest = self.world.runwatch_detector_detector();
        let result = allow(&mut self.store, &self.limits, self.fuel)
            .and_then(|()| call(guest, &mut self.store));
        if let (Some(fuel), Ok(left)) = (self.fuel, self.store.get_fuel()) {
            self.spent = self.spent.saturating_add(fuel.saturating_sub(left));
        }
        result.map_err(|error| {
            self.dead = true;
            let output = self.store.data_mut().output.take();
            Fault::from_error(&error, name, &self.limits, self.fuel, output)
        })
    }

    /// Asks the component what it is.
    ///
    /// # Errors
    /// When the call faults, or a parameter is of a kind that does not exist.
    pub fn describe(&mut self) -> std::result::Result<Description, Fault> {
        let raw = self.call("describe", |guest, store| guest.call_describe(store))?;
        let parameters = raw.parameters.into_iter().map(|p| {
            let Some(kind) = Kind::from_name(&p.kind) else {
                let problem = format!(
                    "parameter `{}` has the kind `{}`",
                    excerpt(&p.name),
                    excerpt(&p.kind)
                );
                return Err(Fault::found(FaultKind::BadFinding, "describe", problem));
            };
            Ok(ParameterSpec {
                name: p.name,
                kind,
                default: p.default,
                unit: p.unit,
                doc: p.doc,
                limits: p.limits,
            })
        });
        Ok(Description {
            parameters: parameters.collect::<std::result::Result<_, _>>()?,
            name: raw.name,
            version: raw.version,
            summary: raw.summary,
            facts: raw.facts,
        })
    }

    /// Opens a monitor. The inner error is the detector's refusal.
    ///
    /// # Errors
    /// When the call faults.
    pub fn open(
        &mut self,
        run: &[(String, String)],
        parameters: &[(String, String)],
    ) -> std::result::Result<std::result::Result<Monitor, String>, Fault> {
        let opened = self.call("open", |guest, store| {
            guest.monitor().call_open(store, run, parameters)
        })?;
        Ok(opened.map(Monitor))
    }

    /// Asks a monitor what it wants to be told.
    ///
    /// # Errors
    /// When the call faults.
    pub fn interests(&mut self, monitor: Monitor) -> std::result::Result<Vec<Interest>, Fault> {
        let raw = self.call("interests", |guest, store| {
            guest.monitor().call_interests(store, monitor.0)
        })?;
        Ok(raw
            .into_iter()
            .map(|i| Interest {
                kind: i.kind,
                pattern: i.pattern,
                options: i.options,
            })
            .collect())
    }

    /// Announces metrics to a monitor.
    ///
    /// # Errors
    /// When the call faults.
    pub fn define(
        &mut self,
        monitor: Monitor,
        series: &[Series<'_>],
    ) -> std::result::Result<(), Fault> {
        let series: Vec<types::Series> = series
            .iter()
            .map(|s| types::Series {
                index: s.index,
                name: s.name.to_owned(),
                source: s.source.to_owned(),
            })
            .collect();
        self.call("define", |guest, store| {
            guest.monitor().call_define(store, monitor.0, &series)
        })
    }

    /// Feeds a monitor.
    ///
    /// # Errors
    /// When the call faults or a finding breaks the contract.
    pub fn observe(
        &mut self,
        monitor: Monitor,
        c: &Columns<'_>,
    ) -> std::result::Result<Vec<RowFinding>, Fault> {
        let raw = self.call("observe", |guest, store| {
            guest.monitor().call_observe(
                store, monitor.0, c.steps, c.times, c.ranks, c.indices, c.rows, c.values, c.texts,
            )
        })?;
        self.check(raw, "observe", c.steps.len())
    }

    /// Tells a monitor that time has passed.
    ///
    /// # Errors
    /// When the call faults or a finding breaks the contract.
    pub fn tick(
        &mut self,
        monitor: Monitor,
        now: f64,
    ) -> std::result::Result<Vec<RowFinding>, Fault> {
        let raw = self.call("tick", |guest, store| {
            guest.monitor().call_tick(store, monitor.0, now)
        })?;
        self.check(raw, "tick", 0)
    }

    /// Tells a monitor that its run has ended.
    ///
    /// # Errors
    /// When the call faults or a finding breaks the contract.
    pub fn finish(
        &mut self,
        monitor: Monitor,
        outcome: &str,
    ) -> std::result::Result<Vec<RowFinding>, Fault> {
        let raw = self.call("finish", |guest, store| {
            guest.monitor().call_finish(store, monitor.0, outcome)
        })?;
        self.check(raw, "finish", 0)
    }

    /// Asks a monitor for its state.
    ///
    /// # Errors
    /// When the call faults.
    pub fn save(&mut self, monitor: Monitor) -> std::result::Result<Option<Vec<u8>>, Fault> {
        self.call("save", |guest, store| {
            guest.monitor().call_save(store, monitor.0)
        })
    }

    /// Gives a monitor its state back. The inner error is the detector's refusal.
    ///
    /// # Errors
    /// When the call faults.
    pub fn restore(
        &mut self,
        monitor: Monitor,
        state: &[u8],
    ) -> std::result::Result<std::result::Result<(), String>, Fault> {
        self.call("restore", |guest, store| {
            guest.monitor().call_restore(store, monitor.0, state)
        })
    }

    /// Drops a monitor.
    ///
    /// # Errors
    /// When the component's destructor faults.
    pub fn close(&mut self, monitor: Monitor) -> std::result::Result<(), Fault> {
        self.call("close", |_, store| monitor.0.resource_drop(store))
    }

    /// Checks findings for form. Nothing that a detector returns is trusted.
    fn check(
        &mut self,
        raw: Vec<contract::Finding>,
        call: &'static str,
        rows: usize,
    ) -> std::result::Result<Vec<RowFinding>, Fault> {
        // A row more may bring a finding more, or what is a flood would depend on
        // how rows are grouped into calls.
        let limit = self.limits.findings.saturating_add(rows);
        let checked = if raw.len() > limit {
            Err(Fault::found(
                FaultKind::Flood,
                call,
                format!(
                    "one call returned {} findings, the limit is {limit}",
                    raw.len()
                ),
            ))
        } else {
            raw.into_iter()
                .map(|finding| check_finding(finding, call, rows, &self.limits))
                .collect()
        };
        checked.map_err(|mut fault| {
            self.dead = true;
            fault.output = self.store.data_mut().output.take();
            fault
        })
    }
}

/// Sets how long the next call may take: in fuel if it is metered, else in time.
fn allow(store: &mut Store<Host>, limits: &Limits, fuel: Option<u64>) -> Result<()> {
    match fuel {
        Some(fuel) => store.set_fuel(fuel),
        None => {
            store.set_epoch_deadline(limits.deadline_ticks());
            Ok(())
        }
    }
}
