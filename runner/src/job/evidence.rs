//! Evidence: what the processes of a run that stands still are found doing.
//!
//! Everything is looked at side by side within one deadline. What does not
//! answer is left behind and shown as such: a process that hangs in the kernel
//! may take whoever looks at it along.

mod compose;

pub(super) use self::compose::{age, size};
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::look::{self, Look, Mounts};
use super::processes::{self, Process, State, TICKS};
use super::stacks::{self, Thread};

/// How long all of it may take, unless told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// Processes that are looked at closely; the others are counted.
const LOOKS: usize = 256;
/// Processes whose stacks are asked for.
const STACKS: usize = 64;
/// Of those that only help, such as workers that load data.
const HELPERS: usize = 2;
/// Instances of py-spy at a time.
const SPIES: usize = 8;
/// Over this time it is measured who uses the CPU.
const MEASURED: Duration = Duration::from_secs(1);
/// How often we look whether something has come.
const PAUSE: Duration = Duration::from_millis(10);
/// Clocks of a job and of the kernel may differ by so many seconds.
const SLACK: f64 = 2.0;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Whose processes.
    pub whose: Whose,
    /// How long it may take.
    pub deadline: Duration,
    /// The last lines of ranks or streams: what it is, and the lines.
    pub lines: &'a [(String, Vec<String>)],
    /// Which ranks are behind, in words; nothing where that is not known.
    pub behind: &'a str,
}

/// Whose processes to look at.
#[derive(Debug, Clone)]
pub enum Whose {
    /// Those of the job that this process leads: its group, its session, and
    /// whatever these started.
    Job {
        /// The first process of the job.
        leader: u32,
    },
    /// Those that say that they are ranks, and whatever these started.
    Ranks(Vec<Claim>),
}

/// A process that a rank has named in its heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The rank.
    pub rank: u32,
    /// The number of its process.
    pub pid: u32,
    /// The machine that it is on, if it said.
    pub host: Option<String>,
    /// When it said so, in seconds since 1970: a process that started later is
    /// another one. NaN if unknown.
    pub seen: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// One or two sentences.
    pub summary: String,
    /// Sections that begin with `== `, at most
    /// [`EVIDENCE_BYTES`](crate::alert::EVIDENCE_BYTES).
    pub text: String,
}

/// What a process is to the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A rank, or the only process that trains.
    Main,
    /// A process that a rank has split off, such as one that loads data.
    Helper,
    /// Anything else: shells, launchers, tools.
    Other,
}

/// A process and all that was found about it.
#[derive(Debug, Clone)]
struct Seen {
    process: Process,
    look: Look,
    rank: Option<u32>,
    kind: Kind,
    /// Which part of a CPU core it used; none if it has ended meanwhile.
    cpu: Option<f64>,
    stacks: Stacks,
}

/// What became of the wish to see its stacks.
#[derive(Debug, Clone, Default)]
enum Stacks {
    /// It is none that matters, or no Python.
    #[default]
    NotAsked,
    /// There is no py-spy.
    NoSpy,
    /// Why there are none.
    Failed(String),
    Read(Vec<Thread>),
}

/// Everything that is composed into the evidence.
#[derive(Debug, Clone, Default)]
struct Scene {
    /// Ranks in order, then the others.
    seen: Vec<Seen>,
    /// How many processes were not looked at.
    unseen: usize,
    /// Ranks that are not on this machine, and those whose process is gone.
    elsewhere: Vec<u32>,
    gone: Vec<Claim>,
}

