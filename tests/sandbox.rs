//! What the sandbox promises, against detectors that break every promise.
//!
//! The fixtures are in `tests/hostile`; see there for what each misdeed does.
//! Every fault is checked for its exact kind, call and message. Around every
//! fault a well-behaved detector runs, and must not notice.

#[path = "common/hostile.rs"]
mod fixture;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use fixture::{fixtures, hostile_bytes, target};
use runwatch::alert::State;
use runwatch::sandbox::cache::{Cache, Origin};
use runwatch::sandbox::instance::{Columns, Monitor, RowFinding, Series};
use runwatch::sandbox::{Component, Engine, Fault, FaultKind, Instance, Limits};

// --- Fixtures ---------------------------------------------------------------

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().expect("this machine runs WebAssembly"))
}

/// Limits that only the misdeed at hand can pass: a busy machine must not turn
/// a panic into a deadline.
fn patient() -> Limits {
    Limits {
        timeout: Duration::from_secs(60),
        ..Limits::default()
    }
}

fn load(bytes: &[u8], limits: &Limits) -> anyhow::Result<Component> {
    static ONE_COMPILES: Mutex<()> = Mutex::new(());
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let _turn = ONE_COMPILES.lock();
    Component::load(engine(), &Cache::at(folder.path()), limits, bytes)
}

fn hostile(limits: &Limits) -> Component {
    load(hostile_bytes(), limits).expect("the fixture loads")
}

fn hostile_io() -> Component {
    let bytes = std::fs::read(fixtures().join("hostile_io.wasm")).expect("it was built");
    load(&bytes, &patient()).expect("the fixture loads")
}

/// The fixture with its switch thrown: what `describe` does.
fn switched(to: &str) -> Vec<u8> {
    let marker = b"hostile-switch:";
    let mut bytes = hostile_bytes().to_vec();
    let at = bytes
        .windows(marker.len() + 6)
        .position(|window| window.starts_with(marker) && window.ends_with(b"normal"))
        .expect("the fixture has a switch")
        + marker.len();
    let value = format!("{to:<25}");
    bytes[at..at + 25].copy_from_slice(value.as_bytes());
    bytes
}

/// Why a component is not loaded, with all its causes.
fn refusal(bytes: &[u8]) -> String {
    refusal_within(bytes, &patient())
}

fn refusal_within(bytes: &[u8], limits: &Limits) -> String {
    match load(bytes, limits) {
        Ok(component) => panic!("`{}` was loaded", component.description.name),
        Err(error) => format!("{error:#}"),
    }
}

