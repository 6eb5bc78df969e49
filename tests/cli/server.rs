//! Servers on loopback that do with every request what the test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A test that hangs is a test that fails; nothing is ever this slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that answers until the test ends.
pub(crate) struct Server {
    pub(crate) port: u16,
    heard: Receiver<String>,
}

impl Server {
    /// Gives each HTTP request to `answer`; without an answer it is cut off.
    pub(crate) fn http(answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heard) = channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (answer, sender) = (answer.clone(), sender.clone());
                thread::spawn(move || {
                    let request = request(&stream);
                    if let Some(answer) = answer(&request) {
                        // The client may have heard enough.
                        let _ = stream.write_all(answer.as_bytes());
                    }
                    // The test may have.
                    let _ = sender.send(request);
                });
            }
        });
        Self { port, heard }
    }

    /// Takes everything.
    pub(crate) fn content() -> Self {
        Self::http(|_| Some(answer("200 OK", "", "ok")))
    }

    /// A port that nobody listens to.
    pub(crate) fn nobody() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    /// The next request that nobody has waited for yet.
    pub(crate) fn next(&self) -> String {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }

    /// The requests that came and that nobody has waited for.
    pub(crate) fn unheard(&self) -> Vec<String> {
        self.heard.try_iter().collect()
    }
}

/// An answer with more headers, each with its end.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn request(stream: &TcpStream) -> String {
    let mut first = [0];
    // Whoever begins with TLS waits for an answer now.
    if stream.peek(&mut first).is_ok() && first == [22] {
        return String::new();
    }
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    while let Ok(3..) = reader.read_line(&mut request) {
        let line = request.lines().last().unwrap_or_default().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    let _ = reader.take(length).read_to_end(&mut body);
    request + &String::from_utf8_lossy(&body)
}