/// Looks at the processes of a run. Takes no longer than the deadline (and a
/// little), and what is not known by then is left out.
#[must_use]
pub fn collect(asked: &Asked<'_>) -> Evidence {
    let began = Instant::now();
    let until = began + asked.deadline;
    let mut scene = Scene::default();
    let all = processes::all();
    let ranks = claimed(&asked.whose, &all, &mut scene);
    let mut members = match asked.whose {
        Whose::Job { leader } => processes::of_job(&all, leader),
        Whose::Ranks(_) => processes::with_descendants(&all, ranks.keys().copied()),
    };
    // Numbers grow: the oldest are what the job was started as.
    members.sort_by_key(|it| (!ranks.contains_key(&it.pid), it.started, it.pid));
    scene.unseen = members.len().saturating_sub(LOOKS);
    members.truncate(LOOKS);
    scene.seen = look_at_all(&members, &ranks, began + asked.deadline / 3);
    sort(&mut scene.seen);
    let spies = ask_for_stacks(&mut scene.seen, until);
    measure(&mut scene.seen, began, until);
    for (at, answer) in spies.gather(until) {
        if let Some(seen) = scene.seen.get_mut(at) {
            seen.stacks = answer.map_or_else(Stacks::Failed, Stacks::Read);
        }
    }
    compose::compose(&scene, asked)
}

/// The processes that are the ranks that they were said to be.
fn claimed(whose: &Whose, all: &[Process], scene: &mut Scene) -> BTreeMap<u32, u32> {
    let Whose::Ranks(claims) = whose else {
        return BTreeMap::new();
    };
    let here = gethostname::gethostname();
    let here = here.to_string_lossy();
    let mut ranks = BTreeMap::new();
    for claim in claims {
        let is_here = |host: &String| short(host).eq_ignore_ascii_case(short(&here));
        if !claim.host.as_ref().is_none_or(is_here) {
            scene.elsewhere.push(claim.rank);
            continue;
        }
        let process = all.iter().find(|it| it.pid == claim.pid);
        match process.filter(|it| is_old_enough(it, claim.seen)) {
            Some(process) => _ = ranks.insert(process.pid, claim.rank),
            None => scene.gone.push(claim.clone()),
        }
    }
    ranks
}

/// The name of a machine without its domain.
fn short(host: &str) -> &str {
    host.split('.').next().unwrap_or_default()
}

/// Whether a process was there at that time. One that was not has only got the
/// number of another.
fn is_old_enough(process: &Process, seen: f64) -> bool {
    seen.is_nan() || processes::started_at(process).is_none_or(|start| start <= seen + SLACK)
}

fn look_at_all(members: &[Process], ranks: &BTreeMap<u32, u32>, until: Instant) -> Vec<Seen> {
    let mounts = Arc::new(Mounts::read());
    let looks: Vec<_> = members
        .iter()
        .map(|it| look::begin(it.pid, &mounts))
        .collect();
    while Instant::now() < until && !looks.iter().all(|it| look::so_far(it).complete) {
        thread::sleep(PAUSE);
    }
    let looks: Vec<Look> = looks.iter().map(|it| look::so_far(it)).collect();
    let seen = members.iter().zip(&looks).map(|(process, look)| Seen {
        rank: ranks.get(&process.pid).copied().or_else(|| look.rank()),
        kind: kind(process, look, members, &looks, ranks),
        process: process.clone(),
        look: look.clone(),
        cpu: None,
        stacks: Stacks::default(),
    });
    seen.collect()
}

/// What a process is to the job. A rank is a Python that no other Python has
/// split off: a copy has the command line of the one that made it.
fn kind(
    process: &Process,
    look: &Look,
    members: &[Process],
    looks: &[Look],
    ranks: &BTreeMap<u32, u32>,
) -> Kind {
    const COPIES: [&str; 3] = ["resource_tracker", "forkserver", "semaphore_tracker"];
    if ranks.contains_key(&process.pid) {
        return Kind::Main;
    }
    let command = look.command.as_deref().unwrap_or_default();
    let is_of_torch = process.name.starts_with("pt_data");
    if is_of_torch || COPIES.iter().any(|name| command.contains(name)) {
        return Kind::Helper;
    }
    let parent = members.iter().position(|it| it.pid == process.parent);
    let parent = parent.and_then(|at| looks.get(at));
    let is_copy = parent.is_some_and(|parent| {
        parent.program == look.program
            && parent.command == look.command
            && parent.rank() == look.rank()
    });
    match (look.is_python(), is_copy) {
        (_, true) => Kind::Helper,
        (true, false) => Kind::Main,
        (false, false) => Kind::Other,
    }
}

