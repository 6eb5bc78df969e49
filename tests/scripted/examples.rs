//! The worked examples in `examples/` are projects as `runwatch detector new`
//! makes them: what is the same in every project is the same in them.
//!
//! After a change of an SDK: `RUNWATCH_BLESS=1 cargo test -p runwatch --test scripted examples`.

use std::path::{Path, PathBuf};

use runwatch::author::project::Project;

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let entries = std::fs::read_dir(folder).expect("there are examples");
    let folders = entries.map(|entry| entry.expect("it can be read").path());
    folders.filter(|path| path.is_dir()).collect()
}

/// What a project has from runwatch and its author does not touch.
fn shared(project: &Project) -> Vec<(&'static str, &'static str)> {
    let contract = include_str!("../../wit/v0.1/detector.wit");
    let templates = project.language.templates().into_iter();
    let files = templates
        // With something to fill in, it is the author's.
        .filter(|template| !template.text.contains("{{"))
        .map(|template| (template.path, template.text));
    files.chain([("wit/detector.wit", contract)]).collect()
}

#[test]
fn examples_have_the_files_of_a_new_project() {
    let bless = std::env::var_os("RUNWATCH_BLESS").is_some();
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    for folder in examples {
        let project = Project::open(&folder).expect("it is a project");
        assert!(folder.ends_with(&project.name), "{}", project.name);
        for (path, text) in shared(&project) {
            let file = folder.join(path);
            if bless {
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                std::fs::write(&file, text).expect("a file");
            }
            let copy = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(copy == text, "{} differs from the template", file.display());
        }
    }
}
