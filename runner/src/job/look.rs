//! A close look at one process: what it was started as, what it waits for, its
//! threads, memory and open files.
//!
//! To read the command line or the environment of a process takes a lock that a
//! process in trouble may hold for ever, and who waits for it hangs as well. So
//! a look is taken on a thread of its own, what is safe first, and whoever
//! asked takes what is there when the time is up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::processes::{self, State, read};
use super::waits::{Call, parse_call};

/// Files that are named; the others are counted.
const FILES: usize = 20;
/// Descriptors that are looked at.
const DESCRIPTORS: usize = 4096;
/// Characters of a command line.
const COMMAND_CHARS: usize = 240;

/// What can be seen of a process.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The place in the kernel at which it sleeps.
    pub place: Option<String>,
    /// Where it is in the kernel, the innermost first.
    pub stack: Vec<String>,
    /// The system call that it is in, …
    pub call: Option<Call>,
    /// … and the file that this is about.
    pub call_file: Option<String>,
    /// How many threads are in which state.
    pub threads: BTreeMap<State, usize>,
    /// Memory in bytes: resident, and swapped out.
    pub memory: Option<(u64, u64)>,
    /// Open files.
    pub files: Files,
    /// The program.
    pub program: Option<PathBuf>,
    /// The command line, masked and shortened.
    pub command: Option<String>,
    /// `RANK`, `LOCAL_RANK` and `WORLD_SIZE` of its environment.
    pub variables: BTreeMap<&'static str, String>,
    /// Whether the look came to its end.
    pub complete: bool,
}

/// The open files of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Paths of the first, each with what is special about it.
    pub named: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// Sockets.
    pub sockets: usize,
    /// Pipes.
    pub pipes: usize,
    /// Devices, event queues and the like.
    pub others: usize,
}

impl Look {
    /// The rank that the environment names.
    #[must_use]
    pub fn rank(&self) -> Option<u32> {
        self.variables.get("RANK")?.trim().parse().ok()
    }

    /// Whether it is a Python.
    #[must_use]
    pub fn is_python(&self) -> bool {
        let name = self.program.as_deref().and_then(Path::file_name);
        let name = name.and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("python") || name.starts_with("pypy")
    }
}

/// Begins to look at a process; the look fills by and by.
#[must_use]
pub fn begin(pid: u32, mounts: &Arc<Mounts>) -> Arc<Mutex<Look>> {
    let look = Arc::new(Mutex::new(Look::default()));
    let (into, mounts) = (Arc::clone(&look), Arc::clone(mounts));
    let thread = std::thread::Builder::new().name("look".to_owned());
    // Without a thread there is no look, which is shown as such.
    _ = thread.spawn(move || take(pid, &mounts, &into));
    look
}

