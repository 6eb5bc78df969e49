//! The bench: a ledger in a file, a dispatch, and couriers whose sinks follow a
//! script. Time passes only when the test says so, and no thread runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

pub(super) use crate::alert::Severity::{Critical, Info, Warning};
use crate::alert::{Alert, Severity, State};
use crate::deliver::courier::{Courier, Step};
use crate::deliver::dispatch::{Dispatch, Gate, Policy};
use crate::deliver::matcher::parse_all;
use crate::deliver::routes::{Route, Routes};
use crate::deliver::sample;
use crate::deliver::silence::{Silence, Until, ceiling};
use crate::deliver::{Form, Message, Notice, Outcome, Pace, Sink};
use crate::ledger::{Delivery, Durability, Ledger};

/// The bench's time 0, in milliseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000;
pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3600;

/// What a sink answers, given how often it was asked before and the time in
/// milliseconds since the start.
type Script = Box<dyn FnMut(usize, i64) -> Outcome + Send>;

/// A sink that does as its script says and writes down what it gets.
#[derive(Clone)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    got: Arc<Mutex<Vec<Got>>>,
    batch: usize,
    pace: Pace,
    panics: Arc<AtomicBool>,
}

/// An attempt as a sink saw it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Got {
    /// In milliseconds since the start.
    pub(super) at: i64,
    pub(super) message: Message,
    pub(super) outcome: Outcome,
}

struct Lane {
    name: String,
    scripted: Scripted,
    courier: Courier,
    /// When it wants to be woken.
    due: Option<i64>,
}

pub(super) struct Bench {
    folder: TempDir,
    policy: Policy,
    pub(super) ledger: Arc<Ledger>,
    /// The command line's own connection to the same file.
    pub(super) outside: Ledger,
    pub(super) dispatch: Dispatch,
    lanes: Vec<Lane>,
    now: i64,
    pub(super) closing: bool,
    /// Whether the sinks do nothing.
    pub(super) idle: bool,
    /// How often time passes for the dispatch, in milliseconds.
    pub(super) tick: i64,
}

/// Waits 5 s for others, 60 s between messages, and reminds every 4 h.
pub(super) fn route(sinks: &[&str]) -> Route {
    Route {
        sinks: sinks.iter().map(|name| (*name).to_owned()).collect(),
        repeat: Some(Duration::from_secs(4 * 3600)),
        ..Route::default()
    }
}

pub(super) fn gate(sink: &str) -> Gate {
    Gate {
        sink: sink.to_owned(),
        min_severity: Info,
        takes_resolved: true,
    }
}

/// Everything goes to all of these sinks.
pub(super) fn to(sinks: &[&str]) -> Policy {
    Policy {
        routes: Routes::new(vec![route(sinks)], &[]),
        sinks: sinks.iter().map(|name| gate(name)).collect(),
        labels: Vec::new(),
        inhibitions: Vec::new(),
    }
}

pub(super) fn delivered(_: usize, _: i64) -> Outcome {
    Outcome::delivered()
}

pub(super) fn transient() -> Outcome {
    Outcome::Transient("cannot connect".to_owned())
}

/// A trouble of this name in the run `train`, as its detector reports it.
pub(super) fn alert(key: &str, severity: Severity, state: State) -> Alert {
    Alert {
        id: format!("{key} 1 {} {state:?}", severity.name()),
        fingerprint: format!("trouble {key}"),
        detector: key.to_owned(),
        key: key.to_owned(),
        severity,
        state,
        title: key.to_owned(),
        // NaN equals nothing, itself included.
        values: vec![("loss".to_owned(), 2.31)],
        recent: None,
        halt: None,
        evidence: None,
        ..sample()
    }
}

pub(super) fn firing(key: &str, severity: Severity) -> Alert {
    alert(key, severity, State::Firing)
}

pub(super) fn resolved(key: &str) -> Alert {
    alert(key, Warning, State::Resolved)
}

/// The same, the next time that the trouble is there.
pub(super) fn again(alert: Alert) -> Alert {
    Alert {
        id: format!("{} again", alert.id),
        episode: alert.episode + 1,
        ..alert
    }
}

