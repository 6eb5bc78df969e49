//! `runwatch serve`: the dashboard.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Outcome;
use super::delivery::{self, Kept};
use super::ingest::{self, Ingest};
use super::output::say;
use crate::config::Config;
use crate::config::units::parse_size;
use crate::deliver::silence::author;
use crate::digest::hex;
use crate::exit::{Ending, Failure};
use crate::ledger::Ledger;
use crate::secret::Secret;
use crate::serve::{Options, Resend, Server};

/// What is shorter could be guessed.
const TOKEN: usize = 16;
/// The largest size of anything, in bytes.
const MOST: usize = 1 << 30;
/// Sinks that may wait to be tried again.
const WAITING: usize = 64;

/// Serve the dashboard: runs, charts, alerts and deliveries, in a browser
///
/// It shows what the ledger holds, while it comes: a watch and the dashboard
/// need nothing of each other but the same ledger. /metrics is for Prometheus.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Where to listen; port 0 is any that is free. An address that other
    /// machines reach needs a token
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7077", value_parser = address)]
    listen: SocketAddr,
    /// What whoever asks must know: `env:NAME`, `file:PATH` or `cmd:COMMAND`
    #[arg(long, value_name = "REFERENCE")]
    token: Option<String>,
    /// Take records at /ingest and watch them: what services post that have no
    /// log to pipe
    #[arg(long)]
    ingest: bool,
    /// The longest body, as sent and as decompressed
    #[arg(long, value_name = "SIZE", default_value = "1 MiB", value_parser = size, requires = "ingest")]
    max_body: usize,
    /// Bytes that may wait to be watched; who posts more is told to come later
    #[arg(long, value_name = "SIZE", default_value = "16 MiB", value_parser = size, requires = "ingest")]
    max_queue: usize,
    /// Nothing can be acknowledged, silenced or sent again
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    kept: Kept,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse()
        .map_err(|_| "an address and a port are expected: `127.0.0.1:7077`, `[::1]:0`".to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    let size = parse_size(text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| (1..=MOST).contains(size))
        .ok_or_else(|| "a size up to 1 GiB is expected: `1 MiB`, `64 KiB`".to_owned())
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.kept.delivering.air_gapped {
        let error = anyhow!("a process without sockets cannot serve anything");
        return Err(Failure::new(Ending::Usage, error).hint(
            "leave out --air-gapped: the dashboard listens on this machine only, and connects to \
             nothing but sinks, when somebody asks to send again",
        ));
    }
    let config = args.kept.config()?;
    let token = token(args)?;
    // Nobody posts unknown: no page, and no other user of this machine.
    let made = match &token {
        None if args.ingest => Some(fresh_token()?),
        _ => None,
    };
    let has_token = token.is_some();
    let end = interrupts()?;
    let (body, queue) = (args.max_body, args.max_queue);
    let ingest = match args.ingest {
        true => Some(ingest::start(&args.kept.delivering, &config, body, queue)?),
        false => None,
    };
    let (resend, waiting) = resend(args, &config)?;
    let options = Options {
        ledger: args.kept.delivering.needed_path(&config)?,
        token: token.or_else(|| made.clone()),
        read_only: args.read_only,
        sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
        labels: config.labels.clone(),
        author: author(),
        resend,
        intake: ingest.as_ref().map(|ingest| ingest.intake.clone()),
    };
    let there = options.ledger.exists();
    let ledger = options.ledger.display().to_string();
    let failed = |error: std::io::Error| {
        let error = anyhow!("cannot listen at {}: {error}", args.listen);
        Failure::new(Ending::Usage, error).hint("choose another port: `--listen 127.0.0.1:0`")
    };
    let server = Server::bind(args.listen, options).map_err(failed)?;
    let sender = Sender {
        args: args.clone(),
        config,
    };
    thread::Builder::new()
        .name("resend".into())
        .spawn(move || waiting.iter().for_each(|sink| sender.send(&sink)))
        .map_err(failed)?;
    if !there && !args.ingest {
        say(&format!(
            "runwatch: there is no ledger `{ledger}` yet; what a watch writes there will be shown"
        ));
    }
    say(&invitation(server.address(), has_token, made.as_deref()));
    if args.ingest {
        say(&invitation_to_post(server.address(), made.as_deref()));
    }
    let served = server.run(end).map_err(failed);
    let ending = ingest.map_or(Ending::Fine, Ingest::finish);
    served?;
    Ok(ending)
}

/// A token for this start only.
fn fresh_token() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 24]);
    // Where there is no such file, somebody must think of a token.
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(bytes.as_mut_slice()))
        .map_err(|_| {
            let error = anyhow!("whoever posts must know a token");
            Failure::new(Ending::Usage, error)
                .hint("write one to a file that only you can read, and add `--token file:PATH`")
        })?;
    Ok(Zeroizing::new(hex(bytes.as_slice())))
}

