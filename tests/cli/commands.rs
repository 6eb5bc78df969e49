//! `detector` and `config`, and the flags that go with them.

use runwatch::exit;

use crate::fixture;
use crate::support::Test;

/// The names of the detectors that come with runwatch, in order.
fn built_in() -> Vec<&'static str> {
    let mut names = runwatch::load::builtin_names();
    names.sort_unstable();
    names
}

fn wrong(arguments: &str, stderr: &str) {
    Test::new(arguments).stderr(stderr).code(exit::USAGE).run();
}

#[test]
fn detectors_are_listed() {
    let output = Test::new("detector list").any_stdout().run();
    let names = output
        .text()
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap());
    assert_eq!(names.collect::<Vec<_>>(), built_in());
    let line = "on   throughput         0.1.0    Training slows down, or no tokens or samples go through\n";
    assert!(output.text().contains(line), "{}", output.text());
    let off = output.text().replace("on   throughput", "off  throughput");
    Test::new("detector list --detector throughput=off")
        .stdout(off)
        .run();
}

#[test]
fn a_detector_that_cannot_be_loaded_is_listed_as_such() {
    let output = Test::new("detector list --detector ./my_rule.wasm")
        .file("my_rule.wasm", "no component")
        .any_stdout()
        .code(exit::DETECTOR)
        .run();
    let line = "on   my-rule            -        cannot be loaded: detector `my-rule` \
                (`./my_rule.wasm`): this is not a WebAssembly file\n";
    assert!(output.text().contains(line), "{}", output.text());
}

#[test]
fn each_built_in_detector_can_be_inspected() {
    for name in built_in() {
        let output = Test::new("detector inspect")
            .argument(name)
            .any_stdout()
            .run();
        let text = output.text();
        assert!(text.starts_with(&format!("{name} 0.1.0: ")), "{text}");
        assert!(text.contains("\nfrom      built in\n"), "{text}");
        assert!(
            text.contains("\ncontract  runwatch:detector@0.1.0\n"),
            "{text}"
        );
        assert!(!text.contains("DENIED"), "{text}");
        assert!(
            text.contains(&format!(
                "\nparameters ([detectors.{name}] in runwatch.toml)\n  "
            )),
            "{text}"
        );
    }
}

#[test]
fn parameters_are_shown_as_they_are_written() {
    let output = Test::new("detector inspect loss-spike").any_stdout().run();
    let parameter = "  window = 128  # a whole number from 16 to 256 (values)\n      \
                     How many previous values make the baseline.\n";
    assert!(output.text().contains(parameter), "{}", output.text());
    let output = Test::new("detector inspect non-finite").any_stdout().run();
    assert!(
        output.text().contains("  ignore = [\"*explained_var*\", "),
        "{}",
        output.text()
    );
}

#[test]
fn a_component_can_be_inspected() {
    fixture::fixtures();
    let path = fixture::target().join("wasm32-wasip2/release/hostile_io.wasm");
    let output = Test::new("detector inspect")
        .argument(path)
        .any_stdout()
        .run();
    assert!(
        output.text().contains("  DENIED   wasi:sockets/"),
        "{}",
        output.text()
    );
}

