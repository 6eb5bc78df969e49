//! Secrets: addresses with tokens, passwords, signing keys.
//!
//! A configuration names where a secret is, never what it is: `env:NAME`,
//! `file:PATH` or `cmd:COMMAND`. What is read is remembered for one purpose
//! only: [`scrub`] replaces it in every text that leaves the program.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// The longest secret; what is longer is a wrong file.
const MAX_BYTES: u64 = 64 << 10;
/// How long the output of a command holds: asking a password manager for each
/// message would be a nuisance.
const COMMAND_HOLDS: Duration = Duration::from_secs(600);
/// What is shorter would turn up in innocent text.
const SCRUBBED_FROM: usize = 6;

/// Where a secret is. It cannot be printed but as its reference.
pub struct Secret {
    source: Source,
    /// The output of the command, and when it was run.
    told: Mutex<Option<(Instant, Zeroizing<String>)>>,
}

enum Source {
    Variable(String),
    File(PathBuf),
    Command(String),
    /// An address that holds no secret.
    Literal(String),
}

/// Why a secret cannot be had, without a word of what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl PartialEq for Secret {
    /// Whether both are in the same place.
    fn eq(&self, other: &Self) -> bool {
        self.reference() == other.reference()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Secret({})", self.reference())
    }
}

impl Secret {
    /// The secret that a reference names; none if the text is no reference. A
    /// relative path begins at `folder`.
    #[must_use]
    pub fn from_reference(text: &str, home: Option<&Path>, folder: &Path) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        if rest.is_empty() || rest.contains('\0') {
            return None;
        }
        let source = match scheme {
            "env" => Source::Variable(rest.to_owned()).plausible()?,
            "file" => Source::File(match (rest.strip_prefix("~/"), home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => folder.join(rest),
            }),
            "cmd" => Source::Command(rest.to_owned()),
            _ => return None,
        };
        Some(Self::new(source))
    }

    /// An address that may be known to all.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self::new(Source::Literal(text.into()))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            told: Mutex::default(),
        }
    }

    /// What the configuration says: `env:NAME`, never the secret.
    #[must_use]
    pub fn reference(&self) -> String {
        match &self.source {
            Source::Variable(name) => format!("env:{name}"),
            Source::File(path) => format!("file:{}", path.display()),
            Source::Command(command) => format!("cmd:{command}"),
            Source::Literal(text) => text.clone(),
        }
    }

    /// The secret as it is now: a file is read each time, so that it can be
    /// replaced while we run. White space around it is cut off.
    ///
    /// # Errors
    ///
    /// If it is not there, not readable, or empty.
    pub fn read(&self) -> Result<Zeroizing<String>, Unreadable> {
        let value = match &self.source {
            Source::Literal(text) => return Ok(Zeroizing::new(text.clone())),
            Source::Variable(name) => Zeroizing::new(std::env::var(name).map_err(|_| {
                Unreadable(format!("the environment variable `{name}` is not set"))
            })?),
            Source::File(path) => read_file(path)?,
            Source::Command(command) => self.ask(command)?,
        };
        let value = Zeroizing::new(value.trim().to_owned());
        if value.is_empty() {
            return Err(Unreadable(format!("`{}` is empty", self.reference())));
        }
        remember(&value, &self.reference());
        Ok(value)
    }

    fn ask(&self, command: &str) -> Result<Zeroizing<String>, Unreadable> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, value)) = told.as_ref()
            && when.elapsed() < COMMAND_HOLDS
        {
            return Ok(value.clone());
        }
        let value = run(command)?;
        *told = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

impl Source {
    /// A name that a variable can have.
    fn plausible(self) -> Option<Self> {
        let Self::Variable(name) = &self else {
            return Some(self);
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(fits).then_some(self)
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    let failed =
        |why: &dyn fmt::Display| Unreadable(format!("cannot read `{}`: {why}", path.display()));
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(&"it is larger than 64 KiB"));
    }
    Ok(text)
}

fn run(command: &str) -> Result<Zeroizing<String>, Unreadable> {
    let failed = |why: &dyn fmt::Display| Unreadable(format!("`{command}` failed: {why}"));
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(&error))?;
    let stdout = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    match std::str::from_utf8(&stdout) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(failed(&"its output is not UTF-8")),
    }
}

/// What must not be seen, with what is shown instead; the longest first.
static KNOWN: RwLock<Vec<(Zeroizing<String>, String)>> = RwLock::new(Vec::new());

fn remember(value: &str, reference: &str) {
    let shown = format!("<secret:{reference}>");
    let mut new = Vec::new();
    for part in parts(value) {
        let written = [part.to_owned(), in_json(part), in_url(part)];
        let forms = written.into_iter().chain(in_base64(part));
        for form in forms.chain(from_url(part)) {
            if form.len() >= SCRUBBED_FROM && !new.contains(&form) {
                new.push(form);
            }
        }
    }
    {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        new.retain(|form| !known.iter().any(|(old, _)| **old == *form));
    }
    if !new.is_empty() {
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(
            new.into_iter()
                .map(|form| (Zeroizing::new(form), shown.clone())),
        );
        known.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    }
}

