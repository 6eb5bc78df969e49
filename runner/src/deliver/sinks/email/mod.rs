//! E-mail over SMTP (RFC 5321).
//!
//! Each recipient gets a mail of its own: a server that refuses one address
//! would otherwise refuse the mail for all. A mail has arrived when the server
//! has answered its end with 250; what the server says to QUIT does not matter.

mod mail;
mod smtp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;

use self::smtp::{Encryption, Server, Session};
use super::{Kind, Made};
use crate::deliver::{Key, Message, Outcome, Settings, Sink, Takes};
use crate::secret::Secret;

pub(super) const KIND: Kind = Kind {
    name: "email",
    summary: "E-mail over SMTP, as text and HTML.",
    network: true,
    keys: &[
        Key::required(
            "server",
            Takes::Text,
            "The mail server: its name, and `:port` if it is not the usual one.",
        ),
        Key::optional(
            "encryption",
            Takes::Word(&["starttls", "tls", "none"]),
            "`starttls` (the default, port 587), `tls` from the first byte (port 465), or `none` \
             for a relay in your own network (port 25).",
        ),
        Key::optional("user", Takes::Text, "The name to log in with."),
        Key::optional("password", Takes::Secret, "The password to log in with."),
        Key::required(
            "from",
            Takes::Text,
            "The sender: `runwatch@example.com` or `Runwatch <runwatch@example.com>`.",
        ),
        Key::required(
            "to",
            Takes::List,
            "The recipients. Each gets a mail of its own and does not see the others.",
        ),
        Key::optional(
            "ca-file",
            Takes::Text,
            "A PEM file with certificates to trust besides those of the system.",
        ),
        Key::optional(
            "timeout",
            Takes::Integer(1, 300),
            "Seconds to wait for each answer of the server; 20 if not set.",
        ),
    ],
    make: |settings| Made::sink(Email::new(settings)?),
    example: "server = \"smtp.example.com\"\n\
              user = \"runwatch@example.com\"\n\
              password = \"env:SMTP_PASSWORD\"\n\
              from = \"Runwatch <runwatch@example.com>\"\n\
              to = [\"me@example.com\"]",
};

/// How many messages that not all recipients have are remembered.
const REMEMBERED: usize = 256;

struct Email {
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// Messages that some recipients have and others do not, the oldest first.
    partly: VecDeque<(String, BTreeSet<usize>)>,
}

impl Email {
    fn new(settings: &Settings) -> Result<Self, String> {
        let encryption = match settings.text("encryption").as_deref() {
            Some("tls") => Encryption::Tls,
            Some("none") => Encryption::None,
            _ => Encryption::StartTls,
        };
        let login = login(settings.text("user"), settings.secret("password"))?;
        if login.is_some() && encryption == Encryption::None {
            return Err(
                "a password is sent over TLS only: set `encryption` to `starttls` or \
                        `tls`, or leave out `user` and `password`"
                    .to_owned(),
            );
        }
        let text = settings.text("server").unwrap_or_default();
        let (host, port) = host_and_port(&text, encryption)?;
        let timeout = settings.integer("timeout").unwrap_or(20);
        let to = settings.list("to");
        if to.is_empty() {
            return Err("`to` names nobody".to_owned());
        }
        Ok(Self {
            server: Server {
                host,
                port,
                encryption,
                login,
                ca_file: settings.path("ca-file"),
                timeout: Duration::from_secs(timeout.unsigned_abs()),
            },
            from: mailbox(&settings.text("from").unwrap_or_default())?,
            to: to
                .iter()
                .map(|text| mailbox(text))
                .collect::<Result<_, _>>()?,
            partly: VecDeque::new(),
        })
    }

    /// Who has this message already, by their place in `to`. From now on it is
    /// the caller who remembers it.
    fn take_arrived(&mut self, id: &str) -> BTreeSet<usize> {
        let place = self.partly.iter().position(|(known, _)| known == id);
        let known = place.and_then(|place| self.partly.remove(place));
        known.map(|(_, arrived)| arrived).unwrap_or_default()
    }

    fn remember(&mut self, id: &str, arrived: BTreeSet<usize>) {
        if arrived.is_empty() {
            return;
        }
        if self.partly.len() >= REMEMBERED {
            self.partly.pop_front();
        }
        self.partly.push_back((id.to_owned(), arrived));
    }
}

