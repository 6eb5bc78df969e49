#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::alert::{Alert, State};
use crate::deliver::matcher::parse_all;
use crate::deliver::sample;

fn names(sinks: &[&str]) -> Vec<String> {
    sinks.iter().map(|it| (*it).to_owned()).collect()
}

fn route(matchers: &str, sinks: &[&str]) -> Route {
    Route {
        matchers: parse_all(matchers, &[]).unwrap(),
        sinks: names(sinks),
        ..Route::default()
    }
}

fn going_on(route: Route) -> Route {
    Route {
        goes_on: true,
        ..route
    }
}

fn named(name: &str, route: Route) -> Route {
    Route {
        name: Some(name.to_owned()),
        ..route
    }
}

fn from(min_severity: Severity, route: Route) -> Route {
    Route {
        min_severity: Some(min_severity),
        ..route
    }
}

fn routes(routes: impl IntoIterator<Item = Route>) -> Routes {
    Routes::new(routes.into_iter().collect(), &[])
}

fn alert(severity: Severity, run: &str) -> Alert {
    Alert {
        severity,
        run: run.to_owned(),
        ..sample()
    }
}

/// The sinks and the positions of the routes that chose them.
fn of<'a>(routes: &'a Routes, facts: &Facts<'_>) -> Vec<(&'a str, usize)> {
    let chosen = routes.of(facts);
    chosen.iter().map(|it| (it.sink, it.position)).collect()
}

fn sinks<'a>(routes: &'a Routes, alert: &Alert) -> Vec<(&'a str, usize)> {
    of(routes, &Facts::new(alert, &[]))
}

#[test]
fn without_routes_everything_goes_everywhere() {
    let routes = Routes::new(Vec::new(), &names(&["team", "pager"]));
    for severity in [Severity::Info, Severity::Critical] {
        assert_eq!(
            sinks(&routes, &alert(severity, "a")),
            [("team", 0), ("pager", 0)]
        );
    }
    let route = &routes.routes()[0];
    assert_eq!(route.group_wait, Duration::from_secs(5));
    assert_eq!(route.group_interval, Duration::from_secs(60));
    assert_eq!(route.repeat, Some(Duration::from_secs(21_600)));
    let nowhere = Routes::new(Vec::new(), &[]);
    assert!(sinks(&nowhere, &sample()).is_empty());
}

#[test]
fn the_first_that_matches_takes_it() {
    let routes = routes([
        route("severity=critical,run=~prod-.*", &["pager", "team"]),
        route("severity=critical", &["team"]),
        route("run=~test-.*", &[]),
        route("", &["log"]),
    ]);
    for (severity, run, expected) in [
        (
            Severity::Critical,
            "prod-1",
            &[("pager", 0), ("team", 0)][..],
        ),
        (Severity::Critical, "exp-1", &[("team", 1)]),
        (Severity::Warning, "prod-1", &[("log", 3)]),
        // A route without sinks keeps it.
        (Severity::Warning, "test-1", &[]),
    ] {
        assert_eq!(sinks(&routes, &alert(severity, run)), expected, "{run}");
    }
}

#[test]
fn nothing_matches() {
    let routes = routes([route("run=a", &["team"])]);
    assert!(sinks(&routes, &alert(Severity::Critical, "b")).is_empty());
}

#[test]
fn a_route_may_go_on() {
    let routes = routes([
        going_on(route("severity=critical", &["pager", "log"])),
        going_on(route("run=nothing", &["never"])),
        route("", &["log", "team", "team"]),
        route("", &["never"]),
    ]);
    // `log` is chosen twice and told once, by the first.
    assert_eq!(
        sinks(&routes, &alert(Severity::Critical, "a")),
        [("pager", 0), ("log", 0), ("team", 2)]
    );
    assert_eq!(
        sinks(&routes, &alert(Severity::Info, "a")),
        [("log", 2), ("team", 2)]
    );
}

#[test]
fn what_is_too_mild_goes_to_the_next() {
    let routes = routes([
        from(Severity::Warning, route("", &["team"])),
        route("", &["log"]),
    ]);
    assert_eq!(sinks(&routes, &alert(Severity::Info, "a")), [("log", 1)]);
    assert_eq!(
        sinks(&routes, &alert(Severity::Warning, "a")),
        [("team", 0)]
    );
}

#[test]
fn what_is_resolved_goes_where_it_fired() {
    let routes = routes([route("severity>=warning", &["team"]), route("", &["log"])]);
    let over = Alert {
        state: State::Resolved,
        ..alert(Severity::Warning, "a")
    };
    assert_eq!(sinks(&routes, &over), [("team", 0)]);
}

#[test]
fn a_detector_may_ask_for_a_route() {
    let routes = routes([
        route("", &["team"]),
        going_on(named(
            "night",
            from(Severity::Warning, route("run=none", &["phone"])),
        )),
        route("", &["log"]),
    ]);
    let alert = |severity| alert(severity, "a");
    for (wish, severity, expected) in [
        // Its matchers need not match, and it does not go on.
        (Some("night"), Severity::Critical, ("phone", 1)),
        (Some("no-such-route"), Severity::Critical, ("team", 0)),
        // What is too mild for it goes the usual way.
        (Some("night"), Severity::Info, ("team", 0)),
        (None, Severity::Critical, ("team", 0)),
    ] {
        let alert = alert(severity);
        let facts = Facts {
            route: wish,
            ..Facts::new(&alert, &[])
        };
        assert_eq!(of(&routes, &facts), [expected], "{wish:?}");
    }
}

