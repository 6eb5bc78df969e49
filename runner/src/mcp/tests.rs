//! The server without pipes: lines in, lines out.

#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use serde_json::{Value, json};

use super::Server;
use super::protocol::{Line, read_line};

/// What a server without a ledger answers to these lines.
fn answers(input: impl Into<Vec<u8>>) -> Vec<Value> {
    let server = Server {
        ledger: "no/such/ledger.sqlite".into(),
        may_silence: false,
        author: "an agent".to_owned(),
    };
    let mut output = Vec::new();
    server
        .serve(Cursor::new(input.into()), &mut output)
        .unwrap();
    let lines = output.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn code(line: &str) -> Value {
    let answers = answers(line);
    assert_eq!(answers.len(), 1, "{line}: {answers:?}");
    answers[0]["error"]["code"].clone()
}

#[test]
fn what_is_no_request_is_told_so() {
    for (line, expected) in [
        ("{", -32700),
        ("\u{feff}{}", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#,
            -32601,
        ),
    ] {
        assert_eq!(code(line), expected, "{line}");
    }
    let bytes = b"\xff\xfe\n".to_vec();
    assert_eq!(answers(bytes)[0]["error"]["code"], -32700);
    // Nested deeper than any request.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(code(&deep), -32700);
}

#[test]
fn what_wants_no_answer_gets_none() {
    let lines = "\n  \r\n\
        {\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\
        {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n\
        {\"jsonrpc\":\"2.0\",\"method\":\"nobody/knows\",\"params\":[]}\n\
        {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\
        {\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":1,\"message\":\"\"}}\n";
    assert_eq!(answers(lines), Vec::<Value>::new());
}

#[test]
fn ids_come_back_as_they_were() {
    for id in [json!(0), json!(-3), json!("a\u{1b}b"), json!(u64::MAX)] {
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        let expected = json!({ "jsonrpc": "2.0", "id": id, "result": {} });
        // The last line may lack its end.
        assert_eq!(answers(line.to_string()), [expected]);
    }
}

#[test]
fn a_line_that_is_too_long_is_not_kept() {
    let most = 4 << 20;
    let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
    let fits = format!("{ping}{}\n{ping}\n", " ".repeat(most - ping.len()));
    assert_eq!(answers(fits).len(), 2);
    let too_long = format!("{ping}{}\n{ping}\n", " ".repeat(most - ping.len() + 1));
    let answers = answers(too_long);
    assert_eq!(answers[0]["error"]["code"], -32600);
    assert_eq!(answers[0]["id"], Value::Null);
    assert_eq!(answers[1]["result"], json!({}));

    let mut endless = Cursor::new(vec![b'x'; 3 * most]);
    assert_eq!(read_line(&mut endless).unwrap(), Some(Line::TooLong));
    assert_eq!(read_line(&mut endless).unwrap(), None);
}
