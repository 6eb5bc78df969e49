//! What was found as text: first what it comes to, then each process.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Asked, Evidence, Kind, Scene, Seen, Stacks, Whose};
use crate::alert::{EVIDENCE_BYTES, spans};
use crate::deliver::text::{clean_line, cut_bytes, cut_chars};
use crate::job::stacks;
use crate::job::waits;

/// From this part of a core on a process is busy.
const BUSY: f64 = 0.5;
/// Groups of ranks that the summary tells apart.
const GROUPS: usize = 4;
/// Bytes of the last lines.
const LINES_BYTES: usize = 12 << 10;
/// Bytes of a process, stacks and all, at least and at most.
const PROCESS_BYTES: (usize, usize) = (1 << 10, 12 << 10);
/// Processes that have one line each.
const OTHERS: usize = 40;
/// Functions of the kernel that are shown.
const KERNEL_FRAMES: usize = 8;

pub(super) fn compose(scene: &Scene, asked: &Asked<'_>) -> Evidence {
    let lines = summary(scene, asked);
    let mut text = section("summary", &(lines.join("\n") + "\n"));
    if !asked.behind.trim().is_empty() {
        text += &section(
            "which ranks are behind",
            &cut_lines(asked.behind, LINES_BYTES),
        );
    }
    let last = last_lines(asked.lines);
    let others = others(scene);
    let room = EVIDENCE_BYTES.saturating_sub(text.len() + last.len() + others.len() + 200);
    text += &processes(scene, room);
    text += &others;
    text += &last;
    let text = crate::secret::scrub(&text).into_owned();
    Evidence {
        summary: crate::secret::scrub(&lines.iter().take(2).cloned().collect::<Vec<_>>().join(" "))
            .into_owned(),
        text: cut_bytes(&text, EVIDENCE_BYTES).into_owned(),
    }
}

fn section(title: &str, body: &str) -> String {
    let end = if body.is_empty() || body.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("== {title}\n{body}{end}")
}

/// Whole lines of a text, within so many bytes.
fn cut_lines(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let (mut kept, total) = (String::new(), text.lines().count());
    let mut count = 0;
    for line in text.lines() {
        if kept.len() + line.len() + 40 > limit {
            break;
        }
        kept += line;
        kept.push('\n');
        count += 1;
    }
    _ = writeln!(kept, "… {} more lines", total - count);
    kept
}

/// What it comes to. The first two sentences are for the alert's message.
fn summary(scene: &Scene, asked: &Asked<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(places(&scene.seen));
    lines.push(counts(scene));
    lines.extend(busy(&scene.seen));
    lines.extend(stuck(&scene.seen));
    if !scene.gone.is_empty() {
        let mut ranks: Vec<u32> = scene.gone.iter().map(|claim| claim.rank).collect();
        ranks.sort_unstable();
        let is = if ranks.len() == 1 { "is" } else { "are" };
        lines.push(format!(
            "{} {is} gone: the process that wrote the heartbeat is not there any more.",
            ranks_named(&ranks)
        ));
    }
    if !scene.elsewhere.is_empty() {
        let mut ranks = scene.elsewhere.clone();
        ranks.sort_unstable();
        let is = if ranks.len() == 1 { "is" } else { "are" };
        lines.push(format!(
            "{} {is} on another machine and not looked at.",
            ranks_named(&ranks)
        ));
    }
    if scene
        .seen
        .iter()
        .any(|it| matches!(it.stacks, Stacks::NoSpy))
    {
        lines.push(format!(
            "Where the Python code stands is not known: there is no py-spy ({}).",
            stacks::HINT
        ));
    }
    if scene.seen.is_empty() && cfg!(not(target_os = "linux")) {
        lines = vec!["Processes can be looked at on Linux only.".to_owned()];
    } else if scene.seen.is_empty() && matches!(asked.whose, Whose::Job { .. }) {
        lines = vec!["No process of the job is there any more.".to_owned()];
    }
    lines
}

