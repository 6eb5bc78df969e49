//! The promise that `default.toml`, its template and the code say the same.

use std::time::Duration;

use super::*;
use crate::alert::Severity;
use crate::config::*;

#[test]
fn the_defaults_are_these() {
    let loaded = Sealed::new().loaded();
    let config = loaded.config;
    assert_eq!(loaded.file, None);
    assert_eq!((config.project.as_str(), config.run), ("default", None));
    let limits = Limits {
        memory: 64 << 20,
        timeout: Duration::from_secs(1),
        output: 4 << 20,
        findings: 256,
        finding_bytes: 16 << 10,
        log_lines: 100,
    };
    assert_eq!(config.limits, limits);
    assert_eq!(
        config.faults,
        Faults {
            budget: 5,
            within: Duration::from_secs(600)
        }
    );
    let alerts = Alerts {
        cooldown_steps: 100,
        cooldown_seconds: None,
        max_per_run: 50,
        critical_reserve: 50,
        min_severity: Severity::Info,
        rlwatch: false,
    };
    assert_eq!(config.alerts, alerts);
    assert_eq!(
        config.decode,
        Decode {
            max_line: 1 << 20,
            max_metrics: 16_384,
            max_runs: 4096,
            restarts: true,
        }
    );
    assert_eq!(
        config.console,
        Console {
            style: Style::Auto,
            color: Color::Auto
        }
    );
    assert_eq!((config.names.len(), config.file), (0, None));
    assert!(
        config
            .detectors
            .iter()
            .all(|d| d.enabled && d.path.is_none() && !d.strict_imports)
    );
    assert_eq!(
        config
            .detectors
            .iter()
            .map(|d| d.name.as_str())
            .collect::<Vec<_>>(),
        BUILTIN
    );
}

#[test]
fn the_template_changes_nothing() {
    let written = template();
    let active: Vec<_> = written
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
        .collect();
    assert_eq!(active, [""; 0]);
    assert_eq!(
        Sealed::with(&written).loaded().config,
        Sealed::new().loaded().config
    );
}

#[test]
fn every_key_of_the_documentation_is_known_and_every_key_is_documented() {
    let loaded = Sealed::with(&everything()).loaded();
    // Unknown keys would have stopped it; what is not documented has no place in the file.
    let window = |s: &Setting| s.section == "detectors.loss-spike" && s.key == "window";
    assert!(
        !loaded.settings.iter().any(window),
        "parameters are resolved later"
    );
    for setting in &loaded.settings {
        let documented = matches!(setting.origin, Origin::File { .. });
        let listed = setting.key == "enabled";
        assert!(
            documented || listed,
            "[{}] {} is not documented",
            setting.section,
            setting.key
        );
    }
    let own: Vec<_> = loaded
        .settings
        .iter()
        .filter(|s| s.section == "detectors.my-detector")
        .collect();
    let keys: Vec<_> = own.iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(keys, RESERVED);
}
