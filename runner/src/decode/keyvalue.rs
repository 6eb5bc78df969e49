//! Lines of keys and numbers with a step among them, in no particular format.
//!
//! ```text
//! iter 12: loss 1.2000, time 131.31ms, mfu 5.00%
//! step    12 | loss: 1.2 | lr 1e-4 | norm: 0.3 | dt: 12.3ms | tok/sec: 1,234
//! step:1441/15258 train_loss:3.3055 train_time:2463247ms step_avg:1721.35ms
//! Step 10: grad_norm=1.2, loss=0.3
//! ```
//!
//! Logs are full of lines that look like this and are not: source code,
//! configuration, warnings, sentences. The rule that keeps them out is that
//! the **whole line** must make sense: every word must be the key of a number
//! or a number's unit, a step must be among the keys, and at least one other
//! key must sound like a metric. One word too many and the line is text. That
//! loses the odd record in prose and never invents one.

use fast_float2::parse_partial;

use super::number;

/// A value as printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A number, its unit gone. NaN and the infinities are numbers.
    Number(f64),
    /// Anything else: `N/A`, a time, a name.
    Text(&'a [u8]),
}

/// A key and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair<'a> {
    /// The key as printed. Several words have one blank between them; a number
    /// that has a unit and no key (`144489 tok/s`) has the unit here; the tag
    /// that a line begins with (`[eval] iter 3: …`) has an empty key.
    pub(crate) key: &'a [u8],
    /// The value.
    pub(crate) value: Value<'a>,
    /// What stood after the slash: the 300 of `12/300`.
    pub(crate) of: Option<f64>,
    /// What the key says about the step.
    kind: Option<Kind>,
}

impl<'a> Pair<'a> {
    fn new(key: &'a [u8], value: Value<'a>, of: Option<f64>) -> Self {
        let kind = step_kind(key);
        Self {
            key,
            value,
            of,
            kind,
        }
    }
}

/// Reads a metric record, and says whether the line is one.
///
/// It is when there is a step and at least one other number with a key that
/// sounds like a metric, and nothing that makes no sense. `pairs` is cleared
/// first, and left empty when the line is no record.
pub(crate) fn read<'a>(text: &'a [u8], pairs: &mut Vec<Pair<'a>>) -> bool {
    pairs.clear();
    // Most text has no number that could be a step.
    if !text.iter().fold(false, |any, b| any | b.is_ascii_digit()) {
        return false;
    }
    let mut scan = Scan::new(text, pairs);
    let whole = scan.line();
    let record = scan.has_step(whole);
    if !record {
        pairs.clear();
    }
    record
}

/// Reads a record that may have metrics only: `val loss 5.1`, `validation
/// loss: 10.9`.
///
/// Much in a log looks like that, so this is for streams that have had records
/// with steps. Every key must end in the name of a loss or a score, every
/// value be a number with a fraction or not finite.
pub(crate) fn read_with_or_without_step<'a>(text: &'a [u8], pairs: &mut Vec<Pair<'a>>) -> bool {
    pairs.clear();
    let mut scan = Scan::new(text, pairs);
    let whole = scan.line();
    let record = scan.has_step(whole) || whole && scan.has_scores_only();
    if !record {
        pairs.clear();
    }
    record
}

/// The step that a record's pairs name.
///
/// An epoch and a batch count within it make one number that grows through
/// the run: `Epoch [2/5], Step [100/600]` is step 1300.
pub(crate) fn step(pairs: &[Pair]) -> Option<i64> {
    let mut epoch: Option<&Pair> = None;
    let mut epoch_value = 0.0;
    let mut batch = None;
    for pair in pairs {
        let Value::Number(value) = pair.value else {
            continue;
        };
        let kind = pair.kind.filter(|_| is_whole(value));
        match (kind, epoch, pair.of) {
            (None, ..) => {}
            (Some(Kind::Epoch), None, _) => {
                epoch = Some(pair);
                epoch_value = value;
            }
            (Some(Kind::Epoch), ..) => {}
            // `Epoch 2/5 … Step 100/600`, but `step 13/100 | … | epoch: 1`
            // counts through.
            (Some(kind), Some(epoch), Some(of)) if kind == Kind::Batch || epoch.of.is_some() => {
                return whole(epoch_value * of + value);
            }
            (Some(Kind::Step), ..) => return whole(value),
            (Some(Kind::Batch), ..) => batch = batch.or(Some(value)),
        }
    }
    batch.or(epoch.map(|_| epoch_value)).and_then(whole)
}

/// Whether the step of these pairs is that of a batch within its epoch, as far
/// as the names tell.
pub(crate) fn counts_batches(pairs: &[Pair]) -> bool {
    let mut kinds = pairs.iter().filter_map(|pair| pair.kind);
    !kinds.any(|kind| kind == Kind::Step)
}

/// Whether nothing finer than an epoch is among the pairs.
pub(crate) fn counts_epochs(pairs: &[Pair]) -> bool {
    pairs
        .iter()
        .all(|pair| matches!(pair.kind, None | Some(Kind::Epoch)))
}

/// A number as a step, if it can be one.
#[allow(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and in range"
)]
pub(crate) fn whole(value: f64) -> Option<i64> {
    is_whole(value).then_some(value as i64)
}

fn is_whole(value: f64) -> bool {
    (0.0..=9e15).contains(&value) && value.fract() == 0.0
}

/// A number at the start of `text`, and how many bytes it takes with its unit:
/// every spelling that training logs have. None for what only begins like one,
/// as dates, clocks, versions and names do.
pub(crate) fn number(text: &[u8]) -> Option<(f64, usize)> {
    let found = Numeral::read(text)?;
    Some((found.value, found.length))
}

/// The most pairs that a line may have; verl prints eighty.
const MOST: usize = 512;

/// What a key says about the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Step,
    Batch,
    Epoch,
}

/// A word's kind, whatever its case.
fn step_word(word: &[u8]) -> Option<Kind> {
    // Two letters rule most keys out.
    let [first, second, ..] = word else {
        return None;
    };
    if word.len() > 16
        || !matches!(
            &[first | 0x20, second | 0x20],
            b"st"
                | b"it"
                | b"up"
                | b"gl"
                | b"nu"
                | b"ti"
                | b"to"
                | b"tr"
                | b"en"
                | b"op"
                | b"cu"
                | b"ba"
                | b"mi"
                | b"ep"
                | b"ro"
                | [0x7f, b's']
        )
    {
        return None;
    }
    let mut lower = [0u8; 16];
    for (to, from) in lower.iter_mut().zip(word) {
        *to = if *from == b'-' {
            b'_'
        } else {
            from.to_ascii_lowercase()
        };
    }
    match &lower[..word.len()] {
        b"step" | b"steps" | b"iter" | b"iters" | b"iteration" | b"it" | b"itr" | b"update"
        | b"updates" | b"global_step" | b"global_steps" | b"globalstep" | b"num_updates"
        | b"timestep" | b"timesteps" | b"num_timesteps" | b"total_timesteps" | b"total_steps"
        | b"train_step" | b"train_steps" | b"training_step" | b"trainer_step" | b"train_iter"
        | b"env_step" | b"env_steps" | b"opt_step" | b"optimizer_step" | b"current_step"
        | b"current_steps" | b"train_batches" | b"_step" => Some(Kind::Step),
        b"batch" | b"batch_idx" | b"minibatch" | b"micro_step" => Some(Kind::Batch),
        b"epoch" | b"ep" | b"episode" | b"round" | b"train_epoch" => Some(Kind::Epoch),
        _ => None,
    }
}

