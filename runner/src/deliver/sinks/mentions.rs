//! People whom the operator wants called. Nothing in a log can call anyone:
//! only the setting `mention` does, and only for what is critical now.

use crate::alert::Severity;
use crate::deliver::{Message, Settings};

/// Characters of a name.
pub(super) const NAME_CHARS: usize = 64;

/// The setting `mention`.
pub(super) struct Mentions(Vec<String>);

impl Mentions {
    /// At most `most` names of letters, digits and `@ . _ + -`, so that they
    /// fit into any markup. `what` says what the service knows people by.
    pub(super) fn new(settings: &Settings, most: usize, what: &str) -> Result<Self, String> {
        let names = settings.list("mention");
        let fits = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
        let is_name =
            |name: &&String| !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(fits);
        if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
            return Err(format!("`mention` takes {what}, not `{wrong}`"));
        }
        if names.len() > most {
            return Err(format!("`mention` takes {most} names at most"));
        }
        Ok(Self(names))
    }

    /// Whom this message calls.
    pub(super) fn of(&self, message: &Message) -> &[String] {
        if message.fires() && message.severity() == Severity::Critical {
            &self.0
        } else {
            &[]
        }
    }
}
