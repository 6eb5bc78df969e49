//! The kernel's log, from a moment on: who was killed for want of memory, who
//! made a fault, which device failed.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

/// Records that are read at most; what else is in there is not read.
const RECORDS: usize = 20_000;

/// The log from when it was opened on; nothing where it cannot be read.
#[derive(Debug, Default)]
pub(super) struct KernelLog(Option<File>);

/// Something in the log that may end a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A process was killed for want of memory.
    OutOfMemory {
        pid: u32,
        name: String,
        /// What it had, in KiB.
        resident: Option<u64>,
        /// Because of the limit of its group, not of the machine.
        by_limit: bool,
    },
    /// A process made a fault.
    Fault { pid: u32, text: String },
    /// A GPU of NVIDIA.
    Xid { number: u32, text: String },
    /// Something else that is worth knowing: disks, network filesystems, memory.
    Device(String),
}

impl KernelLog {
    /// The log from now on.
    #[cfg(target_os = "linux")]
    pub(super) fn from_now() -> Self {
        use std::os::unix::fs::OpenOptionsExt as _;
        let no_wait = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options()
            .read(true)
            .custom_flags(no_wait)
            .open("/dev/kmsg");
        let at_end = |mut file: File| file.seek(SeekFrom::End(0)).is_ok().then_some(file);
        Self(file.ok().and_then(at_end))
    }

    /// There is none.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn from_now() -> Self {
        Self(None)
    }

    /// Whether it can be read.
    pub(super) fn is_readable(&self) -> bool {
        self.0.is_some()
    }

    /// What has come since.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let messages = self.messages();
        messages.iter().filter_map(|it| parse(it)).collect()
    }

    fn messages(&self) -> Vec<String> {
        let Some(mut file) = self.0.as_ref() else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        // Each read gives one record.
        let mut record = [0; 8192];
        for _ in 0..RECORDS {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let record = record.get(..length).unwrap_or_default();
                    messages.extend(message(&String::from_utf8_lossy(record)));
                }
                // Older records were overwritten: it goes on with the oldest there is.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        messages
    }
}

/// The message of a record: `6,339,5140900,-;message`, then lines of details.
fn message(record: &str) -> Option<String> {
    let (_, message) = record.split_once(';')?;
    Some(message.lines().next()?.to_owned())
}

/// What a message says, if it is one that matters.
pub(super) fn parse(message: &str) -> Option<Entry> {
    if let Some((before, rest)) = message.split_once("Killed process ") {
        let (pid, rest) = rest.split_once(" (")?;
        let (name, rest) = rest.split_once(')')?;
        let resident = rest.split_once("anon-rss:").map(|(_, rest)| rest);
        return Some(Entry::OutOfMemory {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            resident: resident.and_then(|rest| rest.split("kB").next()?.parse().ok()),
            by_limit: before.starts_with("Memory cgroup"),
        });
    }
    if let Some((_, rest)) = message.split_once("NVRM: Xid (") {
        let (_, rest) = rest.split_once("): ")?;
        let number = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        return Some(Entry::Xid {
            number: number.parse().ok()?,
            text: rest.to_owned(),
        });
    }
    if let Some(pid) = fault(message) {
        let text = message.to_owned();
        return Some(Entry::Fault { pid, text });
    }
    const DEVICES: [&str; 9] = [
        "I/O error",
        "not responding",
        "EXT4-fs error",
        "XFS (",
        "Remounting filesystem read-only",
        "[Hardware Error]",
        "Machine check",
        "blocked for more than",
        "fallen off the bus",
    ];
    let is_known = DEVICES.iter().any(|part| message.contains(part));
    let is_harmless = message.contains("Mounting") || message.contains("Ending clean mount");
    (is_known && !is_harmless).then(|| Entry::Device(message.to_owned()))
}

/// The process that made a fault: `python[77]: segfault at 0 ip …`, `traps:
/// python[77] trap invalid opcode ip:…`.
fn fault(message: &str) -> Option<u32> {
    const FAULTS: [&str; 3] = ["segfault at ", " trap ", "general protection"];
    if !FAULTS.iter().any(|part| message.contains(part)) {
        return None;
    }
    let (_, rest) = message.split_once('[')?;
    rest.split(']').next()?.parse().ok()
}

/// What the commoner numbers of a Xid mean.
pub(super) fn xid(number: u32) -> &'static str {
    match number {
        13 | 31 | 43 => "the program's own fault, as a rule",
        48 | 64 | 92 | 94 | 95 => "its memory is damaged",
        63 => "its memory was repaired",
        45 => "it was reset after another trouble",
        62 | 119 | 120 => "its controller does not answer",
        74 => "NVLink has failed",
        79 => "it has fallen off the bus",
        _ => "see NVIDIA's list of Xid errors",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_a_head_and_details() {
        let record = "6,339,5140900,-;python[7]: segfault at 0\n SUBSYSTEM=x\n";
        assert_eq!(message(record).as_deref(), Some("python[7]: segfault at 0"));
        assert_eq!(message("x"), None);
    }

    #[test]
    fn who_was_killed_for_want_of_memory() {
        let text = "Memory cgroup out of memory: Killed process 4242 (python) total-vm:22000000kB, \
                    anon-rss:8388608kB, file-rss:1024kB, shmem-rss:0kB, UID:0 pgtables:17000kB oom_score_adj:0";
        let entry = Entry::OutOfMemory {
            pid: 4242,
            name: "python".to_owned(),
            resident: Some(8_388_608),
            by_limit: true,
        };
        assert_eq!(parse(text), Some(entry));
        let text = "Out of memory: Killed process 7 (pt_main_thread) total-vm:1kB, anon-rss:1kB, file-rss:0kB";
        assert!(matches!(
            parse(text),
            Some(Entry::OutOfMemory {
                pid: 7,
                by_limit: false,
                ..
            })
        ));
    }

    #[test]
    fn faults_devices_and_gpus() {
        let text = "python[77]: segfault at 0 ip 00007f3a sp 00007ffd error 4 in libtorch_cpu.so[7f3a+1000]";
        assert!(matches!(parse(text), Some(Entry::Fault { pid: 77, .. })));
        let text = "traps: python3[78] trap invalid opcode ip:7f sp:7f error:0 in libx.so[7f+1]";
        assert!(matches!(parse(text), Some(Entry::Fault { pid: 78, .. })));
        let text = "NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";
        assert!(matches!(parse(text), Some(Entry::Xid { number: 79, .. })));
        for device in [
            "nfs: server storage-7 not responding, still trying",
            "blk_update_request: I/O error, dev nvme0n1, sector 12345 op 0x0:(READ)",
            "INFO: task python:4242 blocked for more than 120 seconds.",
        ] {
            assert_eq!(parse(device), Some(Entry::Device(device.to_owned())));
        }
        for harmless in [
            "XFS (nvme0n1): Mounting V5 Filesystem",
            "sh (27909): drop_caches: 3",
            "EXT4-fs (vda): mounted filesystem r/w without journal. Quota mode: none.",
        ] {
            assert_eq!(parse(harmless), None, "{harmless}");
        }
    }
}