/// The kind of a key of one or two words: `Train Epoch`, `completed step`.
fn step_kind(key: &[u8]) -> Option<Kind> {
    if key == b"s" {
        // llm.c's main.log.
        return Some(Kind::Step);
    }
    let key = match key {
        // `Iter(train)`.
        [head @ .., b')'] => &head[..memchr::memchr(b'(', head)?],
        _ => key,
    };
    let start = key.iter().rposition(|b| matches!(b, b' ' | b'/'));
    let (lead, last) = match start {
        Some(at) => (&key[..at], &key[at + 1..]),
        None => (&key[..0], key),
    };
    let kind = step_word(last)?;
    if lead.is_empty() {
        return Some(kind);
    }
    let leads: [&[u8]; 13] = [
        b"",
        b"train",
        b"training",
        b"trainer",
        b"val",
        b"valid",
        b"validation",
        b"test",
        b"eval",
        b"completed",
        b"global",
        b"optimizer",
        b"current",
    ];
    leads
        .iter()
        .any(|known| lead.eq_ignore_ascii_case(known))
        .then_some(kind)
}

/// Words that a line may begin with to say what its numbers are about.
fn is_tag(word: &[u8]) -> bool {
    let tags: [&[u8]; 11] = [
        b"train",
        b"training",
        b"trainer",
        b"val",
        b"valid",
        b"validation",
        b"test",
        b"eval",
        b"evaluation",
        b"metrics",
        b"stats",
    ];
    tags.iter().any(|tag| word.eq_ignore_ascii_case(tag))
}

/// Whether a key sounds like a metric. Stops `Step 1: x = 5`, which a model
/// prints that learns to reason.
fn is_metric(key: &[u8]) -> bool {
    key.iter().any(|b| matches!(b, b'/' | b'_')) || (0..key.len()).any(|at| metric_word(&key[at..]))
}

/// Whether the text begins with a word that metrics have in their names.
fn metric_word(text: &[u8]) -> bool {
    let [first, second, rest @ ..] = text else {
        return false;
    };
    // The first two letters choose what may follow them.
    let endings: &[&[u8]] = match &[first.to_ascii_lowercase(), second.to_ascii_lowercase()] {
        b"ac" => &[b"c"],
        b"au" => &[b"c"],
        b"bl" => &[b"eu"],
        b"bp" => &[b"b", b"c"],
        b"ce" => &[b"r"],
        b"dt" => &[b""],
        b"el" => &[b"bo"],
        b"en" => &[b"tropy"],
        b"er" => &[b"r"],
        b"f1" => &[b""],
        b"fi" => &[b"d"],
        b"fl" => &[b"ops"],
        b"gr" => &[b"ad"],
        b"io" => &[b"u"],
        b"kl" => &[b""],
        b"le" => &[b"arning"],
        b"lo" => &[b"ss"],
        b"lr" => &[b""],
        b"ma" => &[b"e", b"p"],
        b"me" => &[b"mory"],
        b"mf" => &[b"u"],
        b"ms" => &[b"e"],
        b"nl" => &[b"l"],
        b"no" => &[b"rm"],
        b"pe" => &[b"rplexity"],
        b"pp" => &[b"l"],
        b"pr" => &[b"ecision"],
        b"ps" => &[b"nr"],
        b"re" => &[b"ward", b"turn", b"call"],
        b"sa" => &[b"mple"],
        b"sc" => &[b"ore"],
        b"sp" => &[b"eed"],
        b"ss" => &[b"im"],
        b"th" => &[b"roughput"],
        b"ti" => &[b"me"],
        b"to" => &[b"k"],
        b"tp" => &[b"s"],
        b"tr" => &[b"ain"],
        b"va" => &[b"l"],
        b"we" => &[b"r"],
        _ => return false,
    };
    endings.iter().any(|end| {
        rest.get(..end.len())
            .is_some_and(|rest| rest.eq_ignore_ascii_case(end))
    })
}

/// Whether a key counts steps, batches or epochs.
pub(crate) fn is_step(key: &[u8]) -> bool {
    step_kind(key).is_some()
}

/// Whether a key ends in the name of a loss or a score.
pub(crate) fn is_score(key: &[u8]) -> bool {
    let start = key
        .iter()
        .rposition(|b| b" _/-".contains(b))
        .map_or(0, |at| at + 1);
    let last = &key[start..];
    let names: [&[u8]; 13] = [
        b"loss",
        b"accuracy",
        b"acc",
        b"ppl",
        b"perplexity",
        b"bpb",
        b"bpc",
        b"reward",
        b"return",
        b"bleu",
        b"nll",
        b"wer",
        b"psnr",
    ];
    names.iter().any(|name| last.eq_ignore_ascii_case(name))
}

/// What a byte can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Makes the line text: quotes, braces, what source code is made of.
    Odd,
    Blank,
    /// Letters, `_`, and everything that is not ASCII.
    Word,
    Digit,
    /// `+`, `-`, `.`: may begin a number.
    Sign,
    /// `,` and `|`.
    Mark,
    /// `-=*>#~` in runs, as ornament.
    Rule,
    Open,
    Close,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Odd; 256];
    let mut at = 0;
    while at < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = at as u8;
        classes[at] = match byte {
            b' ' | b'\t' => Class::Blank,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => Class::Word,
            b'0'..=b'9' => Class::Digit,
            b'+' | b'-' | b'.' => Class::Sign,
            b',' | b'|' => Class::Mark,
            b'=' | b'*' | b'>' | b'#' | b'~' => Class::Rule,
            b'[' | b'(' => Class::Open,
            b']' | b')' => Class::Close,
            _ => Class::Odd,
        };
        at += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// Bytes that go on a word: `train/loss`, `val-core/x@1`, `instance/sec.`
fn in_word(byte: u8) -> bool {
    IN_WORD[usize::from(byte)]
}

const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric()
            || byte >= 0x80
            || matches!(byte, b'_' | b'/' | b'.' | b'-' | b'@' | b'%' | b'+');
        at += 1;
    }
    table
};

/// The words read since the last value or mark: a key in the making, or the
/// unit of the value before.
#[derive(Clone, Copy, Default)]
struct Words {
    start: usize,
    end: usize,
    /// Where the last word starts.
    last: usize,
    count: u32,
    /// A value stands before them with no mark between.
    after_value: bool,
}

/// One pass over a line.
struct Scan<'a, 'p> {
    text: &'a [u8],
    at: usize,
    pairs: &'p mut Vec<Pair<'a>>,
    words: Words,
    depth: u32,
    steps: u32,
    metrics: u32,
    /// Numbers with neither key nor unit.
    bare: u32,
    /// A key other than a step has had an integer.
    integers: bool,
    /// The number of pairs before the last `|` if they make a record.
    sound: Option<usize>,
}

