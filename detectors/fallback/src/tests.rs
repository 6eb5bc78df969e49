use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Detector, Finding, State};

use super::Fallback;

fn call(session: &str, provider: &str, model: &str) -> Row {
    let labels = [
        ("session_id", session),
        ("provider", provider),
        ("model", model),
    ];
    labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .fold(Row::new(0, &[]), |row, (name, value)| {
            row.text("label", name, value)
        })
}

fn harness(settings: &[(&str, &str)]) -> Harness<Fallback> {
    let parameters = settings
        .iter()
        .fold(Fallback::describe().defaults(), |all, (name, value)| {
            all.with(name, value)
        });
    Harness::with(parameters).unwrap()
}

fn play(rows: &[Row]) -> Vec<Finding> {
    harness(&[]).play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, bool, &str)> {
    findings
        .iter()
        .map(|it| (it.row, it.state == State::Firing, it.title.as_str()))
        .collect()
}

const A: (&str, &str) = ("openai", "gpt");
const B: (&str, &str) = ("other", "llama");
const C: (&str, &str) = ("third", "qwen");

fn sequence(of: &[(&str, &str)]) -> Vec<Row> {
    of.iter()
        .map(|(provider, model)| call("s1", provider, model))
        .collect()
}

#[test]
fn a_session_that_does_not_change_is_quiet() {
    assert_eq!(play(&sequence(&[A; 50])), []);
}

#[test]
fn a_change_is_told_and_the_way_back() {
    let findings = play(&sequence(&[A, A, B, B, A, A]));
    assert_eq!(
        brief(&findings),
        [
            (2, true, "Fallback to other/llama"),
            (4, false, "Back to openai/gpt")
        ]
    );
    assert_eq!(findings[0].key, findings[1].key);
    assert_eq!(
        findings[0].message,
        "Session s1 began with openai/gpt and is now answered by other/llama (provider and model)."
    );
}

#[test]
fn a_second_fallback_is_other_news() {
    let findings = play(&sequence(&[A, B, C, A]));
    assert_eq!(
        brief(&findings),
        [
            (1, true, "Fallback to other/llama"),
            (2, false, "No longer other/llama"),
            (2, true, "Fallback to third/qwen"),
            (3, false, "Back to openai/gpt"),
        ]
    );
    assert_ne!(findings[0].key, findings[2].key);
}

#[test]
fn sessions_are_apart_and_one_without_a_name_is_none() {
    let rows = [
        call("s1", "openai", "gpt"),
        call("s2", "other", "llama"),
        call("", "third", "qwen"),
        call("", "openai", "gpt"),
        call("  ", "openai", "gpt"),
        call("s1", "openai", "gpt"),
        call("s2", "other", "llama"),
    ];
    assert_eq!(play(&rows), []);
}

#[test]
fn a_missing_label_says_nothing() {
    let rows = [
        call("s1", "", "gpt"),
        call("s1", "openai", "gpt"),
        call("s1", "openai", ""),
        call("s1", "", ""),
        call("s1", "openai", "gpt"),
    ];
    assert_eq!(play(&rows), []);
    let changed = [
        call("s1", "", "gpt"),
        call("s1", "openai", ""),
        call("s1", "other", ""),
    ];
    assert_eq!(brief(&play(&changed)), [(2, true, "Fallback to other/gpt")]);
}

#[test]
fn to_and_fro_is_told_once_in_a_while() {
    let flapping: Vec<(&str, &str)> = (0..400).map(|at| if at % 2 == 0 { A } else { B }).collect();
    let timed: Vec<Row> = sequence(&flapping)
        .into_iter()
        .enumerate()
        .map(|(at, row)| row.at(10.0 * at as f64))
        .collect();
    let findings = play(&timed);
    // 4000 s, each 300 s once, and each followed by its end.
    let fired = findings
        .iter()
        .filter(|it| it.state == State::Firing)
        .count();
    assert_eq!((fired, findings.len()), (14, 28));
    // Another fallback is told even then.
    let rows: Vec<Row> = sequence(&[A, B, A, B, A, C])
        .into_iter()
        .map(|row| row.at(1.0))
        .collect();
    assert_eq!(
        brief(&play(&rows)).last(),
        Some(&(5, true, "Fallback to third/qwen"))
    );
    // Without times by the calls of the session.
    assert!(play(&sequence(&flapping)).len() <= 2 * 400 / 20 + 2);
}

#[test]
fn what_else_the_call_says_is_told() {
    let row = |model: &str, reason: &str| {
        let row = call("s1", "p", model).text("label", "platform", "telegram");
        row.text("label", "finish_reason", reason)
    };
    let findings = play(&[row("a", "stop"), row("b", "length"), row("a", "")]);
    let message = |at: usize| findings[at].message.as_str();
    assert_eq!(
        message(0),
        "Session s1 began with p/a and is now answered by p/b (provider and model). \
         platform: telegram, finish_reason: length."
    );
    assert!(message(1).ends_with("after p/b. platform: telegram."));
    // They are not what a session is held to.
    assert_eq!(play(&[row("a", "stop"), row("a", "length")]), []);
}

#[test]
fn a_clock_that_is_set_back_mutes_nothing() {
    let at = |time: f64, (provider, model): (&str, &str)| call("s1", provider, model).at(time);
    let rows = [
        at(100_000.0, A),
        at(100_001.0, B),
        at(100_002.0, A),
        // An hour back: the throttle would have lasted 65 minutes.
        at(96_400.0, B),
        at(96_401.0, A),
        // A little out of order is no clock that was set.
        at(96_395.0, B),
    ];
    let fired: Vec<u32> = play(&rows)
        .iter()
        .filter(|it| it.state == State::Firing)
        .map(|it| it.row)
        .collect();
    assert_eq!(fired, [1, 3]);
}

