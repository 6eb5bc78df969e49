//! The only WASI a detector sees, on one screen.
//!
//! Language runtimes expect a world around them. This one is virtual: clocks
//! show the stream's time and stand still during a call, randomness is seeded
//! from run and detector, environment and arguments are empty, there are no
//! open files, standard input is closed, and what is written to standard
//! output or standard error goes to the runner's log. Waiting never waits:
//! a sleep in a host call is one that no deadline could interrupt.
//!
//! Whatever else a component imports (sockets, HTTP, the file system, things
//! that do not exist yet) is satisfied by a stub that ends the call with a
//! `denied-import` fault, so that the component loads and its user learns what
//! it asks for.
//!
//! `wasmtime-wasi` is not used: it brings tokio's network code into the binary
//! and really sleeps.

use std::fmt;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{Result, StoreContextMut};

use super::instance::Host;

/// A call of something that a detector has no right to.
#[derive(Debug)]
pub(super) struct Denied(String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "called {}, which detectors are denied", self.0)
    }
}

impl std::error::Error for Denied {}

/// The detector asked to end the process.
#[derive(Debug)]
pub(super) struct Exited;

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the detector called exit")
    }
}

impl std::error::Error for Exited {}

// Host-side types of WASI's resources. A resource is a number here; none owns
// anything.
struct IoError;
struct Pollable;
struct InputStream;
struct OutputStream;
struct TerminalInput;
struct TerminalOutput;
struct Forbidden;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Cx<'a> = StoreContextMut<'a, Host>;

/// Bytes that a guest may ask for at once from the random source.
const MAX_RANDOM: u64 = 64 << 10;
/// What `check-write` promises to take.
const WRITE_ROOM: u64 = 64 << 10;

fn resource<T: 'static>(instance: &mut LinkerInstance<'_, Host>, name: &str) -> Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

/// The version under which [`link`] defines what it defines. Any 0.2.x of a
/// guest finds it: the linker matches by semver.
const VERSION: &str = "0.2.6";

