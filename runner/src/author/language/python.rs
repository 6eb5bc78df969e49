//! Python: componentize-py, which puts CPython and the rule into one component.

use super::{Step, Template, Tool, chosen};
use crate::author::programs;
use crate::author::project::Project;

/// The version that the templates were tried with.
const VERSION: &str = "0.25.1";
/// The variable that names another componentize-py.
const VARIABLE: &str = "RUNWATCH_COMPONENTIZE_PY";
/// Where the tool writes the component to.
const BUILT: &str = "built.wasm";

pub(super) fn templates() -> Vec<Template> {
    vec![
        Template {
            path: "app.py",
            text: include_str!("../templates/python/app.py"),
        },
        Template {
            path: "detector.py",
            text: include_str!("../templates/python/detector.py"),
        },
        Template {
            path: "runwatch_detector.py",
            text: include_str!("../templates/python/runwatch_detector.py"),
        },
    ]
}

pub(super) fn tools(project: Option<&Project>) -> Vec<Tool> {
    let componentize = Tool {
        name: "componentize-py",
        purpose: "makes the component",
        found: componentizer(project).answers("--version"),
        install: format!(
            "python3 -m venv .venv && .venv/bin/pip install componentize-py=={VERSION}"
        ),
    };
    let python = Tool {
        name: "python3",
        purpose: "installs componentize-py",
        found: programs::version(&["python3", "--version"]),
        install: "apt-get install python3 python3-venv, or see https://www.python.org".to_owned(),
    };
    // What only installs it is not asked for once it is there.
    if componentize.found.is_ok() {
        return vec![componentize];
    }
    vec![python, componentize]
}

pub(super) fn steps(project: &Project) -> Vec<Step> {
    let componentize = componentizer(Some(project)).command;
    let command = [
        componentize.as_str(),
        "--wit-path",
        "wit",
        "--world",
        "detector-component",
        "componentize",
        // Nothing of WASI is there: what the rule prints goes into the log.
        "--stub-wasi",
        "--output",
        BUILT,
        // The glue, which imports the rule.
        "detector",
    ];
    vec![
        Step::Run(command.map(str::to_owned).to_vec()),
        Step::Take { from: BUILT.into() },
    ]
}

fn componentizer(project: Option<&Project>) -> chosen::Program {
    chosen::program(
        VARIABLE,
        project,
        ".venv/bin/componentize-py",
        "componentize-py",
    )
}
