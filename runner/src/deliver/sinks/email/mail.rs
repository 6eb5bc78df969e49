//! A message as a mail: headers, text and HTML.

use std::cmp::Reverse;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use crate::alert::Severity;
use crate::deliver::sparkline::sparkline;
use crate::deliver::text::{clean, clean_line, cut_bytes, cut_chars};
use crate::deliver::{Entry, Form, Message};

/// Characters of a subject: more is shown nowhere.
const SUBJECT_CHARS: usize = 200;
/// Characters of a message or recommendation in HTML.
const TEXT_CHARS: usize = 4000;
/// Characters of a title, or of a name or value in a table.
const LINE_CHARS: usize = 300;
/// Values of an alert that are shown.
const VALUES: usize = 20;
/// Bytes of the blocks: Gmail hides what is beyond 102 KB of HTML.
const BLOCKS_BYTES: usize = 80_000;
/// Bytes of the text part.
const TEXT_BYTES: usize = 100_000;
/// Bytes of the short form.
const SHORT_BYTES: usize = 4000;
/// Alerts that are named where there is no room for more.
const NAMED: usize = 5;

/// The mail for one recipient, the `number`th.
pub(super) fn compose(
    message: &Message,
    from: &Mailbox,
    to: &Mailbox,
    number: usize,
) -> Result<Vec<u8>, String> {
    // The domain of the sender and not of this machine: it is the same for a
    // run that goes on elsewhere, so that its mails stay one thread.
    let domain = from.email.domain();
    let group = format!("<{}@{domain}>", message.group);
    let at = Duration::from_millis(message.at.unsigned_abs());
    let mut mail = lettre::Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(cut_chars(&clean_line(&message.title()), SUBJECT_CHARS))
        .date(UNIX_EPOCH + at)
        .message_id(Some(format!("<{}-{number}@{domain}>", message.id)))
        .in_reply_to(group.clone())
        .references(group);
    for (name, value) in headers(message) {
        let name = HeaderName::new_from_ascii_str(name);
        mail = mail.raw_header(HeaderValue::new(name, value));
    }
    let mail = match message.form {
        Form::Rich => mail.multipart(MultiPart::alternative_plain_html(
            cut_bytes(&clean(&message.plain()), TEXT_BYTES).into_owned(),
            html(message),
        )),
        Form::Plain => mail.singlepart(
            SinglePart::builder()
                .content_type(ContentType::TEXT_PLAIN)
                .body(cut_bytes(&clean(&message.plain()), SHORT_BYTES).into_owned()),
        ),
    };
    mail.map(|mail| mail.formatted())
        .map_err(|error| error.to_string())
}

/// For filters of mail programs; and that no holiday notice comes back.
fn headers(message: &Message) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("X-Runwatch-Message", message.id.clone()),
    ];
    if let Some(entry) = message.first() {
        let run = cut_chars(&clean_line(&entry.alert.run), LINE_CHARS).into_owned();
        headers.push(("X-Runwatch-Run", run));
        headers.push(("X-Runwatch-Alert", entry.alert.id.clone()));
    }
    headers.push(("X-Runwatch-Severity", message.severity().name().to_owned()));
    if message.fires() && message.severity() == Severity::Critical {
        headers.push(("Importance", "high".to_owned()));
    }
    headers
}

/// Colours in both modes are set with the text colour, so that a program that
/// turns only one of them leaves it readable. Some programs drop the style
/// sheet: what matters is in the elements.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background-color: #101828 !important; color: #eaecf0 !important; }
  .box { background-color: #1d2939 !important; color: #eaecf0 !important; }
  .faint { color: #98a2b3 !important; }
}
</style></head>
<body class="page" style="margin:0;padding:16px;background-color:#ffffff;color:#101828;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5">
<div style="max-width:640px;margin:0 auto">
"#;

fn html(message: &Message) -> String {
    let mut page = HEAD.to_owned();
    if message.test {
        page.push_str(
            "<p><strong>[TEST]</strong> This is a test. Nothing is wrong with any run.</p>\n",
        );
    }
    // The worst first: if there is no room for all, it is among those shown.
    let mut entries: Vec<&Entry> = message.entries.iter().collect();
    entries.sort_by_key(|entry| Reverse((entry.fires(), entry.alert.severity)));
    let mut shown = 0;
    for entry in &entries {
        let block = block(entry);
        if shown > 0 && page.len() + block.len() > BLOCKS_BYTES {
            break;
        }
        page.push_str(&block);
        shown += 1;
    }
    let rest = entries.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        page.push_str(&format!(
            "<p>{}</p>\n",
            escaped(&left_out(rest), TEXT_CHARS)
        ));
    }
    page.push_str(&format!(
        "<p class=\"faint\" style=\"color:#667085;font-size:13px\">{}</p>\n</div></body></html>\n",
        escaped(&message.footer(), LINE_CHARS)
    ));
    page
}

