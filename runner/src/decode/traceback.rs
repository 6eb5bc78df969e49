//! Python's tracebacks: many lines of text become one exception.
//!
//! ```text
//! [rank1]: Traceback (most recent call last):
//! [rank1]:   File "train.py", line 7, in <module>
//! [rank1]:     batch = data['x']
//! [rank1]:             ~~~~^^^^^
//! [rank1]: KeyError: 'x'
//!
//! [rank1]: The above exception was the direct cause of the following exception:
//! ```
//!
//! Processes write into the same stream, so the tracebacks of different ranks
//! are followed side by side. The lines of frames belong to the traceback and
//! are shown to no reader of metrics. A message has no end of its own: it goes
//! on until a record, a logger's line, a blank line or something that is known
//! to be somebody else's.

use std::hash::Hasher;

use memchr::memmem;
use rustc_hash::FxHasher;

use super::format::Line;
use crate::record::RunId;

/// What begins a traceback. It may stand behind other text.
const HEADER: &[u8] = b"Traceback (most recent call last):";
/// What begins a traceback in the boxes of the library rich.
const RICH: &[u8] = b"Traceback (most recent call last)";

/// Bytes kept of a traceback: its beginning, and its end, where the cause is.
const MAX_TEXT: usize = 16 << 10;
const KEPT_HEAD: usize = 4 << 10;
/// Bytes and lines kept of a message.
const MAX_MESSAGE: usize = 4 << 10;
const MAX_MESSAGE_LINES: u32 = 30;
/// Bytes kept of one line.
const MAX_LINE: usize = 2 << 10;
/// Exceptions kept of a chain.
const MAX_CHAIN: usize = 16;
/// Tracebacks followed at once.
const MAX_OPEN: usize = 256;
/// Lines of others after which a traceback is over.
const PATIENCE: u64 = 256;
/// Lines kept of the box that torchrun prints below its exception.
const MAX_BOX: u32 = 5_000;

/// An exception, as printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    /// Where the traceback began.
    pub(super) origin: Origin,
    /// The type with its module, `torch.OutOfMemoryError`; `unknown` when the
    /// traceback was cut off.
    pub(super) name: String,
    pub(super) message: String,
    /// The innermost frame in the user's code, else the innermost.
    pub(super) frame: Option<String>,
    /// The whole text, less its middle when that is long.
    pub(super) text: String,
    /// What was raised before: `type: message`, the first one first.
    pub(super) chain: Vec<String>,
}

/// Where a traceback began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) line: u64,
    pub(super) rank: Option<u32>,
    pub(super) host: Option<String>,
    pub(super) stamp: Option<Vec<u8>>,
    pub(super) run: RunId,
    pub(super) step: i64,
    /// What the line before says, when that is not the end of a process:
    /// `ignored`, `logging`, `thread` or `task`.
    pub(super) context: Option<&'static str>,
}

/// What a line is to the tracebacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing: it may be a record.
    Other,
    /// A frame's: nobody else needs it.
    Frame,
    /// Of the box below torchrun's exception.
    Box,
}

/// The tracebacks that are being printed.
#[derive(Debug, Default)]
pub(super) struct Tracebacks {
    open: Vec<Open>,
    announced: Option<Announced>,
    /// Exceptions that are complete.
    pub(super) done: Vec<Exception>,
}

/// A line that says where the traceback after it comes from.
#[derive(Debug, Clone, Copy)]
struct Announced {
    line: u64,
    rank: Option<u32>,
    context: &'static str,
}

/// Lines from such a line to the traceback, at most: a task names itself between.
const ANNOUNCED: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Frames come, and then the exception.
    Frames,
    /// The exception is known; its message may go on.
    Message,
    /// A blank line followed the message: only a chain goes on.
    Blank,
    /// The next traceback is of the same chain.
    Chained,
    /// In the box below torchrun's exception, between lines of this byte, of
    /// which the first has been seen or not.
    Box(Option<u8>),
}

#[derive(Debug)]
struct Open {
    origin: Origin,
    process: u64,
    state: State,
    /// How far the header is indented.
    base: usize,
    /// The last line that belongs.
    last: u64,
    /// Whether that line was logged: messages go on in the same style.
    logged: bool,
    lines: u32,
    frames: u32,
    innermost: Option<String>,
    of_user: Option<String>,
    name: String,
    message: String,
    text: String,
    chain: Vec<String>,
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    /// A file that does not parse is reported without a header.
    Syntax,
    /// A tree of exceptions, drawn with `|` and `+`.
    Group,
    /// The box of the library rich.
    Rich,
}

/// The text before a traceback's header, if the line ends in one.
pub(super) fn before_header(text: &[u8]) -> Option<&[u8]> {
    if let Some(before) = text.strip_suffix(HEADER) {
        let before = before.trim_ascii_end();
        let bare = before
            .strip_suffix(b"+ Exception Group")
            .or_else(|| before.strip_suffix(b"Original"))
            .unwrap_or(before);
        return Some(bare.trim_ascii_end());
    }
    is_rich(text).then_some(&text[..0])
}

fn is_rich(text: &[u8]) -> bool {
    text.starts_with("╭".as_bytes()) && memmem::find(text, RICH).is_some()
}

