//! What an author should know of a detector, though no case fails.

use std::collections::{BTreeMap, BTreeSet};

use super::cases::Case;
use super::golden::Tried;
use crate::describe::Description;

/// Keys that differ in a whole number alone are more than so many before
/// somebody is told: layers and experts have numbers as well.
const MANY: usize = 3;

/// Notes on a detector, from all of its cases and what came of them.
#[must_use]
pub fn notes(description: &Description, tried: &[(&Case, &Tried)]) -> Vec<String> {
    let keys: BTreeSet<&str> = tried
        .iter()
        .flat_map(|(_, tried)| tried.keys.iter().map(String::as_str))
        .collect();
    let mut notes = changing_keys(&keys);
    let failed = tried.iter().any(|(_, tried)| tried.failed());
    if keys.is_empty() && !tried.is_empty() && !failed {
        notes.push("no case makes it fire: a detector that finds nothing passes them all".into());
    }
    for (case, tried) in tried {
        if tried.empty {
            notes.push(format!(
                "case `{}`: no line of its input is a record; `runwatch decode {}` shows what is read",
                case.name,
                case.input.display()
            ));
        } else if tried.points == 0 {
            notes.push(format!(
                "case `{}`: its input has nothing that the detector asks for",
                case.name
            ));
        }
    }
    let is_set = |name: &str| {
        let given = tried.iter().flat_map(|(case, _)| &case.parameters);
        given.into_iter().any(|given| given.name == name)
    };
    let unset: Vec<&str> = description
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .filter(|name| !is_set(name))
        .collect();
    if !unset.is_empty() && !tried.is_empty() {
        notes.push(format!(
            "no case sets {}: a `config.toml` beside its input does",
            crate::config::list_names(unset)
        ));
    }
    notes
}

/// Keys that hold how much it is: each makes a trouble of its own, and an alert.
fn changing_keys(keys: &BTreeSet<&str>) -> Vec<String> {
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for key in keys {
        let (shape, fraction) = shape(key);
        // A fraction is no name, so that two are enough.
        let shape = if fraction { shape + "." } else { shape };
        alike.entry(shape).or_default().push(key);
    }
    let suspect = |(shape, keys): &(String, Vec<&str>)| {
        keys.len() > if shape.ends_with('.') { 1 } else { MANY }
    };
    let note = |(_, keys): (String, Vec<&str>)| {
        let (first, second) = (keys.first().copied(), keys.get(1).copied());
        format!(
            "the keys `{}` and `{}` differ in a number: a key says what is wrong, not how much, \
             or each number is an alert of its own",
            first.unwrap_or_default(),
            second.unwrap_or_default()
        )
    };
    alike.into_iter().filter(suspect).map(note).collect()
}

/// A key with `#` for each number, and whether one of them is a fraction.
fn shape(key: &str) -> (String, bool) {
    let mut shape = String::new();
    let mut fraction = false;
    let mut rest = key;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let end = number.find(|c| !is_part(c)).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        fraction |= number.trim_end_matches('.').contains('.');
        shape.push_str(before);
        shape.push('#');
        rest = after;
    }
    shape.push_str(rest);
    (shape, fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: &[&str]) -> usize {
        changing_keys(&keys.iter().copied().collect()).len()
    }

    #[test]
    fn a_key_that_says_how_much_is_noted() {
        assert_eq!(found(&["x-1.2", "x-1.3"]), 1);
        assert_eq!(found(&["at 1", "at 2", "at 3", "at 4"]), 1);
    }

    #[test]
    fn names_with_numbers_are_left_alone() {
        assert_eq!(found(&["x", "y"]), 0);
        assert_eq!(found(&["expert/0", "expert/1"]), 0);
        assert_eq!(found(&["grad.3/high", "loss/high"]), 0);
    }
}
