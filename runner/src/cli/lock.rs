//! `runwatch lock`: writes down which files the detectors of one's own are.

use clap::Args as ClapArgs;

use super::Outcome;
use super::options::Configured;
use super::output::{count, print, say};
use crate::exit::{Ending, Failure};
use crate::load::Loader;
use crate::lock::{self, Lock, Locked};

/// Write down which files your own detectors are, for `--locked`
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    configured: Configured,
}

pub(super) fn run(args: &Args) -> Outcome {
    let loaded = args.configured.load()?;
    let path = lock::path(&loaded);
    let before = Lock::read(&path)
        .map_err(|error| Failure::new(Ending::Usage, error).hint("remove it and lock again"))?
        .unwrap_or_default();
    let failed = |error| Failure::new(Ending::Detector, error);
    let loader = Loader::new().map_err(failed)?;
    let own = loaded.config.detectors.iter();
    let own = own.filter(|detector| detector.enabled && detector.path.is_some());
    let mut now = Vec::new();
    for detector in own {
        let component = loader.detector(&loaded.config, detector).map_err(failed)?;
        now.push(Locked::now(detector, &component));
    }
    for locked in &now {
        print(&line(locked, before.get(&locked.name)));
    }
    for gone in before.detectors() {
        if !now.iter().any(|locked| locked.name == gone.name) {
            print(&format!("{}  no longer there\n", gone.name));
        }
    }
    let number = now.len() as u64;
    Lock::new(now)
        .write(&path)
        .map_err(|error| error.context(format!("cannot write `{}`", path.display())))
        .map_err(|error| Failure::new(Ending::Usage, error))?;
    say(&format!(
        "wrote `{}`: {}",
        path.display(),
        count(number, "detector of your own", "detectors of your own")
    ));
    Ok(Ending::Fine)
}

fn line(locked: &Locked, before: Option<&Locked>) -> String {
    let news = match before {
        None => "new".to_owned(),
        Some(before) if before.sha256 == locked.sha256 => "as before".to_owned(),
        Some(before) => format!("changed, was {} of {}", short(before), before.version),
    };
    let Locked { name, version, .. } = locked;
    format!("{name}  {version}  {}  {news}\n", short(locked))
}

/// Enough of a digest to tell two files apart by eye.
fn short(locked: &Locked) -> &str {
    locked.sha256.get(..12).unwrap_or(&locked.sha256)
}
