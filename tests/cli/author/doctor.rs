//! `detector doctor`: what is missing, with the command that installs it.

use super::{Project, has_clang, with_tools};
use crate::support::Test;

#[test]
fn with_nothing_there_everything_is_named_once() {
    let output = Test::new("detector doctor --lang c")
        .env("PATH", "/nowhere")
        .any_stdout()
        .code(3)
        .run();
    let text = output.text();
    let table = "language  tool                  which\n\
                 c         clang        MISSING  not found in PATH\n\
                 c         wasm-ld      MISSING  no clang to ask\n\
                 c         wasi-libc    MISSING  no clang to ask\n\
                 c         compiler-rt  MISSING  no clang to ask\n\
                 \n\
                 c\n  \
                   install: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32, or: pip \
                 install ziglang\n\
                 \n\
                 contract  runwatch:detector@0.1.0\n\
                 cache     ";
    assert!(text.starts_with(table), "{text}");
    assert!(text.ends_with(": compiled detectors are kept\n"), "{text}");

    // Without any language that can be built it fails as well.
    Test::new("detector doctor")
        .env("PATH", "/nowhere")
        .any_stdout()
        .code(3)
        .run();
}

#[test]
fn what_is_there_is_ready() {
    let rust = with_tools(Test::new("detector doctor --lang rust"))
        .any_stdout()
        .run();
    let text = rust.text();
    assert!(
        text.contains("\nrust      cargo          ok  cargo 1."),
        "{text}"
    );
    assert!(
        text.contains("\nrust\n  ready: runwatch detector build\n"),
        "{text}"
    );
    if has_clang() {
        with_tools(Test::new("detector doctor --lang c"))
            .any_stdout()
            .run();
    }
}

#[test]
fn a_project_is_looked_at_with_its_contract() {
    let project = Project::new("my-rule", "rust");
    let told = |expected: &str| {
        let output = project.command("detector doctor").any_stdout().run();
        let text = output.text();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("clang"), "{text}");
    };
    told("contract  runwatch:detector@0.1.0; wit/detector.wit is the same\n");
    project.edit("wit/detector.wit", "/// The only import of ours.\n", "");
    told("; wit/detector.wit differs from it");
    std::fs::remove_file(project.path().join("wit/detector.wit")).unwrap();
    told("; wit/detector.wit is MISSING");
}

#[test]
fn a_cache_that_cannot_be_used_is_said() {
    let output = with_tools(Test::new("detector doctor --lang rust"))
        .file("cache", "a file where a folder should be")
        .env("XDG_CACHE_HOME", "relative/is/ignored")
        .env("HOME", "/dev/null")
        .any_stdout()
        .run();
    assert!(
        output.text().contains("cache     NOT USABLE: "),
        "{}",
        output.text()
    );
}
