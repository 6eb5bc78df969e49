//! Where an export goes: standard output, or a file that is there when it is
//! whole.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What is written to.
pub(super) enum Target {
    /// Standard output, a pipe or a device.
    Direct(BufWriter<Box<dyn Write + Send>>),
    /// A file beside the one that it becomes.
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Target {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Direct(BufWriter::new(Box::new(io::stdout()))));
        };
        // Through links, so that they stay what they are.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
            let file = fs::OpenOptions::new().write(true).open(&path)?;
            return Ok(Self::Direct(BufWriter::new(Box::new(file))));
        }
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut file = tempfile::Builder::new();
        file.prefix(".runwatch-export-");
        #[cfg(unix)]
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        #[cfg(unix)]
        file.permissions(mode);
        let file = file.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self::File(BufWriter::new(file), path))
    }

    /// All is written: it takes its name.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Direct(mut out) => out.flush(),
            Self::File(out, path) => {
                let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.persist(path).map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(out) => out.write(bytes),
            Self::File(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Direct(out) => out.flush(),
            Self::File(out, _) => out.flush(),
        }
    }
}
