//! `runwatch sink test`: whether a sink works, in its own words.

use std::time::Instant;

use clap::Args as ClapArgs;

use super::choose;
use crate::alert::{Alert, Severity};
use crate::cli::Outcome;
use crate::cli::delivery::{self, Kept};
use crate::cli::options::host;
use crate::cli::output::{print, say};
use crate::cli::times;
use crate::deliver::post::wall_clock;
use crate::deliver::{Message, sample, text};
use crate::exit::Ending;
use crate::ledger::SinkState;
use crate::secret::scrub;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Test {
    /// The sink; without one, every sink
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How severe the test is said to be
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = delivery::severity)]
    severity: Severity,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    kept: Kept,
}

pub(super) fn run(args: &Test) -> Outcome {
    args.kept.delivering.close_network()?;
    let config = args.kept.config()?;
    let chosen = choose(&config, args.name.as_deref())?;
    if chosen.is_empty() {
        say("no sinks are configured; `runwatch sink list` shows the types that there are");
    }
    let mut ending = Ending::Fine;
    for configured in chosen {
        let (name, kind) = (&configured.name, configured.kind);
        let mut sink = args.kept.delivering.sink(configured)?;
        let message = message(args.severity, name);
        let preview = sink.preview(&message);
        print(&format!("{name} ({kind}) sends\n{}\n", indent(&preview)));
        if args.dry_run {
            continue;
        }
        let began = Instant::now();
        let outcome = sink.send(&message).scrubbed();
        let took = began.elapsed().as_millis();
        let why = outcome.why().map(|why| format!(": {}", text::clean(why)));
        let (what, why) = (outcome.name(), why.unwrap_or_default());
        print(&format!("{name}: {what} after {took} ms{why}\n\n"));
        if !outcome.is_success() {
            ending = Ending::Delivery;
        } else if let Some(ledger) = args.kept.existing(&config) {
            // What was known against it is over. That it is not written down
            // does not make the test fail.
            _ = ledger.set_sink_state(name, &SinkState::default());
        }
    }
    Ok(ending)
}

/// For people, without secrets.
fn indent(text: &str) -> String {
    let clean = scrub(text);
    let lines: Vec<String> = clean.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

/// A message that nobody can take for the real thing, with something in every
/// field.
fn message(severity: Severity, sink: &str) -> Message {
    let id = || format!("{:032x}", fastrand::u128(..));
    let now = wall_clock();
    let alert = Alert {
        id: id(),
        fingerprint: id(),
        run: "runwatch-test".to_owned(),
        rank: Some(0),
        ranks: vec![0],
        host: host(),
        detector: "runwatch".to_owned(),
        key: "sink-test".to_owned(),
        severity,
        time: Some(times::show(now)),
        title: format!("Test of the sink {sink}"),
        message: "This is a test: nothing is wrong. An alert says here what happened, with \
                  numbers: loss was 2.31 at step 2403 and is NaN at step 2404."
            .to_owned(),
        recommendation: "Nothing. An alert says here what to do now.".to_owned(),
        recent: None,
        halt: None,
        evidence: None,
        ..sample()
    };
    Message {
        test: true,
        ..Message::one(alert, now)
    }
}
