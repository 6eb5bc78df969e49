//! The conditions of rules: expressions of the Common Expression Language,
//! checked and compiled to the words that the detector `rule` runs.
//!
//! docs/rules.md has the language for users. The parser is a library; what is
//! here is which names and functions there are, and of what kind each is.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators as op};
use cel::parser::Parser;

use crate::suggest::did_you_mean;

/// What an expression yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Yields {
    Number,
    Truth,
    Text,
}

impl Yields {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::Text => "a text",
        }
    }
}

/// A compiled expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compiled {
    /// The words.
    pub(super) program: String,
    /// What they yield.
    pub(super) yields: Yields,
    /// The metrics it names.
    pub(super) metrics: Vec<String>,
    /// Whether it names a metric or a label, without which nothing is ever asked.
    pub(super) depends: bool,
}

/// Where an expression is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The column in characters, from 1.
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The longest expression in bytes.
const LONGEST: usize = 4096;

/// The longest window, which bounds what the detector keeps.
const WINDOW: i64 = 256;

/// Statistics of a window: `mean(loss, 50)`, or `loss.mean(50)`.
const WINDOWED: [&str; 7] = ["mean", "min", "max", "std", "median", "slope", "change"];

/// Functions of a number, and what they are called in a program.
const OF_NUMBER: [(&str, &str, Yields); 6] = [
    ("abs", "abs", Yields::Number),
    ("log", "log", Yields::Number),
    ("exp", "exp", Yields::Number),
    ("sqrt", "sqrt", Yields::Number),
    ("isNaN", "isnan", Yields::Truth),
    ("isFinite", "isfinite", Yields::Truth),
];

/// Functions of a name.
const OF_NAME: [&str; 4] = ["metric", "label", "age", "known"];

/// Operators, their words, and what they take and yield.
#[rustfmt::skip]
const OPERATORS: [(&str, &str, Yields, Yields); 11] = [
    (op::ADD, "+", Yields::Number, Yields::Number),
    (op::SUBSTRACT, "-", Yields::Number, Yields::Number),
    (op::MULTIPLY, "*", Yields::Number, Yields::Number),
    (op::DIVIDE, "/", Yields::Number, Yields::Number),
    (op::MODULO, "%", Yields::Number, Yields::Number),
    (op::LESS, "<", Yields::Number, Yields::Truth),
    (op::LESS_EQUALS, "<=", Yields::Number, Yields::Truth),
    (op::GREATER, ">", Yields::Number, Yields::Truth),
    (op::GREATER_EQUALS, ">=", Yields::Number, Yields::Truth),
    (op::LOGICAL_AND, "and", Yields::Truth, Yields::Truth),
    (op::LOGICAL_OR, "or", Yields::Truth, Yields::Truth),
];

/// Compiles an expression.
///
/// # Errors
/// The first mistake, with its column.
pub(super) fn compile(source: &str) -> Result<Compiled, Mistake> {
    if source.len() > LONGEST {
        let message = format!("the expression is longer than {LONGEST} bytes");
        return Err(Mistake {
            column: 1,
            message,
            hint: None,
        });
    }
    let (tree, places) = Parser::new()
        .parse_with_source_info(source)
        .map_err(|errors| {
            let first = errors.errors.first();
            let position = first.map_or(0, |error| error.pos.1);
            let text = first.map_or("it cannot be read", |error| error.msg.as_str());
            Mistake {
                column: usize::try_from(position).unwrap_or_default().max(1),
                message: plain(text),
                hint: None,
            }
        })?;
    let mut compiler = Compiler {
        source,
        places: &places,
        words: Vec::new(),
        metrics: Vec::new(),
        depends: false,
    };
    let yields = compiler.expression(&tree)?;
    Ok(Compiled {
        program: compiler.words.join(" "),
        yields,
        metrics: compiler.metrics,
        depends: compiler.depends,
    })
}

/// The parser's message without its list of every token there is.
fn plain(message: &str) -> String {
    let message = message.split(" expecting ").next().unwrap_or(message);
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    message.replace('\'', "`")
}

struct Compiler<'a> {
    source: &'a str,
    places: &'a SourceInfo,
    words: Vec<String>,
    metrics: Vec<String>,
    depends: bool,
}

