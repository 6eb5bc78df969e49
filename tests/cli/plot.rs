//! `runwatch plot`: charts of what the ledger remembers.

use runwatch::exit;

use crate::imports::Place;
use crate::support::Test;

/// A run with a spike and a NaN, which were told, and a calm one.
fn place() -> Place {
    let place = Place::new();
    let line =
        |step: u32, loss: &str| format!("{{\"step\": {step}, \"loss\": {loss}, \"lr\": 0.5}}\n");
    let spiky = (0..200).map(|step| match step {
        120 => line(step, "60.5"),
        160.. => line(step, "NaN"),
        _ => line(step, if step % 2 == 0 { "2.5" } else { "2.25" }),
    });
    let watch = place
        .test("--plain --quiet --run spiky")
        .stdin(spiky.collect::<String>());
    watch.any_stdout().any_stderr().run();
    let calm: String = (0..300)
        .map(|step| line(step, &(300 - step).to_string()))
        .collect();
    let calm = place.log("calm.jsonl", &calm);
    place.import(&calm, "imported 1 run: 300 records, 2 metrics, 0 alerts");
    place
}

fn plot(place: &Place, arguments: &str) -> Test {
    place.test("plot").arguments(arguments).any_stdout()
}

fn drawn(place: &Place, arguments: &str) -> String {
    plot(place, arguments).run().text().to_owned()
}

#[test]
fn a_chart_with_its_alerts() {
    assert_eq!(
        drawn(&place(), "loss --run spiky --width 60 --height 6"),
        "\
loss
default/spiky · 200 values, 40 of them not finite
 60.5 ┤                               ⢸          ×××××××××××
      │                               ⢸
      │                               ⢸
25.55 ┤                               ⢸⡇
      │                               ⢸⡇
 2.25 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣸⣇⣀⣀⣀⣀⣀⣀⣀⣀⣀⡀
      └───────────────────────────────W──────────C──────────
       0                        100                      199
"
    );
}

#[test]
fn plain_characters_for_several_runs() {
    let place = place();
    let expected = drawn(
        &place,
        "loss --run calm --run spiky --plain --width 40 --height 5",
    );
    assert_eq!(
        expected,
        "\
loss
* default/spiky - 200 values, 40 of them not finite
o default/calm - 300 values
  300 |ooooo            NNNNN
      |    ooooooooo
150.5 |            ooooooooo
      |             *      ooooooooo
    1 |******************          ooooo
      +-------------W---C---------------
       0              150            299
"
    );
}

#[test]
fn around_a_step_and_the_last_values() {
    let place = place();
    let text = drawn(
        &place,
        "loss --run spiky --around 120 --window 10 --width 40 --height 3",
    );
    assert!(text.contains("default/spiky · 21 values\n"), "{text}");
    assert!(text.contains("110 ") && text.ends_with("130\n"), "{text}");
    let text = drawn(&place, "loss lr --last 30 --width 40 --height 3");
    assert_eq!(
        text.matches("default/calm · 30 values\n").count(),
        2,
        "{text}"
    );
    assert!(text.contains("270") && text.contains("299"), "{text}");
}

#[test]
fn a_terminal_without_utf8_gets_ascii() {
    let place = place();
    for (name, value) in [
        ("LANG", "C"),
        ("LC_ALL", "en_US.ISO-8859-1"),
        ("TERM", "linux"),
    ] {
        let test = plot(&place, "loss --run spiky").env(name, value);
        assert!(test.run().text().is_ascii(), "{name}={value}");
    }
    let test = plot(&place, "loss --run spiky").env("LANG", "C.UTF-8");
    assert!(!test.run().text().is_ascii());
}

#[test]
fn what_cannot_be_drawn() {
    let place = place();
    for (arguments, said) in [
        ("los", "did you mean `loss`?"),
        ("perplexity", "there are loss, lr"),
        ("loss --run nobody", "runwatch import"),
        ("loss --project nobody", "runwatch import"),
        ("loss --window 5", "--around"),
    ] {
        let output = plot(&place, arguments).any_stderr().code(exit::USAGE).run();
        assert!(
            output.stderr.contains(said),
            "{arguments}: {}",
            output.stderr
        );
    }
}
