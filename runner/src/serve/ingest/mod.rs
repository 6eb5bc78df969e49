//! `POST /ingest`: records of services that have no log to pipe.

mod intake;
mod lines;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde_json::json;

use self::intake::Refused;
pub use self::intake::{Batch, Intake, Limits, Next, Origin};
use super::App;
use super::answer::Problem;
use super::asked::Asked;
use crate::input::compressed::Compression;

/// Where records are posted.
pub(super) const PATH: &str = "/ingest";

/// How long a body may take to come; less than the guard waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest rest of a refused body that is read, so that whoever sends it
/// gets to read the answer, and how long it may take.
const REST: usize = 4 << 20;
const REST_PATIENCE: Duration = Duration::from_secs(2);
/// When to try again, in seconds.
const LATER: HeaderValue = HeaderValue::from_static("1");
/// The longest name of a project or a run, in bytes.
const NAME: usize = 200;

/// How the records stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Json,
}

pub(super) async fn ingest(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let problem = match take(&app, &head, &mut body).await {
        Ok(lines) => {
            let accepted = json!({ "accepted": lines });
            return (StatusCode::ACCEPTED, Json(accepted)).into_response();
        }
        Err(problem) => problem,
    };
    read_rest(&mut body).await;
    let mut response = problem.into_response();
    let status = response.status();
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        response.headers_mut().insert(RETRY_AFTER, LATER);
    }
    response
}

/// Takes a body, and gives the number of its lines once they are in the queue.
async fn take(app: &App, head: &Parts, body: &mut BodyDataStream) -> Result<usize, Problem> {
    let intake = app.options.intake.as_ref().ok_or_else(|| {
        Problem::missing("nothing is taken here").hint("start `runwatch serve --ingest`")
    })?;
    let compression = compression(&head.headers)?;
    let layout = layout(&head.headers)?;
    let asked = Asked::of(&head.uri, &["project", "run"])?;
    let (project, run) = (name(&asked, "project")?, name(&asked, "run")?);
    let limit = intake.limits().body;
    let length = length(&head.headers, limit)?;
    // What a compressed body becomes is not known before.
    let room = intake.reserve(compression.map_or(length, |_| limit));
    let room = room.map_err(refused)?;
    let reading = tokio::time::timeout(PATIENCE, read(body, length));
    let bytes = reading.await.map_err(|_| {
        let error = "the body did not come in time";
        Problem::new(StatusCode::REQUEST_TIMEOUT, error)
    })??;
    let bytes = match compression {
        Some(compression) => decompress(compression, &bytes, limit)?,
        None => bytes,
    };
    let (text, lines) = records(bytes, layout)?;
    let origin = intake.origin(project, run).ok_or_else(|| {
        let error = "this would be one run too many";
        Problem::new(StatusCode::INSUFFICIENT_STORAGE, error).hint(
            "name the service or its deployment, and not the session; `max-runs` in `[decode]` is \
             how many there may be until the next start",
        )
    })?;
    room.put(origin, text).map_err(refused)?;
    Ok(lines)
}

fn refused(why: Refused) -> Problem {
    match why {
        Refused::Full => Problem::new(StatusCode::TOO_MANY_REQUESTS, "the queue is full")
            .hint("send the same again after the seconds of `Retry-After`"),
        Refused::Closed => {
            let error = "runwatch is ending, or watches no more";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error)
                .hint("send the same again when it is back")
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok("");
    };
    let value = value.to_str().map(str::trim);
    value.map_err(|_| Problem::bad(format!("the header `{name}` is no text")))
}

fn compression(headers: &HeaderMap) -> Result<Option<Compression>, Problem> {
    let encoding = text(headers, &CONTENT_ENCODING)?;
    match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Compression::Gzip)),
        "zstd" => Ok(Some(Compression::Zstd)),
        _ => {
            let error = format!("the encoding `{encoding}` is not known");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
                .hint("send gzip, zstd, or leave `Content-Encoding` out"))
        }
    }
}

fn layout(headers: &HeaderMap) -> Result<Layout, Problem> {
    let whole = text(headers, &CONTENT_TYPE)?;
    let kind = whole.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Layout::Json),
        ""
        | "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/json-lines"
        | "application/octet-stream"
        | "text/plain" => Ok(Layout::Lines),
        _ => {
            let error = format!("a body of the type `{kind}` cannot be read");
            Err(
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error).hint(
                    "send `Content-Type: application/x-ndjson` (with curl `--data-binary`, as `-d` \
                 takes line feeds away), or `application/json` for one object or a list",
                ),
            )
        }
    }
}

/// A name in the address.
fn name<'a>(asked: &'a Asked, which: &str) -> Result<Option<&'a str>, Problem> {
    let Some(name) = asked.get(which) else {
        return Ok(None);
    };
    if name.len() > NAME {
        let error = format!("`{which}` is longer than {NAME} bytes");
        return Err(Problem::bad(error));
    }
    if name.trim() != name || name.contains(char::is_control) {
        let error = format!("`{which}` begins or ends with a blank, or holds a control character");
        return Err(Problem::bad(error));
    }
    Ok(Some(name))
}

/// How long the body will be.
fn length(headers: &HeaderMap, limit: usize) -> Result<usize, Problem> {
    let told = text(headers, &CONTENT_LENGTH)?;
    let length: u64 = told.parse().map_err(|_| {
        let error = "the length of the body is not said";
        Problem::new(StatusCode::LENGTH_REQUIRED, error).hint("send `Content-Length`")
    })?;
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(length),
        _ => Err(too_long(limit)),
    }
}

fn too_long(limit: usize) -> Problem {
    let error = format!("the body is longer than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error)
        .hint("send less at once, or start `runwatch serve` with a larger `--max-body`")
}

async fn read(body: &mut BodyDataStream, length: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(length);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Problem::bad(format!("the body broke off: {error}")))?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads what is left of a body that was refused, and throws it away.
async fn read_rest(body: &mut BodyDataStream) {
    let rest = async {
        let mut read = 0;
        while let Some(Ok(chunk)) = body.next().await {
            read += chunk.len();
            if read > REST {
                return;
            }
        }
    };
    // Whoever is that slow does not get to read the answer.
    _ = tokio::time::timeout(REST_PATIENCE, rest).await;
}

fn decompress(compression: Compression, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Problem> {
    let mut plain = Vec::new();
    let mut reader = compression.reader(bytes).take(limit as u64 + 1);
    reader
        .read_to_end(&mut plain)
        .map_err(|error| Problem::bad(format!("the body cannot be decompressed: {error}")))?;
    match plain.len() > limit {
        true => Err(too_long(limit)),
        false => Ok(plain),
    }
}

/// The lines of a body, each with its end, and how many there are with text.
fn records(bytes: Vec<u8>, layout: Layout) -> Result<(Vec<u8>, usize), Problem> {
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        Problem::bad(format!("the body is no UTF-8 text: see its byte {at}"))
    })?;
    let mut lines = match layout {
        Layout::Json => lines::of_json(text).map_err(|error| {
            Problem::bad(error).hint("for a record per line send `application/x-ndjson`")
        })?,
        Layout::Lines => bytes,
    };
    let count = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .count();
    if count == 0 {
        return Err(Problem::bad("there is nothing in the body"));
    }
    if lines.last() != Some(&b'\n') {
        lines.push(b'\n');
    }
    Ok((lines, count))
}
