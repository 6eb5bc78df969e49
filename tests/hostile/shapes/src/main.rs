//! Reads WIT from standard input and writes a component to standard output
//! that has the imports and exports of its only world, and traps whatever is
//! called. So the tests get detectors of contracts that do not exist.

use std::io::{Read, Write};

use anyhow::Result;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

fn main() -> Result<()> {
    let mut wit = String::new();
    std::io::stdin().read_to_string(&mut wit)?;
    let mut resolve = Resolve::default();
    let package = resolve.push_str("stdin.wit", &wit)?;
    let world = resolve.select_world(&[package], None)?;
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut module = dummy_module(&resolve, world, abi);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().module(&module)?.encode()?;
    std::io::stdout().write_all(&component)?;
    Ok(())
}
