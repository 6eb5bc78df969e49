//! The tools: what they are called, what they say of themselves, what they
//! take. Schemas and checks come from this table.

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, Refusal};
use super::protocol::{Error, INVALID_PARAMS};
use super::{Server, alerts, query, runs, silences};
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
    title: &'static str,
    /// For models: what it gives, and when to use it.
    description: &'static str,
    pub(super) parameters: &'static [Parameter],
    effect: Effect,
    run: fn(&Call<'_>) -> Result<Value, Refusal>,
}

/// What a tool does to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
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

const fn may(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        doc,
        required: false,
    }
}

const fn must(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        doc,
        required: true,
    }
}

const LEVELS: Kind = Kind::Choice(&["info", "warning", "critical", "warn", "error"]);

const fn limit(usual: usize, most: usize) -> Parameter {
    may("limit", Kind::Count { usual, most }, "At most so many")
}

const RUN: Parameter = must("run", Kind::Text, "The run, as `list_runs` names it");
const PROJECT: Parameter = may(
    "project",
    Kind::Text,
    "The project; needed only where several projects have a run of this name",
);
const AROUND: Parameter = may("around", Kind::Step, "Values around this training step");
const AT_TIME: Parameter = may(
    "at_time",
    Kind::Time,
    "Values around this time: 2026-11-22T18:00:00Z, or 2h for two hours ago",
);
const WINDOW: Parameter = may(
    "window",
    Kind::Size,
    "How far around: steps with `around`, seconds with `at_time`; 10 unless said",
);
const STEP: Parameter = may("step", Kind::Step, "Values of this training step alone");
const OF_PROJECT: Parameter = may("project", Kind::Text, "Of this project");
const OF_RUN: Parameter = may("run", Kind::Text, "Of this run");
const OF_DETECTOR: Parameter = may("detector", Kind::Text, "Of this detector");
const LEVEL: Parameter = may("level", LEVELS, "At least so severe");
const SINCE: Parameter = may(
    "since",
    Kind::Time,
    "Written down from this time on: 2026-11-22T18:00:00Z, or 2h for two hours ago",
);
const UNTIL: Parameter = may("until", Kind::Time, "Written down before this time");

