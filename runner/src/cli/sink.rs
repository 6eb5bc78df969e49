//! `runwatch sink`: the ways out, whether they work, and what waits for them.

mod docs;
mod trial;

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::Outcome;
use super::delivery::{self, Kept};
use super::output::{count, print, say};
use crate::config::units::parse_duration;
use crate::config::{Config, Sink as Configured, list_names};
use crate::deliver::post::{take_back, wall_clock};
use crate::deliver::sinks::KINDS;
use crate::exit::{Ending, Failure};
use crate::ledger::{Ledger, SinkState};
use crate::suggest::did_you_mean;

/// List the sinks, try them, send what waits for them
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// List the sinks of the configuration and how they stand
    List(List),
    /// Send a marked test message, and show what was sent and what came back
    Test(trial::Test),
    /// Send what waits for sinks now
    Resend(Resend),
    /// Print the reference of all types of sinks, as Markdown
    Docs,
}

#[derive(Debug, Clone, ClapArgs)]
struct List {
    /// The types that there are instead
    #[arg(long)]
    types: bool,
    /// One sink per line as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kept: Kept,
}

#[derive(Debug, Clone, ClapArgs)]
struct Resend {
    /// The sink; without one, every sink
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// What was refused or has grown too old, too
    #[arg(long)]
    dead: bool,
    /// Of these only what is younger than this: `2h`, `1d`
    #[arg(long, value_name = "DURATION", requires = "dead")]
    since: Option<String>,
    #[command(flatten)]
    kept: Kept,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::List(list) if list.types => {
            print(&types());
            Ok(Ending::Fine)
        }
        Command::List(list) => run_list(list),
        Command::Test(test) => trial::run(test),
        Command::Resend(resend) => run_resend(resend),
        Command::Docs => {
            print(&docs::reference());
            Ok(Ending::Fine)
        }
    }
}

fn types() -> String {
    KINDS.iter().fold(String::new(), |mut text, kind| {
        // Writing into a text does not fail.
        _ = writeln!(text, "{:<14} {}", kind.name, kind.summary);
        text
    })
}

fn run_list(args: &List) -> Outcome {
    let config = args.kept.config()?;
    // Without a ledger nothing is known of them but that they are there.
    let ledger = args.kept.existing(&config);
    if config.sinks.is_empty() && !args.json {
        say("no sinks are configured; these types there are:");
        print(&types());
        return Ok(Ending::Fine);
    }
    for sink in &config.sinks {
        let (state, waiting) = standing(ledger.as_ref(), &sink.name);
        if args.json {
            let line = json!({
                "name": sink.name, "type": sink.kind, "min_severity": sink.min_severity.name(),
                "broken": state.broken, "failures": state.failures, "waiting": waiting,
            });
            print(&format!("{line}\n"));
        } else {
            print(&line(sink, &state, waiting));
        }
    }
    Ok(Ending::Fine)
}

fn line(sink: &Configured, state: &SinkState, waiting: i64) -> String {
    let severity = sink.min_severity.name();
    let mut line = format!("{:<16} {:<14} {severity:<9}", sink.name, sink.kind);
    match (&state.broken, state.failures) {
        (Some(why), _) => _ = write!(line, " switched off: {why}"),
        (None, 0) => line.push_str(" ready"),
        (None, 1) => line.push_str(" failed the last time"),
        (None, failures) => _ = write!(line, " failed {failures} times in a row"),
    }
    if waiting > 0 {
        let number = count(waiting.unsigned_abs(), "alert waits", "alerts wait");
        _ = write!(line, "; {number}");
    }
    line.push('\n');
    line
}

fn standing(ledger: Option<&Ledger>, sink: &str) -> (SinkState, i64) {
    let Some(ledger) = ledger else {
        return (SinkState::default(), 0);
    };
    let state = ledger.sink_state(sink).unwrap_or_default();
    let remaining = ledger.remaining().unwrap_or_default();
    let waiting = remaining.iter().find(|it| it.sink == sink);
    (state, waiting.map_or(0, |it| it.waiting))
}

fn run_resend(args: &Resend) -> Outcome {
    let (config, ledger) = args.kept.open()?;
    let chosen = choose(&config, args.name.as_deref())?;
    let since = since(args.since.as_deref())?;
    let mut sinks = Vec::new();
    let mut waiting = 0;
    // What a watch was still sending when it ended waits, too.
    take_back(&ledger, wall_clock());
    for sink in chosen {
        sinks.push((sink.name.clone(), args.kept.delivering.sink(sink)?));
        waiting += ledger
            .resend(&sink.name, args.dead, since)
            .map_err(|error| Failure::new(Ending::Usage, anyhow!(error)))?;
    }
    if waiting == 0 {
        say("nothing waits");
        return Ok(Ending::Fine);
    }
    let reports = delivery::send_waiting(&config, ledger, sinks)?;
    let delivered: u64 = reports.iter().map(|report| report.delivered).sum();
    say(&format!("{} sent", count(delivered, "alert", "alerts")));
    Ok(delivery::summarize(&reports))
}

fn since(text: Option<&str>) -> Result<i64, Failure> {
    let Some(text) = text else { return Ok(0) };
    let age = parse_duration(text).ok_or_else(|| {
        Failure::new(Ending::Usage, anyhow!("`{text}` is no duration"))
            .hint("write `30m`, `2h` or `1d`")
    })?;
    Ok(wall_clock() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// The sink of this name, or all.
fn choose<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Configured>, Failure> {
    let Some(name) = name else {
        return Ok(config.sinks.iter().collect());
    };
    let names = || config.sinks.iter().map(|sink| sink.name.as_str());
    if let Some(sink) = config.sinks.iter().find(|sink| sink.name == name) {
        return Ok(vec![sink]);
    }
    let hint = did_you_mean(name, names()).unwrap_or_else(|| match config.sinks.len() {
        0 => "no sinks are configured: write `[sinks.NAME]` in runwatch.toml".to_owned(),
        _ => format!("there are {}", list_names(names())),
    });
    Err(Failure::new(Ending::Usage, anyhow!("there is no sink `{name}`")).hint(hint))
}
