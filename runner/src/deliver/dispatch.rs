//! Decides for each alert where it goes, when, and whether something mutes it.
//!
//! Decisions are rows in the ledger. What a silence or another alert mutes is
//! held, not lost: when that ends and the trouble is still there, it goes out.
//! Nothing here reads a clock.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use rusqlite::Transaction;

use super::inhibit::Rule;
use super::matcher::Facts;
use super::message::Notice;
use super::routes::{Route, Routes, group_key};
use super::silence::Silence;
use crate::alert::{Alert, Severity, State};
use crate::ledger::deliveries::{self, Firing};
use crate::ledger::{Durability, Ledger, Muted, NewDelivery, Result, Standing, alerts, silences};

/// How often one trouble is told again at most: after a week nobody forgets.
const REMINDERS: u32 = 28;

/// The operator's policy on the way out.
pub struct Dispatch {
    policy: Policy,
    silences: Vec<Silence>,
    /// The ledger's version at which the silences were read.
    version: Option<i64>,
    /// Troubles that may have to be told again, by fingerprint and episode.
    open: BTreeMap<(String, u64), Open>,
}

/// Where alerts go, and what mutes them.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The routes.
    pub routes: Routes,
    /// The sinks that there are.
    pub sinks: Vec<Gate>,
    /// Labels that all alerts have.
    pub labels: Vec<(String, String)>,
    /// Which alerts mute which.
    pub inhibitions: Vec<Rule>,
}

/// What a sink lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// The sink's name.
    pub sink: String,
    /// What is less does not go there.
    pub min_severity: Severity,
    /// Whether it wants to know when a trouble is over.
    pub takes_resolved: bool,
}

struct Open {
    alert: Arc<Alert>,
    /// By sink: the route by which it was told, when, and how often.
    told: Vec<Told>,
}

struct Told {
    sink: String,
    route: usize,
    last: i64,
    ordinal: u32,
}

impl Policy {
    /// What mutes an alert at this time, if anything does.
    pub(crate) fn muted_by(
        &self,
        alert: &Alert,
        firing: &[Alert],
        silences: &[Silence],
        now: i64,
    ) -> Option<String> {
        let facts = Facts::new(alert, &self.labels);
        if let Some(silence) = silences.iter().find(|silence| silence.mutes(&facts, now)) {
            return Some(format!("silence {}", silence.id));
        }
        let source = firing.iter().find(|source| {
            let source = Facts::new(source, &self.labels);
            self.inhibitions
                .iter()
                .any(|rule| rule.inhibits(&source, &facts))
        })?;
        Some(format!("inhibited by {}", source.id))
    }

    fn gate(&self, sink: &str) -> Option<&Gate> {
        self.sinks.iter().find(|gate| gate.sink == sink)
    }
}

