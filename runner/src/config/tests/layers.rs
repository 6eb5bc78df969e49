//! Which layer wins, and what each setting says about its origin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

#[test]
fn later_layers_win_and_each_setting_knows_its_origin() {
    let text = "project = \"a\"\nrun = \"r\"\n[alerts]\n\ncooldown-steps = 50\n";
    let mut sealed = Sealed::with(text);
    assert_eq!(sealed.loaded().config.project, "a");
    assert_eq!(sealed.loaded().config.alerts.cooldown_steps, 50);
    assert_eq!(sealed.origin("", "project"), "runwatch.toml:1");
    assert_eq!(sealed.origin("alerts", "cooldown-steps"), "runwatch.toml:5");
    assert_eq!(sealed.origin("alerts", "max-per-run"), "default");
    sealed = sealed
        .variable("RUNWATCH_PROJECT", "b")
        .variable("RUNWATCH_RUN", "");
    assert_eq!(sealed.loaded().config.project, "b");
    assert_eq!(sealed.origin("", "project"), "RUNWATCH_PROJECT");
    assert_eq!(sealed.origin("", "run"), "runwatch.toml:2");
    sealed.flags.project = Some("c".into());
    assert_eq!(sealed.loaded().config.project, "c");
    assert_eq!(sealed.origin("", "project"), "--project");
}

#[test]
fn the_file_is_the_first_that_there_is() {
    let project = |sealed: &Sealed| sealed.loaded().config.project;
    let mut sealed = Sealed::new().file("home/.config/runwatch/config.toml", "project = 'home'");
    let folder = sealed.folder.path().to_path_buf();
    sealed = sealed.variable("HOME", folder.join("home"));
    assert_eq!(project(&sealed), "home");
    sealed = sealed.file("xdg/runwatch/config.toml", "project = 'xdg'");
    sealed = sealed.variable("XDG_CONFIG_HOME", "xdg");
    assert_eq!(
        project(&sealed),
        "home",
        "a relative XDG_CONFIG_HOME is to be ignored"
    );
    sealed = sealed.variable("XDG_CONFIG_HOME", folder.join("xdg"));
    assert_eq!(project(&sealed), "xdg");
    sealed = sealed.file("runwatch.toml", "project = 'here'");
    assert_eq!(project(&sealed), "here");
    sealed = sealed.file("other.toml", "project = 'variable'");
    sealed = sealed.variable("RUNWATCH_CONFIG", folder.join("other.toml"));
    assert_eq!(project(&sealed), "variable");
    sealed.flags.config = Some("/dev/null".into());
    assert_eq!(project(&sealed), "default");
    assert_eq!(sealed.loaded().file, Some(PathBuf::from("/dev/null")));
}

#[test]
fn paths_start_where_they_are_written() {
    let text = "[detectors.mine]\nsource = 'rules/mine.wasm'\n[detectors.other]\nsource = '~/o.wasm'\n\
                [file]\npath = 'alerts.jsonl'";
    let sealed = Sealed::with(text)
        .variable("HOME", "/home/u")
        .detector("./My_Rule.wasm");
    let loaded = sealed.loaded();
    let path = |name| sealed.of(&loaded, name).path.as_deref();
    assert_eq!(
        path("mine"),
        Some(&*sealed.folder.path().join("rules/mine.wasm"))
    );
    assert_eq!(path("other"), Some(Path::new("/home/u/o.wasm")));
    assert_eq!(path("my-rule"), Some(Path::new("./My_Rule.wasm")));
    assert_eq!(loaded.config.file, Some(PathBuf::from("alerts.jsonl")));
}

#[test]
fn detectors_are_switched() {
    let enabled = |sealed: &Sealed| {
        let loaded = sealed.loaded();
        let on = loaded
            .config
            .detectors
            .iter()
            .filter(|detector| detector.enabled);
        on.map(|detector| detector.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(enabled(&Sealed::new()), "grad-norm loss-spike non-finite");
    assert_eq!(
        enabled(&Sealed::new().detector("loss-spike=off")),
        "grad-norm non-finite"
    );
    let some = "[detectors]\nenable = ['loss-spike']\n[detectors.own]\nsource = 'x.wasm'\n";
    assert_eq!(enabled(&Sealed::with(some)), "loss-spike own");
    assert_eq!(
        enabled(&Sealed::with(some).detector("grad-norm")),
        "grad-norm loss-spike own"
    );
    assert_eq!(
        enabled(&Sealed::with(some).set("own.enabled=false")),
        "loss-spike"
    );
    let none = Sealed::with("detectors.enable = []");
    assert_eq!(enabled(&none), "");
    assert_eq!(
        none.origin("detectors.loss-spike", "enabled"),
        "runwatch.toml:1"
    );
    assert_eq!(
        enabled(&none.detector("loss-spike=off").detector("loss-spike")),
        "loss-spike"
    );
}

#[test]
fn a_detector_has_limits_of_its_own() {
    let text = "[detectors]\nstrict-imports = true\n[detectors.loss-spike]\nmemory = '1 GiB'\n\
                timeout = '2s'\nstrict-imports = false\n";
    let sealed = Sealed::with(text).set("grad-norm.timeout=250ms");
    let loaded = sealed.loaded();
    let spike = sealed.of(&loaded, "loss-spike");
    assert_eq!(
        (spike.memory, spike.timeout),
        (Some(1 << 30), Some(Duration::from_secs(2)))
    );
    assert!(!spike.strict_imports);
    let norm = sealed.of(&loaded, "grad-norm");
    assert_eq!(
        (norm.memory, norm.timeout),
        (None, Some(Duration::from_millis(250)))
    );
    assert!(norm.strict_imports);
}

#[test]
fn parameters_are_resolved() {
    let text = "[detectors.loss-spike]\nwindow = 64\nratio = 3\nmetrics = ['a', 'b']\n";
    let sealed = Sealed::with(text)
        .set("loss-spike.window=0256")
        .set("loss-spike.mode=rise");
    let expected = [
        ("window", "256"),
        ("ratio", "3"),
        ("quiet", "false"),
        ("mode", "rise"),
        ("metrics", "a,b"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(resolved(&sealed), Ok(expected.to_vec()));
}