/// Ranks by number, then what else trains, then what helps.
fn sort(seen: &mut [Seen]) {
    seen.sort_by_key(|it| {
        // The helpers of a rank have its number too.
        let rank = it.rank.filter(|_| it.kind == Kind::Main);
        (it.kind, rank.is_none(), rank, it.process.pid)
    });
}

/// Answers of py-spy that are on their way, by the place of the process.
struct Spies(Answers, usize);

type Answers = Arc<Mutex<Vec<(usize, Answer)>>>;
type Answer = Result<Vec<Thread>, String>;

/// Starts to ask for the stacks of those that matter.
fn ask_for_stacks(seen: &mut [Seen], until: Instant) -> Spies {
    let mut jobs: Vec<(usize, u32, PathBuf)> = Vec::new();
    let mut helpers = 0;
    for (at, it) in seen.iter_mut().enumerate() {
        let is_wanted = it.look.is_python() && !it.process.state.is_dead();
        helpers += usize::from(is_wanted && it.kind == Kind::Helper);
        if !is_wanted || it.kind == Kind::Helper && helpers > HELPERS || jobs.len() >= STACKS {
            continue;
        }
        let pid = it.process.pid;
        let command = it.look.command.as_deref();
        match stacks::find(pid, it.look.program.as_deref(), command) {
            Some(py_spy) => {
                it.stacks = Stacks::Failed("py-spy did not return in time".to_owned());
                jobs.push((at, pid, py_spy));
            }
            None => it.stacks = Stacks::NoSpy,
        }
    }
    let count = jobs.len();
    jobs.reverse();
    let (jobs, answers) = (Arc::new(Mutex::new(jobs)), Answers::default());
    for _ in 0..count.min(SPIES) {
        let (jobs, answers) = (Arc::clone(&jobs), Arc::clone(&answers));
        let work = move || {
            while Instant::now() < until
                && let Some((at, pid, py_spy)) = lock(&jobs).pop()
            {
                let answer = stacks::dump(&py_spy, pid, until);
                lock(&answers).push((at, answer));
            }
        };
        _ = thread::Builder::new().name("py-spy".to_owned()).spawn(work);
    }
    Spies(answers, count)
}

impl Spies {
    /// What has come when the time is up.
    fn gather(&self, until: Instant) -> Vec<(usize, Answer)> {
        while lock(&self.0).len() < self.1 && Instant::now() < until {
            thread::sleep(PAUSE);
        }
        std::mem::take(&mut *lock(&self.0))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures who uses the CPU, and takes the states as they are then.
fn measure(seen: &mut [Seen], began: Instant, until: Instant) {
    let before: Vec<Option<Process>> = again(seen);
    let (from, end) = (
        Instant::now(),
        until.min(began.max(Instant::now()) + MEASURED),
    );
    thread::sleep(end.saturating_duration_since(from));
    let seconds = from.elapsed().as_secs_f64().max(1.0 / TICKS as f64);
    let after = again(seen);
    for ((seen, before), after) in seen.iter_mut().zip(before).zip(after) {
        let (Some(before), Some(after)) = (before, after) else {
            seen.process.state = State('X');
            continue;
        };
        let ticks = after.cpu.saturating_sub(before.cpu);
        seen.cpu = Some(ticks as f64 / TICKS as f64 / seconds);
        seen.process = after;
    }
}

/// The processes as they are now; those that are others by now are left out.
fn again(seen: &[Seen]) -> Vec<Option<Process>> {
    let find = |it: &Seen| {
        let now = processes::find(it.process.pid)?;
        (now.started == it.process.started).then_some(now)
    };
    seen.iter().map(find).collect()
}
