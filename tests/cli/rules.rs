//! `[rule.NAME]`: conditions of one's own.

use std::fmt::Write as _;

use runwatch::exit;

use crate::support::Test;

const RULE: &str = "[rule.high]
when = \"loss > 1.5 * loss.min(10)\"
for = 2
severity = \"critical\"
title = \"Loss is {loss}\"
recommendation = \"Look at step {step}.\"
";

/// A loss of 1 that is 2 from step 40 on.
fn log() -> String {
    let mut log = String::new();
    for step in 0..45 {
        let loss = if step < 40 { 1 } else { 2 };
        let _ = writeln!(log, "{{\"step\": {step}, \"loss\": {loss}}}");
    }
    log
}

fn review(rules: &str) -> Test {
    Test::new("review --json -q --detector loss-flatline=off --detector loss-spike=off x.jsonl")
        .file("runwatch.toml", rules)
        .file("x.jsonl", log())
}

#[test]
fn a_rule_fires_with_what_it_was_told_to_say() {
    let output = review(RULE).any_stdout().run();
    let [alert] = &output.alerts()[..] else {
        panic!("{}", output.text());
    };
    assert_eq!(
        (&alert["detector"], &alert["key"]),
        (&"rule".into(), &"high".into())
    );
    assert_eq!(
        (&alert["severity"], &alert["step"]),
        (&"critical".into(), &41.into())
    );
    assert_eq!(alert["title"], "Loss is 2");
    let message = "`loss > 1.5 * loss.min(10)` has held for 2 rows: `loss` is 2.";
    assert_eq!(alert["message"], message);
    assert_eq!(alert["recommendation"], "Look at step 41.");
}

#[test]
fn a_mistake_is_shown_with_its_column() {
    review(&RULE.replace("loss >", "loss > >"))
        .stderr("error: runwatch.toml:2:8: `when`, column 8: extraneous input `>`\n")
        .code(exit::USAGE)
        .run();
    review(&RULE.replace("loss.min(10)", "loss.mni(10)"))
        .stderr(
            "error: runwatch.toml:2:8: `when`, column 22: there is no function `mni`\n\
             hint: did you mean `min`?\n",
        )
        .code(exit::USAGE)
        .run();
    review(&RULE.replace("title = \"Loss is {loss}\"", "title = \"Loss is {loss +}\""))
        .any_stderr()
        .code(exit::USAGE)
        .run();
    review("[rule.high]\nwhen = \"loss > 1\"\n")
        .stderr(
            "error: runwatch.toml:1:7: `[rule.high]` has no `recommendation`\n\
             hint: say what to do: recommendation = \"Lower the learning rate.\"\n",
        )
        .code(exit::USAGE)
        .run();
}