fn ranks_named(ranks: &[u32]) -> String {
    match ranks {
        [one] => format!("Rank {one}"),
        many => format!("Ranks {}", spans(many)),
    }
}

/// Where the ranks are, those in the same place together.
fn places(seen: &[Seen]) -> Option<String> {
    let mut groups: Vec<(String, Vec<&Seen>)> = Vec::new();
    for it in seen.iter().filter(|it| it.kind == Kind::Main) {
        let Some(place) = place(it) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == place) {
            Some((_, members)) => members.push(it),
            None => groups.push((place, vec![it])),
        }
    }
    let more = groups.len().saturating_sub(GROUPS);
    let mut parts: Vec<String> = groups
        .iter()
        .take(GROUPS)
        .map(|(place, members)| format!("{} {place}", named(members)))
        .collect();
    if more > 0 {
        parts.push(format!("{more} more are elsewhere"));
    }
    let text = parts.join("; ");
    let mut letters = text.chars();
    let first = letters.next()?;
    Some(format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// `rank 0 (pid 42) is`, `ranks 0–3 are`.
fn named(members: &[&Seen]) -> String {
    let ranks: Vec<u32> = members.iter().filter_map(|it| it.rank).collect();
    match members {
        [one] => format!("{} is", name(one)),
        _ if ranks.len() == members.len() => format!("ranks {} are", spans(&ranks)),
        [first, rest @ ..] => format!("{} and {} more are", name(first), rest.len()),
        [] => String::new(),
    }
}

/// `rank 0 (pid 42)`, `pid 42 (bash)`.
fn name(seen: &Seen) -> String {
    let pid = seen.process.pid;
    match (seen.kind, seen.rank) {
        (Kind::Main, Some(rank)) => format!("rank {rank} (pid {pid})"),
        (Kind::Helper, Some(rank)) => format!("a worker of rank {rank} (pid {pid})"),
        _ => format!("pid {pid} ({})", clean_line(&seen.process.name)),
    }
}

/// Where a process is: in its code if that is known, else in the kernel.
fn place(seen: &Seen) -> Option<String> {
    if seen.process.state.is_dead() {
        return Some("dead".to_owned());
    }
    if let Stacks::Read(threads) = &seen.stacks
        && let Some(place) = stacks::place(threads)
    {
        return Some(format!("in {place}"));
    }
    Some(doing(seen))
}

/// What a process does, as the kernel sees it.
fn doing(seen: &Seen) -> String {
    let state = seen.process.state;
    let place = seen.look.place.as_deref();
    let waits = place.and_then(waits::of_place);
    let file = seen.look.call_file.as_deref().zip(seen.look.call);
    let call = file.map(|(file, call)| format!(", in {} of {file}", call.name.unwrap_or("a call")));
    match (seen.cpu, state.0) {
        (Some(cpu), _) if cpu >= BUSY => format!("busy ({} of a core)", percent(cpu)),
        (_, 'S' | 'D') => {
            let waits = waits.map_or_else(String::new, |words| format!(", waits for {words}"));
            format!("{}{waits}{}", state.name(), call.unwrap_or_default())
        }
        _ => state.name().to_owned(),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", 100.0 * part)
}

/// How many processes there are, and what they do.
fn counts(scene: &Scene) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut helpers = 0;
    for seen in &scene.seen {
        helpers += usize::from(seen.kind == Kind::Helper);
        let is_busy = seen.cpu.is_some_and(|cpu| cpu >= BUSY);
        let state = if is_busy {
            "busy"
        } else {
            seen.process.state.name()
        };
        *states.entry(state).or_default() += 1;
    }
    let mut states: Vec<(&str, usize)> = states.into_iter().collect();
    states.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let states: Vec<String> = states
        .into_iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let total = scene.seen.len();
    let mut text = format!(
        "{total} {}: {}",
        if total == 1 { "process" } else { "processes" },
        states.join(", ")
    );
    if helpers > 0 {
        let are = if helpers == 1 {
            "is a worker"
        } else {
            "are workers"
        };
        _ = write!(
            text,
            "; {helpers} of them {are} that only help (loading data, for example)"
        );
    }
    if scene.unseen > 0 {
        _ = write!(text, "; {} more were not looked at", scene.unseen);
    }
    text + "."
}

/// Who uses the CPU, where not all do and not none.
fn busy(seen: &[Seen]) -> Option<String> {
    let busy: Vec<&Seen> = seen
        .iter()
        .filter(|it| it.cpu.is_some_and(|cpu| cpu >= BUSY))
        .collect();
    let first = busy.first()?;
    let cpu = percent(first.cpu.unwrap_or_default());
    let more = busy.len() - 1;
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    Some(format!(
        "{} used {cpu} of a core during the look{more}: it computes, or it spins.",
        capital(&name(first))
    ))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_uppercase(), letters.as_str())
    })
}

