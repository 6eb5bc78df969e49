//! A command of the operator's: the alerts as JSON on its stdin, the worst of
//! them in its environment, its exit status as the answer.

use std::io;
use std::process::Command;
use std::time::Duration;

use super::webhook::payload;
use super::{Kind, Made};
use crate::alert::State;
use crate::deliver::command::{self, Ended};
use crate::deliver::text::{clean, clean_line, cut_bytes, cut_chars};
use crate::deliver::{Entry, Key, Message, Outcome, Settings, Sink, Takes};
use crate::secret::scrub;

pub(super) const KIND: Kind = Kind {
    name: "exec",
    summary: "A command of yours, with the alerts as JSON on its stdin. No shell is involved.",
    network: false,
    keys: &[
        Key::required(
            "command",
            Takes::List,
            "The program and its arguments. Status 0 means that it has the alerts, 75 that it is \
             to be asked again later, any other that it refuses them.",
        ),
        Key::optional(
            "timeout",
            Takes::Integer(1, 600),
            "Seconds after which it is killed, with whatever it has started; 30 if not set.",
        ),
    ],
    make: |settings| Made::sink(Exec::new(settings)?),
    example: "command = [\"/usr/local/bin/page-me\", \"--urgent\"]",
};

/// `EX_TEMPFAIL` of sysexits.h: "try again later".
const TRY_AGAIN: i32 = 75;
/// Bytes of a variable: Linux takes 128 KiB, others 32 for all of them.
const VARIABLE_BYTES: usize = 4 << 10;
/// Characters of its output in a reason.
const OUTPUT_CHARS: usize = 500;

struct Exec {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
}

impl Exec {
    fn new(settings: &Settings) -> Result<Self, String> {
        let mut command = settings.list("command").into_iter();
        let program = command.next().filter(|program| !program.is_empty());
        let seconds = settings.integer("timeout").unwrap_or(30);
        Ok(Self {
            program: program.ok_or("`command` names no program")?,
            arguments: command.collect(),
            timeout: Duration::from_secs(seconds.unsigned_abs()),
        })
    }
}

impl Sink for Exec {
    fn send(&mut self, message: &Message) -> Outcome {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(variables(message));
        let input = payload(message).to_string().into_bytes();
        match command::run(command, input, self.timeout) {
            Ok(ended) => self.outcome(&ended),
            Err(error) => self.not_started(&error),
        }
    }

    fn preview(&mut self, message: &Message) -> String {
        let mut text = String::new();
        for (name, value) in variables(message) {
            text.push_str(&format!("{name}={value:?}\n"));
        }
        text.push_str(&format!("{:?}", self.program));
        for argument in &self.arguments {
            text.push_str(&format!(" {argument:?}"));
        }
        format!("{text} <<\n{:#}", payload(message))
    }
}

impl Exec {
    fn outcome(&self, ended: &Ended) -> Outcome {
        // Before it is cut: half a secret would not be known.
        let output = scrub(&ended.output);
        let output = clean_line(&output);
        let said = match &*cut_chars(&output, OUTPUT_CHARS) {
            "" => String::new(),
            output => format!(": {output}"),
        };
        let Some(status) = ended.status else {
            let seconds = self.timeout.as_secs();
            return Outcome::Ambiguous(format!("killed after {seconds} s{said}"));
        };
        match status.code() {
            Some(0) => Outcome::delivered(),
            Some(TRY_AGAIN) => Outcome::Transient(format!("exit status 75{said}")),
            Some(code) => Outcome::Rejected(format!("exit status {code}{said}")),
            // Nobody but the system ends it so, for want of memory as a rule.
            None => Outcome::Transient(format!("{status}{said}")),
        }
    }

    fn not_started(&self, error: &io::Error) -> Outcome {
        use io::ErrorKind::{ExecutableFileBusy, Interrupted, OutOfMemory, WouldBlock};
        let why = format!("cannot start `{}`: {error}", self.program);
        match error.kind() {
            ExecutableFileBusy | Interrupted | OutOfMemory | WouldBlock => Outcome::Transient(why),
            _ => Outcome::Broken(why),
        }
    }
}

