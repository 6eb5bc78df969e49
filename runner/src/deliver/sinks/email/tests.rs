//! Against a real mail server, `server.py` beside this file. It needs Debian's
//! `python3-aiosmtpd` (and `openssl` for TLS); without them those tests say so
//! and pass.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stderr)]

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::smtp::{Step, lost, refused};
use super::*;
use crate::deliver::sinks::testing::{self, message, settings};

const PYTHON: &str = "/usr/bin/python3";

/// A mail server that runs as long as this lives.
struct MailServer {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    port: u64,
}

impl MailServer {
    /// None where the machine cannot run one.
    fn start(arguments: &[&str]) -> Option<Self> {
        let there = Command::new(PYTHON)
            .args(["-c", "import aiosmtpd"])
            .stderr(Stdio::null())
            .status();
        if !there.is_ok_and(|status| status.success()) {
            eprintln!("skipped: {PYTHON} has no aiosmtpd (apt-get install python3-aiosmtpd)");
            return None;
        }
        let mut child = Command::new(PYTHON)
            .args(["-c", include_str!("server.py")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It tells of every client that leaves in the middle.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap().parse().unwrap();
        Some(Self { child, said, port })
    }

    fn next_mail(&mut self) -> Value {
        serde_json::from_str(&self.said.next().unwrap().unwrap()).unwrap()
    }

    /// What came besides what was asked for.
    fn mails_left(mut self) -> usize {
        drop(self.child.stdin.take());
        self.said.by_ref().count()
    }

    fn sink(&self, given: &[(&str, &str)]) -> Email {
        let server = format!("127.0.0.1:{}", self.port);
        let mut all = vec![
            ("server", server.as_str()),
            ("encryption", "none"),
            ("from", "Runwatch <runwatch@example.com>"),
            ("to", "me@example.org"),
        ];
        all.retain(|(name, _)| !given.iter().any(|(other, _)| name == other));
        all.extend(given);
        Email::new(&settings(&KIND, &all)).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A certificate for 127.0.0.1, and the one to trust it by.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let script = "set -e
            new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
            openssl req -x509 $new -keyout other.key -out other.pem -days 2 -subj /CN=other
            openssl req $new -keyout key.pem -out request.pem -subj /CN=mail.test
            printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' >extensions
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
                -days 2 -extfile extensions -out cert.pem";
        let made = Command::new("sh")
            .args(["-c", script])
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .status();
        if made.is_ok_and(|status| status.success()) {
            return Some(Self { dir });
        }
        eprintln!("skipped: openssl made no certificates");
        None
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        path.into_os_string().into_string().unwrap()
    }

    fn server(&self, more: &[&str]) -> Option<MailServer> {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        let mut arguments = vec!["--cert", cert.as_str(), "--key", key.as_str()];
        arguments.extend(more);
        MailServer::start(&arguments)
    }
}

#[test]
fn a_mail_arrives_as_text_and_html() {
    let Some(mut server) = MailServer::start(&[]) else {
        return;
    };
    let outcome = server.sink(&[]).send(&message());
    let remote = "250 2.0.0 queued as 4F1".to_owned();
    assert_eq!(
        outcome,
        Outcome::Accepted {
            remote: Some(remote)
        }
    );
    let mail = server.next_mail();
    assert_eq!(mail["sender"], "runwatch@example.com");
    assert_eq!(mail["recipients"], serde_json::json!(["me@example.org"]));
    assert_eq!(mail["defects"], serde_json::json!([]));
    let headers = &mail["headers"];
    for (name, value) in [
        ("subject", "CRITICAL: loss is NaN (run train, step 2404)"),
        ("from", "Runwatch <runwatch@example.com>"),
        ("to", "me@example.org"),
        (
            "message-id",
            "<00112233445566778899aabbccddeeff-1@example.com>",
        ),
        (
            "references",
            "<ffeeddccbbaa99887766554433221100@example.com>",
        ),
        ("auto-submitted", "auto-generated"),
        ("date", "Tue, 14 Nov 2023 22:13:20 +0000"),
        ("importance", "high"),
        ("x-runwatch-severity", "critical"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let text = mail["parts"]["text/plain"].as_str().unwrap();
    assert!(text.contains("What to do: Stop the run"), "{text}");
    assert!(text.contains("Log: train.log:17"), "{text}");
    let html = mail["parts"]["text/html"].as_str().unwrap();
    for part in [
        "loss is NaN",
        "<strong>What to do:</strong> Stop the run",
        ">NaN</td>",
        ">2.31</td>",
        "train.log:17",
        "prefers-color-scheme: dark",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(server.mails_left(), 0);
}

#[test]
fn a_refused_recipient_stops_nobody_and_a_retry_repeats_nothing() {
    let Some(mut server) = MailServer::start(&[]) else {
        return;
    };
    let to = "a@example.org,refused@example.org,b@example.org";
    let mut sink = server.sink(&[("to", to)]);
    let why = "refused@example.org: permanent error (550): 5.1.1 no such user (2 of 3 recipients \
               have it)";
    assert_eq!(sink.send(&message()), Outcome::Rejected(why.to_owned()));
    for (to, number) in [("a@example.org", 1), ("b@example.org", 3)] {
        let mail = server.next_mail();
        assert_eq!(mail["headers"]["to"], to);
        let id = format!("<00112233445566778899aabbccddeeff-{number}@example.com>");
        assert_eq!(mail["headers"]["message-id"], id);
    }
    let again = sink.send(&testing::plain(message()));
    assert_eq!(again, Outcome::Rejected(why.to_owned()));
    // Another message goes to all of them again.
    let other = Message {
        id: "f".repeat(32),
        ..message()
    };
    assert_eq!(sink.send(&other).name(), "rejected");
    assert_eq!(server.mails_left(), 2);
}

#[test]
fn what_may_pass_later_is_transient() {
    let Some(server) = MailServer::start(&[]) else {
        return;
    };
    for (to, left) in [
        ("later@example.org", 0),
        ("busy@example.org", 0),
        ("later@example.org,refused@example.org", 0),
        ("busy@example.org,a@example.org", 1),
    ] {
        let mut sink = server.sink(&[("to", to)]);
        let outcome = sink.send(&message());
        assert_eq!(outcome.name(), "transient", "{to}: {outcome:?}");
        assert_eq!(sink.partly.len(), left, "{to}");
    }
    assert_eq!(server.mails_left(), 1);
}

#[test]
fn an_answer_to_the_text_decides() {
    let Some(server) = MailServer::start(&[]) else {
        return;
    };
    for (to, expected) in [
        ("full@example.org", "rejected"),
        ("hangup@example.org", "ambiguous"),
        // The mail was accepted; that the server hangs up then is no matter.
        ("rude@example.org", "accepted"),
    ] {
        let outcome = server.sink(&[("to", to)]).send(&message());
        assert_eq!(outcome.name(), expected, "{to}: {outcome:?}");
    }
}

#[test]
fn tls_with_a_certificate_of_ones_own() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let (trusted, other) = (certificates.path("ca.pem"), certificates.path("other.pem"));
    for (encryption, more) in [("starttls", &[][..]), ("tls", &["--tls"])] {
        let Some(mut server) = certificates.server(more) else {
            return;
        };
        let sink = |ca: &str| server.sink(&[("encryption", encryption), ("ca-file", ca)]);
        let (mut right, mut wrong, mut none) = (
            sink(&trusted),
            sink(&other),
            server.sink(&[("encryption", encryption)]),
        );
        assert_eq!(right.send(&message()).name(), "accepted");
        assert_eq!(server.next_mail()["encrypted"], true);
        for sink in [&mut wrong, &mut none] {
            let outcome = sink.send(&message());
            assert_eq!(outcome.name(), "broken", "{outcome:?}");
            assert!(outcome.why().unwrap().contains("invalid peer certificate"));
        }
        let missing = server
            .sink(&[("encryption", encryption), ("ca-file", "missing.pem")])
            .send(&message());
        assert_eq!(missing.name(), "broken");
        assert!(missing.why().unwrap().starts_with("`missing.pem`: "));
        assert_eq!(server.mails_left(), 0);
    }
}

#[test]
fn the_wrong_encryption_is_told() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let (Some(plain), Some(secure)) = (MailServer::start(&[]), certificates.server(&[])) else {
        return;
    };
    for (server, encryption) in [(&plain, "starttls"), (&plain, "tls"), (&secure, "none")] {
        let outcome = server.sink(&[("encryption", encryption)]).send(&message());
        assert_eq!(outcome.name(), "broken", "{encryption}: {outcome:?}");
    }
}

#[test]
fn a_login_is_needed() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let Some(mut server) = certificates.server(&["--login", "me:right-password"]) else {
        return;
    };
    let ca = certificates.path("ca.pem");
    let tls = [("encryption", "starttls"), ("ca-file", ca.as_str())];
    let with = |password| {
        let mut given = tls.to_vec();
        given.extend([("user", "me"), ("password", password)]);
        server.sink(&given)
    };
    let (mut right, mut wrong, mut none) = (
        with("right-password"),
        with("wrong-password"),
        server.sink(&tls),
    );
    for sink in [&mut wrong, &mut none] {
        let outcome = sink.send(&message());
        assert_eq!(outcome.name(), "broken", "{outcome:?}");
        assert!(!outcome.why().unwrap().contains("wrong-password"));
    }
    assert_eq!(right.send(&message()).name(), "accepted");
    assert_eq!(server.next_mail()["login"], "me");
}

#[test]
fn nobody_listens() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut sink = sink_at(&format!("127.0.0.1:{port}"));
    let outcome = sink.send(&message());
    assert_eq!(outcome.name(), "transient", "{outcome:?}");
}

fn sink_at(server: &str) -> Email {
    Email::new(&settings(
        &KIND,
        &[
            ("server", server),
            ("encryption", "none"),
            ("from", "runwatch@example.com"),
            ("to", "me@example.org"),
        ],
    ))
    .unwrap()
}

/// The mail as it is written, its lines joined where they were folded.
fn preview(message: &Message) -> String {
    sink_at("mail").preview(message).replace("=\r\n", "")
}

#[test]
fn hostile_texts_break_out_of_nothing() {
    for text in testing::HOSTILE {
        let message = testing::saying(text);
        let mail = preview(&message);
        let headers = mail.split("\r\n\r\n").next().unwrap();
        for line in headers.split("\r\n") {
            assert!(!line.to_lowercase().starts_with("bcc"), "{headers}");
            assert!(line.len() < 998 && line.is_ascii(), "{line}");
        }
        let html = mail.split("text/html").nth(1).unwrap();
        for markup in ["<a ", "</b>", "<!channel>", "<at ", "<<"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }
}

#[test]
fn many_alerts_fit_and_the_rest_is_counted() {
    let few = preview(&testing::many(3));
    assert!(few.contains("Subject: 3 alerts, worst CRITICAL: trouble 1"));
    assert!(few.contains("trouble 0") && few.contains("trouble 2"));
    let mut long = testing::many(20);
    // The critical one comes last, and is shown nevertheless.
    long.entries.swap(1, 19);
    for entry in &mut long.entries {
        entry.alert.message = "<".repeat(20_000);
    }
    let mail = preview(&long);
    assert!(mail.len() < 300_000, "{}", mail.len());
    let shown: Vec<_> = mail.match_indices("</span> trouble").collect();
    assert_eq!(shown.len(), 4);
    assert!(mail.contains("</span> trouble 1<"));
    assert!(mail.contains("and 16 more: WARNING: trouble 3"));
}

#[test]
fn the_forms() {
    let plain = preview(&testing::plain(message()));
    assert!(!plain.contains("html"), "{plain}");
    assert!(plain.contains("What to do: Stop the run"), "{plain}");
    let test = preview(&Message {
        test: true,
        ..message()
    });
    assert!(test.contains("Subject: [TEST] CRITICAL: loss is NaN"));
    assert!(test.contains("Nothing is wrong with any run"));
    let over = preview(&testing::resolved());
    assert!(over.contains("Subject: RESOLVED: loss is NaN"));
    assert!(!over.contains("Importance") && !over.contains("What to do"));
}

#[test]
fn what_the_codes_mean() {
    use Step::{Connect, Data, Login, Recipient, Sender, Text};
    for (step, code, expected) in [
        (Connect, 421, "transient"),
        (Connect, 554, "broken"),
        (Login, 454, "transient"),
        (Login, 535, "broken"),
        (Login, 534, "broken"),
        (Sender, 451, "transient"),
        (Sender, 530, "broken"),
        (Sender, 552, "rejected"),
        (Sender, 553, "broken"),
        (Recipient, 450, "transient"),
        (Recipient, 452, "transient"),
        (Recipient, 530, "broken"),
        (Recipient, 550, "rejected"),
        (Recipient, 551, "rejected"),
        (Data, 451, "transient"),
        (Data, 554, "rejected"),
        (Text, 452, "transient"),
        (Text, 552, "rejected"),
        (Text, 554, "rejected"),
    ] {
        let outcome = refused(step, code, String::new());
        assert_eq!(outcome.name(), expected, "{step:?} {code}");
    }
    for step in [Connect, Login, Sender, Recipient, Data] {
        let outcome = lost(step, "network error: timed out".to_owned());
        assert_eq!(outcome.name(), "transient", "{step:?}");
    }
    assert_eq!(lost(Text, String::new()).name(), "ambiguous");
}

#[test]
fn settings_are_checked_at_start() {
    let with = |changes: &[(&str, &str)]| {
        let mut all = vec![
            ("server", "smtp.example.com"),
            ("from", "runwatch@example.com"),
            ("to", "me@example.org"),
        ];
        all.retain(|(name, _)| !changes.iter().any(|(other, _)| name == other));
        all.extend(changes);
        Email::new(&settings(&KIND, &all))
    };
    for (changes, port) in [
        (&[][..], 587),
        (&[("encryption", "tls")], 465),
        (&[("encryption", "none")], 25),
        (&[("server", "[2001:db8::1]:2525")], 2525),
    ] {
        assert_eq!(with(changes).ok().unwrap().server.port, port);
    }
    for changes in [
        &[("from", "nobody")][..],
        &[("to", "me@example.org,")],
        &[("from", "me@exämple.org")],
        &[("server", "smtp://example.com")],
        &[("server", "example.com:many")],
        &[("user", "me")],
        &[("user", "me"), ("password", "x"), ("encryption", "none")],
    ] {
        assert!(with(changes).is_err(), "{changes:?}");
    }
}

#[test]
fn what_is_remembered_has_a_limit() {
    let mut sink = sink_at("mail");
    for number in 0..REMEMBERED + 5 {
        sink.remember(&number.to_string(), BTreeSet::from([0]));
    }
    assert_eq!(sink.partly.len(), REMEMBERED);
    assert!(sink.take_arrived("0").is_empty());
    let last = (REMEMBERED + 4).to_string();
    assert_eq!(sink.take_arrived(&last), BTreeSet::from([0]));
    assert!(sink.take_arrived(&last).is_empty());
}