impl Sink for Scripted {
    fn send(&mut self, message: &Message) -> Outcome {
        assert!(!self.panics.load(Ordering::Relaxed), "as the script says");
        let mut got = self.got.lock().unwrap();
        let at = message.at - START;
        let outcome = (self.script.lock().unwrap())(got.len(), at);
        got.push(Got {
            at,
            message: message.clone(),
            outcome: outcome.clone(),
        });
        outcome
    }

    fn preview(&mut self, message: &Message) -> String {
        message.plain()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn pace(&self) -> Pace {
        self.pace
    }
}

impl Got {
    /// `5 a WARNING + b RESOLVED`: the second, and each alert with its label.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.at.div_euclid(1000), self.tells())
    }

    pub(super) fn tells(&self) -> String {
        let entries = self.message.entries.iter().map(|entry| {
            let again = match entry.notice {
                Notice::Reminder => " again",
                _ => "",
            };
            format!("{} {}{again}", entry.alert.key, entry.label())
        });
        entries.collect::<Vec<_>>().join(" + ")
    }

    pub(super) fn is_plain(&self) -> bool {
        self.message.form == Form::Plain
    }
}

impl Bench {
    /// All sinks take everything; see [`script`](Self::script).
    pub(super) fn new(policy: Policy) -> Self {
        // Chance, but every time the same.
        fastrand::seed(7);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let ledger = Arc::new(Ledger::open(&path).unwrap());
        let outside = Ledger::open(&path).unwrap();
        let lanes = policy.sinks.iter();
        let lanes = lanes.map(|gate| Lane::new(&gate.sink, &ledger)).collect();
        Self {
            folder,
            dispatch: Dispatch::new(policy.clone()),
            policy,
            ledger,
            outside,
            lanes,
            now: START,
            closing: false,
            idle: false,
            tick: 1000,
        }
    }

    /// What a sink answers from now on.
    pub(super) fn script(
        &mut self,
        sink: &str,
        script: impl FnMut(usize, i64) -> Outcome + Send + 'static,
    ) {
        *self.lane(sink).scripted.script.lock().unwrap() = Box::new(script);
    }

    /// How many alerts a message of the sink takes, and how fast they follow.
    pub(super) fn limits(&mut self, sink: &str, batch: usize, pace: Pace) {
        let ledger = self.ledger.clone();
        let lane = self.lane(sink);
        lane.scripted.batch = batch;
        lane.scripted.pace = pace;
        lane.courier = lane.scripted.courier(sink, &ledger);
    }

    /// Whether the sink panics from now on.
    pub(super) fn panics(&mut self, sink: &str, whether: bool) {
        let panics = &self.lane(sink).scripted.panics;
        panics.store(whether, Ordering::Relaxed);
    }

    /// The second since the start.
    pub(super) fn second(&self) -> i64 {
        (self.now - START) / 1000
    }

    /// The time in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Lets time pass up to this second since the start, with its
    /// ticks and with every sink at work whenever it has something to do.
    pub(super) fn until(&mut self, second: i64) -> &mut Self {
        let end = START + second * 1000;
        assert!(end >= self.now, "time does not go back");
        self.work();
        while self.now < end {
            let tick = self.now - (self.now - START) % self.tick + self.tick;
            let due = self.lanes.iter().filter_map(|lane| lane.due).min();
            self.now = tick.min(due.unwrap_or(i64::MAX)).min(end);
            if self.now == tick && self.dispatch.tick(&self.ledger, self.now).unwrap() {
                self.lanes.iter_mut().for_each(Lane::wake);
            }
            self.work();
        }
        self
    }

    /// At this second since the start these alerts come.
    pub(super) fn send(
        &mut self,
        second: i64,
        alerts: impl IntoIterator<Item = Alert>,
    ) -> &mut Self {
        self.until(second);
        let alerts: Vec<Arc<Alert>> = alerts.into_iter().map(Arc::new).collect();
        self.dispatch
            .send(&self.ledger, Durability::Process, &alerts, &[], self.now)
            .unwrap();
        self.lanes.iter_mut().for_each(Lane::wake);
        self.work();
        self
    }

    /// At this second since the start the run `train` ends.
    pub(super) fn ended(&mut self, second: i64) -> &mut Self {
        self.until(second);
        self.dispatch
            .ended(&self.ledger, "default", "train", self.now)
            .unwrap();
        self.lanes.iter_mut().for_each(Lane::wake);
        self.work();
        self
    }

