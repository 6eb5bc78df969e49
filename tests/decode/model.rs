//! What a JSON line means, said a second time: slowly, plainly, and without
//! any code of the decoder but the tables of names. The decoder is held to it.

use std::sync::LazyLock;

use runwatch::names::{Names, Role, role};

use super::records::{Number, Record};

/// The canonical names that configurations have as well as records.
const IN_CONFIGS: [&str; 9] = [
    "momentum",
    "skipped_steps",
    "lr",
    "epoch",
    "loss_scale",
    "tokens_seen",
    "samples_seen",
    "data_time",
    "response_length",
];

/// Objects in objects are read to this depth; deeper ones pass by.
const DEPTH: usize = 32;

/// What became of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Record(Record),
    Malformed,
    /// No record, and does not look like one.
    Text,
}

/// Decodes JSON lines one by one; knows what the lines before have settled.
#[derive(Default)]
pub(crate) struct Model {
    runs: Vec<RunState>,
}

struct RunState {
    project: String,
    run: String,
    source: Source,
    step: i64,
    rows: i64,
}

/// Where a run's steps come from.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Unknown,
    Printed,
    Epoch,
    Counted,
}

impl Model {
    /// Whether this line is one that the model has an opinion of: an object
    /// with a quote after the brace, and nothing that a terminal acts on.
    pub(crate) fn covers(line: &[u8]) -> bool {
        let control = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0x1b | 0x08);
        let text = line.trim_ascii();
        !line.iter().any(control)
            && text
                .strip_prefix(b"{")
                .is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b'"'))
    }

    /// What the line means after all those before it.
    pub(crate) fn line(&mut self, number: u64, line: &[u8]) -> Outcome {
        let text = line.trim_ascii();
        let mut fields = Fields::default();
        let mut read = object_line(text, &mut fields);
        // A stray byte costs nothing but itself.
        let lossy = String::from_utf8_lossy(text);
        if read.is_err() && lossy.as_bytes() != text {
            fields = Fields::default();
            read = object_line(lossy.as_bytes(), &mut fields);
        }
        if read.is_err() {
            return if text.ends_with(b"}") && fields.evidence > 0 {
                Outcome::Malformed
            } else {
                Outcome::Text
            };
        }
        let Fields {
            values,
            step,
            epoch,
            time,
            rank,
            run,
            project,
            session,
            evidence,
        } = fields;
        if evidence == 0 || (step.is_none() && values.is_empty() && !session) {
            return Outcome::Text;
        }
        let project = project.unwrap_or_else(|| "default".to_owned());
        let run = run.unwrap_or_else(|| "default".to_owned());
        Outcome::Record(Record {
            step: self.step(&project, &run, step, epoch),
            project,
            run,
            rank,
            time: Number(time.unwrap_or(f64::NAN)),
            line: number,
            values,
        })
    }

    fn step(
        &mut self,
        project: &str,
        run: &str,
        step: Option<(u8, i64)>,
        epoch: Option<i64>,
    ) -> i64 {
        let known = self
            .runs
            .iter()
            .position(|state| state.project == project && state.run == run);
        let at = known.unwrap_or(self.runs.len());
        if known.is_none() {
            self.runs.push(RunState {
                project: project.to_owned(),
                run: run.to_owned(),
                source: Source::Unknown,
                step: 0,
                rows: 0,
            });
        }
        let state = &mut self.runs[at];
        state.rows += 1;
        if let Some((_, step)) = step {
            state.source = Source::Printed;
            state.step = step;
            return step;
        }
        if state.source == Source::Unknown {
            state.source = if epoch.is_some() {
                Source::Epoch
            } else {
                Source::Counted
            };
        }
        state.step = match state.source {
            Source::Epoch => epoch.unwrap_or(state.step),
            Source::Counted => state.rows,
            Source::Printed | Source::Unknown => state.step,
        };
        state.step
    }
}

/// The table of canonical names.
static NAMES: LazyLock<Names> = LazyLock::new(Names::default);