impl Tracebacks {
    /// Begins a traceback at a line that [`before_header`] knows.
    pub(super) fn begin(&mut self, line: &Line<'_>, run: RunId, step: i64) {
        let style = if is_rich(line.text) {
            Style::Rich
        } else if line.text.starts_with(b"+ ") {
            Style::Group
        } else {
            Style::Plain
        };
        if let Some(at) = self.find(line) {
            let open = &mut self.open[at];
            let original = memmem::find(line.text, b"Original Traceback").is_some();
            match open.state {
                State::Message if original => open.chained(),
                State::Chained => open.chained(),
                // Another process says so as well, or the one before was cut off.
                State::Frames => {
                    if open.frames > 0 {
                        open.forget();
                        open.origin.line = line.number;
                    }
                }
                _ => {
                    self.close(at);
                    self.push(line, run, step, style);
                    return;
                }
            }
            open.state = State::Frames;
            open.style = style;
            open.take(line);
        } else {
            self.push(line, run, step, style);
        }
    }

    /// Begins the report of a file that does not parse.
    pub(super) fn begin_syntax_error(&mut self, line: &Line<'_>, run: RunId, step: i64) -> bool {
        let begins = line.text.starts_with(b"File \"")
            && self.find(line).is_none()
            && frame(line.text).is_some_and(|frame| frame.function.is_none());
        if begins {
            self.push(line, run, step, Style::Syntax);
            if let Some(open) = self.open.last_mut() {
                open.base = line.indent.saturating_sub(2);
                open.is_frame(line);
            }
        }
        begins
    }

    fn push(&mut self, line: &Line<'_>, run: RunId, step: i64, style: Style) {
        if self.open.len() >= MAX_OPEN {
            self.close(0);
        }
        let mut open = Open::new(line, run, step, style);
        let announced = self.announced.take().filter(|announced| {
            announced.rank == line.rank && announced.line + ANNOUNCED >= line.number
        });
        open.origin.context = announced.map(|announced| announced.context);
        open.take(line);
        self.open.push(open);
    }

    fn find(&self, line: &Line<'_>) -> Option<usize> {
        let process = process(line);
        self.open
            .iter()
            .position(|open| open.origin.rank == line.rank && open.process == process)
    }

    fn close(&mut self, at: usize) {
        let open = self.open.remove(at);
        self.done.extend(open.exception());
    }

    /// Looks at a line before anybody else does.
    #[inline]
    pub(super) fn part(&mut self, line: &Line<'_>) -> Part {
        if self.open.is_empty() {
            return Part::Other;
        }
        self.part_of_open(line)
    }

    fn part_of_open(&mut self, line: &Line<'_>) -> Part {
        let Some(at) = self.find(line) else {
            return Part::Other;
        };
        let open = &mut self.open[at];
        match (open.state, rule(line.text)) {
            (State::Box(None), Some(edge)) => open.state = State::Box(Some(edge)),
            (State::Box(None), None) => open.state = State::Message,
            (State::Box(Some(edge)), Some(rule)) if edge == rule => {
                open.take(line);
                self.close(at);
                return Part::Box;
            }
            _ => {}
        }
        if let State::Box(_) = open.state {
            open.take(line);
            open.add(line.text);
            open.lines += 1;
            if open.lines > MAX_BOX {
                self.close(at);
            }
            return Part::Box;
        }
        if open.is_frame(line) {
            open.take(line);
            return Part::Frame;
        }
        Part::Other
    }

    /// Looks at a line of text that is no record; true when it is an
    /// exception's message.
    pub(super) fn text(&mut self, line: &Line<'_>) -> bool {
        if let Some(context) = context(line.text) {
            self.announced = Some(Announced {
                line: line.number,
                rank: line.rank,
                context,
            });
        }
        if self.open.is_empty() {
            return false;
        }
        self.expire(line.number);
        let Some(at) = self.find(line) else {
            return false;
        };
        let open = &mut self.open[at];
        match open.state {
            State::Frames => open.is_raised(line),
            State::Message | State::Blank if is_connector(line.text) => {
                open.take(line);
                open.state = State::Chained;
                false
            }
            State::Message if open.goes_on(line) => {
                open.take(line);
                open.lines += 1;
                open.add(line.text);
                true
            }
            State::Chained if is_connector(line.text) => false,
            _ => {
                self.close(at);
                false
            }
        }
    }

    /// A line without text.
    pub(super) fn blank(&mut self, line: &Line<'_>) {
        if self.open.is_empty() {
            return;
        }
        if let Some(at) = self.find(line) {
            let open = &mut self.open[at];
            open.last = line.number;
            if open.state == State::Message {
                open.state = State::Blank;
            }
        }
    }

    /// A record comes: messages that it ends are over.
    #[inline]
    pub(super) fn record(&mut self, number: u64, rank: Option<u32>) {
        if self.open.is_empty() {
            return;
        }
        self.expire(number);
        self.close_if(|open| {
            let own = open.origin.rank.is_none() || open.origin.rank == rank;
            own && open.is_known()
        });
    }

    /// Whether none is being printed.
    #[inline]
    pub(super) fn are_over(&self) -> bool {
        self.open.is_empty()
    }

    /// Nothing more comes for now: what is known of exceptions is all.
    pub(super) fn release(&mut self) {
        self.close_if(Open::is_known);
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        self.close_if(|_| true);
    }

