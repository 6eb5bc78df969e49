//! Inhibition: what need not be told because something worse explains it.
//!
//! A run that is dead is slow as well, and a loss that is NaN makes the
//! gradient look odd. The caller asks with each alert that still fires.

use super::matcher::{Facts, Matcher, all_match, parse_all};
use crate::alert::{Alert, State};

/// While a source fires, its targets are not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// What the source is like; without any, the rule does nothing.
    pub source: Vec<Matcher>,
    /// What the target is like; without any, the rule does nothing.
    pub target: Vec<Matcher>,
    /// The labels that both must have, with the same value; of several ranks
    /// one in common is enough.
    pub equal: Vec<String>,
    /// The target must not come before the source, where both steps are known.
    pub after: bool,
}

impl Rule {
    /// Whether the target is not told while the source fires. Never for a
    /// target that is more severe, for the end of a trouble, which is only told
    /// to those who know of it, and for the source itself.
    #[must_use]
    pub fn inhibits(&self, source: &Facts<'_>, target: &Facts<'_>) -> bool {
        let (cause, effect) = (source.alert, target.alert);
        fires(cause)
            && fires(effect)
            && effect.severity <= cause.severity
            && !same_trouble(cause, effect)
            && self.links(source, target)
            // Two that are both at once would silence each other.
            && !self.links(target, source)
            && self.equal.iter().all(|label| shares(label, source, target))
            && !(self.after && is_before(effect, cause))
    }

    /// Whether the one is a source and the other a target.
    fn links(&self, source: &Facts<'_>, target: &Facts<'_>) -> bool {
        let means =
            |matchers: &[Matcher], facts| !matchers.is_empty() && all_match(matchers, facts);
        means(&self.source, source) && means(&self.target, target)
    }
}

fn fires(alert: &Alert) -> bool {
    alert.state == State::Firing
}

/// Whether both have one fingerprint, be it in different alerts.
fn same_trouble(a: &Alert, b: &Alert) -> bool {
    (&a.project, &a.run, &a.detector, &a.key) == (&b.project, &b.run, &b.detector, &b.key)
}

/// Whether both have the label with a common value. Without that demand a
/// misspelt label, absent on both, would let everything inhibit everything.
fn shares(label: &str, source: &Facts<'_>, target: &Facts<'_>) -> bool {
    let values = source.values(label);
    let is_common = |value| !str::is_empty(value) && values.iter().any(|it| it == value);
    target.values(label).iter().any(|value| is_common(value))
}

fn is_before(a: &Alert, b: &Alert) -> bool {
    a.step.zip(b.step).is_some_and(|(a, b)| a < b)
}

/// The rules that hold unless the operator turns them off.
#[must_use]
pub fn builtin() -> Vec<Rule> {
    const RUN: &[&str] = &["project", "run"];
    const DETECTOR: &[&str] = &["project", "run", "detector"];
    const PACE: &str = "detector=~throughput|straggler|data-stall|plateau";
    vec![
        // A run that is dead or stands still has no pace.
        rule("detector=~killed|heartbeat,severity=critical", PACE, RUN),
        // Nor has one that was told to end; a GPU error alone need not end it.
        rule(
            "detector=killed,key=~killed/(failed|cancelled|sigterm|sigint)",
            PACE,
            RUN,
        ),
        // What the worst of a detector's findings says need not be said more
        // mildly. The runner's own alerts are each about something else, and so
        // are the rules that a user wrote.
        rule(
            "severity=critical,detector!~runwatch|rule",
            "severity!=critical",
            DETECTOR,
        ),
        // After an update with a NaN loss every statistic of it is odd.
        Rule {
            after: true,
            ..rule(
                "detector=non-finite,key=non-finite/loss,severity=critical",
                "detector=~loss-spike|divergence|grad-norm,severity!=critical",
                RUN,
            )
        },
    ]
}

