//! Notifications of the desktop, through the program that the system has for
//! them. Texts are arguments or variables, never a part of a script.

use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use super::{Kind, Made};
use crate::alert::Severity;
use crate::deliver::command;
use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{Entry, Message, Outcome, Pace, Sink};
use crate::secret::scrub;

pub(super) const KIND: Kind = Kind {
    name: "desktop",
    summary: "A notification on the desktop of this machine: `notify-send` on Linux, `osascript` \
              on macOS, PowerShell on Windows.",
    network: false,
    keys: &[],
    make: |_| Made::sink(Desktop::here()),
    example: "",
};

/// Characters of a title: one line.
const TITLE_CHARS: usize = 120;
/// Characters of a text: what is shown without a click.
const BODY_CHARS: usize = 400;
/// Alerts that are named in one notification.
const NAMED: usize = 4;
/// The programs answer at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Freedesktop,
    Mac,
    Windows,
}

struct Desktop {
    system: System,
    program: String,
}

impl Desktop {
    fn here() -> Self {
        let system = if cfg!(target_os = "macos") {
            System::Mac
        } else if cfg!(windows) {
            System::Windows
        } else {
            System::Freedesktop
        };
        let program = match system {
            System::Freedesktop => "notify-send",
            System::Mac => "osascript",
            System::Windows => "powershell",
        };
        Self {
            system,
            program: program.to_owned(),
        }
    }

    fn command(&self, message: &Message) -> Command {
        let title = cut_chars(&clean_line(&message.title()), TITLE_CHARS).into_owned();
        let body = cut_chars(&clean(&body(message)), BODY_CHARS).into_owned();
        let mut command = Command::new(&self.program);
        match self.system {
            System::Freedesktop => {
                command.args(["--app-name=runwatch", urgency(message), "--"]);
                // The title is plain text, the body has markup.
                command.args([title, escaped(&body)]);
            }
            System::Mac => {
                command.args(["-e", APPLE_SCRIPT, &title, &body]);
            }
            System::Windows => {
                command.args(["-NoProfile", "-NonInteractive", "-Command", POWERSHELL]);
                command.env("RUNWATCH_TITLE", title);
                command.env("RUNWATCH_BODY", body);
            }
        }
        command
    }
}

const APPLE_SCRIPT: &str = "on run argv
display notification (item 2 of argv) with title (item 1 of argv)
end run";

const POWERSHELL: &str = "$ErrorActionPreference = 'Stop'
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$toast = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$texts = $toast.GetElementsByTagName('text')
$null = $texts.Item(0).AppendChild($toast.CreateTextNode($env:RUNWATCH_TITLE))
$null = $texts.Item(1).AppendChild($toast.CreateTextNode($env:RUNWATCH_BODY))
$manager::CreateToastNotifier('runwatch').Show([Windows.UI.Notifications.ToastNotification]::new($toast))";

fn urgency(message: &Message) -> &'static str {
    match (message.fires(), message.severity()) {
        // It stays until somebody has seen it.
        (true, Severity::Critical) => "--urgency=critical",
        (true, Severity::Warning) => "--urgency=normal",
        _ => "--urgency=low",
    }
}