#[test]
fn what_is_inspected_can_be_read_by_a_program() {
    fixture::fixtures();
    let path = fixture::target().join("wasm32-wasip2/release/hostile_io.wasm");
    let inspect = Test::new("detector inspect --json").argument(path);
    let output = inspect.any_stdout().run();
    let found: serde_json::Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(found["contract"], "0.1.0");
    assert_eq!(found["sha256"].as_str().unwrap().len(), 64);
    let imports = found["imports"].as_array().unwrap();
    let state = |of: &str| {
        let import = |it: &&serde_json::Value| it["name"].as_str().unwrap().starts_with(of);
        imports.iter().find(import).unwrap()["state"].clone()
    };
    assert_eq!(state("wasi:sockets/tcp@"), "denied");
    assert_eq!(state("wasi:clocks/wall-clock@"), "virtual");

    let output = Test::new("detector inspect --json loss-spike")
        .any_stdout()
        .run();
    let found: serde_json::Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(found["source"], serde_json::Value::Null);
    assert_eq!(found["interests"][0]["kind"], "metric");
    assert_eq!(found["parameters"][0]["name"], "window");
    assert!(found["memory_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_detector_of_ones_own_has_a_name() {
    let output = Test::new("detector inspect my-rule")
        .file("rules/mine.wasm", fixture::hostile_bytes())
        .file(
            "runwatch.toml",
            "[detectors.my-rule]\nsource = \"rules/mine.wasm\"\n",
        )
        .any_stdout()
        .run();
    assert!(
        output.text().starts_with("hostile 0.1.0: "),
        "{}",
        output.text()
    );
    assert!(
        output.text().contains("\nfrom      rules/mine.wasm\n"),
        "{}",
        output.text()
    );
}

#[test]
fn an_unknown_detector_has_a_neighbour() {
    wrong(
        "detector inspect loss_spike",
        "error: there is no detector `loss_spike`\n\
         hint: did you mean `loss-spike`? A file needs a path, as in `./loss_spike.wasm`\n",
    );
    let all: Vec<_> = built_in().iter().map(|name| format!("`{name}`")).collect();
    wrong(
        "detector inspect zebra",
        &format!(
            "error: there is no detector `zebra`\nhint: there are {}\n",
            all.join(", ")
        ),
    );
}

#[test]
fn what_is_no_component_is_refused() {
    Test::new("detector inspect train.py")
        .file("train.py", "print('hello')\n")
        .stderr("error: `train.py`: this is not a WebAssembly file\n")
        .code(exit::DETECTOR)
        .run();
    Test::new("detector inspect ./missing.wasm")
        .stderr("error: cannot read `./missing.wasm`: No such file or directory (os error 2)\n")
        .code(exit::DETECTOR)
        .run();
}

#[test]
fn flags_that_name_nothing_have_a_hint() {
    wrong(
        "config check --detector los-spike=off",
        "error: --detector los-spike=off: there is no detector `los-spike`\n\
         hint: did you mean `loss-spike`?\n",
    );
    wrong(
        "config check --detector loss-spike=maybe",
        "error: --detector loss-spike=maybe: says neither on nor off\n\
         hint: write `--detector loss-spike` or `--detector loss-spike=off`\n",
    );
    wrong(
        "config check --set loss-spike.windw=64",
        "error: --set loss-spike.windw=64: `loss-spike` has no parameter `windw`\n\
         hint: did you mean `window`?\n",
    );
    wrong(
        "config check --set window=64",
        "error: --set window=64: does not name a parameter and its value\n\
         hint: write `--set detector.parameter=value`, such as `--set loss-spike.window=64`\n",
    );
    wrong(
        "config check --set loss-spike.window=1",
        "error: --set loss-spike.window=1: `window` of `loss-spike` must be a whole number from 16 \
         to 256 (values), not \"1\"\n",
    );
}

#[test]
fn a_configuration_is_begun_once() {
    let output = Test::new("config init")
        .stderr("wrote `runwatch.toml`; remove the `#` of a line to change it\n")
        .run();
    let written = std::fs::read_to_string(output.folder.path().join("runwatch.toml")).unwrap();
    let exists = Test::new("config init").file("runwatch.toml", "mine");
    let exists = exists
        .stderr(
            "error: cannot write `runwatch.toml`: File exists (os error 17)\n\
             hint: add `--force` to replace it\n",
        )
        .code(exit::USAGE)
        .run();
    let kept = std::fs::read_to_string(exists.folder.path().join("runwatch.toml")).unwrap();
    assert_eq!(kept, "mine");
    let forced = Test::new("config init --force")
        .file("runwatch.toml", "mine")
        .any_stderr()
        .run();
    let replaced = std::fs::read_to_string(forced.folder.path().join("runwatch.toml")).unwrap();
    assert_eq!(replaced, written);
    Test::new("config init -").stdout(written).run();
}

#[test]
fn what_init_writes_is_fine_and_changes_nothing() {
    let template = Test::new("config init -").any_stdout().run();
    Test::new("config check")
        .file("runwatch.toml", &template.stdout)
        .stderr("runwatch.toml: fine, 26 detectors on\n")
        .run();
    let defaults = Test::new("config show").any_stdout().run();
    Test::new("config show")
        .file("runwatch.toml", &template.stdout)
        .stdout(defaults.stdout)
        .run();
}

#[test]
fn a_configuration_is_checked() {
    Test::new("config check")
        .stderr("the defaults: fine, 26 detectors on\n")
        .run();
    Test::new("config check --config there.toml --detector throughput=off")
        .file("there.toml", "project = \"p\"\n")
        .stderr("there.toml: fine, 25 detectors on\n")
        .run();
}

#[test]
fn every_mistake_is_shown_with_its_line_and_the_nearest_name() {
    Test::new("config check")
        .file(
            "runwatch.toml",
            "projct = \"p\"\n\n[alerts]\ncooldown-stepz = 3\nmax-per-run = \"many\"\n\n[allerts]\nx = 1\n",
        )
        .stderr(
            "error: runwatch.toml:1:1: unknown key `projct` at the top of the file\n\
             hint: did you mean `project`?\n\
             error: runwatch.toml:4:1: unknown key `cooldown-stepz` in `[alerts]`\n\
             hint: did you mean `cooldown-steps`?\n\
             error: runwatch.toml:5:15: `max-per-run` must be a whole number from 0 to 1000000, not \"many\"\n\
             error: runwatch.toml:7:2: unknown section `[allerts]`\n\
             hint: did you mean `alerts`?\n",
        )
        .code(exit::USAGE)
        .run();
}

#[test]
fn a_parameter_in_the_file_is_checked_too() {
    Test::new("config check")
        .file(
            "runwatch.toml",
            "[detectors.loss-spike]\nwindow = 64\nwindw = 3\n",
        )
        .stderr(
            "error: runwatch.toml:3:1: `loss-spike` has no parameter `windw`\n\
             hint: did you mean `window`?\n",
        )
        .code(exit::USAGE)
        .run();
}

#[test]
fn a_missing_configuration_is_an_error_only_if_it_was_named() {
    wrong(
        "config check --config x.toml",
        "error: --config x.toml: cannot read `x.toml`: No such file or directory (os error 2)\n\
         hint: `runwatch config init` writes a file to start from\n",
    );
}

#[test]
fn what_is_in_force_is_shown_with_its_origin() {
    let output = Test::new("config show --set loss-spike.window=64")
        .env("RUNWATCH_PROJECT", "p")
        .file("runwatch.toml", "[alerts]\ncooldown-steps = 7\n")
        .any_stdout()
        .run();
    let text = output.text();
    for line in [
        "project = \"p\"                    # RUNWATCH_PROJECT\n",
        "cooldown-steps = 7               # runwatch.toml:2\n",
        "window = 64                      # --set\n",
        "max-per-run = 50                 # default\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn a_preset_lies_between_the_defaults_and_what_the_user_sets() {
    Test::new("config check --preset rlwatch")
        .stderr("the defaults: fine, 7 detectors on\n")
        .run();
    let output = Test::new("config show --preset nsa --set throughput.rows=3")
        .file("runwatch.toml", "[detectors.heartbeat]\nsilence = 120\n")
        .any_stdout()
        .run();
    let text = output.text();
    for (setting, origin) in [
        ("preset = \"nsa\"", "--preset"),
        ("silence = 120", "runwatch.toml:2"),
        ("grace = 180", "preset nsa"),
        ("rows = 3", "--set"),
        ("critical-rows = 4", "preset nsa"),
        ("single-ranks = true", "default"),
        ("policy = \"runwatch\"", "default"),
    ] {
        let line = format!("\n{setting:32} # {origin}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[test]
fn what_is_shown_means_the_same_when_it_is_read() {
    let shown = Test::new("config show --set loss-spike.window=64 --detector throughput=off")
        .any_stdout()
        .run();
    let table: toml::Table = shown.text().parse().unwrap();
    assert_eq!(
        table["detectors"]["loss-spike"]["window"].as_integer(),
        Some(64)
    );
    let without_origins = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split(" # ").next().unwrap().trim_end().to_owned())
            .collect()
    };
    let again = Test::new("config show")
        .file("runwatch.toml", &shown.stdout)
        .any_stdout()
        .run();
    assert_eq!(without_origins(again.text()), without_origins(shown.text()));
}

#[test]
fn the_users_own_file_is_found() {
    for (path, shown) in [
        (
            ".config/runwatch/config.toml",
            ".config/runwatch/config.toml:1",
        ),
        ("runwatch.toml", "runwatch.toml:1"),
    ] {
        let output = Test::new("config show")
            .file(path, "project = \"p\"\n")
            .any_stdout()
            .run();
        let line = output.text().lines().next().unwrap();
        assert!(
            line.starts_with("project = \"p\"") && line.ends_with(shown),
            "{line}"
        );
    }
    let output = Test::new("config show")
        .env("RUNWATCH_CONFIG", "other.toml")
        .file("other.toml", "project = \"o\"\n")
        .any_stdout()
        .run();
    assert!(
        output.text().starts_with("project = \"o\" "),
        "{}",
        output.text()
    );
}

#[test]
fn help_says_how_to_begin() {
    let output = Test::new("--help").any_stdout().run();
    assert!(
        output.text().contains("python train.py 2>&1 | runwatch"),
        "{}",
        output.text()
    );
    for command in ["review", "demo", "detector", "config"] {
        assert!(
            output.text().contains(&format!("\n  {command} ")),
            "{}",
            output.text()
        );
    }
    Test::new("--version")
        .stdout(concat!("runwatch ", env!("CARGO_PKG_VERSION"), "\n"))
        .run();
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_is_no_failure() {
    for command in [
        "config show",
        "detector inspect loss-spike",
        "detector list",
        "config init -",
        "--help",
    ] {
        Test::new(command)
            .stderr("exit 0\n")
            .run_in_shell(r#"{ { "$0" "$@"; echo "exit $?" >&2; } | true; }"#);
    }
}