    fn expire(&mut self, number: u64) {
        self.close_if(|open| open.last + PATIENCE < number);
    }

    fn close_if(&mut self, over: impl Fn(&Open) -> bool) {
        while let Some(at) = self.open.iter().position(&over) {
            self.close(at);
        }
    }
}

impl Open {
    fn new(line: &Line<'_>, run: RunId, step: i64, style: Style) -> Self {
        Self {
            origin: Origin {
                line: line.number,
                rank: line.rank,
                host: host(line),
                stamp: line.stamp.map(<[u8]>::to_vec),
                run,
                step,
                context: None,
            },
            process: process(line),
            state: State::Frames,
            base: line.indent,
            last: line.number,
            logged: line.logged,
            lines: 0,
            frames: 0,
            innermost: None,
            of_user: None,
            name: String::new(),
            message: String::new(),
            text: String::new(),
            chain: Vec::new(),
            style,
        }
    }

    /// Whether the exception itself has been read.
    fn is_known(&self) -> bool {
        matches!(self.state, State::Message | State::Blank | State::Chained)
    }

    /// Whether the line follows right after the last that belongs. Lines that
    /// are marked by their rank may have those of others between them.
    fn is_next(&self, line: &Line<'_>) -> bool {
        self.origin.rank.is_some() || self.process != 0 || line.number <= self.last + 1
    }

    /// Adds a line to the text.
    fn take(&mut self, line: &Line<'_>) {
        self.last = line.number;
        self.logged = line.logged;
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text
            .extend(std::iter::repeat_n(' ', line.indent.min(80)));
        self.text.push_str(&shown(line.text));
        if self.text.len() > MAX_TEXT {
            let from = boundary(&self.text, KEPT_HEAD);
            let to = boundary(&self.text, self.text.len() - MAX_TEXT / 2);
            self.text.replace_range(from..to, "\n…");
        }
    }

    /// Whether the line is one of a frame, and what it says.
    fn is_frame(&mut self, line: &Line<'_>) -> bool {
        match self.style {
            Style::Group => return self.is_group(line),
            Style::Rich => return self.state == State::Frames && self.is_rich(line.text),
            Style::Plain | Style::Syntax => {}
        }
        if let State::Message = self.state {
            // Ray goes on with the frames of the remote process, and repeats
            // the marks below code at the wrong places.
            if line.indent > self.base && self.is_next(line) {
                if let Some(frame) = frame(line.text).filter(|frame| frame.function.is_some()) {
                    self.chained();
                    self.state = State::Frames;
                    self.see(&frame);
                    return true;
                }
                return is_mark(line.text);
            }
            return false;
        }
        if self.state != State::Frames {
            return false;
        }
        if let Some(frame) = frame(line.text) {
            self.see(&frame);
            return true;
        }
        self.frames > 0 && line.indent >= self.base + 2 && self.is_next(line)
    }

    /// A line of a tree of exceptions.
    fn is_group(&mut self, line: &Line<'_>) -> bool {
        let Some(inner) = line.text.strip_prefix(b"|") else {
            return line.text.starts_with(b"+");
        };
        let text = inner.trim_ascii();
        if self.state == State::Frames
            && let Some(frame) = frame(text)
        {
            self.see(&frame);
            return true;
        }
        // The exception's line ends the frames, so it goes to `text`.
        !(self.frames > 0 && raised(text).is_some())
    }

    fn is_rich(&mut self, text: &[u8]) -> bool {
        let Some(inner) = text.strip_prefix("│".as_bytes()) else {
            return text.starts_with("╰".as_bytes());
        };
        let inner = inner.strip_suffix("│".as_bytes()).unwrap_or(inner);
        if let Some(frame) = rich_frame(inner.trim_ascii()) {
            self.see(&frame);
        }
        true
    }

    fn see(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        if is_users(frame.file) {
            self.of_user = Some(frame.shown());
        }
        self.innermost = Some(frame.shown());
    }

    /// Whether the line is the exception that the frames lead to.
    fn is_raised(&mut self, line: &Line<'_>) -> bool {
        let own = match self.style {
            Style::Group => line.text.strip_prefix(b"|").map(<[u8]>::trim_ascii),
            _ => Some(line.text),
        };
        let Some(raised) = own.and_then(raised) else {
            return false;
        };
        let expected = match self.style {
            Style::Syntax => raised.is_syntax(),
            Style::Plain => self.frames > 0 && line.indent <= self.base + 1 || raised.is_syntax(),
            Style::Group | Style::Rich => true,
        };
        if !expected || !(raised.sure || self.is_next(line)) {
            return false;
        }
        self.name = shown(raised.name).into_owned();
        self.message = shown(raised.message).into_owned();
        self.take(line);
        self.lines = 1;
        self.state = if raised.name.ends_with(b"ChildFailedError") {
            State::Box(None)
        } else {
            State::Message
        };
        true
    }

    /// Whether the line goes on with the message.
    fn goes_on(&self, line: &Line<'_>) -> bool {
        self.is_next(line)
            && line.logged == self.logged
            && self.lines < MAX_MESSAGE_LINES
            && !is_foreign(line.text)
    }