/// Links the virtual world.
pub(super) fn link(linker: &mut Linker<Host>) -> Result<()> {
    let mut at = linker.instance("wasi:io/error@0.2.6")?;
    resource::<IoError>(&mut at, "error")?;
    at.func_wrap(
        "[method]error.to-debug-string",
        |_: Cx, _: (Resource<IoError>,)| Ok((String::from("denied"),)),
    )?;

    let mut at = linker.instance("wasi:io/poll@0.2.6")?;
    resource::<Pollable>(&mut at, "pollable")?;
    at.func_wrap(
        "[method]pollable.ready",
        |_: Cx, _: (Resource<Pollable>,)| Ok((true,)),
    )?;
    at.func_wrap(
        "[method]pollable.block",
        |_: Cx, _: (Resource<Pollable>,)| Ok(()),
    )?;
    at.func_wrap("poll", |_: Cx, (list,): (Vec<Resource<Pollable>>,)| {
        Ok(((0..u32::try_from(list.len())?).collect::<Vec<u32>>(),))
    })?;

    let mut at = linker.instance("wasi:io/streams@0.2.6")?;
    resource::<IoError>(&mut at, "error")?;
    resource::<Pollable>(&mut at, "pollable")?;
    resource::<InputStream>(&mut at, "input-stream")?;
    resource::<OutputStream>(&mut at, "output-stream")?;
    for name in ["read", "blocking-read"] {
        let name = format!("[method]input-stream.{name}");
        at.func_wrap(&name, |_: Cx, _: (Resource<InputStream>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        let name = format!("[method]input-stream.{name}");
        at.func_wrap(&name, |_: Cx, _: (Resource<InputStream>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    at.func_wrap(
        "[method]input-stream.subscribe",
        |_: Cx, _: (Resource<InputStream>,)| Ok((Resource::<Pollable>::new_own(0),)),
    )?;
    at.func_wrap(
        "[method]output-stream.subscribe",
        |_: Cx, _: (Resource<OutputStream>,)| Ok((Resource::<Pollable>::new_own(0),)),
    )?;
    at.func_wrap(
        "[method]output-stream.check-write",
        |_: Cx, _: (Resource<OutputStream>,)| Ok((Ok::<u64, StreamError>(WRITE_ROOM),)),
    )?;
    for name in ["write", "blocking-write-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        at.func_wrap(
            &name,
            |mut cx: Cx, (_, bytes): (Resource<OutputStream>, Vec<u8>)| {
                cx.data_mut().output.write(&bytes);
                Ok((Ok::<(), StreamError>(()),))
            },
        )?;
    }
    for name in ["flush", "blocking-flush"] {
        let name = format!("[method]output-stream.{name}");
        at.func_wrap(&name, |_: Cx, _: (Resource<OutputStream>,)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        at.func_wrap(&name, |_: Cx, _: (Resource<OutputStream>, u64)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }

    let mut at = linker.instance("wasi:cli/environment@0.2.6")?;
    at.func_wrap("get-environment", |_: Cx, (): ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    at.func_wrap("get-arguments", |_: Cx, (): ()| Ok((Vec::<String>::new(),)))?;
    at.func_wrap("initial-cwd", |_: Cx, (): ()| Ok((None::<String>,)))?;

    let mut at = linker.instance("wasi:cli/exit@0.2.6")?;
    at.func_wrap(
        "exit",
        |_: Cx, _: (std::result::Result<(), ()>,)| -> Result<()> {
            Err(wasmtime::Error::new(Exited))
        },
    )?;

    let mut at = linker.instance("wasi:cli/stdin@0.2.6")?;
    resource::<InputStream>(&mut at, "input-stream")?;
    at.func_wrap("get-stdin", |_: Cx, (): ()| {
        Ok((Resource::<InputStream>::new_own(0),))
    })?;
    for (interface, function) in [
        ("wasi:cli/stdout@0.2.6", "get-stdout"),
        ("wasi:cli/stderr@0.2.6", "get-stderr"),
    ] {
        let mut at = linker.instance(interface)?;
        resource::<OutputStream>(&mut at, "output-stream")?;
        at.func_wrap(function, |_: Cx, (): ()| {
            Ok((Resource::<OutputStream>::new_own(0),))
        })?;
    }

    let mut at = linker.instance("wasi:cli/terminal-input@0.2.6")?;
    resource::<TerminalInput>(&mut at, "terminal-input")?;
    let mut at = linker.instance("wasi:cli/terminal-output@0.2.6")?;
    resource::<TerminalOutput>(&mut at, "terminal-output")?;
    let mut at = linker.instance("wasi:cli/terminal-stdin@0.2.6")?;
    resource::<TerminalInput>(&mut at, "terminal-input")?;
    at.func_wrap("get-terminal-stdin", |_: Cx, (): ()| {
        Ok((None::<Resource<TerminalInput>>,))
    })?;
    for (interface, function) in [
        ("wasi:cli/terminal-stdout@0.2.6", "get-terminal-stdout"),
        ("wasi:cli/terminal-stderr@0.2.6", "get-terminal-stderr"),
    ] {
        let mut at = linker.instance(interface)?;
        resource::<TerminalOutput>(&mut at, "terminal-output")?;
        at.func_wrap(function, |_: Cx, (): ()| {
            Ok((None::<Resource<TerminalOutput>>,))
        })?;
    }

    let mut at = linker.instance("wasi:clocks/monotonic-clock@0.2.6")?;
    resource::<Pollable>(&mut at, "pollable")?;
    at.func_wrap("now", |cx: Cx, (): ()| Ok((nanoseconds(cx.data().now),)))?;
    at.func_wrap("resolution", |_: Cx, (): ()| Ok((1_000_u64,)))?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        at.func_wrap(name, |_: Cx, _: (u64,)| {
            Ok((Resource::<Pollable>::new_own(0),))
        })?;
    }
    let mut at = linker.instance("wasi:clocks/wall-clock@0.2.6")?;
    at.func_wrap("now", |cx: Cx, (): ()| {
        let now = nanoseconds(cx.data().now);
        let nanoseconds = u32::try_from(now % 1_000_000_000)?;
        Ok((Datetime {
            seconds: now / 1_000_000_000,
            nanoseconds,
        },))
    })?;
    at.func_wrap("resolution", |_: Cx, (): ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1_000,
        },))
    })?;

    for (interface, prefix) in [
        ("wasi:random/random@0.2.6", ""),
        ("wasi:random/insecure@0.2.6", "insecure-"),
    ] {
        let mut at = linker.instance(interface)?;
        at.func_wrap(
            &format!("get-{prefix}random-bytes"),
            |mut cx: Cx, (len,): (u64,)| {
                if len > MAX_RANDOM {
                    // Fewer than asked for would be a lie, and many take time
                    // that no deadline interrupts.
                    let what = format!("for {len} random bytes at once");
                    return Err(wasmtime::Error::new(Denied(what)));
                }
                let random = &mut cx.data_mut().random;
                Ok(((0..len)
                    .map(|_| random.next().to_le_bytes()[0])
                    .collect::<Vec<u8>>(),))
            },
        )?;
        at.func_wrap(&format!("get-{prefix}random-u64"), |mut cx: Cx, (): ()| {
            Ok((cx.data_mut().random.next(),))
        })?;
    }
    let mut at = linker.instance("wasi:random/insecure-seed@0.2.6")?;
    at.func_wrap("insecure-seed", |mut cx: Cx, (): ()| {
        let random = &mut cx.data_mut().random;
        Ok(((random.next(), random.next()),))
    })
}

/// The interfaces that [`link`] satisfies, without package versions.
const VIRTUAL: [&str; 19] = [
    "runwatch:detector/log",
    "runwatch:detector/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
];

/// Whether an import is virtual; what is not is denied.
pub(super) fn is_virtual(import: &str) -> bool {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    // Other versions have the same names for other things.
    let ours = if name.starts_with("wasi:") {
        "0.2."
    } else {
        "0.1."
    };
    version.starts_with(ours)
        && !version.contains('-')
        && (VIRTUAL.contains(&name) || name == "wasi:random/insecure-seed")
}

/// Satisfies every other import of a component with stubs that deny, and so
/// what a later WASI 0.2 has added to an interface of ours.
pub(super) fn deny_rest(
    linker: &mut Linker<Host>,
    component: &Component,
    engine: &wasmtime::Engine,
) -> Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                let ours = name.split_once('@').filter(|_| is_virtual(name));
                let mut at = match ours {
                    // Under the name that `link` used, where the linker looks.
                    Some((interface, _)) if interface.starts_with("wasi:") => {
                        linker.instance(&format!("{interface}@{VERSION}"))?
                    }
                    Some(_) => continue,
                    None => linker.instance(name)?,
                };
                for (item, export) in instance.exports(engine) {
                    let full = format!("{name}#{item}");
                    let denied = match export.ty {
                        ComponentItem::ComponentFunc(_) => deny(&mut at, item, full),
                        ComponentItem::Resource(_) => resource_denied(&mut at, item),
                        _ => Ok(()),
                    };
                    // The linker refuses a name that it knows: `link` has it.
                    if ours.is_none() {
                        denied?;
                    }
                }
            }
            ComponentItem::ComponentFunc(_) => deny(&mut linker.root(), name, name.to_owned())?,
            ComponentItem::Resource(_) => resource_denied(&mut linker.root(), name)?,
            _ => {}
        }
    }
    Ok(())
}

fn deny(at: &mut LinkerInstance<'_, Host>, item: &str, full: String) -> Result<()> {
    at.func_new(item, move |_, _, _, _| {
        Err(wasmtime::Error::new(Denied(format!("`{full}`"))))
    })
}

fn resource_denied(at: &mut LinkerInstance<'_, Host>, item: &str) -> Result<()> {
    // Interfaces share resources by name: a file's `pollable` is the pollable.
    match item {
        "error" => resource::<IoError>(at, item),
        "pollable" => resource::<Pollable>(at, item),
        "input-stream" => resource::<InputStream>(at, item),
        "output-stream" => resource::<OutputStream>(at, item),
        _ => resource::<Forbidden>(at, item),
    }
}

/// Stream time as nanoseconds since 1970, 0 when unknown.
fn nanoseconds(now: f64) -> u64 {
    // `as` saturates and turns NaN into 0, which is what is wanted here.
    (now * 1e9) as u64
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough for the
/// hash seeds and dice of a detector; nothing here is a secret.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
