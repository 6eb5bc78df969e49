//! A guest that is watched while it works: what it costs, what it is shown, and
//! what it ends with. On request it is saved and started again on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::describe::Interest;
use crate::detect::{Guest, GuestSource, Identity};
use crate::sandbox::Fault;
use crate::sandbox::instance::{Columns, RowFinding, Series};

type Pairs<'a> = &'a [(String, String)];

/// What was seen of a guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Calls of `observe`.
    pub calls: u64,
    /// Rows that it was shown.
    pub rows: u64,
    /// Values and texts that it was shown.
    pub points: u64,
    /// Units of fuel that its calls of `observe`, `tick` and `finish` have used;
    /// see [`Instance::fuel`](crate::sandbox::Instance::fuel).
    pub fuel: u64,
    /// The most bytes of memory that it had.
    pub memory: usize,
    /// What it failed with first.
    pub fault: Option<Fault>,
    /// What became of the cut, if one was wanted and has come.
    pub cut: Option<Cut>,
}

/// What became of a monitor that was to be saved and restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// It was restored from what it had saved.
    Restored,
    /// It keeps no state, so that nothing was done.
    NoState,
    /// It refused the state that it had saved, and why.
    Refused(String),
}

/// Makes guests that are watched.
pub struct Observed {
    source: Arc<dyn GuestSource>,
    seen: Arc<Mutex<Seen>>,
    /// Saved and started again before the call of `observe` of this number.
    cut: Option<u64>,
}

impl Observed {
    /// A source, and where to read what was seen of its guests.
    #[must_use]
    pub fn new(source: Arc<dyn GuestSource>, cut: Option<u64>) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let observed = Self {
            source,
            seen: seen.clone(),
            cut,
        };
        (observed, seen)
    }
}

/// What was seen, whoever panicked meanwhile.
pub(super) fn look(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GuestSource for Observed {
    fn start(&self) -> Result<Box<dyn Guest>> {
        Ok(Box::new(Watched {
            guest: self.source.start()?,
            source: self.source.clone(),
            seen: self.seen.clone(),
            cut: self.cut,
            now: f64::NAN,
            open: BTreeMap::new(),
            calls: 0,
        }))
    }

    fn identity(&self) -> Identity {
        self.source.identity()
    }
}

struct Watched {
    guest: Box<dyn Guest>,
    source: Arc<dyn GuestSource>,
    seen: Arc<Mutex<Seen>>,
    cut: Option<u64>,
    now: f64,
    /// How each monitor that is open came to be so.
    open: BTreeMap<u32, Opened>,
    /// Calls of `observe` so far.
    calls: u64,
}

/// What a monitor was told before its first row.
struct Opened {
    facts: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    /// Index, name, and printed name.
    series: Vec<(u32, String, String)>,
}

impl Watched {
    /// Calls the guest to work, and notes what the call costs and ends with.
    fn work<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Guest) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let before = self.guest.fuel();
        let result = self.call(call);
        look(&self.seen).fuel += self.guest.fuel().saturating_sub(before);
        result
    }

    /// Calls the guest, and notes what the call ends with.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Guest) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let result = call(self.guest.as_mut());
        let mut seen = look(&self.seen);
        seen.memory = seen.memory.max(self.guest.memory());
        if let Err(fault) = &result
            && seen.fault.is_none()
        {
            seen.fault = Some(fault.clone());
        }
        result
    }

    /// Saves every monitor, throws the guest away, and restores them in a new
    /// one, as a restart of the program does.
    fn restart(&mut self) -> Result<(), Fault> {
        let mut states = Vec::new();
        for run in self.open.keys().copied().collect::<Vec<_>>() {
            match self.call(|guest| guest.save(run))? {
                Some(state) => states.push((run, state)),
                None => {
                    look(&self.seen).cut = Some(Cut::NoState);
                    return Ok(());
                }
            }
            self.call(|guest| guest.close(run))?;
        }
        self.guest = self.source.start().map_err(as_fault)?;
        self.guest.set_now(self.now);
        let open = std::mem::take(&mut self.open);
        for (run, state) in states {
            let Some(opened) = open.get(&run) else {
                continue;
            };
            self.reopen(run, opened, &state)?;
        }
        self.open = open;
        Ok(())
    }

    fn reopen(&mut self, run: u32, opened: &Opened, state: &[u8]) -> Result<(), Fault> {
        let Opened {
            facts, parameters, ..
        } = opened;
        let restored = match self.call(|guest| guest.open(run, facts, parameters))? {
            Ok(()) => self.call(|guest| guest.restore(run, state))?,
            Err(refusal) => Err(refusal),
        };
        look(&self.seen).cut = Some(restored.map_or_else(Cut::Refused, |()| Cut::Restored));
        let series: Vec<Series<'_>> = opened
            .series
            .iter()
            .map(|(index, name, source)| Series {
                index: *index,
                name,
                source,
            })
            .collect();
        self.call(|guest| guest.define(run, &series))
    }
}

