//! Lines by which jobs, launchers and schedulers say that something happened:
//! memory ran out, a collective hung, a process was killed, a job cancelled.
//!
//! The same thing is said many times, by every rank, by the launcher, and once
//! more inside another message. Within a rank and a stretch of lines it is one
//! event.

use memchr::memmem::{self, Finder};

/// Something that a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) rank: Option<u32>,
    /// The line, or what the launcher's report comes to.
    pub(super) content: String,
    /// What the line says in numbers and names.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Event {
    /// Whether a job does not survive it.
    pub(super) fn is_fatal(&self) -> bool {
        !matches!(self.name, "gradient-overflow" | "non-finite" | "cuda-oom")
    }
}

/// A word that lines of an event have, and whether a line with it is one.
struct Rule {
    word: &'static str,
    name: fn(&[u8]) -> Option<&'static str>,
}

/// The first rule that gives a name counts.
const RULES: &[Rule] = &[
    rule("Watchdog caught", |_| Some("nccl-timeout")),
    rule("CANCELLED AT", |text| {
        number_after(text, "CANCELLED AT ").map(|_| "slurm-cancelled")
    }),
    rule("TERM_", |text| {
        let killed = text.starts_with(b"TERM_") && has(text, ": job killed");
        killed.then_some("lsf-kill")
    }),
    rule("PBS: job killed", |_| Some("pbs-kill")),
    rule("ut of memory", out_of_memory),
    rule("OOM when allocating", |_| Some("cuda-oom")),
    rule("oom-kill", |text| {
        let happened = [
            "oom-kill:",
            "oom-kill event",
            "oom-killer:",
            "voked oom-killer",
        ];
        happened
            .iter()
            .any(|word| has(text, word))
            .then_some("host-oom")
    }),
    rule("oom_kill event", |_| Some("host-oom")),
    rule("OOM Killed", |_| Some("host-oom")),
    rule("OOMKilled", |_| Some("host-oom")),
    rule("std::bad_alloc", |_| Some("host-oom")),
    rule("allocate memory", |text| {
        let refused = has(text, "Cannot allocate memory") || has(text, "can't allocate memory");
        refused.then_some("host-oom")
    }),
    rule("running low on memory", |_| Some("host-oom")),
    rule("DataLoader worker (pid", |text| {
        if has(text, "killed by signal: Killed") {
            Some("host-oom")
        } else {
            (has(text, "exited unexpectedly") || has(text, "killed by signal"))
                .then_some("dataloader-died")
        }
    }),
    rule("OVERFLOW!", |_| Some("gradient-overflow")),
    rule("radient overflow", |text| {
        let scaled = has(text, "loss scale") || has(text, "kipping");
        scaled.then_some("gradient-overflow")
    }),
    rule("before timing out", |_| Some("nccl-timeout")),
    rule("NCCL error", |text| {
        let failed = has(text, "NCCL error:") || has(text, "NCCL error in");
        failed.then_some("nccl-error")
    }),
    rule("CUDA error: ", |_| Some("cuda-error")),
    rule("_STATUS_", |text| {
        let failed = (has(text, "CUDNN_STATUS_") || has(text, "CUBLAS_STATUS_"))
            && !has(text, "STATUS_SUCCESS");
        failed.then_some("cuda-error")
    }),
    rule("NVRM: Xid", |_| Some("gpu-xid")),
    rule("SIGKILL", |text| {
        let received = has(text, "eceived by PID") || has(text, "died with <Signals.");
        received.then_some("killed")
    }),
    rule("Killed", |text| is_killed(text).then_some("killed")),
    rule("code", exit_code),
    rule("ActorDiedError", |_| Some("ray-actor-died")),
    rule("RayActorError", |_| Some("ray-actor-died")),
    rule("ActorUnavailableError", |_| Some("ray-actor-died")),
    rule("WorkerCrashedError", |_| Some("ray-actor-died")),
    rule("The actor died", |_| Some("ray-actor-died")),
    rule("A worker died or was killed", |_| Some("ray-actor-died")),
    rule("eceived SIGINT", |text| told(text, "interrupted")),
    rule("eceived SIGTERM", |text| told(text, "terminated")),
    rule("death signal", |text| match has(text, "eceived 2 death") {
        true => Some("interrupted"),
        false => Some("terminated"),
    }),
    rule("got signal: 15", |_| Some("terminated")),
    rule("Segmentation fault", |text| told(text, "segfault")),
    rule("Bus error", |text| told(text, "bus-error")),
    rule("Fatal Python error: ", |_| Some("fatal-python-error")),
    rule("terminate called ", |text| {
        let thrown = ["called after", "called without", "called recursively"];
        thrown
            .iter()
            .any(|word| has(text, word))
            .then_some("aborted")
    }),
    rule("Aborted (core dumped)", |_| Some("aborted")),
    rule("Invalid loss", |text| {
        has(text, "terminating training").then_some("non-finite")
    }),
    rule("oss is nan", |_| Some("non-finite")),
    rule("NaN or Inf found", |_| Some("non-finite")),
];

