//! Rust: cargo and the SDK, which a project has its own copy of.

use super::{Step, Template, Tool};
use crate::author::project::Project;

pub(super) fn templates() -> Vec<Template> {
    Vec::new()
}

pub(super) fn tools() -> Vec<Tool> {
    Vec::new()
}

pub(super) fn steps(_project: &Project) -> Vec<Step> {
    Vec::new()
}
