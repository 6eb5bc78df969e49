//! JSON on standard output: one document for programs that read one, or an
//! object a line for those that read a stream. Both are strict.

use anyhow::anyhow;
use clap::Args;
use serde::{Serialize, Serializer};

use crate::exit::{Ending, Failure};

/// Which form the answer has; neither flag: a table.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Form {
    /// One JSON document, in the shape that Trackio gives to it
    #[arg(long, conflicts_with = "json_lines")]
    pub(super) json: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(super) json_lines: bool,
}

/// One JSON document for what has no other form than that and a table.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Json {
    /// One JSON document, in the shape that Trackio gives to it
    #[arg(long)]
    pub(super) json: bool,
}

/// A document, indented by two blanks.
pub(super) fn document(it: &impl Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(it).map_err(|error| unwritable(&error))?;
    Ok(format!("{json}\n"))
}

/// An object on a line.
pub(super) fn line(it: &impl Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string(it).map_err(|error| unwritable(&error))?;
    Ok(format!("{json}\n"))
}

/// Objects, each on a line.
pub(super) fn lines<T: Serialize>(of: &[T]) -> Result<String, Failure> {
    of.iter().map(line).collect()
}

/// Names and values as an object, in this order.
pub(super) struct Object<'a, T>(pub(super) &'a [(String, T)]);

impl<T: Serialize> Serialize for Object<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{error}"))
}