const fn rule(word: &'static str, name: fn(&[u8]) -> Option<&'static str>) -> Rule {
    Rule { word, name }
}

fn has(text: &[u8], word: &str) -> bool {
    memmem::find(text, word.as_bytes()).is_some()
}

/// The event, unless the line is advice, or says what would be done about it.
fn told(text: &[u8], name: &'static str) -> Option<&'static str> {
    const ADVICE: [&str; 9] = [
        "andler", "egister", "nstall", " when ", " if ", " upon ", "avoid ", "would ", "will ",
    ];
    let advice = ADVICE.iter().any(|word| has(text, word));
    (!advice).then_some(name)
}

/// Advice mentions running out of memory as well.
fn out_of_memory(text: &[u8]) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| has(text, word));
    if has(text, "Killed process") {
        return Some("host-oom");
    }
    let device = text.starts_with(b"CUDA out of memory")
        || says(&[
            "Tried to allocate",
            "Error: CUDA out of memory",
            "CUDA error: out of memory",
            "RESOURCE_EXHAUSTED: Out of memory",
            "RESOURCE_EXHAUSTED: out of memory",
            "Cuda failure",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "MPS backend out of memory",
        ]);
    device.then_some("cuda-oom")
}

/// `Killed` alone, or as shells and srun say it: `run.sh: line 3:  42 Killed  python`,
/// `srun: error: node1: task 0: Killed`.
fn is_killed(text: &[u8]) -> bool {
    if text == b"Killed" || (text.starts_with(b"srun: error") && text.ends_with(b": Killed")) {
        return true;
    }
    let Some(at) = memmem::find(text, b" Killed ") else {
        return false;
    };
    has(text, ": line ") && text[..at].last().is_some_and(u8::is_ascii_digit)
}

/// Codes with which processes ended, as launchers report them.
fn exit_code(text: &[u8]) -> Option<&'static str> {
    let code = number_after(text, "return code = ")
        .or_else(|| number_after(text, "exitcode: "))
        .or_else(|| number_after(text, "xited with exit code "))?;
    match code {
        0 => None,
        -9 | 137 => Some("killed"),
        // The box that follows says more.
        _ if has(text, "exitcode: ") => None,
        _ if has(text, "return code = ") => Some("child-failed"),
        _ => Some("exited"),
    }
}

/// A line, and what Slurm wrote behind it when it killed the job in the middle
/// of the line.
pub(super) fn split_killer(text: &[u8]) -> (&[u8], &[u8]) {
    let at = if text.ends_with(b"***") {
        memmem::find(text, b"slurmstepd: error: ***")
    } else {
        None
    };
    text.split_at(at.unwrap_or(text.len()))
}

