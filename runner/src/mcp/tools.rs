//! Tools: how they are described to a client, and what calling one gives.

use serde_json::{Map, Value, json};

use super::Server;
use super::arguments::{Arguments, Refusal};
use super::protocol::{Error, INVALID_PARAMS};
use super::table::TOOLS;
use crate::deliver::text::clean;
use crate::ledger::Ledger;
use crate::suggest::did_you_mean;

/// The longest answer, in bytes of JSON. A model pays for each.
const LONGEST: usize = 256 << 10;

/// Something that an agent may ask for.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// For models: what it gives, and when to use it.
    pub(super) description: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) effect: Effect,
    pub(super) run: fn(&Call<'_>) -> Result<Value, Refusal>,
}

/// What a tool does to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It reads.
    None,
    /// It adds.
    Adds,
    /// After it, somebody may not hear of something.
    Hides,
}

/// Something that a tool takes.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) doc: &'static str,
    pub(super) required: bool,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A text that is a moment.
    Time,
    Texts,
    Flag,
    /// Any integer.
    Step,
    /// How many of something.
    Count {
        usual: usize,
        most: usize,
    },
    /// A number that is not negative.
    Size,
    Choice(&'static [&'static str]),
}

/// A tool that is called.
pub(super) struct Call<'a> {
    pub(super) server: &'a Server,
    pub(super) tool: &'static Tool,
    pub(super) arguments: Arguments<'a>,
    pub(super) ledger: Ledger,
}

impl Call<'_> {
    /// How many of something are wanted.
    pub(super) fn count(&self, name: &str) -> usize {
        self.arguments.count(self.tool, name)
    }
}

impl Tool {
    pub(super) fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|it| it.name == name)
    }

    fn is_offered(&self, server: &Server) -> bool {
        self.effect == Effect::None || server.may_silence
    }

    fn description(&self) -> Value {
        let properties: Map<String, Value> = self
            .parameters
            .iter()
            .map(|it| (it.name.to_owned(), it.kind.schema(it.doc)))
            .collect();
        let required = self.parameters.iter().filter(|it| it.required);
        let required: Vec<&str> = required.map(|it| it.name).collect();
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            },
            "annotations": {
                "title": self.title,
                "readOnlyHint": self.effect == Effect::None,
                "destructiveHint": self.effect == Effect::Hides,
                "idempotentHint": self.effect != Effect::Hides,
                "openWorldHint": false,
            },
        })
    }
}

/// The tools of a server, always in the same order.
pub(super) fn list(server: &Server) -> Vec<Value> {
    let offered = TOOLS.iter().filter(|tool| tool.is_offered(server));
    offered.map(Tool::description).collect()
}

/// Calls a tool. What it could not do is a result too, which says so.
pub(super) fn call(server: &Server, params: &Map<String, Value>) -> Result<Value, Error> {
    let wrong = |why: String| Error::new(INVALID_PARAMS, why);
    let Some(name) = params.get("name").and_then(Value::as_str) else {
        return Err(wrong("`name` must be a text".to_owned()));
    };
    let tool = find(server, name).map_err(wrong)?;
    let none = Map::new();
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(wrong("`arguments` must be an object".to_owned())),
    };
    Ok(match outcome(server, tool, arguments) {
        Ok(answer) => result(&answer, false),
        Err(Refusal { error, hint }) => {
            result(&cleaned(json!({ "error": error, "hint": hint })), true)
        }
    })
}

fn find(server: &Server, name: &str) -> Result<&'static Tool, String> {
    match TOOLS.iter().find(|tool| tool.name == name) {
        Some(tool) if tool.is_offered(server) => Ok(tool),
        Some(_) => Err(format!(
            "the tool `{name}` is not offered: a person may start the server with `runwatch mcp \
             --allow-silence`"
        )),
        None => {
            let names = TOOLS.iter().map(|tool| tool.name);
            let meant = did_you_mean(name, names).unwrap_or_default();
            let unknown = format!("there is no tool `{name}` {meant}");
            Err(unknown.trim_end().to_owned())
        }
    }
}

/// Both forms of an answer: for clients that read structure, and for those that
/// show text.
fn result(answer: &Value, is_error: bool) -> Value {
    json!({
        "content": [{ "type": "text", "text": answer.to_string() }],
        "structuredContent": answer,
        "isError": is_error,
    })
}

fn outcome(
    server: &Server,
    tool: &'static Tool,
    arguments: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let arguments = Arguments::check(tool, arguments)?;
    let is_there = std::fs::metadata(&server.ledger).is_ok_and(|file| file.len() > 0);
    let ledger = match tool.effect {
        _ if !is_there => Ledger::in_memory()?,
        Effect::None => Ledger::open_read_only(&server.ledger)?,
        Effect::Adds | Effect::Hides => Ledger::open(&server.ledger)?,
    };
    let missing = format!(
        "there is no ledger `{}` yet: a watch makes it (`python train.py 2>&1 | runwatch`); if it \
         is elsewhere, a person may start the server with `runwatch mcp --ledger PATH`",
        server.ledger.display()
    );
    if !is_there && tool.effect != Effect::None {
        return Err(Refusal::new(missing));
    }
    let call = Call {
        server,
        tool,
        arguments,
        ledger,
    };
    let answer = (tool.run)(&call);
    if is_there {
        return short_enough(cleaned(answer?));
    }
    // Nothing was found, and this is why.
    let mut answer = answer.map_err(|refusal| refusal.hint(&missing))?;
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("note".to_owned(), missing.into());
    }
    Ok(cleaned(answer))
}

fn short_enough(answer: Value) -> Result<Value, Refusal> {
    let length = answer.to_string().len();
    if length <= LONGEST {
        return Ok(answer);
    }
    let error = format!("the answer has {length} bytes; at most {LONGEST} are given");
    Err(Refusal::new(error).hint("ask for less: a lower limit, fewer points, a narrower window"))
}

/// The answer with what could drive a terminal or hide text made visible.
fn cleaned(answer: Value) -> Value {
    match answer {
        Value::String(text) => clean(&text).into(),
        Value::Array(values) => values.into_iter().map(cleaned).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (clean(&name).into_owned(), cleaned(value)))
                .collect()
        }
        other => other,
    }
}