#[derive(Default)]
struct Fields {
    values: Vec<(String, Number)>,
    step: Option<(u8, i64)>,
    epoch: Option<i64>,
    time: Option<f64>,
    rank: Option<u32>,
    run: Option<String>,
    project: Option<String>,
    session: bool,
    /// 0 none, 1 weak, 2 strong.
    evidence: u8,
}

impl Fields {
    fn push(&mut self, name: &str, value: f64) {
        self.values.push((name.to_owned(), Number(value)));
    }

    fn number(&mut self, name: &str, value: f64, integer: bool) {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let exact = value.abs() <= EXACT;
        match role(name) {
            Role::Message => self.push(name, value),
            Role::Value => {
                self.push(name, value);
                let evidence = match NAMES.canonical(name) {
                    None => 0,
                    Some(name) if IN_CONFIGS.contains(&name) => 1,
                    Some(_) => 2,
                };
                self.evidence = self.evidence.max(evidence);
            }
            Role::Step(priority) => {
                let better = self.step.is_none_or(|(best, _)| priority < best);
                if exact && better {
                    self.step = Some((priority, value as i64));
                    self.evidence = 2;
                }
            }
            Role::Epoch => {
                self.push(name, value);
                self.evidence = 2;
                if integer && exact {
                    self.epoch = Some(value as i64);
                }
            }
            Role::Time => match plausible(value) {
                Some(time) => self.time = Some(time),
                None => self.push(name, value),
            },
            Role::Rank => {
                if (0.0..f64::from(u32::MAX)).contains(&value) {
                    self.rank = Some(value as u32);
                }
            }
            Role::Session => self.session(),
            Role::Run => self.run = Some(short(&value.to_string())),
            Role::Project => self.project = Some(short(&value.to_string())),
        }
    }

    /// A call of a session is a record, whatever else is in it.
    fn session(&mut self) {
        self.session = true;
        self.evidence = 2;
    }

    fn text(&mut self, name: &str, text: &str) {
        match role(name) {
            Role::Run => self.run = Some(short(text)),
            Role::Project => self.project = Some(short(text)),
            Role::Session if text.is_empty() => {}
            Role::Session => self.session(),
            _ => {
                let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0c']);
                if let Ok(value) = text.parse::<f64>() {
                    self.number(name, value, is_integer(text));
                }
            }
        }
    }
}

/// What is kept of a run's or a project's name.
fn short(name: &str) -> String {
    String::from_utf8_lossy(&name.as_bytes()[..name.len().min(256)]).into_owned()
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    all && !digits.is_empty() && (digits == "0" || !digits.starts_with('0'))
}

/// A date between 2001 and 2100 in seconds, or thousandths and so on of them.
fn plausible(value: f64) -> Option<f64> {
    let units = [1.0, 1e3, 1e6, 1e9];
    let mut dates = units.iter().map(|unit| value / unit);
    dates.find(|seconds| (1e9..4.1e9).contains(seconds))
}

struct Broken;

type Read<T> = Result<T, Broken>;

/// A pass over a line, byte by byte.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