/// What a script of three lines needs, of the worst alert.
fn variables(message: &Message) -> Vec<(&'static str, String)> {
    let worst = |entry: &&Entry| entry.fires() && entry.alert.severity == message.severity();
    let Some(entry) = message.entries.iter().find(worst).or(message.first()) else {
        return Vec::new();
    };
    let alert = &entry.alert;
    let state = match alert.state {
        State::Firing => "firing",
        State::Resolved => "resolved",
    };
    let step = alert.step.map(|step| step.to_string()).unwrap_or_default();
    [
        ("RUNWATCH_MESSAGE_ID", message.id.as_str()),
        ("RUNWATCH_ALERT_ID", &alert.id),
        ("RUNWATCH_SEVERITY", alert.severity.name()),
        ("RUNWATCH_STATE", state),
        ("RUNWATCH_PROJECT", &alert.project),
        ("RUNWATCH_RUN", &alert.run),
        ("RUNWATCH_STEP", &step),
        ("RUNWATCH_DETECTOR", &alert.detector),
        ("RUNWATCH_TITLE", &message.title()),
        ("RUNWATCH_MESSAGE", &entry.message()),
        ("RUNWATCH_RECOMMENDATION", &alert.recommendation),
    ]
    .map(|(name, value)| (name, cut_bytes(&clean(value), VARIABLE_BYTES).into_owned()))
    .to_vec()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::super::testing::{self, message};
    use super::*;
    use crate::deliver::Given;

    fn sh(script: &str) -> Exec {
        exec(&["sh", "-c", script])
    }

    fn exec(command: &[&str]) -> Exec {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Exec::new(&Settings::new([
            ("command".to_owned(), Given::List(command)),
            ("timeout".to_owned(), Given::Integer(60)),
        ]))
        .unwrap()
    }

    #[test]
    fn the_command_gets_json_and_an_environment() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().display();
        let mut sink = sh(&format!("cat >{to}/json; env >{to}/env"));
        assert_eq!(sink.send(&testing::many(3)), Outcome::delivered());
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let json: Value = serde_json::from_str(&read("json")).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["id"], message().id);
        assert_eq!(json["group"], message().group);
        assert_eq!(json["test"], false);
        assert_eq!(json["alerts"].as_array().unwrap().len(), 3);
        assert_eq!(json["alerts"][1]["title"], "trouble 1");
        assert_eq!(json["alerts"][1]["notice"], "new");
        assert_eq!(json["alerts"][1]["values"]["loss"], Value::Null);
        let env = read("env");
        for line in [
            "RUNWATCH_SEVERITY=critical",
            "RUNWATCH_STATE=firing",
            "RUNWATCH_PROJECT=default",
            "RUNWATCH_RUN=train",
            "RUNWATCH_STEP=2404",
            "RUNWATCH_DETECTOR=non-finite",
            "RUNWATCH_ALERT_ID=00000000000000000000000000000001",
            "RUNWATCH_MESSAGE_ID=00112233445566778899aabbccddeeff",
            "RUNWATCH_TITLE=3 alerts, worst CRITICAL: trouble 1 (run train, step 2404)",
            "RUNWATCH_MESSAGE=loss was 2.31 at step 2403 and is NaN at step 2404.",
        ] {
            assert!(env.lines().any(|other| other == line), "{line}: {env}");
        }
        assert!(env.contains("\nRUNWATCH_RECOMMENDATION=Stop the run"));
    }

    #[test]
    fn the_status_is_the_answer() {
        for (script, expected, why) in [
            (
                "echo not now; exit 75",
                "transient",
                "exit status 75: not now",
            ),
            ("echo no >&2; exit 1", "rejected", "exit status 1: no"),
            ("exit 64", "rejected", "exit status 64"),
        ] {
            let outcome = sh(script).send(&message());
            assert_eq!((outcome.name(), outcome.why()), (expected, Some(why)));
        }
        assert_eq!(sh("kill -9 $$").send(&message()).name(), "transient");
        for program in ["/nonexistent/page-me", "/", "/etc/passwd"] {
            let outcome = exec(&[program]).send(&message());
            assert_eq!(outcome.name(), "broken", "{program}: {outcome:?}");
            let why = outcome.why().unwrap();
            assert!(
                why.starts_with(&format!("cannot start `{program}`: ")),
                "{why}"
            );
        }
    }

    #[test]
    fn one_that_takes_too_long_may_have_done_it() {
        let mut sink = sh("sleep 1000");
        sink.timeout = Duration::from_millis(50);
        let outcome = sink.send(&message());
        assert_eq!(outcome.name(), "ambiguous");
        assert_eq!(outcome.why(), Some("killed after 0 s"));
    }

    #[test]
    fn no_text_reaches_a_shell_and_none_is_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        let attempt = format!("$(touch {0}); `touch {0}`", file.display());
        let texts = testing::HOSTILE.iter().copied().chain([attempt.as_str()]);
        for text in texts {
            let outcome = exec(&["cat"]).send(&testing::saying(text));
            assert_eq!(outcome, Outcome::delivered(), "{text}");
        }
        assert!(!file.exists());
        for (name, value) in variables(&testing::saying("a\0b\u{1b}[2J")) {
            assert!(!value.contains(['\0', '\u{1b}']), "{name}");
        }
    }

    #[test]
    fn the_preview_shows_all_of_it() {
        let text = sh("page").preview(&testing::resolved());
        assert!(text.contains("RUNWATCH_STATE=\"resolved\""), "{text}");
        assert!(text.contains("\"sh\" \"-c\" \"page\" <<\n{"), "{text}");
    }

    #[test]
    fn a_command_is_needed() {
        assert!(Exec::new(&Settings::default()).is_err());
    }
}
