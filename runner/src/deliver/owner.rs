//! Who is sending: names this process so that others can tell whether it lives.

use crate::job::processes;

/// The name of this process: host, number, and when it began, since numbers
/// are used again.
pub(crate) fn me() -> String {
    let pid = std::process::id();
    format!("{} {pid} {}", host(), began(pid).unwrap_or_default())
}

/// Whether the process of this name may still be alive. Of another host it is
/// not known, and there the lease decides.
pub(crate) fn is_alive(owner: &str) -> bool {
    let mut parts = owner.split(' ');
    let (Some(host_name), Some(pid), Some(began_at)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if host_name != host() || began_at.is_empty() {
        return true;
    }
    pid.parse()
        .is_ok_and(|pid| began(pid).is_some_and(|began| began == began_at))
}

fn host() -> String {
    gethostname::gethostname()
        .to_string_lossy()
        .replace(' ', "-")
}

/// When a process began, in ticks since the machine did. None where the system
/// does not say, and of a zombie, which sends nothing any more.
fn began(pid: u32) -> Option<String> {
    let process = processes::find(pid)?;
    (!process.state.is_dead()).then(|| process.started.to_string())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_that_ended_is_not() {
        assert!(is_alive(&me()));
        let other = me().replace(&format!(" {} ", std::process::id()), " 4194305 ");
        assert!(!is_alive(&other));
        assert!(!is_alive(&format!("{}7", me())));
        assert!(is_alive("another-host 1 5"));
        assert!(!is_alive(""));
    }
}
