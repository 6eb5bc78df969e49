//! rlwatch's webhook template, which is one of Python's `string.Template`
//! (`${step}`, `$step`, `$$`), as a template of the webhook sink.

/// The template with our expressions in the place of rlwatch's names. A name
/// that rlwatch does not know stays as it is, as there.
pub(super) fn template(python: &str) -> String {
    let mut written = String::with_capacity(python.len() * 2);
    let mut rest = python;
    while let Some(at) = rest.find(['$', '{']) {
        let (before, from) = rest.split_at(at);
        written.push_str(before);
        let (piece, length) = match from.starts_with('$') {
            true => dollar(from),
            false => brace(from),
        };
        written.push_str(&piece);
        rest = from.get(length..).unwrap_or_default();
    }
    written + rest
}

/// What a `$` begins, and the bytes that it takes.
fn dollar(from: &str) -> (String, usize) {
    let after = from.get(1..).unwrap_or_default();
    if after.starts_with('$') {
        return ("$".to_owned(), 2);
    }
    let braced = after
        .strip_prefix('{')
        .and_then(|name| name.split_once('}'));
    let (name, length) = match braced {
        Some((name, _)) => (name, name.len() + 3),
        None => {
            let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !name(c)).unwrap_or(after.len());
            (after.get(..end).unwrap_or_default(), end + 1)
        }
    };
    match expression(name) {
        Some(expression) => (format!("{{{{ {expression} }}}}"), length),
        None => ("$".to_owned(), 1),
    }
}

/// A `{` that would begin an expression, by itself or with what it stands
/// before.
fn brace(from: &str) -> (String, usize) {
    let next = from.chars().nth(1);
    let begins = next.is_some_and(|next| "{%#$".contains(next));
    (if begins { "{{ '{' }}" } else { "{" }.to_owned(), 1)
}

fn expression(name: &str) -> Option<&'static str> {
    Some(match name {
        "detector" => "alert.detector",
        "severity" => "alert.severity",
        "severity_upper" => "alert.severity|upper",
        "step" => "alert.step",
        "message" => "alert.message",
        "recommendation" => "alert.recommendation",
        "run_id" => "alert.run",
        "metrics_json" => "alert['values']|tojson",
        "timestamp" => "alert.time or now",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn names_become_expressions() {
        for (python, ours) in [
            (
                r#"{"a": "${detector}: $step!"}"#,
                r#"{"a": "{{ alert.detector }}: {{ alert.step }}!"}"#,
            ),
            ("$$step costs $5", "$step costs $5"),
            ("${unknown} $ {x", "${unknown} $ {x"),
            ("训${step}练", "训{{ alert.step }}练"),
            (
                "{${step}} {{ x }} {% {# {",
                "{{ '{' }}{{ alert.step }}} {{ '{' }}{ x }} {{ '{' }}% {{ '{' }}# {",
            ),
            ("${step", "${step"),
        ] {
            assert_eq!(template(python), ours, "{python}");
        }
    }
}
