//! Every error text.

use super::*;

#[test]
fn all_errors_of_a_file_are_reported_at_once() {
    let text = "projekt = \"x\"
cooldown-steps = 3
[alerts]
cooldown-step = 50
max-per-run = \"many\"
min-severity = \"warn\"
colour = 1
[alert]
[limits]
memory = \"64M\"
timeout = 1
findings = 0
[console]
style = 3.5
[detectors.los-spike]
window = 3
";
    assert_eq!(
        Sealed::with(text).error(),
        "runwatch.toml:1:1: unknown key `projekt` at the top of the file
hint: did you mean `project`?
runwatch.toml:2:1: unknown key `cooldown-steps` at the top of the file
hint: `cooldown-steps` belongs in `[alerts]`
runwatch.toml:4:1: unknown key `cooldown-step` in `[alerts]`
hint: did you mean `cooldown-steps`?
runwatch.toml:5:15: `max-per-run` must be a whole number from 0 to 1000000, not \"many\"
runwatch.toml:6:16: `min-severity` must be one of \"info\", \"warning\", \"critical\", not \"warn\"
hint: did you mean `warning`?
runwatch.toml:7:1: unknown key `colour` in `[alerts]`
hint: the keys in `[alerts]` are `cooldown-steps`, `cooldown-seconds`, `max-per-run`, `critical-reserve`, `min-severity`, `policy`
runwatch.toml:8:2: unknown section `[alert]`
hint: did you mean `alerts`?
runwatch.toml:10:10: `memory` must be a size from 64 KiB to 4 GiB, such as \"64 KiB\", not \"64M\"
runwatch.toml:11:11: `timeout` must be a duration from 1ms to 1h, such as \"30s\", not 1
runwatch.toml:12:12: `findings` must be a whole number from 1 to 65536, not 0
runwatch.toml:14:9: `style` must be one of \"auto\", \"panel\", \"plain\", \"off\", not 3.5
runwatch.toml:15:12: there is no detector `los-spike`
hint: did you mean `loss-spike`?"
    );
}

#[test]
fn each_wrong_value_says_what_fits() {
    let wrong = |text: &str| Sealed::with(text).error();
    assert_eq!(
        wrong("project = \"\""),
        "runwatch.toml:1:11: `project` must be a text of 1 to 256 bytes on one line, not \"\""
    );
    assert_eq!(
        wrong("[project]\nname = 1"),
        "runwatch.toml:1:1: `project` must be a text of 1 to 256 bytes on one line, not a table"
    );
    assert_eq!(
        wrong("limits = 3"),
        "runwatch.toml:1:10: `limits` must be a table, not 3\n\
         hint: write `[limits]` on a line of its own, the settings below it"
    );
    assert_eq!(
        wrong("[alerts]\ncooldown-seconds = -1"),
        "runwatch.toml:2:20: `cooldown-seconds` must be a number of seconds above 0, or \"off\", \
         not -1"
    );
    assert_eq!(
        wrong("[detectors]\nenable = 'loss-spike'"),
        "runwatch.toml:2:10: `enable` must be \"all\" or a list of names such as \
         [\"loss-spike\"], not \"loss-spike\""
    );
    assert_eq!(
        wrong("[names]\n'my/loss' = 2026-01-02"),
        "runwatch.toml:2:13: `my/loss` must be a text of 1 to 256 bytes on one line, not a date"
    );
    assert_eq!(
        wrong("[detectors.loss-spike]\nsha256 = 'abc'\nenabled = 'no'\nsource = 1"),
        "runwatch.toml:2:10: `sha256` must be a SHA-256 digest of 64 hexadecimal digits, not \
         \"abc\"\n\
         runwatch.toml:3:11: `enabled` must be true or false, not \"no\"\n\
         runwatch.toml:4:10: `source` must be a path, not 1"
    );
    assert_eq!(
        wrong("[kitchen]\n[file]\npat = 1"),
        "runwatch.toml:1:2: unknown section `[kitchen]`\n\
         hint: the sections are `detectors`, `limits`, `faults`, `alerts`, `input`, `decode`, `console`, \
         `delivery`, `history`, `halt`, `restart`, `file`, `names`, `pattern`, `rule`, \
         `sinks`, `labels`\n\
         runwatch.toml:3:1: unknown key `pat` in `[file]`\n\
         hint: did you mean `path`?"
    );
}