/// What a look has seen so far.
#[must_use]
pub fn so_far(look: &Mutex<Look>) -> Look {
    look.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn take(pid: u32, mounts: &Mounts, into: &Mutex<Look>) {
    let set = |fill: &mut dyn FnMut(&mut Look)| {
        fill(&mut into.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let file = |name: &str| read(&format!("/proc/{pid}/{name}"));
    let mut threads = BTreeMap::new();
    for thread in processes::threads(pid) {
        *threads.entry(thread.state).or_default() += 1;
    }
    set(&mut |look| look.threads = std::mem::take(&mut threads));
    let place = file("wchan").filter(|place| !matches!(place.trim(), "" | "0"));
    set(&mut |look| look.place.clone_from(&place));
    let memory = file("status").as_deref().and_then(parse_memory);
    set(&mut |look| look.memory = memory);
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    set(&mut |look| look.program.clone_from(&program));
    let (files, by_number) = open_files(pid, mounts);
    set(&mut |look| look.files = files.clone());
    let stack = file("stack").map(|text| parse_stack(&text));
    set(&mut |look| look.stack = stack.clone().unwrap_or_default());
    let call = file("syscall").as_deref().and_then(parse_call);
    set(&mut |look| {
        look.call = call;
        let number = call.and_then(|call| call.file);
        look.call_file = number.and_then(|number| by_number.get(&number).cloned());
    });
    // From here on it may hang.
    let command = file("cmdline").map(|text| command(&text));
    set(&mut |look| look.command = command.clone().filter(|it| !it.is_empty()));
    let variables = file("environ").map(|text| variables(&text));
    set(&mut |look| {
        look.variables = variables.clone().unwrap_or_default();
        look.complete = true;
    });
}

/// Reads `/proc/PID/status`: bytes that are resident, and swapped out.
fn parse_memory(status: &str) -> Option<(u64, u64)> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.trim().strip_suffix("kB")?;
        number.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some((kib("VmRSS:")?, kib("VmSwap:").unwrap_or(0)))
}

/// Reads `/proc/PID/stack`: the names of functions of the kernel.
fn parse_stack(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let name = line.split("] ").nth(1)?.split('+').next()?;
        Some(name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// A command line, its words split by zeros, for people.
fn command(text: &str) -> String {
    let words: Vec<&str> = text.split('\0').filter(|word| !word.is_empty()).collect();
    let line = mask(&words).join(" ");
    let line = crate::secret::scrub(&line).into_owned();
    let line = crate::deliver::text::clean_line(&line).into_owned();
    crate::deliver::text::cut_chars(&line, COMMAND_CHARS).into_owned()
}

/// The words of a command without what looks like a secret.
fn mask(words: &[&str]) -> Vec<String> {
    let mut is_secret = false;
    let mut masked = Vec::new();
    for word in words {
        let is_flag = word.starts_with('-');
        masked.push(if std::mem::take(&mut is_secret) && !is_flag {
            "***".to_owned()
        } else if let Some((name, _)) = word.split_once('=').filter(|it| names_a_secret(it.0)) {
            format!("{name}=***")
        } else {
            is_secret = is_flag && names_a_secret(word);
            mask_address(word)
        });
    }
    masked
}

/// Whether the name of an option or a variable is that of a secret.
fn names_a_secret(name: &str) -> bool {
    const SECRETS: [&str; 10] = [
        "key",
        "apikey",
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "credential",
        "credentials",
        "auth",
    ];
    let name = name.to_ascii_lowercase();
    let last = name.rsplit(['-', '_', '.']).next().unwrap_or_default();
    SECRETS.contains(&last)
}

/// An address without the password in it.
fn mask_address(word: &str) -> String {
    let masked = word.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find('/').unwrap_or(rest.len());
        let at = rest.get(..end)?.rfind('@')?;
        Some(format!("{scheme}://***{}", rest.get(at..)?))
    });
    masked.unwrap_or_else(|| word.to_owned())
}

/// Of an environment what says which rank it is.
fn variables(text: &str) -> BTreeMap<&'static str, String> {
    let find = |name: &'static str| {
        let of = |entry: &str| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        let value = text.split('\0').find_map(of)?;
        let is_plain = value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then_some((name, value))
    };
    ["RANK", "LOCAL_RANK", "WORLD_SIZE"]
        .into_iter()
        .filter_map(find)
        .collect()
}

/// The open files, in words and by number.
fn open_files(pid: u32, mounts: &Mounts) -> (Files, BTreeMap<u32, String>) {
    let folder = format!("/proc/{pid}/fd");
    let mut by_number = BTreeMap::new();
    let numbers = processes::numbers(Path::new(&folder));
    for number in numbers.into_iter().take(DESCRIPTORS) {
        // The name only: to look at the file itself may hang.
        if let Ok(target) = fs::read_link(format!("{folder}/{number}")) {
            by_number.insert(number, target.to_string_lossy().into_owned());
        }
    }
    let files = sort_files(by_number.values().map(String::as_str), mounts);
    for target in by_number.values_mut() {
        if target.starts_with('/') {
            *target = describe(target, mounts);
        }
    }
    (files, by_number)
}

fn sort_files<'a>(targets: impl Iterator<Item = &'a str>, mounts: &Mounts) -> Files {
    let mut files = Files::default();
    let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
    for target in targets {
        if target.starts_with("socket:") {
            files.sockets += 1;
        } else if target.starts_with("pipe:") {
            files.pipes += 1;
        } else if !target.starts_with('/') || target.starts_with("/dev/") && !is_shared(target) {
            files.others += 1;
        } else {
            *paths.entry(target).or_default() += 1;
        }
    }
    // What may be the trouble first.
    let mut named: Vec<(bool, String)> = paths
        .into_iter()
        .map(|(path, times)| {
            let text = describe(path, mounts);
            let often = if times > 1 {
                format!(", {times} times")
            } else {
                String::new()
            };
            (text == path, text + &often)
        })
        .collect();
    named.sort();
    files.more = named.len().saturating_sub(FILES);
    files.named = named
        .into_iter()
        .take(FILES)
        .map(|(_, text)| text)
        .collect();
    files
}

fn is_shared(path: &str) -> bool {
    path.starts_with("/dev/shm/")
}

/// A path with what is special about the file.
fn describe(path: &str, mounts: &Mounts) -> String {
    let (name, deleted) = match path.strip_suffix(" (deleted)") {
        Some(name) => (name, true),
        None => (path, false),
    };
    let network = mounts.network(name);
    let name = crate::deliver::text::clean_line(name);
    let name = crate::deliver::text::cut_chars(&name, COMMAND_CHARS);
    match (network, deleted) {
        (Some(kind), true) => format!("{name} (on {kind}, deleted)"),
        (Some(kind), false) => format!("{name} (on {kind})"),
        (None, true) => format!("{name} (deleted)"),
        (None, false) => name.into_owned(),
    }
}

