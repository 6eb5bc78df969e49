//! Python: componentize-py.

use super::{Step, Template, Tool};
use crate::author::project::Project;

pub(super) fn templates() -> Vec<Template> {
    Vec::new()
}

pub(super) fn tools(_project: Option<&Project>) -> Vec<Tool> {
    Vec::new()
}

pub(super) fn steps(_project: &Project) -> Vec<Step> {
    Vec::new()
}