/// The number that stands behind some words.
fn number_after(text: &[u8], words: &str) -> Option<i64> {
    let at = memmem::find(text, words.as_bytes())? + words.len();
    let rest = text[at..].trim_ascii_start();
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let width = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=18).contains(&width) {
        return None;
    }
    let value = digits[..width]
        .iter()
        .fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// What stands behind some words, up to a byte.
fn word_after(text: &[u8], words: &str, end: &[u8]) -> Option<String> {
    let at = memmem::find(text, words.as_bytes())? + words.len();
    let rest = text[at..].trim_ascii_start();
    let width = rest.iter().take_while(|b| !end.contains(b)).count();
    (width > 0).then(|| shown(&rest[..width]))
}

/// Bytes kept of a line.
const MAX_CONTENT: usize = 1 << 10;
/// Lines within which the same event is not told again.
const NEARBY: u64 = 500;
/// Events that are remembered for that.
const REMEMBERED: usize = 64;

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MAX_CONTENT)]).into_owned()
}

/// Which rules a text may be of. Most lines are of none, and forty searches
/// would cost more than all other reading of them: parts of three bytes of each
/// rule's word are looked for, all at once.
///
/// Only every other place of the text is looked at. So there are two parts of
/// each word, one behind the other: one of them begins at such a place.
struct Filter {
    /// By the hash of a part, its place among the parts.
    places: Box<[u8; 1 << Filter::BITS]>,
    parts: Vec<Part>,
}

/// What English is mostly made of.
const COMMON: &[u8] = b" etaoinsrhdl";

/// Three bytes, and a bit for each rule whose word has them.
#[derive(Clone, Copy)]
struct Part {
    bytes: u32,
    rules: u64,
}

/// A bit for every rule, and a place for every part.
const _: () = assert!(RULES.len() <= 64);

impl Filter {
    const BITS: u32 = 12;
    /// Parts that share their hash are taken for each other.
    const SEVERAL: u32 = u32::MAX;

    fn new() -> Self {
        let mut filter = Self {
            places: Box::new([0; 1 << Self::BITS]),
            // The place of all that is no part.
            parts: vec![Part { bytes: 0, rules: 0 }],
        };
        for (at, rule) in RULES.iter().enumerate() {
            let common = |part: &[u8]| part.iter().filter(|b| COMMON.contains(b)).count();
            let common = |pair: &&[u8]| common(&pair[..3]).max(common(&pair[1..]));
            let pairs = rule.word.as_bytes().windows(4);
            if let Some(pair) = pairs.min_by_key(common) {
                filter.add(&pair[..3], 1 << at);
                filter.add(&pair[1..], 1 << at);
            }
        }
        filter
    }

    fn add(&mut self, part: &[u8], rules: u64) {
        let bytes = Self::bytes(part);
        let place = &mut self.places[Self::hash(bytes)];
        match self.parts.get_mut(usize::from(*place)) {
            Some(known) if *place > 0 => {
                known.rules |= rules;
                if known.bytes != bytes {
                    known.bytes = Self::SEVERAL;
                }
            }
            _ => {
                // Two for each of at most 64 rules.
                *place = self.parts.len() as u8;
                self.parts.push(Part { bytes, rules });
            }
        }
    }

