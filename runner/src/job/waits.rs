//! What a process waits for, in words, from what the kernel says.

/// What the place in the kernel at which a process sleeps (`/proc/PID/wchan`)
/// means; none if it tells nothing to most.
#[must_use]
pub fn of_place(place: &str) -> Option<&'static str> {
    // The more special ones first; each is a part of the kernel's name.
    const PLACES: [(&str, &str); 39] = [
        ("futex", "another thread or a lock"),
        ("nfs", "a network filesystem (NFS)"),
        ("rpc_wait", "a network filesystem (NFS)"),
        ("cifs", "a network filesystem (SMB)"),
        ("smb", "a network filesystem (SMB)"),
        ("ceph", "a network filesystem (Ceph)"),
        ("ptlrpc", "a network filesystem (Lustre)"),
        ("ll_file", "a network filesystem (Lustre)"),
        ("cl_sync", "a network filesystem (Lustre)"),
        ("cl_lock", "a network filesystem (Lustre)"),
        ("gpfs", "a network filesystem (GPFS)"),
        ("fuse", "a filesystem in user space (FUSE)"),
        ("request_wait_answer", "a filesystem in user space (FUSE)"),
        ("p9_", "a filesystem of the host (9P)"),
        (
            "wait_for_partner",
            "somebody to open the other end of a FIFO",
        ),
        ("fifo_open", "somebody to open the other end of a FIFO"),
        ("pipe_read", "input from a pipe"),
        ("pipe_write", "somebody to read from a pipe that is full"),
        ("pipe_wait", "a pipe"),
        ("n_tty_read", "input from the terminal"),
        ("unix_stream", "a socket on this machine"),
        ("unix_dgram", "a socket on this machine"),
        ("sk_wait_data", "data from a socket"),
        ("wait_woken", "data from a socket or terminal"),
        ("inet_csk_accept", "a connection"),
        ("inet_stream_connect", "a connection to be made"),
        ("poll", "sockets, pipes or a time"),
        ("do_select", "sockets, pipes or a time"),
        ("nanosleep", "a time: it sleeps"),
        ("do_wait", "a process that it started"),
        ("do_signal_stop", "being continued: it is stopped (SIGSTOP)"),
        ("ptrace_stop", "a debugger"),
        ("sigtimedwait", "a signal"),
        ("sigsuspend", "a signal"),
        ("io_schedule", "a disk"),
        ("folio_wait", "a disk"),
        ("wait_on_page", "a disk"),
        ("jbd2", "a disk"),
        ("rwsem", "a lock of the kernel"),
    ];
    let known = PLACES.iter().find(|(part, _)| place.contains(part));
    known.map(|(_, words)| *words)
}

/// The system call that a process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its name, if it is one of the common ones.
    pub name: Option<&'static str>,
    /// Its number on this machine.
    pub number: u64,
    /// The file that it is about, where that is an argument.
    pub file: Option<u32>,
}

/// Reads `/proc/PID/syscall`. None if the process is not in a call.
#[must_use]
pub fn parse_call(text: &str) -> Option<Call> {
    let mut words = text.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let first = words.next().and_then(|word| word.strip_prefix("0x"));
    let first = first.and_then(|word| u64::from_str_radix(word, 16).ok());
    let known = CALLS.iter().find(|known| known.0 == number);
    Some(Call {
        name: known.map(|known| known.1),
        number,
        file: first
            .filter(|_| known.is_some_and(|known| known.2))
            .and_then(|file| u32::try_from(file).ok()),
    })
}

/// Number, name, and whether the first argument is an open file.
type Known = (u64, &'static str, bool);

#[cfg(target_arch = "x86_64")]
const CALLS: &[Known] = &[
    (0, "read", true),
    (1, "write", true),
    (2, "open", false),
    (3, "close", true),
    (5, "fstat", true),
    (7, "poll", false),
    (16, "ioctl", true),
    (17, "pread64", true),
    (18, "pwrite64", true),
    (19, "readv", true),
    (20, "writev", true),
    (23, "select", false),
    (34, "pause", false),
    (35, "nanosleep", false),
    (42, "connect", true),
    (43, "accept", true),
    (44, "sendto", true),
    (45, "recvfrom", true),
    (46, "sendmsg", true),
    (47, "recvmsg", true),
    (61, "wait4", false),
    (72, "fcntl", true),
    (73, "flock", true),
    (74, "fsync", true),
    (75, "fdatasync", true),
    (128, "rt_sigtimedwait", false),
    (202, "futex", false),
    (230, "clock_nanosleep", false),
    (232, "epoll_wait", false),
    (247, "waitid", false),
    (257, "openat", false),
    (270, "pselect6", false),
    (271, "ppoll", false),
    (281, "epoll_pwait", false),
    (288, "accept4", true),
];

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const CALLS: &[Known] = &[
    (22, "epoll_pwait", false),
    (25, "fcntl", true),
    (29, "ioctl", true),
    (32, "flock", true),
    (56, "openat", false),
    (57, "close", true),
    (63, "read", true),
    (64, "write", true),
    (65, "readv", true),
    (66, "writev", true),
    (67, "pread64", true),
    (68, "pwrite64", true),
    (72, "pselect6", false),
    (73, "ppoll", false),
    (82, "fsync", true),
    (83, "fdatasync", true),
    (95, "waitid", false),
    (98, "futex", false),
    (101, "nanosleep", false),
    (115, "clock_nanosleep", false),
    (137, "rt_sigtimedwait", false),
    (202, "accept", true),
    (203, "connect", true),
    (206, "sendto", true),
    (207, "recvfrom", true),
    (211, "sendmsg", true),
    (212, "recvmsg", true),
    (260, "wait4", false),
];

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
const CALLS: &[Known] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_kernel() {
        assert_eq!(of_place("futex_do_wait"), Some("another thread or a lock"));
        assert_eq!(
            of_place("rpc_wait_bit_killable"),
            Some("a network filesystem (NFS)")
        );
        assert_eq!(of_place("anon_pipe_read"), Some("input from a pipe"));
        assert_eq!(of_place("0"), None);
        assert_eq!(of_place(""), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn system_calls() {
        let call = parse_call("0 0x5 0x7f7d46fce000 0x20000 0x0 0xffffffff 0x0 0x7ffd 0x7f7d\n");
        let read = Call {
            name: Some("read"),
            number: 0,
            file: Some(5),
        };
        assert_eq!(call, Some(read));
        let futex = parse_call("202 0x562e195020e0 0x189 0x0 0x0 0x0 0xffffffff 0x7 0x7");
        assert_eq!(
            futex.map(|call| (call.name, call.file)),
            Some((Some("futex"), None))
        );
        assert_eq!(parse_call("running\n"), None);
        assert_eq!(parse_call("-1 0x7ffc 0x7f8c\n"), None);
        assert_eq!(parse_call("999 0x1").map(|call| call.name), Some(None));
    }
}