/// What nobody expects: processes that are stopped, dead, or hang in the kernel.
fn stuck(seen: &[Seen]) -> Option<String> {
    const NAMED: usize = 3;
    let odd: Vec<&Seen> = seen
        .iter()
        .filter(|it| matches!(it.process.state.0, 'D' | 'T' | 't' | 'Z'))
        .collect();
    let named: Vec<String> = odd
        .iter()
        .take(NAMED)
        .map(|it| format!("{} is {}", name(it), doing(it)))
        .collect();
    if named.is_empty() {
        return None;
    }
    let more = odd.len() - named.len();
    let more = if more > 0 {
        format!("; {more} more are so too")
    } else {
        String::new()
    };
    Some(format!("Look at this first: {}{more}.", named.join("; ")))
}

/// The processes that matter, each in a section of its own.
fn processes(scene: &Scene, room: usize) -> String {
    let shown: Vec<&Seen> = scene.seen.iter().filter(|it| is_shown(it)).collect();
    let (least, most) = PROCESS_BYTES;
    let mut text = String::new();
    for (at, seen) in shown.iter().enumerate() {
        let left = room.saturating_sub(text.len());
        // What the ones before did not need is for the others.
        let share = (left / (shown.len() - at)).clamp(least, most);
        if left < share + 80 {
            _ = writeln!(text, "== {} more processes: no room", shown.len() - at);
            break;
        }
        let earlier = shown.iter().take(at).copied();
        text += &section(
            &title(seen),
            &cut_lines(&details(seen, earlier), share.saturating_sub(200)),
        );
    }
    text
}

/// Workers whose stacks were not asked for, and shells, have a line each.
fn is_shown(seen: &Seen) -> bool {
    seen.kind == Kind::Main || !matches!(seen.stacks, Stacks::NotAsked)
}

fn title(seen: &Seen) -> String {
    let command = seen.look.command.as_deref().unwrap_or(&seen.process.name);
    format!("{}: {}", name(seen), clean_line(command))
}

