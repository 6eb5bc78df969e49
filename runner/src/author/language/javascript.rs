//! JavaScript: componentize-qjs, which puts QuickJS and the rule into one
//! component. SpiderMonkey's is seven times as large, compiles for seven times
//! as long, and its detectors are no faster.

use super::{Step, Template, Tool, chosen};
use crate::author::programs;
use crate::author::project::Project;

/// The variable that names another componentize-qjs.
const VARIABLE: &str = "RUNWATCH_COMPONENTIZE_QJS";
/// Where the tool writes the component to.
const BUILT: &str = "built.wasm";

pub(super) fn templates() -> Vec<Template> {
    vec![
        Template {
            path: "package.json",
            text: include_str!("../templates/js/package.json"),
        },
        Template {
            path: "detector.js",
            text: include_str!("../templates/js/detector.js"),
        },
        Template {
            path: "component.js",
            text: include_str!("../templates/js/component.js"),
        },
        Template {
            path: "runwatch.js",
            text: include_str!("../templates/js/runwatch.js"),
        },
    ]
}

pub(super) fn tools(project: Option<&Project>) -> Vec<Tool> {
    let componentize = Tool {
        name: "componentize-qjs",
        purpose: "makes the component",
        // It has no `--version`.
        found: componentizer(project).answers("--help"),
        // The version stands in `package.json`.
        install: "npm install".to_owned(),
    };
    let part = |name, purpose| Tool {
        name,
        purpose,
        found: programs::version(&[name, "--version"]),
        install: "apt-get install nodejs npm, or see https://nodejs.org (version 18 or newer)"
            .to_owned(),
    };
    // What only installs or runs it is not asked for once it runs.
    if componentize.found.is_ok() {
        return vec![componentize];
    }
    vec![
        part("node", "runs componentize-qjs"),
        part("npm", "installs componentize-qjs"),
        componentize,
    ]
}

pub(super) fn steps(project: &Project) -> Vec<Step> {
    let componentize = componentizer(Some(project)).command;
    let command = [
        componentize.as_str(),
        // Without the component model's async, which runwatch has no use for.
        "--sync",
        // Nothing of WASI is there: what the rule prints goes into the log.
        "--stub-wasi",
        "--wit",
        "wit",
        "--world",
        "detector-component",
        // The glue, which imports the rule.
        "--js",
        "component.js",
        "--module-root",
        ".",
        "--output",
        BUILT,
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
        "node_modules/.bin/componentize-qjs",
        "componentize-qjs",
    )
}
