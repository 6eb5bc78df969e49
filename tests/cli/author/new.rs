//! `detector new`: what it writes, and what it refuses.

use super::Project;
use crate::support::Test;

#[test]
fn a_project_is_written_and_the_next_commands_are_named() {
    let output = Test::new("detector new my-rule --lang c")
        .stdout(
            "my-rule: a detector in c\n  \
               detector.toml\n  \
               README.md\n  \
               runwatch.toml\n  \
               .gitignore\n  \
               wit/detector.wit\n  \
               tests/rising/input.log\n  \
               tests/rising/expected.jsonl\n  \
               tests/healthy/input.log\n  \
               tests/healthy/expected.jsonl\n  \
               tests/parameters/input.log\n  \
               tests/parameters/expected.jsonl\n  \
               tests/parameters/config.toml\n  \
               detector.c\n  \
               runwatch.h\n\
             \n\
             next:\n  \
               cd my-rule\n  \
               runwatch detector doctor   # what is missing, and what installs it\n  \
               runwatch detector build\n  \
               runwatch detector test\n",
        )
        .run();
    let read = |file: &str| {
        let file = output.folder.path().join("my-rule").join(file);
        std::fs::read_to_string(file).unwrap()
    };
    assert!(read("detector.toml").contains("name = \"my-rule\"\nlanguage = \"c\"\n"));
    assert!(read("runwatch.toml").contains("[detectors.my-rule]\nsource = \"my-rule.wasm\"\n"));
    let contract = include_str!("../../../wit/v0.1/detector.wit");
    assert_eq!(read("wit/detector.wit"), contract);
}

#[test]
fn in_every_language_the_readme_is_one_screen_and_nothing_is_left_open() {
    for language in ["rust", "python", "js", "c"] {
        let project = Project::new("my-rule", language);
        let readme = project.read("README.md");
        assert!(readme.lines().count() <= 40, "{readme}");
        for file in walkdir::WalkDir::new(project.path()) {
            let file = file.unwrap();
            if file.file_type().is_file() {
                let text = std::fs::read_to_string(file.path()).unwrap();
                for mark in ["{{name}}", "{{identifier}}", "{{language", "{{files}}"] {
                    assert!(!text.contains(mark), "{}", file.path().display());
                }
            }
        }
    }
}

#[test]
fn names_that_would_be_trouble_are_refused() {
    Test::new("detector new My_Rule --lang rust")
        .code(2)
        .stderr(
            "error: `My_Rule` cannot be a detector's name: that is lower-case words joined by \
             `-`, and begins with a letter\nhint: `my-rule`, for example\n",
        )
        .run();
    Test::new("detector new loss-spike --lang rust")
        .code(2)
        .stderr(
            "error: `loss-spike` is the name of something that comes with runwatch\n\
             hint: `my-loss-spike`, for example\n",
        )
        .run();
    for name in ["runwatch", "runwatch-detector", "3-times", "../up", "a--b"] {
        Test::new(&format!("detector new {name} --lang c"))
            .code(2)
            .any_stderr()
            .run();
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let output = Test::new("detector new my-rule --lang c")
        .file("my-rule/thesis.tex", "years of work")
        .code(2)
        .stderr(
            "error: `my-rule` is there already\n\
             hint: take another name, or another folder with `--dir`\n",
        )
        .run();
    let entries = std::fs::read_dir(output.folder.path().join("my-rule"));
    assert_eq!(entries.unwrap().count(), 1);
}
