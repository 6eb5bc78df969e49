//! `detector build`: from a new project to a component that loads, and what it
//! says when it does not.

use super::{Project, has_clang};
use crate::support::Test;

#[test]
fn a_rust_project_builds_and_a_mistake_is_shown() {
    let project = Project::new("rusty", "rust");
    let built = project.command("detector build").any_stdout().run();
    let text = built.text();
    for part in [
        "\n$ cargo build --quiet --release --target wasm32-wasip2\n",
        "virtual  wasi:cli/exit@0.2",
        " KiB at start\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.ends_with("rusty.wasm is rusty 0.1.0; next: runwatch detector test\n"));
    let component = std::fs::read(project.path().join("rusty.wasm")).unwrap();

    // Names that differ.
    project.edit(
        "src/lib.rs",
        "            \"rusty\",",
        "            \"other\",",
    );
    project
        .command("detector build")
        .any_stdout()
        .code(3)
        .stderr(
            "error: the component calls itself `other`, and `detector.toml` says `rusty`\n\
             hint: write the same name in both places\n",
        )
        .run();

    // A slip.
    project.edit(
        "src/lib.rs",
        "if !point.value.is_finite() {",
        "if !point.valu.is_finite() {",
    );
    let failed = project
        .command("detector build")
        .any_stdout()
        .code(3)
        .stderr("error: `cargo` failed (exit status: 101)\n")
        .run();
    let text = failed.text();
    assert!(text.contains("no field `valu` on type"), "{text}");
    // The component that worked is still there.
    assert!(component == std::fs::read(project.path().join("rusty.wasm")).unwrap());
}

#[test]
fn a_c_project_builds_without_wasi_and_prints_to_the_log() {
    if !has_clang() {
        return;
    }
    let project = Project::new("plain", "c");
    project.edit(
        "detector.c",
        "    (void)run;\n",
        "    (void)run;\n    printf(\"times is %u\\n\", (unsigned)monitor->times);\n",
    );
    let built = project.command("detector build").any_stdout().run();
    let text = built.text();
    assert!(text.contains("\n$ clang --target=wasm32-wasi "), "{text}");
    assert!(!text.contains("wasi:"), "{text}");
    assert!(text.ends_with("plain.wasm is plain 0.1.0; next: runwatch detector test\n"));

    project.edit(
        "detector.c",
        "    return NULL;\n}\n",
        "    return time(NULL) ? NULL : \"\";\n}\n",
    );
    project.edit(
        "runwatch.h",
        "#include <string.h>\n",
        "#include <string.h>\n#include <time.h>\n",
    );
    let failed = project
        .command("detector build")
        .any_stdout()
        .any_stderr()
        .code(3)
        .run();
    for part in [
        "wasi_snapshot_preview1::clock_time_get",
        "hint: the function that",
    ] {
        assert!(failed.stderr.contains(part), "{}", failed.stderr);
    }
}

#[test]
fn without_a_project_or_tools_it_says_so() {
    let output = Test::new("detector build").code(2).any_stderr().run();
    for part in ["detector.toml", "runwatch detector new my-rule"] {
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    let project = Project::new("toolless", "rust");
    Test::new("detector build")
        .argument(project.path())
        .env("PATH", "/nowhere")
        .code(3)
        .stderr(
            "error: `cargo` is missing (builds the detector): not found in PATH\n\
             hint: install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh\n\
             error: `wasm32-wasip2` is missing (Rust's WebAssembly target): no rustc to ask\n\
             hint: install it: rustup target add wasm32-wasip2\n",
        )
        .run();
}

#[test]
fn another_contract_is_noticed_and_no_harm() {
    if !has_clang() {
        return;
    }
    let project = Project::new("older", "c");
    project.edit(
        "wit/detector.wit",
        "/// The only import of ours.\n",
        "/// An older text.\n",
    );
    let built = project.command("detector build").any_stdout().run();
    let text = built.text();
    assert!(
        text.contains("wit/detector.wit is not the contract"),
        "{text}"
    );
}
