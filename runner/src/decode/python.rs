//! The general reader of Python dicts, as `print` shows them.
//!
//! Dicts within dicts become names joined by `/`. A call such as
//! `tensor(0.5, device='cuda:0')` or `np.float64(0.5)` stands for its first
//! number; lists, tuples and other things pass by,
//! but for lists of samples.

use super::json::intern;
use super::keys::{KeyId, Keys, START};
use super::number::spelled;
use super::row::Row;

/// Values nested deeper than this are not read.
const MAX_DEPTH: usize = 32;

/// Reads a dict at the beginning of `text` into `row`. Returns where it ends.
pub(crate) fn read(text: &[u8], keys: &mut Keys, row: &mut Row) -> Result<usize, String> {
    let mut reader = Reader {
        text,
        at: 0,
        keys,
        row,
        previous: START,
        path: Vec::new(),
    };
    reader
        .dict(MAX_DEPTH)
        .map_err(|problem| format!("{problem} at column {}", reader.at + 1))?;
    Ok(reader.at)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    keys: &'a mut Keys,
    row: &'a mut Row,
    previous: KeyId,
    path: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn blanks(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| byte == b' ' || byte == b'\t')
        {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(format!("expected `{}`", byte as char))
        }
    }

    fn dict(&mut self, depth: usize) -> Result<(), String> {
        self.expect(b'{')?;
        self.blanks();
        let outer = self.path.len();
        while self.peek() != Some(b'}') {
            let key = self.string()?;
            self.path.extend_from_slice(&key);
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            self.value(depth)?;
            self.path.truncate(outer);
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.blanks();
            } else if self.peek() != Some(b'}') {
                return Err("expected `,` or `}`".to_owned());
            }
        }
        self.at += 1;
        Ok(())
    }

    fn key(&mut self) -> KeyId {
        self.previous = intern(self.keys, self.previous, &self.path);
        self.previous
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        let depth = depth.checked_sub(1).ok_or("nested too deep")?;
        match self.peek() {
            Some(b'{') => {
                self.path.push(b'/');
                self.dict(depth)
            }
            Some(b'\'' | b'"') => {
                let id = self.key();
                let text = self.string()?;
                self.row.text(self.keys, id, &text);
                Ok(())
            }
            Some(b'[' | b'(') => {
                let id = self.key();
                let start = self.at;
                self.bracketed()?;
                self.row.samples(self.keys, id, &self.text[start..self.at]);
                Ok(())
            }
            Some(_) => {
                let id = self.key();
                let start = self.at;
                while self
                    .peek()
                    .is_some_and(|b| !matches!(b, b',' | b'}' | b'(' | b'[' | b'{' | b' '))
                {
                    self.at += 1;
                }
                let word = &self.text[start..self.at];
                if word.is_empty() {
                    return Err("expected a value".to_owned());
                }
                if self.peek() == Some(b'(') {
                    let start = self.at + 1;
                    self.bracketed()?;
                    let inner = &self.text[start..self.at - 1];
                    let first = inner.split(|&b| b == b',').next().unwrap_or_default();
                    if let Some((value, integer)) = spelled(first) {
                        self.row.number(self.keys, id, value, integer);
                    }
                    return Ok(());
                }
                match word {
                    b"True" | b"False" | b"None" => {}
                    _ => match spelled(word) {
                        Some((value, integer)) => self.row.number(self.keys, id, value, integer),
                        None => {
                            return Err(format!("`{}` is no value", String::from_utf8_lossy(word)));
                        }
                    },
                }
                Ok(())
            }
            None => Err("the line ends in the middle".to_owned()),
        }
    }

    /// Passes by a bracketed value, whatever is in it.
    fn bracketed(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' | b'"' => {
                    self.string()?;
                    continue;
                }
                b'[' | b'(' | b'{' => depth += 1,
                b']' | b')' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err("a bracket is never closed".to_owned())
    }

    /// A quoted text without its quotes. Of the escapes only the quote, the
    /// backslash and the line break are resolved: keys have no others.
    fn string(&mut self) -> Result<Vec<u8>, String> {
        let quote = self
            .peek()
            .filter(|b| matches!(b, b'\'' | b'"'))
            .ok_or("expected a quoted text")?;
        self.at += 1;
        let mut text = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => {
                    let escaped = self.peek().ok_or("the line ends in the middle")?;
                    self.at += 1;
                    text.push(match escaped {
                        b'n' => b'\n',
                        b't' => b'\t',
                        other => other,
                    });
                }
                byte if byte == quote => return Ok(text),
                byte => text.push(byte),
            }
        }
        Err("a text is never closed".to_owned())
    }
}
