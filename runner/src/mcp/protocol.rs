//! JSON-RPC 2.0, a message a line.

use std::io::{self, BufRead, Read};

use serde_json::{Map, Value, json};

/// The longest line that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// The line is no JSON.
pub(super) const PARSE_ERROR: i64 = -32700;
/// It is JSON, but no request.
pub(super) const INVALID_REQUEST: i64 = -32600;
/// There is no such method.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// The method does not take these parameters.
pub(super) const INVALID_PARAMS: i64 = -32602;
/// The request speaks a version of MCP that is not known here.
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

/// A line of input, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It was not kept.
    TooLong,
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Message {
    Request(Request),
    /// What the sender must be told about it, and the request's id if it has
    /// one.
    Wrong(Value, Error),
    /// Something that wants no answer: a notification, a response, an empty
    /// line.
    Heard,
}

/// Something that wants an answer.
#[derive(Debug)]
pub(super) struct Request {
    /// A text or an integer.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) struct Error {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Error {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(super) fn with(self, data: Value) -> Self {
        let data = Some(data);
        Self { data, ..self }
    }
}

/// The next line; none at the end. Of one that is too long no more is kept than
/// it takes to know that.
pub(super) fn read_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let most = LONGEST as u64 + 1;
    if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LONGEST {
        input.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(Line::Whole(line)))
}

/// Reads a message.
pub(super) fn parse(line: &[u8]) -> Message {
    if line.trim_ascii().is_empty() {
        return Message::Heard;
    }
    let wrong = |id, code, why: &str| Message::Wrong(id, Error::new(code, why));
    let message = match serde_json::from_slice(line) {
        Ok(Value::Object(message)) => message,
        Ok(Value::Array(_)) => {
            return wrong(Value::Null, INVALID_REQUEST, "batches are not taken");
        }
        Ok(_) => return wrong(Value::Null, INVALID_REQUEST, "a request is an object"),
        Err(error) => return wrong(Value::Null, PARSE_ERROR, &format!("no JSON: {error}")),
    };
    request(message)
}

fn request(mut message: Map<String, Value>) -> Message {
    let wrong = |id, code, why: &str| Message::Wrong(id, Error::new(code, why));
    let id = match message.remove("id") {
        None => None,
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
        Some(_) => {
            return wrong(
                Value::Null,
                INVALID_REQUEST,
                "an id is a text or an integer",
            );
        }
    };
    let answers = message.contains_key("result") || message.contains_key("error");
    let method = match (message.remove("method"), &id) {
        (Some(Value::String(method)), _) => method,
        // The answer to something: nothing was asked.
        (None, _) if answers => return Message::Heard,
        _ => {
            let id = id.unwrap_or_default();
            return wrong(id, INVALID_REQUEST, "a request has a method");
        }
    };
    let Some(id) = id else {
        return Message::Heard;
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return wrong(id, INVALID_REQUEST, "`jsonrpc` must be \"2.0\"");
    }
    match message.remove("params") {
        None => Message::Request(Request {
            id,
            method,
            params: Map::new(),
        }),
        Some(Value::Object(params)) => Message::Request(Request { id, method, params }),
        Some(_) => wrong(id, INVALID_PARAMS, "`params` must be an object"),
    }
}

/// An answer as a line.
pub(super) fn reply(id: &Value, outcome: Result<Value, Error>) -> String {
    let answer = match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(Error {
            code,
            message,
            data,
        }) => {
            let mut error = json!({ "code": code, "message": message });
            if let (Some(data), Some(error)) = (data, error.as_object_mut()) {
                error.insert("data".to_owned(), data);
            }
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        }
    };
    format!("{answer}\n")
}
