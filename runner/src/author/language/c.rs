//! C: clang makes a core module, and runwatch a component of it.

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
