//! Looks for programs, and asks them for their version.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a program is: in `PATH`, or, if its name has a `/`, there.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let is_program = |path: &Path| path.is_file();
    if program.contains('/') {
        let path = PathBuf::from(program);
        return is_program(&path).then_some(path);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
}

/// What a command prints, if it succeeds.
#[must_use]
pub fn output(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(find(program)?).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// The first line of what a command prints, such as its version.
///
/// # Errors
/// Says that it is not there, or does not run.
pub fn version(command: &[&str]) -> Result<String, String> {
    let program = command.first().copied().unwrap_or_default();
    if find(program).is_none() {
        return Err("not found in PATH".to_owned());
    }
    let output = output(command).ok_or_else(|| format!("`{}` fails", command.join(" ")))?;
    Ok(output.lines().next().unwrap_or_default().to_owned())
}
