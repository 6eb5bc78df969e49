//! A session with a mail server, and what its answers mean.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};

use crate::deliver::Outcome;
use crate::deliver::text::{clean_line, cut_chars};
use crate::secret::{Secret, scrub};

/// Characters of a server's answer in an error.
const REPLY_CHARS: usize = 300;
/// How long to wait for the answer to QUIT.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Plain, until both sides agree on TLS. No mail is sent without it.
    StartTls,
    /// From the first byte.
    Tls,
    /// None at all.
    None,
}

impl Encryption {
    pub(super) fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// Where mails are handed in.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<(String, Arc<Secret>)>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
}

/// Where in the dialogue something went wrong: the same code means one thing
/// for a recipient and another for the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The connection, the greeting and TLS.
    Connect,
    /// The name and password.
    Login,
    /// The address of the sender, which is always the same.
    Sender,
    /// The address of one recipient.
    Recipient,
    /// Asking to hand in the text.
    Data,
    /// The text, and the answer to its end.
    Text,
}

impl Server {
    /// Connects, encrypts and logs in.
    pub(super) fn connect(&self) -> Result<Session, Outcome> {
        let me = ClientId::default();
        let tls = match self.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => Some(self.tls().map_err(Outcome::Broken)?),
        };
        let at_once = tls.as_ref().filter(|_| self.encryption == Encryption::Tls);
        let address = (self.host.as_str(), self.port);
        let failed = |error: Error| self.failed(Step::Connect, &error);
        let mut connection =
            SmtpConnection::connect(address, Some(self.timeout), &me, at_once, None)
                .map_err(failed)?;
        if let (Encryption::StartTls, Some(tls)) = (self.encryption, &tls) {
            if !connection.can_starttls() {
                connection.abort();
                return Err(Outcome::Broken(format!(
                    "{} offers no STARTTLS: set `encryption` to `tls`, or to `none` if the way to \
                     it is safe",
                    self.host
                )));
            }
            connection.starttls(tls, &me).map_err(failed)?;
        }
        self.log_in(&mut connection)?;
        Ok(Session {
            connection,
            fresh: true,
            usable: true,
        })
    }

    fn tls(&self) -> Result<TlsParameters, String> {
        let mut tls = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.ca_file {
            let failed = |why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
            let pem = std::fs::read(path).map_err(|error| failed(&error))?;
            tls = tls
                .add_root_certificate(Certificate::from_pem(&pem).map_err(|error| failed(&error))?);
        }
        tls.build().map_err(|error| error.to_string())
    }

    fn log_in(&self, connection: &mut SmtpConnection) -> Result<(), Outcome> {
        let Some((user, password)) = &self.login else {
            return Ok(());
        };
        let password = password
            .read()
            .map_err(|unreadable| Outcome::Broken(unreadable.to_string()))?;
        let who = Credentials::new(user.clone(), password.to_string());
        if let Err(error) = connection.auth(DEFAULT_MECHANISMS, &who) {
            connection.abort();
            return Err(self.failed(Step::Login, &error));
        }
        Ok(())
    }

    fn failed(&self, step: Step, error: &Error) -> Outcome {
        let at = |why: String| format!("{}:{}: {why}", self.host, self.port);
        match outcome(step, error) {
            Outcome::Broken(why) => Outcome::Broken(at(why)),
            Outcome::Transient(why) => Outcome::Transient(at(why)),
            other => other,
        }
    }
}

/// A server that listens to us.
pub(super) struct Session {
    connection: SmtpConnection,
    /// Nothing was sent in it yet.
    fresh: bool,
    usable: bool,
}

impl Session {
    /// Whether another mail can be sent in it.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Hands in a mail and returns the answer of the server to it.
    pub(super) fn send(
        &mut self,
        from: &Address,
        to: &Address,
        mail: &[u8],
    ) -> Result<String, Outcome> {
        // Forgets a recipient that was refused.
        if !std::mem::take(&mut self.fresh) {
            let reset = self.connection.command(Rset);
            self.done(Step::Sender, reset)?;
        }
        let sender = Mail::new(Some(from.clone()), Vec::new());
        let sender = self.connection.command(sender);
        self.done(Step::Sender, sender)?;
        let recipient = self.connection.command(Rcpt::new(to.clone(), Vec::new()));
        self.done(Step::Recipient, recipient)?;
        let data = self.connection.command(Data);
        self.done(Step::Data, data)?;
        let text = self.connection.message(mail);
        let reply = self.done(Step::Text, text)?;
        if reply.code().severity != Severity::PositiveCompletion {
            self.usable = false;
            return Err(Outcome::Ambiguous(format!(
                "the server answered the mail with {}",
                written(&reply)
            )));
        }
        Ok(written(&reply))
    }

    fn done(&mut self, step: Step, reply: Result<Response, Error>) -> Result<Response, Outcome> {
        reply.map_err(|error| {
            // After 421 the server hangs up.
            let code = code(&error);
            self.usable = code.is_some() && code != Some(421);
            outcome(step, &error)
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A mail that was accepted stays so, whatever comes of this.
        if self.usable {
            let _ = self.connection.set_timeout(Some(FAREWELL));
            self.connection.abort();
        }
    }
}

fn written(reply: &Response) -> String {
    let text: Vec<&str> = reply.message().collect();
    let text = format!("{} {}", reply.code(), text.join(" "));
    legible(&text)
}

/// One line of what a server said. Secrets that it echoes are replaced first:
/// the half that a cut leaves would not be known.
fn legible(text: &str) -> String {
    cut_chars(&clean_line(scrub(text).trim()), REPLY_CHARS).into_owned()
}

fn code(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}

fn outcome(step: Step, error: &Error) -> Outcome {
    let why = legible(&error.to_string());
    match code(error) {
        Some(code) => refused(step, code, why),
        None => lost(step, why),
    }
}

/// What a reply with an error code means.
pub(super) fn refused(step: Step, code: u16, why: String) -> Outcome {
    match (code, step) {
        (400..500, _) => Outcome::Transient(why),
        // "Authentication required", "too weak", "encryption required", at
        // whatever step the server notices it.
        (530 | 534 | 538, _) => Outcome::Broken(why),
        // The mail is too large: another one may not be.
        (552, _) => Outcome::Rejected(why),
        (_, Step::Connect | Step::Login | Step::Sender) => Outcome::Broken(why),
        (_, Step::Recipient | Step::Data | Step::Text) => Outcome::Rejected(why),
    }
}

/// What it means that there was no reply that we understand.
pub(super) fn lost(step: Step, why: String) -> Outcome {
    // rustls tells these by text only. The second is what a server without TLS
    // on this port looks like.
    let wrong_side = ["invalid peer certificate", "corrupt message"];
    match step {
        Step::Text => Outcome::Ambiguous(why),
        Step::Connect if wrong_side.iter().any(|sign| why.contains(sign)) => Outcome::Broken(why),
        // No mechanism that both sides know.
        Step::Login if why.contains("authentication mechanism") => Outcome::Broken(why),
        _ => Outcome::Transient(why),
    }
}