/// A component that has the shape of this WIT and traps whatever is called.
fn dummy(wit: &str) -> Vec<u8> {
    fixtures();
    let mut child = Command::new(target().join("release/shapes"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/hostile/shapes was built");
    let mut input = child.stdin.take().expect("it is piped");
    // It reads all before it writes, so that neither side waits for the other.
    input.write_all(wit.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "no component has this shape: {wit}"
    );
    output.stdout
}

const CONTRACT: &str = include_str!("../wit/v0.1/detector.wit");

/// A dummy of a contract in which `from` reads `to`.
fn changed_contract(from: &str, to: &str) -> Vec<u8> {
    assert!(CONTRACT.contains(from), "the contract has no `{from}`");
    dummy(&CONTRACT.replacen(from, to, 1))
}

/// A dummy detector that imports something more.
fn with_import(packages: &str, import: &str) -> Vec<u8> {
    let import = format!("import log;\n    import {import};");
    dummy(&format!(
        "{}\n{packages}",
        CONTRACT.replacen("import log;", &import, 1)
    ))
}

// --- Driving ----------------------------------------------------------------

/// A running detector and its only monitor.
struct Watch {
    instance: Instance,
    monitor: Monitor,
}

impl Watch {
    fn open(component: &Component, parameters: &[(&str, &str)]) -> Result<Self, Fault> {
        let parameters: Vec<(String, String)> = parameters
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut instance = Instance::new(component).expect("the component starts");
        let monitor = instance
            .open(&[], &parameters)?
            .expect("the detector takes its parameters");
        Ok(Self { instance, monitor })
    }

    fn doing(component: &Component, does: &str, call: &str) -> Result<Self, Fault> {
        Self::open(component, &[("does", does), ("where", call), ("when", "0")])
    }

    /// One value per step, and all in one call.
    fn observe(&mut self, points: &[(i64, f64)]) -> Result<Vec<RowFinding>, Fault> {
        let steps: Vec<i64> = points.iter().map(|&(step, _)| step).collect();
        let values: Vec<f64> = points.iter().map(|&(_, value)| value).collect();
        let rows: Vec<u32> = (0..).take(points.len()).collect();
        self.instance.observe(
            self.monitor,
            &Columns {
                steps: &steps,
                times: &vec![f64::NAN; points.len()],
                ranks: &vec![u32::MAX; points.len()],
                indices: &vec![0; points.len()],
                rows: &rows,
                values: &values,
                texts: &[],
            },
        )
    }

    /// Every call of the contract, until one faults.
    fn live(&mut self) -> Result<(), Fault> {
        let Self { monitor, .. } = *self;
        self.instance.interests(monitor)?;
        let loss = Series {
            index: 0,
            name: "loss",
            source: "train/loss",
        };
        self.instance.define(monitor, &[loss])?;
        self.observe(&[(-1, 1.0), (0, 2.0), (1, 3.0)])?;
        self.instance.tick(monitor, 1.0)?;
        self.instance.finish(monitor, "completed")?;
        self.instance.save(monitor)?;
        let restored = self.instance.restore(monitor, &0.0_f64.to_le_bytes())?;
        assert_eq!(restored, Ok(()), "the detector takes its state");
        self.instance.close(monitor)
    }
}

/// What a healthy detector says about [`FIRST_HALF`] and [`SECOND_HALF`].
const HEALTHY: [&str; 3] = [
    "20 at step 1, 21 so far",
    "30 at step 3, 54 so far",
    "11 at step 4, 65 so far",
];
const FIRST_HALF: [(i64, f64); 3] = [(0, 1.0), (1, 20.0), (2, 3.0)];
const SECOND_HALF: [(i64, f64); 2] = [(3, 30.0), (4, 11.0)];

fn messages(findings: Vec<RowFinding>) -> Vec<String> {
    findings
        .into_iter()
        .map(|(_, finding)| finding.message)
        .collect()
}

/// Runs `misdeed` between two batches of a healthy detector, which must not
/// notice, and then starts the same component anew, which must work.
fn undisturbed<T>(component: &Component, misdeed: impl FnOnce() -> T) -> T {
    let mut neighbour = Watch::doing(component, "nothing", "observe").expect("it opens");
    let mut said = neighbour.observe(&FIRST_HALF).expect("it is healthy");
    let result = misdeed();
    said.extend(neighbour.observe(&SECOND_HALF).expect("still healthy"));
    assert_eq!(messages(said), HEALTHY);
    let mut fresh = Watch::doing(component, "nothing", "observe").expect("it opens again");
    let said = fresh.observe(&FIRST_HALF).expect("a new one works");
    assert_eq!(messages(said), HEALTHY[..1]);
    result
}

/// The fault of a misdeed in a call, under limits.
fn fault_within(limits: &Limits, does: &str, call: &str) -> Fault {
    let component = hostile(limits);
    undisturbed(&component, || {
        let mut watch = match Watch::doing(&component, does, call) {
            Ok(watch) => watch,
            Err(fault) => return fault,
        };
        let fault = watch.live().expect_err("the misdeed goes unpunished");
        // The instance is dead for good, and says so in the host's own words.
        let again = watch.observe(&FIRST_HALF).expect_err("it is dead");
        assert_eq!(
            again.to_string(),
            "trap in observe: called after a fault, which is a bug of runwatch"
        );
        fault
    })
}

fn fault(does: &str, call: &str) -> Fault {
    fault_within(&patient(), does, call)
}

/// One test for each misdeed: name, misdeed, call, fault, and message.
macro_rules! faults {
    ($($name:ident: $does:literal in $call:literal => $kind:ident, $message:literal;)+) => {$(
        #[test]
        fn $name() {
            let fault = fault($does, $call);
            assert_eq!(fault.message, $message);
            assert_eq!(fault.kind, FaultKind::$kind);
            assert_eq!(fault.call, $call);
        }
    )+};
}

// --- Misdeeds ---------------------------------------------------------------

faults! {
    panics: "panic" in "observe" => Panic, "the detector panicked";
    panics_in_open: "panic" in "open" => Panic, "the detector panicked";
    panics_in_interests: "panic" in "interests" => Panic, "the detector panicked";
    panics_in_define: "panic" in "define" => Panic, "the detector panicked";
    panics_in_tick: "panic" in "tick" => Panic, "the detector panicked";
    panics_in_finish: "panic" in "finish" => Panic, "the detector panicked";
    panics_in_save: "panic" in "save" => Panic, "the detector panicked";
    panics_in_restore: "panic" in "restore" => Panic, "the detector panicked";
    panics_in_close: "panic" in "close" => Panic, "the detector panicked";
    aborts: "abort" in "observe" => Panic, "the detector aborted";
    exits: "exit" in "observe" => Panic, "the detector called exit";
    exits_with_success: "exit-0" in "finish" => Panic, "the detector called exit";

    recurses: "recursion" in "observe" => Stack, "the stack is used up";
    // Rust keeps large locals in linear memory, below which there is nothing.
    recurses_with_large_frames: "wide-recursion" in "observe"
        => Trap, "wasm trap: out of bounds memory access";
    follows_a_wild_pointer: "wild-pointer" in "observe"
        => Trap, "wasm trap: out of bounds memory access";
    wants_a_gigabyte_of_random_bytes: "random" in "observe"
        => DeniedImport, "called for 1073741824 random bytes at once, which detectors are denied";
    leaks_handles: "handles" in "observe"
        => Memory, "holds more handles than the host has room for";

    returns_a_flood: "flood" in "observe"
        => Flood, "one call returned 1000 findings, the limit is 259";
    returns_a_flood_at_the_end: "flood" in "finish"
        => Flood, "one call returned 1000 findings, the limit is 259";
    returns_a_huge_text: "big-text" in "observe"
        => Flood, "finding `high` has 1048587 bytes of text, the limit is 16384";
    returns_many_numbers: "big-values" in "observe"
        => Flood, "finding `high` has 80015 bytes of text, the limit is 16384";
    returns_large_facts: "big-facts" in "tick"
        => Flood, "finding `high` has 100019 bytes of text, the limit is 16384";
    logs_a_flood: "big-log" in "observe"
        => Flood, "one call pushed more bytes to the host than its limit";
    wants_a_flood: "big-interests" in "interests"
        => Flood, "one call pushed more bytes to the host than its limit";
    wants_very_many_things: "many-interests" in "interests"
        => Flood, "one call pushed more bytes to the host than its limit";

    recommends_nothing: "no-recommendation" in "observe"
        => BadFinding, "finding `high` has no recommendation";
    invents_a_severity: "bad-severity" in "observe"
        => BadFinding,
        "finding `high` has the severity `catastrophic`, not info, warning or critical";
    invents_a_state: "bad-state" in "observe"
        => BadFinding, "finding `high` has the state `smouldering`, not firing or resolved";
    tries_to_clear_the_screen: "control-state" in "observe"
        => BadFinding, "finding `high` has the state `\\u{1b}[2J`, not firing or resolved";
    has_no_key: "empty-key" in "observe"
        => BadFinding, "a finding's key has 0 bytes, not 1 to 128";
    has_a_long_key: "long-key" in "observe"
        => BadFinding, "a finding's key has 129 bytes, not 1 to 128";
    points_beyond_the_batch: "bad-row" in "observe"
        => BadFinding, "finding `high` points at row 17 of 3";
    points_at_a_row_where_there_are_none: "good" in "tick"
        => BadFinding, "finding `high` points at row 0, and `tick` has no rows";
    has_no_title: "no-title" in "observe"
        => BadFinding, "finding `high` has no title";
    has_a_long_title: "long-title" in "observe"
        => BadFinding, "finding `high` has a title of 201 bytes, the limit is 200";
}

fn hurried() -> Limits {
    Limits {
        timeout: Duration::from_millis(100),
        ..Limits::default()
    }
}

/// A deadline is the one fault that a healthy call can meet on a busy machine:
/// the neighbour is therefore another load of the component, with time.
fn deadline(does: &str, call: &str) -> Fault {
    let hurried = hostile(&hurried());
    undisturbed(&hostile(&patient()), || {
        Watch::doing(&hurried, does, call)
            .and_then(|mut watch| watch.live())
            .expect_err("it never ends")
    })
}

#[test]
fn loops() {
    let fault = deadline("loop", "observe");
    assert_eq!(
        fault.to_string(),
        "deadline in observe: interrupted after 0.1 s"
    );
    assert_eq!(fault.frames[0], "hostile::misdeeds::run_forever");
}

#[test]
fn loops_in_a_destructor() {
    let fault = deadline("loop", "close");
    assert_eq!(
        fault.to_string(),
        "deadline in close: interrupted after 0.1 s"
    );
}

/// Sleeping takes no time, and the clock stands still, so that the detector
/// waits for ever, but in its own code, where it can be interrupted.
#[test]
fn sleeps() {
    let fault = deadline("sleep", "observe");
    assert_eq!(
        fault.to_string(),
        "deadline in observe: interrupted after 0.1 s"
    );
}

#[test]
fn eats_memory() {
    let fault = fault("memory", "observe");
    assert_eq!(fault.kind, FaultKind::Memory);
    // How far the last request reaches beyond the limit is the allocator's
    // business.
    assert!(
        fault.message.starts_with("wanted ")
            && fault
                .message
                .ends_with(" MiB of memory, the limit is 64 MiB"),
        "{}",
        fault.message
    );
}

#[test]
fn memory_is_bounded_before_output_is() {
    let fault = fault("return", "observe");
    assert_eq!(fault.kind, FaultKind::Memory);
}

/// A hundred megabytes, from a detector that may have them but not return them.
#[test]
fn returns_a_hundred_megabytes() {
    let roomy = Limits {
        memory: 512 << 20,
        ..patient()
    };
    for (does, call, fails) in [
        ("return", "observe", "observe"),
        ("return", "finish", "finish"),
        ("big-state", "nowhere", "save"),
    ] {
        let fault = fault_within(&roomy, does, call);
        assert_eq!(
            fault.to_string(),
            format!("flood in {fails}: one call pushed more bytes to the host than its limit")
        );
    }
}

#[test]
fn a_panic_is_heard() {
    let fault = fault("panic", "observe");
    assert_eq!(fault.output.len(), 3, "{:?}", fault.output);
    assert!(fault.output[0].contains("panicked at src/misdeeds.rs:"));
    assert_eq!(fault.output[1], "the sky is falling");
}

#[test]
fn frames_can_be_read() {
    let named = fault("recursion", "observe").frames;
    assert_eq!(named, ["hostile::misdeeds::recurse"; 5]);
    // Not the five innermost of a panic, which are the panic's own.
    let named = fault("panic", "observe").frames;
    assert_eq!(named[0], "hostile::misdeeds::panic_loudly", "{named:?}");
}

#[test]
fn all_that_a_detector_prints_is_kept_as_harmless_lines() {
    let fault = fault("print", "observe");
    let (told, panic) = fault.output.split_at(5);
    assert_eq!(
        told,
        [
            "on standard output",
            "on standard error",
            "info: in the log",
            // No escape codes: this is shown on the user's terminal.
            "in two lines, \u{fffd}[31mred\u{fffd}[0m\u{fffd}\u{fffd}",
            "without an end",
        ]
    );
    assert!(panic.iter().any(|line| line == "and out"), "{panic:?}");
}

#[test]
fn only_the_last_lines_are_kept() {
    let fault = fault("many-logs", "observe");
    assert_eq!(fault.kind, FaultKind::Panic);
    assert_eq!(fault.output.len(), Limits::default().log_lines);
    assert!(fault.output.iter().any(|line| line == "warn: line 99999"));
}

/// What is printed goes nowhere but into a bounded buffer.
#[test]
fn printing_much_is_no_fault() {
    let component = hostile(&patient());
    let mut watch = Watch::doing(&component, "big-print", "observe").expect("it opens");
    watch.live().expect("it only talks");
}

#[test]
fn a_finding_of_no_row_is_fine() {
    let component = hostile(&patient());
    let mut watch = Watch::doing(&component, "no-row", "finish").expect("it opens");
    let findings = watch
        .instance
        .finish(watch.monitor, "crashed")
        .expect("nothing is wrong with it");
    let [(row, finding)] = &findings[..] else {
        panic!("{} findings", findings.len());
    };
    assert_eq!((*row, finding.state), (None, State::Firing));
}

/// The sandbox hands on what a detector wants, as it is: what is unknown or
/// absurd is for the part that matches to ignore.
#[test]
fn garbage_interests_arrive_as_they_are() {
    let component = hostile(&patient());
    let mut watch = Watch::doing(&component, "garbage-interests", "never").expect("it opens");
    let wanted = watch
        .instance
        .interests(watch.monitor)
        .expect("it is well-formed");
    let kinds: Vec<&str> = wanted.iter().map(|want| want.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "",
            "telepathy",
            "metric",
            "metric",
            "tick",
            "tick",
            "tick",
            "text"
        ]
    );
    assert_eq!(wanted[2].pattern.len(), 100_000);
}

#[test]
fn a_refusal_to_open_is_no_fault() {
    let component = hostile(&patient());
    let mut instance = Instance::new(&component).expect("it starts");
    let does = |does: &str| [("does".to_owned(), does.to_owned())];
    let refused = instance.open(&[], &does("refuse")).expect("no fault");
    assert_eq!(refused.err(), Some("I cannot use these parameters".into()));
    let opened = instance.open(&[], &does("nothing")).expect("no fault");
    assert!(opened.is_ok());
}

// --- Saved state ------------------------------------------------------------

#[test]
fn state_survives_a_new_instance() {
    let component = hostile(&patient());
    let mut before = Watch::doing(&component, "nothing", "never").expect("it opens");
    let mut said = before.observe(&FIRST_HALF).expect("healthy");
    let state = before.instance.save(before.monitor).expect("healthy");
    let mut after = Watch::doing(&component, "nothing", "never").expect("it opens");
    let restored = after
        .instance
        .restore(after.monitor, &state.expect("it keeps state"))
        .expect("healthy");
    assert_eq!(restored, Ok(()));
    said.extend(after.observe(&SECOND_HALF).expect("healthy"));
    assert_eq!(messages(said), HEALTHY);
}

#[test]
fn a_refused_state_is_no_fault() {
    let component = hostile(&patient());
    for (does, state, why) in [
        ("restore-error", &[0_u8; 8][..], "not mine"),
        ("nothing", &[1, 2, 3], "not 8 bytes"),
        ("nothing", &[], "not 8 bytes"),
    ] {
        let mut watch = Watch::doing(&component, does, "never").expect("it opens");
        let restored = watch.instance.restore(watch.monitor, state);
        assert_eq!(restored, Ok(Err(why.to_owned())));
        // A cold start in the same place.
        let said = watch.observe(&FIRST_HALF).expect("healthy");
        assert_eq!(messages(said), HEALTHY[..1]);
    }
}

#[test]
fn a_lying_restore_is_caught_at_the_next_call() {
    let component = hostile(&patient());
    let fault = undisturbed(&component, || {
        let mut watch = Watch::doing(&component, "restore-lie", "never").expect("it opens");
        let restored = watch.instance.restore(watch.monitor, &[0xff; 64]);
        assert_eq!(restored, Ok(Ok(())));
        watch.observe(&FIRST_HALF).expect_err("it lied")
    });
    assert_eq!(fault.kind, FaultKind::BadFinding);
}

#[test]
fn keeping_no_state_is_fine() {
    let component = hostile(&patient());
    let mut watch = Watch::doing(&component, "no-state", "never").expect("it opens");
    assert_eq!(watch.instance.save(watch.monitor), Ok(None));
}

// --- The virtual world ------------------------------------------------------

#[test]
fn sockets_and_files_are_denied_by_name() {
    let component = hostile_io();
    let denied: Vec<&str> = component.denied().collect();
    for interface in [
        "wasi:filesystem/types@",
        "wasi:filesystem/preopens@",
        "wasi:sockets/tcp@",
        "wasi:sockets/udp@",
        "wasi:sockets/ip-name-lookup@",
    ] {
        assert!(
            denied.iter().any(|name| name.starts_with(interface)),
            "{interface} is not among {denied:?}"
        );
    }
    for (does, function) in [
        ("tcp", "wasi:sockets/"),
        ("listen", "wasi:sockets/"),
        ("udp", "wasi:sockets/"),
        ("name", "wasi:sockets/"),
        ("read", "wasi:filesystem/preopens@"),
        ("write", "wasi:filesystem/preopens@"),
        ("folder", "wasi:filesystem/preopens@"),
    ] {
        let mut watch = Watch::open(&component, &[("does", "home")]).expect("it opens");
        let said = watch.observe(&[(0, 0.0)]).expect("it stays at home");
        assert_eq!(messages(said), ["stayed at home"]);
        let mut watch = Watch::open(&component, &[("does", does)]).expect("it opens");
        let fault = match watch.observe(&[(0, 0.0)]) {
            Ok(findings) => panic!("{does} went through: {:?}", messages(findings)),
            Err(fault) => fault,
        };
        assert_eq!(fault.kind, FaultKind::DeniedImport, "{does}: {fault}");
        assert!(
            fault.message.starts_with(&format!("called `{function}"))
                && fault.message.ends_with("`, which detectors are denied"),
            "{does}: {fault}"
        );
    }
}

/// Everything that ordinary Rust code touches is there, and is virtual.
#[test]
fn plain_rust_gets_only_virtual_things() {
    let component = hostile(&patient());
    let denied: Vec<&str> = component.denied().collect();
    assert_eq!(denied, Vec::<&str>::new());
    let names: Vec<&str> = component
        .imports
        .iter()
        .filter_map(|import| import.name.split('@').next())
        .collect();
    for used in [
        "runwatch:detector/log",
        "wasi:cli/environment",
        "wasi:cli/exit",
        "wasi:cli/stdout",
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
    ] {
        assert!(names.contains(&used), "{used} is not among {names:?}");
    }
}

fn look_around(watch: &mut Watch, now: f64) -> String {
    watch.instance.set_now(now);
    let said = watch.observe(&[(0, 0.0)]).expect("looking is allowed");
    messages(said).remove(0)
}

#[test]
fn the_world_is_virtual_and_the_same_for_everybody() {
    let component = hostile(&patient());
    let open = || Watch::doing(&component, "std", "observe").expect("it opens");
    let mut one = open();
    let first = look_around(&mut one, 1000.5);
    let seen = "time 1000.500, since open 1000.500, stands still true, variables 0, PATH None, \
                arguments 0, ";
    assert!(first.starts_with(seen), "{first}");
    assert!(first.contains("input Some(\"\")"), "{first}");
    let second = look_around(&mut one, 2000.25);
    assert!(
        second.starts_with("time 2000.250, since open 2000.250, stands still true"),
        "{second}"
    );
    // Another instance throws the same dice, in the same order.
    let mut other = open();
    assert_eq!(look_around(&mut other, 1000.5), first);
    assert_eq!(look_around(&mut other, 2000.25), second);
    // And dice they are: one throw is not the next.
    let dice = |text: &str| {
        text.split("dice ")
            .nth(1)
            .map(|rest| rest[..16].to_owned())
            .expect("it threw")
    };
    assert_ne!(dice(&first), dice(&second));
}

#[test]
fn odd_times_do_no_harm() {
    let component = hostile(&patient());
    for now in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
        let mut watch = Watch::doing(&component, "std", "observe").expect("it opens");
        let seen = look_around(&mut watch, now);
        assert!(seen.contains("stands still true"), "{now}: {seen}");
    }
}