impl Dispatch {
    /// Nothing sent so far.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            silences: Vec::new(),
            version: None,
            open: BTreeMap::new(),
        }
    }

    /// Writes alerts and their deliveries down, in one transaction, and what
    /// was muted before it became an alert.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written; then nothing has changed.
    pub fn send(
        &mut self,
        ledger: &Ledger,
        durability: Durability,
        alerts: &[Arc<Alert>],
        muted: &[Muted],
        now: i64,
    ) -> Result<()> {
        self.read_silences(ledger)?;
        ledger.write(durability, |tx| {
            for alert in alerts {
                alerts::insert(tx, alert, now)?;
            }
            // All are in the ledger by now: who fires is the same for each.
            let mut others = Others::default();
            for alert in alerts {
                match alert.state {
                    State::Firing => self.firing(tx, alert, &mut others, now)?,
                    State::Resolved => self.resolved(tx, alert, now)?,
                }
            }
            for muted in muted {
                alerts::mute(tx, muted, now)?;
            }
            if !alerts.is_empty() {
                self.reconsider(tx, &mut others, now)?;
                for gate in &self.policy.sinks {
                    deliveries::make_room(tx, &gate.sink, now)?;
                }
            }
            Ok(())
        })
    }

    fn firing(
        &mut self,
        tx: &Transaction<'_>,
        alert: &Arc<Alert>,
        others: &mut Others,
        now: i64,
    ) -> Result<()> {
        let facts = Facts::new(alert, &self.policy.labels);
        let chosen = self.policy.routes.of(&facts);
        if chosen.is_empty() {
            return Ok(());
        }
        let others = others.of(tx, alert)?;
        let mute = self.policy.muted_by(alert, others, &self.silences, now);
        let mut told = Vec::new();
        for chosen in chosen {
            let Some(gate) = self.policy.gate(chosen.sink) else {
                continue;
            };
            // Whoever is broken cannot be told so.
            if is_about(alert, &gate.sink) {
                continue;
            }
            let grouping = group_key(chosen.route, chosen.position, &facts);
            let standing = match &mute {
                _ if alert.severity < gate.min_severity => Standing::Suppressed("min-severity"),
                Some(reason) => Standing::Held(reason),
                None => Standing::Pending,
            };
            let due = due(tx, chosen.route, alert, &gate.sink, &grouping, now)?;
            let new = NewDelivery {
                alert,
                sink: &gate.sink,
                notice: Notice::New,
                ordinal: 0,
                route: chosen.position,
                grouping: &grouping,
                due,
                standing,
            };
            let is_new = deliveries::insert(tx, &new, now)?;
            if matches!(standing, Standing::Suppressed(_)) {
                continue;
            }
            if is_new {
                deliveries::overtake(tx, &new, now)?;
            }
            if chosen.route.repeat.is_some() {
                // Where a log is read again, the reminders go on as they were.
                let last = deliveries::last_made(tx, alert, &gate.sink)?;
                let (last, ordinal) = last.unwrap_or((now, 0));
                told.push(Told {
                    sink: gate.sink.clone(),
                    route: chosen.position,
                    last,
                    ordinal,
                });
            }
        }
        if !told.is_empty() && alert.detector != crate::judge::HOST_DETECTOR {
            let alert = Arc::clone(alert);
            let trouble = (alert.fingerprint.clone(), alert.episode);
            self.open.insert(trouble, Open { alert, told });
        }
        Ok(())
    }

    /// The end of a trouble goes to whoever was told, or will be, that it began.
    fn resolved(&mut self, tx: &Transaction<'_>, alert: &Alert, now: i64) -> Result<()> {
        self.open
            .remove(&(alert.fingerprint.clone(), alert.episode));
        self.end_silences(tx, alert, now)?;
        for firing in deliveries::firings(tx, &alert.fingerprint, alert.episode)? {
            let Some(gate) = self.policy.gate(&firing.sink) else {
                continue;
            };
            let standing = if !firing.is_under_way() {
                Standing::Suppressed("nobody was told that it fired")
            } else if !gate.takes_resolved {
                Standing::Suppressed("of no use there")
            } else {
                Standing::Pending
            };
            self.follow(tx, alert, &firing, Notice::New, 0, standing, now)?;
        }
        deliveries::suppress_held(tx, &alert.fingerprint, alert.episode, "resolved", now)
    }

    /// Ends the silences that were to last until this trouble is over.
    fn end_silences(&mut self, tx: &Transaction<'_>, alert: &Alert, now: i64) -> Result<()> {
        let facts = Facts::new(alert, &self.policy.labels);
        let ended = self.silences.extract_if(.., |it| it.ended_by(&facts));
        for silence in ended {
            silences::end(tx, &silence.id, now)?;
            // Should this not be committed, it is there still.
            self.version = None;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn follow(
        &self,
        tx: &Transaction<'_>,
        alert: &Alert,
        firing: &Firing,
        notice: Notice,
        ordinal: u32,
        standing: Standing<'_>,
        now: i64,
    ) -> Result<()> {
        let usual = Route::default();
        let routes = self.policy.routes.routes();
        let route = routes.get(firing.route).unwrap_or(&usual);
        let due = due(tx, route, alert, &firing.sink, &firing.grouping, now)?;
        let new = NewDelivery {
            alert,
            sink: &firing.sink,
            notice,
            ordinal,
            route: firing.route,
            grouping: &firing.grouping,
            due,
            standing,
        };
        deliveries::insert(tx, &new, now).map(drop)
    }

    /// Time passes: what was muted may go out, and what still fires is told
    /// again. Says whether anything changed.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn tick(&mut self, ledger: &Ledger, now: i64) -> Result<bool> {
        let changed = self.read_silences(ledger)?;
        let held = ledger.read(deliveries::any_held)?;
        if changed || held {
            ledger.write(Durability::Process, |tx| {
                self.reconsider(tx, &mut Others::default(), now)
            })?;
        }
        Ok(self.remind(ledger, now)? || changed || held)
    }

    /// Looks again at what something mutes, and at what still waits for its
    /// group: silences and other alerts may have come or gone.
    fn reconsider(&self, tx: &Transaction<'_>, others: &mut Others, now: i64) -> Result<()> {
        for idle in deliveries::idle(tx, now)? {
            let alert = &idle.alert;
            let others = others.of(tx, alert)?;
            match self.policy.muted_by(alert, others, &self.silences, now) {
                None if idle.held => deliveries::release(tx, idle.id, now)?,
                Some(reason) if idle.reason.as_ref() != Some(&reason) => {
                    deliveries::hold(tx, idle.id, &reason)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remind(&mut self, ledger: &Ledger, now: i64) -> Result<bool> {
        let routes = self.policy.routes.routes();
        let is_due = |told: &Told| {
            let repeat = routes.get(told.route).and_then(|route| route.repeat);
            repeat.is_some_and(|repeat| now - told.last >= millis(repeat))
                && told.ordinal < REMINDERS
        };
        if !self.open.values().any(|open| open.told.iter().any(is_due)) {
            return Ok(false);
        }
        let mut again = Vec::new();
        for open in self.open.values() {
            for told in open.told.iter().filter(|told| is_due(told)) {
                again.push((open.alert.clone(), told.sink.clone(), told.ordinal + 1));
            }
        }
        ledger.write(Durability::Process, |tx| {
            let mut others = Others::default();
            for (alert, sink, ordinal) in &again {
                let others = others.of(tx, alert)?;
                let mute = self.policy.muted_by(alert, others, &self.silences, now);
                let standing = match &mute {
                    Some(reason) => Standing::Suppressed(reason),
                    None => Standing::Pending,
                };
                let firings = deliveries::firings(tx, &alert.fingerprint, alert.episode)?;
                for firing in firings.iter().filter(|it| it.sink == *sink && it.is_told()) {
                    self.follow(tx, alert, firing, Notice::Reminder, *ordinal, standing, now)?;
                }
            }
            Ok(())
        })?;
        for open in self.open.values_mut() {
            for told in open.told.iter_mut().filter(|told| is_due(told)) {
                told.last = now;
                told.ordinal += 1;
            }
        }
        Ok(true)
    }

    /// A run has ended: whoever was told of a trouble that is still there is
    /// told so, and what was held back is given up.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn ended(&mut self, ledger: &Ledger, project: &str, run: &str, now: i64) -> Result<()> {
        self.open
            .retain(|_, open| open.alert.project != project || open.alert.run != run);
        ledger.write(Durability::Process, |tx| {
            // Of each trouble what was told last.
            let mut last: BTreeMap<(String, u64), Alert> = BTreeMap::new();
            for alert in alerts::firing(tx, project, run)? {
                last.insert((alert.fingerprint.clone(), alert.episode), alert);
            }
            for alert in last.into_values() {
                for firing in deliveries::firings(tx, &alert.fingerprint, alert.episode)? {
                    let wanted = self
                        .policy
                        .gate(&firing.sink)
                        .is_some_and(|gate| gate.takes_resolved);
                    if firing.is_told() && wanted {
                        let standing = Standing::Pending;
                        self.follow(tx, &alert, &firing, Notice::Ended, 0, standing, now)?;
                    }
                }
                deliveries::suppress_held(tx, &alert.fingerprint, alert.episode, "run ended", now)?;
            }
            alerts::end_run(tx, project, run)
        })
    }

    /// Reads the silences if the ledger has changed; says whether they did.
    fn read_silences(&mut self, ledger: &Ledger) -> Result<bool> {
        let version = Some(ledger.version()?);
        if self.version == version {
            return Ok(false);
        }
        let silences: Vec<Silence> = ledger
            .silences(false)?
            .iter()
            .filter_map(|(_, body)| serde_json::from_str(body).ok())
            .collect();
        let changed = silences != self.silences;
        self.silences = silences;
        self.version = version;
        Ok(changed)
    }
}

/// What fires in each run, read once.
#[derive(Default)]
struct Others(BTreeMap<(String, String), Vec<Alert>>);

impl Others {
    /// What fires in the run of this alert.
    fn of(&mut self, tx: &Transaction<'_>, alert: &Alert) -> Result<&[Alert]> {
        let run = (alert.project.clone(), alert.run.clone());
        Ok(match self.0.entry(run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(alerts::firing(tx, &alert.project, &alert.run)?),
        })
    }
}

/// When a delivery is to go out: a firing critical at once, anything else when
/// its group has waited, and not too soon after the group's last message.
fn due(
    tx: &Transaction<'_>,
    route: &Route,
    alert: &Alert,
    sink: &str,
    grouping: &str,
    now: i64,
) -> Result<i64> {
    if alert.state == State::Firing && alert.severity == Severity::Critical {
        return Ok(now);
    }
    let last = deliveries::last_told(tx, sink, grouping)?;
    let next = last.map_or(i64::MIN, |last| last + millis(route.group_interval));
    Ok(next.max(now + millis(route.group_wait)))
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

/// The key of the host's alert that a sink is broken.
#[must_use]
pub fn broken_key(sink: &str) -> String {
    format!("sink-broken/{sink}")
}

fn is_about(alert: &Alert, sink: &str) -> bool {
    alert.detector == crate::judge::HOST_DETECTOR && alert.key == broken_key(sink)
}
