//! What to do about errors that tools are known for.

/// What a tool's output contains, and what to do about it.
const KNOWN: &[(&str, &str)] = &[
    (
        "can't find crate for `core`",
        "Rust's WebAssembly target is missing: rustup target add wasm32-wasip2",
    ),
    (
        "can't find crate for `std`",
        "Rust's WebAssembly target is missing: rustup target add wasm32-wasip2",
    ),
    (
        "target may not be installed",
        "Rust's WebAssembly target is missing: rustup target add wasm32-wasip2",
    ),
    (
        "failed to download",
        "cargo needs the network once, for the crates that Cargo.lock names; \
         with a network, `cargo fetch` gets them",
    ),
    (
        "no matching package named",
        "cargo needs the network once, for the crates that Cargo.lock names; \
         with a network, `cargo fetch` gets them",
    ),
    (
        "libclang_rt.builtins-wasm32",
        "clang's own library for WebAssembly is missing: \
         apt-get install libclang-rt-dev-wasm32",
    ),
    (
        "crt1-reactor.o",
        "the C library for WebAssembly is missing: apt-get install wasi-libc",
    ),
    (
        "'stdlib.h' file not found",
        "the C library for WebAssembly is missing: apt-get install wasi-libc",
    ),
    (
        "wasm-ld\" doesn't exist",
        "the linker for WebAssembly is missing: apt-get install lld",
    ),
    (
        "unable to create target: 'No available targets",
        "this clang was built without WebAssembly: \
         apt-get install clang lld wasi-libc libclang-rt-dev-wasm32, or: pip install ziglang",
    ),
    (
        "wasi_snapshot_preview1",
        "the function that the message names needs files, the environment or a clock, and a \
         detector has none; time comes with the rows",
    ),
];

/// What to do about the first known error in a tool's output.
#[must_use]
pub fn explain(output: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(error, _)| output.contains(error));
    known.map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_are_known_for_is_explained() {
        let clang = "wasm-ld: error: cannot open crt1-reactor.o: No such file or directory";
        assert!(explain(clang).is_some_and(|it| it.contains("wasi-libc")));
        let rustc = "error[E0463]: can't find crate for `core`\n  = note: the `wasm32-wasip2` \
                     target may not be installed";
        assert!(explain(rustc).is_some_and(|it| it.contains("rustup target add")));
        assert_eq!(explain("error: expected `;`, found `}`"), None);
    }
}