fn as_fault(error: anyhow::Error) -> Fault {
    error.downcast::<Fault>().unwrap_or_else(|error| {
        Fault::found(
            crate::sandbox::FaultKind::Trap,
            "start",
            format!("{error:#}"),
        )
    })
}

impl Guest for Watched {
    fn open(
        &mut self,
        run: u32,
        facts: Pairs<'_>,
        parameters: Pairs<'_>,
    ) -> Result<Result<(), String>, Fault> {
        let opened = self.call(|guest| guest.open(run, facts, parameters))?;
        let known = Opened {
            facts: facts.to_vec(),
            parameters: parameters.to_vec(),
            series: Vec::new(),
        };
        self.open.insert(run, known);
        Ok(opened)
    }

    fn interests(&mut self, run: u32) -> Result<Vec<Interest>, Fault> {
        self.call(|guest| guest.interests(run))
    }

    fn define(&mut self, run: u32, series: &[Series<'_>]) -> Result<(), Fault> {
        if let Some(opened) = self.open.get_mut(&run) {
            let owned = |it: &Series<'_>| (it.index, it.name.to_owned(), it.source.to_owned());
            opened.series.extend(series.iter().map(owned));
        }
        self.call(|guest| guest.define(run, series))
    }

    fn observe(&mut self, run: u32, columns: &Columns<'_>) -> Result<Vec<RowFinding>, Fault> {
        if self.cut == Some(self.calls) {
            self.cut = None;
            self.restart()?;
        }
        self.calls += 1;
        {
            let mut seen = look(&self.seen);
            seen.calls += 1;
            seen.rows += columns.steps.len() as u64;
            seen.points += (columns.values.len() + columns.texts.len()) as u64;
        }
        self.work(|guest| guest.observe(run, columns))
    }

    fn tick(&mut self, run: u32, now: f64) -> Result<Vec<RowFinding>, Fault> {
        self.work(|guest| guest.tick(run, now))
    }

    fn finish(&mut self, run: u32, outcome: &str) -> Result<Vec<RowFinding>, Fault> {
        self.open.remove(&run);
        self.work(|guest| guest.finish(run, outcome))
    }

    fn close(&mut self, run: u32) -> Result<(), Fault> {
        self.open.remove(&run);
        self.call(|guest| guest.close(run))
    }

    fn save(&mut self, run: u32) -> Result<Option<Vec<u8>>, Fault> {
        self.call(|guest| guest.save(run))
    }

    fn restore(&mut self, run: u32, state: &[u8]) -> Result<Result<(), String>, Fault> {
        self.call(|guest| guest.restore(run, state))
    }

    fn set_now(&mut self, now: f64) {
        self.now = now;
        self.guest.set_now(now);
    }

    fn memory(&self) -> usize {
        self.guest.memory()
    }

    fn fuel(&self) -> u64 {
        self.guest.fuel()
    }
}