impl<'a, 'p> Scan<'a, 'p> {
    fn new(text: &'a [u8], pairs: &'p mut Vec<Pair<'a>>) -> Self {
        Self {
            text,
            at: 0,
            pairs,
            words: Words::default(),
            depth: 0,
            steps: 0,
            metrics: 0,
            bare: 0,
            integers: false,
            sound: None,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Whether what was read of the line is a record with a step. One that was
    /// cut short has its pairs up to there.
    fn has_step(&mut self, whole: bool) -> bool {
        if whole {
            return self.steps > 0 && self.metrics > 0;
        }
        // `step 9 | loss 2.5 | lr 1e-Error: …`: the columns before the
        // nonsense are a record that was cut short.
        let Some(sound) = self.sound else {
            return false;
        };
        self.pairs.truncate(sound);
        !is_source_code(self.text)
    }

    /// Whether a line that makes sense has nothing but losses and scores.
    fn has_scores_only(&self) -> bool {
        if self.steps > 0 || self.bare > 0 || self.integers || self.text.len() > 200 {
            return false;
        }
        let scores = |pair: &Pair| match pair.value {
            Value::Number(_) => is_score(pair.key),
            Value::Text(_) => pair.key.is_empty(),
        };
        let number = |pair: &Pair| matches!(pair.value, Value::Number(_));
        // Python has one blank on either side of `=`, reports have none or many.
        let python = |part: &[u8]| part[1..] == *b" = " && part[0] != b' ';
        self.pairs.iter().any(number)
            && self.pairs.iter().all(scores)
            && !self.text.windows(4).any(python)
    }

    /// Reads the line; false when it makes no sense.
    fn line(&mut self) -> bool {
        self.words_and_numbers() && !is_source_code(self.text)
    }

    fn words_and_numbers(&mut self) -> bool {
        while let Some(byte) = self.peek(0) {
            let fine = match class(byte) {
                Class::Blank => {
                    self.at += 1;
                    true
                }
                Class::Mark => {
                    self.at += 1;
                    let fine = self.end_words();
                    if fine && byte == b'|' && self.steps > 0 && self.metrics > 0 {
                        self.sound = Some(self.pairs.len());
                    }
                    fine
                }
                Class::Word => self.word(),
                Class::Digit => self.top_number(),
                Class::Sign => self.sign(),
                Class::Rule => self.rule(),
                Class::Open => self.open(),
                Class::Close => {
                    self.at += 1;
                    self.depth = match self.depth.checked_sub(1) {
                        Some(depth) => depth,
                        None => return false,
                    };
                    self.end_words()
                }
                // `epoch=0/micro_step=3`.
                Class::Odd if byte == b'/' && self.words.after_value && self.words.count == 0 => {
                    self.at += 1;
                    self.end_words()
                }
                Class::Odd => false,
            };
            if !fine || self.pairs.len() > MOST {
                return false;
            }
        }
        self.end_words()
    }

    /// Ends the words before a mark. Words that are no unit are prose.
    fn end_words(&mut self) -> bool {
        let words = std::mem::take(&mut self.words);
        if words.count == 0 || (words.after_value && words.count <= 3) {
            return true;
        }
        if self.pairs.is_empty() && words.count == 1 {
            let tag = &self.text[words.start..words.end];
            if is_tag(tag) {
                self.pairs.push(Pair::new(b"", Value::Text(tag), None));
                return true;
            }
        }
        false
    }

    /// A record that was cut when the job was killed has the killer's words
    /// glued on; what stands before them counts.
    fn cut(&mut self) -> bool {
        let rest = &self.text[self.at..];
        if !matches!(rest.first(), Some(b's' | b'T' | b'K')) {
            return false;
        }
        let killed = [
            &b"slurmstepd:"[..],
            b"srun:",
            b"Traceback (most",
            b"Terminated",
            b"Killed",
        ]
        .iter()
        .any(|words| rest.starts_with(words));
        if killed {
            self.at = self.text.len();
            self.words = Words::default();
        }
        killed
    }

    /// A word: part of a key, a key with its `=` or `:`, or a number in letters.
    fn word(&mut self) -> bool {
        if self.words.count == 0 && self.steps > 0 && self.cut() {
            return true;
        }
        let start = self.at;
        while self.peek(0).is_some_and(in_word) {
            self.at += 1;
        }
        let mut end = self.at;
        let word = &self.text[start..end];
        if self.words.count > 0 && self.is_value_word(word) {
            self.at = start;
            return self.top_number();
        }
        // `lr(1e-4)`, `Epoch(train)`.
        if self.peek(0) == Some(b'(') {
            let inside = &self.text[self.at + 1..self.text.len().min(self.at + 24)];
            let close = inside
                .iter()
                .position(|b| matches!(b, b')' | b'=' | b',' | b' '));
            if let Some(close) = close
                && inside[close] == b')'
            {
                self.at += close + 2;
                end = self.at;
            } else {
                return false;
            }
        }
        // More than one blank, or a tab, begins another key; what stood before
        // is a unit, or a word too many.
        let gap = &self.text[self.words.end.min(start)..start];
        if self.words.count > 0 && gap != b" " {
            let after_value = self.words.after_value;
            if !self.end_words() {
                return false;
            }
            self.words.after_value = after_value;
        }
        if self.words.count == 0 {
            self.words.start = start;
        }
        self.words.last = start;
        self.words.end = end;
        self.words.count += 1;
        if self.words.count > 8 {
            return false;
        }
        self.key_ends()
    }

    /// Whether a word after a key is a number: `loss nan`, but not
    /// `number of nan iterations`.
    fn is_value_word(&self, word: &[u8]) -> bool {
        if !matches!(word.first(), Some(b'n' | b'N' | b'i' | b'I')) || nonfinite(word).is_none() {
            return false;
        }
        !self.text[self.words.last..self.words.end].eq_ignore_ascii_case(b"of")
    }

    /// Takes `=` or `:` and the value when they follow the words.
    fn key_ends(&mut self) -> bool {
        let mut ahead = 0;
        while self.peek(ahead) == Some(b' ') {
            ahead += 1;
        }
        let mark = match self.peek(ahead) {
            Some(b'=') if self.peek(ahead + 1) != Some(b'=') => b'=',
            Some(b':') => b':',
            _ => return true,
        };
        self.at += ahead + 1;
        let glued = self.peek(0).is_some_and(|b| b.is_ascii_digit());
        self.skip_blanks();
        if mark == b':' && glued && self.is_place() {
            return false;
        }
        self.explicit_value(mark)
    }

    /// Whether this is a place in a source, `olmo.train:990`.
    fn is_place(&self) -> bool {
        let key = &self.text[self.words.last..self.words.end];
        let digits = self.text[self.at..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let ends = self
            .peek(digits)
            .is_none_or(|b| matches!(b, b' ' | b'\t' | b')' | b']' | b':'));
        ends && memchr::memchr(b'.', key).is_some()
    }

    /// The value after a key and its mark.
    fn explicit_value(&mut self, mark: u8) -> bool {
        let Some(byte) = self.peek(0) else {
            // Cut off, or the head of something else.
            self.words = Words::default();
            return self.steps > 0;
        };
        let key = self.take_key();
        if matches!(byte, b'[' | b'(') {
            return self.list(key);
        }
        if let Some(found) = Numeral::read(&self.text[self.at..]) {
            return self.value(key, &found, true);
        }
        // Text: one word without a mark of its own.
        let start = self.at;
        while self
            .peek(0)
            .is_some_and(|b| !matches!(b, b' ' | b'\t' | b',' | b'|' | b')' | b']'))
        {
            if matches!(class(byte), Class::Rule) || is_code(self.text[self.at]) {
                return false;
            }
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if text.is_empty() {
            // `loss: | …`: nothing was printed.
            return !self.pairs.is_empty();
        }
        if text.starts_with(b"/") || text.starts_with(b".") {
            return false;
        }
        // `train: epoch 3, loss 0.5`: the first word is a tag, not a key.
        let word = text.iter().all(|b| in_word(*b) || matches!(b, b'=' | b':'));
        if self.pairs.is_empty()
            && mark == b':'
            && word
            && !key.contains(&b' ')
            && self.goes_on(start)
        {
            self.at = start;
            self.pairs.push(Pair::new(b"", Value::Text(key), None));
            self.words = Words::default();
            return true;
        }
        if memchr::memchr(b'=', text).is_some() {
            return false;
        }
        self.pairs.push(Pair::new(key, Value::Text(text), None));
        self.words = Words {
            after_value: true,
            ..Words::default()
        };
        true
    }

    /// Whether a step and its number stand here.
    fn goes_on(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        let word = rest
            .iter()
            .take_while(|b| b.is_ascii_alphabetic() || **b == b'_')
            .count();
        let value = rest[word..].trim_ascii_start();
        let value = value
            .strip_prefix(b":")
            .or(value.strip_prefix(b"="))
            .unwrap_or(value)
            .trim_ascii_start();
        let value = value.strip_prefix(b"[").unwrap_or(value).trim_ascii_start();
        step_word(&rest[..word]).is_some() && value.first().is_some_and(u8::is_ascii_digit)
    }

    /// The key that the words make, without the unit of the value before.
    fn take_key(&mut self) -> &'a [u8] {
        let words = std::mem::take(&mut self.words);
        let key = &self.text[words.start..words.end];
        if words.after_value && words.count > 1 {
            let first = key.iter().position(|b| *b == b' ').unwrap_or(key.len());
            if is_unit(&key[..first]) {
                return key[first..].trim_ascii_start();
            }
        }
        key
    }

    /// A number outside any `key=`: the words before it are its key, or the
    /// words after it its unit.
    fn top_number(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(found) = Numeral::read(rest) else {
            // A time stamp in the line says nothing and does no harm.
            let token = rest
                .iter()
                .take_while(|b| !matches!(b, b' ' | b'\t' | b',' | b'|' | b')' | b']'))
                .count();
            let stamp = &rest[..token];
            if stamp.len() >= 4
                && stamp
                    .iter()
                    .all(|b| b.is_ascii_digit() || b":-/.".contains(b))
                && self.words.count == 0
            {
                self.at += token;
                self.words = Words {
                    after_value: true,
                    ..Words::default()
                };
                return true;
            }
            return false;
        };
        if self.words.count > 0 {
            if self.words.count > 4 {
                return false;
            }
            let key = self.take_key();
            return self.value(key, &found, false);
        }
        // `144489 tok/s`, `37.3% bf16 MFU`.
        self.at += found.length;
        self.after_number();
        let mut key = found.unit;
        let mut end = self.at;
        let mut start = self.at;
        let mut count = 0;
        loop {
            let mut at = end;
            while self.text.get(at) == Some(&b' ') {
                at += 1;
            }
            let length = self.text[at..].iter().take_while(|b| in_word(**b)).count();
            if length == 0 || class(self.text[at]) != Class::Word || at > end + 1 {
                break;
            }
            if count == 0 {
                start = at;
            }
            end = at + length;
            count += 1;
        }
        let after = self.text[end..].trim_ascii_start().first();
        if count > 0
            && count <= 2
            && after.is_none_or(|b| matches!(class(*b), Class::Mark | Class::Close))
        {
            key = &self.text[start..end];
            self.at = end;
        }
        if key.is_empty() || key == b"%" {
            self.bare += 1;
        } else {
            self.pairs
                .push(Pair::new(key, Value::Number(found.value), found.of));
            self.integers |= found.integer;
        }
        self.words = Words {
            after_value: true,
            ..Words::default()
        };
        self.bare <= 2
    }

    /// Takes a number that has a key.
    fn value(&mut self, key: &'a [u8], found: &Numeral<'a>, explicit: bool) -> bool {
        self.at += found.length;
        let (key, of_loss) = loss_at_step(key);
        let pair = Pair::new(key, Value::Number(found.value), found.of);
        let kind = pair.kind.filter(|_| is_whole(found.value));
        // Short names mean other things further on: `ep` is expert parallelism.
        let short = key == b"s" || key.eq_ignore_ascii_case(b"ep");
        let kind = kind.filter(|_| !short || self.pairs.is_empty() && (explicit || key != b"s"));
        self.pairs.push(pair);
        if kind.is_some() {
            self.steps += 1;
        } else {
            self.integers |= found.integer;
            // One is enough, and to tell takes a while.
            let counts = self.metrics == 0 && (explicit || !found.integer);
            if counts && (is_metric(key) || self.pairs[0].key == b"s") {
                self.metrics += 1;
            }
        }
        self.after_number();
        self.words = Words {
            after_value: true,
            ..Words::default()
        };
        // `iter 12: `; anything else that has a number and a colon is a place
        // in a source file.
        let colon = self.peek(0) == Some(b':')
            || (kind.is_some() && self.peek(0) == Some(b' ') && self.peek(1) == Some(b':'));
        if colon {
            let step = kind.is_some() || is_worker(key);
            if !step {
                return false;
            }
            self.at += 1 + usize::from(self.peek(0) == Some(b' '));
            self.words = Words::default();
            if let Some(loss) = of_loss {
                self.skip_blanks();
                if let Some(found) = Numeral::read(&self.text[self.at..]) {
                    return self.value(loss, &found, true);
                }
            }
            // `epoch 143:     85 / 282 loss=3.5`: progress, not a value.
            self.skip_blanks();
            if let Some(found) = Numeral::read(&self.text[self.at..])
                && found.of.is_some()
            {
                self.at += found.length;
                self.words = Words {
                    after_value: true,
                    ..Words::default()
                };
            }
        }
        true
    }

    /// Skips what may follow a number: its average, its percentage, the
    /// progress within the epoch: `0.4 (0.5)`, `(+0.19z)`, `[640/60000 (1%)]`.
    fn after_number(&mut self) {
        loop {
            let mut ahead = 0;
            while matches!(self.peek(ahead), Some(b' ')) {
                ahead += 1;
            }
            let (open, close) = match self.peek(ahead) {
                Some(b'(') => (b'(', b')'),
                Some(b'[') => (b'[', b']'),
                _ => return,
            };
            let start = self.at + ahead + 1;
            let inside = &self.text[start..self.text.len().min(start + 48)];
            let mut depth = 0u32;
            let mut end = None;
            for (at, byte) in inside.iter().enumerate() {
                if *byte == open {
                    depth += 1;
                } else if *byte == close {
                    if depth == 0 {
                        end = Some(at);
                        break;
                    }
                    depth -= 1;
                } else if matches!(byte, b'=' | b':') {
                    break;
                }
            }
            let Some(end) = end else { return };
            let content = inside[..end].trim_ascii();
            let first = content.first().copied().unwrap_or(b' ');
            let numeric = class(first) == Class::Digit
                || class(first) == Class::Sign
                || nonfinite(content).is_some();
            if !(numeric || (open == b'(' && content.iter().all(|b| in_word(*b)))) {
                return;
            }
            self.at = start + end + 1;
        }
    }

    /// `lr=[1.9e-05, 1.9e-05]`, `Step [100/600]`, `mom=[(0.9, 0.999)]`: the
    /// first number counts.
    fn list(&mut self, key: &'a [u8]) -> bool {
        let start = self.at;
        let mut depth = 0u32;
        let mut end = None;
        for (at, byte) in self.text[start..].iter().enumerate().take(4096) {
            match byte {
                b'[' | b'(' => depth += 1,
                b']' | b')' => {
                    depth -= 1;
                    if depth == 0 {
                        end = Some(start + at);
                        break;
                    }
                }
                b'=' | b':' => return false,
                _ if is_code(*byte) => return false,
                _ => {}
            }
        }
        let Some(end) = end else { return false };
        let inside = &self.text[start..end];
        let skip = inside
            .iter()
            .take_while(|b| matches!(b, b'[' | b'(' | b' '))
            .count();
        let Some(mut found) = Numeral::read(&inside[skip..]) else {
            return inside[skip..].is_empty() && !self.pairs.is_empty() && self.list_ends(end);
        };
        found.length = 0;
        self.at = end + 1;
        self.value(key, &found, true)
    }

    fn list_ends(&mut self, end: usize) -> bool {
        self.at = end + 1;
        self.words = Words {
            after_value: true,
            ..Words::default()
        };
        true
    }

    /// `+`, `-` and `.` begin a number, or are ornament.
    fn sign(&mut self) -> bool {
        if Numeral::read(&self.text[self.at..]).is_some() {
            return self.top_number();
        }
        self.rule()
    }

    /// ` - `, ` => `, `====`: marks when they stand alone.
    fn rule(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .take_while(|b| matches!(class(**b), Class::Rule | Class::Sign) || **b == b'|')
            .count();
        let before = self.at == 0 || class(self.text[self.at - 1]) != Class::Word;
        let after = rest.get(length).is_none_or(|b| class(*b) == Class::Blank);
        self.at += length;
        before && after && self.end_words()
    }

    /// A bracket: part of a key, `time (ms)`; a value, `Step [3/9]`; a tag,
    /// `[train]`; or just a fence around some pairs.
    fn open(&mut self) -> bool {
        let byte = self.text[self.at];
        let inside = &self.text[self.at + 1..];
        let first = inside.trim_ascii_start().first().copied().unwrap_or(b' ');
        if self.words.count > 0 {
            if matches!(class(first), Class::Digit | Class::Sign) {
                if self.words.count > 3 {
                    return false;
                }
                let key = self.take_key();
                return self.list(key);
            }
            let length = inside.iter().take(24).take_while(|b| in_word(**b)).count();
            if byte == b'(' && inside.get(length) == Some(&b')') && length > 0 {
                self.at += length + 2;
                self.words.end = self.at;
                return self.key_ends();
            }
            return self.words.after_value && self.end_words() && self.fence();
        }
        if byte == b'[' && self.pairs.is_empty() {
            let length = inside.iter().take_while(|b| in_word(**b)).count();
            if length > 0 && inside.get(length) == Some(&b']') && class(first) == Class::Word {
                let tag = &inside[..length];
                self.pairs.push(Pair::new(b"", Value::Text(tag), None));
                self.at += length + 2;
                if self.peek(0) == Some(b':') {
                    self.at += 1;
                }
                return true;
            }
        }
        self.fence()
    }

    fn fence(&mut self) -> bool {
        self.at += 1;
        self.depth += 1;
        self.words = Words::default();
        true
    }
}

/// `validation loss at iteration 1000`, `Average loss at step 100`: the step,
/// and the loss that it is about.
fn loss_at_step(key: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(at) = key.iter().rposition(|b| *b == b' ') else {
        return (key, None);
    };
    let (loss, step) = (&key[..at], &key[at + 1..]);
    match loss.strip_suffix(b" at") {
        Some(loss) if is_score(loss) && step_word(step).is_some() => (step, Some(loss)),
        _ => (key, None),
    }
}

/// `Rank 0: …`, `GPU 3: …`.
fn is_worker(key: &[u8]) -> bool {
    let names: [&[u8]; 4] = [b"rank", b"gpu", b"worker", b"node"];
    names.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// A unit that stands apart from its number and before the next key.
fn is_unit(word: &[u8]) -> bool {
    let units: [&[u8]; 16] = [
        b"s", b"sec", b"secs", b"seconds", b"ms", b"us", b"m", b"min", b"h", b"GB", b"GiB", b"MB",
        b"MiB", b"KB", b"tokens", b"samples",
    ];
    units.contains(&word) || memchr::memmem::find(word, b"/s").is_some()
}

/// Whether a byte makes a value source code or JSON.
fn is_code(byte: u8) -> bool {
    matches!(
        byte,
        b'{' | b'}' | b'"' | b'\'' | b'`' | b'\\' | b'$' | b';' | b'!' | b'<'
    )
}

/// Whether the line begins like Python.
fn is_source_code(text: &[u8]) -> bool {
    let word = text
        .iter()
        .take(9)
        .take_while(|b| b.is_ascii_lowercase())
        .count();
    matches!(
        &text[..word],
        b"def"
            | b"if"
            | b"for"
            | b"while"
            | b"class"
            | b"return"
            | b"import"
            | b"from"
            | b"print"
            | b"elif"
            | b"else"
            | b"assert"
            | b"with"
            | b"raise"
            | b"lambda"
            | b"async"
            | b"await"
            | b"global"
            | b"usage"
    ) && !matches!(text.get(word), Some(b'_' | b'/' | b'='))
        && !text.starts_with(b"global step")
}

/// A number and what belongs to it.
struct Numeral<'a> {
    value: f64,
    of: Option<f64>,
    /// Everything, unit included.
    length: usize,
    unit: &'a [u8],
    /// No fraction, no exponent, finite.
    integer: bool,
}

impl<'a> Numeral<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let (value, mut at, mut integer) = plain(text)?;
        let mut value = value;
        let mut of = None;
        // `12/300`, `49/    1000`, `7/25 `.
        let slash = text[at..].iter().take_while(|b| **b == b' ').count();
        if integer && slash <= 1 && text.get(at + slash) == Some(&b'/') {
            let start = at + slash + 1;
            let total = start + text[start..].iter().take_while(|b| **b == b' ').count();
            if text.get(total).is_some_and(u8::is_ascii_digit)
                && let Some((number, length, true)) = plain(&text[total..])
            {
                of = Some(number);
                at = total + length;
                // `2486/10042=0.2476`.
                if text.get(at) == Some(&b'=')
                    && let Some((result, length, whole)) = plain(&text[at + 1..])
                {
                    value = result;
                    of = None;
                    integer = whole;
                    at += 1 + length;
                }
            }
        }
        let unit_start = at;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'%' | 0x80.. => at += 1,
                b'/' if at > unit_start => at += 1,
                _ => break,
            }
        }
        let unit = &text[unit_start..at];
        let ends = match text.get(at) {
            None => true,
            // Dates, clocks, versions, names, multiplications.
            Some(b'0'..=b'9' | b'_' | b'+' | b'*' | b'=' | b'@') => false,
            Some(b'-') => text.get(at + 1).is_none_or(|b| !b.is_ascii_alphanumeric()),
            Some(b':') => !(unit.is_empty() && text.get(at + 1).is_some_and(u8::is_ascii_digit)),
            Some(b'.') => text.get(at + 1).is_none_or(|b| matches!(b, b' ' | b'\t')),
            Some(b'/') => text
                .get(at + 1)
                .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'?'),
            Some(_) => true,
        };
        if !ends || unit.len() > 16 {
            return None;
        }
        // A sentence's full stop.
        if text.get(at) == Some(&b'.') {
            at += 1;
        }
        Some(Self {
            value,
            of,
            length: at,
            unit,
            integer,
        })
    }
}

