//! One page with everything on it, for a browser: no file beside it, no network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Report;
use crate::view::Time;

/// The page without its data. `web/` has the sources of all three.
const SHELL: &str = include_str!("../../web/index.html");
const SCRIPT: &str = include_str!("../../web/dist/app.js");
const STYLE: &str = include_str!("../../web/dist/app.css");

/// What the page finds in itself.
#[derive(Serialize)]
struct Data<'a> {
    kind: &'static str,
    version: &'static str,
    made: Option<Time>,
    #[serde(flatten)]
    report: &'a Report,
}

/// The report as a page of HTML.
///
/// # Errors
///
/// If it cannot be written as JSON, which does not happen.
pub fn html(report: &Report) -> serde_json::Result<String> {
    let data = serde_json::to_string(&Data {
        kind: "report",
        version: env!("CARGO_PKG_VERSION"),
        made: None,
        report,
    })?;
    Ok(page(&data))
}

/// The page with this JSON in it. Nothing in that can end its element, and
/// nothing but our own script and style is allowed to run.
fn page(data: &str) -> String {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'none'; \
         base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let mut page = String::with_capacity(SHELL.len() + SCRIPT.len() + STYLE.len() + data.len() * 2);
    // What stands before this is for whoever writes pages.
    let begin = SHELL.find("<html").unwrap_or_default();
    let (before, rest) = cut(SHELL.get(begin..).unwrap_or_default(), "<!--head-->");
    page.push_str("<!doctype html>\n");
    page.push_str(before);
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"");
    page.push_str(&policy);
    page.push_str("\">\n<style>");
    page.push_str(STYLE);
    page.push_str("</style>");
    let (before, rest) = cut(rest, "<!--data-->");
    page.push_str(before);
    page.push_str("<script type=\"application/json\" id=\"runwatch-data\">");
    inert(data, &mut page);
    page.push_str("</script>");
    let (before, after) = cut(rest, "<!--script-->");
    page.push_str(before);
    page.push_str("<script>");
    page.push_str(SCRIPT);
    page.push_str("</script>");
    page.push_str(after);
    page
}

/// What stands before and after a mark.
fn cut<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_once(mark).unwrap_or((text, ""))
}

/// A text as policies name it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Adds JSON without the characters that mean something to HTML or that end a
/// line of script. They stand within its strings only.
fn inert(json: &str, to: &mut String) {
    let mut begin = 0;
    for (at, found) in json.match_indices(['<', '\u{2028}', '\u{2029}']) {
        to.push_str(json.get(begin..at).unwrap_or_default());
        to.push_str(match found {
            "<" => "\\u003c",
            "\u{2028}" => "\\u2028",
            _ => "\\u2029",
        });
        begin = at + found.len();
    }
    to.push_str(json.get(begin..).unwrap_or_default());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{hostile, report};
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The data of a page, and the page without it.
    fn taken_apart(page: &str) -> (Value, String) {
        let open = "<script type=\"application/json\" id=\"runwatch-data\">";
        let (before, rest) = page.split_once(open).unwrap();
        let (data, after) = rest.split_once("</script>").unwrap();
        (
            serde_json::from_str(data).unwrap(),
            format!("{before}{after}"),
        )
    }

    #[test]
    fn the_page_is_whole() {
        for mark in ["<!--head-->", "<!--data-->", "<!--script-->"] {
            assert_eq!(SHELL.matches(mark).count(), 1, "{mark}");
        }
        // Either would end its element.
        assert!(!SCRIPT.to_lowercase().contains("</script"));
        assert!(!STYLE.to_lowercase().contains("</style"));
        let page = html(&report("loss is NaN")).unwrap();
        for part in [SCRIPT, STYLE, &hash(SCRIPT), &hash(STYLE)] {
            assert!(page.contains(part));
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in hostile()) {
            let page = html(&report(&text)).unwrap();
            let (data, around) = taken_apart(&page);
            let run = &data["runs"][0];
            prop_assert_eq!(run["run"].as_str(), Some(text.as_str()));
            prop_assert_eq!(run["alerts_list"][0]["title"].as_str(), Some(text.as_str()));
            prop_assert_eq!(run["exceptions"][0]["traceback"].as_str(), Some(text.as_str()));
            prop_assert_eq!(run["series"][&text]["metric"].as_str(), Some(text.as_str()));
            prop_assert_eq!(around, taken_apart(&html(&report("")).unwrap()).1);
        }
    }
}