    #[inline(always)]
    fn bytes(part: &[u8]) -> u32 {
        match *part {
            [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
            _ => 0,
        }
    }

    #[inline(always)]
    fn hash(bytes: u32) -> usize {
        (bytes.wrapping_mul(0x9e37_79b1) >> (32 - Self::BITS)) as usize
    }

    fn rules(&self, text: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let mut found = 0;
        for part in text.windows(3).step_by(2) {
            let bytes = Self::bytes(part);
            let place = self.places[Self::hash(bytes)];
            if place > 0
                && let Some(part) = self.parts.get(usize::from(place))
                && (part.bytes == bytes || part.bytes == Self::SEVERAL)
            {
                found |= part.rules;
            }
        }
        std::iter::from_fn(move || {
            let first = found.trailing_zeros();
            found &= found.checked_sub(1)?;
            Some(first as usize)
        })
    }
}

/// Finds events in lines.
pub(super) struct Events {
    filter: Filter,
    words: Vec<Finder<'static>>,
    /// What was told, and on which line it was last said.
    told: Vec<(Told, u64)>,
    report: Option<Report>,
}

type Told = (&'static str, Option<u32>, Option<String>);

impl Default for Events {
    fn default() -> Self {
        Self {
            filter: Filter::new(),
            words: RULES.iter().map(|rule| Finder::new(rule.word)).collect(),
            told: Vec::new(),
            report: None,
        }
    }
}

impl Events {
    /// The events that a line of text tells.
    pub(super) fn line(&mut self, number: u64, text: &[u8], rank: Option<u32>) -> Vec<Event> {
        let quoted = self.report.is_some();
        let mut events = self.report_line(number, text, rank);
        if !quoted
            && let Some(event) = self.event(text, rank)
            && self.is_new(&event, number)
        {
            events.push(event);
        }
        events
    }

    /// The events that a line of torchrun's report tells, which quotes what the
    /// processes printed.
    pub(super) fn report_line(
        &mut self,
        number: u64,
        text: &[u8],
        rank: Option<u32>,
    ) -> Vec<Event> {
        let report = self.report(number, text, rank);
        let mut events = report.map(Report::events).unwrap_or_default();
        events.retain(|event| self.is_new(event, number));
        events
    }

    fn event(&self, text: &[u8], rank: Option<u32>) -> Option<Event> {
        let name = self
            .filter
            .rules(text)
            .filter(|&rule| self.words[rule].find(text).is_some())
            .find_map(|rule| (RULES[rule].name)(text))?;
        let mut event = Event {
            name,
            rank,
            content: shown(text),
            fields: Vec::new(),
        };
        event.details(text);
        Some(event)
    }

    /// Whether an event was not told nearby. One without a rank may be of any:
    /// launchers repeat what processes say, and processes what launchers do.
    fn is_new(&mut self, event: &Event, number: u64) -> bool {
        let detail = event.detail();
        let known = self.told.iter_mut().find(|((name, rank, of), line)| {
            *name == event.name
                && (*rank == event.rank || rank.is_none() || event.rank.is_none())
                && (*of == detail || of.is_none() || detail.is_none())
                && *line + NEARBY >= number
        });
        if let Some((_, line)) = known {
            *line = number;
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.remove(0);
        }
        self.told.push(((event.name, event.rank, detail), number));
        true
    }

    /// A line of torchrun's report; the report when it is complete.
    fn report(&mut self, number: u64, text: &[u8], rank: Option<u32>) -> Option<Report> {
        if let Some(report) = &mut self.report {
            let over = is_rule(text) || report.began + MAX_REPORT < number;
            if !over {
                report.line(text);
                return None;
            }
            return self.report.take();
        }
        if text.starts_with(b"Root Cause") && text.ends_with(b":") {
            self.report = Some(Report {
                began: number,
                rank,
                ..Report::default()
            });
        }
        None
    }
}

impl Event {
    /// What the line says in numbers.
    fn details(&mut self, text: &[u8]) {
        let mut field = |name, value: Option<String>| {
            if let Some(value) = value {
                self.fields.push((name, value));
            }
        };
        match self.name {
            "slurm-cancelled" => {
                field("job", word_after(text, "JOB ", b" "));
                field("step", word_after(text, "STEP ", b" "));
                field("host", word_after(text, " ON ", b" "));
                let reason =
                    word_after(text, "DUE TO ", b"*").or_else(|| word_after(text, "DUE to ", b"*"));
                field(
                    "reason",
                    reason.map(|reason| reason.trim().to_ascii_lowercase().replace(' ', "-")),
                );
            }
            "nccl-timeout" | "nccl-error" => {
                field("operation", word_after(text, "OpType=", b",)"));
                field("sequence", word_after(text, "SeqNum=", b",)"));
                if self.rank.is_none() {
                    let rank = number_after(text, "Rank ").or_else(|| number_after(text, "rank "));
                    self.rank = rank.and_then(|rank| u32::try_from(rank).ok());
                }
            }
            "cuda-oom" => {
                field("gpu", number_after(text, "GPU ").map(|gpu| gpu.to_string()));
                field("requested", word_after(text, "Tried to allocate ", b".("));
            }
            "lsf-kill" => field("reason", word_after(text, "TERM_", b": ,.")),
            "gradient-overflow" => {
                let scale = ["reducing to ", "loss scale to: ", "loss scale to "]
                    .iter()
                    .find_map(|words| word_after(text, words, b" ,"));
                field("loss_scale", scale);
            }
            "child-failed" | "exited" | "killed" => {
                let code = number_after(text, "return code = ")
                    .or_else(|| number_after(text, "exitcode: "))
                    .or_else(|| number_after(text, "exit code "));
                field("exitcode", code.map(|code| code.to_string()));
            }
            _ => {}
        }
    }

    /// What tells the event from others of its name.
    fn detail(&self) -> Option<String> {
        let of = match self.name {
            "slurm-cancelled" => &["job", "reason"][..],
            "gradient-overflow" => &["loss_scale"],
            "cuda-oom" => &["gpu"],
            "child-failed" => &["pid"],
            _ => return None,
        };
        let known = self.fields.iter().filter(|(name, _)| of.contains(name));
        let detail: String = known.map(|(_, value)| value.as_str()).collect();
        (!detail.is_empty()).then_some(detail)
    }
}

/// Lines after which a report of torchrun's that does not end is over.
const MAX_REPORT: u64 = 2_000;

/// The root cause in the report that torchrun prints when a process failed:
///
/// ```text
/// Root Cause (first observed failure):
/// [0]:
///   host      : node7
///   rank      : 1 (local_rank: 1)
///   exitcode  : -9 (pid: 4130)  (SIGKILL)
///   traceback : Signal 9 (SIGKILL) received by PID 4130
/// ==================
/// ```
#[derive(Debug, Default)]
struct Report {
    began: u64,
    rank: Option<u32>,
    host: Option<String>,
    exitcode: Option<i64>,
    pid: Option<i64>,
    signal: Option<String>,
    /// The last line that said something about the cause.
    error: String,
}

impl Report {
    fn line(&mut self, text: &[u8]) {
        let Some((key, value)) = pair(text) else {
            if looks_like_error(text) {
                self.error = shown(text);
            }
            return;
        };
        match key {
            b"rank" => {
                let rank = number_after(value, "").and_then(|rank| u32::try_from(rank).ok());
                self.rank = rank.or(self.rank);
            }
            b"host" => self.host = Some(shown(value)),
            b"exitcode" => {
                self.exitcode = number_after(value, "");
                self.pid = number_after(value, "pid:");
                self.signal = word_after(value, "(SIG", b")").map(|name| format!("SIG{name}"));
            }
            b"traceback" | b"msg" => self.error = shown(value),
            _ if looks_like_error(text) => self.error = shown(text),
            _ => {}
        }
    }

    fn events(self) -> Vec<Event> {
        let exitcode = self.exitcode.map(|code| code.to_string());
        let rank = self
            .rank
            .map_or("a rank".to_owned(), |rank| format!("rank {rank}"));
        let code = exitcode.clone().unwrap_or_else(|| "unknown".to_owned());
        let event = |name, content| Event {
            name,
            rank: self.rank,
            content,
            fields: Vec::new(),
        };
        let mut failed = event(
            "child-failed",
            format!("{rank} failed first, exit code {code}: {}", self.error),
        );
        let facts = [
            ("exitcode", exitcode),
            ("pid", self.pid.map(|pid| pid.to_string())),
            ("signal", self.signal),
            ("host", self.host),
            ("error", Some(self.error.clone())),
        ];
        failed.fields = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let mut events = vec![failed];
        if self.exitcode == Some(-9) {
            events.push(event("killed", self.error));
        } else if out_of_memory(self.error.as_bytes()) == Some("cuda-oom") {
            let mut oom = event("cuda-oom", self.error.clone());
            oom.details(self.error.as_bytes());
            events.push(oom);
        }
        events
    }
}

/// `exitcode  : 1 (pid: 29)`, `rank: 0 (local_rank: 0)`.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', text)?;
    let key = text[..colon].trim_ascii_end();
    let plain = key.iter().all(|b| b.is_ascii_lowercase() || *b == b'_');
    (plain && !key.is_empty()).then(|| (key, text[colon + 1..].trim_ascii()))
}

/// A line of a traceback that names the exception.
fn looks_like_error(text: &[u8]) -> bool {
    let name = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"._".contains(b))
        .count();
    let rest = &text[name..];
    name > 0
        && (rest.is_empty() || rest.starts_with(b":"))
        && [&b"Error"[..], b"Exception", b"Interrupt", b"Exit"]
            .iter()
            .any(|ending| text[..name].ends_with(ending))
}

