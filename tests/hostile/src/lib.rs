//! A detector that breaks the contract in every way it can, on request.
//!
//! The parameter `does` names the misdeed, `where` the call in which it
//! happens, and `when` the step at which `observe` strikes. Until then, and
//! with `does = nothing`, it is a well-behaved detector with state: it adds up
//! what it sees and reports every value above ten.
//!
//! `describe` comes before any parameter. What it does is told by [`SWITCH`],
//! which the tests overwrite in the component's bytes.

mod misdeeds;

use std::cell::RefCell;

mod bindings {
    #![allow(missing_docs, unreachable_pub)]
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "detector-component",
    });
}

use bindings::exports::runwatch::detector::detector as contract;
use bindings::runwatch::detector::types::Parameter;
use contract::{Finding, Interest, Series, Text};

/// What `describe` does; the tests patch this text.
#[used]
static SWITCH: [u8; 40] = *b"hostile-switch:normal                   ";

fn switch() -> String {
    // Volatile: the optimiser must not fold the text that the tests patch.
    let bytes = unsafe { std::ptr::read_volatile(&raw const SWITCH) };
    String::from_utf8_lossy(&bytes)
        .trim_start_matches("hostile-switch:")
        .trim_end()
        .to_owned()
}

struct Component;

/// What the well-behaved part remembers, and what the other part has been told.
#[derive(Default)]
struct State {
    sum: f64,
    does: String,
    call: String,
    when: i64,
    opened: Option<std::time::Instant>,
    lied: bool,
}

struct Monitor(RefCell<State>);

impl State {
    /// Commits the misdeed if it belongs into this call.
    fn strike(&self, call: &str) -> Option<Vec<Finding>> {
        if self.call != call {
            return None;
        }
        misdeeds::commit(&self.does);
        Some(misdeeds::findings(&self.does, self.opened, 0))
    }
}

impl contract::Guest for Component {
    type Monitor = Monitor;

    fn describe() -> contract::Description {
        let text = |text: &str| text.to_owned();
        let parameter = |name: &str, kind: &str, default: &str| Parameter {
            name: text(name),
            kind: text(kind),
            default: text(default),
            unit: String::new(),
            doc: text("See tests/hostile."),
            limits: Vec::new(),
        };
        let mut description = contract::Description {
            name: text("hostile"),
            version: text("0.1.0"),
            summary: text("Breaks the contract on request"),
            parameters: vec![
                parameter("does", "text", "nothing"),
                parameter("where", "text", "observe"),
                parameter("when", "integer", "0"),
            ],
            facts: Vec::new(),
        };
        match switch().as_str() {
            "describe-name" => description.name = text("Not A Name"),
            "describe-no-name" => description.name.clear(),
            "describe-control" => description.name = text("evil\u{1b}[2J"),
            "describe-no-summary" => description.summary = text("  "),
            "describe-kind" => description.parameters[0].kind = text("secret"),
            "describe-parameter" => description.parameters[1].name = text("Where?"),
            "describe-flood" => description.summary = misdeeds::long_text(8 << 20),
            misdeed => {
                if let Some(misdeed) = misdeed.strip_prefix("describe-") {
                    misdeeds::commit(misdeed);
                }
            }
        }
        description
    }
}

impl contract::GuestMonitor for Monitor {
    fn open(
        _run: Vec<(String, String)>,
        parameters: Vec<(String, String)>,
    ) -> Result<contract::Monitor, String> {
        let mut state = State {
            call: "observe".to_owned(),
            ..State::default()
        };
        for (name, value) in parameters {
            match name.as_str() {
                "does" => state.does = value,
                "where" => state.call = value,
                "when" => state.when = value.parse().map_err(|_| "`when` is no step".to_owned())?,
                _ => return Err(format!("there is no parameter `{name}`")),
            }
        }
        if state.does == "std" {
            state.opened = Some(std::time::Instant::now());
        }
        if state.does == "refuse" {
            return Err("I cannot use these parameters".to_owned());
        }
        state.strike("open");
        Ok(contract::Monitor::new(Self(RefCell::new(state))))
    }

    fn interests(&self) -> Vec<Interest> {
        let state = self.0.borrow();
        state.strike("interests");
        let interest = |kind: &str, pattern: &str| Interest {
            kind: kind.to_owned(),
            pattern: pattern.to_owned(),
            options: Vec::new(),
        };
        match state.does.as_str() {
            "garbage-interests" => vec![
                interest("", ""),
                interest("telepathy", "*"),
                interest("metric", &"*".repeat(100_000)),
                interest("metric", "\u{0}\u{1b}[2J\u{202e}"),
                interest("tick", "-1"),
                interest("tick", "NaN"),
                interest("tick", "soon"),
                interest("text", ""),
            ],
            "big-interests" => vec![interest("metric", &misdeeds::long_text(8 << 20))],
            "many-interests" => (0..200_000).map(|_| interest("metric", "*")).collect(),
            _ => vec![interest("metric", "*")],
        }
    }

    fn define(&self, _series: Vec<Series>) {
        self.0.borrow().strike("define");
    }

    fn observe(
        &self,
        steps: Vec<i64>,
        _times: Vec<f64>,
        _ranks: Vec<u32>,
        _indices: Vec<u32>,
        rows: Vec<u32>,
        values: Vec<f64>,
        _texts: Vec<Text>,
    ) -> Vec<Finding> {
        let mut state = self.0.borrow_mut();
        let mut findings = Vec::new();
        if state.lied {
            return misdeeds::findings("bad-severity", None, 0);
        }
        for (&row, &value) in rows.iter().zip(&values) {
            let step = steps[row as usize];
            state.sum += value;
            if value > 10.0 {
                let mut message = format!("{value} at step {step}, {} so far", state.sum);
                if state.does == "batches" {
                    // What nobody can promise: how many rows come at once.
                    message = format!("{message}, in {} rows", steps.len());
                }
                findings.push(Finding {
                    message,
                    row,
                    ..misdeeds::good_finding()
                });
            }
        }
        if state.call == "observe"
            && let Some(row) = steps.iter().position(|&step| step == state.when)
        {
            misdeeds::commit(&state.does);
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            findings.extend(misdeeds::findings(&state.does, state.opened, row));
        }
        findings
    }

    fn tick(&self, _now: f64) -> Vec<Finding> {
        self.0.borrow().strike("tick").unwrap_or_default()
    }

    fn finish(&self, _outcome: String) -> Vec<Finding> {
        self.0.borrow().strike("finish").unwrap_or_default()
    }

    fn save(&self) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        state.strike("save");
        match state.does.as_str() {
            "no-state" => None,
            "big-state" => Some(vec![7; 100 << 20]),
            _ => Some(state.sum.to_le_bytes().to_vec()),
        }
    }

    fn restore(&self, bytes: Vec<u8>) -> Result<(), String> {
        let mut state = self.0.borrow_mut();
        state.strike("restore");
        match state.does.as_str() {
            "restore-error" => return Err("not mine".to_owned()),
            // Says that all is well and is not.
            "restore-lie" => state.lied = true,
            // Says so as well, and starts cold.
            "forget" => {}
            _ => {
                let bytes = bytes.try_into().map_err(|_| "not 8 bytes".to_owned())?;
                state.sum = f64::from_le_bytes(bytes);
            }
        }
        Ok(())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.0.borrow().strike("close");
    }
}

bindings::export!(Component with_types_in bindings);
