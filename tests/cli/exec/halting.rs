//! A job that goes wrong, and what is done about it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Place, ends_with, eventually, text};
use crate::support::BINARY;

const NON_FINITE: &str = "[detectors]\nenable = [\"non-finite\"]\n";
const NAN: &str = r#"echo '{"step": 1, "loss": 2.0}'; echo '{"step": 2, "loss": NaN}'"#;
/// The job listens to nothing and never ends by itself.
const DEAF: &str = "trap '' TERM; while :; do sleep 0.05; done";

fn place(config: &str) -> Place {
    let place = Place::new();
    fs::write(place.path().join("runwatch.toml"), config).unwrap();
    place
}

/// The alerts in the ledger, the oldest first.
fn alerts(place: &Place) -> Vec<Value> {
    let mut list = place.command(BINARY);
    list.args(["list", "alerts", "--json-lines"]);
    let lines = text(&list.output().unwrap().stdout);
    let mut alerts: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    alerts.sort_by_key(|alert| alert["time"].as_str().unwrap_or_default().to_owned());
    alerts
}

/// Those of one key, as state and message.
fn told(place: &Place, key: &str) -> Vec<(String, String)> {
    let text = |alert: &Value, field: &str| alert[field].as_str().unwrap().to_owned();
    let alerts = alerts(place);
    let own = alerts.iter().filter(|alert| alert["key"] == key);
    own.map(|alert| (text(alert, "state"), text(alert, "message")))
        .collect()
}

fn states(place: &Place, key: &str) -> Vec<String> {
    told(place, key)
        .into_iter()
        .map(|(state, _)| state)
        .collect()
}

#[test]
fn a_job_that_looks_for_the_halt_file_ends_by_itself() {
    let place = place(NON_FINITE);
    let job = format!(
        "{NAN}; until [ -e \"$RUNWATCH_DIR/.HALT\" ]; do sleep 0.02; done; \
         grep -q \"^token: $RUNWATCH_TOKEN$\" \"$RUNWATCH_DIR/.HALT\" && head -1 \"$RUNWATCH_DIR/.HALT\""
    );
    let output = ends_with(0, place.shell("--halt critical", &job));
    let said = text(&output.stdout);
    assert!(said.ends_with("halt: nan_loss\n"), "{said}");
    assert_eq!(states(&place, "halt"), ["firing", "resolved"]);
    assert!(states(&place, "job-crashed").is_empty());
    assert!(place.folders().is_empty());
}