/// A number without unit: the value, its length, whether it is an integer.
fn plain(text: &[u8]) -> Option<(f64, usize, bool)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let first = *text.get(sign)?;
    if matches!(first, b'n' | b'N' | b'i' | b'I') {
        let token = text[sign..]
            .iter()
            .take(12)
            .take_while(|b| in_word(**b))
            .count();
        let (value, length) = nonfinite(&text[sign..sign + token])?;
        return Some((
            if text[0] == b'-' { -value } else { value },
            sign + length,
            false,
        ));
    }
    if !(first.is_ascii_digit()
        || (first == b'.' && text.get(sign + 1).is_some_and(u8::is_ascii_digit)))
    {
        return None;
    }
    let digits = sign
        + text[sign..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
    if text.get(digits) == Some(&b',')
        && let Some(found) = with_commas(text, sign, digits)
    {
        return Some(found);
    }
    // Steps and counts are most of what there is.
    if digits - sign <= 15 && !matches!(text.get(digits), Some(b'.' | b'e' | b'E')) {
        let value = text[sign..digits]
            .iter()
            .fold(0u64, |sum, b| sum * 10 + u64::from(b - b'0'));
        #[allow(clippy::cast_precision_loss, reason = "at most fifteen digits")]
        let value = value as f64;
        return Some((if text[0] == b'-' { -value } else { value }, digits, true));
    }
    let skip = usize::from(text[0] == b'+');
    if let Some((value, length, _)) = number::plain(&text[skip..]) {
        return Some((value, skip + length, false));
    }
    let (value, length) = parse_partial::<f64, _>(&text[skip..]).ok()?;
    let length = length + skip;
    Some((value, length, length == digits))
}