/// What is wrong and what to do; of several alerts what they are.
fn body(message: &Message) -> String {
    if let [entry] = message.entries.as_slice() {
        let what = cut_chars(&entry.message(), BODY_CHARS / 2).into_owned();
        return if entry.fires() {
            format!("{what}\nWhat to do: {}", entry.alert.recommendation)
        } else {
            what
        };
    }
    let room = BODY_CHARS / (NAMED + 1);
    let mut lines: Vec<String> = message
        .entries
        .iter()
        .take(NAMED)
        .map(|entry: &Entry| cut_chars(&entry.headline(), room).into_owned())
        .collect();
    if let Some(more @ 1..) = message.entries.len().checked_sub(NAMED) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Sink for Desktop {
    fn send(&mut self, message: &Message) -> Outcome {
        let program = &self.program;
        let ended = match command::run(self.command(message), Vec::new(), PATIENCE) {
            Ok(ended) => ended,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let advice = match self.system {
                    System::Freedesktop => "install it (`libnotify-bin` on Debian and Ubuntu)",
                    System::Mac | System::Windows => "it should be part of the system",
                };
                return Outcome::Broken(format!("there is no `{program}`: {advice}"));
            }
            Err(error) => return Outcome::Broken(format!("cannot start `{program}`: {error}")),
        };
        let output = scrub(&ended.output);
        let output = clean_line(&output);
        let said = cut_chars(&output, BODY_CHARS);
        match ended.status {
            // Whether anybody sees it, nobody can say.
            Some(status) if status.success() => Outcome::Accepted { remote: None },
            Some(_) => Outcome::Broken(format!(
                "`{program}` failed: {said}; does runwatch run within a desktop session?"
            )),
            None => Outcome::Transient(format!("`{program}` did not end: {said}")),
        }
    }

    fn preview(&mut self, message: &Message) -> String {
        format!("{:?}", self.command(message))
    }

    /// More at once is a screen full of them.
    fn pace(&self) -> Pace {
        Pace::per_minute(5, 20)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, message};
    use super::*;

    fn arguments(system: System, message: &Message) -> Vec<String> {
        let desktop = Desktop {
            system,
            program: "notify".to_owned(),
        };
        let command = desktop.command(message);
        let text = |argument: &std::ffi::OsStr| argument.to_str().unwrap().to_owned();
        command.get_args().map(text).collect()
    }

    #[test]
    fn what_is_shown() {
        let critical = [
            "--app-name=runwatch",
            "--urgency=critical",
            "--",
            "CRITICAL: loss is NaN (run train, step 2404)",
            "loss was 2.31 at step 2403 and is NaN at step 2404.\nWhat to do: Stop the run, go \
             back to the last good checkpoint, and lower the learning rate.",
        ];
        assert_eq!(arguments(System::Freedesktop, &message()), critical);
        let over = arguments(System::Freedesktop, &testing::resolved());
        assert_eq!(over[1], "--urgency=low");
        assert!(over[3].starts_with("RESOLVED: ") && !over[4].contains("What to do"));
        let mac = arguments(System::Mac, &message());
        assert_eq!((&mac[2][..], &mac[3][..]), (critical[3], critical[4]));
    }

    #[test]
    fn several_are_named_and_the_rest_is_counted() {
        let many = arguments(System::Freedesktop, &testing::many(7));
        assert!(many[3].starts_with("7 alerts, worst CRITICAL: trouble 1"));
        let lines: Vec<_> = many[4].lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[4], "and 3 more");
        let four = arguments(System::Freedesktop, &testing::many(4));
        assert_eq!(four[4].lines().count(), 4);
    }

    #[test]
    fn no_text_is_markup_an_option_or_a_script() {
        for text in testing::HOSTILE.iter().chain(&["--help", "\" & quit & \""]) {
            let arguments = arguments(System::Freedesktop, &testing::saying(text));
            assert_eq!((arguments.len(), &arguments[2][..]), (5, "--"));
            assert!(!arguments[4].contains(['<', '>', '\u{1b}']), "{text}");
            assert!(arguments[3].chars().count() <= TITLE_CHARS);
            let windows = self::arguments(System::Windows, &testing::saying(text));
            assert_eq!(windows[3], POWERSHELL);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_program_decides() {
        let send = |program: &str| {
            let mut desktop = Desktop {
                system: System::Freedesktop,
                program: program.to_owned(),
            };
            desktop.send(&message())
        };
        assert_eq!(send("true").name(), "accepted");
        let failed = send("false");
        assert_eq!(failed.name(), "broken");
        assert!(failed.why().unwrap().contains("desktop session"));
        let missing = send("/nonexistent/notify-send");
        assert_eq!(missing.name(), "broken");
        assert!(missing.why().unwrap().contains("libnotify-bin"));
    }
}