#[test]
fn a_clock_that_is_set_back_keeps_no_session_longer() {
    let rows = [
        call("s1", "openai", "gpt").at(1e6),
        call("s1", "other", "llama").at(1e6 + 1.0),
        // Eleven days back, and then a day and an hour on.
        call("s2", "openai", "gpt").at(0.0),
        call("s2", "openai", "gpt").at(90_000.0),
    ];
    assert_eq!(
        brief(&play(&rows)),
        [
            (1, true, "Fallback to other/llama"),
            (3, false, "Session forgotten")
        ]
    );
}

#[test]
fn a_cold_start_on_a_fallback() {
    let mut watched = harness(&[("fallbacks", "llama*, third/qwen")]);
    let findings = watched.play(&sequence(&[B, B, A, A]), 8);
    assert_eq!(
        brief(&findings),
        [
            (0, true, "Fallback to other/llama"),
            (2, false, "Back to openai/gpt")
        ]
    );
    assert!(findings[0].message.contains("begins with other/llama"));
    let mut watched = harness(&[("fallbacks", "llama*, third/qwen")]);
    assert_eq!(watched.play(&sequence(&[C]), 8).len(), 1);
    assert_eq!(play(&sequence(&[B])), []);
}

#[test]
fn old_sessions_are_forgotten() {
    let rows = [
        call("s1", "openai", "gpt").at(0.0),
        call("s1", "other", "llama").at(1.0),
        call("s2", "openai", "gpt").at(100_000.0),
        call("s1", "other", "llama").at(100_001.0),
    ];
    assert_eq!(
        brief(&play(&rows)),
        [
            (1, true, "Fallback to other/llama"),
            (2, false, "Session forgotten")
        ]
    );
}

#[test]
fn there_are_never_too_many_sessions() {
    let mut watched = harness(&[("sessions", "100")]);
    let rows: Vec<Row> = (0..10_000)
        .map(|at| call(&format!("s{at}"), "openai", "gpt"))
        .collect();
    assert_eq!(watched.play(&rows, 64), []);
    let state = runwatch_detector::Detector::save(&watched.detector).unwrap();
    assert!(state.len() < 100 * 100, "{}", state.len());
    // The newest is known.
    let changed = watched.play(&[call("s9999", "other", "llama")], 1);
    assert_eq!(changed.len(), 1);
}

#[test]
fn an_outage_is_one_trouble_and_not_thousands() {
    let all = |of: (&'static str, &'static str)| {
        (0..2000).map(move |at| call(&format!("s{at}"), of.0, of.1))
    };
    let rows: Vec<Row> = all(A).chain(all(B)).chain(all(A)).collect();
    let findings = play(&rows);
    let told = brief(&findings);
    // Five by themselves, then at 6, 60 and 600; and all of it is over.
    let many = "Fallback of many sessions to other/llama";
    let crowd: Vec<_> = told.iter().filter(|it| it.2 == many).collect();
    assert_eq!(
        crowd,
        [
            &(2005, true, many),
            &(2059, true, many),
            &(2599, true, many)
        ]
    );
    assert_eq!(findings[7].values, [("sessions".to_owned(), 600.0)]);
    let over: Vec<_> = told.iter().filter(|it| !it.1).collect();
    assert_eq!(over.len(), 6);
    assert_eq!(over[5], &(5999, false, "No longer other/llama"));
    assert_eq!(told.len(), 14);
    // One who has another fallback is told for himself.
    let rows: Vec<Row> = all(A).chain(all(B)).chain([call("s9", C.0, C.1)]).collect();
    let findings = play(&rows);
    assert_eq!(
        brief(&findings).last(),
        Some(&(4000, true, "Fallback to third/qwen"))
    );
}

#[test]
fn other_labels_may_be_watched() {
    let row = |device: &str| {
        Row::new(0, &[])
            .text("label", "job", "j1")
            .text("label", "device", device)
    };
    let mut watched = harness(&[("labels", "device"), ("session", "job")]);
    let findings = watched.play(&[row("cuda"), row("cpu")], 8);
    assert_eq!(brief(&findings), [(1, true, "Fallback to cpu")]);
}

#[test]
fn nothing_to_watch_is_refused() {
    let parameters = Fallback::describe().defaults().with("labels", "");
    assert!(Harness::<Fallback>::with(parameters).is_err());
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..4, 0usize..4, 0u32..200_000), 0..300),
        batch in 1usize..20,
        restart in 0usize..300,
        crowd in prop::sample::select(vec!["0", "1", "5"]),
    ) {
        let row = |&(session, value, time): &(usize, usize, u32)| {
            let (provider, model) = [A, B, C, ("", "gpt")][value];
            let row = call(["s1", "s2", "s3", ""][session], provider, model);
            if time % 5 == 0 { row } else { row.at(f64::from(time)) }
        };
        let rows: Vec<Row> = cells.iter().map(row).collect();
        let settings = [("sessions", "2"), ("fallbacks", "qwen"), ("crowd", crowd)];
        let expected = harness(&settings).play(&rows, 64);
        let mut watched = harness(&settings);
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = watched.play(before, batch);
        watched.restart().unwrap();
        findings.extend(watched.play(after, batch + 1));
        prop_assert_eq!(&findings, &expected);
        // What is over was there: per key they alternate.
        for finding in &findings {
            let of_key: Vec<bool> = findings
                .iter()
                .filter(|it| it.key == finding.key)
                .map(|it| it.state == State::Firing)
                .collect();
            if finding.title.contains("many sessions") || finding.title.starts_with("No longer") {
                continue;
            }
            prop_assert!(of_key.iter().enumerate().all(|(at, &firing)| firing == (at % 2 == 0)));
        }
    }
}