    /// Adds a line to the message.
    fn add(&mut self, text: &[u8]) {
        let text = match self.style {
            Style::Group => text.trim_ascii_start().strip_prefix(b"|").unwrap_or(text),
            _ => text,
        };
        if self.message.len() + text.len() < MAX_MESSAGE {
            self.message.push('\n');
            self.message.push_str(&shown(text.trim_ascii()));
        }
    }

    /// What was raised is part of a chain, and another exception follows.
    fn chained(&mut self) {
        if self.chain.len() < MAX_CHAIN {
            let first = self.message.lines().next().unwrap_or_default();
            self.chain.push(format!("{}: {first}", self.name));
        }
        self.forget();
    }

    /// Forgets the frames and the exception.
    fn forget(&mut self) {
        self.frames = 0;
        self.innermost = None;
        self.of_user = None;
        self.name.clear();
        self.message.clear();
    }

    /// The exception, as far as it is known.
    fn exception(mut self) -> Option<Exception> {
        let mut name = self.name;
        if name.is_empty() {
            if self.style == Style::Syntax {
                return None;
            }
            // Cut off within a chain: what came before is known.
            if let Some(last) = self.chain.pop() {
                let (before, message) = last.split_once(": ").unwrap_or((&last, ""));
                name = before.to_owned();
                self.message = message.to_owned();
            } else if self.frames > 0 {
                name = "unknown".to_owned();
                self.message = "the traceback was cut off".to_owned();
            } else {
                return None;
            }
        }
        Some(Exception {
            origin: self.origin,
            name,
            message: self.message,
            frame: self.of_user.or(self.innermost),
            text: self.text,
            chain: self.chain,
        })
    }
}

/// A frame of a traceback.
struct Frame<'a> {
    file: &'a [u8],
    line: &'a [u8],
    function: Option<&'a [u8]>,
}

impl Frame<'_> {
    fn shown(&self) -> String {
        let (file, line) = (shown(self.file), shown(self.line));
        match self.function {
            Some(function) => format!("{file}:{line} in {}", shown(function)),
            None => format!("{file}:{line}"),
        }
    }
}

/// `File "train.py", line 7, in <module>`.
fn frame(text: &[u8]) -> Option<Frame<'_>> {
    let rest = text.strip_prefix(b"File \"")?;
    let end = memmem::find(rest, b"\", line ")?;
    let (file, rest) = (&rest[..end], &rest[end + b"\", line ".len()..]);
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (line, rest) = rest.split_at(digits);
    let function = rest.strip_prefix(b", in ");
    (digits > 0 && (function.is_some() || rest.is_empty())).then_some(Frame {
        file,
        line,
        function,
    })
}

/// `/home/me/train.py:7 in main`.
fn rich_frame(text: &[u8]) -> Option<Frame<'_>> {
    let at = memmem::find(text, b" in ")?;
    let (place, function) = (&text[..at], &text[at + 4..]);
    let colon = memchr::memrchr(b':', place)?;
    let (file, line) = (&place[..colon], &place[colon + 1..]);
    let number = !line.is_empty() && line.iter().all(u8::is_ascii_digit);
    let name = !function.contains(&b' ');
    (number && name && !file.contains(&b' ')).then_some(Frame {
        file,
        line,
        function: Some(function),
    })
}

/// Whether a file is the user's, as far as its path tells.
fn is_users(file: &[u8]) -> bool {
    const LIBRARIES: [&[u8]; 8] = [
        b"site-packages/",
        b"dist-packages/",
        b"/lib/python",
        b"/lib64/python",
        b"/pytorch/torch/",
        b"/bin/",
        b"lib\\site-packages\\",
        b"Lib\\site-packages\\",
    ];
    !file.starts_with(b"<")
        && !file.starts_with(b"torch/")
        && LIBRARIES
            .iter()
            .all(|library| memmem::find(file, library).is_none())
}

/// The last line of a traceback.
struct Raised<'a> {
    name: &'a [u8],
    message: &'a [u8],
    /// No other line would begin like this.
    sure: bool,
}

impl Raised<'_> {
    fn is_syntax(&self) -> bool {
        matches!(
            self.name,
            b"SyntaxError" | b"IndentationError" | b"TabError"
        )
    }
}

/// `KeyError: 'x'`, `torch.OutOfMemoryError: CUDA out of memory. …`, `KeyboardInterrupt`.
fn raised(text: &[u8]) -> Option<Raised<'_>> {
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.') || *b >= 0x80;
    let mut end = text.iter().take_while(|b| word(b)).count();
    let path = &text[..end];
    let last = path.rsplit(|b| *b == b'.').next()?;
    let first = *path.first()?;
    let well_formed = !first.is_ascii_digit()
        && path.len() <= 200
        && path.split(|b| *b == b'.').all(|part| !part.is_empty());
    if !well_formed {
        return None;
    }
    // Ray: `RayTaskError(ValueError)`.
    if text.get(end) == Some(&b'(') {
        let close = memchr::memchr(b')', &text[end..])?;
        if !text[end + 1..end + close].iter().all(word) {
            return None;
        }
        end += close + 1;
    }
    let message = match &text[end..] {
        [] => None,
        [b':'] => Some(&text[..0]),
        [b':', b' ', message @ ..] => Some(message),
        _ => return None,
    };
    let dotted = last.len() < path.len();
    let sure = [
        &b"Error"[..],
        b"Exception",
        b"Interrupt",
        b"Exit",
        b"Iteration",
        b"Warning",
        b"ExceptionGroup",
    ]
    .iter()
    .any(|ending| last.ends_with(ending));
    let plausible = sure || dotted || (first.is_ascii_uppercase() && message.is_some());
    plausible.then_some(Raised {
        name: &text[..end],
        message: message.unwrap_or_default(),
        sure,
    })
}