/// `11,047.25`: groups of three digits after commas. A list of numbers has no
/// groups of exactly three, or a blank after the comma.
fn with_commas(text: &[u8], sign: usize, digits: usize) -> Option<(f64, usize, bool)> {
    if digits - sign > 3 {
        return None;
    }
    let mut plain = [0u8; 40];
    let mut length = 0;
    let mut keep = |bytes: &[u8]| {
        let slot = plain.get_mut(length..length + bytes.len())?;
        slot.copy_from_slice(bytes);
        length += bytes.len();
        Some(())
    };
    keep(&text[sign..digits])?;
    let mut at = digits;
    while text.get(at) == Some(&b',') {
        let group = text.get(at + 1..at + 4);
        let Some(group) = group.filter(|group| group.iter().all(u8::is_ascii_digit)) else {
            // `tps: 11,047, mfu: 3`: this comma ends the number.
            break;
        };
        if text.get(at + 4).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        keep(group)?;
        at += 4;
    }
    if at == digits {
        return None;
    }
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        let fraction = text[at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        if fraction > 0 {
            integer = false;
            // More digits than a double holds change nothing.
            keep(&text[at..at + 1 + fraction.min(12)])?;
            at += 1 + fraction;
        }
    }
    let (value, _) = parse_partial::<f64, _>(&plain[..length]).ok()?;
    Some((if text[0] == b'-' { -value } else { value }, at, integer))
}

