//! Silences: what an operator does not want to hear, and until when.
//!
//! A silence never mutes what is more severe than it was made for. The ledger
//! keeps silences, and keeps what they mute.

use serde::{Deserialize, Deserializer, Serialize};

use super::matcher::{Facts, Matcher, Mistake, all_match, parse_all};
use crate::alert::{Alert, Severity, State};

/// Alerts that are not to be sent for a while. Its JSON form is that of
/// `silence list` and of export and import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Names it among the silences.
    pub id: String,
    /// All must match; without any, it mutes nothing.
    pub matchers: Vec<Matcher>,
    /// The most severe that it mutes.
    #[serde(deserialize_with = "severity")]
    pub severity: Severity,
    /// When it ends.
    pub until: Until,
    /// Why there is one.
    pub comment: String,
    /// Who made it.
    pub author: String,
    /// When it begins to mute, in milliseconds since 1970.
    #[serde(default)]
    pub begins: i64,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
}

/// When a silence ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// At this time, in milliseconds since 1970.
    Time(i64),
    /// For each run at this training step. An alert of no known step is muted.
    Step(i64),
    /// When the trouble is resolved, which is told: an acknowledgement.
    Resolved,
}

impl Silence {
    /// One that tells the others that somebody knows of this trouble: it mutes
    /// what is said of it, up to this severity, until it is resolved.
    #[must_use]
    pub fn acknowledging(alert: &Alert, author: String, comment: String, now: i64) -> Self {
        let labels = [
            ("project", &alert.project),
            ("run", &alert.run),
            ("detector", &alert.detector),
            ("key", &alert.key),
        ];
        let matchers = labels.map(|(label, value)| Matcher::equal(label, value.as_str()));
        Self {
            id: Self::fresh_id(),
            matchers: matchers.into(),
            severity: alert.severity,
            until: Until::Resolved,
            comment,
            author,
            begins: now,
            created: now,
        }
    }

    /// One for the alerts that have all these values of labels: it mutes
    /// warnings and infos until this time, in milliseconds since 1970.
    #[must_use]
    pub fn of(
        values: &[(&str, &str)],
        end: i64,
        author: String,
        comment: String,
        now: i64,
    ) -> Self {
        let matchers = values.iter();
        Self {
            id: Self::fresh_id(),
            matchers: matchers
                .map(|(label, value)| Matcher::equal(*label, *value))
                .collect(),
            severity: Severity::Warning,
            until: Until::Time(end),
            comment,
            author,
            begins: now,
            created: now,
        }
    }

    /// A name for a new silence.
    #[must_use]
    pub fn fresh_id() -> String {
        format!("{:08x}", fastrand::u32(..))
    }

    /// Whether an alert is muted at this time, in milliseconds since 1970.
    #[must_use]
    pub fn mutes(&self, facts: &Facts<'_>, now: i64) -> bool {
        facts.alert.severity <= self.severity && self.holds(facts, now) && self.means(facts)
    }

    /// Whether it is over whatever alert comes. One that does not end by time
    /// is never over by itself: see [`ended_by`](Self::ended_by).
    #[must_use]
    pub fn ended(&self, now: i64) -> bool {
        matches!(self.until, Until::Time(end) if now >= end)
    }

    /// Whether this alert is the end of it: the trouble that it waits for is
    /// resolved. If it is meant for several troubles, the first one ends it.
    #[must_use]
    pub fn ended_by(&self, facts: &Facts<'_>) -> bool {
        let over = self.until == Until::Resolved && facts.alert.state == State::Resolved;
        over && self.means(facts)
    }

    /// Whether its matchers can be used with the operator's labels. What was
    /// imported must be checked, because a stored matcher may have any label.
    ///
    /// # Errors
    /// If there is no matcher, or one has an unknown label or an impossible
    /// value.
    pub fn check(&self, own: &[(String, String)]) -> Result<(), Mistake> {
        if self.matchers.is_empty() {
            return Err(Mistake {
                column: 1,
                message: "a silence needs a matcher".to_owned(),
                hint: Some("for all warnings write `severity=warning`".to_owned()),
            });
        }
        let read = |matcher: &Matcher| parse_all(&matcher.to_string(), own).map(drop);
        self.matchers.iter().try_for_each(read)
    }