/// A line of nothing but the marks below code.
fn is_mark(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b'^' | b'~' | b' '))
}

/// A line of one byte, `=====`.
fn rule(text: &[u8]) -> Option<u8> {
    let first = *text.first()?;
    let drawn = matches!(first, b'=' | b'*') && text.len() >= 10;
    (drawn && text.iter().all(|b| *b == first)).then_some(first)
}

/// What stands between the exceptions of a chain.
fn is_connector(text: &[u8]) -> bool {
    text.starts_with(b"During handling of the above exception")
        || text.starts_with(b"The above exception was the direct cause")
        || text == b"\"\"\""
        || (text.starts_with(b"-- Process ")
            && text.ends_with(b"terminated with the following error:"))
}

/// Where the traceback comes from that follows this line, if it is not from the
/// end of a process.
fn context(text: &[u8]) -> Option<&'static str> {
    const WORDS: [(&[u8], &str); 6] = [
        (b"Exception ignored ", "ignored"),
        (b"--- Logging error ---", "logging"),
        (b"Exception in thread ", "thread"),
        (b"Exception in callback ", "task"),
        (b"Task exception was never retrieved", "task"),
        (b"Future exception was never retrieved", "task"),
    ];
    let known = WORDS
        .iter()
        // asyncio puts its logger's name before it.
        .find(|(words, _)| text.starts_with(words) || text.ends_with(words));
    known.map(|(_, context)| *context)
}

/// Lines that follow a message without a blank line and are not of it.
fn is_foreign(text: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 16] = [
        b"wandb:",
        b"srun: ",
        b"slurmstepd: ",
        b"terminate called",
        b"Exception in thread",
        b"Exception ignored in",
        b"Set the environment variable HYDRA_FULL_ERROR",
        b"Killed",
        b"Aborted",
        b"Terminated",
        b"Segmentation fault",
        b"TERM_",
        b"real\t",
        b"+--",
        b"Error executing job",
        b"Process ",
    ];
    BEGINNINGS.iter().any(|begin| text.starts_with(begin))
        || memmem::find(text, b"Warning: ").is_some()
}

/// Tells the processes of Ray's prefixes apart.
fn process(line: &Line<'_>) -> u64 {
    line.process.map_or(0, |process| {
        let mut hasher = FxHasher::default();
        hasher.write(process);
        hasher.finish() | 1
    })
}

/// The host that Ray's prefix names.
fn host(line: &Line<'_>) -> Option<String> {
    let process = line.process?;
    let at = memmem::find(process, b"ip=")?;
    Some(shown(&process[at + 3..]).into_owned())
}

/// The text of a line, not too much of it.
fn shown(text: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&text[..text.len().min(MAX_LINE)])
}

/// The first end of a line at or after `at`, else the next place to cut.
fn boundary(text: &str, at: usize) -> usize {
    let mut cut = at;
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    text[cut..]
        .find('\n')
        .filter(|end| *end < MAX_LINE)
        .map_or(cut, |end| cut + end)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use crate::decode::formats::testing::{records, segment};
    use crate::decode::{Decoder, Interests, Options};
    use crate::record::{NO_RANK, Text};

    /// `line 3 rank 1 KeyError: 'x' at train.py:7 in main`, and the chain.
    fn exceptions(text: &str) -> Vec<String> {
        let segment = segment(text.as_bytes());
        let mut out = Vec::new();
        for batch in &segment.batches {
            for text in batch.texts.iter().filter(|text| text.kind == "exception") {
                let row = text.row as usize;
                let mut shown = format!("line {}", batch.places[row].line);
                if batch.ranks[row] != NO_RANK {
                    shown += &format!(" rank {}", batch.ranks[row]);
                }
                shown += &format!(" {}: {}", text.name, text.content);
                if let Some(frame) = field(text, "frame") {
                    shown += &format!(" at {frame}");
                }
                if let Some(chain) = field(text, "chain") {
                    shown += &format!(" after {chain}");
                }
                if let Some(host) = field(text, "host") {
                    shown += &format!(" on {host}");
                }
                if let Some(context) = field(text, "context") {
                    shown += &format!(" ({context})");
                }
                out.push(shown);
            }
        }
        out
    }

    fn field<'a>(text: &'a Text, name: &str) -> Option<&'a str> {
        let found = text.fields.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    const PLAIN: &str = r#"Traceback (most recent call last):
  File "train.py", line 12, in <module>
    main()
  File "/env/lib/python3.11/site-packages/torch/nn/module.py", line 99, in forward
    return x[0]
           ~^^^
