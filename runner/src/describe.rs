//! What a detector says about itself, on the host's side of the contract.

/// A detector's description; see `wit/` for the meaning of each field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Lower-case words joined by `-`.
    pub name: String,
    /// The detector's own version.
    pub version: String,
    /// One line: what it finds.
    pub summary: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Further facts, such as `doc`.
    pub facts: Vec<(String, String)>,
}

/// One setting of a detector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    /// The name in the config file.
    pub name: String,
    /// `number`, `integer`, `boolean`, `text` or `list`.
    pub kind: String,
    /// The default, as the user would write it.
    pub default: String,
    /// The unit, for people.
    pub unit: String,
    /// One sentence.
    pub doc: String,
    /// `min`, `max`, `choices`.
    pub limits: Vec<(String, String)>,
}

/// Something a monitor wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// `metric`, `label`, `text`, `exception` or `tick`.
    pub kind: String,
    /// A name, a glob, a needle or a number of seconds.
    pub pattern: String,
    /// Options, by kind.
    pub options: Vec<(String, String)>,
}

/// The kinds a parameter can have.
pub const KINDS: [&str; 5] = ["number", "integer", "boolean", "text", "list"];

impl Description {
    /// Checks the form of a description that nobody has checked.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!(
                "`{}` is no name: use lower-case words joined by `-`",
                self.name.escape_debug()
            ));
        }
        if self.summary.trim().is_empty() {
            return Err("it has no summary".to_owned());
        }
        for parameter in &self.parameters {
            if !is_name(&parameter.name) {
                return Err(format!(
                    "`{}` is no parameter name",
                    parameter.name.escape_debug()
                ));
            }
            if !KINDS.contains(&parameter.kind.as_str()) {
                return Err(format!(
                    "parameter `{}` has the kind `{}`, not one of {}",
                    parameter.name,
                    parameter.kind.escape_debug(),
                    KINDS.join(", ")
                ));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(inner)
}