    /// Whether it has not ended for this alert.
    fn holds(&self, facts: &Facts<'_>, now: i64) -> bool {
        if now < self.begins {
            return false;
        }
        match self.until {
            Until::Time(_) => !self.ended(now),
            Until::Step(end) => facts.alert.step.is_none_or(|step| step < end),
            Until::Resolved => facts.alert.state == State::Firing,
        }
    }

    /// Whether it was made for this alert, of whatever severity.
    fn means(&self, facts: &Facts<'_>) -> bool {
        !self.matchers.is_empty() && all_match(&self.matchers, facts)
    }
}

/// The most severe that a new silence mutes: warnings, unless its matchers
/// name criticals.
#[must_use]
pub fn ceiling(matchers: &[Matcher]) -> Severity {
    match matchers.iter().any(Matcher::names_critical) {
        true => Severity::Critical,
        false => Severity::Warning,
    }
}

/// Who makes a silence on this machine, as far as it says; else nobody.
#[must_use]
pub fn author() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_default()
}

fn severity<'de, D: Deserializer<'de>>(from: D) -> Result<Severity, D::Error> {
    let name = String::deserialize(from)?;
    let unknown = || serde::de::Error::custom(format!("there is no severity `{name}`"));
    Severity::from_name(&name).ok_or_else(unknown)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deliver::sample;

    const NOW: i64 = 1_700_000_000_000;

    fn silence(matchers: &str, until: Until) -> Silence {
        let matchers = parse_all(matchers, &[]).unwrap();
        Silence {
            id: "s1".to_owned(),
            severity: ceiling(&matchers),
            matchers,
            until,
            comment: "known, see the notebook".to_owned(),
            author: "ada".to_owned(),
            begins: 0,
            created: NOW - 1000,
        }
    }

    fn alert(severity: Severity, state: State, step: Option<i64>) -> Alert {
        Alert {
            severity,
            state,
            step,
            ..sample()
        }
    }

    fn warning() -> Alert {
        alert(Severity::Warning, State::Firing, Some(100))
    }

    fn mutes(silence: &Silence, alert: &Alert, now: i64) -> bool {
        silence.mutes(&Facts::new(alert, &[]), now)
    }

    #[test]
    fn it_hides_one_of_two_and_its_end_brings_it_back() {
        let silence = silence("run=a", Until::Time(NOW));
        let hidden = Alert {
            run: "a".to_owned(),
            ..warning()
        };
        let other = Alert {
            run: "b".to_owned(),
            ..warning()
        };
        assert!(mutes(&silence, &hidden, NOW - 1));
        assert!(!mutes(&silence, &other, NOW - 1));
        assert!(!silence.ended(NOW - 1));
        // The moment named is the first that is heard again.
        assert!(!mutes(&silence, &hidden, NOW));
        assert!(silence.ended(NOW));
    }

    #[test]
    fn all_matchers_must_match() {
        let both = silence("run=train,rank=3", Until::Resolved);
        assert!(mutes(&both, &warning(), NOW));
        let one = silence("run=train,rank=4", Until::Resolved);
        assert!(!mutes(&one, &warning(), NOW));
    }

    #[test]
    fn until_a_step() {
        let silence = silence("run=train", Until::Step(100));
        for (step, muted) in [
            (Some(99), true),
            (Some(100), false),
            (Some(101), false),
            (None, true),
        ] {
            let alert = alert(Severity::Warning, State::Firing, step);
            assert_eq!(mutes(&silence, &alert, i64::MAX), muted, "{step:?}");
        }
        assert!(!silence.ended(i64::MAX));
    }

    #[test]
    fn until_it_is_resolved() {
        let silence = silence("run=train", Until::Resolved);
        let over = alert(Severity::Warning, State::Resolved, Some(100));
        assert!(mutes(&silence, &warning(), i64::MAX));
        assert!(!silence.ended_by(&Facts::new(&warning(), &[])));
        assert!(!mutes(&silence, &over, NOW));
        assert!(silence.ended_by(&Facts::new(&over, &[])));
        let elsewhere = Alert {
            run: "b".to_owned(),
            ..over.clone()
        };
        assert!(!silence.ended_by(&Facts::new(&elsewhere, &[])));
        // By its time nothing is said of the resolution either.
        let timed = Silence {
            until: Until::Time(NOW + 1),
            ..silence
        };
        assert!(mutes(&timed, &over, NOW));
        assert!(!timed.ended_by(&Facts::new(&over, &[])));
    }

    #[test]
    fn a_more_severe_alert_is_heard() {
        use Severity::{Critical, Info, Warning};
        for (matchers, most) in [
            ("run=train", Warning),
            ("severity=warning", Warning),
            ("severity=~\".*\"", Warning),
            ("severity!=info", Warning),
            ("severity=critical", Critical),
            ("run=train,severity>=warning", Critical),
            ("severity=~\"warning|critical\"", Critical),
        ] {
            let silence = silence(matchers, Until::Resolved);
            assert_eq!(silence.severity, most, "{matchers}");
            let critical = alert(Critical, State::Firing, None);
            assert_eq!(
                mutes(&silence, &critical, NOW),
                most == Critical,
                "{matchers}"
            );
        }
        let trifles = Silence {
            severity: Info,
            ..silence("run=train", Until::Resolved)
        };
        assert!(!mutes(&trifles, &warning(), NOW));
        assert!(mutes(&trifles, &alert(Info, State::Firing, None), NOW));
    }

    #[test]
    fn one_without_matchers_mutes_nothing() {
        let empty = silence("", Until::Resolved);
        assert!(!mutes(&empty, &warning(), NOW));
        assert!(empty.check(&[]).is_err());
    }

    #[test]
    fn what_is_imported_is_checked() {
        let own = [("team".to_owned(), "a".to_owned())];
        let mut silence = silence("run=train", Until::Resolved);
        silence.matchers.push("team=a".parse().unwrap());
        assert_eq!(silence.check(&own), Ok(()));
        assert!(silence.check(&[]).unwrap_err().message.contains("team"));
    }

    #[test]
    fn the_json_form() {
        let silence = silence("plateau,run=\"a b\"", Until::Step(5000));
        let json = serde_json::to_value(&silence).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "id": "s1",
                "matchers": ["detector=plateau", "run=\"a b\""],
                "severity": "warning",
                "until": { "step": 5000 },
                "comment": "known, see the notebook",
                "author": "ada",
                "begins": 0,
            "created": NOW - 1000,
            })
        );
        assert_eq!(
            serde_json::from_value::<Silence>(json.clone()).unwrap(),
            silence
        );
        for (field, wrong) in [
            ("severity", serde_json::json!("bad")),
            ("until", serde_json::json!("forever")),
            ("matchers", serde_json::json!(["a=~("])),
            ("extra", serde_json::json!(1)),
        ] {
            let mut json = json.clone();
            json[field] = wrong;
            assert!(serde_json::from_value::<Silence>(json).is_err(), "{field}");
        }
        for until in [Until::Time(NOW), Until::Step(1), Until::Resolved] {
            let json = serde_json::to_string(&until).unwrap();
            assert_eq!(serde_json::from_str::<Until>(&json).unwrap(), until);
        }
    }

    #[test]
    fn nothing_is_muted_before_it_begins() {
        let later = Silence {
            begins: NOW + 1,
            ..silence("severity=warning", Until::Resolved)
        };
        let alert = alert(Severity::Warning, State::Firing, None);
        let facts = Facts::new(&alert, &[]);
        assert!(!later.mutes(&facts, NOW));
        assert!(later.mutes(&facts, NOW + 1));
    }

    proptest! {
        #[test]
        fn a_silence_never_mutes_what_is_worse(
            matchers in proptest::sample::select(&["", "run=train", "severity=critical", "severity>=info", "rank=3"][..]),
            until in prop_oneof![
                any::<i64>().prop_map(Until::Time),
                any::<i64>().prop_map(Until::Step),
                Just(Until::Resolved),
            ],
            severities in (0..3_usize, 0..3_usize),
            resolved in any::<bool>(),
            step in any::<Option<i64>>(),
            now in any::<i64>(),
        ) {
            let all = [Severity::Info, Severity::Warning, Severity::Critical];
            let silence = Silence { severity: all[severities.0], ..silence(matchers, until) };
            let state = if resolved { State::Resolved } else { State::Firing };
            let alert = alert(all[severities.1], state, step);
            if mutes(&silence, &alert, now) {
                prop_assert!(alert.severity <= silence.severity);
                prop_assert!(!silence.ended(now));
                prop_assert!(!silence.ended_by(&Facts::new(&alert, &[])));
                prop_assert!(!silence.matchers.is_empty());
            }
        }
    }
}
