//! JSON that does not stand one object a line, read in bounded memory.
//!
//! A document is an object, or an array of objects. The objects in arrays are
//! what logs keep their records in (`{"log_history": [{…}, {…}], …}`): each is
//! read as soon as it ends. A document without such records may be a record
//! itself. Only one object is held at a time, and of a document all but what
//! stands in arrays.

use crate::decode::format::{Line, Out};

/// Objects and arrays nested deeper than this are no log.
const MAX_DEPTH: usize = 32;

/// What was read is not JSON.
#[derive(Debug)]
pub(super) struct Broken;

/// A stream of documents.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// The brackets that are open.
    open: Vec<u8>,
    /// The text of the document, without what stands in arrays.
    document: Vec<u8>,
    /// The text of the object in an array.
    element: Vec<u8>,
    /// How many brackets were open before the outermost array, and before the
    /// element.
    array_at: Option<usize>,
    element_at: Option<usize>,
    in_text: bool,
    escaped: bool,
    /// The line that the document and the element begin at.
    document_line: u64,
    element_line: u64,
    /// How many records the document has given.
    records: u64,
}

impl Documents {
    /// Whether a document has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a text between quotes has begun and not ended.
    pub(super) fn is_in_text(&self) -> bool {
        self.in_text
    }

    /// How many records the document, or the last one, has given.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Takes a part of line `number`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        number: u64,
        out: &mut Out<'_>,
    ) -> Result<(), Broken> {
        for &byte in bytes {
            if self.in_text {
                self.keep(byte, out);
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => self.opens(byte, number, out)?,
                b'}' | b']' => self.closes(byte, out)?,
                b'"' if self.is_open() => {
                    self.in_text = true;
                    self.keep(byte, out);
                }
                b' ' | b'\t' | b'\r' | b'\n' | b',' => self.keep(byte, out),
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.' | b':'
                    if self.is_open() =>
                {
                    self.keep(byte, out);
                }
                // What some editors put at the beginning of a file.
                0xef | 0xbb | 0xbf if !self.is_open() => {}
                _ => return Err(Broken),
            }
        }
        Ok(())
    }

    fn opens(&mut self, bracket: u8, number: u64, out: &Out<'_>) -> Result<(), Broken> {
        let depth = self.open.len();
        if depth == MAX_DEPTH {
            return Err(Broken);
        }
        if depth == 0 {
            self.document.clear();
            self.document_line = number;
            self.records = 0;
        }
        if bracket == b'{' && self.array_at.is_some() && self.element_at.is_none() {
            self.element.clear();
            self.element_at = Some(depth);
            self.element_line = number;
        }
        self.keep(bracket, out);
        if bracket == b'[' && self.array_at.is_none() {
            self.array_at = Some(depth);
        }
        self.open.push(bracket);
        // The bracket of a document is kept although nothing was open before it.
        if depth == 0 {
            self.document.push(bracket);
        }
        Ok(())
    }

    fn closes(&mut self, bracket: u8, out: &mut Out<'_>) -> Result<(), Broken> {
        let opened = if bracket == b'}' { b'{' } else { b'[' };
        if self.open.last() != Some(&opened) {
            return Err(Broken);
        }
        let depth = self.open.len() - 1;
        if self.array_at == Some(depth) {
            self.array_at = None;
        }
        self.keep(bracket, out);
        self.open.pop();
        if self.element_at == Some(depth) {
            self.element_at = None;
            let element = std::mem::take(&mut self.element);
            self.read(&element, self.element_line, out);
            self.element = element;
        }
        if depth == 0 && bracket == b'}' && self.records == 0 {
            let document = std::mem::take(&mut self.document);
            self.read(&document, self.document_line, out);
            self.document = document;
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8, out: &Out<'_>) {
        let text = if self.element_at.is_some() {
            &mut self.element
        } else if self.array_at.is_none() && !self.open.is_empty() {
            &mut self.document
        } else {
            return;
        };
        // One more than the most says that there was too much.
        if text.len() <= out.max_line() {
            text.push(byte);
        }
    }

    /// Reads an object: a record if it says where in the training it belongs.
    /// Configurations are printed so as well.
    fn read(&mut self, object: &[u8], number: u64, out: &mut Out<'_>) {
        if object.len() > out.max_line() {
            out.malformed(number, "an object of a JSON document is too long");
            return;
        }
        match out.json(object) {
            Ok(()) => {
                // An array in a log of another format has a training's results.
                if self.array_at.is_some() && out.is_beside() {
                    out.evaluation();
                }
                if out.has_step() && out.has_numbers() && out.end(&Line::at(number)) {
                    self.records += 1;
                }
            }
            // What configurations are made of is not always JSON.
            Err(problem) if out.is_evident() => {
                out.malformed(number, &format!("looks like a JSON object but {problem}"));
            }
            Err(_) => {}
        }
    }
}
