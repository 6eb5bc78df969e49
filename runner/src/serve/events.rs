//! `/events`: what happens, as server-sent events.
//!
//! One thread looks whether the ledger has changed and tells all who listen.
//! Each listener knows the last alert that it was sent, and gets none twice and
//! none too few: what it missed is read from the ledger.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::App;
use super::answer::Problem;
use super::readers::Reader;
use crate::ledger::{Ledger, Result};
use crate::view::{self, Filter};

/// How often the ledger is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often at least: that a process has died changes no ledger.
const AT_LEAST: Duration = Duration::from_secs(5);
/// How often a listener hears something, be it that there is nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many may listen.
const LISTENERS: usize = 64;
/// Changes that a slow listener may be behind before it has to look for itself.
const BEHIND: usize = 64;
/// Alerts in one event.
const PAGE: usize = 500;
/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);

/// Where changes are told.
pub(super) struct Hub {
    sender: broadcast::Sender<Arc<Change>>,
    turns: Arc<Semaphore>,
    closed: AtomicBool,
}

/// What changed.
#[derive(Default)]
struct Change {
    /// New alerts as JSON with their numbers, the oldest first.
    alerts: Vec<(i64, String)>,
    /// The JSON of runs that changed.
    runs: Vec<String>,
    /// Whether anything else did.
    other: bool,
    /// There will be no more on this connection.
    end: bool,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            turns: Arc::new(Semaphore::new(LISTENERS)),
            closed: AtomicBool::new(false),
        }
    }
}

impl Hub {
    /// Sends all listeners away, and ends the thread that looks.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Nobody may be listening.
        let _ = self.sender.send(Arc::new(Change {
            end: true,
            ..Change::default()
        }));
    }
}

/// Starts the thread that looks whether the ledger has changed.
pub(super) fn watch(app: Arc<App>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("look".into()).spawn(move || {
        let mut watcher = Watcher::default();
        while !app.hub.closed.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
            if app.hub.sender.receiver_count() == 0 {
                continue;
            }
            // What cannot be read now may be readable the next time; whoever
            // asks for it by itself is told why.
            match watcher.look(&app) {
                Ok(Some(change)) => _ = app.hub.sender.send(Arc::new(change)),
                Ok(None) => {}
                Err(_) => watcher = Watcher::default(),
            }
        }
    })
}

/// What the ledger was like at the last look.
#[derive(Default)]
struct Watcher {
    reader: Option<Reader>,
    version: i64,
    looked: Option<Instant>,
    /// The newest alert; none before the first look.
    seq: Option<i64>,
    /// The JSON of each run, by project and name.
    runs: HashMap<(String, String), String>,
    stir: String,
}

impl Watcher {
    fn look(&mut self, app: &App) -> Result<Option<Change>> {
        let path = &app.options.ledger;
        if !self.reader.as_ref().is_some_and(|it| it.is_current(path)) {
            let another = self.reader.is_some();
            *self = Self::default();
            if another {
                // Numbers begin anew: so must all who listen.
                let end = true;
                return Ok(Some(Change {
                    end,
                    ..Change::default()
                }));
            }
            self.reader = Reader::open(path)?;
        }
        let Some(reader) = &self.reader else {
            return Ok(None);
        };
        let ledger = &reader.ledger;
        let version = ledger.version()?;
        let rested = self.looked.is_none_or(|at| at.elapsed() >= AT_LEAST);
        if version == self.version && !rested {
            return Ok(None);
        }
        let mut change = Change::default();
        let first = self.looked.is_none();
        // Before the first look listeners have read what there was.
        let since = match self.seq {
            Some(seq) => seq,
            None => ledger.last_seq()?.saturating_sub(PAGE as i64),
        };
        change.alerts = alerts_since(ledger, since)?;
        self.seq = Some(change.alerts.last().map_or(since, |(seq, _)| *seq));
        for run in view::runs(ledger, None)? {
            let json = json(&run);
            let known = self.runs.insert((run.project, run.run), json.clone());
            if known.as_ref() != Some(&json) {
                change.runs.push(json);
            }
        }
        let stir = ledger.stir()?;
        change.other = first || stir != self.stir;
        self.stir = stir;
        self.version = version;
        self.looked = Some(Instant::now());
        let any = change.other || !change.alerts.is_empty() || !change.runs.is_empty();
        Ok(any.then_some(change))
    }
}

