//! A condition as the runner compiles it: words in postfix order.
//!
//! | word | value |
//! |---|---|
//! | `#2.5` | a number |
//! | `$text` | a text |
//! | `m:loss` | the last value of a metric |
//! | `w:mean:50:loss` | a statistic of its last 50 finite values, unknown before there are so many |
//! | `a:loss` | seconds since it was last seen |
//! | `l:model` | the last text of a label |
//! | `step`, `time`, `rank` | of the row |
//!
//! and operators, which take their operands from before them. Names and texts
//! are percent-encoded. What is not known yet is [`Value::Unknown`], which
//! every operator passes on, but for `and` and `or` where the other side
//! decides (Kleene's three-valued logic).

use crate::names::Names;
use crate::seen::Seen;

/// A compiled expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Program(Vec<Op>);

#[derive(Debug, Clone, PartialEq)]
enum Op {
    Number(f64),
    Text(String),
    Last(usize),
    Window(Statistic, usize, usize),
    Age(usize),
    Label(usize),
    Step,
    Time,
    Rank,
    One(One),
    Two(Two),
    If,
}

/// A statistic of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The population standard deviation.
    Std,
    /// The middle value.
    Median,
    /// The least-squares slope, per value.
    Slope,
    /// The last value less the first.
    Change,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum One {
    Neg,
    Not,
    Abs,
    Log,
    Exp,
    Sqrt,
    IsNan,
    IsFinite,
    Known,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Two {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Differ,
    And,
    Or,
    Smaller,
    Larger,
}

/// A value of an expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Not seen yet.
    Unknown,
    /// A number, which may be NaN.
    Number(f64),
    /// True or false.
    Truth(bool),
    /// A text.
    Text(&'a str),
}

/// The row that an expression is evaluated at.
#[derive(Debug, Clone, Copy)]
pub struct Here {
    /// The step, none between rows.
    pub step: Option<i64>,
    /// Seconds since 1970, NaN where unknown.
    pub time: f64,
    /// The rank, if the log names it.
    pub rank: Option<u32>,
}

impl Program {
    /// Reads the words of an expression, and adds what it names to `names`.
    ///
    /// # Errors
    /// A word that is none, or operands that are missing.
    pub fn parse(text: &str, names: &mut Names) -> Result<Self, String> {
        let ops = text
            .split_ascii_whitespace()
            .map(|word| op(word, names).ok_or_else(|| format!("`{word}` is no word of a program")))
            .collect::<Result<Vec<_>, _>>()?;
        let mut depth = 0_usize;
        for op in &ops {
            let takes = op.takes();
            if depth < takes {
                return Err("an operator lacks an operand".to_owned());
            }
            depth = depth - takes + 1;
        }
        match depth {
            1 => Ok(Self(ops)),
            _ => Err("a program leaves one value".to_owned()),
        }
    }

    /// The value at a row, given what was seen up to it.
    #[must_use]
    pub fn value<'a>(&'a self, seen: &'a Seen, here: Here) -> Value<'a> {
        let mut stack: Vec<Value<'a>> = Vec::with_capacity(8);
        for op in &self.0 {
            let value = op.value(&mut stack, seen, here);
            stack.push(value);
        }
        stack.pop().unwrap_or(Value::Unknown)
    }
}

fn op(word: &str, names: &mut Names) -> Option<Op> {
    if let Some(number) = word.strip_prefix('#') {
        return number.parse().ok().map(Op::Number);
    }
    if let Some(text) = word.strip_prefix('$') {
        return decode(text).map(Op::Text);
    }
    let parts: Vec<&str> = word.split(':').collect();
    Some(match parts.as_slice() {
        ["m", name] => Op::Last(names.metric(&decode(name)?, 0)),
        ["a", name] => Op::Age(names.aged(&decode(name)?)),
        ["l", name] => Op::Label(names.label(&decode(name)?)),
        ["w", statistic, span, name] => {
            let span = span.parse().ok()?;
            let slot = names.metric(&decode(name)?, span);
            Op::Window(Statistic::named(statistic)?, slot, span)
        }
        ["step"] => Op::Step,
        ["time"] => Op::Time,
        ["rank"] => Op::Rank,
        ["if"] => Op::If,
        [word] => One::named(word)
            .map(Op::One)
            .or_else(|| Two::named(word).map(Op::Two))?,
        _ => return None,
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (hex, tail) = rest.split_first_chunk::<2>()?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

impl Statistic {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mean" => Self::Mean,
            "min" => Self::Min,
            "max" => Self::Max,
            "std" => Self::Std,
            "median" => Self::Median,
            "slope" => Self::Slope,
            "change" => Self::Change,
            _ => return None,
        })
    }
}

impl One {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "neg" => Self::Neg,
            "not" => Self::Not,
            "abs" => Self::Abs,
            "log" => Self::Log,
            "exp" => Self::Exp,
            "sqrt" => Self::Sqrt,
            "isnan" => Self::IsNan,
            "isfinite" => Self::IsFinite,
            "known" => Self::Known,
            _ => return None,
        })
    }

    fn apply(self, value: Value<'_>) -> Value<'static> {
        use Value::{Number, Truth, Unknown};
        match (self, value) {
            (Self::Known, value) => Truth(value != Unknown),
            (Self::Neg, Number(x)) => Number(-x),
            (Self::Abs, Number(x)) => Number(x.abs()),
            (Self::Log, Number(x)) => Number(x.ln()),
            (Self::Exp, Number(x)) => Number(x.exp()),
            (Self::Sqrt, Number(x)) => Number(x.sqrt()),
            (Self::IsNan, Number(x)) => Truth(x.is_nan()),
            (Self::IsFinite, Number(x)) => Truth(x.is_finite()),
            (Self::Not, Truth(truth)) => Truth(!truth),
            _ => Unknown,
        }
    }
}

