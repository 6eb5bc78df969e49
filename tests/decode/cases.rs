//! The cases that fuzzing has found, packed: a file per decoder in
//! `tests/decode/cases`, a case per line, with escapes for what is no plain text
//! (`\n`, `\x00`).

/// The cases of a packed file.
pub(crate) fn unpack(packed: &str) -> impl Iterator<Item = Vec<u8>> {
    packed.lines().map(|line| bytes(line.as_bytes()))
}

fn bytes(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        rest = after;
        let (&b'\\', [escape, after @ ..]) = (byte, after) else {
            bytes.push(*byte);
            continue;
        };
        rest = after;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                let digits = str::from_utf8(digits).expect("hexadecimal digits");
                u8::from_str_radix(digits, 16).expect("hexadecimal digits")
            }
            other => *other,
        });
    }
    bytes
}

#[test]
fn escapes_are_those_of_the_standard_library() {
    let all: Vec<u8> = (0..=255).collect();
    let packed = format!("{}\n", all.escape_ascii()).repeat(2);
    let cases: Vec<_> = unpack(&packed).collect();
    assert_eq!(cases, [all.clone(), all]);
}
