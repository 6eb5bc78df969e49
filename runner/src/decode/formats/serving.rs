//! Inference servers: vLLM and SGLang.
//!
//! ```text
//! Engine 000: Avg prompt throughput: 4.8 tokens/s, Running: 1 reqs, GPU KV cache usage: 0.8%
//! Decode batch, #running-req: 1, #token: 181, cuda graph: True, gen throughput (token/s): 17.39
//! ```
//!
//! They have no steps: their reports are counted. SGLang's lines of prefills
//! tell of single requests and are left alone.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue;

pub(super) const VLLM: Entry = Entry {
    about: About {
        name: "vllm",
        title: "vLLM's server",
        example: "Engine 000: Avg prompt throughput: 4.8 tokens/s, Avg generation throughput: 5.6 tokens/s, Running: 1 reqs",
        step: "counted",
    },
    begins: b"",
    new: || Box::new(Lines(vllm)),
};

pub(super) const SGLANG: Entry = Entry {
    about: About {
        name: "sglang",
        title: "SGLang's server",
        example: "Decode batch, #running-req: 1, #token: 181, gen throughput (token/s): 17.39, #queue-req: 0",
        step: "counted",
    },
    begins: b"D",
    new: || Box::new(Lines(sglang)),
};

/// The longest prefix of a logger.
const HEAD: usize = 64;

fn vllm(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let mut text = Cursor::new(line.text);
    // Old versions have a bracket that only closes: `metrics.py:406] `.
    let head = &line.text[..line.text.len().min(HEAD)];
    if let Some(end) = memchr::memchr(b']', head).filter(|_| !head.starts_with(b"[")) {
        text = Cursor::new(line.text[end + 1..].trim_ascii_start());
    }
    let engine = engine(&mut text);
    if !text.rest.starts_with(b"Avg prompt throughput:") {
        return false;
    }
    out.begin();
    if let Some(engine) = engine {
        out.rank(engine);
    }
    list(text.rest, out);
    out.end(line)
}

/// `Engine 000: `.
fn engine(text: &mut Cursor<'_>) -> Option<u32> {
    let mut ahead = *text;
    ahead.word(b"Engine ")?;
    let engine = ahead.digits()?;
    ahead.word(b":")?;
    ahead.blanks();
    *text = ahead;
    u32::try_from(engine).ok()
}

fn sglang(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let list_of = |text: &'_ [u8]| text.first().is_some_and(|mark| matches!(mark, b'.' | b','));
    let Some(text) = line.text.strip_prefix(b"Decode batch") else {
        return false;
    };
    let text = match Cursor::new(text).until(b'#') {
        // `Decode batch [12], `.
        Some(between) if between.starts_with(b" [") => &text[between.len()..],
        _ if list_of(text) => &text[1..],
        _ => return false,
    };
    out.begin();
    list(text, out);
    out.end(line)
}

/// Takes `name: number unit, name: number unit`; what is no number passes by.
fn list(text: &[u8], out: &mut Out<'_>) {
    for part in text.split(|byte| *byte == b',') {
        let mut part = Cursor::new(part);
        if let Some(name) = part.blanks().until(b':')
            && let Some(value) = value(part.blanks())
        {
            out.number(name, value);
        }
    }
}

fn value(text: &mut Cursor<'_>) -> Option<f64> {
    let (value, length) = keyvalue::number(text.rest)?;
    // A full stop after the last percentage is no part of it.
    let rest = text.rest.get(length..)?;
    let odd = rest.first().is_some_and(|b| b.is_ascii_alphanumeric());
    (!odd).then_some(value)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn vllm() {
        let log = concat!(
            "(APIServer pid=55) INFO 08-21 10:29:59 [loggers.py:273] Engine 001: Avg prompt throughput: 4.8 tokens/s, Avg generation throughput: 5.6 tokens/s, Running: 1 reqs, Waiting: 0 reqs, GPU KV cache usage: 0.8%, Prefix cache hit rate: 0.0%\n",
            "INFO 07-01 10:00:00 metrics.py:406] Avg prompt throughput: 9.5 tokens/s, Avg generation throughput: nan tokens/s, Running: 3 reqs, Swapped: 0 reqs, Pending: 2 reqs, GPU KV cache usage: 1.5%, CPU KV cache usage: 0.0%.\n",
        );
        let expected = [
            "step 1 rank 1: Avg prompt throughput=4.8 Avg generation throughput=5.6 Running=1 Waiting=0 GPU KV cache usage=0.8 Prefix cache hit rate=0",
            "step 2: Avg prompt throughput=9.5 Avg generation throughput=NaN Running=3 Swapped=0 Pending=2 GPU KV cache usage=1.5 CPU KV cache usage=0",
        ];
        assert_eq!(records(log), expected);
        assert_eq!(formats(log), ["vllm"]);
    }

    #[test]
    fn sglang() {
        let log = concat!(
            "[2026-08-02 00:02:22 TP0] Decode batch. #running-req: 1, #token: 181, token usage: 0.01, cuda graph: True, gen throughput (token/s): 17.39, #queue-req: 0, \n",
            "[2026-08-02 00:02:22] Prefill batch, #new-seq: 1, #new-token: 7\n",
            "[2026-08-02 00:02:23] Decode batch, #running-req: 2, gen throughput (token/s): 18.5\n",
            "[2026-08-02 00:02:23] Decode batch [40], #running-req: 3\n",
        );
        let expected = [
            "step 1: #running-req=1 #token=181 token usage=0.01 gen throughput (token/s)=17.39 #queue-req=0",
            "step 2: #running-req=2 gen throughput (token/s)=18.5",
            "step 3: #running-req=3",
        ];
        assert_eq!(records(log), expected);
        assert_eq!(formats(log), ["sglang"]);
    }

    #[test]
    fn other_lines() {
        for text in [
            "Engine 000: started\n",
            "Engine 000 Avg prompt throughput: 5 tokens/s\n",
            "Decode batch size is 5\n",
            "Decode batches, of 5: 6\n",
        ] {
            assert_eq!(records(text), [""; 0], "{text}");
        }
    }
}