impl Two {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "+" => Self::Add,
            "-" => Self::Sub,
            "*" => Self::Mul,
            "/" => Self::Div,
            "%" => Self::Rem,
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::More,
            ">=" => Self::AtLeast,
            "==" => Self::Equal,
            "!=" => Self::Differ,
            "and" => Self::And,
            "or" => Self::Or,
            "min" => Self::Smaller,
            "max" => Self::Larger,
            _ => return None,
        })
    }

    fn apply(self, left: Value<'_>, right: Value<'_>) -> Value<'static> {
        use Value::{Number, Text, Truth, Unknown};
        match (self, left, right) {
            (Self::And, Truth(false), _) | (Self::And, _, Truth(false)) => Truth(false),
            (Self::Or, Truth(true), _) | (Self::Or, _, Truth(true)) => Truth(true),
            (Self::And | Self::Or, Truth(a), Truth(_)) => Truth(a),
            (Self::Equal, Text(a), Text(b)) => Truth(a == b),
            (Self::Differ, Text(a), Text(b)) => Truth(a != b),
            (Self::Equal, Truth(a), Truth(b)) => Truth(a == b),
            (Self::Differ, Truth(a), Truth(b)) => Truth(a != b),
            (two, Number(a), Number(b)) => two.numbers(a, b),
            _ => Unknown,
        }
    }

    // Whoever writes `==` between numbers means it.
    #[allow(clippy::float_cmp)]
    fn numbers(self, a: f64, b: f64) -> Value<'static> {
        use Value::{Number, Truth, Unknown};
        match self {
            Self::Add => Number(a + b),
            Self::Sub => Number(a - b),
            Self::Mul => Number(a * b),
            Self::Div => Number(a / b),
            Self::Rem => Number(a % b),
            Self::Smaller => Number(a.min(b)),
            Self::Larger => Number(a.max(b)),
            Self::Less => Truth(a < b),
            Self::AtMost => Truth(a <= b),
            Self::More => Truth(a > b),
            Self::AtLeast => Truth(a >= b),
            Self::Equal => Truth(a == b),
            Self::Differ => Truth(a != b),
            Self::And | Self::Or => Unknown,
        }
    }
}

impl Op {
    fn takes(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Two(_) => 2,
            Self::If => 3,
            _ => 0,
        }
    }

    fn value<'a>(&'a self, stack: &mut Vec<Value<'a>>, seen: &'a Seen, here: Here) -> Value<'a> {
        let mut pop = || stack.pop().unwrap_or(Value::Unknown);
        let number = |value: Option<f64>| value.map_or(Value::Unknown, Value::Number);
        match self {
            Self::Number(value) => Value::Number(*value),
            Self::Text(text) => Value::Text(text),
            Self::Last(slot) => number(seen.last(*slot)),
            Self::Window(statistic, slot, span) => number(seen.window(*statistic, *slot, *span)),
            Self::Age(slot) => number(seen.age(*slot, here.time)),
            Self::Label(slot) => seen.label(*slot).map_or(Value::Unknown, Value::Text),
            Self::Step => number(here.step.map(|step| step as f64)),
            Self::Time => number(Some(here.time).filter(|time| !time.is_nan())),
            Self::Rank => number(here.rank.map(f64::from)),
            Self::One(one) => one.apply(pop()),
            Self::Two(two) => {
                let right = pop();
                two.apply(pop(), right)
            }
            Self::If => {
                let (otherwise, then) = (pop(), pop());
                match pop() {
                    Value::Truth(true) => then,
                    Value::Truth(false) => otherwise,
                    _ => Value::Unknown,
                }
            }
        }
    }
}
