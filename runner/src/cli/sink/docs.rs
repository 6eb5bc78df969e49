//! The reference of all types of sinks, as Markdown.

use std::fmt::Write as _;

use crate::deliver::Takes;
use crate::deliver::sinks::{KINDS, Kind};

/// One section per type.
pub(super) fn reference() -> String {
    let mut text = String::new();
    for kind in KINDS {
        section(&mut text, kind);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn section(text: &mut String, kind: &Kind) {
    // Writing into a text does not fail.
    _ = write!(text, "## {}\n\n{}\n\n", kind.name, kind.summary);
    let (name, example) = (kind.name, kind.example.trim());
    let rest = if example.is_empty() {
        String::new()
    } else {
        format!("{example}\n")
    };
    _ = write!(
        text,
        "```toml\n[sinks.{name}]\ntype = \"{name}\"\n{rest}```\n\n"
    );
    if kind.keys.is_empty() {
        return;
    }
    text.push_str("| setting | takes | meaning |\n|---|---|---|\n");
    for key in kind.keys {
        let needed = if key.required { ", required" } else { "" };
        let doc = key.doc.replace('|', "\\|");
        _ = writeln!(
            text,
            "| `{}` | {}{needed} | {doc} |",
            key.name,
            takes(key.takes)
        );
    }
    text.push('\n');
}

fn takes(takes: Takes) -> String {
    match takes {
        Takes::Secret => "secret".to_owned(),
        Takes::Address => "address".to_owned(),
        Takes::Text => "text".to_owned(),
        Takes::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Takes::Integer(least, most) => format!("{least} to {most}"),
        Takes::Boolean => "`true`, `false`".to_owned(),
        Takes::List => "list of texts".to_owned(),
        Takes::Pairs => "table of texts".to_owned(),
    }
}
