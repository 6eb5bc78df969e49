//! `runwatch silence`: what nobody wants to be told for a while.

use anyhow::anyhow;
use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;

use super::Outcome;
use super::delivery::Kept;
use super::output::{print, say};
use crate::alert::Severity;
use crate::config::units::parse_duration;
use crate::deliver::matcher::{Matcher, parse_all};
use crate::deliver::post::wall_clock;
use crate::deliver::silence::{Silence, Until, author, ceiling};
use crate::exit::{Ending, Failure};
use crate::ledger::{Ledger, LedgerError};

/// Keep alerts from being sent for a while; they are still shown and kept
///
/// A running watch that uses the same ledger heeds a silence at once. When the
/// silence ends and the trouble is still there, it is told. A silence mutes
/// warnings and infos; criticals only where its matchers or `--severity` say so.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Silence the alerts that all of these matchers mean
    Add(Add),
    /// List the silences
    List(List),
    /// End silences
    Remove(Remove),
}

#[derive(Debug, Clone, ClapArgs)]
struct Add {
    /// Which alerts: `detector=loss-spike`, `run=~exp-.*`; a bare word is a detector
    #[arg(required = true, value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Not before this time: `2026-11-22T18:00:00+01:00`
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    end: End,
    /// Why, for whoever wonders
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// The most severe alerts that it mutes
    #[arg(long, value_name = "SEVERITY", value_parser = super::delivery::severity)]
    severity: Option<Severity>,
    #[command(flatten)]
    kept: Kept,
}

#[derive(Debug, Clone, ClapArgs)]
#[group(required = true, multiple = false)]
struct End {
    /// For this long: `30m`, `2h`, `1d`
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<String>,
    /// Until this time: `2026-11-22T18:00:00+01:00`
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Until the run reaches this training step
    #[arg(long, value_name = "STEP")]
    until_step: Option<i64>,
    /// Until the trouble is over: an acknowledgement
    #[arg(long)]
    until_resolved: bool,
}

#[derive(Debug, Clone, ClapArgs)]
struct List {
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
    /// One silence per line as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kept: Kept,
}

#[derive(Debug, Clone, ClapArgs)]
struct Remove {
    /// The silences' ids, or how they begin
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    kept: Kept,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Add(add) => run_add(add),
        Command::List(list) => run_list(list),
        Command::Remove(remove) => run_remove(remove),
    }
}

fn run_add(args: &Add) -> Outcome {
    let (config, ledger) = args.kept.open()?;
    let mut matchers: Vec<Matcher> = Vec::new();
    for text in &args.matchers {
        let parsed = parse_all(text, &config.labels).map_err(|mistake| {
            let (message, column) = (mistake.message, mistake.column);
            let failure = wrong(&format!("`{text}`: {message} (character {column})"));
            match mistake.hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        matchers.extend(parsed);
    }
    let now = wall_clock();
    let begins = args.from.as_deref().map_or(Ok(now), time)?;
    let silence = Silence {
        id: Silence::fresh_id(),
        severity: args.severity.unwrap_or_else(|| ceiling(&matchers)),
        matchers,
        until: until(&args.end, now.max(begins))?,
        begins,
        comment: args.comment.clone(),
        author: author(),
        created: now,
    };
    silence
        .check(&config.labels)
        .map_err(|mistake| wrong(&mistake.to_string()))?;
    ledger
        .keep_silence(&silence)
        .map_err(|error| unusable(&error))?;
    say(&describe(&silence));
    print(&format!("{}\n", silence.id));
    Ok(Ending::Fine)
}

fn run_list(args: &List) -> Outcome {
    let (_, ledger) = args.kept.open()?;
    let now = wall_clock();
    let mut shown = 0;
    for (id, body) in ledger
        .silences(args.all)
        .map_err(|error| unusable(&error))?
    {
        let silence: Silence = serde_json::from_str(&body)
            .map_err(|error| wrong(&format!("the silence {id} cannot be read: {error}")))?;
        if silence.ended(now) && !args.all {
            continue;
        }
        shown += 1;
        if args.json {
            print(&format!("{body}\n"));
        } else {
            print(&format!("{id}  {}\n", describe(&silence)));
        }
    }
    if shown == 0 && !args.json {
        say("no silences");
    }
    Ok(Ending::Fine)
}

fn run_remove(args: &Remove) -> Outcome {
    let (_, ledger) = args.kept.open()?;
    for id in &args.ids {
        let id = meant(&ledger, id)?;
        let removed = ledger
            .remove_silence(&id, wall_clock())
            .map_err(|error| unusable(&error))?;
        for id in removed {
            say(&format!("ended {id}"));
        }
    }
    Ok(Ending::Fine)
}

/// The only silence whose id begins like this.
fn meant(ledger: &Ledger, begin: &str) -> Result<String, Failure> {
    let found = ledger
        .silences_named(begin)
        .map_err(|error| unusable(&error))?;
    let failed =
        |what: String| Err(wrong(&what).hint("`runwatch silence list` shows those that there are"));
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => failed(format!("there is no silence `{begin}`")),
        _ => failed(format!("several silences begin with `{begin}`")),
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{what}"))
}

fn unusable(error: &LedgerError) -> Failure {
    wrong(&error.0)
}

fn until(end: &End, now: i64) -> Result<Until, Failure> {
    if let Some(text) = &end.lasting {
        let lasting = parse_duration(text).ok_or_else(|| {
            wrong(&format!("`{text}` is no duration")).hint("write `30m` or `2h`")
        })?;
        let millis = i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX);
        return Ok(Until::Time(now.saturating_add(millis)));
    }
    if let Some(text) = &end.until {
        let end = time(text)?;
        if end <= now {
            return Err(wrong(&format!("`{text}` is over already")));
        }
        return Ok(Until::Time(end));
    }
    Ok(match end.until_step {
        Some(step) => Until::Step(step),
        None => Until::Resolved,
    })
}

/// A moment, in milliseconds since 1970.
fn time(text: &str) -> Result<i64, Failure> {
    let time: Timestamp = text.parse().map_err(|_| {
        wrong(&format!("`{text}` is no time"))
            .hint("write it with its offset: 2026-11-22T18:00:00+01:00, or …Z")
    })?;
    Ok(time.as_millisecond())
}

fn describe(silence: &Silence) -> String {
    let matchers: Vec<String> = silence.matchers.iter().map(Matcher::to_string).collect();
    let until = match silence.until {
        Until::Time(end) => {
            let time = Timestamp::from_millisecond(end).unwrap_or_default();
            match silence.ended(wall_clock()) {
                false => format!("until {time:.0}"),
                true => format!("ended {time:.0}"),
            }
        }
        Until::Step(step) => format!("until step {step}"),
        Until::Resolved => "until resolved".to_owned(),
    };
    let from = match Timestamp::from_millisecond(silence.begins) {
        Ok(begins) if silence.begins > wall_clock() => format!("from {begins:.0} "),
        _ => String::new(),
    };
    let severity = match silence.severity {
        Severity::Critical => "criticals too",
        Severity::Warning => "up to warnings",
        Severity::Info => "infos only",
    };
    let by = match silence.author.as_str() {
        "" => String::new(),
        author => format!(" ({author})"),
    };
    let comment = &silence.comment;
    format!(
        "{} {from}{until}, {severity}: {comment}{by}",
        matchers.join(",")
    )
}