impl Compiler<'_> {
    fn mistake(&self, at: &IdedExpr, message: impl Into<String>) -> Mistake {
        let offset = self
            .places
            .offset_for(at.id)
            .map_or(0, |(start, _)| start as usize);
        let before = self.source.get(..offset).unwrap_or_default();
        Mistake {
            column: before.chars().count() + 1,
            message: message.into(),
            hint: None,
        }
    }

    fn expression(&mut self, at: &IdedExpr) -> Result<Yields, Mistake> {
        match &at.expr {
            Expr::Literal(value) => self.literal(at, value),
            Expr::Ident(name) => {
                if matches!(name.as_str(), "step" | "time" | "rank") {
                    self.words.push(name.clone());
                } else {
                    self.metric("m", name);
                }
                Ok(Yields::Number)
            }
            Expr::Call(call) => self.call(at, call),
            Expr::Select(select) => {
                let mut mistake =
                    self.mistake(at, format!("`.{}` means nothing here", select.field));
                mistake.hint =
                    Some("write `metric(\"a.b\")` for a metric with such a name".to_owned());
                Err(mistake)
            }
            _ => Err(self.mistake(at, "lists, maps and comprehensions mean nothing here")),
        }
    }

    fn literal(&mut self, at: &IdedExpr, value: &LiteralValue) -> Result<Yields, Mistake> {
        let number = match value {
            LiteralValue::Double(value) => *value.inner(),
            LiteralValue::Int(value) => *value.inner() as f64,
            LiteralValue::UInt(value) => *value.inner() as f64,
            LiteralValue::String(text) => {
                self.words.push(format!("${}", encoded(text.inner())));
                return Ok(Yields::Text);
            }
            LiteralValue::Boolean(truth) => {
                // A program has no word for it, and needs none.
                let word = if *truth.inner() { "==" } else { "!=" };
                self.words.extend(["#0", "#0", word].map(str::to_owned));
                return Ok(Yields::Truth);
            }
            LiteralValue::Bytes(_) | LiteralValue::Null => {
                return Err(self.mistake(at, "this literal means nothing here"));
            }
        };
        self.words.push(format!("#{number:?}"));
        Ok(Yields::Number)
    }

    fn metric(&mut self, word: &str, name: &str) {
        self.depends = true;
        if !self.metrics.iter().any(|known| known == name) {
            self.metrics.push(name.to_owned());
        }
        self.words.push(format!("{word}:{}", encoded(name)));
    }

    /// An operand that must be of a kind.
    fn operand(&mut self, at: &IdedExpr, wanted: Yields) -> Result<(), Mistake> {
        let found = self.expression(at)?;
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (wanted.name(), found.name());
        Err(self.mistake(at, format!("this must be {wanted}, and is {found}")))
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Result<Yields, Mistake> {
        let name = call.func_name.as_str();
        let arguments: Vec<&IdedExpr> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        if let Some((_, word, takes, yields)) = OPERATORS.iter().find(|(it, ..)| *it == name) {
            for argument in arguments {
                self.operand(argument, *takes)?;
            }
            self.words.push((*word).to_owned());
            return Ok(*yields);
        }
        match (name, arguments.as_slice()) {
            (op::NEGATE, [x]) => self.one(x, Yields::Number, "neg", Yields::Number),
            (op::LOGICAL_NOT, [x]) => self.one(x, Yields::Truth, "not", Yields::Truth),
            (op::EQUALS | op::NOT_EQUALS, [a, b]) => {
                let kind = self.expression(a)?;
                self.operand(b, kind)?;
                let word = if name == op::EQUALS { "==" } else { "!=" };
                self.words.push(word.to_owned());
                Ok(Yields::Truth)
            }
            (op::CONDITIONAL, [condition, then, otherwise]) => {
                self.operand(condition, Yields::Truth)?;
                let kind = self.expression(then)?;
                self.operand(otherwise, kind)?;
                self.words.push("if".to_owned());
                Ok(kind)
            }
            _ if WINDOWED.contains(&name) => self.window(at, name, &arguments),
            _ if OF_NAME.contains(&name) => self.of_name(at, name, &arguments),
            _ => match (
                OF_NUMBER.iter().find(|(it, ..)| *it == name),
                arguments.as_slice(),
            ) {
                (Some((_, word, yields)), [x]) => self.one(x, Yields::Number, word, *yields),
                (Some(_), _) => Err(self.mistake(at, format!("`{name}` takes one number"))),
                (None, _) => Err(self.no_function(at, name)),
            },
        }
    }

    fn one(
        &mut self,
        x: &IdedExpr,
        takes: Yields,
        word: &str,
        yields: Yields,
    ) -> Result<Yields, Mistake> {
        self.operand(x, takes)?;
        self.words.push(word.to_owned());
        Ok(yields)
    }

    /// `mean(loss, 50)`.
    fn window(
        &mut self,
        at: &IdedExpr,
        name: &str,
        arguments: &[&IdedExpr],
    ) -> Result<Yields, Mistake> {
        let [metric, span] = arguments else {
            let message = format!("`{name}` takes a metric and a number of values");
            return Err(self.mistake(at, message));
        };
        let Some(metric) = metric_of(metric) else {
            return Err(self.mistake(metric, "this must be the name of a metric"));
        };
        let span = match &span.expr {
            Expr::Literal(LiteralValue::Int(value)) if (2..=WINDOW).contains(value.inner()) => {
                *value.inner()
            }
            _ => {
                let message = format!("this must be a whole number from 2 to {WINDOW}");
                return Err(self.mistake(span, message));
            }
        };
        self.metric(&format!("w:{name}:{span}"), &metric);
        Ok(Yields::Number)
    }

    /// `age(loss)`, `known(loss)`, `metric("train/kl")`, `label("model")`.
    fn of_name(
        &mut self,
        at: &IdedExpr,
        name: &str,
        arguments: &[&IdedExpr],
    ) -> Result<Yields, Mistake> {
        let [argument] = arguments else {
            return Err(self.mistake(at, format!("`{name}` takes one name")));
        };
        let text = match &argument.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
            _ if name == "age" || name == "known" => metric_of(argument),
            _ => None,
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Err(self.mistake(argument, "this must be a name in quotes"));
        };
        match name {
            "label" => {
                self.depends = true;
                self.words.push(format!("l:{}", encoded(&text)));
                Ok(Yields::Text)
            }
            "age" => {
                self.metric("a", &text);
                Ok(Yields::Number)
            }
            "known" => {
                self.metric("m", &text);
                self.words.push("known".to_owned());
                Ok(Yields::Truth)
            }
            _ => {
                self.metric("m", &text);
                Ok(Yields::Number)
            }
        }
    }

    fn no_function(&self, at: &IdedExpr, name: &str) -> Mistake {
        let mut mistake = self.mistake(at, format!("there is no function `{name}`"));
        let names = WINDOWED
            .into_iter()
            .chain(OF_NAME)
            .chain(OF_NUMBER.map(|(name, ..)| name));
        let names: Vec<_> = names.collect();
        mistake.hint = did_you_mean(name, names.iter().copied())
            .or_else(|| Some(format!("there are {}", super::list_names(names))));
        mistake
    }
}