/// What is mounted where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts(Vec<(String, String)>);

impl Mounts {
    /// As this process sees it.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&read("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Reads `/proc/PID/mountinfo`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mount = |line: &str| {
            let (about, filesystem) = line.split_once(" - ")?;
            let point = about.split(' ').nth(4)?.replace("\\040", " ");
            Some((point, filesystem.split(' ').next()?.to_owned()))
        };
        Self(text.lines().filter_map(mount).collect())
    }

    /// The kind of network filesystem that a path is on.
    fn network(&self, path: &str) -> Option<&str> {
        const KINDS: [&str; 14] = [
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "gfs2",
            "glusterfs",
            "gpfs",
            "lustre",
            "nfs",
            "nfs4",
            "ocfs2",
            "smb3",
            "virtiofs",
        ];
        let is_within = |point: &str| {
            let rest = path.strip_prefix(point.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Of mounts in the same place the last covers the others.
        let (_, kind) = self
            .0
            .iter()
            .filter(|(point, _)| is_within(point))
            .max_by_key(|(point, _)| point.len())?;
        (KINDS.contains(&kind.as_str()) || kind.starts_with("fuse")).then_some(kind)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_command_line_are_masked() {
        let line = "python\0train.py\0--api-key\0sk-123\0--lr=1e-3\0--hf_token=hf_x\0--tokenizer\0gpt2\0\
                    --max-tokens=4096\0WANDB_API_KEY=abc\0https://me:pw@host/x@y\0--token\0--fast\0";
        assert_eq!(
            command(line),
            "python train.py --api-key *** --lr=1e-3 --hf_token=*** --tokenizer gpt2 \
             --max-tokens=4096 WANDB_API_KEY=*** https://***@host/x@y --token --fast"
        );
        let long = command(&"x ".repeat(1000));
        assert!(long.chars().count() <= COMMAND_CHARS && long.ends_with('…'));
    }

    #[test]
    fn of_the_environment_only_the_rank_is_taken() {
        let found = variables("HOME=/root\0RANK=3\0LOCAL_RANK=1\0WORLD_SIZE=secret\0XRANK=9\0");
        let expected = [("RANK", "3".to_owned()), ("LOCAL_RANK", "1".to_owned())];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn memory_and_stack() {
        let status = "Name:\tpython\nVmRSS:\t    2048 kB\nVmSwap:\t       4 kB\nThreads:\t1\n";
        assert_eq!(parse_memory(status), Some((2 << 20, 4096)));
        assert_eq!(parse_memory("Name:\tkthread\n"), None);
        let stack =
            "[<0>] rpc_wait_bit_killable+0x1e/0xa0 [sunrpc]\n[<0>] do_syscall_64+0x71/0x280\n";
        assert_eq!(
            parse_stack(stack),
            ["rpc_wait_bit_killable", "do_syscall_64"]
        );
    }

    #[test]
    fn files_are_named_and_what_is_special_comes_first() {
        let mounts = Mounts::parse(
            "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
             23 22 0:22 / /mnt/my\\040data rw - nfs4 server:/x rw\n\
             24 22 0:23 / /mnt/s3 rw - fuse.s3fs s3fs rw\n",
        );
        let targets = [
            "/dev/null",
            "socket:[1]",
            "pipe:[2]",
            "anon_inode:[eventpoll]",
            "/home/a.txt",
            "/home/a.txt",
            "/mnt/my data/shard.tar",
            "/mnt/s3/x (deleted)",
            "/dev/shm/torch_1",
            "/mnt/my data2",
        ];
        let files = sort_files(targets.into_iter(), &mounts);
        assert_eq!(
            files.named,
            [
                "/mnt/my data/shard.tar (on nfs4)",
                "/mnt/s3/x (on fuse.s3fs, deleted)",
                "/dev/shm/torch_1",
                "/home/a.txt, 2 times",
                "/mnt/my data2",
            ]
        );
        assert_eq!((files.sockets, files.pipes, files.others), (1, 1, 2));
        let many: Vec<String> = (0..100).map(|at| format!("/x/{at}")).collect();
        let files = sort_files(many.iter().map(String::as_str), &mounts);
        assert_eq!((files.named.len(), files.more), (FILES, 80));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_look_at_oneself() {
        let mut look = Look::default();
        let shared = Mutex::new(look.clone());
        take(std::process::id(), &Mounts::read(), &shared);
        look = so_far(&shared);
        assert!(look.complete && look.command.is_some() && !look.threads.is_empty());
        assert!(look.memory.unwrap().0 > 0);
        assert!(!look.is_python());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_is_gone_is_no_error() {
        let shared = Mutex::new(Look::default());
        take(u32::MAX - 1, &Mounts::default(), &shared);
        assert!(so_far(&shared).complete);
    }
}