    /// From now on the command line's silence is there.
    pub(super) fn silence(&mut self, id: &str, matchers: &str, until: Until) {
        let matchers = parse_all(matchers, &[]).unwrap();
        let silence = Silence {
            id: id.to_owned(),
            severity: ceiling(&matchers),
            matchers,
            until,
            comment: "known".to_owned(),
            author: "ada".to_owned(),
            begins: 0,
            created: self.now,
        };
        let body = serde_json::to_string(&silence).unwrap();
        self.outside.add_silence(id, &body, self.now).unwrap();
    }

    /// Every sink looks at once, as when the program is about to end.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.lanes.iter_mut().for_each(Lane::wake);
        self.work();
    }

    /// The program ends, and starts again with this policy.
    pub(super) fn restart(&mut self, policy: Policy) {
        let path = self.folder.path().join("ledger.sqlite");
        self.ledger = Arc::new(Ledger::open(&path).unwrap());
        self.ledger.revive(&|_| false, self.now).unwrap();
        self.dispatch = Dispatch::new(policy.clone());
        self.policy = policy;
        self.closing = false;
        for lane in &mut self.lanes {
            lane.courier = lane.scripted.courier(&lane.name, &self.ledger);
            lane.due = Some(self.now);
        }
    }

    pub(super) fn reload(&mut self) {
        self.restart(self.policy.clone());
    }

    /// Every attempt at a sink.
    pub(super) fn tried(&self, sink: &str) -> Vec<Got> {
        let lane = self.lanes.iter().find(|lane| lane.name == sink).unwrap();
        lane.scripted.got.lock().unwrap().clone()
    }

    /// What a sink took, each message as its second and its alerts.
    pub(super) fn told(&self, sink: &str) -> Vec<String> {
        let tried = self.tried(sink).into_iter();
        let told = tried.filter(|got| got.outcome.is_success());
        told.map(|got| got.line()).collect()
    }

    /// The deliveries of a sink in the order in which they were made.
    pub(super) fn deliveries(&self, sink: &str) -> Vec<Delivery> {
        let mut all = self.ledger.deliveries(None, usize::MAX >> 1).unwrap();
        all.retain(|delivery| delivery.sink == sink);
        all.reverse();
        all
    }

    /// The last delivery of a sink as `state (reason)`.
    pub(super) fn last(&self, sink: &str) -> String {
        self.deliveries(sink)
            .last()
            .map(standing)
            .unwrap_or_default()
    }

    fn lane(&mut self, sink: &str) -> &mut Lane {
        let mut lanes = self.lanes.iter_mut();
        lanes.find(|lane| lane.name == sink).unwrap()
    }

    /// Lets every sink whose time has come do all that it can.
    fn work(&mut self) {
        if self.idle {
            return;
        }
        let now = self.now;
        for lane in &mut self.lanes {
            // A sink looks now and then at what other processes changed.
            if lane.due.is_some_and(|due| due > now) && (now - START) % 5000 != 0 {
                continue;
            }
            lane.due = loop {
                match lane.courier.step(&|| now, self.closing) {
                    Step::Tried { .. } => {}
                    Step::Wait(Some(due)) => {
                        assert!(due > now, "{} would be woken at once for ever", lane.name);
                        break Some(due);
                    }
                    Step::Wait(None) | Step::Broken(_) => break Some(i64::MAX),
                    Step::Failed(error) => panic!("{error}"),
                }
            };
        }
    }
}

impl Lane {
    fn new(name: &str, ledger: &Arc<Ledger>) -> Self {
        let scripted = Scripted {
            script: Arc::new(Mutex::new(Box::new(delivered))),
            got: Arc::default(),
            batch: 20,
            pace: Pace::default(),
            panics: Arc::default(),
        };
        Self {
            name: name.to_owned(),
            courier: scripted.courier(name, ledger),
            scripted,
            due: None,
        }
    }

    fn wake(&mut self) {
        self.due = None;
    }
}

impl Scripted {
    fn courier(&self, name: &str, ledger: &Arc<Ledger>) -> Courier {
        Courier::new(name, Box::new(self.clone()), ledger.clone(), "me".into())
    }
}

/// A delivery as `state (reason)`.
pub(super) fn standing(delivery: &Delivery) -> String {
    match &delivery.reason {
        Some(reason) => format!("{} ({reason})", delivery.state),
        None => delivery.state.clone(),
    }
}