static TOOLS: &[Tool] = &[
    Tool {
        name: "list_runs",
        title: "List runs",
        description: "Training runs that runwatch has seen, the one heard of last coming first: \
            project, run, state (live, ended, or unknown when nobody knows how it ended), first and \
            last step, number of records and metrics, alerts counted by severity, findings that \
            were muted. Start here to learn the names of runs, or to find one to compare with.",
        parameters: &[
            OF_PROJECT,
            may(
                "state",
                Kind::Choice(&["live", "ended", "unknown"]),
                "In this state",
            ),
            may("text", Kind::Text, "Whose name has this in it, in any case"),
            limit(20, 500),
        ],
        effect: Effect::None,
        run: runs::list,
    },
    Tool {
        name: "list_metrics",
        title: "List metrics of a run",
        description: "The metrics of one run, with how many values each had, how many were not \
            finite, first and last step, first and last value, lowest and highest finite value. \
            `name` is as the job printed it and names the metric in other tools; `canonical` is \
            what runwatch takes it for (loss, grad_norm, lr, …) and serves as well.",
        parameters: &[
            RUN,
            PROJECT,
            may("text", Kind::Text, "Whose name has this in it, in any case"),
            limit(50, 1000),
        ],
        effect: Effect::None,
        run: runs::metrics,
    },
    Tool {
        name: "get_metric",
        title: "Values of a metric",
        description: "The values of one metric by training step, in the order in which they were \
            logged, of the whole run or of a window (one of step, around, at_time, from_step and \
            to_step). `rows` is how many there are; where they are more than `points`, they are \
            thinned (`thinned`): the extremes of every stretch stay, and the first value that is not \
            finite, so that no spike is lost. `summary` is of all rows of the window. Values have \
            six significant digits.",
        parameters: &[
            RUN,
            must(
                "metric",
                Kind::Text,
                "The metric's name, printed or canonical",
            ),
            PROJECT,
            STEP,
            AROUND,
            AT_TIME,
            WINDOW,
            may("from_step", Kind::Step, "From this training step on"),
            may("to_step", Kind::Step, "Up to this training step, inclusive"),
            may(
                "points",
                Kind::Count {
                    usual: 100,
                    most: 5000,
                },
                "About so many values at most",
            ),
            may(
                "times",
                Kind::Flag,
                "Also the time of each value, in seconds since 1970; null where not known",
            ),
        ],
        effect: Effect::None,
        run: runs::metric,
    },
    Tool {
        name: "get_snapshot",
        title: "All metrics at a moment",
        description: "What all metrics of a run did around a training step or a time; without \
            either, at its last steps. Use it on the step of an alert, to see what else moved and \
            what moved first. Each metric has its values in the window, by step, thinned to \
            `points` with extremes kept; `silent` names metrics without a value in it.",
        parameters: &[
            RUN,
            PROJECT,
            STEP,
            AROUND,
            AT_TIME,
            WINDOW,
            may("text", Kind::Text, "Only metrics whose name has this in it"),
            may(
                "points",
                Kind::Count {
                    usual: 11,
                    most: 500,
                },
                "About so many values each",
            ),
            may(
                "limit",
                Kind::Count {
                    usual: 30,
                    most: 500,
                },
                "At most so many metrics",
            ),
        ],
        effect: Effect::None,
        run: runs::snapshot,
    },
    Tool {
        name: "list_alerts",
        title: "List alerts",
        description: "Alerts, the newest first, in brief: id, severity (info: worth knowing, \
            warning: look when you can, critical: look now), state (firing, or resolved when the \
            trouble is over), run, training step, detector, title, and who has acknowledged it. \
            `get_alert` has the rest. To poll, pass the highest `seq` you know as `after`. Where \
            `more` is true, pass the lowest `seq` as `before` for older ones.",
        parameters: &[
            OF_PROJECT,
            OF_RUN,
            OF_DETECTOR,
            LEVEL,
            may(
                "state",
                Kind::Choice(&["firing", "resolved"]),
                "In this state when written",
            ),
            may(
                "text",
                Kind::Text,
                "With this in title, message, detector or run, in any case",
            ),
            SINCE,
            UNTIL,
            may("before", Kind::Step, "With a lower `seq`"),
            may("after", Kind::Step, "With a higher `seq`"),
            limit(20, 200),
        ],
        effect: Effect::None,
        run: alerts::list,
    },
    Tool {
        name: "get_alert",
        title: "One alert in full",
        description: "All that is known of one alert: message with numbers, recommendation (what \
            to do about it, read this first), values, where it was seen, how the metric came there \
            (`recent`), who acknowledged it, and its deliveries: whom it was sent to and whether \
            it arrived. `newest` is the latest alert about the same trouble: when it is resolved, \
            the trouble is over.",
        parameters: &[must("id", Kind::Text, "The alert's id, or how it begins")],
        effect: Effect::None,
        run: alerts::get,
    },
    Tool {
        name: "list_deliveries",
        title: "List deliveries",
        description: "What became of alerts at the sinks (Slack, e-mail, …), the newest first: \
            state (delivered or accepted: it arrived; pending, held, sending: on its way; dead, \
            expired, dropped: it did not arrive; suppressed: muted on purpose), the reason, and \
            each attempt. Use it to find out whether people were told.",
        parameters: &[
            OF_PROJECT,
            OF_RUN,
            OF_DETECTOR,
            LEVEL,
            may("sink", Kind::Text, "To this sink"),
            may(
                "state",
                Kind::Choice(&alerts::STATES),
                "That stand like this",
            ),
            SINCE,
            UNTIL,
            limit(20, 200),
        ],
        effect: Effect::None,
        run: alerts::deliveries,
    },
    Tool {
        name: "list_silences",
        title: "List silences",
        description: "Silences and acknowledgements: alerts that people do not want to be sent for \
            a while, by which matchers, until when, who made them and why. Silenced alerts are \
            still raised and listed.",
        parameters: &[
            may("ended", Kind::Flag, "Those that have ended, too"),
            limit(50, 500),
        ],
        effect: Effect::None,
        run: silences::list,
    },
    Tool {
        name: "query",
        title: "Ask in SQL",
        description: "Answers one SELECT of SQLite over the ledger, for questions that no other \
            tool answers. It cannot change anything; at most 5 seconds. Tables: run (id, project, \
            run, made, seen, ended, rows, first_step, last_step); metric (run: run.id, source: \
            printed name, name: canonical, rows, nonfinite, first_step, last_step, first, last, low, \
            high); alert (seq, id, project, run, detector, fingerprint, episode, severity: 0 info, 1 \
            warning, 2 critical, firing, step, made, body: JSON, as in body ->> 'title'); muted; \
            delivery; attempt; sink; silence. Times in them are milliseconds since 1970. The view \
            history (project, run, metric, step, time: seconds since 1970, rank, value: a number, or \
            the text NaN, Infinity or -Infinity) has every value that is kept: always name project, \
            run and metric in its WHERE.",
        parameters: &[
            must("sql", Kind::Text, "A SELECT"),
            may(
                "limit",
                Kind::Count {
                    usual: 100,
                    most: 1000,
                },
                "At most so many rows",
            ),
        ],
        effect: Effect::None,
        run: query::query,
    },
    Tool {
        name: "acknowledge",
        title: "Acknowledge an alert",
        description: "Tells people that somebody is looking into the trouble of an alert: its \
            reminders stop until it is resolved, which is still told. Use it once you have begun to \
            act, and say in the comment what you found and do.",
        parameters: &[
            must("id", Kind::Text, "The alert's id, or how it begins"),
            must(
                "comment",
                Kind::Text,
                "What you know and do about it, for people to read",
            ),
        ],
        effect: Effect::Adds,
        run: silences::acknowledge,
    },
    Tool {
        name: "silence",
        title: "Silence alerts",
        description: "Keeps warnings and infos from being sent to people for at most a day; they \
            are still raised and listed, and criticals are always sent. Name at least one of \
            project, run, detector, key: all that are named must fit. Only for alerts that a person \
            has called noise, or of an experiment of your own.",
        parameters: &[
            OF_PROJECT,
            OF_RUN,
            OF_DETECTOR,
            may("key", Kind::Text, "About this, as an alert's `key`"),
            must("for", Kind::Text, "How long: 30m, 2h, 1d; at most 1d"),
            must("comment", Kind::Text, "Why, for people to read"),
        ],
        effect: Effect::Hides,
        run: silences::silence,
    },
    Tool {
        name: "unsilence",
        title: "End a silence",
        description: "Ends a silence or takes back an acknowledgement, so that people are told \
            again. End only what you have made yourself, or were asked to end.",
        parameters: &[must("id", Kind::Text, "The silence's id, or how it begins")],
        effect: Effect::Adds,
        run: silences::unsilence,
    },
];