/// `nan`, `NaN`, `inf`, `Infinity`, `nan.0`, `nanms`: the value, and its
/// length without the unit. Nothing else that begins like them.
fn nonfinite(word: &[u8]) -> Option<(f64, usize)> {
    let starts = |name: &str| {
        word.get(..name.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(name.as_bytes()))
    };
    let (value, length) = if starts("nan") {
        (f64::NAN, 3)
    } else if starts("infinity") {
        (f64::INFINITY, 8)
    } else if starts("inf") {
        (f64::INFINITY, 3)
    } else {
        return None;
    };
    match &word[length..] {
        b".0" => Some((value, length + 2)),
        b"" | b"ms" | b"s" | b"%" | b"z" | b"." => Some((value, length)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(pairs: &[Pair]) -> String {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let mut out = Vec::new();
        for pair in pairs {
            let of = pair.of.map(|of| format!("/{of}")).unwrap_or_default();
            out.push(match pair.value {
                Value::Number(number) => format!("{}={number}{of}", text(pair.key)),
                Value::Text(value) => format!("{}={:?}", text(pair.key), text(value)),
            });
        }
        out.join("; ")
    }

    fn record(line: &str) -> String {
        let mut pairs = Vec::new();
        if read(line.as_bytes(), &mut pairs) {
            shown(&pairs)
        } else {
            format!("none ({line})")
        }
    }

    fn step_of(line: &str) -> Option<i64> {
        let mut pairs = Vec::new();
        assert!(read(line.as_bytes(), &mut pairs), "{line}");
        step(&pairs)
    }

    #[test]
    fn records() {
        for (line, expected) in [
            (
                "iter 12: loss 1.25, time 131.31ms, mfu -100.00%",
                "iter=12; loss=1.25; time=131.31; mfu=-100",
            ),
            (
                "step 0: train loss 3.7, val loss 3.5",
                "step=0; train loss=3.7; val loss=3.5",
            ),
            (
                "step    12 | loss: 1.2 | lr 1e-4 | norm: 0.3 | dt: 12.3ms | tok/sec: 1234.5",
                "step=12; loss=1.2; lr=0.0001; norm=0.3; dt=12.3; tok/sec=1234.5",
            ),
            (
                "[train] iter 10: loss 8.7 11136 ms/iter",
                "=\"train\"; iter=10; loss=8.7; ms/iter=11136",
            ),
            (
                "[eval] iter 0: train 9.8 val 9.7 lr 7.5e-07",
                "=\"eval\"; iter=0; train=9.8; val=9.7; lr=0.00000075",
            ),
            ("step=12 loss=1.2 lr=1e-4", "step=12; loss=1.2; lr=0.0001"),
            (
                "Step 10: grad_norm=1.2, loss=0.3",
                "Step=10; grad_norm=1.2; loss=0.3",
            ),
            ("epoch 3, loss: 0.5 acc=0.9", "epoch=3; loss=0.5; acc=0.9"),
            (
                "step:144/15258 train_loss:3.3 train_time:24ms step_avg:nanms",
                "step=144/15258; train_loss=3.3; train_time=24; step_avg=NaN",
            ),
            (
                "step 00013/00100 (13.00%) | loss: 10.5 | tok/sec: 4,841 | epoch: 1 pq: 0 rg: 1 | eta: 2.5m",
                "step=13/100; loss=10.5; tok/sec=4841; epoch=1; pq=0; rg=1; eta=2.5",
            ),
            (
                "step   60/19560 | loss     nan (+nanz)| norm    nan (+nanz)| lr 5.14e-05 | 3619.59 ms | 37.3% bf16 MFU | 144489 tok/s",
                "step=60/19560; loss=NaN; norm=NaN; lr=0.0000514; ms=3619.59; bf16 MFU=37.3; tok/s=144489",
            ),
            (
                "step   61/19560 | loss 11.5 (+0.19z)| norm 0.5 (-1.00z)| lr 5.14e-05 | 3619.59 ms | 37.3% bf16 MFU | 144489 tok/s",
                "step=61/19560; loss=11.5; norm=0.5; lr=0.0000514; ms=3619.59; bf16 MFU=37.3; tok/s=144489",
            ),
            (
                "step:  4  loss: 12.5  grad_norm: 48.5  memory: 165.1GiB(92.57%)  tps: 11,678  tflops: 1,014.25  mfu: N/A",
                "step=4; loss=12.5; grad_norm=48.5; memory=165.1; tps=11678; tflops=1014.25; mfu=\"N/A\"",
            ),
            (
                "step:  4  memory: 165.1 GiB(92.57%)  tps: 11",
                "step=4; memory=165.1; tps=11",
            ),
            (
                "iteration       49/    1000 | consumed samples:   50176 | elapsed time per iteration (ms): 126896.5 | lm loss: 1.5E+01 | number of nan iterations:   0 |",
                "iteration=49/1000; consumed samples=50176; elapsed time per iteration (ms)=126896.5; lm loss=15; number of nan iterations=0",
            ),
            (
                "validation loss at iteration 100 | lm loss value: 1.5E+00 | lm loss PPL: NAN |",
                "iteration=100; lm loss value=1.5; lm loss PPL=NaN",
            ),
            (
                "steps: 1 loss: 12.5 iter time (s): 150.5 samples/sec: 6.5",
                "steps=1; loss=12.5; iter time (s)=150.5; samples/sec=6.5",
            ),
            (
                "step=1, skipped=0, lr=[1.5e-05, 1.5e-05], mom=[(0.9, 0.999), (0.9, 0.999)]",
                "step=1; skipped=0; lr=0.000015; mom=0.9",
            ),
            (
                "epoch=0/micro_step=3/global_step=2, RunningAvgSamplesPerSec=6.5, MemAllocated=1.5GB",
                "epoch=0; micro_step=3; global_step=2; RunningAvgSamplesPerSec=6.5; MemAllocated=1.5",
            ),
            (
                "step:9 - actor/lr(1e-4):0.5 - critic/score/mean:-0.5 - x/y:nan",
                "step=9; actor/lr(1e-4)=0.5; critic/score/mean=-0.5; x/y=NaN",
            ),
            (
                "completed step: 7, seconds: 5.5, TFLOP/s/device: 134.5, loss: 10.5",
                "completed step=7; seconds=5.5; TFLOP/s/device=134.5; loss=10.5",
            ),
            ("step: 3 | loss: 1.25 | rank 0", "step=3; loss=1.25; rank=0"),
            (
                "global_step=732, episodic_return=[22.]",
                "global_step=732; episodic_return=22",
            ),
            (
                "global_step=2e+3, episodic_return=-inf",
                "global_step=2000; episodic_return=-inf",
            ),
            (
                "Batch 1110/312500 | Loss: 10.5 | Time: 0.2s | ETA: 21.3h",
                "Batch=1110/312500; Loss=10.5; Time=0.2; ETA=21.3",
            ),
            (
                "Epoch [2/5], Step [100/600], Loss: 0.5",
                "Epoch=2/5; Step=100/600; Loss=0.5",
            ),
            (
                "Epoch 5/10 - loss: 0.5 - acc: 0.25",
                "Epoch=5/10; loss=0.5; acc=0.25",
            ),
            (
                "[Epoch 1/200] [Batch 5/100] [D loss: 0.5] [G loss: 0.25]",
                "Epoch=1/200; Batch=5/100; D loss=0.5; G loss=0.25",
            ),
            (
                "(epoch: 1, iters: 100, time: 0.5, data: 0.25) G_GAN: 0.5 D_real: 0.25",
                "epoch=1; iters=100; time=0.5; data=0.25; G_GAN=0.5; D_real=0.25",
            ),
            (
                "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.5",
                "Train Epoch=1; Loss=2.5",
            ),
            (
                "epoch:[  7/25 ] train step:0    loss: 1.5 lr: 0.5 batch_cost: 3.5 sec, ips: 18.5 instance/sec.",
                "epoch=7/25; train step=0; loss=1.5; lr=0.5; batch_cost=3.5; ips=18.5",
            ),
            (
                "Epoch: 0001 train_loss= 0.5 val_acc= 0.25 time= 0.5s",
                "Epoch=1; train_loss=0.5; val_acc=0.25; time=0.5",
            ),
            ("Iteration 100, loss = 0.5", "Iteration=100; loss=0.5"),
            (
                "Average loss at step 100: 2.5",
                "step=100; Average loss=2.5",
            ),
            (
                "s:10 trl:5.5 lr:0.5 norm:0.25",
                "s=10; trl=5.5; lr=0.5; norm=0.25",
            ),
            (
                "epoch 143:     85 / 282 loss=3.5, num_updates=40100, lr=0.5",
                "epoch=143; loss=3.5; num_updates=40100; lr=0.5",
            ),
            ("step 5 loss nan lr 1e-4", "step=5; loss=NaN; lr=0.0001"),
            (
                "step  902/19560 | loss     nan (+nanz)|slurmstepd: error: *** JOB 1 ON n CANCELLED ***",
                "step=902/19560; loss=NaN",
            ),
            (
                "step 902/19560 | loss 2.5 (+0.1z)| norm 0.5 (-0.1z)| lError: something broke at x.cu:675",
                "step=902/19560; loss=2.5; norm=0.5",
            ),
            ("----- step 5 loss 0.5 -----", "step=5; loss=0.5"),
            ("info: step 5, loss 0.5", "=\"info\"; step=5; loss=0.5"),
            ("val | epoch 3 | loss 0.5", "=\"val\"; epoch=3; loss=0.5"),
            (
                "train_opt_callback: iter=     3 sample=4/12 sched=0.5 loss=1.5 |-->",
                "=\"train_opt_callback\"; iter=3; sample=4/12; sched=0.5; loss=1.5",
            ),
            ("loss: 0.5, step: 7", "loss=0.5; step=7"),
            (
                "step 7 loss_pixel: 220126996736552716516472320425984.000",
                "step=7; loss_pixel=220126996736552700000000000000000",
            ),
        ] {
            assert_eq!(record(line), expected, "{line}");
        }
    }

    #[test]
    fn look_alikes() {
        let mut pairs = Vec::new();
        for line in [
            "",
            "resuming at step 500",
            "saving checkpoint to out/checkpoint-500",
            "step 5: saving checkpoint to out/checkpoint-500, took 3.2s",
            "print0(f\"step:{step}/{args.num_iterations} val_loss:{val_loss:.4f}\", console=True)",
            "step:{step}/{total} val_loss:{loss}",
            "for step in range(100): loss = 0.0",
            "step = 0; loss = 0.0",
            "step, loss = 0, 1.0",
            "def train(step=0, loss=1.0):",
            "model(step=5, loss=1.0)",
            "if step == 0: loss = 1.0",
            "loss_scale_window: 1000",
            "  --lr LR",
            "usage: train.py [--step STEP] [--loss LOSS]",
            "\"loss_scale\": 0,",
            "learning_rate = 1e-3 # with baby networks can afford to go a bit higher",
            "max_steps = 5000 # learning_rate 0.1",
            "Overriding: device = cpu",
            "Overriding: max_iters = 1500",
            "loss_scale ................... 1.0",
            "train_iters ..................... 1000",
            "checkpoint.py:87: UserWarning: the scheduler was called, step 5",
            "checkpoint.py:87: UserWarning: foo, step 5, loss 0.5",
            "see https://example.org/step/5?loss=0.5",
            "2024-01-01 10:00:00 step",
            "{'loss': 6.9, 'learning_rate': 9.7e-05, 'epoch': 0.21}",
            "{\"step\": 5, \"loss\": 0.5}",
            "Step 1: x = 5",
            "Step 2: 5 + 3 = 8, so the loss of 3 apples is 5",
            "Epoch 5, global step 4000: val_loss reached 0.12 (best 0.12), saving model to /tmp/a.ckpt as top 1",
            "Training starts at step 1",
            "Warmup steps (600) exceed total steps (10). Adjusting warmup steps to 10.",
            "tokens/iter = 393,216 | train tokens = 239,182,819 | vocab = 16384",
            "validation loss: 10.9499",
            "Building a mesh with parallelism: pp=1, dp_replicate=1, ep=1",
            "parallelism pp=1, dp_replicate=1, ep=1",
            "some-host-03:0\tolmo.train:990\tINFO\t[step=10/10000,epoch=0]",
            "epoch: 0.5, loss: 0.5",
            "Epoch 53/60",
            "Epoch 3: 12 files found",
            "rank 0 sample 1: Hello, I am a model at step 5, loss 0.5",
            "slurmstepd: error: *** JOB 267035 ON dgx-06 CANCELLED AT 2025-08-21T02:35:44 ***",
        ] {
            assert!(
                !read(line.as_bytes(), &mut pairs),
                "{line}: {}",
                shown(&pairs)
            );
            assert!(pairs.is_empty());
        }
    }

    #[test]
    fn records_without_a_step() {
        let mut pairs = Vec::new();
        let mut get = |line: &'static str| {
            if read_with_or_without_step(line.as_bytes(), &mut pairs) {
                shown(&pairs)
            } else {
                "none".into()
            }
        };
        assert_eq!(get("val loss 5.125"), "val loss=5.125");
        assert_eq!(get("validation loss: 10.5"), "validation loss=10.5");
        assert_eq!(get("val loss: nan"), "val loss=NaN");
        assert_eq!(
            get("HellaSwag accuracy: 2486/10042=0.25"),
            "HellaSwag accuracy=0.25"
        );
        assert_eq!(
            get("train_loss=0.5, val_acc=0.25"),
            "train_loss=0.5; val_acc=0.25"
        );
        assert_eq!(get("[eval] loss: 0.5"), "=\"eval\"; loss=0.5");
        assert_eq!(get("step 5: loss 0.5"), "step=5; loss=0.5");
        for line in [
            "loss_scale: 0.5",
            "learning_rate: 0.001",
            "loss: 3",
            "loss: cross_entropy",
            "best loss 0.5 so far, saving",
            "val_loss = 0.0",
            "{'loss': 0.5}",
            "",
        ] {
            assert_eq!(get(line), "none", "{line}");
        }
    }

    #[test]
    fn steps() {
        assert_eq!(step_of("iter 12: loss 1.2"), Some(12));
        assert_eq!(step_of("loss: 0.5, step: 7, epoch: 2"), Some(7));
        assert_eq!(
            step_of("Epoch [2/5], Step [100/600], Loss: 0.5"),
            Some(1300)
        );
        assert_eq!(step_of("Epoch 2 Batch 10/100 loss 0.5"), Some(210));
        assert_eq!(step_of("step 13/100 | loss: 1.5 | epoch: 1"), Some(13));
        assert_eq!(step_of("epoch 3, loss: 0.5"), Some(3));
        assert_eq!(step_of("global_step=2e+3, train_loss=1.5"), Some(2000));
    }

    #[test]
    fn numbers() {
        for (text, value, length) in [
            ("12", 12.0, 2),
            ("-0.5 x", -0.5, 4),
            ("+0.19z)", 0.19, 6),
            ("12.5ms,", 12.5, 6),
            ("11,047", 11047.0, 6),
            ("1,234,567.5|", 1_234_567.5, 11),
            ("1,23", 1.0, 1),
            ("1e-4", 1e-4, 4),
            ("1.5E+01", 15.0, 7),
            ("12/300", 12.0, 6),
            ("0.5%", 0.5, 4),
            ("22.", 22.0, 3),
            ("inf", f64::INFINITY, 3),
            ("-Infinity", f64::NEG_INFINITY, 9),
            ("26ms/step", 26.0, 9),
        ] {
            assert_eq!(number(text.as_bytes()), Some((value, length)), "{text}");
        }
        for text in ["nan", "NaN", "NAN", "nan.0", "nanms"] {
            assert!(number(text.as_bytes()).unwrap().0.is_nan(), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "x",
            "2024-01-01",
            "10:22:33",
            "1.2.3",
            "0x1f",
            "3d_conv",
            "info",
            "nano",
            "10:30",
        ] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut pairs = Vec::new();
            read(&text, &mut pairs);
            read_with_or_without_step(&text, &mut pairs);
        }

        #[test]
        fn any_words_will_do(text in prop::collection::vec(prop_oneof![
            Just("step"), Just("loss"), Just(" "), Just("  "), Just(":"), Just("="), Just("1"), Just("0.5"),
            Just("nan"), Just("inf"), Just("("), Just(")"), Just("["), Just("]"), Just(","), Just("|"), Just("/"),
            Just("-"), Just("e5"), Just("%"), Just("1,234"), Just("\t"), Just("é"), Just("{"), Just("epoch"), Just("at"),
        ], 0..30)) {
            let mut pairs = Vec::new();
            let text = text.concat();
            if read(text.as_bytes(), &mut pairs) {
                prop_assert!(pairs.len() >= 2);
            }
            read_with_or_without_step(text.as_bytes(), &mut pairs);
            let _ = step(&pairs);
            let _ = number(text.as_bytes());
        }
    }
}
