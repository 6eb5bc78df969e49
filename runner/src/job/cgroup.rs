//! The control groups of a process, as far as they are about memory: their
//! limits, and how often the kernel has killed for want of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::processes::read;

/// Groups around a process that are looked at: a scheduler limits the job, a
/// container what is in it.
const LEVELS: usize = 8;

/// The group of a process and those around it, the innermost first.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(Vec<Group>);

#[derive(Debug, Clone)]
struct Group {
    folder: PathBuf,
    is_v1: bool,
    /// How often the kernel had killed when it was looked at first.
    kills: Option<u64>,
}

/// That the kernel has killed for want of memory in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kills {
    /// How many processes since.
    pub(super) count: u64,
    /// The limit of the group in bytes, if it has one.
    pub(super) limit: Option<u64>,
    /// The most that it ever had, in bytes.
    pub(super) peak: Option<u64>,
}

impl Groups {
    /// As they are now.
    pub(super) fn of(pid: u32) -> Self {
        let own = read(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let mounts = read("/proc/self/mountinfo").unwrap_or_default();
        let Some((mount, folder, is_v1)) = place(&own, &mounts) else {
            return Self::default();
        };
        let folders = folder.ancestors().take_while(|it| it.starts_with(&mount));
        let groups = folders.take(LEVELS).map(|folder| Group {
            kills: kills(folder, is_v1),
            folder: folder.to_owned(),
            is_v1,
        });
        Self(groups.collect())
    }

    /// Whether the kernel has killed since; the innermost group counts.
    pub(super) fn kills_since(&self) -> Option<Kills> {
        self.0.iter().find_map(|group| {
            let now = kills(&group.folder, group.is_v1)?;
            let count = now.checked_sub(group.kills?).filter(|count| *count > 0)?;
            let (limit, peak) = group.usage();
            Some(Kills { count, limit, peak })
        })
    }

    /// The nearest limit, and the most that was used under it.
    pub(super) fn nearest_limit(&self) -> Option<(u64, Option<u64>)> {
        self.0.iter().find_map(|group| {
            let (limit, peak) = group.usage();
            Some((limit?, peak))
        })
    }
}

impl Group {
    /// Its limit and its peak, in bytes.
    fn usage(&self) -> (Option<u64>, Option<u64>) {
        // What version 1 has without a limit: the largest number of pages.
        const NO_LIMIT: u64 = 1 << 60;
        let number = |name| {
            fs::read_to_string(self.folder.join(name))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        let (limit, peak): (Option<u64>, Option<u64>) = if self.is_v1 {
            (
                number("memory.limit_in_bytes"),
                number("memory.max_usage_in_bytes"),
            )
        } else {
            (number("memory.max"), number("memory.peak"))
        };
        (limit.filter(|limit| *limit < NO_LIMIT), peak)
    }
}

/// How often the kernel has killed in a group for want of memory.
fn kills(folder: &Path, is_v1: bool) -> Option<u64> {
    let name = if is_v1 {
        "memory.oom_control"
    } else {
        "memory.events"
    };
    parse_kills(&fs::read_to_string(folder.join(name)).ok()?)
}

fn parse_kills(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// Where the memory groups are mounted, the folder of the process's own, and
/// whether they are of version 1. From `/proc/PID/cgroup` and `mountinfo`.
fn place(own: &str, mounts: &str) -> Option<(PathBuf, PathBuf, bool)> {
    let entries = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let entries: Vec<(&str, &str)> = entries.collect();
    let v1 = entries
        .iter()
        .find(|it| it.0.split(',').any(|name| name == "memory"));
    // Version 2 has one group for everything, without a name.
    let (_, path) = v1.or_else(|| entries.iter().find(|it| it.0.is_empty()))?;
    mounts.lines().find_map(|line| {
        let (about, filesystem) = line.split_once(" - ")?;
        let (mut about, mut filesystem) = (about.split(' ').skip(3), filesystem.split(' '));
        let (root, point) = (about.next()?, about.next()?);
        let wanted = if v1.is_some() { "cgroup" } else { "cgroup2" };
        let options = filesystem.clone().nth(2).unwrap_or_default();
        let is_memory = v1.is_none() || options.split(',').any(|name| name == "memory");
        if filesystem.next()? != wanted || !is_memory {
            return None;
        }
        // In a container only a part of the tree is mounted.
        let inside = path
            .strip_prefix(root.trim_end_matches('/'))
            .unwrap_or(path);
        let mount = PathBuf::from(point);
        let folder = mount.join(inside.trim_start_matches('/'));
        Some((mount, folder, v1.is_some()))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(own: &str, mounts: &str) -> (String, String, bool) {
        let (mount, folder, is_v1) = place(own, mounts).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        (text(mount), text(folder), is_v1)
    }

    #[test]
    fn version_2() {
        let mounts =
            "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_0\n";
        let folder = "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_77/step_0/user/task_0";
        assert_eq!(
            found(own, mounts),
            ("/sys/fs/cgroup".into(), folder.into(), false)
        );
        // A container without a namespace of groups.
        let mounts = "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(found("0::/docker/abc/x\n", mounts).1, "/sys/fs/cgroup/x");
        assert_eq!(place("", mounts), None);
        assert_eq!(place("0::/x", ""), None);
    }

    #[test]
    fn version_1_beside_version_2() {
        let own = "9:name=systemd:/\n4:cpu,memory:/slurm/uid_0/job_7\n0::/\n";
        let mounts = "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let folder = "/sys/fs/cgroup/memory/slurm/uid_0/job_7";
        assert_eq!(
            found(own, mounts),
            ("/sys/fs/cgroup/memory".into(), folder.into(), true)
        );
    }

    #[test]
    fn counts_of_kills() {
        let v2 = "low 0\nhigh 0\nmax 32\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(parse_kills(v2), Some(1));
        assert_eq!(
            parse_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            Some(3)
        );
        assert_eq!(parse_kills("low 0\n"), None);
    }

    #[test]
    fn what_has_risen_is_told_with_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("job");
        fs::create_dir(&inner).unwrap();
        let write = |name: &str, text: &str| fs::write(inner.join(name), text).unwrap();
        write("memory.events", "oom 0\noom_kill 1\n");
        write("memory.max", "1073741824\n");
        write("memory.peak", "1073741000\n");
        fs::write(folder.path().join("memory.max"), "max\n").unwrap();
        let group = |folder: &Path| Group {
            kills: kills(folder, false),
            folder: folder.to_owned(),
            is_v1: false,
        };
        let groups = Groups(vec![group(&inner), group(folder.path())]);
        assert_eq!(groups.kills_since(), None);
        assert_eq!(groups.nearest_limit(), Some((1 << 30, Some(1_073_741_000))));
        write("memory.events", "oom 2\noom_kill 3\n");
        let kills = Kills {
            count: 2,
            limit: Some(1 << 30),
            peak: Some(1_073_741_000),
        };
        assert_eq!(groups.kills_since(), Some(kills));
    }
}
