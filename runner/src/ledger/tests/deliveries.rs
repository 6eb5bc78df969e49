//! Deliveries: what is taken, in which order they go, and that each ends once.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{NOW, number};
use crate::alert::{Alert, Severity, State};
use crate::deliver::Notice;
use crate::deliver::sinks::testing::message;
use crate::ledger::{Again, Durability, Ledger, NewDelivery, SinkState, Standing, Taken, alerts};
use crate::ledger::{Leased, deliveries};

fn alert(id: usize, trouble: usize, severity: Severity, state: State) -> Alert {
    let base = message().entries.remove(0).alert;
    Alert {
        id: format!("{id:032x}"),
        fingerprint: format!("trouble {trouble}"),
        severity,
        state,
        ..base
    }
}

fn warning(id: usize) -> Alert {
    alert(id, id, Severity::Warning, State::Firing)
}

fn write(ledger: &Ledger, alert: &Alert, grouping: &str, notice: Notice) -> bool {
    let new = NewDelivery {
        alert,
        sink: "a",
        notice,
        ordinal: 0,
        route: 0,
        grouping,
        due: NOW,
        standing: Standing::Pending,
    };
    ledger
        .write(Durability::Process, |tx| {
            alerts::insert(tx, alert, NOW)?;
            deliveries::insert(tx, &new, NOW)
        })
        .unwrap()
}

fn take(ledger: &Ledger, now: i64) -> Option<Leased> {
    match ledger.take("a", "me", 3, now, false).unwrap() {
        Taken::Message(leased) => Some(leased),
        _ => None,
    }
}

fn ids(leased: &Leased) -> Vec<usize> {
    let ids = leased.entries.iter().map(|entry| &entry.alert.id);
    ids.map(|id| usize::from_str_radix(id, 16).unwrap())
        .collect()
}

#[test]
fn an_alert_is_found_by_the_beginning_of_its_id() {
    let ledger = Ledger::in_memory().unwrap();
    let (one, two) = (warning(0x1a), warning(0x1b));
    write(&ledger, &one, "g", Notice::New);
    write(&ledger, &two, "g", Notice::New);
    let found = ledger.alert(&one.id).unwrap().unwrap();
    assert_eq!(found.id, one.id);
    assert_eq!(ledger.alert("ff").unwrap(), None);
    let several = ledger.alert("000").unwrap_err();
    assert_eq!(
        several.0,
        "several alerts have an id that begins with `000`"
    );
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let ledger = Ledger::in_memory().unwrap();
    assert!(write(&ledger, &warning(1), "g", Notice::New));
    let leased = take(&ledger, NOW).unwrap();
    ledger
        .arrived(&leased.message, "delivered", Some("ts 1"), NOW)
        .unwrap();
    assert!(!write(&ledger, &warning(1), "another group", Notice::New));
    assert_eq!(take(&ledger, NOW), None);
    assert!(write(&ledger, &warning(1), "g", Notice::Reminder));
    assert!(take(&ledger, NOW).is_some());
}

#[test]
fn the_key_of_a_message_is_that_of_its_first_alert_and_no_other_has_it() {
    let ledger = Ledger::in_memory().unwrap();
    for id in 0..7 {
        write(&ledger, &warning(id), "g", Notice::New);
    }
    let messages: Vec<Leased> = std::iter::from_fn(|| take(&ledger, NOW)).collect();
    let members: Vec<Vec<usize>> = messages.iter().map(ids).collect();
    assert_eq!(members, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    let keys: BTreeSet<&String> = messages.iter().map(|leased| &leased.message).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key.len() == 32));
}

#[test]
fn nothing_is_taken_before_its_time_or_from_a_sink_that_is_blocked() {
    let ledger = Ledger::in_memory().unwrap();
    let look = |now, closing| ledger.take("a", "me", 3, now, closing).unwrap();
    assert_eq!(look(NOW, false), Taken::Wait(None));
    write(&ledger, &warning(1), "g", Notice::New);
    assert_eq!(look(NOW - 1, false), Taken::Wait(Some(NOW)));
    let state = SinkState {
        blocked: NOW + 60_000,
        ..SinkState::default()
    };
    ledger.set_sink_state("a", &state).unwrap();
    assert_eq!(look(NOW, true), Taken::Wait(Some(NOW + 60_000)));
    let state = SinkState {
        broken: Some("no such token".to_owned()),
        ..SinkState::default()
    };
    ledger.set_sink_state("a", &state).unwrap();
    assert_eq!(look(NOW, true), Taken::Broken("no such token".to_owned()));
}

