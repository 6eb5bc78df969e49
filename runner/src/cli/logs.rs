//! The logs behind a path on the command line, for the subcommands that read
//! them to their end.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};

use super::output::{count, say};
use crate::decode::Decoder;
use crate::input::find::may_be_log;
use crate::input::naming::{Named, Naming};
use crate::input::open::each_log;

/// Shows each log of an input to `log`: the whole input, or the members of the
/// archive that it is. A member that is no log by its name has no path, and is
/// to be left out. `log` answers whether it wants more; `open` sees the file
/// first, unless the input is standard input.
///
/// # Errors
/// When the input cannot be opened, or an archive is damaged between its members.
pub(super) fn each_of<R: Read + 'static>(
    path: &Path,
    open: impl FnOnce(File) -> R,
    log: &mut dyn FnMut(Option<&Path>, &mut dyn Read) -> bool,
) -> Result<()> {
    let shown = path.display();
    let mut from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot open `{shown}`"))?;
        Box::new(open(file))
    };
    let read = each_log(&mut from, &mut |member, bytes| match member {
        Some(member) if !may_be_log(Path::new(member)) => log(None, bytes),
        Some(member) => log(Some(&within(path, member)), bytes),
        None => log(Some(path), bytes),
    });
    read.with_context(|| format!("cannot read all of `{shown}`"))
}

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// Decodes a log to its end, or to where it breaks off. After each piece `take`
/// may have what was decoded, is told whether this is the end, and says whether
/// to go on.
pub(super) fn feed(
    decoder: &mut Decoder,
    bytes: &mut dyn Read,
    mut take: impl FnMut(&mut Decoder, bool) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match bytes.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        match &read {
            Ok(0) => decoder.finish(),
            Ok(len) => decoder.push(&buffer[..*len]),
            Err(_) => decoder.break_off(),
        }
        let end = !matches!(read, Ok(1..));
        let more = take(decoder, end)?;
        if end {
            return Ok(read.map(drop)?);
        }
        if !more {
            return Ok(());
        }
    }
}

/// The path of a member below its archive, whatever it calls itself.
fn within(archive: &Path, member: &str) -> PathBuf {
    let archive = if archive == Path::new("-") {
        Path::new("stdin")
    } else {
        archive
    };
    let parts = Path::new(member).components();
    let below = parts.filter(|part| matches!(part, Component::Normal(_)));
    archive.join(below.collect::<PathBuf>())
}

/// The name of a log in locations, and what its path says of it.
pub(super) fn names_of(path: &Path, naming: &mut Naming) -> (String, Named) {
    if path == Path::new("-") {
        let run = "default".to_owned();
        return ("stdin".to_owned(), Named { run, rank: None });
    }
    (path.to_string_lossy().into_owned(), naming.of(path))
}

/// Says how many files were left out, if any were.
pub(super) fn say_left_out(number: usize) {
    if number > 0 {
        let files = count(number as u64, "file", "files");
        say(&format!(
            "runwatch: {files} left out: hidden, or no log by the name"
        ));
    }
}