/// A guest built against a later WASI 0.2 finds ours, and what is new in it is
/// a stub: the component loads, because it may never call it.
#[test]
fn a_later_wasi_is_served_and_its_news_denied() {
    let packages = "package wasi:io@0.2.99 {
        interface error { resource error; }
        interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource marvel;
            resource output-stream {
                check-write: func() -> result<u64, stream-error>;
                improve: func(by: u64) -> marvel;
            }
        }
    }";
    // What a dummy does when it is called is trap: it got as far as that.
    assert_eq!(
        refusal(&with_import(packages, "wasi:io/streams@0.2.99")),
        "panic in describe: the detector aborted"
    );
}

/// WASI 0.3 has the same names for other things.
#[test]
fn another_wasi_is_denied() {
    let packages = "package wasi:cli@0.3.0 {
        interface environment { get-environment: func() -> u32; }
    }";
    assert_eq!(
        refusal(&with_import(packages, "wasi:cli/environment@0.3.0")),
        "panic in describe: the detector aborted"
    );
}

// --- Loading ----------------------------------------------------------------

#[test]
fn a_misbehaving_describe_is_refused() {
    for (switch, why) in [
        (
            "describe-name",
            "its description breaks the contract: the name \"Not A Name\" is not lower-case words joined by `-`",
        ),
        (
            "describe-no-name",
            "its description breaks the contract: the name \"\" is not lower-case words joined by `-`",
        ),
        (
            "describe-control",
            "its description breaks the contract: the name \"evil\\u{1b}[2J\" is not lower-case words joined by `-`",
        ),
        (
            "describe-no-summary",
            "its description breaks the contract: it has no summary",
        ),
        (
            "describe-kind",
            "bad-finding in describe: parameter `does` has the kind `secret`",
        ),
        (
            "describe-parameter",
            "its description breaks the contract: the parameter name \"Where?\" is not lower-case words joined by `-` or `_`",
        ),
        (
            "describe-flood",
            "flood in describe: one call pushed more bytes to the host than its limit",
        ),
        (
            "describe-recursion",
            "stack in describe: the stack is used up",
        ),
        (
            "describe-exit",
            "panic in describe: the detector called exit",
        ),
    ] {
        assert_eq!(refusal(&switched(switch)), why, "{switch}");
    }
    let why = refusal(&switched("describe-panic"));
    assert!(
        why.starts_with("panic in describe: the detector panicked; it said: ")
            && why.contains("the sky is falling"),
        "{why}"
    );
    let why = refusal_within(&switched("describe-loop"), &hurried());
    assert_eq!(why, "deadline in describe: interrupted after 0.1 s");
}

