//! tqdm progress bars: how far, which metrics, and what follows on the line.
//!
//! ```text
//!   8%|▊         | 1/12 [00:00<00:01,  6.19it/s]
//! Epoch 3:  57%|█████▋    | 8/14 [00:00<00:00, 38.09it/s, v_num=1, loss=0.06]
//! 12it [00:01, 10.2it/s]
//!  18%|#8        | 4374/24758 [2:55:31<14:50:24, 2.62s/it]Traceback (most …
//! ```
//!
//! All of them have a count, a blank, and a bracket that begins with a
//! duration: that is what is looked for.

use memchr::{memchr, memchr_iter, memmem};

/// The longest bracket that is looked into.
const LONGEST: usize = 16 << 10;

/// One state of a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bar<'a> {
    /// How much is done. Approximate when printed like `17.9k`.
    pub(crate) current: u64,
    /// How much there is to do, when known.
    pub(crate) total: Option<u64>,
    /// What stands before the bar, without the colon: `Epoch 3`.
    pub(crate) description: &'a [u8],
    /// The metrics inside the bracket, after the rate: `loss=0.69, v_num=1`.
    pub(crate) postfix: &'a [u8],
    /// What follows the bracket without a line break: a record, a traceback,
    /// the next bar.
    pub(crate) rest: &'a [u8],
}

/// The first progress bar of a piece of text, if there is one.
pub(crate) fn bar(text: &[u8]) -> Option<Bar<'_>> {
    memchr_iter(b'[', text).find_map(|open| at(text, open))
}

/// The bar whose bracket opens here.
fn at(text: &[u8], open: usize) -> Option<Bar<'_>> {
    let inside = &text[open + 1..];
    let elapsed = duration(inside)?;
    let (timing, timed) = match inside.get(elapsed) {
        Some(b'<') => (remaining(&inside[elapsed + 1..])? + elapsed + 1, true),
        Some(b',') => (elapsed, false),
        _ => return None,
    };
    let counted = count(&text[..open])?;
    // Without a total or a remaining time, only the rate tells a bar from a
    // count that happens to stand before a time.
    let sure = timed || counted.slash;
    if !sure && !split_rate(inside[timing..].strip_prefix(b",")?).0 {
        return None;
    }
    let (close, rest) = match closing(&inside[timing..]) {
        Some(close) => (timing + close, &inside[timing + close + 1..]),
        None => (inside.len(), &inside[inside.len()..]),
    };
    let fields = inside[timing..close]
        .strip_prefix(b",")
        .unwrap_or(&inside[timing..close]);
    let (rate, postfix) = split_rate(fields);
    if !(sure || rate) {
        return None;
    }
    Some(Bar {
        current: counted.current,
        total: counted.total,
        description: description(&text[..counted.start]),
        postfix,
        rest: rest.trim_ascii_start(),
    })
}

/// The length of `MM:SS` or `H:MM:SS` at the start.
fn duration(text: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let first = digits(text);
    if first == 0 || first > 6 {
        return None;
    }
    let mut at = first;
    while text.get(at) == Some(&b':') && digits(&text[at + 1..]) == 2 {
        at += 3;
    }
    (at > first).then_some(at)
}

/// The length of the remaining time: a duration, `?`, or cut off.
fn remaining(text: &[u8]) -> Option<usize> {
    match text.first() {
        None => Some(0),
        Some(b'?') => Some(1),
        _ => duration(text).or_else(|| {
            // A bar cut to the terminal's width ends in the middle.
            let cut = text.len() < 8 && text.iter().all(|b| b.is_ascii_digit() || *b == b':');
            cut.then_some(text.len())
        }),
    }
}

/// Where the bracket closes that is open at the start; a postfix may have
/// brackets of its own.
fn closing(text: &[u8]) -> Option<usize> {
    let text = &text[..text.len().min(LONGEST)];
    let mut depth = 0usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 0 => return Some(at),
            b']' => depth -= 1,
            _ => {}
        }
    }
    // Unbalanced: a cut-off list. The first bracket is the likelier end.
    memchr(b']', text)
}

