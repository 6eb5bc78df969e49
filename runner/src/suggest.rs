//! What somebody who made a slip most likely meant.

/// The candidate that the user most likely meant by `name`, as a question.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, candidates, true).map(question)
}

/// The same where a shortened word is no slip: it may stand for something else.
pub(crate) fn did_you_mistype<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, candidates, false).map(question)
}

fn question(candidate: &str) -> String {
    format!("did you mean `{candidate}`?")
}

/// The candidate nearest to `name`, if one is near enough that a slip of the
/// finger, another separator or, with `words`, a shortened word explains the
/// difference.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    words: bool,
) -> Option<&'a str> {
    // The distance is quadratic in the length, and the text is the user's.
    if name.chars().count() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let name = plain(name);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            let close = *distance <= (candidate.chars().count() / 3).max(1);
            let shortened = words && name.len() >= 4 && plain(candidate).starts_with(&name);
            close || shortened
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let keys = ["cooldown-steps", "cooldown-seconds", "max-per-run", "run"];
        assert_eq!(nearest("cooldown-step", keys, true), Some("cooldown-steps"));
        assert_eq!(
            nearest("cooldown_steps", keys, true),
            Some("cooldown-steps")
        );
        assert_eq!(nearest("CooldownSteps", keys, true), Some("cooldown-steps"));
        assert_eq!(nearest("max-per", keys, true), Some("max-per-run"));
        assert_eq!(nearest("rnu", keys, true), Some("run"));
        assert_eq!(nearest("colour", keys, true), None);
        assert_eq!(nearest("", keys, true), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), keys, true), None);
    }

    #[test]
    fn a_shortened_word_may_be_no_slip() {
        assert_eq!(nearest("warn", ["warning"], true), Some("warning"));
        assert_eq!(nearest("warn", ["warning"], false), None);
        assert_eq!(nearest("warnig", ["warning"], false), Some("warning"));
    }
}