fn object_line(text: &[u8], fields: &mut Fields) -> Read<()> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.object("", fields, 0)?;
    cursor.blanks();
    cursor.end()
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Read<u8> {
        let byte = self.peek().ok_or(Broken)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, word: &str) -> Read<()> {
        for byte in word.bytes() {
            if self.next()? != byte {
                return Err(Broken);
            }
        }
        Ok(())
    }

    fn end(&self) -> Read<()> {
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Broken)
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn object(&mut self, path: &str, fields: &mut Fields, depth: usize) -> Read<()> {
        self.members(|cursor| {
            let key = cursor.string()?;
            cursor.blanks();
            cursor.expect(":")?;
            cursor.blanks();
            let name = format!("{path}{key}");
            cursor.value(&name, fields, depth)
        })
    }

    /// An object's braces and commas; `member` reads what is between them.
    fn members(&mut self, mut member: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.expect("{")?;
        self.blanks();
        if self.peek() == Some(b'}') {
            return self.expect("}");
        }
        loop {
            self.blanks();
            member(self)?;
            self.blanks();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(Broken),
            }
        }
    }

    fn value(&mut self, name: &str, fields: &mut Fields, depth: usize) -> Read<()> {
        match self.peek().ok_or(Broken)? {
            b'{' if depth < DEPTH => self.object(&format!("{name}/"), fields, depth + 1),
            b'"' => {
                let text = self.string()?;
                fields.text(name, &text);
                Ok(())
            }
            b'n' if !self.text[self.at..].starts_with(b"nan") => self.skip(),
            b'-' | b'0'..=b'9' | b'N' | b'I' | b'n' | b'i' => {
                let (value, integer) = self.number()?;
                fields.number(name, value, integer);
                Ok(())
            }
            _ => self.skip(),
        }
    }

    /// Passes by a value.
    fn skip(&mut self) -> Read<()> {
        match self.peek().ok_or(Broken)? {
            b'{' => self.members(|cursor| {
                cursor.bytes()?;
                cursor.blanks();
                cursor.expect(":")?;
                cursor.blanks();
                cursor.skip()
            }),
            b'[' => {
                self.expect("[")?;
                self.blanks();
                if self.peek() == Some(b']') {
                    return self.expect("]");
                }
                loop {
                    self.blanks();
                    self.skip()?;
                    self.blanks();
                    match self.next()? {
                        b',' => {}
                        b']' => return Ok(()),
                        _ => return Err(Broken),
                    }
                }
            }
            // What nobody reads need not be UTF-8.
            b'"' => self.bytes().map(drop),
            b't' => self.expect("true"),
            b'f' => self.expect("false"),
            b'n' if !self.text[self.at..].starts_with(b"nan") => self.expect("null"),
            b'-' | b'0'..=b'9' | b'N' | b'I' | b'n' | b'i' => self.number().map(drop),
            _ => Err(Broken),
        }
    }

    fn string(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?).map_err(|_| Broken)
    }

    fn bytes(&mut self) -> Read<Vec<u8>> {
        self.expect("\"")?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => {
                    let escaped = match self.next()? {
                        b'b' => '\x08',
                        b'f' => '\x0c',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.unicode()?,
                        byte @ (b'"' | b'\\' | b'/') => char::from(byte),
                        _ => return Err(Broken),
                    };
                    text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..0x20 => return Err(Broken),
                byte => text.push(byte),
            }
        }
    }

    /// Four hexadecimal digits, or twice that for what does not fit.
    fn unicode(&mut self) -> Read<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(Broken);
        }
        self.expect("\\u")?;
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(Broken);
        }
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(code).ok_or(Broken)
    }

    fn hex(&mut self) -> Read<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16).ok_or(Broken)?;
            code = code * 16 + digit;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Read<usize> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(Broken);
        }
        Ok(self.at - start)
    }

    /// A word that is not the beginning of another.
    fn bare(&mut self, word: &str) -> Read<()> {
        self.expect(word)?;
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() => Err(Broken),
            _ => Ok(()),
        }
    }

    /// The value, and whether it was written as an integer.
    fn number(&mut self) -> Read<(f64, bool)> {
        let start = self.at;
        match self.peek() {
            Some(b'N') => return self.expect("NaN").map(|()| (f64::NAN, false)),
            // As an f-string or `printf` spells them.
            Some(b'n') => return self.bare("nan").map(|()| (f64::NAN, false)),
            Some(b'i') => return self.bare("inf").map(|()| (f64::INFINITY, false)),
            Some(b'I') => return self.expect("Infinity").map(|()| (f64::INFINITY, false)),
            Some(b'-') => {
                self.at += 1;
                if let Some(b'I' | b'i') = self.peek() {
                    return self.number().map(|(value, integer)| (-value, integer));
                }
            }
            _ => {}
        }
        let zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && zero {
            return Err(Broken);
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            integer = false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
            integer = false;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).map_err(|_| Broken)?;
        let value = text.parse().map_err(|_| Broken)?;
        Ok((value, integer))
    }
}