fn details<'a>(seen: &Seen, mut earlier: impl Iterator<Item = &'a Seen>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| _ = writeln!(text, "{name:<9} {value}");
    line("state", &doing(seen));
    let look = &seen.look;
    if !look.complete {
        line(
            "note",
            "it does not let itself be looked at: what hangs there is in the kernel",
        );
    }
    if let Some(cpu) = seen.cpu {
        let total = seen.process.cpu / super::TICKS;
        line(
            "cpu",
            &format!(
                "{} of a core during the look, {} in all",
                percent(cpu),
                age(total)
            ),
        );
    }
    if !look.threads.is_empty() {
        let total: usize = look.threads.values().sum();
        let states: Vec<String> = look
            .threads
            .iter()
            .map(|(state, count)| format!("{count} {}", state.name()))
            .collect();
        line("threads", &format!("{total}: {}", states.join(", ")));
    }
    if let Some((resident, swapped)) = look.memory {
        let swapped = if swapped > 0 {
            format!(", {} swapped out", size(swapped))
        } else {
            String::new()
        };
        line("memory", &format!("{}{swapped}", size(resident)));
    }
    if !look.variables.is_empty() {
        let all: Vec<String> = look
            .variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        line("environ", &all.join(" "));
    }
    let mut kernel: Vec<&str> = look
        .stack
        .iter()
        .take(KERNEL_FRAMES)
        .map(String::as_str)
        .collect();
    if kernel.is_empty() {
        kernel.extend(look.place.as_deref());
    }
    if !kernel.is_empty() {
        line("kernel", &clean_line(&kernel.join(" < ")));
    }
    if let Some(call) = look.call {
        let name = call
            .name
            .map_or_else(|| format!("number {}", call.number), str::to_owned);
        let file = look
            .call_file
            .as_deref()
            .map(|file| format!(" of {file}"))
            .unwrap_or_default();
        line("call", &(name + &file));
    }
    let files = &look.files;
    let named = files.named.len() + files.more;
    line(
        "open",
        &format!(
            "{named} files, {} sockets, {} pipes, {} others",
            files.sockets, files.pipes, files.others
        ),
    );
    for file in &files.named {
        line("", file);
    }
    if files.more > 0 {
        line("", &format!("… and {} more", files.more));
    }
    text + &python(seen, &mut earlier)
}

fn python<'a>(seen: &Seen, earlier: &mut impl Iterator<Item = &'a Seen>) -> String {
    match &seen.stacks {
        Stacks::NotAsked => String::new(),
        Stacks::NoSpy => "stacks    none: there is no py-spy\n".to_owned(),
        Stacks::Failed(why) => format!("stacks    none: {why}\n"),
        Stacks::Read(threads) => {
            let same = earlier.find(
                |it| matches!(&it.stacks, Stacks::Read(other) if stacks::are_same(threads, other)),
            );
            match same {
                Some(other) => format!("stacks    the same as those of {}\n", name(other)),
                None => stacks::write(threads),
            }
        }
    }
}

/// A line for each of the others.
fn others(scene: &Scene) -> String {
    let others: Vec<&Seen> = scene.seen.iter().filter(|it| !is_shown(it)).collect();
    let mut body = String::new();
    for seen in others.iter().take(OTHERS) {
        let title = cut_chars(&title(seen), 100).into_owned();
        _ = writeln!(body, "{title}: {}", doing(seen));
    }
    let more = others.len().saturating_sub(OTHERS) + scene.unseen;
    if more > 0 {
        _ = writeln!(body, "… and {more} more");
    }
    if body.is_empty() {
        body
    } else {
        section("other processes", &body)
    }
}

/// The last lines of each rank or stream, the newest ones if not all fit.
fn last_lines(streams: &[(String, Vec<String>)]) -> String {
    let mut text = String::new();
    let share = LINES_BYTES / streams.len().max(1);
    for (name, lines) in streams.iter().take(64) {
        let mut kept: Vec<String> = Vec::new();
        let mut used = 0;
        for line in lines.iter().rev() {
            let line = cut_chars(&clean_line(line), 300).into_owned();
            used += line.len() + 1;
            if used > share && !kept.is_empty() {
                break;
            }
            kept.push(line);
        }
        kept.reverse();
        text += &section(
            &format!("last lines of {}", clean_line(name)),
            &kept.join("\n"),
        );
    }
    cut_lines(&text, 2 * LINES_BYTES)
}

/// `512 MiB`, `3.2 GiB`.
pub(in crate::job) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(name, unit)| {
            let number = bytes as f64 / *unit as f64;
            if number < 10.0 {
                format!("{number:.1} {name}")
            } else {
                format!("{number:.0} {name}")
            }
        },
    )
}

/// `45 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub(in crate::job) fn age(seconds: u64) -> String {
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}