/// A rule of ours. A mistake in it would leave it empty, so that it does
/// nothing; a test reads them all.
fn rule(source: &str, target: &str, equal: &[&str]) -> Rule {
    let read = |text| parse_all(text, &[]).unwrap_or_default();
    Rule {
        source: read(source),
        target: read(target),
        equal: equal.iter().map(|label| (*label).to_owned()).collect(),
        after: false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::Severity::{self, Critical, Info, Warning};
    use crate::deliver::sample;

    fn alert(detector: &str, key: &str, severity: Severity) -> Alert {
        Alert {
            detector: detector.to_owned(),
            key: key.to_owned(),
            severity,
            ..sample()
        }
    }

    fn of(alert: &Alert) -> Facts<'_> {
        Facts::new(alert, &[])
    }

    fn inhibits(rule: &Rule, source: &Alert, target: &Alert) -> bool {
        rule.inhibits(&of(source), &of(target))
    }

    fn built_in(source: &Alert, target: &Alert) -> bool {
        builtin().iter().any(|rule| inhibits(rule, source, target))
    }

    fn example() -> Rule {
        rule("detector=a", "detector=b", &["run"])
    }

    #[test]
    fn a_source_mutes_its_target_until_it_is_resolved() {
        let (source, target) = (alert("a", "k", Warning), alert("b", "k", Warning));
        assert!(inhibits(&example(), &source, &target));
        assert!(!inhibits(&example(), &target, &source));
        let over = |alert: &Alert| Alert {
            state: State::Resolved,
            ..alert.clone()
        };
        assert!(!inhibits(&example(), &over(&source), &target));
        // Those who were told of the target are told of its end.
        assert!(!inhibits(&example(), &source, &over(&target)));
        assert!(!inhibits(&example(), &over(&source), &over(&target)));
    }

    #[test]
    fn labels_that_must_be_equal() {
        let (source, target) = (alert("a", "k", Warning), alert("b", "k", Warning));
        let elsewhere = Alert {
            run: "other".to_owned(),
            ..target.clone()
        };
        assert!(!inhibits(&example(), &source, &elsewhere));
        let everywhere = rule("detector=a", "detector=b", &[]);
        assert!(inhibits(&everywhere, &source, &elsewhere));
        let ranked = rule("detector=a", "detector=b", &["run", "rank"]);
        for (ranks, muted) in [(vec![3], true), (vec![1, 3], true), (vec![1, 2], false)] {
            let target = Alert {
                ranks,
                ..target.clone()
            };
            assert_eq!(inhibits(&ranked, &source, &target), muted);
        }
    }

    #[test]
    fn a_label_that_neither_has_is_not_equal() {
        let rule = rule("detector=a", "detector=b", &["run", "team"]);
        let (source, target) = (alert("a", "k", Warning), alert("b", "k", Warning));
        let team = |name: &str| vec![("team".to_owned(), name.to_owned())];
        let (none, mine, yours) = (Vec::new(), team("mine"), team("yours"));
        for (left, right, muted) in [
            (&none, &none, false),
            (&mine, &none, false),
            (&none, &mine, false),
            (&mine, &yours, false),
            (&mine, &mine, true),
        ] {
            let (source, target) = (Facts::new(&source, left), Facts::new(&target, right));
            assert_eq!(rule.inhibits(&source, &target), muted, "{left:?} {right:?}");
        }
    }

    #[test]
    fn an_empty_rule_inhibits_nothing() {
        let (source, target) = (alert("a", "k", Critical), alert("b", "k", Info));
        for empty in [
            Rule::default(),
            rule("", "", &["run"]),
            rule("detector=a", "", &["run"]),
            rule("", "detector=b", &["run"]),
        ] {
            assert!(!inhibits(&empty, &source, &target));
            assert!(!inhibits(&empty, &source, &source));
        }
    }

    #[test]
    fn what_is_both_source_and_target_is_told() {
        let all = rule("run=train", "run=train", &["run"]);
        let (a, b) = (alert("a", "k", Warning), alert("b", "k", Warning));
        assert!(!inhibits(&all, &a, &a));
        assert!(!inhibits(&all, &a, &b));
        assert!(!inhibits(&all, &b, &a));
        // Nor does an earlier alert of a trouble mute a later one.
        let later = Alert {
            id: "other".to_owned(),
            severity: Info,
            ..a.clone()
        };
        let worse = rule("severity=warning", "severity=info", &["run"]);
        assert!(!inhibits(&worse, &a, &later));
        // One that is both is muted by one that is only a source.
        let narrow = rule("detector=~a|b", "detector=b", &["run"]);
        assert!(inhibits(&narrow, &a, &b));
    }

    #[test]
    fn the_order_of_steps() {
        let rule = Rule {
            after: true,
            ..example()
        };
        let at = |detector, step| Alert {
            step,
            ..alert(detector, "k", Warning)
        };
        for (source, target, muted) in [
            (Some(5), Some(4), false),
            (Some(5), Some(5), true),
            (Some(5), Some(6), true),
            (None, Some(4), true),
            (Some(5), None, true),
        ] {
            assert_eq!(inhibits(&rule, &at("a", source), &at("b", target)), muted);
        }
        assert!(inhibits(&example(), &at("a", Some(5)), &at("b", Some(4))));
    }

    #[test]
    fn the_built_in_rules_can_be_read() {
        for rule in builtin() {
            assert!(
                !rule.source.is_empty() && !rule.target.is_empty(),
                "{rule:?}"
            );
            assert!(
                rule.equal
                    .starts_with(&["project".to_owned(), "run".to_owned()])
            );
        }
    }

    #[test]
    fn what_is_built_in() {
        let killed = alert("killed", "killed/sigkill", Critical);
        let nan = alert("non-finite", "non-finite/loss", Critical);
        let silent = |severity| alert("heartbeat", "silence", severity);
        let slower = |severity| alert("throughput", "slower", severity);
        for (source, target, muted) in [
            (&killed, slower(Warning), true),
            (&killed, slower(Critical), true),
            (&killed, alert("straggler", "behind", Warning), true),
            (&killed, alert("data-stall", "data-stall", Warning), true),
            (&killed, alert("plateau", "plateau", Info), true),
            (&killed, alert("loss-spike", "loss-spike", Warning), false),
            (&killed, silent(Critical), false),
            (&silent(Critical), slower(Warning), true),
            (&silent(Warning), slower(Warning), false),
            (
                &alert("killed", "killed/sigterm", Warning),
                slower(Warning),
                true,
            ),
            (
                &alert("killed", "killed/sigterm", Warning),
                slower(Critical),
                false,
            ),
            (
                &alert("killed", "killed/gpu-xid", Warning),
                slower(Warning),
                false,
            ),
            // The same detector, more mildly.
            (&nan, alert("non-finite", "non-finite/other", Warning), true),
            (
                &nan,
                alert("non-finite", "non-finite/grad_norm", Critical),
                false,
            ),
            (
                &alert("runwatch", "detector-fault/a", Critical),
                alert("runwatch", "detector-fault/b", Warning),
                false,
            ),
            (
                &alert("rule", "no-disk", Critical),
                alert("rule", "high-lr", Warning),
                false,
            ),
            // What follows from a loss that is NaN.
            (&nan, alert("loss-spike", "loss-spike", Warning), true),
            (&nan, alert("divergence", "divergence", Warning), true),
            (&nan, alert("grad-norm", "explosion", Warning), true),
            (&nan, alert("grad-norm", "explosion", Critical), false),
            (&nan, alert("kl-explosion", "kl-explosion", Warning), false),
            (
                &alert("non-finite", "non-finite/grad_norm", Critical),
                alert("loss-spike", "loss-spike", Warning),
                false,
            ),
        ] {
            assert_eq!(built_in(source, &target), muted, "{source:?} {target:?}");
            let elsewhere = Alert {
                run: "other".to_owned(),
                ..target.clone()
            };
            assert!(!built_in(source, &elsewhere));
            let elsewhere = Alert {
                project: "other".to_owned(),
                ..target
            };
            assert!(!built_in(source, &elsewhere));
        }
        let before = Alert {
            step: Some(2403),
            ..alert("loss-spike", "loss-spike", Warning)
        };
        assert!(!built_in(&nan, &before));
    }

    fn any_alert() -> impl Strategy<Value = Alert> {
        let detector = proptest::sample::select(
            &[
                "killed",
                "heartbeat",
                "throughput",
                "non-finite",
                "loss-spike",
                "runwatch",
            ][..],
        );
        let key = proptest::sample::select(&["killed/failed", "silence", "non-finite/loss"][..]);
        let severity = proptest::sample::select(&[Info, Warning, Critical][..]);
        (detector, key, severity, any::<bool>(), any::<Option<i64>>()).prop_map(
            |(detector, key, severity, over, step)| Alert {
                state: if over { State::Resolved } else { State::Firing },
                step,
                ..alert(detector, key, severity)
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_mutes_itself_or_what_is_worse(a in any_alert(), b in any_alert()) {
            prop_assert!(!built_in(&a, &a));
            if built_in(&a, &b) {
                prop_assert!(b.severity <= a.severity);
                prop_assert!(!built_in(&b, &a), "each mutes the other");
                prop_assert!(fires(&a) && fires(&b));
            }
        }
    }
}
