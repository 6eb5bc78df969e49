//! The members of a tar archive, read in its order as it streams by.
//!
//! Long names stand in members of their own, which a reader must keep in
//! memory: here at most [`LONGEST_NAME`] bytes of them.

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
/// When the archive breaks off or is damaged.
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
                let size = entry.size();
                let mut content = Counted {
                    from: &mut entry,
                    read: 0,
                };
                if !file(&name, &mut content) {
                    return Ok(());
                }
                // What was not wanted must go by, and all of it must be there.
                io::copy(&mut content, &mut io::sink())?;
                if content.read < size {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            EntryType::GNULongLink => {}
            _ => name = None,
        }
    }
    Ok(())
}

struct Counted<R> {
    from: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = self.from.read(to)?;
        self.read += len as u64;
        Ok(len)
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

    fn seen(packed: &[u8]) -> (Vec<(String, usize)>, io::Result<()>) {
        let mut seen = Vec::new();
        let result = each(packed, &mut |name, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).unwrap();
            seen.push((name.to_owned(), bytes.len()));
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
        assert_eq!(seen[0], ("a.log".into(), 5));
        assert_eq!(seen[1].1, 2000);
        assert!(seen[1].0.ends_with("folder//train.log") || seen[1].0 == long);
        assert_eq!(seen[2], ("empty".into(), 0));
    }

    #[test]
    fn an_archive_that_breaks_off_says_so() {
        let packed = pack(&[("a.log", &[b'x'; 1000]), ("b.log", &[b'y'; 9000])]);
        for cut in [700, 4000] {
            let (seen, result) = seen(&packed[..cut]);
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(seen[0].0, "a.log");
        }
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