/// The secret, and if it is an address what of it an error may quote alone:
/// everything behind the host, and its long pieces.
fn parts(value: &str) -> Vec<&str> {
    let mut parts = vec![value];
    if let Some((_, rest)) = value.split_once("://") {
        if let Some(slash) = rest.find('/') {
            let path = &rest[slash..];
            if path.len() >= 12 {
                parts.push(path);
            }
            let pieces = path.split(['/', '?', '&', '=']);
            parts.extend(pieces.filter(|piece| piece.len() >= 12));
        }
        if let Some((user, _)) = rest.split_once('@')
            && !user.contains('/')
        {
            parts.extend(user.split(':').filter(|piece| piece.len() >= SCRUBBED_FROM));
        }
    }
    parts
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}

/// Percent-encoded but for what needs no encoding (RFC 3986, 2.3).
#[must_use]
pub fn in_url(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// What percent-encoding stands for, if there is any: a receiver that quotes
/// its own address has decoded it.
fn from_url(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).map(|code| u8::from_str_radix(code, 16));
        match (code, piece.get(2..)) {
            (Some(Ok(byte)), Some(rest)) => {
                bytes.push(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

/// In base64 wherever it stands in a longer text, as in the header of basic
/// authentication: a form for each place in a group of three bytes, without the
/// characters in which its neighbours have a part.
fn in_base64(text: &str) -> impl Iterator<Item = String> {
    (0..3).map(move |before| {
        let mut bytes = Zeroizing::new(vec![0; before]);
        bytes.extend_from_slice(text.as_bytes());
        let own = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*bytes));
        encoded.get(own).unwrap_or_default().to_owned()
    })
}

/// The text with `<secret:env:NAME>` in the place of every secret that was
/// read so far. Whatever is shown, logged or stored goes through here, if a
/// secret can be in it.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut clean = Cow::Borrowed(text);
    for (secret, shown) in known.iter() {
        if clean.contains(secret.as_str()) {
            clean = Cow::Owned(clean.replace(secret.as_str(), shown));
        }
    }
    clean
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secret(reference: &str) -> Secret {
        Secret::from_reference(reference, Some(Path::new("/home/me")), Path::new("conf")).unwrap()
    }

    #[test]
    fn references() {
        for reference in ["env:SLACK_URL", "cmd:pass show slack", "file:/run/token"] {
            assert_eq!(secret(reference).reference(), reference);
        }
        assert_eq!(secret("file:~/token").reference(), "file:/home/me/token");
        assert_eq!(secret("file:token").reference(), "file:conf/token");
        for literal in [
            "https://hooks.slack.com/services/T/B/x",
            "env:",
            "env:A B",
            "token",
        ] {
            assert!(
                Secret::from_reference(literal, None, Path::new("")).is_none(),
                "{literal}"
            );
        }
    }

    #[test]
    fn a_secret_shows_its_reference_only() {
        assert_eq!(format!("{:?}", secret("env:HOME")), "Secret(env:HOME)");
    }

    #[cfg(unix)]
    #[test]
    fn files_and_commands_are_read_and_scrubbed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url");
        std::fs::write(
            &path,
            "https://hooks.example/services/T0123456/canary-1-canary\n",
        )
        .unwrap();
        let file = Secret::from_reference("file:url", None, dir.path()).unwrap();
        assert!(file.read().unwrap().ends_with("canary-1-canary"));
        let shown = format!("<secret:file:{}>", path.display());
        for leak in [
            "POST https://hooks.example/services/T0123456/canary-1-canary failed",
            "no route for /services/T0123456/canary-1-canary",
            "token canary-1-canary",
            "https%3A%2F%2Fhooks.example%2Fservices%2FT0123456%2Fcanary-1-canary",
        ] {
            let clean = scrub(leak);
            assert!(
                clean.contains(&shown) && !clean.contains("canary-1"),
                "{clean}"
            );
        }
        std::fs::write(&path, "canary-2-canary").unwrap();
        assert_eq!(*file.read().unwrap(), "canary-2-canary");
        assert_eq!(scrub("nothing to hide"), "nothing to hide");

        let command = secret("cmd:printf 'can'; printf 'ary\"3\"'");
        assert_eq!(*command.read().unwrap(), "canary\"3\"");
        assert!(!scrub(r#"{"key":"canary\"3\""}"#).contains("canary"));
    }

    #[test]
    fn what_an_encoding_hides_is_scrubbed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("url"),
            "https://x.example/?token=lorem-ipsum-4%3D",
        )
        .unwrap();
        let file = Secret::from_reference("file:url", None, dir.path()).unwrap();
        file.read().unwrap();
        for user in ["", "a", "me", "you", "nobody"] {
            use base64::engine::general_purpose::STANDARD;
            let basic = STANDARD.encode(format!("{user}:lorem-ipsum-4%3D!"));
            let shown = scrub(&basic).into_owned();
            let inner = STANDARD_NO_PAD.encode(format!("{user}:lorem-ipsum"));
            // The last characters depend on what follows.
            assert!(
                !shown.contains(&inner[inner.len() - 12..inner.len() - 2]),
                "{shown}"
            );
        }
        let decoded = scrub("no such token: lorem-ipsum-4=").into_owned();
        assert!(!decoded.contains("lorem-ipsum"), "{decoded}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let missing = secret("env:RUNWATCH_TEST_NOT_SET").read().unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the environment variable `RUNWATCH_TEST_NOT_SET` is not set"
        );
        assert!(
            secret("cmd:exit 3")
                .read()
                .unwrap_err()
                .0
                .contains("exit status: 3")
        );
        assert!(
            secret("cmd:true")
                .read()
                .unwrap_err()
                .0
                .ends_with("is empty")
        );
    }
}
