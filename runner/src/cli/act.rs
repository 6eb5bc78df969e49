//! What is done about alerts beside telling them: what the processes of the run
//! are doing is put down as evidence, and the run is halted if that was asked
//! for.
//!
//! An alert that a run stands still waits here until its evidence is there, a
//! few seconds: signals of a halt would destroy it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::alert::{Alert, Finding, State};
use crate::halt::Halting;
use crate::job::evidence::Evidence;
use crate::record::Run;

/// The detector whose alerts ask for evidence.
const STALL: &str = "heartbeat";
/// How long a look at the processes may take.
pub(super) const LOOK: Duration = Duration::from_secs(15);
/// An alert waits this long for its evidence, in seconds.
const PATIENCE: f64 = 30.0;

/// The place where the processes of a run can be looked at.
pub(super) trait Scene: Send + Sync {
    /// Looks; this may take seconds. `last_lines` are those of each input, under
    /// its name. None if there is nothing to look at.
    fn look(&self, alert: &Alert, last_lines: &[(String, Vec<String>)]) -> Option<Evidence>;
}

/// What is done about the alerts of a watch.
pub(super) struct Act {
    /// What can be halted, by run.
    halts: Vec<(Run, Halting)>,
    scene: Option<Arc<dyn Scene>>,
    /// Alerts that wait for their evidence, and until when.
    held: Vec<(Alert, f64)>,
    to: Sender<(String, Option<Evidence>)>,
    from: Receiver<(String, Option<Evidence>)>,
}

impl Act {
    pub(super) fn new(halts: Vec<(Run, Halting)>, scene: Option<Arc<dyn Scene>>) -> Self {
        let (to, from) = channel();
        Self {
            halts,
            scene,
            held: Vec::new(),
            to,
            from,
        }
    }

    /// Holds back the alerts that need evidence, and gives back, before the
    /// others, those that have it. `now` is in seconds since 1970.
    pub(super) fn gather(
        &mut self,
        alerts: Vec<Alert>,
        last_lines: &dyn Fn() -> Vec<(String, Vec<String>)>,
        now: f64,
    ) -> Vec<Alert> {
        let mut ready = self.found(now);
        for alert in alerts {
            match &self.scene {
                Some(scene) if is_stall(&alert) => {
                    let (scene, to) = (scene.clone(), self.to.clone());
                    let (about, lines) = (alert.clone(), last_lines());
                    let look = move || {
                        let found = scene.look(&about, &lines);
                        // Nobody waits any more: the watch is over.
                        let _ = to.send((about.id, found));
                    };
                    match thread::Builder::new().name("evidence".into()).spawn(look) {
                        Ok(_) => self.held.push((alert, now + PATIENCE)),
                        Err(_) => ready.push(alert),
                    }
                }
                _ => ready.push(alert),
            }
        }
        ready
    }

    /// The alerts whose evidence is there, and those that have waited too long.
    fn found(&mut self, now: f64) -> Vec<Alert> {
        let mut ready = Vec::new();
        for (id, evidence) in self.from.try_iter() {
            let Some(at) = self.held.iter().position(|(alert, _)| alert.id == id) else {
                continue;
            };
            let (mut alert, _) = self.held.remove(at);
            if let Some(evidence) = evidence {
                if !evidence.summary.is_empty() {
                    alert.message = format!("{} {}", alert.message, evidence.summary);
                }
                alert.evidence = Some(evidence.text);
            }
            ready.push(alert);
        }
        ready.extend(
            self.held
                .extract_if(.., |(_, until)| *until <= now)
                .map(|(alert, _)| alert),
        );
        ready
    }

    /// All that still wait: the watch is over.
    pub(super) fn release(&mut self) -> Vec<Alert> {
        self.found(f64::INFINITY)
    }

    /// An alert has been told, and may be a reason to halt.
    pub(super) fn consider(&mut self, alert: &Alert, now: f64) {
        for (_, halting) in &mut self.halts {
            halting.consider(alert, now);
        }
    }

