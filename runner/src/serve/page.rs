//! The page and what it is made of, which is part of the program.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::App;
use crate::digest::hex;

const SHELL: &str = include_str!("../../web/index.html");
const SCRIPT: &str = include_str!("../../web/dist/app.js");
const STYLE: &str = include_str!("../../web/dist/app.css");

static SCRIPT_TAG: LazyLock<String> = LazyLock::new(|| tag(SCRIPT));
static STYLE_TAG: LazyLock<String> = LazyLock::new(|| tag(STYLE));

/// Names a content.
fn tag(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    format!("\"{}\"", hex(digest.get(..8).unwrap_or_default()))
}

pub(super) async fn shell(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let data = json!({
        "kind": "serve",
        "version": env!("CARGO_PKG_VERSION"),
        "writable": !app.options.read_only,
    });
    // Nothing in it can end its element.
    let data = data.to_string().replace('<', "\\u003c");
    let data = format!("<script type=\"application/json\" id=\"runwatch-data\">{data}</script>");
    let style = "<link rel=\"stylesheet\" href=\"/app.css\">";
    let script = "<script src=\"/app.js\"></script>";
    let page = SHELL
        .replacen("<!--head-->", style, 1)
        .replacen("<!--data-->", &data, 1)
        .replacen("<!--script-->", script, 1);
    let tag = tag(&page);
    unless_known(&headers, "text/html; charset=utf-8", &tag, page)
}

pub(super) async fn script(headers: HeaderMap) -> Response {
    unless_known(
        &headers,
        "text/javascript; charset=utf-8",
        &SCRIPT_TAG,
        SCRIPT,
    )
}

pub(super) async fn style(headers: HeaderMap) -> Response {
    unless_known(&headers, "text/css; charset=utf-8", &STYLE_TAG, STYLE)
}

/// The content, unless the browser has it.
fn unless_known(
    headers: &HeaderMap,
    kind: &str,
    tag: &str,
    content: impl IntoResponse,
) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|it| it.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    ([(CONTENT_TYPE, kind), (ETAG, tag)], content).into_response()
}

/// The page for whoever does not say the token.
pub(super) fn ask_for_token() -> Html<&'static str> {
    Html(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>runwatch</title>\n</head>\n\
         <body>\n<h1>runwatch</h1>\n\
         <p>This dashboard needs the token that <code>runwatch serve --token</code> was given.</p>\n\
         <form action=\"/\" method=\"get\">\n\
         <label>Token <input name=\"token\" type=\"password\" autocomplete=\"off\" required \
         autofocus></label>\n<button>Open</button>\n</form>\n</body>\n</html>\n",
    )
}