/// Whether a rate is there (`6.19it/s`, `?it/s`, `1.3s/it`), and what follows it.
fn split_rate(fields: &[u8]) -> (bool, &[u8]) {
    let fields = fields.trim_ascii();
    let end = memchr(b',', fields).unwrap_or(fields.len());
    let first = &fields[..end];
    let number = first
        .first()
        .is_some_and(|b| b.is_ascii_digit() || *b == b'?');
    if number && memchr(b'/', first).is_some() && memchr(b'=', first).is_none() {
        let postfix = fields.get(end + 1..).unwrap_or_default();
        (true, postfix.trim_ascii())
    } else {
        (false, fields)
    }
}

struct Count {
    start: usize,
    current: u64,
    total: Option<u64>,
    slash: bool,
}

/// The count at the end of what stands before the bracket: `1/12 `, `3/? `,
/// `12it `, `561 examples `.
fn count(before: &[u8]) -> Option<Count> {
    let text = before.strip_suffix(b" ")?.trim_ascii_end();
    let start = token_start(text);
    let token = &text[start..];
    if let Some(slash) = memchr(b'/', token) {
        let current = quantity(&token[..slash])?;
        let total = match &token[slash + 1..] {
            b"?" => None,
            total => Some(quantity(total)?),
        };
        return Some(Count {
            start,
            current,
            total,
            slash: true,
        });
    }
    let digits = token
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b'.')
        .count();
    let (start, number) = if digits > 0 {
        // `12it`; a bare number could be anything.
        if digits == token.len() {
            return None;
        }
        let scaled =
            digits + usize::from(factor(token[digits]).is_some() && digits + 1 < token.len());
        (start, &token[..scaled])
    } else {
        // `561 examples`.
        let before = text[..start].trim_ascii_end();
        let start = token_start(before);
        (start, &before[start..])
    };
    let current = quantity(number)?;
    Some(Count {
        start,
        current,
        total: None,
        slash: false,
    })
}

/// Where the last blank-separated word begins; a bar's edge ends it too.
fn token_start(text: &[u8]) -> usize {
    let blank = |b: &u8| b.is_ascii_whitespace() || *b == b'|';
    text.iter().rposition(blank).map_or(0, |at| at + 1)
}

/// A number as tqdm prints it: `12`, `17.9k`, `1.2M`.
fn quantity(text: &[u8]) -> Option<u64> {
    let (digits, scale) = match text.split_last()? {
        (last, digits) if !last.is_ascii_digit() => (digits, factor(*last)?),
        _ => (text, 1),
    };
    let (whole, fraction) = match memchr(b'.', digits) {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &digits[..0]),
    };
    if whole.is_empty() || whole.len() > 18 || fraction.len() > 3 {
        return None;
    }
    let mut value = number(whole)?.checked_mul(scale)?;
    let mut unit = scale;
    for digit in fraction {
        unit /= 10;
        value = value.saturating_add(number(std::slice::from_ref(digit))? * unit);
    }
    Some(value)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0'))
    })
}

fn factor(unit: u8) -> Option<u64> {
    match unit {
        b'k' | b'K' => Some(1_000),
        b'M' => Some(1_000_000),
        b'G' => Some(1_000_000_000),
        b'T' => Some(1_000_000_000_000),
        _ => None,
    }
}

