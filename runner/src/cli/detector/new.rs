//! `runwatch detector new`: a project that builds and passes its tests.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args as ClapArgs;

use crate::author::create::create;
use crate::author::language::Language;
use crate::cli::Outcome;
use crate::cli::output::print;
use crate::describe::is_name;
use crate::exit::{Ending, Failure};
use crate::load::builtin_names;

/// Names that would be mistaken for something else: runwatch's own alerts have
/// the first, the SDK's crate the second.
const TAKEN: [&str; 2] = ["runwatch", "runwatch-detector"];

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct New {
    /// The detector's name: lower-case words joined by `-`
    name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,
    /// Where the project goes; a folder of its name if not given
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &New) -> Outcome {
    check_name(&args.name)?;
    let folder = args.dir.clone().unwrap_or_else(|| args.name.clone().into());
    check_folder(&folder)?;
    let written = create(&folder, &args.name, args.lang)
        .map_err(|error| Failure::new(Ending::Usage, error))?;
    print(&told(&folder, args.lang, &written));
    Ok(Ending::Fine)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let wrong = |error, hint: String| Err(Failure::new(Ending::Usage, error).hint(hint));
    if !is_name(name, "-") || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        let better = better(name);
        return wrong(
            anyhow!(
                "`{name}` cannot be a detector's name: that is lower-case words joined by `-`, \
                 and begins with a letter"
            ),
            format!("`{better}`, for example"),
        );
    }
    if builtin_names().contains(&name) || TAKEN.contains(&name) {
        return wrong(
            anyhow!("`{name}` is the name of something that comes with runwatch"),
            format!("`my-{name}`, for example"),
        );
    }
    Ok(())
}

/// The nearest name that will do.
fn better(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    if is_name(name, "-") { name } else { "my-rule" }.to_owned()
}

fn check_folder(folder: &Path) -> Result<(), Failure> {
    let is_free = match folder.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    };
    if is_free {
        return Ok(());
    }
    let error = anyhow!("`{}` is there already", folder.display());
    Err(Failure::new(Ending::Usage, error)
        .hint("take another name, or another folder with `--dir`"))
}

fn told(folder: &Path, language: Language, written: &[PathBuf]) -> String {
    let mut text = format!("{}: a detector in {}\n", folder.display(), language.name());
    // The SDK's files are one thing to its reader.
    let (sdk, own): (Vec<_>, Vec<_>) = written.iter().partition(|path| path.starts_with("sdk"));
    for path in own {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}", path.display());
    }
    if !sdk.is_empty() {
        let _ = writeln!(text, "  sdk/ ({} files)", sdk.len());
    }
    let _ = write!(
        text,
        "\nnext:\n  cd {}\n  runwatch detector doctor   # what is missing, and what installs it\n  \
         runwatch detector build\n  runwatch detector test\n",
        folder.display()
    );
    text
}