/// The fixture with one more core module, which starts with this code.
fn with_start(code: &[u8]) -> Vec<u8> {
    let sized = |id: u8, body: &[u8]| {
        let size = u8::try_from(body.len()).expect("a small section");
        assert!(size < 0x80, "a size of one byte");
        [&[id, size], body].concat()
    };
    let body = [&[0], code, &[0x0b]].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        sized(1, &[1, 0x60, 0, 0]),
        sized(3, &[1, 0]),
        sized(8, &[0]),
        sized(10, &[&[1, body.len() as u8][..], &body].concat()),
    ]
    .concat();
    let mut bytes = hostile_bytes().to_vec();
    let modules = core_modules(&bytes);
    bytes.extend(sized(1, &module));
    // One instance: of that module, with no arguments.
    bytes.extend(sized(2, &[1, 0, modules, 0]));
    bytes
}

/// How many core modules a component has at its top level.
fn core_modules(component: &[u8]) -> u8 {
    let (mut at, mut modules) = (8, 0);
    while at < component.len() {
        let id = component[at];
        at += 1;
        let mut size = 0;
        for shift in (0..).step_by(7) {
            let byte = component[at];
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        modules += u8::from(id == 1);
        at += size;
    }
    modules
}

/// Code that runs before anybody called anything has the same limits.
#[test]
fn a_misbehaving_start_is_refused() {
    let unreachable = [0x00];
    let call_itself = [0x10, 0];
    let for_ever = [0x03, 0x40, 0x0c, 0, 0x0b];
    assert_eq!(
        refusal(&with_start(&unreachable)),
        "the component does not start: panic in start: the detector aborted"
    );
    assert_eq!(
        refusal(&with_start(&call_itself)),
        "the component does not start: stack in start: the stack is used up"
    );
    assert_eq!(
        refusal_within(&with_start(&for_ever), &hurried()),
        "the component does not start: deadline in start: interrupted after 0.1 s"
    );
    let nothing = load(&with_start(&[]), &patient()).expect("nothing is wrong with it");
    assert_eq!(nothing.description.name, "hostile");
}

#[test]
fn too_much_memory_at_the_start_is_refused() {
    let tiny = Limits {
        memory: 1 << 20,
        ..patient()
    };
    let why = refusal_within(hostile_bytes(), &tiny);
    assert!(
        why.starts_with("the component does not start: memory in start: wanted ")
            && why.ends_with(" MiB of memory, the limit is 1 MiB"),
        "{why}"
    );
}

/// A control for the tests below: the unchanged contract gets as far as a call.
#[test]
fn a_dummy_of_the_contract_gets_as_far_as_describe() {
    assert_eq!(
        refusal(&dummy(CONTRACT)),
        "panic in describe: the detector aborted"
    );
}

#[test]
fn a_patch_release_of_the_contract_is_read() {
    let patched = changed_contract("runwatch:detector@0.1.0", "runwatch:detector@0.1.7");
    assert_eq!(refusal(&patched), "panic in describe: the detector aborted");
}

#[test]
fn another_version_of_the_contract_is_refused() {
    for version in ["0.2.0", "1.0.0", "0.10.0"] {
        let other = changed_contract(
            "runwatch:detector@0.1.0",
            &format!("runwatch:detector@{version}"),
        );
        assert_eq!(
            refusal(&other),
            format!(
                "it was built against version {version} of the contract, and this runwatch reads 0.1.0"
            )
        );
    }
}

/// A detector may serve two generations of runwatch at once.
#[test]
fn one_known_version_among_others_is_enough() {
    let body = CONTRACT
        .split_once("package runwatch:detector@0.1.0;")
        .expect("the contract has a package")
        .1;
    let both = dummy(&format!(
        "package test:both;
         world both {{
             import runwatch:detector/log@0.1.0;
             export runwatch:detector/detector@0.2.0;
             export runwatch:detector/detector@0.1.0;
         }}
         package runwatch:detector@0.1.0 {{ {body} }}
         package runwatch:detector@0.2.0 {{ {body} }}"
    ));
    assert_eq!(refusal(&both), "panic in describe: the detector aborted");
}

#[test]
fn other_shapes_under_the_same_version_are_refused() {
    for (from, to) in [
        // A field is missing, is there twice, has another name, another type.
        ("recommendation: string,", ""),
        (
            "recommendation: string,",
            "recommendation: string, mood: string,",
        ),
        ("recommendation: string,", "advice: string,"),
        ("recommendation: string,", "recommendation: u32,"),
        // A parameter is missing, a result is another.
        ("steps: list<s64>, ", ""),
        (
            "tick: func(now: f64) -> list<finding>;",
            "tick: func(now: f64);",
        ),
        (
            "save: func() -> option<list<u8>>;",
            "save: func() -> list<u8>;",
        ),
    ] {
        let why = refusal(&changed_contract(from, to));
        assert!(
            why.starts_with("the component does not fit the contract: "),
            "`{from}` as `{to}`: {why}"
        );
    }
    for (from, to) in [
        ("describe: func() -> description;", ""),
        ("tick: func(now: f64) -> list<finding>;", ""),
        ("tick: func(now: f64)", "tock: func(now: f64)"),
    ] {
        let why = refusal(&changed_contract(from, to));
        assert!(
            why.starts_with("the component does not export all of the contract: "),
            "`{from}` as `{to}`: {why}"
        );
    }
}

#[test]
fn what_is_no_detector_is_refused() {
    let empty = b"\0asm\x0d\0\x01\0";
    assert_eq!(
        refusal(empty),
        "it is a component but no detector: it exports nothing, not `runwatch:detector/detector@0.1.0`"
    );
    let other = dummy(
        "package some:thing;
         interface rest { idle: func(); }
         world other { export run: func(); export rest; }",
    );
    assert_eq!(
        refusal(&other),
        "it is a component but no detector: it exports `run`, `some:thing/rest`, not `runwatch:detector/detector@0.1.0`"
    );
    assert_eq!(
        refusal(b"\0asm\x01\0\0\0"),
        "this is a core WebAssembly module, not a component; build for the target wasm32-wasip2, or wrap it with `wasm-tools component new`"
    );
    for bytes in [&b""[..], b"\0", b"\0as", b"#!/bin/sh\n", b"(component)"] {
        assert_eq!(refusal(bytes), "this is not a WebAssembly file");
    }
}

#[test]
fn a_function_under_the_name_of_the_contract_is_refused() {
    let why = refusal(&dummy(
        "package runwatch:detector@0.1.0;
         interface detector { describe: func() -> string; }
         world thin { export detector; }",
    ));
    assert!(
        why.starts_with("the component does not export all of the contract: "),
        "{why}"
    );
}

#[test]
fn every_truncation_is_refused() {
    let whole = hostile_bytes();
    // Every length at both ends, where the sections' headers are dense, and in
    // steps with no rhythm in between.
    let lengths = (0..300)
        .chain((300..whole.len()).step_by(1_999))
        .chain(whole.len() - 300..whole.len());
    for length in lengths {
        let why = match load(&whole[..length], &patient()) {
            // All is there but the custom sections at the end.
            Ok(_) if length > whole.len() - 300 => continue,
            Ok(_) => panic!("{length} bytes were loaded"),
            Err(error) => format!("{error:#}"),
        };
        let clear = why == "this is not a WebAssembly file"
            || why.starts_with("the component is not valid: ")
            // Cut between two sections it is valid, and exports nothing.
            || why.starts_with("it is a component but no detector: it exports nothing");
        assert!(clear, "{length} bytes: {why}");
    }
}

/// The same numbers at every run: a failure can be looked at again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits")
    }
}

