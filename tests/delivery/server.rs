//! A server of HTTP that answers as the test says and remembers everything.
//! It takes each request as it comes: nothing is recognised as a repetition.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A test that hangs is a test that fails; nothing is ever this slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A whole answer.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// A success, after so many milliseconds.
    Late(u64),
    /// The connection is reset.
    Reset,
    /// A success that breaks off in the middle of its body.
    Partial,
    /// No answer before [`Server::release`]; then a success.
    Hold,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), "")
    }

    pub(crate) fn ok() -> Self {
        Self::status(200)
    }
}

/// A request, and whether it was answered with a success, written to the end.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) succeeded: bool,
}

impl Request {
    /// The value of a header, named in lower case.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The alerts in it, each as id and notice.
    pub(crate) fn alerts(&self) -> Vec<(String, String)> {
        let field = |alert: &Value, name: &str| alert[name].as_str().unwrap().to_owned();
        let body = self.json();
        let alerts = body["alerts"].as_array().unwrap().iter();
        alerts
            .map(|alert| (field(alert, "id"), field(alert, "notice")))
            .collect()
    }
}

/// From the request and the number of those before it to what is done with it.
type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// Connections whose request waits for its answer.
    holding: usize,
    released: bool,
    closed: bool,
}

impl Server {
    pub(crate) fn new(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let at_door = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if at_door.lock().closed {
                    return;
                }
                let shared = at_door.clone();
                // A client that goes away in the middle is none of our failures.
                thread::spawn(move || stream.and_then(|stream| shared.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// Answers everything with success.
    pub(crate) fn good() -> Self {
        Self::new(|_, _| Reply::ok())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until there are so many requests.
    pub(crate) fn await_requests(&self, number: usize) -> Vec<Request> {
        let what = format!("{number} requests");
        let state = self
            .shared
            .await_that(&what, |state| state.requests.len() >= number);
        state.requests.clone()
    }

    /// Waits until a request that holds this text was answered with success.
    pub(crate) fn await_arrival(&self, text: &str) {
        let arrived = |request: &Request| {
            request.succeeded && String::from_utf8_lossy(&request.body).contains(text)
        };
        drop(
            self.shared
                .await_that(text, |state| state.requests.iter().any(arrived)),
        );
    }

    /// How many requests wait for their answer.
    pub(crate) fn holding(&self) -> usize {
        self.shared.lock().holding
    }

    /// From now on nothing is held.
    pub(crate) fn release(&self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release();
        self.shared.lock().closed = true;
        // Wakes the thread at the door.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn await_that(&self, what: &str, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while !is_so(&state) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the server waited in vain for {what}");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        state
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = match read(&mut stream) {
            Err(error) if error.kind() == ErrorKind::InvalidData => return refuse(stream),
            request => request?,
        };
        let (number, reply) = self.take(request);
        if matches!(reply, Reply::Reset) {
            // A byte is still unread, which makes the end a reset.
            return Ok(());
        }
        stream.read_exact(&mut [0])?;
        match reply {
            Reply::Reset => {}
            Reply::Answer(status, headers, body) => {
                self.answer(&mut stream, number, status, &headers, body)?;
            }
            Reply::Late(millis) => {
                thread::sleep(Duration::from_millis(millis));
                self.answer(&mut stream, number, 200, &[], "")?;
            }
            Reply::Partial => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ok\"")?;
            }
            Reply::Hold => {
                let mut state = self.await_that("the release", |state| state.released);
                state.holding -= 1;
                drop(state);
                self.answer(&mut stream, number, 200, &[], "")?;
            }
        }
        stream.shutdown(Shutdown::Both)
    }

    /// Remembers a request, and gives its number and what to do with it.
    fn take(&self, request: Request) -> (usize, Reply) {
        let mut state = self.lock();
        let number = state.requests.len();
        let reply = (self.script)(&request, number);
        state.holding += usize::from(matches!(reply, Reply::Hold));
        state.requests.push(request);
        self.changed.notify_all();
        (number, reply)
    }

    fn answer(
        &self,
        to: &mut TcpStream,
        number: usize,
        status: u16,
        headers: &[(&str, String)],
        body: &str,
    ) -> std::io::Result<()> {
        // Before it is written: the client may have gone on by the time it is.
        self.note(number, (200..300).contains(&status));
        let written = write(to, status, headers, body);
        if written.is_err() {
            self.note(number, false);
        }
        written
    }

    fn note(&self, number: usize, succeeded: bool) {
        self.lock().requests[number].succeeded = succeeded;
        self.changed.notify_all();
    }
}

/// Says that this is no HTTP, and waits until that is understood.
fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    write(&mut stream, 400, &[], "this is no HTTP")?;
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// Reads a request but for its last byte, which it only looks at.
fn read(from: &mut TcpStream) -> std::io::Result<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() == 1 && !byte[0].is_ascii_uppercase() {
            // This is no HTTP.
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut request = Request {
        method: word(),
        path: word(),
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
        succeeded: false,
    };
    let len = request.header("content-length").parse().unwrap_or(0);
    request.body = vec![0; len];
    let Some((last, rest)) = request.body.split_last_mut() else {
        return Err(ErrorKind::InvalidData.into());
    };
    from.read_exact(rest)?;
    if from.peek(std::slice::from_mut(last))? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(request)
}

fn write(
    to: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &str,
) -> std::io::Result<()> {
    let mut text = format!(
        "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    to.write_all(format!("{text}connection: close\r\n\r\n{body}").as_bytes())?;
    to.flush()
}
