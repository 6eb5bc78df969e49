//! From the merged tree to the typed configuration: every key of every section
//! is named here and nowhere else, together with what it takes.

use std::path::PathBuf;
use std::time::Duration;

use super::kind::{
    Kind, all_or_names, boolean, choice, count, duration, expressions, name, path, seconds_or_off,
    severity, size,
};
use super::presets;
use super::reader::Reader;
use super::types::{
    Alerts, Color, Config, Console, Decode, Delivery, Faults, History, Limits, Style,
};

/// Sections whose keys are the user's own.
pub(super) const OPEN: &[&str] = &["detectors", "names", "pattern", "rule", "sinks", "labels"];

/// Whether it is rlwatch's.
const POLICIES: &[(&str, bool)] = &[("runwatch", false), ("rlwatch", true)];

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The memory of a detector: a component needs a page or two to start at all,
/// and cannot address more than 4 GiB.
pub(super) fn memory() -> Kind<usize> {
    size(64 * KIB..=4 * GIB)
}

/// The time of one call.
pub(super) fn timeout() -> Kind<Duration> {
    duration(Duration::from_millis(1)..=Duration::from_secs(3600))
}

/// Reads everything. Problems are left in the reader, and when there are any,
/// the configuration is of no use.
pub(super) fn config(
    reader: &mut Reader,
    builtin: &[&str],
    home: Option<PathBuf>,
    file_folder: PathBuf,
) -> Config {
    let project = reader.get("", "project", &name());
    let run = reader.optional("", "run", &name());
    reader.get("detectors", "preset", &choice(presets::NAMES));
    let enable = reader.get("detectors", "enable", &all_or_names());
    let strict = reader.get("detectors", "strict-imports", &boolean());
    let limits = Limits {
        memory: reader.get("limits", "memory", &memory()),
        timeout: reader.get("limits", "timeout", &timeout()),
        output: reader.get("limits", "output", &size(KIB..=GIB)),
        findings: reader.get("limits", "findings", &count(1..=65_536)),
        finding_bytes: reader.get("limits", "finding-bytes", &size(256..=MIB)),
        log_lines: reader.get("limits", "log-lines", &count(0..=1_000_000)),
    };
    let day = Duration::from_secs(24 * 3600);
    let faults = Faults {
        budget: reader.get("faults", "budget", &count(0..=1_000)),
        within: reader.get("faults", "within", &duration(Duration::from_secs(1)..=day)),
    };
    let alerts = Alerts {
        cooldown_steps: reader.get("alerts", "cooldown-steps", &count(0..=1_000_000_000)),
        cooldown_seconds: reader.get("alerts", "cooldown-seconds", &seconds_or_off()),
        max_per_run: reader.get("alerts", "max-per-run", &count(0..=1_000_000)),
        // Not 0: a critical alert is never capped away altogether.
        critical_reserve: reader.get("alerts", "critical-reserve", &count(1..=1_000_000)),
        min_severity: reader.get("alerts", "min-severity", &severity()),
        rlwatch: reader.get("alerts", "policy", &choice(POLICIES)),
    };
    let paths = reader.get("input", "paths", &expressions());
    let decode = Decode {
        max_line: reader.get("decode", "max-line", &size(KIB..=GIB)),
        max_metrics: reader.get("decode", "max-metrics", &count(1..=16_777_216)),
        max_runs: reader.get("decode", "max-runs", &count(1..=1_048_576)),
        restarts: reader.get("decode", "restarts", &boolean()),
    };
    let names = names(reader);
    let patterns = super::patterns::read(reader);
    let rules = super::rules::read(reader);
    let styles = &[
        ("auto", Style::Auto),
        ("panel", Style::Panel),
        ("plain", Style::Plain),
        ("off", Style::Off),
    ];
    let colors = &[
        ("auto", Color::Auto),
        ("always", Color::Always),
        ("never", Color::Never),
    ];
    let console = Console {
        style: reader.get("console", "style", &choice(styles)),
        color: reader.get("console", "color", &choice(colors)),
    };
    let folders = super::sinks::folders(home.clone(), &file_folder);
    let sinks = super::sinks::read(reader, &folders);
    let known: Vec<String> = reader.table("sinks").into_keys().collect();
    let labels = super::routes::labels(reader);
    let routes = super::routes::routes(reader, &sinks, &known, &labels);
    let mut inhibitions = super::routes::inhibitions(reader, &labels);
    if reader.get("delivery", "inhibit", &boolean()) {
        inhibitions.extend(crate::deliver::inhibit::builtin());
    }
    let delivery = Delivery {
        ledger: reader.optional("delivery", "ledger", &path(home.clone(), PathBuf::new())),
        flush: reader.get("delivery", "flush", &duration(Duration::ZERO..=day)),
        keep: reader.get("delivery", "keep", &duration(day..=day * 36_500)),
    };
    let history = History {
        enable: reader.get("history", "enable", &boolean()),
        run_size: reader.get("history", "run-size", &size(MIB..=64 * GIB)),
        total_size: reader.get("history", "total-size", &size(MIB..=1024 * GIB)),
    };
    let halt = super::halt::halt(reader);
    let restart = super::halt::restart(reader);
    let file = reader.optional("file", "path", &path(home.clone(), PathBuf::new()));
    let own_path = path(home, file_folder);
    let detectors = super::detectors::read(reader, builtin, enable.as_deref(), strict, &own_path);
    Config {
        project,
        run,
        detectors,
        limits,
        faults,
        alerts,
        decode,
        names,
        patterns,
        paths,
        rules,
        sinks,
        routes,
        inhibitions,
        labels,
        delivery,
        history,
        halt,
        restart,
        console,
        file,
    }
}

/// `[names]`: as printed, canonical.
fn names(reader: &mut Reader) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (printed, node) in reader.table("names") {
        if let Some(canonical) = reader.read("names", &printed, &node, &name()) {
            names.push((printed, canonical));
        }
    }
    names
}