#[test]
fn random_bytes_are_refused() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for header in [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0"] {
        for _ in 0..500 {
            let length = dice.next() % 300;
            let mut bytes = header.to_vec();
            bytes.extend((0..length).map(|_| dice.next().to_le_bytes()[0]));
            let why = refusal(&bytes);
            let clear = [
                "this is not a WebAssembly file",
                "the component is not valid: ",
                "this is a core WebAssembly module",
                "it is a component but no detector: ",
            ];
            assert!(clear.iter().any(|start| why.starts_with(start)), "{why}");
        }
    }
}

/// A component with some bytes changed may load or not, but never harms.
#[test]
fn changed_bytes_do_no_harm() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let whole = dummy(CONTRACT);
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..=dice.next() % 4 {
            let at = dice.next() % bytes.len();
            bytes[at] ^= 1 << (dice.next() % 8);
        }
        // Whatever it says, it says it: no panic, no crash.
        let _ = load(&bytes, &hurried());
    }
}

// --- Compiled code ----------------------------------------------------------

fn origin(folder: &Path) -> Origin {
    let cache = Cache::at(folder);
    let component =
        Component::load(engine(), &cache, &patient(), hostile_bytes()).expect("it loads");
    let mut watch = Watch::doing(&component, "nothing", "never").expect("it opens");
    let said = watch.observe(&FIRST_HALF).expect("it runs");
    assert_eq!(messages(said), HEALTHY[..1]);
    component.origin
}