#[test]
fn why_each_route_was_taken_or_not() {
    let routes = routes([
        route("run=a,severity=info", &["x"]),
        from(Severity::Critical, route("", &["x"])),
        going_on(route("run=a", &["x", "y"])),
        named("night", route("", &["y", "z"])),
        route("", &["x"]),
    ]);
    let alert = alert(Severity::Warning, "a");
    let facts = Facts::new(&alert, &[]);
    let explained = routes.explain(&facts);
    let whys: Vec<_> = explained.iter().map(|it| it.why).collect();
    let failed = &routes.routes()[0].matchers[1];
    assert_eq!(
        whys,
        [
            Why::Differs(failed),
            Why::TooMild(Severity::Critical),
            Why::Matched,
            Why::Matched,
            Why::After(3),
        ]
    );
    assert_eq!(explained[2].sinks, ["x", "y"]);
    assert_eq!(explained[3].sinks, ["z"]);
    assert!(explained[4].sinks.is_empty());

    let asked = Facts {
        route: Some("night"),
        ..facts
    };
    let whys: Vec<_> = routes.explain(&asked).iter().map(|it| it.why).collect();
    let elsewhere = Why::Elsewhere(3);
    assert_eq!(
        whys,
        [elsewhere, elsewhere, elsewhere, Why::Asked, elsewhere]
    );
}

fn key(route: &Route, position: usize, alert: &Alert) -> String {
    group_key(route, position, &Facts::new(alert, &[]))
}

#[test]
fn what_belongs_together() {
    let base = route("", &[]);
    let alert = sample();
    let usual = key(&base, 0, &alert);
    // A change of this value means that open groups no longer know their alerts.
    assert_eq!(usual, "218ed6e051d7ae917d932de3cfc4638e");
    for (same, changed) in [
        (
            true,
            Alert {
                detector: "x".to_owned(),
                key: "y".to_owned(),
                ..sample()
            },
        ),
        (
            true,
            Alert {
                severity: Severity::Info,
                state: State::Resolved,
                ..sample()
            },
        ),
        (
            false,
            Alert {
                run: "other".to_owned(),
                ..sample()
            },
        ),
        (
            false,
            Alert {
                project: "other".to_owned(),
                ..sample()
            },
        ),
    ] {
        assert_eq!(key(&base, 0, &changed) == usual, same, "{changed:?}");
    }
    assert_ne!(key(&base, 1, &alert), usual);
}

#[test]
fn a_group_stays_when_routes_or_labels_are_put_in_another_order() {
    let by = |labels: &[&str]| Route {
        group_by: names(labels),
        ..named("night", route("", &[]))
    };
    let alert = sample();
    assert_eq!(
        key(&by(&["run", "rank"]), 0, &alert),
        key(&by(&["rank", "project", "run", "run"]), 5, &alert)
    );
    // No label at all: one group for each project.
    let other = Alert {
        run: "other".to_owned(),
        ..sample()
    };
    assert_eq!(key(&by(&[]), 0, &alert), key(&by(&[]), 0, &other));
    let ranks = Alert {
        ranks: vec![1, 3],
        ..sample()
    };
    assert_ne!(
        key(&by(&["rank"]), 0, &alert),
        key(&by(&["rank"]), 0, &ranks)
    );
}

#[test]
fn neighbouring_values_do_not_run_together() {
    let by = Route {
        group_by: names(&["detector", "key"]),
        ..route("", &[])
    };
    let alert = |detector: &str, key: &str| Alert {
        detector: detector.to_owned(),
        key: key.to_owned(),
        ..sample()
    };
    assert_ne!(
        key(&by, 0, &alert("ab", "c")),
        key(&by, 0, &alert("a", "bc"))
    );
}

fn any_route() -> impl Strategy<Value = Route> {
    let matchers = proptest::sample::select(&["", "run=a", "severity=critical", "rank=9"][..]);
    let sink = proptest::sample::select(&["s", "t", "u"][..]);
    let sinks = proptest::collection::vec(sink, 0..4);
    let name = proptest::sample::select(&[None, Some("n"), Some("m")][..]);
    let least = proptest::sample::select(&[None, Some(Severity::Warning)][..]);
    (matchers, sinks, any::<bool>(), name, least).prop_map(
        |(matchers, sinks, goes_on, name, least)| Route {
            goes_on,
            name: name.map(str::to_owned),
            min_severity: least,
            ..route(matchers, &sinks)
        },
    )
}

proptest! {
    #[test]
    fn whatever_the_routes(
        all in proptest::collection::vec(any_route(), 1..6),
        critical in any::<bool>(),
        wish in proptest::sample::select(&[None, Some("n"), Some("x")][..]),
    ) {
        let severity = if critical { Severity::Critical } else { Severity::Info };
        let alert = alert(severity, "a");
        let facts = Facts { route: wish, ..Facts::new(&alert, &[]) };
        let routes = routes(all);
        let explained = routes.explain(&facts);
        prop_assert_eq!(explained.len(), routes.routes().len());

        // Each sink once.
        let chosen = routes.of(&facts);
        let mut sinks: Vec<_> = chosen.iter().map(|it| it.sink).collect();
        sinks.sort_unstable();
        sinks.dedup();
        prop_assert_eq!(sinks.len(), chosen.len());

        // All sinks of the routes taken, and no others.
        let taken: Vec<_> = explained.iter().filter(|it| it.why.taken()).collect();
        let mut expected: Vec<_> = taken.iter().flat_map(|it| &it.route.sinks).map(String::as_str).collect();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(sinks, expected);

        // Nobody gets what is too mild, and only the last one taken may stop.
        prop_assert!(taken.iter().all(|it| it.route.min_severity.is_none_or(|least| severity >= least)));
        let stops = taken.iter().position(|it| !it.route.goes_on);
        prop_assert!(stops.is_none_or(|at| at + 1 == taken.len()));
    }
}
