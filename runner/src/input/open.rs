//! What a stream of bytes holds: a log, a compressed one, or an archive of
//! them, one within the other. Its first bytes say which, not its name.

use std::io::{self, Cursor, Read};

use super::archive::{self, HEADER};
use super::compressed::Compression;

/// Layers of compression and archives that are taken off; more are no log.
const LAYERS: u32 = 6;

/// Shows each log of a stream to `log`, which answers whether it wants more:
/// with its name in the archive, or without a name if the stream is the log.
///
/// # Errors
/// When an archive breaks off or is damaged between its members. What breaks
/// off within a log is an error of its reader.
pub fn each_log(
    from: &mut dyn Read,
    log: &mut dyn FnMut(Option<&str>, &mut dyn Read) -> bool,
) -> io::Result<()> {
    within(from, None, LAYERS, log).map(|_| ())
}

fn within(
    mut from: &mut dyn Read,
    name: Option<&str>,
    layers: u32,
    log: &mut dyn FnMut(Option<&str>, &mut dyn Read) -> bool,
) -> io::Result<bool> {
    let head = head(&mut from);
    let compression = Compression::of(&head.bytes);
    let tar = archive::is_tar(&head.bytes);
    let mut whole = head.chain(from);
    if layers == 0 {
        return Ok(log(name, &mut whole));
    }
    if let Some(compression) = compression {
        let mut plain = compression.reader(whole);
        return within(&mut plain, name, layers - 1, log);
    }
    if !tar {
        return Ok(log(name, &mut whole));
    }
    let mut more = true;
    let mut problem = None;
    archive::each(whole, &mut |member, content| {
        let member = name.map_or_else(|| member.to_owned(), |name| format!("{name}/{member}"));
        match within(content, Some(&member), layers - 1, log) {
            Ok(wanted) => more = wanted,
            // A damaged archive in an archive: the others are still there.
            Err(error) => problem = Some(error),
        }
        more
    })?;
    problem.map_or(Ok(more), Err)
}

/// The beginning of a stream. An error on the way comes after it.
struct Head {
    bytes: Vec<u8>,
    error: Option<io::Error>,
}

fn head(from: &mut dyn Read) -> Head {
    let mut bytes = Vec::new();
    let error = from.take(HEADER as u64).read_to_end(&mut bytes).err();
    Head { bytes, error }
}

impl Head {
    fn chain<'a>(self, rest: impl Read + 'a) -> impl Read + 'a {
        Cursor::new(self.bytes)
            .chain(Broken(self.error))
            .chain(rest)
    }
}

/// Fails once, if there is something to fail with.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::archive::tests::pack;
    use super::super::compressed::tests::{ALL, compress};
    use super::*;
    use proptest::prelude::*;

    /// Every log with its content, and an error as a line of its own.
    fn logs(mut stream: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        let result = each_log(&mut stream, &mut |name, content| {
            let mut text = Vec::new();
            let read = content.read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text);
            let end = if read.is_ok() { "" } else { " broken off" };
            seen.push(format!("{}: {text}{end}", name.unwrap_or("-")));
            true
        });
        seen.extend(result.err().map(|error| error.to_string()));
        seen
    }

    #[test]
    fn a_log_is_a_log() {
        assert_eq!(logs(b""), ["-: "]);
        assert_eq!(logs(b"step=1"), ["-: step=1"]);
    }

    #[test]
    fn layers_come_off() {
        for how in ALL {
            assert_eq!(logs(&compress(how, b"step=1")), ["-: step=1"]);
            let tar = pack(&[("a.log", b"step=1"), ("b.gz", &compress(how, b"step=2"))]);
            let expected = ["a.log: step=1", "b.gz: step=2"];
            assert_eq!(logs(&tar), expected);
            assert_eq!(logs(&compress(how, &tar)), expected);
            assert_eq!(logs(&compress(how, &compress(how, &tar))), expected);
            let nested = pack(&[("in.tar", &compress(how, &tar))]);
            assert_eq!(
                logs(&nested),
                ["in.tar/a.log: step=1", "in.tar/b.gz: step=2"]
            );
        }
    }

    #[test]
    fn endless_layers_end() {
        let mut bytes = b"step=1".to_vec();
        for _ in 0..40 {
            bytes = compress(ALL[0], &bytes);
        }
        assert_eq!(logs(&bytes).len(), 1);
    }

    proptest! {
        #[test]
        fn damage_never_panics(
            kind in 0..5_usize,
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            keep in any::<prop::sample::Index>(),
        ) {
            let text: Vec<u8> = (0..400).flat_map(|n| format!("step={n}\n").into_bytes()).collect();
            let tar = pack(&[("a.log", &text), (&"long/".repeat(30), b""), ("b.log", &text)]);
            let mut packed = ALL.get(kind).map_or(tar.clone(), |how| compress(*how, &tar));
            for (place, byte) in places {
                let at = place.index(packed.len());
                packed[at] = byte;
            }
            // Mostly whole, sometimes cut.
            let keep = keep.index(2 * packed.len()).min(packed.len());
            let mut seen = 0_u64;
            let _ = each_log(&mut &packed[..keep], &mut |_, content| {
                seen += io::copy(&mut content.take(1 << 24), &mut io::sink()).unwrap_or(0);
                true
            });
            prop_assert!(seen < 1 << 28);
        }
    }

    #[test]
    fn what_breaks_off_is_an_error_after_what_is_there() {
        let text = "step=1 loss=2\n".repeat(9000);
        let packed = compress(ALL[0], text.as_bytes());
        let seen = logs(&packed[..packed.len() - 9]);
        assert!(seen[0].starts_with("-: step=1 loss=2\n"));
        assert!(seen[0].ends_with(" broken off"));
        let tar = pack(&[("a.log", b"one"), ("b.log", text.as_bytes())]);
        let seen = logs(&tar[..5000]);
        assert_eq!(seen[0], "a.log: one");
        assert!(seen[1].ends_with(" broken off"), "{seen:?}");
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn a_damaged_member_does_not_hide_the_others() {
        for how in ALL {
            let mut packed = compress(how, &b"step=1 loss=2\n".repeat(1000));
            let end = packed.len() - 20;
            packed.truncate(end);
            let tar = pack(&[("a.log", &packed), ("b.log", b"two")]);
            let seen = logs(&compress(how, &tar));
            assert!(seen[0].ends_with(" broken off"), "{seen:?}");
            assert_eq!(seen[1..], ["b.log: two"]);
        }
    }
}