impl Sink for Email {
    fn send(&mut self, message: &Message) -> Outcome {
        let mut arrived = self.take_arrived(&message.id);
        let mut session = None;
        let mut failures = Failures::default();
        let mut last = None;
        for (place, to) in self.to.iter().enumerate() {
            if arrived.contains(&place) {
                continue;
            }
            let mail = match mail::compose(message, &self.from, to, place + 1) {
                Ok(mail) => mail,
                Err(why) => {
                    failures.add(to, Outcome::Rejected(why));
                    continue;
                }
            };
            let open = match session.take().filter(Session::is_usable) {
                Some(open) => open,
                None => match self.server.connect() {
                    Ok(open) => open,
                    // The next one would not get through either.
                    Err(outcome) => {
                        failures.all(outcome);
                        break;
                    }
                },
            };
            match session
                .insert(open)
                .send(&self.from.email, &to.email, &mail)
            {
                Ok(reply) => {
                    last = Some(reply);
                    arrived.insert(place);
                }
                Err(outcome) => failures.add(to, outcome),
            }
        }
        match failures.outcome(arrived.len(), self.to.len()) {
            None => Outcome::Accepted { remote: last },
            Some(failure) => {
                self.remember(&message.id, arrived);
                failure
            }
        }
    }

    fn preview(&mut self, message: &Message) -> String {
        let Some(to) = self.to.first() else {
            return String::new();
        };
        match mail::compose(message, &self.from, to, 1) {
            Ok(mail) => String::from_utf8_lossy(&mail).into_owned(),
            Err(why) => why,
        }
    }
}

/// What went wrong with one message.
#[derive(Default)]
struct Failures {
    /// Of one recipient or of all.
    found: Vec<Outcome>,
    /// For people to read.
    texts: Vec<String>,
}

impl Failures {
    fn add(&mut self, to: &Mailbox, outcome: Outcome) {
        self.texts.push(format!(
            "{}: {}",
            to.email,
            outcome.why().unwrap_or_default()
        ));
        self.found.push(outcome);
    }

    fn all(&mut self, outcome: Outcome) {
        self.texts
            .push(outcome.why().unwrap_or_default().to_owned());
        self.found.push(outcome);
    }

    /// The failure that asks for the most: what is broken must be mended; what
    /// has certainly not arrived is tried again before what may have.
    fn outcome(self, arrived: usize, recipients: usize) -> Option<Outcome> {
        let rank = |outcome: &Outcome| match outcome {
            Outcome::Broken(_) => 3,
            Outcome::Transient(_) => 2,
            Outcome::Ambiguous(_) => 1,
            _ => 0,
        };
        let worst = self.found.into_iter().max_by_key(rank)?;
        let mut why = self.texts.join("; ");
        if arrived > 0 {
            why.push_str(&format!(" ({arrived} of {recipients} recipients have it)"));
        }
        Some(match worst {
            Outcome::Broken(_) => Outcome::Broken(why),
            Outcome::Transient(_) => Outcome::Transient(why),
            Outcome::Ambiguous(_) => Outcome::Ambiguous(why),
            _ => Outcome::Rejected(why),
        })
    }
}

fn login(
    user: Option<String>,
    password: Option<Arc<Secret>>,
) -> Result<Option<(String, Arc<Secret>)>, String> {
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some((user, password))),
        (None, None) => Ok(None),
        _ => Err("`user` and `password` belong together".to_owned()),
    }
}

/// `name`, `name:port`, `[2001:db8::1]:port`.
fn host_and_port(text: &str, encryption: Encryption) -> Result<(String, u16), String> {
    // Not quoted: it may be a URL with a password.
    let wrong = || "`server` is not one: write `name` or `name:port`".to_owned();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(wrong());
    }
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| wrong())?,
        None if port.is_empty() => encryption.usual_port(),
        None => return Err(wrong()),
    };
    Ok((host.to_owned(), port))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox = text
        .parse()
        .map_err(|error| format!("`{text}` is not an e-mail address: {error}"))?;
    let address: &str = mailbox.email.as_ref();
    if !address.is_ascii() {
        return Err(format!(
            "`{text}`: an address in other letters than ASCII is not supported; write its domain \
             as `xn--…`"
        ));
    }
    Ok(mailbox)
}