#[test]
fn a_deaf_job_is_killed_with_all_that_it_started() {
    let place = place(&format!(
        "{NON_FINITE}[halt]\non = \"critical\"\nfile-timeout = \"0s\"\nterm-timeout = \"200ms\"\n"
    ));
    // The second has a session of its own, as the workers of torchrun have.
    let job = format!("({DEAF}) & setsid sh -c \"{DEAF}\" & echo $! > pid; {NAN}; {DEAF}");
    let output = place.shell("", &job).output().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&output.status),
        Some(9),
        "{}",
        text(&output.stderr)
    );
    let pid: u32 = fs::read_to_string(place.path().join("pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    eventually("nobody is left", || !super::is_alive(pid));
    let halt = told(&place, "halt");
    let (_, message) = halt.last().unwrap();
    let steps = ["SIGTERM", "SIGKILL"].map(|step| message.find(step).unwrap_or(usize::MAX));
    assert!(steps[0] < steps[1] && steps[1] < usize::MAX, "{message}");
}

#[test]
fn a_dry_run_touches_nothing() {
    let place = place(NON_FINITE);
    let job = format!("{NAN}; sleep 0.8; ls -A \"$RUNWATCH_DIR\"");
    let output = ends_with(0, place.shell("--halt dry-run", &job));
    assert!(!text(&output.stdout).contains(".HALT"));
    assert_eq!(states(&place, "halt-dry-run"), ["firing"]);
    assert!(states(&place, "halt").is_empty());
}

#[test]
fn nothing_is_halted_unless_that_was_asked_for() {
    let place = place(NON_FINITE);
    let job = format!("{NAN}; sleep 0.8; echo through");
    let output = ends_with(0, place.shell("", &job));
    assert!(text(&output.stdout).ends_with("through\n"));
    assert!(states(&place, "halt").is_empty());
}

#[test]
fn a_job_never_sees_what_another_start_was_told() {
    let place = place(&format!("{NON_FINITE}[restart]\nbackoff = \"0s\"\n"));
    let box_ = place.path().join("box");
    fs::create_dir(&box_).unwrap();
    for (name, content) in [
        (".HALT", "halt: nan_loss\ntoken: another\n"),
        (".anomaly_type", "nan_loss\n"),
        (
            "nan_loss_details.json",
            "{\"type\": \"nan_loss\", \"token\": \"another\", \"alert\": {}}",
        ),
        // The job's own.
        ("model_details.json", "{\"layers\": 2}"),
    ] {
        fs::write(box_.join(name), content).unwrap();
    }
    // Each attempt leaves a file of the trainer's own, without a token.
    let job = "ls -A box; echo 'halt: mine' > box/.HALT; exit $RUNWATCH_ATTEMPT";
    let output = ends_with(
        2,
        place.shell("--dir box --restart on-crash --restart-attempts 1", job),
    );
    let own = "model_details.json\n";
    assert_eq!(text(&output.stdout), format!("{own}{own}"));
}

#[test]
fn a_crash_is_told_with_its_last_words() {
    let place = place("[detectors]\nenable = [\"exception\"]\n");
    let job = "echo reading shard 17; printf 'Traceback (most recent call last):\\n  File \"a.py\", \
               line 3, in <module>\\n    f()\\nValueError: bad shape\\n' >&2; exit 3";
    ends_with(3, place.shell("", job));
    let alerts = alerts(&place);
    let crash = alerts.iter().find(|alert| alert["key"] == "job-crashed");
    let crash = crash.expect("no alert of the crash");
    assert_eq!(crash["severity"], "critical");
    assert_eq!(
        crash["title"],
        "The job ended with exit code 3: ValueError: bad shape"
    );
    let evidence = crash["evidence"].as_str().unwrap();
    for part in ["== last lines", "reading shard 17", "== traceback", "a.py"] {
        assert!(evidence.contains(part), "{evidence}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_hang_is_told_with_what_the_processes_do() {
    let place = place(
        "[detectors]\nenable = [\"heartbeat\"]\n[detectors.heartbeat]\nsilence = 1\ngrace = 1\n\
         critical-after = 0\n[halt]\non = \"critical\"\nfile-timeout = \"0s\"\n",
    );
    let job = "for i in 1 2 3; do echo \"{\\\"step\\\": $i, \\\"loss\\\": 1.0}\"; done; sleep 1000";
    let output = place.shell("", job).output().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&output.status),
        Some(15)
    );
    let alerts = alerts(&place);
    let stall = alerts.iter().find(|alert| alert["detector"] == "heartbeat");
    let evidence = stall.expect("no alert")["evidence"].as_str().unwrap();
    assert!(evidence.starts_with("== summary"), "{evidence}");
    assert!(evidence.contains("sleep 1000"), "{evidence}");
    assert_eq!(states(&place, "halt"), ["firing", "resolved"]);
}

#[test]
fn a_crashed_job_is_started_again_but_not_for_the_same_reason() {
    let place = place("[detectors]\nenable = [\"non-finite\"]\n[restart]\nbackoff = \"0s\"\n");
    // Two crashes of which the second is another one, and the third the same.
    let job = "echo \"attempt $RUNWATCH_ATTEMPT $RUNWATCH_TOKEN\"; \
               case $RUNWATCH_ATTEMPT in 1) exit 4;; *) exit 5;; esac";
    let output = ends_with(5, place.shell("--restart on-crash", job));
    let said = text(&output.stdout);
    let attempts: Vec<&str> = said.lines().collect();
    assert_eq!(attempts.len(), 3, "{said}");
    let token = attempts[0].strip_prefix("attempt 1 ").unwrap();
    assert_eq!(attempts[1], format!("attempt 2 {token}.2"));
    assert_eq!(states(&place, "job-restart").len(), 2);
    assert_eq!(states(&place, "job-crashed").len(), 3);
    let (_, why) = &told(&place, "job-not-restarted")[0];
    assert!(why.contains("same crash came twice"), "{why}");
}

#[test]
fn ranks_that_share_a_folder_stop_together() {
    let place = place(&format!(
        "{NON_FINITE}[halt]\non = \"critical\"\nfile-timeout = \"0s\"\n"
    ));
    let rank = |number: &str, job: &str| -> Command {
        let mut command = place.shell("--dir shared --run job --ledger ledger.sqlite", job);
        command
            .env("RANK", number)
            .env("WORLD_SIZE", "2")
            .env("RUNWATCH_TOKEN", "start-1");
        command
    };
    let mut healthy = rank("1", "echo '{\"step\": 1, \"loss\": 2.0}'; sleep 1000")
        .spawn()
        .unwrap();
    let sick = rank("0", &format!("{NAN}; sleep 1000")).output().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal;
    assert_eq!(signal(&sick.status), Some(15), "{}", text(&sick.stderr));
    assert_eq!(signal(&healthy.wait().unwrap()), Some(15));
}

#[test]
fn a_piped_job_is_asked_in_a_folder() {
    let place = place(NON_FINITE);
    let script = format!(
        "mkdir box; {{ {NAN}; until [ -e box/.HALT ]; do sleep 0.02; done; echo asked; }} | \
         \"$0\" --halt critical --dir box"
    );
    let mut shell = place.command("sh");
    shell.args(["-c", &script, BINARY]);
    let output = ends_with(0, shell);
    assert!(text(&output.stdout).ends_with("asked\n"));
    let mut nowhere = place.command(BINARY);
    nowhere.args(["--halt", "critical"]);
    let error = text(&ends_with(2, nowhere).stderr);
    assert!(error.contains("--dir PATH"), "{error}");
}

#[test]
fn the_job_of_a_folder_is_asked_to_end() {
    let place = place(NON_FINITE);
    let folder = place.path().join("job");
    fs::create_dir(&folder).unwrap();
    let stale =
        "halt: nan_loss\nrun: job\ntoken: another\ntime: 2020-01-01T00:00:00Z\nreason: old\n";
    fs::write(folder.join(".HALT"), stale).unwrap();
    let mut watch = place.command(BINARY);
    watch.args(["watch", "job", "--halt", "critical", "--interval", "0.05"]);
    let mut watch = watch.spawn().unwrap();
    eventually("the stale file is gone", || !folder.join(".HALT").exists());
    fs::write(
        folder.join("heartbeat_rank0.jsonl"),
        "{\"ts\": 4e9, \"rank\": 0, \"step\": 1, \"msg\": \"progress\", \"loss\": NaN}\n",
    )
    .unwrap();
    eventually("the job is asked", || folder.join(".HALT").exists());
    assert!(folder.join(".anomaly_type").exists());
    super::kill(watch.id(), "TERM");
    watch.wait().unwrap();
}
