//! Which alerts halt their run, and how far.

use super::*;
use crate::deliver::matcher::Matcher;
use crate::deliver::routes::Route;

fn alert(detector: &str, severity: Severity, asks: bool) -> Alert {
    let mut alert = sample();
    alert.detector = detector.to_owned();
    alert.severity = severity;
    alert.halt = asks.then(|| "because".to_owned());
    alert
}

#[test]
fn by_severity_or_by_wish() {
    use Severity::{Critical, Info, Warning};
    for (on, severity, asks, halts) in [
        (On::Off, Critical, true, false),
        (On::Asked, Critical, false, false),
        (On::Asked, Warning, true, true),
        (On::Critical, Critical, false, true),
        (On::Critical, Warning, true, false),
        (On::Warning, Critical, false, true),
        (On::Warning, Warning, false, true),
        (On::Warning, Info, false, false),
    ] {
        let with = settings(|halt| halt.on = on);
        let reach = with.reach(&alert("loss-spike", severity, asks));
        let expected = if halts { Reach::Kill } else { Reach::Off };
        assert_eq!(reach, expected, "{on:?} {severity:?} {asks}");
    }
}

fn with(on: On, of_detector: Option<Reach>, routes: Vec<Route>) -> Settings {
    let mut config = config();
    (config.halt.on, config.halt.up_to) = (on, Reach::Signal);
    config.detectors[0].halt = of_detector;
    config.routes = routes;
    Settings::of(&config)
}

fn route(detector: &str, halt: Option<Reach>, goes_on: bool) -> Route {
    Route {
        matchers: vec![Matcher::equal("detector", detector)],
        halt,
        goes_on,
        ..Route::default()
    }
}

#[test]
fn a_detector_s_own_word_is_about_its_criticals() {
    let critical = alert("non-finite", Severity::Critical, true);
    let warning = alert("non-finite", Severity::Warning, true);
    let of = |on, own, alert: &Alert| with(on, own, Vec::new()).reach(alert);
    assert_eq!(of(On::Off, Some(Reach::File), &critical), Reach::File);
    assert_eq!(of(On::Off, Some(Reach::File), &warning), Reach::Off);
    assert_eq!(of(On::Warning, Some(Reach::Kill), &critical), Reach::Kill);
    // Of the others `[halt]` decides.
    assert_eq!(of(On::Warning, Some(Reach::Kill), &warning), Reach::Signal);
    assert_eq!(of(On::Warning, Some(Reach::Off), &critical), Reach::Off);
    assert_eq!(of(On::Warning, Some(Reach::Off), &warning), Reach::Off);
    assert!(with(On::Off, Some(Reach::File), Vec::new()).enabled());
    assert!(!with(On::Off, Some(Reach::Off), Vec::new()).enabled());
}

#[test]
fn the_first_route_that_takes_it_and_says_something_decides() {
    let info = alert("loss-spike", Severity::Info, false);
    let of = |routes| with(On::Off, None, routes).reach(&info);
    let kill = |detector| route(detector, Some(Reach::Kill), false);
    assert_eq!(of(vec![kill("loss-spike")]), Reach::Kill);
    assert_eq!(of(vec![kill("other")]), Reach::Off);
    let silent = route("loss-spike", None, true);
    assert_eq!(of(vec![silent.clone(), kill("loss-spike")]), Reach::Kill);
    // One that does not go on is the last that is asked.
    let last = route("loss-spike", None, false);
    assert_eq!(of(vec![last, kill("loss-spike")]), Reach::Off);
    let off = route("loss-spike", Some(Reach::Off), true);
    assert_eq!(of(vec![off, kill("loss-spike")]), Reach::Off);
    let severe = Route {
        min_severity: Some(Severity::Warning),
        ..kill("loss-spike")
    };
    assert_eq!(of(vec![severe]), Reach::Off);
}
