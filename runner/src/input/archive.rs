//! The members of a tar archive, read in its order as it streams by.
//!
//! Long names stand in members of their own, which a reader must keep in
//! memory: here at most `LONGEST_NAME` bytes of them.

use std::io::{self, Read};

use tar::{Archive, EntryType};

/// The longest name of a member, and the longest list of its attributes.
const LONGEST_NAME: u64 = 64 << 10;

/// The size of a header, all of which must be seen to recognise one.
pub const HEADER: usize = 512;

/// Whether a stream that begins so is a tar archive.
#[must_use]
pub fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Shows every regular file of an archive, name and content, until one answers
/// false.
///
/// # Errors
/// When the archive breaks off or is damaged; within a file, that is an error
/// of its content and the end of the archive.
pub fn each(from: impl Read, file: &mut dyn FnMut(&str, &mut dyn Read) -> bool) -> io::Result<()> {
    let mut archive = Archive::new(from);
    let mut name = None;
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => name = Some(long_name(&mut entry)?),
            EntryType::XHeader => name = pax_path(&mut entry)?.or(name),
            EntryType::Regular | EntryType::Continuous => {
                let own = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let name = name.take().unwrap_or_else(own);
                let mut content = Content {
                    left: entry.size(),
                    from: &mut entry,
                    failed: false,
                };
                if !file(&name, &mut content) || content.failed {
                    return Ok(());
                }
                // What was not wanted must go by.
                io::copy(&mut content, &mut io::sink())?;
            }
            EntryType::GNULongLink => {}
            _ => name = None,
        }
    }
    Ok(())
}

/// The content of a file, all of which must be there.
struct Content<R> {
    from: R,
    left: u64,
    failed: bool,
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = match self.from.read(to) {
            Ok(0) if self.left > 0 && !to.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        match &read {
            Ok(len) => self.left = self.left.saturating_sub(*len as u64),
            Err(error) => self.failed |= error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

fn bounded(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST_NAME).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn long_name(from: &mut impl Read) -> io::Result<String> {
    let bytes = bounded(from)?;
    let end = bytes.iter().position(|&byte| byte == 0);
    let name = &bytes[..end.unwrap_or(bytes.len())];
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// The name in a list of attributes: lines such as `27 path=a/long/name.log`.
fn pax_path(from: &mut impl Read) -> io::Result<Option<String>> {
    let bytes = bounded(from)?;
    let path = tar::PaxExtensions::new(&bytes)
        .filter_map(Result::ok)
        .find(|attribute| attribute.key_bytes() == b"path");
    Ok(path.map(|path| String::from_utf8_lossy(path.value_bytes()).into_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// Name, length and whether all of it was there.
    type Seen = Vec<(String, usize, bool)>;

    fn seen(packed: &[u8]) -> (Seen, io::Result<()>) {
        let mut seen = Vec::new();
        let result = each(packed, &mut |name, content| {
            let mut bytes = Vec::new();
            let read = content.read_to_end(&mut bytes);
            seen.push((name.to_owned(), bytes.len(), read.is_ok()));
            true
        });
        (seen, result)
    }

    #[test]
    fn members_come_in_order_with_their_names() {
        let long = format!("{}/train.log", "folder/".repeat(30));
        let packed = pack(&[("a.log", b"12345"), (&long, &[b'x'; 2000]), ("empty", b"")]);
        assert!(is_tar(&packed));
        let (seen, result) = seen(&packed);
        result.unwrap();
        assert_eq!(seen[0], ("a.log".into(), 5, true));
        assert_eq!(seen[1].1, 2000);
        assert!(seen[1].0.ends_with("folder//train.log") || seen[1].0 == long);
        assert_eq!(seen[2], ("empty".into(), 0, true));
    }

    #[test]
    fn an_archive_that_breaks_off_says_so() {
        let packed = pack(&[("a.log", &[b'x'; 1000]), ("b.log", &[b'y'; 9000])]);
        // Within the first file, within the second, and between them.
        for (cut, expected) in [
            (700, vec![("a.log".to_owned(), 188, false)]),
            (
                4000,
                vec![("a.log".into(), 1000, true), ("b.log".into(), 1952, false)],
            ),
        ] {
            let (seen, result) = seen(&packed[..cut]);
            assert_eq!(seen, expected);
            result.unwrap();
        }
        let (seen, result) = seen(&packed[..1600]);
        assert_eq!(seen.len(), 1);
        result.unwrap_err();
        // One that is not wanted must be all there too.
        assert!(each(&packed[..700], &mut |_, _| true).is_err());
    }

    #[test]
    fn a_name_without_end_takes_no_memory() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(1 << 40);
        header.set_cksum();
        let endless = header.as_bytes().chain(io::repeat(b'n').take(1 << 20));
        let result = each(endless, &mut |_, _| true);
        assert!(result.is_err());
    }
}
