#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::deliver::sample;

fn own() -> Vec<(String, String)> {
    [("foo", "bar"), ("team", "研究"), ("two words", "x y")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn read(text: &str) -> Vec<String> {
    let matchers = parse_all(text, &own()).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    matchers.iter().map(ToString::to_string).collect()
}

fn mistake(text: &str) -> String {
    match parse_all(text, &own()) {
        Ok(matchers) => panic!("{text} was read as {matchers:?}"),
        Err(mistake) => mistake.to_string(),
    }
}

/// Whether all matchers of the text match an alert changed in this way.
fn matches_alert(text: &str, change: impl FnOnce(&mut Alert)) -> bool {
    let (mut alert, labels) = (sample(), own());
    change(&mut alert);
    let matchers = parse_all(text, &labels).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    all_match(&matchers, &Facts::new(&alert, &labels))
}

fn matches(text: &str) -> bool {
    matches_alert(text, |_| {})
}

/// The questions of Alertmanager's compliance suite, and the answers here.
#[test]
fn what_is_read() {
    for (text, matchers) in [
        ("", &[][..]),
        ("  ", &[]),
        ("{}", &[]),
        (" { } ", &[]),
        ("foo=bar", &["foo=bar"]),
        ("foo!=bar", &["foo!=bar"]),
        ("foo=~bar", &["foo=~bar"]),
        ("foo!~bar", &["foo!~bar"]),
        ("foo=bar,", &["foo=bar"]),
        ("{foo=bar}", &["foo=bar"]),
        ("{foo=bar,}", &["foo=bar"]),
        ("{ foo = \"bar\" , }", &["foo=bar"]),
        ("  foo\t=~ \"bar\"\n", &["foo=~bar"]),
        ("foo=bar,run!=x", &["foo=bar", "run!=x"]),
        ("{foo=bar, run!~x.*}", &["foo=bar", "run!~x.*"]),
        ("\"foo\"=bar", &["foo=bar"]),
        ("\"two words\"=\"a b\"", &["\"two words\"=\"a b\""]),
        ("foo=\"\"", &["foo=\"\""]),
        ("foo=\"{},=!~\"", &["foo=\"{},=!~\""]),
        ("foo=\"a\\\"b\\\\c\\nd\"", &["foo=\"a\\\"b\\\\c\\nd\""]),
        ("foo=\"\\u2207\"", &["foo=∇"]),
        ("foo=a\u{1b}b", &["foo=\"a\\u001bb\""]),
        ("team=研究🔥", &["team=研究🔥"]),
        // Beyond Alertmanager.
        ("loss-spike", &["detector=loss-spike"]),
        ("\"loss-spike\",", &["detector=loss-spike"]),
        ("{plateau, rank=0}", &["detector=plateau", "rank=0"]),
        ("severity>=warning", &["severity>=warning"]),
        (r"run=~exp\d+", &[r#"run=~"exp\\d+""#]),
        (r#"run=~"exp\d+""#, &[r#"run=~"exp\\d+""#]),
        ("key=a>b", &["key=\"a>b\""]),
        ("rank=\"\"", &["rank=\"\""]),
    ] {
        assert_eq!(read(text), matchers, "{text}");
    }
}

#[test]
fn what_is_refused() {
    for (text, wrong) in [
        (",", "expected a label, found `,` (column 1)"),
        (",foo=bar", "expected a label, found `,` (column 1)"),
        ("{,}", "expected a label, found `,` (column 2)"),
        ("foo=bar,,", "expected a label, found `,` (column 9)"),
        ("=bar", "expected a label, found `=` (column 1)"),
        ("{foo=bar", "the closing `}` is missing (column 9)"),
        ("{foo=bar,", "the closing `}` is missing (column 10)"),
        ("foo=bar}", "there is no `{` for this `}` (column 8)"),
        ("{foo=bar}}", "there is no `{` for this `}` (column 10)"),
        (
            "{foo=bar},",
            "expected a comma or the end, found `,` (column 10)",
        ),
        ("{{foo=bar}}", "expected a label, found `{` (column 2)"),
        ("foo=", "a value is missing (column 5)"),
        ("foo=,run=x", "a value is missing (column 5)"),
        ("{foo=}", "a value is missing (column 6)"),
        ("foo=\"bar", "the closing `\"` is missing (column 5)"),
        ("foo=\"bar\\\"", "the closing `\"` is missing (column 5)"),
        ("\"\"=x", "a label cannot be empty (column 1)"),
        (
            "foo='bar'",
            "`'` does not quote; use double quotes (column 5)",
        ),
        (
            "foo=a b",
            "expected a comma or the end, found `b` (column 7)",
        ),
        (
            "foo=a=b",
            "expected a comma or the end, found `=` (column 6)",
        ),
        (
            "foo=~a{2}",
            "expected a comma or the end, found `{` (column 7)",
        ),
        (
            "foo=\"a\"b",
            "expected a comma or the end, found `b` (column 8)",
        ),
        ("foo={", "a bare value cannot begin with `{` (column 5)"),
        ("foo==bar", "there is no operator `==` (column 4)"),
        ("foo~bar", "there is no operator `~` (column 4)"),
        ("foo!bar", "there is no operator `!` (column 4)"),
        ("severity>warning", "there is no operator `>` (column 9)"),
        ("rank>=3", "`rank` has no order (column 5)"),
    ] {
        let said = mistake(text);
        assert!(said.starts_with(wrong), "{text}: {said}");
    }
}

#[test]
fn columns_count_characters() {
    assert!(mistake("team=研究, foo=").contains("(column 14)"));
}

#[test]
fn hints() {
    for (text, hint) in [
        ("sevrity=critical", "did you mean `severity`?"),
        ("Detector=x", "did you mean `detector`?"),
        ("taem=x", "did you mean `team`?"),
        ("colour=x", "the labels are severity, state, "),
        ("severity=critcal", "did you mean `critical`?"),
        ("severity=urgent", "it is one of info, warning, critical"),
        ("severity>=warn", "it is one of info, warning, critical"),
        ("state=resolve", "did you mean `resolved`?"),
        ("notice=reminders", "did you mean `reminder`?"),
        ("rank=first", "a rank is a whole number"),
        ("rank=03", "a rank is a whole number"),
        ("critical", "did you mean `severity=critical`?"),
        ("resolved", "did you mean `state=resolved`?"),
        ("severity", "the operators are"),
        ("foo=", "for an empty or absent label write `\"\"`"),
        ("run=a b", "in double quotes"),
    ] {
        let said = mistake(text);
        assert!(said.contains(hint), "{text}: {said}");
    }
}

#[test]
fn a_bad_expression_is_named_and_cannot_break_its_anchors() {
    assert_eq!(
        mistake("run=~a(b"),
        "not a regular expression: unclosed group (column 6)"
    );
    assert!(mistake("run=~a)|(b").starts_with("not a regular expression"));
    assert!(mistake("run=~\"(?x)a # b\"").starts_with("not a regular expression"));
    let big = format!("run=~\"{}\"", r"\w{100}");
    assert!(mistake(&big).contains("takes too much memory"));
}

#[test]
fn which_alerts_match() {
    for (text, matched) in [
        ("", true),
        ("severity=critical", true),
        ("severity!=critical", false),
        ("severity>=warning", true),
        ("state=firing", true),
        ("detector=non-finite,run=train", true),
        ("detector=non-finite,run=other", false),
        ("non-finite", true),
        ("project=default", true),
        ("host=~gpu-[0-9]+", true),
        ("key=loss", true),
        ("title=\"loss is NaN\"", true),
        ("input=train.log", true),
        ("foo=bar", true),
        ("team=~研.", true),
        ("route=\"\"", true),
        ("notice=new", true),
        // Anchored on both sides, also where there are branches.
        ("run=~rai", false),
        ("run=~.*rai.*", true),
        ("run=~x|train", true),
        ("run=~t|x", false),
        ("run!~rai", true),
    ] {
        assert_eq!(matches(text), matched, "{text}");
    }
}

#[test]
fn an_absent_label_is_the_empty_text() {
    let (alert, labels) = (sample(), own());
    let none = Facts::new(&alert, &[]);
    for (text, with, without) in [
        ("foo=\"\"", false, true),
        ("foo!=\"\"", true, false),
        ("foo=~\".*\"", true, true),
        ("foo=~\".+\"", true, false),
        ("foo!~\".+\"", false, true),
        ("foo!=baz", true, true),
    ] {
        let matchers = parse_all(text, &labels).unwrap();
        let facts = Facts::new(&alert, &labels);
        assert_eq!(all_match(&matchers, &facts), with, "{text}");
        assert_eq!(all_match(&matchers, &none), without, "{text}");
    }
    assert!(matches_alert("input=\"\"", |alert| alert.location = None));
}

#[test]
fn any_text_is_any_text_of_several_lines_too() {
    assert!(matches_alert("title=~loss.*", |alert| {
        alert.title = "loss\nis NaN".to_owned();
    }));
}

#[test]
fn one_rank_of_several_is_enough() {
    for (text, of_many, of_none) in [
        ("rank=3", true, false),
        ("rank=4", false, false),
        ("rank!=3", false, true),
        ("rank!=4", true, true),
        ("rank=~[0-2]", true, false),
        ("rank!~[0-2]", false, true),
        ("rank=\"\"", false, true),
        ("rank!=\"\"", true, false),
    ] {
        let many = matches_alert(text, |alert| alert.ranks = vec![1, 3, 7]);
        let none = matches_alert(text, |alert| {
            alert.ranks = Vec::new();
            alert.rank = None;
        });
        assert_eq!((many, none), (of_many, of_none), "{text}");
    }
    assert!(matches_alert("rank=5", |alert| {
        alert.ranks = Vec::new();
        alert.rank = Some(5);
    }));
}

#[test]
fn severities_have_an_order() {
    for (least, matched) in [
        ("info", [true, true, true]),
        ("warning", [false, true, true]),
        ("critical", [false, false, true]),
    ] {
        let found = [Severity::Info, Severity::Warning, Severity::Critical].map(|severity| {
            matches_alert(&format!("severity>={least}"), |alert| {
                alert.severity = severity;
            })
        });
        assert_eq!(found, matched, "{least}");
    }
}

#[test]
fn route_and_notice_are_what_the_caller_says() {
    let alert = sample();
    let facts = Facts {
        route: Some("night"),
        notice: Notice::Ended,
        ..Facts::new(&alert, &[])
    };
    let matchers = parse_all("route=night,notice=ended", &[]).unwrap();
    assert!(all_match(&matchers, &facts));
    assert!(!all_match(&matchers, &Facts::new(&alert, &[])));
}

#[test]
fn what_names_criticals() {
    for (text, names) in [
        ("severity=critical", true),
        ("severity>=info", true),
        ("severity=~\"warning|critical\"", true),
        ("severity=warning", false),
        ("severity!=warning", false),
        ("severity=~\".*\"", false),
        ("severity!~\"critical\"", false),
        ("run=critical", false),
    ] {
        let matchers = parse_all(text, &[]).unwrap();
        assert_eq!(matchers[0].names_critical(), names, "{text}");
    }
}

#[test]
fn a_stored_matcher_may_name_a_label_that_is_gone() {
    let matcher: Matcher = serde_json::from_str(r#""tier=gold""#).unwrap();
    assert_eq!(serde_json::to_string(&matcher).unwrap(), r#""tier=gold""#);
    for wrong in [r#""""#, r#""a=b,c=d""#, r#""a=~(""#] {
        assert!(serde_json::from_str::<Matcher>(wrong).is_err(), "{wrong}");
    }
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(LABELS).prop_map(str::to_owned),
        Just("foo".to_owned()),
        Just("two words".to_owned()),
        any::<String>().prop_filter("not empty", |it| !it.is_empty()),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(label in label(), value in any::<String>(), operator in 0..5) {
        let regex = || anchored(&regex::escape(&value)).unwrap();
        let (value, test) = match operator {
            0 => (value.clone(), Test::Equal),
            1 => (value.clone(), Test::NotEqual),
            2 => (regex::escape(&value), Test::Match(regex())),
            3 => (regex::escape(&value), Test::NotMatch(regex())),
            _ => ("warning".to_owned(), Test::AtLeast(Severity::Warning)),
        };
        let label = if operator == 4 { "severity".to_owned() } else { label };
        let matcher = Matcher { label, value, test };
        let text = matcher.to_string();
        prop_assert_eq!(text.parse::<Matcher>(), Ok(matcher), "{}", text);
    }

    #[test]
    fn an_escaped_expression_matches_its_text_alone(value in any::<String>()) {
        let (mut alert, text) = (sample(), regex::escape(&value));
        let matcher = Matcher { label: "run".to_owned(), test: Test::Match(anchored(&text).unwrap()), value: text };
        alert.run = value;
        prop_assert!(matcher.matches(&Facts::new(&alert, &[])));
        alert.run.push('x');
        prop_assert!(!matcher.matches(&Facts::new(&alert, &[])));
    }

    #[test]
    fn no_text_upsets_the_reader(text in ".{0,80}") {
        if let Err(mistake) = parse_all(&text, &[]) {
            prop_assert!((1..=text.chars().count() + 1).contains(&mistake.column));
        }
    }

    #[test]
    fn nor_does_one_that_looks_like_matchers(text in r#"([{},"=!~<> \\]|run|rank|severity|3|\(|u00|é){0,14}"#) {
        match parse_all(&text, &[]) {
            Ok(matchers) => for matcher in matchers {
                prop_assert_eq!(matcher.to_string().parse(), Ok(matcher));
            },
            Err(mistake) => prop_assert!((1..=text.chars().count() + 1).contains(&mistake.column)),
        }
    }
}