fn compiled_file(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).expect("the folder is there");
    let file = entries.next().expect("a file").expect("readable").path();
    assert!(entries.next().is_none(), "one file and nothing beside it");
    file
}

#[test]
fn compiled_code_is_kept() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("deep/down");
    assert_eq!(origin(&folder), Origin::Compiled);
    assert_eq!(origin(&folder), Origin::Cached);
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let component = Component::load(engine(), &Cache::none(), &patient(), hostile_bytes());
    assert_eq!(component.expect("it loads").origin, Origin::NotStored);
}

#[test]
fn damaged_code_is_compiled_again() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("cache");
    assert_eq!(origin(&folder), Origin::Compiled);
    let file = compiled_file(&folder);
    let whole = std::fs::read(&file).expect("readable");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut zeroed = whole.clone();
    zeroed[whole.len() / 3..].fill(0);
    let longer = [&whole[..], b"more"].concat();
    for damaged in [
        &b""[..],
        b"\x7fELF",
        b"not code at all",
        &whole[..40],
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
        &flipped,
        &zeroed,
        &longer,
    ] {
        std::fs::write(&file, damaged).expect("writable");
        assert_eq!(origin(&folder), Origin::Compiled, "{} bytes", damaged.len());
        assert_eq!(origin(&folder), Origin::Cached);
    }
}