#[test]
fn syntax_errors_come_alone() {
    assert_eq!(
        Sealed::with("nonsense = 1\n[alerts\ncooldown = \"x").error(),
        "runwatch.toml:2:8: unclosed table, expected `]`"
    );
}

#[test]
fn unreadable_files_are_named() {
    let mut sealed = Sealed::new();
    sealed.flags.config = Some("/nowhere/x.toml".into());
    assert_eq!(
        sealed.error(),
        "--config /nowhere/x.toml: cannot read `/nowhere/x.toml`: No such file or directory \
         (os error 2)\nhint: `runwatch config init` writes a file to start from"
    );
    let sealed = Sealed::new().variable("RUNWATCH_CONFIG", "/");
    assert_eq!(
        sealed.error(),
        "RUNWATCH_CONFIG: cannot read `/`: Is a directory (os error 21)"
    );
    let sealed = Sealed::new();
    std::fs::write(
        sealed.folder.path().join("runwatch.toml"),
        b"a = 1\nb = '\xff'",
    )
    .unwrap();
    assert_eq!(
        sealed.error(),
        "cannot read `runwatch.toml`: line 2 is not valid UTF-8"
    );
    let mut sealed = Sealed::new();
    sealed.flags.config = Some("/dev/zero".into());
    assert_eq!(
        sealed.error(),
        "--config /dev/zero: cannot read `/dev/zero`: it is larger than 4 MiB"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStringExt as _;
    let sealed = Sealed::new().variable("RUNWATCH_RUN", OsString::from_vec(vec![0xff]));
    assert_eq!(sealed.error(), "RUNWATCH_RUN: the value is not valid UTF-8");
    let sealed = Sealed::new().variable("RUNWATCH_RUN", "a\nb");
    assert_eq!(
        sealed.error(),
        "RUNWATCH_RUN: `run` must be a text of 1 to 256 bytes on one line, not \"a\\nb\""
    );
}

#[test]
fn detectors_that_do_not_exist() {
    let there_are = "there are `grad-norm`, `loss-spike`, `non-finite`; one of your own needs `source = \"….wasm\"`";
    assert_eq!(
        Sealed::with("[detectors.lossspike]").error(),
        "runwatch.toml:1:12: there is no detector `lossspike`\nhint: did you mean `loss-spike`?"
    );
    assert_eq!(
        Sealed::with("[detectors]\nenable = ['kitchen']").error(),
        format!("runwatch.toml:2:10: there is no detector `kitchen`\nhint: {there_are}")
    );
    assert_eq!(
        Sealed::new()
            .set("los-spike.window=5")
            .detector("kitchen")
            .detector("grad_norm=off")
            .error(),
        format!(
            "--detector grad_norm=off: there is no detector `grad_norm`\n\
             hint: did you mean `grad-norm`?\n\
             --detector kitchen: there is no detector `kitchen`\n\
             hint: {there_are}\n\
             --set los-spike.window=5: there is no detector `los-spike`\n\
             hint: did you mean `loss-spike`?"
        )
    );
    assert_eq!(
        Sealed::with("[detectors.'My One']\nsource = 'x.wasm'").error(),
        "runwatch.toml:1:12: `My One` is no name for a detector\n\
         hint: a name is lower-case words joined by `-`"
    );
    assert_eq!(
        Sealed::with("detectors.loss-spike = false").error(),
        "runwatch.toml:1:24: `detectors.loss-spike` must be a table, not false\n\
         hint: write `[detectors.loss-spike]` on a line of its own, the settings below it"
    );
    assert_eq!(
        Sealed::with("detectors.kitchen = false").error(),
        "runwatch.toml:1:11: unknown key `kitchen` in `[detectors]`\n\
         hint: there are `preset`, `enable`, `strict-imports`"
    );
}

#[test]
fn flags_that_make_no_sense() {
    let write = "write `--set detector.parameter=value`, such as `--set loss-spike.window=64`";
    for text in [
        "",
        "x",
        "x=1",
        "loss-spike.=1",
        ".window=1",
        "loss-spike.window",
    ] {
        assert_eq!(
            Sealed::new().set(text).error(),
            format!("--set {text}: does not name a parameter and its value\nhint: {write}")
        );
    }
    assert_eq!(
        Sealed::new().detector("loss-spike=no").error(),
        "--detector loss-spike=no: says neither on nor off\n\
         hint: write `--detector loss-spike` or `--detector loss-spike=off`"
    );
    assert_eq!(
        Sealed::new()
            .detector("a/x.wasm")
            .detector("b/x.wasm")
            .error(),
        "--detector b/x.wasm: there is a detector `x` already, from --detector a/x.wasm\n\
         hint: give them different file names"
    );
    assert_eq!(
        Sealed::new().detector("./ä.wasm").error(),
        "--detector ./ä.wasm: no detector name can be made of the file's name\n\
         hint: name it in the configuration file: `[detectors.NAME]` with `source = \"…\"`"
    );
}

#[test]
fn parameters_that_do_not_fit() {
    let text = "[detectors.loss-spike]
windw = 5
window = \"64\"
ratio = nan
quiet = 1
mode = \"raise\"
metrics = \"a, b\"
params = { window = 5 }
kitchen = 1
";
    assert_eq!(
        resolved(&Sealed::with(text)).unwrap_err(),
        "runwatch.toml:2:1: `loss-spike` has no parameter `windw`
hint: did you mean `window`?
runwatch.toml:3:10: `window` of `loss-spike` must be a whole number from 8 to 4096 (rows), not \"64\"
hint: without the quotes: `window = 64`
runwatch.toml:4:9: `ratio` of `loss-spike` must be a number from 0 on, not NaN
runwatch.toml:5:9: `quiet` of `loss-spike` must be true or false, not 1
runwatch.toml:6:8: `mode` of `loss-spike` must be one of \"rise\", \"fall\", \"both\", not \"raise\"
hint: did you mean `rise`?
runwatch.toml:7:11: `metrics` of `loss-spike` must be a list of texts without commas, not \"a, b\"
hint: write a list: `metrics = [\"a\", \"b\"]`
runwatch.toml:8:1: `loss-spike` has no parameter `params`
hint: parameters stand in `[detectors.loss-spike]` itself
runwatch.toml:9:1: `loss-spike` has no parameter `kitchen`
hint: it has `window`, `ratio`, `quiet`, `mode`, `metrics`"
    );
    let sealed = Sealed::new()
        .set("loss-spike.window=7")
        .set("loss-spike.memroy=1");
    assert_eq!(
        resolved(&sealed).unwrap_err(),
        "--set loss-spike.memroy=1: `loss-spike` has no parameter `memroy`
hint: did you mean `memory`?
--set loss-spike.window=7: `window` of `loss-spike` must be a whole number from 8 to 4096 (rows), \
         not \"7\""
    );
}

#[test]
fn more_detectors_than_there_are_bits() {
    let text: String = (0..64)
        .map(|n| format!("[detectors.d{n}]\nsource = 'd.wasm'\n"))
        .collect();
    assert_eq!(
        Sealed::with(&text).error(),
        "67 detectors are enabled, and the most is 63\n\
         hint: switch some off with `enabled = false`"
    );
}