/// All alerts with a higher number, the oldest first.
fn alerts_since(ledger: &Ledger, after: i64) -> Result<Vec<(i64, String)>> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let filter = Filter {
            after: Some(after),
            before,
            ..Filter::default()
        };
        let (found, more) = view::alerts(ledger, &filter, PAGE)?;
        before = found.last().map(|alert| alert.seq);
        all.extend(found.iter().map(|alert| (alert.seq, json(alert))));
        if !more {
            break;
        }
    }
    all.reverse();
    Ok(all)
}

fn json(it: &impl serde::Serialize) -> String {
    // All of these are maps with names for keys, and have no other numbers than
    // JSON has.
    serde_json::to_string(it).unwrap_or_default()
}

/// One who listens.
struct Listener {
    app: Arc<App>,
    changes: broadcast::Receiver<Arc<Change>>,
    waiting: VecDeque<Event>,
    /// The newest alert that it was sent.
    seq: i64,
    _turn: OwnedSemaphorePermit,
}

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> std::result::Result<Response, Problem> {
    let turn = app.hub.turns.clone().try_acquire_owned().map_err(|_| {
        let error = format!("{LISTENERS} pages listen already");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error).hint("close some of them")
    })?;
    // First of all: what comes from now on is heard, and once.
    let changes = app.hub.sender.subscribe();
    let last = headers.get("last-event-id");
    let last: Option<i64> = last.and_then(|id| id.to_str().ok()?.parse().ok());
    let look = move |ledger: Option<&Ledger>| {
        let newest = ledger.map_or(Ok(0), Ledger::last_seq)?;
        // A number from another ledger means nothing here.
        Ok(last.map_or(newest, |last| last.min(newest)))
    };
    let seq = app.readers.look(look).await?;
    let mut listener = Listener {
        app,
        changes,
        waiting: VecDeque::new(),
        seq,
        _turn: turn,
    };
    let begin = Event::default().retry(RETRY).id(seq.to_string());
    listener.waiting.push_back(begin);
    if last.is_some() {
        listener.catch_up().await?;
    }
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.app.hub.closed.load(Ordering::Relaxed) {
                return None;
            }
            match self.changes.recv().await {
                Ok(change) if change.end => return None,
                Ok(change) => self.tell(&change),
                // It will come back with the number of its last alert.
                Err(RecvError::Lagged(_)) => self.catch_up().await.ok()?,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Sends what the ledger has that this listener does not know.
    async fn catch_up(&mut self) -> std::result::Result<(), Problem> {
        let after = self.seq;
        let look = move |ledger: Option<&Ledger>| {
            let Some(ledger) = ledger else {
                return Ok(Change::default());
            };
            let runs = view::runs(ledger, None)?;
            Ok(Change {
                alerts: alerts_since(ledger, after)?,
                runs: runs.iter().map(json).collect(),
                other: true,
                end: false,
            })
        };
        let missed = self.app.readers.look(look).await?;
        self.tell(&missed);
        Ok(())
    }

    fn tell(&mut self, change: &Change) {
        let (before, mut new) = (self.seq, Vec::new());
        for (seq, json) in change.alerts.iter().filter(|(seq, _)| *seq > before) {
            self.seq = *seq;
            new.push(json.as_str());
        }
        for part in new.chunks(PAGE) {
            self.event("alerts", format!("{{\"alerts\":[{}]}}", part.join(",")));
        }
        if !change.runs.is_empty() {
            self.event("runs", format!("{{\"runs\":[{}]}}", change.runs.join(",")));
        }
        if change.other {
            self.event("other", "{}".to_owned());
        }
    }

    fn event(&mut self, name: &str, data: String) {
        let event = Event::default().event(name).data(data);
        self.waiting.push_back(event.id(self.seq.to_string()));
    }
}
