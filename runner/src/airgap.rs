//! The air gap: a process that cannot open a connection, whatever its code or
//! a detector tries.
//!
//! Three layers. A build without the feature `network` holds no code that
//! connects. `--air-gapped` refuses sinks that would. And on Linux the kernel
//! takes away the right to make sockets, from this process and from every one
//! that it starts: that is done here.

/// How far the network is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The kernel makes no socket for this process any more, nor for those that
    /// it starts.
    ByKernel,
    /// There is no such lock on this system.
    ByRefusal,
}

impl Closed {
    /// What holds, in a sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::ByKernel => {
                "The kernel refuses every new socket, to this process and to all that it starts."
            }
            Self::ByRefusal => {
                "This system has no lock that a process can put on itself: runwatch refuses \
                 sinks that use the network, and a build without the feature `network` has no \
                 code for it."
            }
        }
    }
}

/// Takes from this process, all its threads and every process that it starts
/// the right to make sockets. It cannot be given back. Call it before anything
/// is read, and before threads are started. A training process that needs the
/// network must run already.
///
/// # Errors
///
/// If the kernel does not put the lock on: nothing must be done then that needs
/// an air gap.
pub fn close_network() -> Result<Closed, String> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    {
        lock::put_on().map_err(|error| format!("cannot close the network: {error}"))?;
        Ok(Closed::ByKernel)
    }
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Ok(Closed::ByRefusal)
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod lock {
    use std::collections::BTreeMap;

    use seccompiler::{
        BackendError, BpfProgram, Error, SeccompAction, SeccompFilter, apply_filter_all_threads,
    };

    /// `EPERM` on every architecture.
    const NOT_PERMITTED: u32 = 1;
    /// Sockets of every family: the C library asks for names over local ones.
    #[cfg(target_arch = "x86_64")]
    const SOCKET: i64 = 41;
    #[cfg(target_arch = "aarch64")]
    const SOCKET: i64 = 198;
    /// A ring makes sockets past this filter. The same number everywhere.
    const IO_URING_SETUP: i64 = 425;
    /// The x32 calls of an x86-64 kernel: the same numbers with this bit.
    #[cfg(target_arch = "x86_64")]
    const X32: i64 = 0x4000_0000;

    /// Denies what makes a socket, and allows everything else. `socketpair`
    /// stays: its two ends know only each other. A call by the rules of another
    /// architecture, such as of 32-bit x86, ends the process.
    pub(super) fn put_on() -> Result<(), Error> {
        apply_filter_all_threads(&program()?)
    }

    fn program() -> Result<BpfProgram, BackendError> {
        let calls = [SOCKET, IO_URING_SETUP];
        let whatever_the_arguments = |call| (call, Vec::new());
        let mut rules: BTreeMap<_, _> = calls.map(whatever_the_arguments).into();
        #[cfg(target_arch = "x86_64")]
        rules.extend(calls.map(|call| whatever_the_arguments(call | X32)));
        SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(NOT_PERMITTED),
            std::env::consts::ARCH.try_into()?,
        )?
        .try_into()
    }
}

#[cfg(all(
    test,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::process::Command;
    use std::sync::mpsc;

    use super::*;

    /// What the process is in the test below: unset, `closed` or `inherited`.
    const ROLE: &str = "RUNWATCH_TEST_AIR_GAP";
    const PORT: &str = "RUNWATCH_TEST_PORT";

    /// The lock stays on, so it is put on in a process of its own: this test
    /// again, in another role.
    #[test]
    fn nothing_makes_a_socket_behind_the_lock() {
        let port = std::env::var(PORT).unwrap_or_default();
        match std::env::var(ROLE).as_deref() {
            Ok("closed") => behind_the_lock(&port),
            Ok("inherited") => no_network(&port),
            _ => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port().to_string();
                run_as("closed", &port);
            }
        }
    }

    fn run_as(role: &str, port: &str) {
        let module = module_path!().split_once("::").unwrap().1;
        let test = format!("{module}::nothing_makes_a_socket_behind_the_lock");
        let output = Command::new("sh")
            .args(["-c", "\"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .envs([(ROLE, role), (PORT, port)])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && told.contains("1 passed"),
            "{role}: {told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn behind_the_lock(port: &str) {
        let address = format!("127.0.0.1:{port}");
        TcpStream::connect(&address).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap();
        let (go, wait) = mpsc::channel();
        let started_before = std::thread::spawn(move || {
            wait.recv().unwrap();
            UdpSocket::bind("127.0.0.1:0").map_err(|error| error.kind())
        });

        assert_eq!(close_network().unwrap(), Closed::ByKernel);

        no_network(port);
        go.send(()).unwrap();
        assert_eq!(
            started_before.join().unwrap().err(),
            Some(io::ErrorKind::PermissionDenied)
        );
        run_as("inherited", port);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        for line in ["Seccomp:\t2\n", "NoNewPrivs:\t1\n"] {
            assert!(status.contains(line), "{status}");
        }
    }

    fn no_network(port: &str) {
        let folder = tempfile::tempdir().unwrap();
        let denied = |error: Option<io::Error>, what: &str| {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(io::ErrorKind::PermissionDenied), "{what}");
        };
        let address = format!("127.0.0.1:{port}");
        denied(TcpStream::connect(address).err(), "TCP");
        denied(TcpListener::bind("127.0.0.1:0").err(), "a listener");
        denied(TcpListener::bind("[::1]:0").err(), "IPv6");
        denied(UdpSocket::bind("127.0.0.1:0").err(), "UDP");
        denied(UnixDatagram::unbound().err(), "a local socket");
        let path = folder.path().join("socket");
        denied(UnixListener::bind(path).err(), "a local listener");
        let names = ("example.com", 443).to_socket_addrs();
        assert!(names.is_err(), "names");
        UnixStream::pair().unwrap();
    }
}
