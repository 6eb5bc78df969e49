//! What a panic says: without secrets, and so that it can be reported.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::output::say;
use crate::secret::scrub;

/// From now on a panic's message goes to standard error without the secrets
/// that were read so far.
pub(super) fn scrub_messages() {
    std::panic::set_hook(Box::new(|info| say(&told(info, &Backtrace::capture()))));
}

fn told(info: &PanicHookInfo<'_>, trace: &Backtrace) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let mut text = format!("runwatch: a mistake in runwatch, thread `{name}` {info}");
    if trace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("\n{trace}"));
    }
    scrub(&text).into_owned()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use crate::secret::Secret;

    /// Set in the process that is to panic.
    const ROLE: &str = "RUNWATCH_TEST_PANIC";

    /// The hook is the process's, so the panic has one of its own: this test
    /// again, in another role.
    #[test]
    fn a_panic_does_not_tell_secrets() {
        if std::env::var_os(ROLE).is_some() {
            super::scrub_messages();
            let secret = Secret::from_reference("cmd:echo canary-in-a-panic", None, Path::new(""));
            let value = secret.unwrap().read().unwrap();
            panic!("cannot post to {}", *value);
        }
        let module = module_path!().split_once("::").unwrap().1;
        let test = format!("{module}::a_panic_does_not_tell_secrets");
        for trace in ["0", "1"] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", &test, "--nocapture"])
                .envs([(ROLE, "1"), ("RUST_BACKTRACE", trace)])
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success());
            assert!(told.contains("cannot post to <secret:cmd:echo "), "{told}");
            // But for the reference, which says how it is asked for.
            assert!(
                !told
                    .replace("cmd:echo canary-in-a-panic", "")
                    .contains("canary-in"),
                "{told}"
            );
        }
    }
}
