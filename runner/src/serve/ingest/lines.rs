//! From JSON, however it is laid out, to a record per line.

/// Takes JSON objects, or lists of them, one after the other, and gives each
/// object a line of its own. Numbers are not read here: `NaN`, which many
/// programs write, passes.
///
/// # Errors
///
/// What is wrong, in words.
pub(super) fn of_json(text: &str) -> Result<Vec<u8>, String> {
    let mut lines = Lines::default();
    for (at, byte) in text.bytes().enumerate() {
        lines
            .take(byte)
            .map_err(|what| format!("byte {} of the JSON: {what}", at + 1))?;
    }
    match lines.depth() {
        0 => Ok(lines.out),
        _ => Err("the JSON ends in the middle of an object or a list".to_owned()),
    }
}

#[derive(Default)]
struct Lines {
    out: Vec<u8>,
    /// In a list of objects.
    listed: bool,
    /// Open braces and brackets of the object.
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Lines {
    fn depth(&self) -> usize {
        self.depth + usize::from(self.listed)
    }

    fn take(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                // A line must not end within a text.
                b'\n' | b'\r' => return Err("a text must not hold a line feed"),
                _ => {}
            }
            self.out.push(byte);
            return Ok(());
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => return Ok(()),
            _ if self.depth == 0 => return self.between(byte),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            b'"' => self.quoted = true,
            _ => {}
        }
        self.out.push(byte);
        if self.depth == 0 {
            self.out.push(b'\n');
        }
        Ok(())
    }

    /// Outside of every object.
    fn between(&mut self, byte: u8) -> Result<(), &'static str> {
        match (byte, self.listed) {
            (b'{', _) => {
                self.out.push(byte);
                self.depth = 1;
            }
            (b'[', false) => self.listed = true,
            (b']', true) => self.listed = false,
            (b',', true) => {}
            _ => return Err("an object `{…}` or a list of objects is expected here"),
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        String::from_utf8(of_json(text).unwrap()).unwrap()
    }

    #[test]
    fn an_object_a_list_and_lines_are_the_same() {
        let expected = "{\"a\":1}\n{\"b\":[1,{\"c\":2}]}\n";
        for text in [
            "[{\"a\": 1}, {\"b\": [1, {\"c\": 2}]}]",
            "{\"a\": 1}\n{\"b\": [1, {\"c\": 2}]}",
            "[\r\n  {\r\n \"a\": 1\r\n},\n {\"b\":\n[1,{\"c\":2}]}]\n",
            "[{\"a\": 1}][{\"b\": [1, {\"c\": 2}]}]",
        ] {
            assert_eq!(lines(text), expected, "{text}");
        }
        assert_eq!((lines(""), lines("[]")), (String::new(), String::new()));
    }

    #[test]
    fn texts_stay_as_they_are() {
        let text = r#"{"a b":" } ] \" { \\","c":NaN}"#;
        assert_eq!(lines(text), format!("{text}\n"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (text, why) in [
            ("3", "byte 1 of the JSON: an object"),
            ("[{}, 3]", "byte 6 of the JSON: an object"),
            ("{\"a\": 1", "ends in the middle"),
            ("[{\"a\": 1}", "ends in the middle"),
            ("{\"a\": \"b\n\"}", "must not hold a line feed"),
            ("]", "byte 1"),
        ] {
            let error = of_json(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