fn is_rule(text: &[u8]) -> bool {
    let first = text.first().copied().unwrap_or_default();
    matches!(first, b'=' | b'*') && text.len() >= 10 && text.iter().all(|b| *b == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<String> {
        let mut events = Events::default();
        let mut out = Vec::new();
        for (number, line) in (1u64..).zip(text.lines()) {
            for event in events.line(number, line.trim().as_bytes(), None) {
                let mut shown = event.name.to_owned();
                if let Some(rank) = event.rank {
                    shown += &format!(" rank {rank}");
                }
                for (name, value) in event.fields {
                    shown += &format!(" {name}={value}");
                }
                out.push(shown);
            }
        }
        out
    }

    #[test]
    fn what_lines_tell() {
        for (line, event) in [
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 12.00 MiB. GPU 3 has a total capacity of 7 GiB",
                "cuda-oom gpu=3 requested=12",
            ),
            ("RuntimeError: CUDA error: out of memory", "cuda-oom"),
            (
                "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.",
                "cuda-oom",
            ),
            (
                "RuntimeError: CUDA error: device-side assert triggered",
                "cuda-error",
            ),
            (
                "slurmstepd: error: Detected 1 oom_kill event in StepId=5.0.",
                "host-oom",
            ),
            (
                "Out of memory: Killed process 77 (python) total-vm:1kB",
                "host-oom",
            ),
            (
                "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed.",
                "host-oom",
            ),
            (
                "[Rank 5] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE, NumelIn=1, Timeout(ms)=1800000) ran for 1800500 milliseconds before timing out.",
                "nccl-timeout rank 5 operation=ALLREDUCE sequence=9",
            ),
            ("Killed", "killed"),
            (
                "run.sh: line 3:  4242 Killed                  python train.py",
                "killed",
            ),
            (
                "failed (exitcode: -9) local_rank: 1 (pid: 41) of binary: python",
                "killed exitcode=-9",
            ),
            (
                "['python', 'train.py'] exits with return code = -6",
                "child-failed exitcode=-6",
            ),
            (
                "srun: error: n3: task 3: Exited with exit code 1",
                "exited exitcode=1",
            ),
            (
                "slurmstepd: error: *** JOB 31 ON n5 CANCELLED AT 2025-01-02T03:04:05 DUE TO TIME LIMIT ***",
                "slurm-cancelled job=31 host=n5 reason=time-limit",
            ),
            (
                "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.",
                "lsf-kill reason=MEMLIMIT",
            ),
            (
                "ray.exceptions.RayActorError: The actor died unexpectedly before finishing this task.",
                "ray-actor-died",
            ),
            (
                "OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768",
                "gradient-overflow loss_scale=32768",
            ),
            (
                "NOTE: gradient overflow detected, ignoring gradient, setting loss scale to: 64.0",
                "gradient-overflow loss_scale=64.0",
            ),
            (
                "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0",
                "gradient-overflow loss_scale=32768.0",
            ),
            ("Main process received SIGINT, exiting", "interrupted"),
            (
                "slurmstepd: error: Detected 2 oom-kill event(s) in StepId=5.0 cgroup.",
                "host-oom",
            ),
            (
                "python invoked oom-killer: gfp_mask=0xcc0, order=0",
                "host-oom",
            ),
            (
                "/job/run.sh: line 12: 8123 Segmentation fault      (core dumped) python train.py",
                "segfault",
            ),
            ("Signal: Segmentation fault (11)", "segfault"),
            ("Fatal Python error: Segmentation fault", "segfault"),
            (
                "terminate called after throwing an instance of 'c10::Error'",
                "aborted",
            ),
            (
                "[1] NCCL INFO transport/net.cc:12 -> 6 NCCL error: remote process exited",
                "nccl-error",
            ),
            ("Batch 3: Invalid loss, terminating training", "non-finite"),
        ] {
            assert_eq!(events(line), [event], "{line}");
        }
    }

    #[test]
    fn what_lines_do_not_tell() {
        for line in [
            "If you run out of memory, reduce the batch size.",
            "OIDN Error: out of memory",
            "Registering handler: saves a checkpoint when it received SIGTERM",
            "Received SIGINT handler installed",
            "Enabled NCCL error checking",
            "Segmentation fault handler installed (faulthandler enabled)",
            "Tip: to avoid Bus error, increase shm size",
            "oom-kill protection: disabled",
            "terminate called for tokenizers: 3",
            "CANCELLED AT midnight",
            "TERM_DEBUG: 1",
            "[launch.py:315:sigkill_handler] Killing subprocess 42",
            "Sending process 5 closing signal SIGTERM",
            "exits with return code = 0",
            "failed (exitcode: 1) local_rank: 1 (pid: 41) of binary: python",
            "the code is here",
            "He was Killed in action",
            "CUBLAS_STATUS_SUCCESS",
            "",
        ] {
            assert!(events(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn the_same_is_told_once() {
        let timeout = "[Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=BROADCAST)";
        let text = format!("{timeout}\n{timeout}\n  what():  {timeout}");
        assert_eq!(
            events(&text),
            ["nccl-timeout rank 2 operation=BROADCAST sequence=1"]
        );
        // But not what happens again much later, or to another job.
        let far = format!("Killed\n{}Killed", "text\n".repeat(600));
        assert_eq!(events(&far), ["killed", "killed"]);
        let cancelled = |job| format!("*** JOB {job} ON a CANCELLED AT 2025-01-02T03:04:05 ***\n");
        assert_eq!(
            events(&(cancelled(1) + &cancelled(2) + &cancelled(1))).len(),
            2
        );
    }

    #[test]
    fn the_root_cause_of_torchrun() {
        let report = "\
            Root Cause (first observed failure):\n\
            [0]:\n\
              time      : 2025-01-02_03:04:05\n\
              host      : node7\n\
              rank      : 9 (local_rank: 1)\n\
              exitcode  : -9 (pid: 41)  (SIGKILL)\n\
              error_file: <N/A>\n\
              traceback : Signal 9 (SIGKILL) received by PID 41\n\
            ============================================================\n";
        assert_eq!(
            events(report),
            [
                "child-failed rank 9 exitcode=-9 pid=41 signal=SIGKILL host=node7 error=Signal 9 (SIGKILL) received by PID 41",
                "killed rank 9",
            ]
        );
        let old = "\
            Root Cause:\n[0]:\n  rank: 3 (local_rank: 3)\n  exitcode: 1 (pid: 29)\n\
            msg: \"Process failed with exitcode 1\"\n\
            =======================================\n";
        let told = events(old);
        assert!(
            told[0].starts_with("child-failed rank 3 exitcode=1 pid=29"),
            "{told:?}"
        );
    }
}
