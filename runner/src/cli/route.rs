//! `runwatch route`: where an alert would go, and why.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::{Args as ClapArgs, Subcommand};

use super::Outcome;
use super::delivery::{self, Kept, Named};
use super::output::print;
use crate::alert::{Alert, State};
use crate::config::Config;
use crate::deliver::dispatch::{Gate, Policy};
use crate::deliver::matcher::{Facts, Matcher};
use crate::deliver::post::wall_clock;
use crate::deliver::routes::{Explained, Route, Why, group_key};
use crate::deliver::silence::Silence;
use crate::deliver::{Entry, Message};
use crate::exit::{Ending, Failure};
use crate::ledger::Ledger;
use crate::secret::scrub;

/// Show which sinks an alert would go to, and why
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Say for every route whether it takes the alert, what mutes it, and what
    /// each sink would send
    Explain(Explain),
}

#[derive(Debug, Clone, ClapArgs)]
struct Explain {
    /// A file with an alert as JSON, `-` for standard input, or the id of an
    /// alert in the ledger
    #[arg(value_name = "ALERT")]
    alert: String,
    /// Leave out what the sinks would send
    #[arg(long)]
    brief: bool,
    #[command(flatten)]
    kept: Kept,
}

pub(super) fn run(args: &Args) -> Outcome {
    let Command::Explain(args) = &args.command;
    let config = args.kept.config()?;
    let ledger = args.kept.existing(&config);
    let alert = alert(&args.alert, ledger.as_ref())?;
    let sinks = args.kept.delivering.sinks(&config)?;
    let policy = delivery::policy(&config, delivery::gates(&config, &sinks));
    print(&explanation(&alert, &policy, ledger.as_ref()));
    if !args.brief {
        print(&previews(&alert, &config, &policy, sinks));
    }
    Ok(Ending::Fine)
}

fn alert(text: &str, ledger: Option<&Ledger>) -> Result<Alert, Failure> {
    let failed = |error| Failure::new(Ending::Input, error);
    let is_id = text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id && !Path::new(text).exists() {
        let found = match ledger {
            Some(ledger) => ledger.alert(text).map_err(|error| failed(anyhow!(error)))?,
            None => None,
        };
        return found.ok_or_else(|| failed(anyhow!("there is no alert `{text}` in the ledger")));
    }
    let mut json = String::new();
    let read = match text {
        "-" => std::io::stdin().read_to_string(&mut json).map(drop),
        path => std::fs::read_to_string(path).map(|text| json = text),
    };
    read.with_context(|| format!("cannot read `{text}`"))
        .map_err(failed)?;
    // A file of alerts has one a line; the first will do.
    let mut alerts = serde_json::Deserializer::from_str(&json).into_iter::<Alert>();
    match alerts.next() {
        Some(Ok(alert)) => Ok(alert),
        Some(Err(error)) => {
            let error = anyhow!("{text}:{}:{}: {error}", error.line(), error.column());
            Err(failed(error).hint("`runwatch review --json` prints alerts as they must be"))
        }
        None => Err(failed(anyhow!("`{text}` is empty"))),
    }
}

fn explanation(alert: &Alert, policy: &Policy, ledger: Option<&Ledger>) -> String {
    let facts = Facts::new(alert, &policy.labels);
    let mut text = format!("{}\n\n", Entry::new(alert.clone()).headline());
    // Writing into a text does not fail.
    for explained in policy.routes.explain(&facts) {
        let number = explained.position + 1;
        _ = writeln!(text, "route {number}: {}", why(&explained));
    }
    for chosen in policy.routes.of(&facts) {
        let gate = policy.sinks.iter().find(|gate| gate.sink == chosen.sink);
        if let Some(why) = gate.and_then(|gate| kept_out(gate, alert)) {
            _ = writeln!(text, "sink {}: not sent, {why}", chosen.sink);
        }
    }
    let silences: Vec<Silence> = ledger
        .and_then(|ledger| ledger.silences(false).ok())
        .unwrap_or_default()
        .iter()
        .filter_map(|(_, body)| serde_json::from_str(body).ok())
        .collect();
    if let Some(mute) = policy.muted_by(alert, &[], &silences, wall_clock()) {
        _ = writeln!(text, "held back now: {mute}");
    }
    text
}

/// Why a sink does not let an alert in.
fn kept_out(gate: &Gate, alert: &Alert) -> Option<String> {
    if alert.severity < gate.min_severity {
        return Some(format!("its min-severity is {}", gate.min_severity.name()));
    }
    let over = alert.state == State::Resolved && !gate.takes_resolved;
    over.then(|| "it cannot show that a trouble is over".to_owned())
}

fn why(explained: &Explained<'_>) -> String {
    let route = name(explained.route);
    let sinks = match explained.sinks.as_slice() {
        [] => "no sink".to_owned(),
        sinks => sinks.join(", "),
    };
    match explained.why {
        Why::Matched => format!("{route} takes it → {sinks}"),
        Why::Asked => format!("{route} takes it, since the detector asks for it → {sinks}"),
        Why::Differs(matcher) => format!("{route} does not take it: not {matcher}"),
        Why::TooMild(least) => format!("{route} does not take it: less than {}", least.name()),
        Why::After(other) => format!("{route} is not asked: route {} took it", other + 1),
        Why::Elsewhere(other) => {
            let wanted = other + 1;
            format!("{route} is not asked: the detector wants route {wanted}")
        }
    }
}

fn name(route: &Route) -> String {
    let matchers: Vec<String> = route.matchers.iter().map(Matcher::to_string).collect();
    let what = match matchers.as_slice() {
        [] => "everything".to_owned(),
        matchers => matchers.join(","),
    };
    match &route.name {
        Some(name) => format!("`{name}` ({what})"),
        None => format!("({what})"),
    }
}

fn previews(alert: &Alert, config: &Config, policy: &Policy, sinks: Vec<Named>) -> String {
    let facts = Facts::new(alert, &policy.labels);
    let chosen = policy.routes.of(&facts);
    let mut text = String::new();
    for ((name, mut sink), configured) in sinks.into_iter().zip(&config.sinks) {
        let Some(chosen) = chosen.iter().find(|chosen| chosen.sink == name) else {
            continue;
        };
        let gate = policy.sinks.iter().find(|gate| gate.sink == name);
        if gate.is_some_and(|gate| kept_out(gate, alert).is_some()) {
            continue;
        }
        let message = Message {
            group: group_key(chosen.route, chosen.position, &facts),
            ..Message::one(alert.clone(), wall_clock())
        };
        _ = writeln!(text, "\n{name} ({}) sends", configured.kind);
        for line in scrub(&sink.preview(&message)).lines() {
            _ = writeln!(text, "  {line}");
        }
    }
    text
}