KeyError: 'x'
"#;

    #[test]
    fn what_does_not_end_a_process() {
        for (before, context) in [
            (
                "Exception ignored in: <function Iter.__del__ at 0x7f1d>\n",
                " (ignored)",
            ),
            ("--- Logging error ---\n", " (logging)"),
            ("Exception in thread Thread-3 (run):\n", " (thread)"),
            (
                "ERROR:asyncio:Task exception was never retrieved\nfuture: <Task finished name='Task-1'>\n",
                " (task)",
            ),
            ("Exception ignored in: <x>\n1\n2\n3\n", ""),
            ("Process SpawnProcess-1:\n", ""),
        ] {
            let line = before.lines().count() + 1;
            assert_eq!(
                exceptions(&format!("{before}{PLAIN}")),
                [format!(
                    "line {line} KeyError: 'x' at train.py:12 in <module>{context}"
                )],
                "{before}"
            );
        }
        // The next one is its own.
        let both = format!("Exception ignored in: <x>\n{PLAIN}\n{PLAIN}");
        assert!(exceptions(&both)[0].ends_with("(ignored)"));
        assert!(exceptions(&both)[1].ends_with("<module>"));
        // Nor is it another rank's.
        let other = format!(
            "[rank0]: Exception ignored in: <x>\n{}",
            prefixed("[rank1]: ", PLAIN)
        );
        assert!(exceptions(&other)[0].ends_with("<module>"));
    }

    #[test]
    fn a_launcher_reports_after_the_exception_that_it_is_about() {
        let text = format!(
            "{}[2025-01-02 03:04:05] exits with return code = 1\n",
            prefixed("[rank1]: ", PLAIN)
        );
        let segment = segment(text.as_bytes());
        let kinds: Vec<&str> = segment.batches[0]
            .texts
            .iter()
            .map(|text| text.kind)
            .collect();
        assert_eq!(kinds, ["exception", "event"]);
    }

    fn prefixed(prefix: &str, text: &str) -> String {
        text.lines()
            .map(|line| format!("{prefix}{line}\n"))
            .collect()
    }

    #[test]
    fn a_traceback() {
        let expected = "KeyError: 'x' at train.py:12 in <module>";
        assert_eq!(exceptions(PLAIN), [format!("line 1 {expected}")]);
        for prefix in [
            "[rank3]:[rank3]: ",
            "[default3]:[rank3]: ",
            "  3: [rank3]: ",
        ] {
            assert_eq!(
                exceptions(&prefixed(prefix, PLAIN)),
                [format!("line 1 rank 3 {expected}")],
                "{prefix}"
            );
        }
        assert_eq!(
            exceptions(&prefixed("(Worker pid=7, ip=10.0.0.9) ", PLAIN)),
            [format!("line 1 {expected} on 10.0.0.9")]
        );
        assert_eq!(
            exceptions(&prefixed(
                "2025-01-02 03:04:05,678 - root - ERROR - ",
                PLAIN
            )),
            [format!("line 1 {expected}")]
        );
    }

    #[test]
    fn behind_other_text() {
        let expected = "KeyError: 'x' at train.py:12 in <module>";
        let bar = " 18%|#8        | 4/24 [00:31<02:24,  2.62s/it]";
        for (before, rank) in [
            (bar.to_owned(), ""),
            ("Evaluating: squad (10-shot)... ".to_owned(), ""),
            ("{'loss': 1.5, 'epoch': 0.1}".to_owned(), ""),
        ] {
            assert_eq!(
                exceptions(&(before + PLAIN)),
                [format!("line 1 {rank}{expected}")]
            );
        }
        let glued = format!(
            "{bar}[rank1]: {}",
            prefixed("[rank1]: ", PLAIN).trim_start_matches("[rank1]: ")
        );
        assert_eq!(exceptions(&glued), [format!("line 1 rank 1 {expected}")]);
        let text = "{'loss': 1.5, 'epoch': 0.1}".to_owned() + PLAIN;
        assert!(records(text)[0].contains("loss=1.5"));
    }

    #[test]
    fn ranks_are_told_apart() {
        let one = prefixed("[rank0]: ", PLAIN);
        let other = prefixed("[rank1]: ", &PLAIN.replace("'x'", "'y'"));
        let mixed: String = one
            .lines()
            .zip(other.lines())
            .map(|(one, other)| format!("{one}\n{other}\n"))
            .collect();
        assert_eq!(
            exceptions(&mixed),
            [
                "line 1 rank 0 KeyError: 'x' at train.py:12 in <module>",
                "line 2 rank 1 KeyError: 'y' at train.py:12 in <module>",
            ]
        );
    }

    #[test]
    fn a_chain_is_one_exception() {
        for connector in [
            "The above exception was the direct cause of the following exception:",
            "During handling of the above exception, another exception occurred:",
        ] {
            let text = format!(
                "{PLAIN}\n{connector}\n\n{}",
                PLAIN.replace("KeyError: 'x'", "RuntimeError: no batch")
            );
            let expected = "RuntimeError: no batch at train.py:12 in <module> after KeyError: 'x'";
            assert_eq!(exceptions(&text), [format!("line 1 {expected}")]);
            // Launchers print the blank lines with a prefix or without.
            let text = prefixed("[rank1]: ", &text);
            let expected = format!("line 1 rank 1 {expected}");
            assert_eq!(exceptions(&text), [expected.as_str()]);
            assert_eq!(exceptions(&text.replace("[rank1]: \n", "\n")), [expected]);
        }
    }

    #[test]
    fn an_exception_of_a_worker() {
        let text = format!(
            "{}Original {}",
            PLAIN.replace(
                "KeyError: 'x'",
                "KeyError: Caught KeyError in DataLoader worker process 3."
            ),
            PLAIN.replace("line 12", "line 40")
        );
        assert_eq!(
            exceptions(&text),
            [
                "line 1 KeyError: 'x' at train.py:40 in <module> after KeyError: Caught KeyError in DataLoader worker process 3."
            ]
        );
        let spawned = format!(
            "{}\n-- Process 1 terminated with the following error:\n{PLAIN}",
            PLAIN.replace(
                "KeyError: 'x'",
                "torch.multiprocessing.spawn.ProcessRaisedException: "
            )
        );
        assert_eq!(exceptions(&spawned).len(), 1);
        assert!(exceptions(&spawned)[0].starts_with("line 1 KeyError: 'x'"));
        let ray = PLAIN.replace(
            "KeyError: 'x'",
            "ray.exceptions.RayTaskError(KeyError): ray::main_task() (pid=9, ip=10.0.0.1)\n           ^^^^^\n  File \"/me/work.py\", line 5, in fit\n    x()\nKeyError: 'y'",
        );
        assert_eq!(
            exceptions(&ray),
            [
                "line 1 KeyError: 'y' at /me/work.py:5 in fit after ray.exceptions.RayTaskError(KeyError): ray::main_task() (pid=9, ip=10.0.0.1)"
            ]
        );
    }

    #[test]
    fn messages() {
        let text = PLAIN.replace("KeyError: 'x'", "RuntimeError: first\nsecond\n  third");
        let expected = "line 1 RuntimeError: first\nsecond\nthird at train.py:12 in <module>";
        for end in [
            "",
            "\nnot of it\n",
            "wandb: not of it\n",
            "[2025-01-02 03:04:05,6] [INFO] [launch.py:3:f] not of it\n",
            "step 5 | loss 2.5 | lr 1e-4\nnot of it\n",
            "{\"step\": 5, \"loss\": 2.5}\nnot of it\n",
        ] {
            assert_eq!(exceptions(&(text.clone() + end)), [expected], "{end}");
        }
        assert_eq!(
            exceptions(&PLAIN.replace("KeyError: 'x'", "KeyboardInterrupt")),
            ["line 1 KeyboardInterrupt:  at train.py:12 in <module>"]
        );
        assert_eq!(
            exceptions(&PLAIN.replace("KeyError: 'x'", "queue.Empty"))[0],
            "line 1 queue.Empty:  at train.py:12 in <module>"
        );
        let twice = format!("{PLAIN}{PLAIN}");
        assert_eq!(exceptions(&twice).len(), 2);
    }

    #[test]
    fn syntax_errors() {
        let text =
            "  File \"a.py\", line 3\n    x = (\n        ^\nSyntaxError: '(' was never closed\n";
        let expected = "SyntaxError: '(' was never closed at a.py:3";
        assert_eq!(exceptions(text), [format!("line 1 {expected}")]);
        let text = format!(
            "Traceback (most recent call last):\n  File \"b.py\", line 1, in <module>\n    import a\n{text}"
        );
        assert_eq!(exceptions(&text), [format!("line 1 {expected}")]);
        assert!(exceptions("  File \"a.py\", line 3\nnothing: at all\n").is_empty());
    }

    #[test]
    fn trees_and_boxes() {
        let group = r#"  + Exception Group Traceback (most recent call last):
  |   File "g.py", line 3, in <module>
  |     raise ExceptionGroup("eg", [ValueError(1)])
  | ExceptionGroup: eg (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "g.py", line 1, in f
    |     raise ValueError(1)
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------
"#;
        assert_eq!(
            exceptions(group),
            [
                "line 1 ExceptionGroup: eg (2 sub-exceptions)\nValueError: 1\nTypeError: 2 at g.py:3 in <module>"
            ]
        );
        let rich = "\
╭──────────── Traceback (most recent call last) ─────────────╮
│ /me/train.py:12 in main                                    │
│                                                            │
│ ❱ 12     run()                                             │
│ /env/lib/python3.10/site-packages/x/y.py:3 in run          │
╰────────────────────────────────────────────────────────────╯
ValueError: no
";
        assert_eq!(
            exceptions(rich),
            ["line 1 ValueError: no at /me/train.py:12 in main"]
        );
    }

    #[test]
    fn the_box_of_torchrun_is_part_of_its_exception() {
        let text = format!(
            "{}{}",
            PLAIN.replace(
                "KeyError: 'x'",
                "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "
            ),
            "============================================================
train.py FAILED
------------------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  rank      : 2 (local_rank: 2)
  exitcode  : 1 (pid: 77)
  traceback : Traceback (most recent call last):
    File \"train.py\", line 9, in f
      g()
  torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB. GPU 2 is full.

============================================================
step 5 | loss 2.5 | lr 1e-4
"
        );
        let told = records(&text);
        assert_eq!(told.len(), 4, "{told:#?}");
        assert!(told[0].contains("ChildFailedError"));
        assert!(told[1].starts_with("step 0 rank 2: event:child-failed=rank 2 failed first, exit code 1: torch.OutOfMemoryError: CUDA"));
        assert!(told[2].starts_with("step 0 rank 2: event:cuda-oom"));
        assert!(told[3].contains("loss=2.5"));
    }

    #[test]
    fn one_that_is_cut_off() {
        let cut: String = PLAIN
            .lines()
            .take(3)
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(
            exceptions(&cut),
            ["line 1 unknown: the traceback was cut off at train.py:12 in <module>"]
        );
        assert!(exceptions("Traceback (most recent call last):\n").is_empty());
        let text = format!(
            "{PLAIN}\nDuring handling of the above exception, another exception occurred:\n\n{cut}"
        );
        assert_eq!(
            exceptions(&text),
            ["line 1 KeyError: 'x' at train.py:12 in <module>"]
        );
    }

    #[test]
    fn it_has_the_step_of_its_run() {
        let text = format!("step 7 | loss 2.5 | lr 1e-4\n{PLAIN}step 8 | loss 2.4 | lr 1e-4\n");
        let told = records(&text);
        assert!(told[0].starts_with("step 7: loss=2.5"));
        assert!(told[1].starts_with("step 7: exception:KeyError='x'"));
        assert!(told[2].starts_with("step 8: loss=2.4"));
    }

    #[test]
    fn a_quiet_input_does_not_cut_it() {
        let mut decoder = Decoder::new(Options {
            interests: Arc::new(Interests::everything()),
            ..Options::default()
        });
        let (head, tail) = PLAIN.split_at(PLAIN.find("    return").unwrap());
        decoder.push(head.as_bytes());
        decoder.release();
        assert_eq!(decoder.rows(), 0);
        decoder.push(tail.as_bytes());
        decoder.release();
        assert_eq!(decoder.rows(), 1);
        decoder.finish();
        assert_eq!(decoder.rows(), 1);
    }

    #[test]
    fn nobody_asked() {
        let mut decoder = Decoder::new(Options::default());
        decoder.push(PLAIN.as_bytes());
        decoder.finish();
        assert_eq!(decoder.rows(), 0);
    }

    #[test]
    fn pieces_change_nothing() {
        let text = format!(
            "step 1 | loss 2.5 | lr 1e-4\n50%|##  | 1/2 [00:01<00:01, 1.0s/it]{PLAIN}{{\"step\": 2, \"loss\": 2.5}}\n{}\nKilled\n",
            prefixed("[rank1]: ", PLAIN)
        );
        let whole = records(&text);
        for cut in 1..text.len() {
            let mut decoder = Decoder::new(Options {
                interests: Arc::new(Interests::everything()),
                ..Options::default()
            });
            decoder.push(&text.as_bytes()[..cut]);
            decoder.push(&text.as_bytes()[cut..]);
            decoder.finish();
            let segment = decoder.take();
            assert_eq!(segment.rows as usize, whole.len(), "{cut}");
            let first = crate::decode::formats::testing::segment(text.as_bytes());
            assert_eq!(segment.batches[0].texts, first.batches[0].texts, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_order_of_lines_will_do(lines in prop::collection::vec(prop::sample::select(vec![
            "Traceback (most recent call last):\n", "Original Traceback (most recent call last):\n",
            "  + Exception Group Traceback (most recent call last):\n", "  | ValueError: 1\n", "  +-+--- 1 ---\n",
            "╭─ Traceback (most recent call last) ─╮\n", "│ a.py:1 in f │\n", "╰──╯\n",
            "  File \"a.py\", line 1, in f\n", "  File \"a.py\", line 1\n", "    f()\n", "    ^^^\n", "\n",
            "KeyError: 'x'\n", "x.errors.ChildFailedError: \n", "==========\n", "**********\n",
            "Root Cause (first observed failure):\n", "  rank : 1 (local_rank: 1)\n", "SyntaxError: no\n",
            "During handling of the above exception, another exception occurred:\n", "\"\"\"\n",
            "[rank1]: ", "(W pid=1) ", "1/2 [00:01<00:01, 1.0s/it]", "{\"step\": 1, \"loss\": 2}\n", "text\n", "\r",
            "slurmstepd: error: *** JOB 1 ON a CANCELLED AT x ***\n", "{", "'", "é",
        ]), 0..60), cut in 0usize..400) {
            let text = lines.concat();
            let mut decoder = Decoder::new(Options {
                interests: Arc::new(Interests::everything()),
                ..Options::default()
            });
            let (head, tail) = text.as_bytes().split_at(cut.min(text.len()));
            decoder.push(head);
            decoder.push(tail);
            decoder.finish();
            // Times are NaN here.
            let whole = format!("{:?}", segment(text.as_bytes()).batches);
            prop_assert_eq!(format!("{:?}", decoder.take().batches), whole);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut text = String::from("Traceback (most recent call last):\n");
        for line in 0..20_000 {
            text += &format!("  File \"train.py\", line {line}, in f\n    f()\n");
        }
        text += "RecursionError: maximum recursion depth exceeded\n";
        let segment = segment(text.as_bytes());
        let said = &segment.batches[0].texts[0];
        let traceback = field(said, "traceback").unwrap();
        assert!(traceback.len() <= super::MAX_TEXT + super::MAX_LINE);
        assert!(traceback.starts_with("Traceback"));
        assert!(traceback.ends_with("depth exceeded"));
    }
}
