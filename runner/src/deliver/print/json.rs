//! Alerts as strict JSON, one object a line, to any writer.

use std::io::Write;

use crate::alert::Alert;
use crate::deliver::print::{PrintError, Printer};

/// Writes each alert as one line. The form is documented in `docs/alert.md`.
#[derive(Debug)]
pub struct JsonLines<W> {
    name: String,
    to: W,
    line: Vec<u8>,
}

impl<W: Write + Send> JsonLines<W> {
    /// A sink that writes to `to`; `name` stands in reports and errors.
    pub fn new(name: impl Into<String>, to: W) -> Self {
        Self {
            name: name.into(),
            to,
            line: Vec::new(),
        }
    }

    fn error(&self, source: std::io::Error) -> PrintError {
        PrintError::from_io(|| format!("write to {}", self.name), source)
    }
}

impl<W: Write + Send> Printer for JsonLines<W> {
    fn name(&self) -> &str {
        &self.name
    }

    fn print(&mut self, alert: &Alert) -> Result<(), PrintError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, alert).map_err(|error| self.error(error.into()))?;
        self.line.push(b'\n');
        // In one piece, so that two writers of one file do not mix their lines.
        self.to
            .write_all(&self.line)
            .map_err(|error| self.error(error))
    }

    fn flush(&mut self) -> Result<(), PrintError> {
        self.to.flush().map_err(|error| self.error(error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;

    use super::*;
    use crate::deliver::sample;

    fn written(alert: &Alert) -> String {
        let mut bytes = Vec::new();
        JsonLines::new("stdout", &mut bytes).print(alert).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_field_in_its_place() {
        // The golden line: a change of it is a change of the schema.
        let golden = concat!(
            r#"{"id":"0123456789abcdef0123456789abcdef","schema":1,"#,
            r#""fingerprint":"fedcba9876543210fedcba9876543210","episode":1,"project":"default","#,
            r#""run":"train","rank":3,"ranks":[3],"host":"gpu-7","detector":"non-finite","key":"loss","#,
            r#""severity":"critical","state":"firing","step":2404,"#,
            r#""time":"2023-11-14T22:13:20Z","title":"loss is NaN","#,
            r#""message":"loss was 2.31 at step 2403 and is NaN at step 2404.","#,
            r#""recommendation":"Stop the run, go back to the last good checkpoint, and lower "#,
            r#"the learning rate.","values":{"loss":null,"last":2.31},"#,
            r#""location":{"input":"train.log","line":17},"first_step":2404,"count":1,"route":null,"#,
            r#""recent":{"metric":"loss","values":[2.4,2.31,null]},"#,
            r#""halt":"the loss is NaN","evidence":null}"#,
            "\n",
        );
        assert_eq!(written(&sample()), golden);
    }

    #[test]
    fn the_example_in_the_documentation_is_this_one() {
        let doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/alert.md"));
        let example = doc
            .split("```json\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let example: serde_json::Value = serde_json::from_str(example).unwrap();
        let ours: serde_json::Value = serde_json::from_str(&written(&sample())).unwrap();
        assert_eq!(example, ours);
    }

    #[test]
    fn what_is_unknown_is_null() {
        let alert = Alert {
            rank: None,
            ranks: Vec::new(),
            step: None,
            time: None,
            location: None,
            ..sample()
        };
        let value: serde_json::Value = serde_json::from_str(&written(&alert)).unwrap();
        for field in ["rank", "step", "time", "location"] {
            assert!(value.as_object().unwrap()[field].is_null(), "{field}");
        }
    }

    #[test]
    fn one_line_whatever_the_text() {
        let alert = Alert {
            message: "a\nb\r\u{1b}[2J\"".to_owned(),
            ..sample()
        };
        let line = written(&alert);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        assert!(line.contains(r#""message":"a\nb\r\u001b[2J\"""#), "{line}");
    }

    struct Refuses(io::ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_broken_pipe_is_an_error_of_its_own() {
        let mut sink = JsonLines::new("stdout", Refuses(io::ErrorKind::BrokenPipe));
        assert!(matches!(sink.print(&sample()), Err(PrintError::BrokenPipe)));
        assert!(matches!(sink.flush(), Err(PrintError::BrokenPipe)));
        let mut sink = JsonLines::new("stdout", Refuses(io::ErrorKind::StorageFull));
        let error = sink.print(&sample()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot write to stdout: no storage space"
        );
    }
}
