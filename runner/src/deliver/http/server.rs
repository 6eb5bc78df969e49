//! A server on loopback for one test: it takes connections one after another
//! and does with each what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// What happens on one connection, and what was heard there.
pub(super) type Talk = Box<dyn FnOnce(TcpStream) -> String + Send>;

pub(super) struct Server {
    pub(super) port: u16,
    number: usize,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    /// Does each of these with one connection.
    pub(super) fn start(talks: impl IntoIterator<Item = Talk>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let talks: Vec<_> = talks.into_iter().collect();
        let number = talks.len();
        let thread = std::thread::spawn(move || {
            let talk = |talk: Talk| talk(listener.accept().unwrap().0);
            talks.into_iter().map(talk).collect()
        });
        Self {
            port,
            number,
            thread,
        }
    }

    /// Reads one request and writes these bytes.
    pub(super) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start([talk(move |mut stream| {
            let request = read_request(&mut stream);
            // The client may have heard enough.
            let _ = stream.write_all(&answer);
            request
        })])
    }

    /// Writes these bytes without reading first, and then waits for the end.
    pub(super) fn answering_at_once(answer: &'static str) -> Self {
        Self::start([talk(move |mut stream| {
            let _ = stream.write_all(answer.as_bytes());
            wait_for_close(&mut stream);
            String::new()
        })])
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// What was heard on the connections, one text each; nothing where none
    /// came.
    pub(super) fn heard(self) -> Vec<String> {
        for _ in 0..self.number {
            let _ = TcpStream::connect(("127.0.0.1", self.port));
        }
        self.thread.join().unwrap()
    }
}

pub(super) fn talk(talk: impl FnOnce(TcpStream) -> String + Send + 'static) -> Talk {
    Box::new(talk)
}

/// The head and the body of a request.
pub(super) fn read_request(stream: &mut impl Read) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    while reader.read_line(&mut request).unwrap_or(0) > 2 {
        let line = request.lines().last().unwrap_or_default();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

/// Hears the other side out until it closes.
pub(super) fn wait_for_close(stream: &mut impl Read) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}
