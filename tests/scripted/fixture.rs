//! Builds detectors in Python and JavaScript, as a user's project is built:
//! from the templates of a new one, with another rule.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use runwatch::author::language::{Language, Step};
use runwatch::author::project::Project;
use runwatch::sandbox::cache::Cache;
use runwatch::sandbox::{Component, Engine, Limits};

/// A rule to be put into a project.
pub(crate) struct Rule {
    pub(crate) language: Language,
    /// The name of the fixture.
    pub(crate) name: &'static str,
    /// The file that the rule takes the place of, and its text.
    pub(crate) file: (&'static str, &'static str),
}

pub(crate) const PYTHON: Rule = Rule {
    language: Language::Python,
    name: "hostile-python",
    file: ("app.py", include_str!("../hostile/python/app.py")),
};

pub(crate) const JAVASCRIPT: Rule = Rule {
    language: Language::JavaScript,
    name: "hostile-js",
    file: ("detector.js", include_str!("../hostile/js/detector.js")),
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("scripted")
}

/// Where compiled code is kept, for the library and for the binary: compiling
/// CPython takes long.
pub(crate) fn cache_home() -> PathBuf {
    folder().join("cache")
}

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().expect("this machine runs WebAssembly"))
}

/// Loads a rule's component; none, and it says so, where a tool is missing.
pub(crate) fn load(rule: &Rule, open: bool, limits: &Limits) -> Option<Component> {
    let bytes = std::fs::read(build(rule, open)?).expect("it was built");
    static ONE_COMPILES: Mutex<()> = Mutex::new(());
    let _turn = ONE_COMPILES.lock();
    let cache = Cache::at(&cache_home().join("runwatch"));
    Some(Component::load(engine(), &cache, limits, &bytes).expect("the fixture loads"))
}

/// Builds a rule, unless that was done with the same sources; with `open`, so
/// that what it imports of WASI is not replaced by stubs.
pub(crate) fn build(rule: &Rule, open: bool) -> Option<PathBuf> {
    static ONE_BUILDS: Mutex<()> = Mutex::new(());
    let _turn = ONE_BUILDS.lock();
    for tool in rule.language.tools(None) {
        if let Err(why) = tool.found {
            eprintln!("skipped: {} for {}: {why}", tool.name, rule.name);
            return None;
        }
    }
    let name = format!("{}{}", rule.name, if open { "-open" } else { "" });
    let folder = folder().join(&name);
    let (component, stamp) = (folder.join("component.wasm"), folder.join("sources"));
    let commands = commands(rule, &folder, open);
    let sources = sources(rule);
    let digest = format!("{commands:?}\n{sources:?}");
    if component.exists() && std::fs::read_to_string(&stamp).is_ok_and(|it| it == digest) {
        return Some(component);
    }
    for (path, text) in sources {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    // Not valid until all is done.
    std::fs::write(&stamp, "").expect("a file");
    for command in commands {
        run(&command, &folder);
    }
    std::fs::rename(folder.join("built.wasm"), &component).expect("the tool wrote it");
    std::fs::write(&stamp, digest).expect("a file");
    Some(component)
}

fn sources(rule: &Rule) -> Vec<(&'static str, String)> {
    let contract = include_str!("../../wit/v0.1/detector.wit");
    let mut sources = vec![("wit/detector.wit", contract.to_owned())];
    for template in rule.language.templates() {
        let text = template.text.replace("{{name}}", rule.name);
        sources.push((template.path, text));
    }
    let (file, text) = rule.file;
    let place = sources.iter_mut().find(|(path, _)| *path == file);
    place.expect("the template has a rule").1 = text.to_owned();
    sources
}

fn commands(rule: &Rule, folder: &Path, open: bool) -> Vec<Vec<String>> {
    let project = Project {
        folder: folder.to_owned(),
        name: rule.name.to_owned(),
        language: rule.language,
        tests: Default::default(),
    };
    let steps = rule.language.steps(&project).into_iter();
    let commands = steps.filter_map(|step| match step {
        Step::Run(command) => Some(command),
        _ => None,
    });
    let kept = |word: &String| !open || word != "--stub-wasi";
    commands
        .map(|command| command.into_iter().filter(kept).collect())
        .collect()
}

fn run(command: &[String], folder: &Path) {
    let output = Command::new(&command[0])
        .args(&command[1..])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the tool starts");
    assert!(output.status.success(), "{command:?} failed: {output:?}");
}
