//! The tools: what they are called, what they say of themselves, what they
//! take. Schemas and checks come from this table.

use super::tools::{Effect, Kind, Parameter, Tool};
use super::{alerts, health, query, runs, silences};

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

pub(super) static TOOLS: &[Tool] = &[
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
        name: "diagnose",
        title: "Health of a run",
        description: "A run on one page: health (critical, warning, healthy, by the alerts that \
            fired, also those that are over), the most severe alerts with what to do about each, \
            and its metrics in a few numbers: min, max, mean, std, first, last, trend. Use it to \
            get to know a run, or to report on one.",
        parameters: &[
            RUN,
            PROJECT,
            may(
                "limit",
                Kind::Count {
                    usual: 10,
                    most: 100,
                },
                "At most so many alerts",
            ),
            may(
                "metrics",
                Kind::Count {
                    usual: 30,
                    most: 500,
                },
                "At most so many metrics",
            ),
        ],
        effect: Effect::None,
        run: health::diagnose,
    },
    Tool {
        name: "compare_runs",
        title: "Compare runs",
        description: "Runs side by side, their metrics aligned by training step, each held against \
            the first: whether it is the same, stays apart (`from_step`, and above or below), or \
            cannot be told apart from it; `only_one_from`: since when only one has a number. Use it to find out since when a run goes another way than \
            an earlier one that went well; name that first. Of large runs name the metrics.",
        parameters: &[
            must(
                "runs",
                Kind::Texts,
                "Two or more runs, by name or as PROJECT/RUN",
            ),
            may("project", Kind::Text, "The project of runs that name none"),
            may(
                "metrics",
                Kind::Texts,
                "Only these metrics, printed or canonical; else all that the first shares with \
                 another",
            ),
            may(
                "limit",
                Kind::Count {
                    usual: 20,
                    most: 200,
                },
                "At most so many metrics",
            ),
        ],
        effect: Effect::None,
        run: health::compare,
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
                Kind::Choice(&crate::ledger::STATES),
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
