//! The documents say what the program does.
//!
//! What can be generated is generated: `RUNWATCH_BLESS=1 cargo test --test
//! documents` writes it anew between its markers, and without the variable a
//! difference fails. The walk-through for detector authors is built and run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use runwatch::describe::Description;
use runwatch::exit;
use runwatch::load::BUILTIN;
use runwatch::sandbox::cache::Cache;
use runwatch::sandbox::{Component, Engine, Limits};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares what stands between `<!-- begin PART -->` and `<!-- end PART -->`
/// with what should, or writes it.
fn generated(name: &str, part: &str, expected: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _turn = WRITING.lock();
    let text = document(name);
    let (begin, end) = (
        format!("<!-- begin {part} -->\n"),
        format!("<!-- end {part} -->"),
    );
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{name} has no part `{part}`"));
    let (found, after) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("the part `{part}` of {name} has no end"));
    if found == expected {
        return;
    }
    if std::env::var_os("RUNWATCH_BLESS").is_some() {
        let text = format!("{before}{begin}{expected}{end}{after}");
        fs::write(root().join(name), text).expect("the document can be written");
        return;
    }
    panic!(
        "the part `{part}` of {name} is out of date; it should be\n{expected}\n\
         hint: RUNWATCH_BLESS=1 cargo test -p runwatch --test documents"
    );
}

/// What the built-in detectors say of themselves.
fn descriptions() -> Vec<Description> {
    let engine = Engine::new().expect("this machine runs WebAssembly");
    let load = |(name, bytes): &(&str, &[u8])| {
        Component::load(&engine, &Cache::none(), &Limits::default(), bytes)
            .unwrap_or_else(|error| panic!("{name}: {error:#}"))
            .description
    };
    BUILTIN.iter().map(load).collect()
}

/// The program, away from the user's own configuration.
fn runwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runwatch"));
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env("XDG_CONFIG_HOME", own.join("no-config"))
        .env_remove("RUNWATCH_CONFIG")
        .env_remove("RUNWATCH_PROJECT")
        .env_remove("RUNWATCH_RUN")
        .current_dir(root());
    command
}

/// What a command prints: standard output, then standard error. It must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    out + &err
}

/// The first fenced block of a language.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let (_, rest) = text
        .split_once(&fence)
        .unwrap_or_else(|| panic!("there is no block of {language}"));
    rest.split_once("```").expect("the block ends").0
}

#[test]
fn the_readme_has_the_exit_codes() {
    let mut table = String::from("| code | meaning |\n|---|---|\n");
    for (code, meaning) in exit::TABLE {
        writeln!(table, "| {code} | {meaning} |").expect("a String");
    }
    generated("README.md", "exit-codes", &table);
}

#[test]
fn the_formats_are_listed() {
    let mut table =
        String::from("| format | printed by | for example | step |\n|---|---|---|---|\n");
    for about in runwatch::decode::formats() {
        let example = about.example.replace('|', "\\|").replace("\n", "`<br>`");
        let example = example.replace("``", "");
        writeln!(
            table,
            "| `{}` | {} | `{example}` | {} |",
            about.name, about.title, about.step
        )
        .expect("a String");
    }
    generated("docs/formats.md", "formats", &table);
}

#[test]
fn the_readme_shows_a_real_review() {
    let log = "docs/samples/gpt2-trainer.log";
    let shown = printed(runwatch().args(["review", log]));
    let expected = format!("```text\n$ runwatch review {log}\n{shown}```\n");
    generated("README.md", "review", &expected);
}

#[test]
fn the_contract_is_described() {
    let mut reference = runwatch::author::reference::contract().expect("the contract is WIT");
    reference.push('\n');
    generated("docs/writing-detectors.md", "contract", &reference);
}

#[test]
fn the_detectors_are_described() {
    let mut table = String::from("| detector | finds |\n|---|---|\n");
    for description in descriptions() {
        let (name, summary) = (&description.name, &description.summary);
        writeln!(
            table,
            "| [`{name}`](docs/detectors.md#{name}) | {summary} |"
        )
        .expect("a String");
    }
    generated("README.md", "detectors", &table);
    let reference = printed(runwatch().args(["detector", "docs"]));
    generated("docs/detectors.md", "detectors", &reference);
}

#[test]
fn the_sinks_are_described() {
    let reference = printed(runwatch().args(["sink", "docs"]));
    generated("docs/sinks.md", "sinks", &reference);
}

#[test]
fn the_example_of_a_configuration_is_valid() {
    let text = document("docs/configuration.md");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("runwatch.toml");
    fs::write(&file, block(&text, "toml")).expect("the example can be written");
    let said = printed(
        runwatch()
            .args(["config", "check", "--config"])
            .arg(&file)
            .current_dir(folder.path()),
    );
    assert!(said.contains(": fine, 25 detectors on"), "{said}");
}

#[test]
fn the_examples_of_presets_are_valid() {
    let text = document("docs/presets.md");
    let examples: Vec<_> = text.split("```toml\n").skip(1).collect();
    assert_eq!(examples.len(), 4);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("runwatch.toml");
    for example in examples {
        let (example, _) = example.split_once("```").expect("the block ends");
        fs::write(&file, example).expect("the example can be written");
        let said = printed(
            runwatch()
                .args(["config", "check", "--config"])
                .arg(&file)
                .current_dir(folder.path()),
        );
        assert!(said.contains(": fine, "), "{said}");
    }
}

/// The examples are files that `tests/training` runs.
#[test]
fn the_integrations_are_quoted() {
    let folder = root().join("docs/integrations");
    for entry in fs::read_dir(folder).expect("the examples") {
        let path = entry.expect("an example").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name").to_owned();
        let language = match name.rsplit('.').next() {
            // What the examples share to have something to train.
            _ if name == "tiny.py" || path.is_dir() => continue,
            Some("py") => "python",
            Some("sbatch") => "sh",
            Some("yaml") => "yaml",
            Some("service") => "ini",
            _ => "dockerfile",
        };
        let text = fs::read_to_string(&path).expect("an example");
        // What follows is there to run the example.
        let (shown, _) = text
            .split_once("\nif __name__ == ")
            .unwrap_or((text.as_str(), ""));
        let quoted = format!("```{language}\n{}\n```\n", shown.trim_end());
        generated("docs/integrations.md", &name, &quoted);
    }
}

/// The rules that a new project begins with are shown as they are.
#[test]
fn the_rules_of_new_projects_are_quoted() {
    use runwatch::author::language::Language;
    for (language, path, fence) in [
        (Language::Python, "app.py", "python"),
        (Language::Rust, "src/lib.rs", "rust,ignore"),
    ] {
        let templates = language.templates();
        let rule = templates.iter().find(|template| template.path == path);
        let rule = rule.expect("the rule is a template").text;
        let rule = rule.replace("{{name}}", "eval-stuck");
        generated(
            "docs/writing-detectors.md",
            &format!("rule {}", language.name()),
            &format!("```{fence}\n{rule}```\n"),
        );
    }
}

/// `.ci/run` begins with what the README tells its reader to begin with.
#[test]
fn ci_runs_the_command_of_the_readme() {
    let command = "cargo test --workspace";
    assert!(document("README.md").contains(&format!("\n{command}\n")));
    assert!(document(".ci/run").contains(command));
}
