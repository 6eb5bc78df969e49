//! `runwatch detector bench`.

use serde_json::Value;

use crate::support::Test;

fn builtin(name: &str) -> &'static [u8] {
    let found = runwatch::load::BUILTIN.iter().find(|(it, _)| *it == name);
    found.unwrap().1
}

fn measured() -> Value {
    let output = Test::new("detector bench spike.wasm --rows 2048 --json")
        .file("spike.wasm", builtin("loss-spike"))
        .any_stdout()
        .run();
    serde_json::from_str(output.text()).unwrap()
}

#[test]
fn fuel_is_the_same_each_time() {
    let first = measured();
    let batches = |measured: &Value| -> Vec<(u64, u64, u64, u64)> {
        let batches = measured["batches"].as_array().unwrap();
        let numbers = |it: &Value| {
            let number = |name: &str| it[name].as_u64().unwrap();
            (
                number("batch"),
                number("calls"),
                number("points"),
                number("fuel"),
            )
        };
        batches.iter().map(numbers).collect()
    };
    let seen = batches(&first);
    assert_eq!(seen, batches(&measured()));
    let calls: Vec<(u64, u64)> = seen
        .iter()
        .map(|(batch, calls, ..)| (*batch, *calls))
        .collect();
    assert_eq!(calls, [(1, 2048), (32, 64), (1024, 2)]);
    // A row alone costs more than one of many.
    assert!(seen[0].3 > seen[2].3 && seen[2].3 > 0, "{seen:?}");
    assert_eq!(first["batches"][0]["findings"], 0);
}

#[test]
fn a_table_for_people() {
    let output = Test::new("detector bench spike.wasm --rows 64")
        .file("spike.wasm", builtin("loss-spike"))
        .any_stdout()
        .any_stderr()
        .run();
    let text = output.text();
    assert!(
        text.starts_with("rows per call  calls  points  ns per point  fuel per point"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(
        output.stderr.starts_with("runwatch: loss-spike "),
        "{}",
        output.stderr
    );
}