/// The metric that an expression names: `loss` or `metric("train/kl")`.
fn metric_of(at: &IdedExpr) -> Option<String> {
    match &at.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Call(call) if call.func_name == "metric" && call.target.is_none() => {
            match &call.args.first()?.expr {
                Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A name or text as a part of a word: percent-encoded.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn program(source: &str) -> String {
        compile(source).unwrap().program
    }

    fn wrong(source: &str) -> String {
        let mistake = compile(source).unwrap_err();
        format!("{}: {}", mistake.column, mistake.message)
    }

    #[test]
    fn expressions_become_words() {
        for (source, words) in [
            ("loss > 2", "m:loss #2.0 >"),
            (
                "loss > 2.5 && step >= 100",
                "m:loss #2.5 > step #100.0 >= and",
            ),
            (
                "mean(loss, 50) > 2.0 * loss.min(200)",
                "w:mean:50:loss #2.0 w:min:200:loss * >",
            ),
            (
                "!(lr < 0) || -lr == 1e-3",
                "m:lr #0.0 < not m:lr neg #0.001 == or",
            ),
            ("metric(\"train/kl loss\") > 1", "m:train/kl%20loss #1.0 >"),
            (
                "age(loss) > 300 ? true : false",
                "a:loss #300.0 > #0 #0 == #0 #0 != if",
            ),
            ("label(\"model\") != \"big one\"", "l:model $big%20one !="),
            (
                "isNaN(loss) || known(eval_loss)",
                "m:loss isnan m:eval_loss known or",
            ),
            ("metric('a b').slope(10) > 0", "w:slope:10:a%20b #0.0 >"),
        ] {
            assert_eq!(program(source), words, "{source}");
        }
        let compiled = compile("loss > kl.mean(5)").unwrap();
        assert_eq!(compiled.metrics, ["loss", "kl"]);
        assert_eq!(compiled.yields, Yields::Truth);
        assert!(compiled.depends && !compile("step > 5").unwrap().depends);
    }

    #[test]
    fn mistakes_have_their_column() {
        for (source, message) in [
            ("loss > > 2", "8: extraneous input `>`"),
            (
                "loss + (lr > 2)",
                "12: this must be a number, and is true or false",
            ),
            (
                "loss && true",
                "1: this must be true or false, and is a number",
            ),
            (
                "mean(loss)",
                "5: `mean` takes a metric and a number of values",
            ),
            (
                "mean(loss, 1000) > 1",
                "12: this must be a whole number from 2 to 256",
            ),
            (
                "mean(loss + 1, 5) > 1",
                "11: this must be the name of a metric",
            ),
            ("maen(loss, 5) > 1", "5: there is no function `maen`"),
            ("train.loss > 1", "6: `.loss` means nothing here"),
            ("[1, 2].size() > 1", "12: there is no function `size`"),
            ("label(model) == 'x'", "7: this must be a name in quotes"),
            (
                "label('model') == 5",
                "19: this must be a text, and is a number",
            ),
        ] {
            assert_eq!(wrong(source), message, "{source}");
        }
        let hint = compile("maen(loss, 5)").unwrap_err().hint.unwrap();
        assert!(hint.contains("`mean`"), "{hint}");
    }
}
