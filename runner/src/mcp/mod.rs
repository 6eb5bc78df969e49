//! `runwatch mcp`: the ledger for agents, over the Model Context Protocol.
//!
//! A client starts the server, writes requests to its standard input and reads
//! answers from its standard output, a line of JSON each. Everything that an
//! agent may ask is a *tool*: a row in `table.rs`, from which the schemas and
//! the checks of arguments come, and a function for each.
//!
//! The protocol is written out here. The official crate (`rmcp`) brings an
//! asynchronous runtime with it, and a build without network code must hold
//! none; what a server without subscriptions needs of the protocol is small.
//!
//! The ledger is opened for each call: it may not be there yet, and a server
//! lives longer than many a file.

mod alerts;
mod arguments;
mod health;
mod protocol;
mod query;
mod runs;
mod session;
mod silences;
mod table;
#[cfg(test)]
mod tests;
mod tools;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use self::protocol::{Error, INVALID_REQUEST, Line, Message};

/// What a server may do, and where.
#[derive(Debug, Clone)]
pub struct Server {
    /// The ledger, which need not be there yet.
    pub ledger: PathBuf,
    /// Whether there are tools that silence and acknowledge.
    pub may_silence: bool,
    /// Who made the silences.
    pub author: String,
}

impl Server {
    /// Answers requests until there are no more, or nobody reads the answers.
    ///
    /// # Errors
    ///
    /// If requests cannot be read.
    pub fn serve(&self, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        while let Some(line) = protocol::read_line(&mut input)? {
            let Some(answer) = self.answer(line) else {
                continue;
            };
            let written = output.write_all(answer.as_bytes());
            if written.and_then(|()| output.flush()).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The answer to one line, with its end; none to what wants none.
    fn answer(&self, line: Line) -> Option<String> {
        let message = match line {
            Line::Whole(bytes) => protocol::parse(&bytes),
            Line::TooLong => Message::Wrong(
                serde_json::Value::Null,
                Error::new(INVALID_REQUEST, "the line is longer than 4 MiB"),
            ),
        };
        match message {
            Message::Request(request) => {
                let outcome = session::answer(self, &request);
                Some(protocol::reply(&request.id, outcome))
            }
            Message::Wrong(id, error) => Some(protocol::reply(&id, Err(error))),
            Message::Heard => None,
        }
    }
}