/// Rows as a flood of findings would leave them: number, severity, notice,
/// message.
fn flood(ledger: &Ledger, rows: &[(i64, Severity, &str, &str)]) {
    ledger
        .write(Durability::Process, |tx| {
            for (number, severity, notice, message) in rows {
                let id = format!("{number:032x}");
                alerts::insert(
                    tx,
                    &Alert {
                        id: id.clone(),
                        ..warning(0)
                    },
                    NOW,
                )?;
                tx.prepare_cached(
                    "INSERT INTO delivery (key, alert, sink, notice, ordinal, route, grouping,
                     fingerprint, episode, severity, urgent, state, message, made, due)
                     VALUES (?1, ?1, 'a', ?2, 0, 0, 'g', ?1, 1, ?3, 0, 'pending',
                     nullif(?4, ''), ?5, ?5)",
                )?
                .execute(rusqlite::params![
                    id,
                    notice,
                    *severity as i64,
                    message,
                    NOW
                ])?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn room_is_made_of_reminders_then_infos_then_warnings_but_never_of_criticals() {
    let ledger = Ledger::in_memory().unwrap();
    let row = |number: i64| match number {
        0 => (number, Severity::Warning, "new", "begun"),
        1..=9 => (number, Severity::Warning, "new", ""),
        10..=14 => (number, Severity::Info, "new", ""),
        15..=17 => (number, Severity::Warning, "reminder", ""),
        _ => (number, Severity::Critical, "new", ""),
    };
    let rows: Vec<_> = (0..10_000).map(row).collect();
    flood(&ledger, &rows);
    let make_room = || {
        ledger
            .write(Durability::Process, |tx| {
                deliveries::make_room(tx, "a", NOW)
            })
            .unwrap()
    };
    let gone = || {
        let mut gone = ledger.deliveries(None, 20_000).unwrap();
        gone.retain(|it| it.state == "dropped" && it.reason.as_deref() == Some("no room"));
        let mut gone: Vec<i64> = gone.iter().map(|it| it.id - 1).collect();
        gone.sort_unstable();
        gone
    };
    assert_eq!(make_room(), 0);
    let mut next = 10_000;
    let mut crowd = |by: i64| {
        let more: Vec<_> = (next..next + by)
            .map(|number| (number, Severity::Critical, "new", ""))
            .collect();
        next += by;
        ledger
            .write(Durability::Process, |tx| {
                for (number, ..) in &more {
                    tx.execute(
                        "INSERT INTO delivery (key, alert, sink, notice, ordinal, route, grouping,
                         fingerprint, episode, severity, urgent, state, made, due)
                         SELECT ?1, alert, sink, notice, 0, 0, 'g', ?1, 1, 2, 1, 'pending', made,
                         due FROM delivery WHERE id = 20",
                        [format!("more {number}")],
                    )?;
                }
                Ok(())
            })
            .unwrap();
    };
    crowd(2);
    assert_eq!((make_room(), gone()), (2, vec![15, 16]));
    crowd(4);
    assert_eq!((make_room(), gone()), (4, vec![10, 11, 12, 15, 16, 17]));
    crowd(4);
    make_room();
    assert_eq!(gone(), [1, 2, 10, 11, 12, 13, 14, 15, 16, 17]);
    // Not what a message that was begun holds, and no critical.
    crowd(20);
    assert_eq!(make_room(), 7);
    assert_eq!(make_room(), 0);
    assert_eq!(
        gone(),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
    );
}

#[test]
fn queries_of_every_look_use_an_index() {
    let ledger = Ledger::in_memory().unwrap();
    for query in [
        "SELECT 1 FROM delivery WHERE sink = 'a' AND state = 'pending'",
        "SELECT 1 FROM delivery WHERE state = 'held'",
        "SELECT 1 FROM delivery WHERE state = 'sending'",
        "SELECT 1 FROM delivery d WHERE d.state = 'held'
         OR d.state = 'pending' AND d.message IS NULL AND d.due > 1",
    ] {
        let query = format!("EXPLAIN QUERY PLAN {query}");
        let plan = ledger.read(|connection| {
            let mut query = connection.prepare(&query)?;
            let lines = query.query_map([], |row| row.get(3))?;
            Ok(lines.collect::<rusqlite::Result<Vec<String>>>()?.join(", "))
        });
        let plan = plan.unwrap();
        assert!(!plan.contains("SCAN"), "{query}: {plan}");
        assert!(plan.contains("delivery_in_state"), "{query}: {plan}");
    }
}

/// What can happen to a ledger.
#[derive(Debug, Clone)]
enum Act {
    /// A trouble fires, so severe, in this group; or it is over.
    Write(usize, bool, usize),
    /// A message is taken and this becomes of it.
    Send(Fate),
    /// Processes end, and others take their work over.
    Revive,
    /// Time passes, in seconds.
    Pass(i64),
    /// Somebody asks for everything to be tried again.
    Resend,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Fails,
    Dies,
    /// It arrives, but the process ends before it can say so.
    Lost,
    /// The process ends before it is sent.
    Crash,
}

fn any_act() -> impl Strategy<Value = Act> {
    let fate = proptest::sample::select(
        &[
            Fate::Arrives,
            Fate::Fails,
            Fate::Dies,
            Fate::Lost,
            Fate::Crash,
        ][..],
    );
    prop_oneof![
        4 => (0..5usize, any::<bool>(), 0..2usize).prop_map(|(a, b, c)| Act::Write(a, b, c)),
        4 => fate.prop_map(Act::Send),
        1 => Just(Act::Revive),
        1 => (1..30_000i64).prop_map(Act::Pass),
        1 => Just(Act::Resend),
    ]
}

/// A ledger, and what its sink saw.
struct World {
    ledger: Ledger,
    now: i64,
    written: usize,
    /// What the ledger was told to have arrived.
    settled: BTreeSet<String>,
    /// Each message with its members when it was first tried.
    members: Vec<(String, Vec<usize>)>,
}

impl World {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Write(trouble, fires, group) => {
                let severity = [Severity::Info, Severity::Warning, Severity::Critical][trouble % 3];
                let state = if *fires {
                    State::Firing
                } else {
                    State::Resolved
                };
                let alert = alert(self.written, *trouble, severity, state);
                self.written += 1;
                write(&self.ledger, &alert, &format!("group {group}"), Notice::New);
            }
            Act::Send(fate) => {
                if let Some(leased) = take(&self.ledger, self.now) {
                    self.send(&leased, *fate);
                }
            }
            Act::Revive => {
                self.ledger.revive(&|_| false, self.now).unwrap();
            }
            Act::Pass(seconds) => self.now += seconds * 1000,
            Act::Resend => {
                self.ledger.resend("a", true, 0).unwrap();
            }
        }
        self.check();
    }

    fn send(&mut self, leased: &Leased, fate: Fate) {
        assert!(
            !self.settled.contains(&leased.message),
            "told twice: {leased:?}"
        );
        let members = ids(leased);
        match self
            .members
            .iter()
            .find(|(message, _)| *message == leased.message)
        {
            Some((_, before)) => assert_eq!(*before, members, "another message, the same name"),
            None => self.members.push((leased.message.clone(), members)),
        }
        let again = Again {
            retry: self.now + 1000,
            why: "cannot connect",
            free: false,
            doubtful: false,
            plain: false,
        };
        let (ledger, message) = (&self.ledger, &leased.message);
        match fate {
            Fate::Arrives => {
                ledger
                    .arrived(message, "delivered", None, self.now)
                    .unwrap();
                self.settled.insert(message.clone());
            }
            Fate::Fails => ledger.again(message, "me", &again).unwrap(),
            Fate::Dies => ledger
                .died(message, "a", "me", "refused", self.now)
                .unwrap(),
            Fate::Lost | Fate::Crash => {}
        }
    }

    /// Every delivery is in one state, and what that needs is there.
    fn check(&self) {
        let count = |which: &str| {
            number(
                &self.ledger,
                &format!("SELECT count(*) FROM delivery WHERE {which}"),
            )
        };
        assert_eq!(count("true"), self.written as i64);
        let over = "state IN ('delivered', 'accepted', 'dead', 'expired', 'dropped', 'suppressed')";
        assert_eq!(count(&format!("({over}) <> (done IS NOT NULL)")), 0);
        assert_eq!(
            count("(state = 'sending') <> (owner IS NOT NULL AND lease IS NOT NULL)"),
            0
        );
        assert_eq!(count("state = 'sending' AND message IS NULL"), 0);
        assert_eq!(count("attempts < 0"), 0);
        // Nobody knows of an end who does not know of a beginning.
        let known = self.settled.len() as i64;
        let messages = number(
            &self.ledger,
            "SELECT count(DISTINCT message) FROM delivery WHERE state = 'delivered'",
        );
        assert_eq!(messages, known);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_delivery_ends_once(acts in prop::collection::vec(any_act(), 1..60)) {
        let mut world = World {
            ledger: Ledger::in_memory().unwrap(),
            now: NOW,
            written: 0,
            settled: BTreeSet::new(),
            members: Vec::new(),
        };
        for act in &acts {
            world.act(act);
        }
        // Given a sink that works again, nothing waits for ever.
        world.act(&Act::Revive);
        world.act(&Act::Pass(10));
        while let Some(leased) = take(&world.ledger, world.now) {
            world.send(&leased, Fate::Arrives);
            world.now += 10_000;
        }
        world.check();
        prop_assert_eq!(number(&world.ledger, "SELECT count(*) FROM delivery WHERE state IN
            ('pending', 'held', 'sending')"), 0);
    }
}
