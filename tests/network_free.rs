//! What a build without the feature `network` is made of.

#![allow(clippy::unwrap_used)]

use std::process::Command;

/// What opens connections, or encrypts them.
const NETWORK: &[&str] = &[
    "ureq",
    "lettre",
    "rustls",
    "ring",
    "aws-lc-rs",
    "socket2",
    "axum",
    "hyper",
    "tokio",
    "mio",
    "native-tls",
    "openssl",
    "openssl-sys",
    "h2",
    "reqwest",
    "quinn",
    "curl",
];

fn packages(features: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "runwatch",
            "-e",
            "normal",
            "--offline",
            "--prefix",
            "none",
        ])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

#[test]
fn no_package_for_the_network_is_left() {
    let of_the_network = |features: &[&str]| -> Vec<String> {
        let packages = packages(features);
        assert!(packages.iter().any(|package| package == "wasmtime"));
        let network = |package: &String| NETWORK.contains(&package.as_str());
        packages.into_iter().filter(network).collect()
    };
    assert_eq!(
        of_the_network(&["--no-default-features"]),
        Vec::<String>::new()
    );
    // That the names are right.
    assert!(of_the_network(&[]).len() > 3);
}
