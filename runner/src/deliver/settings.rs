//! What the configuration says of a sink, checked against what its type takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::Secret;

/// A setting of a type of sink.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether there is no sink without it.
    pub required: bool,
    /// What it is, in a sentence for the reference.
    pub doc: &'static str,
}

impl Key {
    /// A setting that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, takes: Takes, doc: &'static str) -> Self {
        Self {
            name,
            takes,
            required: false,
            doc,
        }
    }

    /// A setting that must be there.
    #[must_use]
    pub const fn required(name: &'static str, takes: Takes, doc: &'static str) -> Self {
        Self {
            name,
            takes,
            required: true,
            doc,
        }
    }
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A reference to a secret: `env:…`, `file:…`, `cmd:…`.
    Secret,
    /// An address: a reference, or the address itself if there is nothing in
    /// it that looks like a token.
    Address,
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A switch.
    Boolean,
    /// Texts.
    List,
    /// Names with texts or references to secrets, such as headers.
    Pairs,
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Of [`Takes::Text`] and [`Takes::Word`].
    Text(String),
    /// Of [`Takes::Secret`] and [`Takes::Address`].
    Secret(Arc<Secret>),
    /// Of [`Takes::Integer`].
    Integer(i64),
    /// Of [`Takes::Boolean`].
    Boolean(bool),
    /// Of [`Takes::List`].
    List(Vec<String>),
    /// Of [`Takes::Pairs`].
    Pairs(Vec<(String, Arc<Secret>)>),
}

/// The settings of one sink: every value fits its key, and what is required
/// is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    values: BTreeMap<String, Given>,
}

impl Settings {
    /// Settings with these values.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, Given)>) -> Self {
        Self {
            values: values.into_iter().collect(),
        }
    }

    /// The text of a setting.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key)? {
            Given::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The path that a text setting names; `~/` is the home directory.
    #[must_use]
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        Some(match text.strip_prefix("~/").zip(home()) {
            Some((rest, home)) => home.join(rest),
            None => PathBuf::from(text),
        })
    }

    /// The secret or address of a setting.
    #[must_use]
    pub fn secret(&self, key: &str) -> Option<Arc<Secret>> {
        match self.values.get(key)? {
            Given::Secret(secret) => Some(Arc::clone(secret)),
            _ => None,
        }
    }

    /// The secret or address of a setting that is required: there is one.
    #[must_use]
    pub fn needed(&self, key: &str) -> Arc<Secret> {
        self.secret(key)
            .unwrap_or_else(|| Arc::new(Secret::literal("")))
    }

    /// The number of a setting.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.values.get(key)? {
            Given::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The switch of a setting.
    #[must_use]
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.values.get(key)? {
            Given::Boolean(on) => Some(*on),
            _ => None,
        }
    }

    /// The texts of a setting; none if it is not set.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.values.get(key) {
            Some(Given::List(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    /// The names and values of a setting; none if it is not set.
    #[must_use]
    pub fn pairs(&self, key: &str) -> Vec<(String, Arc<Secret>)> {
        match self.values.get(key) {
            Some(Given::Pairs(pairs)) => pairs.clone(),
            _ => Vec::new(),
        }
    }

    /// Every secret, with the setting that names it: to see at start that each
    /// can be read.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.values.iter().flat_map(|(key, given)| {
            let secrets: Vec<_> = match given {
                Given::Secret(secret) => vec![secret.as_ref()],
                Given::Pairs(pairs) => pairs.iter().map(|(_, secret)| secret.as_ref()).collect(),
                _ => Vec::new(),
            };
            secrets
                .into_iter()
                .map(move |secret| (key.as_str(), secret))
        })
    }
}
