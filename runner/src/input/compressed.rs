//! Compressed streams, recognised by their first bytes.
//!
//! Everything is decompressed as it is read, and what an archive may ask of
//! memory is bounded: a small file that swells to terabytes takes time only.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The ways of compression that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard, of one frame or several.
    Zstd,
    /// xz, of one stream or several.
    Xz,
    /// bzip2, of one stream or several.
    Bzip2,
}

/// Memory for the history that xz may ask for; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;

impl Compression {
    /// The compression of a stream that begins so; text is none.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            // A frame, or a frame to skip before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // The digits of pi begin a block, those of its root the end.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                    || rest.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]) =>
            {
                Some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// Decompresses a stream.
    #[must_use]
    pub fn reader<'a>(self, from: impl Read + 'a) -> Box<dyn Read + 'a> {
        let from = BufReader::with_capacity(64 << 10, from);
        match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
            Self::Zstd => Box::new(Zstd::new(from)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                from,
                true,
                XZ_MEMORY_KIB,
            )),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(from)),
        }
    }
}

/// Zstandard frames one after the other, as `zstd` and `pzstd` write them.
struct Zstd<R> {
    from: R,
    frame: FrameDecoder,
    open: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            frame: FrameDecoder::new(),
            open: false,
        }
    }

    /// Begins the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.from.fill_buf()?.is_empty() {
            match self.frame.init(&mut self.from) {
                Ok(()) => {
                    self.open = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.from.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    fn check(&self) -> io::Result<()> {
        match self.frame.get_checksum_from_data() {
            Some(stored) if Some(stored) != self.frame.get_calculated_checksum() => {
                Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the checksum of a zstd frame is wrong",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !to.is_empty() {
            if !self.open && !self.begin()? {
                return Ok(0);
            }
            if self.frame.can_collect() > 0 {
                return self.frame.read(to);
            }
            if self.frame.is_finished() {
                self.check()?;
                self.open = false;
                continue;
            }
            self.frame
                .decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
        Ok(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use std::io::Write as _;

    use super::*;

    pub(crate) const ALL: [Compression; 4] = [
        Compression::Gzip,
        Compression::Zstd,
        Compression::Xz,
        Compression::Bzip2,
    ];

    pub(crate) fn compress(how: Compression, bytes: &[u8]) -> Vec<u8> {
        match how {
            Compression::Gzip => {
                let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
            Compression::Zstd => ruzstd::encoding::compress_to_vec(
                bytes,
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
            Compression::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(1);
                let mut to = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut to = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
        }
    }

    /// Half a megabyte that does not fit in one block of any compression.
    fn text() -> Vec<u8> {
        let mut state = 1_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 16
        };
        (0..20_000)
            .flat_map(|n| format!("step={n} loss={}\n", noise()).into_bytes())
            .collect()
    }

    #[test]
    fn what_was_compressed_is_recognised_and_read() {
        for how in ALL {
            let packed = compress(how, &text());
            assert_eq!(Compression::of(&packed), Some(how));
            let mut got = Vec::new();
            how.reader(&packed[..]).read_to_end(&mut got).unwrap();
            assert!(got == text(), "{how:?}");
        }
    }

    #[test]
    fn several_streams_in_a_row_are_one() {
        for how in ALL {
            let mut packed = compress(how, b"one\n");
            packed.extend(compress(how, b""));
            packed.extend(compress(how, b"two\n"));
            let mut got = Vec::new();
            how.reader(&packed[..]).read_to_end(&mut got).unwrap();
            assert_eq!(got, b"one\ntwo\n", "{how:?}");
        }
    }

    #[test]
    fn a_truncated_stream_gives_its_beginning_and_an_error() {
        for how in ALL {
            let packed = compress(how, &text());
            let mut got = Vec::new();
            let cut = &packed[..packed.len() * 3 / 4];
            how.reader(cut).read_to_end(&mut got).unwrap_err();
            assert!(text().starts_with(&got), "{how:?}");
            assert!(got.len() > 100_000, "{how:?}: {}", got.len());
        }
    }

    #[test]
    fn damage_is_an_error() {
        for how in ALL {
            let mut packed = compress(how, &text());
            let middle = packed.len() / 2;
            packed[middle] ^= 0x55;
            let read = how.reader(&packed[..]).read_to_end(&mut Vec::new());
            assert!(read.is_err(), "{how:?}");
        }
    }

    #[test]
    fn text_is_not_compressed() {
        for head in [
            &b"BZhello"[..],
            b"",
            b"\x1f",
            b"step=1 loss=2",
            b"BZh9 is a name",
        ] {
            assert_eq!(Compression::of(head), None);
        }
    }

    #[test]
    fn frames_to_skip_are_skipped() {
        let mut packed = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        packed.extend(compress(Compression::Zstd, b"text"));
        let mut got = Vec::new();
        let mut reader = Compression::of(&packed).unwrap().reader(&packed[..]);
        reader.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"text");
    }
}