/// Where to look. Only a token that was made here is shown.
fn invitation(address: SocketAddr, has_token: bool, made: Option<&String>) -> String {
    let how = match made {
        Some(token) => format!("?token={token}"),
        None if has_token => " (with the token: ?token=…, or `Authorization: Bearer …`)".to_owned(),
        None => String::new(),
    };
    format!("runwatch: serving http://{address}/{how}")
}

/// Where to post, and how.
fn invitation_to_post(address: SocketAddr, made: Option<&String>) -> String {
    let token = made.map_or("$TOKEN", |token| token.as_str());
    let until = match made {
        Some(_) => " (this token is for this start only; `--token file:PATH` keeps one)",
        None => "",
    };
    format!(
        "runwatch: taking records at http://{address}/ingest{until}:\n  \
         curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/x-ndjson' \
         --data-binary @events.jsonl http://{address}/ingest"
    )
}

/// The token, which must be there where others can ask.
fn token(args: &Args) -> Result<Option<Zeroizing<String>>, Failure> {
    let wrong = |what: String| Failure::new(Ending::Usage, anyhow!(what));
    let Some(reference) = &args.token else {
        if args.listen.ip().is_loopback() {
            return Ok(None);
        }
        let address = args.listen.ip();
        return Err(
            wrong(format!("other machines reach {address}: a token is needed")).hint(
                "write it to a file that only you can read, and add `--token file:PATH`; or stay \
                 with 127.0.0.1 and use `ssh -L 7077:localhost:7077`",
            ),
        );
    };
    let home = std::env::var_os("HOME");
    let secret = Secret::from_reference(reference, home.as_deref().map(Path::new), Path::new(""))
        .ok_or_else(|| {
        // It may be the token itself.
        wrong("--token does not say where the token is".to_owned())
            .hint("write `env:NAME`, `file:PATH` or `cmd:COMMAND`")
    })?;
    let token = secret
        .read()
        .map_err(|error| wrong(format!("--token: {error}")))?;
    if token.len() < TOKEN {
        return Err(wrong(format!(
            "--token: the token has {} characters, and could be guessed",
            token.len()
        ))
        .hint("`openssl rand -hex 24` makes a good one"));
    }
    Ok(Some(token))
}

/// Takes names of sinks, and gives them to a thread that sends what waits. One
/// that cannot be used is refused at once.
fn resend(args: &Args, config: &Config) -> Result<(Resend, Receiver<String>), Failure> {
    let (names, waiting): (SyncSender<String>, _) = sync_channel(WAITING);
    let names = Mutex::new(names);
    let (kept, config) = (args.kept.clone(), config.clone());
    let resend = move |name: &str| {
        let found = config.sinks.iter().find(|sink| sink.name == name);
        if let Some(sink) = found {
            kept.delivering.sink(sink)?;
        }
        let names = names.lock().unwrap_or_else(|error| error.into_inner());
        match names.try_send(name.to_owned()) {
            // It is known what waits: whoever is being served sends this, too.
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => {
                let error = anyhow!("the thread that sends has ended");
                Err(Failure::new(Ending::Delivery, error))
            }
        }
    };
    Ok((Box::new(resend), waiting))
}

/// Sends what waits, one sink after the other.
struct Sender {
    args: Args,
    config: Config,
}

impl Sender {
    fn send(&self, name: &str) {
        // What goes wrong here is in the ledger, for whoever looks at it there.
        if let Err(failure) = self.try_send(name) {
            say(&format!("runwatch: sink `{name}`: {failure}"));
        }
    }

    fn try_send(&self, name: &str) -> Result<(), Failure> {
        let delivering = &self.args.kept.delivering;
        let Some(sink) = self.config.sinks.iter().find(|sink| sink.name == name) else {
            return Ok(());
        };
        let sinks = vec![(sink.name.clone(), delivering.sink(sink)?)];
        let ledger: Ledger = delivering.ledger(&self.config)?;
        let reports = delivery::send_waiting(&self.config, ledger, sinks)?;
        delivery::summarize(&reports);
        Ok(())
    }
}

/// Ctrl-C or SIGTERM ends it.
fn interrupts() -> Result<oneshot::Receiver<()>, Failure> {
    let (sender, receiver) = oneshot::channel();
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let failed =
            |error| Failure::new(Ending::Usage, anyhow!("cannot listen for signals: {error}"));
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut signals = signals.forever();
                if signals.next().is_some() {
                    // The server may have ended by itself.
                    let _ = sender.send(());
                }
                if signals.next().is_some() {
                    // Asked for a second time: what waits stays in the ledger.
                    std::process::exit(i32::from(Ending::Interrupted.code()));
                }
            })
            .map_err(failed)?;
    }
    // Elsewhere the system ends us; until then nobody must say so.
    #[cfg(not(unix))]
    std::mem::forget(sender);
    Ok(receiver)
}