/// What describes the bar, given everything before the count.
fn description(before: &[u8]) -> &[u8] {
    let bar = memmem::find(before, b"%|").map_or(before, |percent| {
        let digits = before[..percent]
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit())
            .count();
        &before[..percent - digits]
    });
    let text = bar.trim_ascii();
    text.strip_suffix(b":").unwrap_or(text).trim_ascii_end()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (u64, Option<u64>, &str, &str, &str) {
        let bar = bar(text.as_bytes()).unwrap();
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        (
            bar.current,
            bar.total,
            text(bar.description),
            text(bar.postfix),
            text(bar.rest),
        )
    }

    #[test]
    fn a_plain_bar() {
        let bar = read("  8%|▊         | 1/12 [00:00<00:01,  6.19it/s]");
        assert_eq!(bar, (1, Some(12), "", "", ""));
        let bar = read("  0%|          | 0/27 [00:00<?, ?it/s]");
        assert_eq!(bar, (0, Some(27), "", "", ""));
    }

    #[test]
    fn a_bar_with_metrics() {
        let bar = read(
            "Epoch 3:  57%|█████▋    | 8/14 [00:00<00:00, 38.09it/s, v_num=1, train/loss=0.06]",
        );
        assert_eq!(
            bar,
            (8, Some(14), "Epoch 3", "v_num=1, train/loss=0.06", "")
        );
        let bar = read("Epoch 0: : 47%|####  | 7/? [06:19<07:13, loss=1.2, global_step=2e+3]");
        assert_eq!(bar, (7, None, "Epoch 0:", "loss=1.2, global_step=2e+3", ""));
        let bar = read("50%|#####| 5/10 [01:02<01:02, 1.42s/it, returns=[15.0]]");
        assert_eq!(bar, (5, Some(10), "", "returns=[15.0]", ""));
    }

    #[test]
    fn what_is_glued_on() {
        let bar = read(
            " 18%|#8  | 4374/24758 [2:55:31<14:50:24, 2.62s/it]Traceback (most recent call last):",
        );
        assert_eq!(
            bar,
            (
                4374,
                Some(24758),
                "",
                "",
                "Traceback (most recent call last):"
            )
        );
        let bar = read(
            "1|30|Loss: 1.7:  50%|█████     | 30/60 [00:00<00:00, 14.2it/s] Step 30 | loss:1.7 ",
        );
        assert_eq!(
            bar,
            (30, Some(60), "1|30|Loss: 1.7", "", "Step 30 | loss:1.7 ")
        );
        let bar = read(
            "3%|3| 10/312 [00:43<20:20, 4.04s/it, val_loss=0.2][NeMo I 2024-06-17 08:36:41 x:1] y",
        );
        assert_eq!(bar.3, "val_loss=0.2");
        assert_eq!(bar.4, "[NeMo I 2024-06-17 08:36:41 x:1] y");
    }

    #[test]
    fn bars_without_a_total_and_with_units() {
        assert_eq!(read("12it [00:01, 10.2it/s]"), (12, None, "", "", ""));
        assert_eq!(read("read: 0it [00:00, ?it/s]"), (0, None, "read", "", ""));
        assert_eq!(read("561 examples [00:01, 452.6 examples/s]").0, 561);
        let bar = read("Map:  44%|████▍     | 561/1282 [00:00<00:01, 452.61 examples/s]");
        assert_eq!(bar, (561, Some(1282), "Map", "", ""));
        let bar = read("model.safetensors:  17%|#7 | 17.9k/1.05M [00:00<00:01, 90.1kB/s]");
        assert_eq!(bar, (17_900, Some(1_050_000), "model.safetensors", "", ""));
        assert_eq!(read("17.9kit [00:01, 10.2kit/s]").0, 17_900);
    }

    #[test]
    fn a_bar_cut_to_the_terminal() {
        assert_eq!(read(" 18%|#8  | 4374/24758 [2:55:31<14:").0, 4374);
        assert_eq!(
            read(" 18%|#8  | 4374/24758 [2:55:31<14:50:24, 2.62s/i").0,
            4374
        );
    }

    #[test]
    fn what_is_no_bar() {
        for text in [
            "",
            "[",
            "step 5/10 | loss 0.3",
            "[19:22:03] Batch 12/300 | Loss: 1.2",
            "Epoch(train) [2][40/50]  lr: 1.0e-02",
            "Epoch: [0/100]  [ 810/1562]  eta: 0:06:21  loss: 9.9 (10.5)",
            "at step 12 [10:22, see below]",
            "done with 12 steps [10:22, see below]",
            "lr=[1.0e-05, 1.0e-05]",
        ] {
            assert_eq!(bar(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = bar(&text);
        }

        #[test]
        fn any_bar_like_text_will_do(text in r"([0-9]{0,20}[kM.]?[/%|? ]{0,2}(it)? ?[\[<,:\]]?){0,12}") {
            let _ = bar(text.as_bytes());
        }
    }
}