/// `and 7 more: CRITICAL: … · WARNING: … · …`
fn left_out(rest: &[&Entry]) -> String {
    let named: Vec<String> = rest
        .iter()
        .take(NAMED)
        .map(|entry| cut_chars(&entry.headline(), LINE_CHARS).into_owned())
        .collect();
    let dots = if rest.len() > NAMED { " · …" } else { "" };
    format!("and {} more: {}{dots}", rest.len(), named.join(" · "))
}

fn block(entry: &Entry) -> String {
    let alert = &entry.alert;
    let colour = entry.colour();
    // White is readable on red only.
    let on_it = if entry.label() == "CRITICAL" {
        "#ffffff"
    } else {
        "#101828"
    };
    let mut html = format!(
        "<div style=\"border-left:4px solid #{colour:06x};padding:2px 0 2px 14px;margin:0 0 \
         24px\">\n<div style=\"font-size:18px;font-weight:600\"><span style=\"background-color:\
         #{colour:06x};color:{on_it};font-size:12px;padding:2px 7px;border-radius:4px;\
         vertical-align:2px\">{}</span> {}</div>\n<p style=\"margin:8px 0\">{}</p>\n",
        entry.label(),
        escaped(&clean_line(&alert.title), LINE_CHARS),
        escaped(&entry.message(), TEXT_CHARS),
    );
    if entry.fires() {
        html.push_str(&format!(
            "<p class=\"box\" style=\"margin:8px 0;padding:8px 12px;border-radius:6px;\
             background-color:#f2f4f7;color:#101828\"><strong>What to do:</strong> {}</p>\n",
            escaped(&alert.recommendation, TEXT_CHARS)
        ));
    }
    if let Some(recent) = &alert.recent {
        html.push_str(&format!(
            "<p style=\"margin:8px 0\">{} <span style=\"font-family:monospace;letter-spacing:1px\">\
             {}</span></p>\n",
            escaped(&clean_line(&recent.metric), LINE_CHARS),
            sparkline(&recent.values)
        ));
    }
    let values = alert.values.iter().take(VALUES);
    html.push_str(&table(
        values.map(|(name, value)| (name.as_str(), number(*value))),
    ));
    let facts = entry.facts();
    html.push_str(&table(facts.into_iter()));
    html.push_str("</div>\n");
    html
}

fn table<'a>(rows: impl Iterator<Item = (&'a str, String)>) -> String {
    let rows: String = rows
        .map(|(name, value)| {
            format!(
                "<tr><td class=\"faint\" style=\"color:#667085;padding:0 16px 0 0;\
                 vertical-align:top\">{}</td><td>{}</td></tr>\n",
                escaped(name, LINE_CHARS),
                escaped(&value, LINE_CHARS)
            )
        })
        .collect();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<table role=\"presentation\" style=\"border-collapse:collapse;font-size:13px;margin:8px \
         0\">\n{rows}</table>\n"
    )
}

/// A number as people write it: `2.31`, `NaN`, `1.2e-9`.
fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-4..1e9).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// Text for HTML: cut, cleaned, escaped; its line breaks are shown.
fn escaped(text: &str, limit: usize) -> String {
    let text = cut_chars(text, limit);
    let mut html = String::with_capacity(text.len() + 16);
    for c in clean(&text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>"),
            c => html.push(c),
        }
    }
    html
}