/// Whoever can write there could make this process run anything.
#[cfg(unix)]
#[test]
fn code_that_others_can_write_is_not_run() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("cache");
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    assert_eq!(origin(&folder), Origin::Compiled);
    let file = compiled_file(&folder);
    // The file, to the group or to the world: made again.
    for open in [0o666, 0o660] {
        mode(&file, open);
        assert_eq!(origin(&folder), Origin::Compiled);
        assert_eq!(origin(&folder), Origin::Cached);
    }
    // The folder: not used at all.
    for open in [0o777, 0o770, 0o1777] {
        mode(&folder, open);
        assert_eq!(origin(&folder), Origin::NotStored);
    }
    mode(&folder, 0o700);
    assert_eq!(origin(&folder), Origin::Cached);
    // A folder or file that is really somewhere else.
    let link = home.path().join("link");
    symlink(&folder, &link).expect("a link");
    assert_eq!(origin(&link), Origin::NotStored);
    let moved = home.path().join("moved");
    std::fs::rename(&file, &moved).expect("it is ours");
    symlink(&moved, &file).expect("a link");
    assert_eq!(origin(&folder), Origin::Compiled);
}

#[test]
fn a_cache_that_cannot_be_made_is_no_failure() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("file");
    std::fs::write(&file, b"in the way").expect("writable");
    assert_eq!(origin(&file.join("cache")), Origin::NotStored);
}
