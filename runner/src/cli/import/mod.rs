//! `runwatch import`: what was logged before runwatch watched, into the ledger.

mod database;
mod names;
mod tally;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;

use super::Outcome;
use super::delivery::Kept;
use super::logs::{self, names_of};
use super::options;
use super::output::say;
use crate::config::Config;
use crate::decode::{self, Decoder, Foreign, Interests, Tool};
use crate::deliver::owner;
use crate::deliver::post::wall_clock;
use crate::exit::{Ending, Failure};
use crate::input::find::Found;
use crate::input::naming::{Named, Naming};
use crate::ledger::Ledger;
use crate::ledger::history::Recorder;
use crate::names::Names;
use crate::pipeline::SEGMENT_ROWS;

use database::Database;
use names::Override;
use tally::Imported;

/// Put the metrics of logs into the ledger's history, and the alerts of other
/// tools with them
///
/// Reads what `review` reads and names runs as it does: logs, archives and
/// compressed files, and databases of rlwatch (metrics.db) and Trackio
/// (PROJECT.db), whose alerts come too. What was imported before is not
/// imported again. Nobody is told of imported alerts.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Logs and databases, folders of them, archives, patterns in quotes, or `-`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    kept: Kept,
}

/// Bytes by which a database and an export are told.
const HEAD: u64 = 4096;

pub(super) fn run(args: &Args) -> Outcome {
    let (config, ledger) = args.kept.open()?;
    let (project, run) = args.kept.named();
    let found = Found::all(&args.paths);
    let mut naming = Naming::with(&config.paths);
    naming.expect(found.files.iter().map(PathBuf::as_path));
    let mut import = Import {
        config: &config,
        ledger: Arc::new(ledger),
        naming,
        project,
        run,
        imported: Imported::default(),
        left_out: found.left_out,
        ending: Ending::Fine,
    };
    for text in found.problems {
        import.problem(anyhow!(text));
    }
    for path in &found.files {
        if let Err(error) = import.input(path) {
            import.problem(error);
        }
    }
    logs::say_left_out(import.left_out);
    let said = import.imported.text(&import.ledger);
    say(&format!("runwatch: {}", said.map_err(unreadable)?));
    Ok(import.ending)
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{error}"))
}

/// What is at work while the inputs are read one after the other.
struct Import<'a> {
    config: &'a Config,
    ledger: Arc<Ledger>,
    naming: Naming,
    /// As the command line has them.
    project: Option<&'a str>,
    run: Option<&'a str>,
    imported: Imported,
    left_out: usize,
    ending: Ending,
}

impl Import<'_> {
    /// Says what is wrong with an input; the others are still worth reading.
    fn problem(&mut self, error: anyhow::Error) {
        say(&Failure::new(Ending::Input, error).to_string());
        self.ending = Ending::Input;
    }

    /// Reads an input: a log, a database, or an archive of them.
    fn input(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut log = |log: Option<&Path>, bytes: &mut dyn Read| {
            match log.map(|log| self.log(log, bytes)) {
                Some(Ok(())) => {}
                Some(Err(error)) => self.problem(error),
                None => self.left_out += 1,
            }
            true
        };
        logs::each_of(path, |file| file, &mut log)
    }

    fn log(&mut self, path: &Path, bytes: &mut dyn Read) -> anyhow::Result<()> {
        let (input, named) = names_of(path, &mut self.naming);
        let mut head = Vec::new();
        let begun = bytes.take(HEAD).read_to_end(&mut head);
        begun.with_context(|| format!("cannot read `{input}`"))?;
        if !head.starts_with(database::MAGIC) {
            let project = self.config.project.clone();
            return self.metrics(&input, &named, project, (&head, bytes));
        }
        let database = Database::copy(path, &mut head.chain(bytes))
            .with_context(|| format!("cannot copy the database `{input}`"))?;
        let alerts = database.alerts();
        let project = match &alerts {
            Ok((Some(Tool::Trackio), _)) => database.project(),
            _ => None,
        };
        let project = project.unwrap_or_else(|| self.config.project.clone());
        let mut copy = File::open(database.path())?;
        let read = self.metrics(&input, &named, project.clone(), (&[], &mut copy));
        let (_, alerts) = alerts.with_context(|| format!("cannot read the alerts of `{input}`"))?;
        let project = self.project.unwrap_or(&project);
        let now = wall_clock();
        let ours = |alert: Foreign| {
            let own = alert.run.as_deref().unwrap_or(&named.run);
            let run = self.run.unwrap_or(own).to_owned();
            database::ours(alert, project, &run, now)
        };
        let alerts: Vec<_> = alerts.into_iter().map(ours).collect();
        let new = self.ledger.adopt(&alerts)?;
        self.imported.alerts(alerts.len(), &new);
        read
    }

    /// Reads the metrics of a log. What was read before it broke off stays.
    fn metrics(
        &mut self,
        input: &str,
        named: &Named,
        project: String,
        (head, bytes): (&[u8], &mut dyn Read),
    ) -> anyhow::Result<()> {
        let exported = names::is_export(head).then(|| Names::with(&self.config.names));
        let wanted = Arc::new(Interests::default().with_history());
        let mut decoder = Decoder::new(decode::Options {
            project,
            ..options::decoding_for(self.config, input, &named.run, named.rank, wanted)
        });
        let caps = options::caps(self.config);
        let recorder = Recorder::start(self.ledger.clone(), caps, owner::me(), wall_clock)
            .context("cannot start the thread of the history")?;
        let mut reading = Reading {
            recorder,
            renamed: Override::new(self.project, self.run),
            exported,
            imported: &mut self.imported,
            ledger: &self.ledger,
        };
        let read = logs::feed(&mut decoder, &mut head.chain(bytes), |decoder, end| {
            if end || decoder.rows() >= SEGMENT_ROWS {
                reading.hand_over(decoder)?;
            }
            Ok(true)
        });
        let lost = reading.recorder.close(true);
        let tally = decoder.tally();
        if let Some((line, problem)) = &tally.first_malformed {
            say(&format!("runwatch: {input}:{line}: {problem}"));
        }
        if tally.lines > 0 && tally.records + tally.evaluations == 0 {
            self.imported.empty(input);
        }
        if let Some((rows, why)) = lost {
            return Err(anyhow!(
                "{rows} records of `{input}` were not written: {why}"
            ));
        }
        read.with_context(|| format!("cannot import all of `{input}`"))
    }
}

/// An input on its way into the history.
struct Reading<'a> {
    recorder: Recorder,
    renamed: Override<'a>,
    /// It is what `runwatch export` wrote.
    exported: Option<Names>,
    imported: &'a mut Imported,
    ledger: &'a Ledger,
}

impl Reading<'_> {
    fn hand_over(&mut self, decoder: &mut Decoder) -> anyhow::Result<()> {
        let mut segment = decoder.take();
        self.renamed.apply(&mut segment)?;
        if let Some(names) = &self.exported {
            names::unwrap(&mut segment, names);
        }
        for batch in &segment.batches {
            if let Some(run) = segment.runs.get(batch.run as usize) {
                self.imported.before(run, self.ledger)?;
            }
        }
        if let Some(spent) = self.recorder.record(segment) {
            decoder.recycle(spent);
        }
        Ok(())
    }
}