    /// Time passes; gives what is to be told of halts.
    pub(super) fn tick(&mut self, now: f64) -> Vec<(Run, Finding)> {
        self.all(|halting| halting.tick(now))
    }

    /// The job is over, and how; gives what is to be told of the halt.
    pub(super) fn ended(&mut self, how: &str, now: f64) -> Vec<(Run, Finding)> {
        self.all(|halting| halting.ended(how, now))
    }

    fn all(&mut self, mut tell: impl FnMut(&mut Halting) -> Vec<Finding>) -> Vec<(Run, Finding)> {
        let mut told = Vec::new();
        for (run, halting) in &mut self.halts {
            told.extend(
                tell(halting)
                    .into_iter()
                    .map(|finding| (run.clone(), finding)),
            );
        }
        told
    }

    /// Why a run was or is being halted, if one is.
    pub(super) fn halted(&self) -> Option<&str> {
        let mut halts = self.halts.iter();
        let cause = halts.find_map(|(_, halting)| halting.cause());
        cause.map(|cause| cause.title.as_str())
    }
}

fn is_stall(alert: &Alert) -> bool {
    alert.detector == STALL && alert.state == State::Firing
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;
    use crate::deliver::sample;

    struct Slow(Mutex<Receiver<Option<Evidence>>>);

    impl Scene for Slow {
        fn look(&self, _: &Alert, last_lines: &[(String, Vec<String>)]) -> Option<Evidence> {
            assert_eq!(last_lines[0].0, "stdout");
            self.0.lock().unwrap().recv().ok().flatten()
        }
    }

    fn act(scene: Option<Arc<dyn Scene>>) -> Act {
        Act::new(Vec::new(), scene)
    }

    fn stall(id: &str) -> Alert {
        Alert {
            id: id.to_owned(),
            detector: STALL.to_owned(),
            ..sample()
        }
    }

    /// By id: a NaN in the values equals nothing.
    fn ids(alerts: &[Alert]) -> Vec<&str> {
        alerts.iter().map(|alert| &*alert.id).collect()
    }

    fn lines() -> Vec<(String, Vec<String>)> {
        vec![("stdout".to_owned(), vec!["step 3".to_owned()])]
    }

    fn until_something(act: &mut Act, now: f64) -> Vec<Alert> {
        loop {
            let ready = act.gather(Vec::new(), &lines, now);
            if !ready.is_empty() {
                return ready;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_stall_waits_for_its_evidence_and_the_others_do_not() {
        let (found, scene) = mpsc::channel();
        let mut act = act(Some(Arc::new(Slow(Mutex::new(scene)))));
        let ready = act.gather(vec![stall("a"), sample()], &lines, 0.0);
        assert_eq!(ids(&ready), [sample().id]);
        assert!(act.gather(Vec::new(), &lines, PATIENCE - 1.0).is_empty());
        let evidence = Evidence {
            summary: "All sleep.".into(),
            text: "== summary".into(),
        };
        found.send(Some(evidence)).unwrap();
        let [alert] = &until_something(&mut act, 1.0)[..] else {
            panic!()
        };
        assert_eq!(alert.evidence.as_deref(), Some("== summary"));
        assert_eq!(alert.message, format!("{} All sleep.", sample().message));
        assert!(act.release().is_empty());
    }

    #[test]
    fn evidence_that_does_not_come_is_not_waited_for_without_end() {
        let (found, scene) = mpsc::channel();
        let mut act = act(Some(Arc::new(Slow(Mutex::new(scene)))));
        assert!(
            act.gather(vec![stall("a"), stall("b")], &lines, 5.0)
                .is_empty()
        );
        let late = act.gather(Vec::new(), &lines, 5.0 + PATIENCE);
        assert_eq!(ids(&late), ["a", "b"]);
        assert!(act.gather(vec![stall("c")], &lines, 90.0).is_empty());
        assert_eq!(ids(&act.release()), ["c"]);
        drop(found);
    }

    #[test]
    fn without_a_scene_nothing_waits() {
        let mut act = act(None);
        assert_eq!(ids(&act.gather(vec![stall("a")], &lines, 0.0)), ["a"]);
    }
}
