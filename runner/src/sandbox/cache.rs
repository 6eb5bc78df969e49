//! Compiled code on disk.
//!
//! Compiling a Rust detector takes 60 ms, a Python one 13 s; mapping compiled
//! code back in takes less than 1 ms. A file is named after the component's
//! digest and the engine's compatibility hash, so that a new runwatch, another
//! wasmtime setting or another processor never meets code made for the old one.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::engine::Engine;

/// The bytes of the checksum at the end of a file.
const CHECKSUM: u64 = 32;
/// The most bytes that are kept.
const MOST: u64 = 1 << 30;

/// Where compiled code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Mapped in from the cache.
    Cached,
    /// Compiled now, and stored.
    Compiled,
    /// Compiled now; there is no usable cache.
    NotStored,
}

impl Origin {
    /// For programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Compiled => "now",
            Self::NotStored => "not-stored",
        }
    }

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cached => "in the cache",
            Self::Compiled => "now, and kept in the cache",
            Self::NotStored => "now; there is no cache to keep it in",
        }
    }
}

/// A folder of compiled code that nobody but this user can write to.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// No cache: every start compiles.
    #[must_use]
    pub fn none() -> Self {
        Self { folder: None }
    }

    /// The user's cache: `$XDG_CACHE_HOME/runwatch`, else `~/.cache/runwatch`.
    #[must_use]
    pub fn user() -> Self {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        base.map_or_else(Self::none, |base| Self::at(&base.join("runwatch")))
    }

    /// A cache in this folder, made if absent; [`Cache::none`] where that fails
    /// or the folder is not private.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: private_folder(folder).then(|| folder.to_owned()),
        }
    }

    /// The folder, if there is one that can be used.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The compiled form of a component, from the cache if it is there.
    ///
    /// # Errors
    /// When the bytes are not a valid component.
    pub fn compile(
        &self,
        engine: &Engine,
        digest: &[u8; 32],
        bytes: &[u8],
    ) -> Result<(Component, Origin)> {
        let engine = engine.wasmtime();
        let path = self
            .folder
            .as_ref()
            .map(|folder| folder.join(file_name(engine, digest)));
        if let Some(component) = path.as_deref().and_then(|path| load(engine, path)) {
            return Ok((component, Origin::Cached));
        }
        let component = Component::new(engine, bytes).map_err(anyhow::Error::from)?;
        let stored = path.is_some_and(|path| store(&component, &path).is_ok());
        Ok((
            component,
            if stored {
                Origin::Compiled
            } else {
                Origin::NotStored
            },
        ))
    }

    /// Whether compiled code for these bytes is there.
    #[must_use]
    pub fn holds(&self, engine: &Engine, digest: &[u8; 32]) -> bool {
        self.folder
            .as_ref()
            .is_some_and(|folder| folder.join(file_name(engine.wasmtime(), digest)).is_file())
    }
}

/// Feeds the engine's compatibility hash into the file name's hash.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0 // Never read: the digest is taken from the inside.
    }
}

fn file_name(engine: &wasmtime::Engine, digest: &[u8; 32]) -> String {
    let mut sha = Sha(Sha256::new_with_prefix(digest));
    engine.precompile_compatibility_hash().hash(&mut sha);
    format!("{}.compiled", crate::digest::hex(&sha.0.finalize()[..16]))
}

#[expect(
    unsafe_code,
    reason = "mapping compiled code is the point of the cache"
)]
fn load(engine: &wasmtime::Engine, path: &Path) -> Option<Component> {
    if !is_private(path) {
        return None;
    }
    // wasmtime checks the header but not the code: a file that a crash or a
    // bad disk has left half written would run as it is.
    if !is_whole(path).ok()? {
        return None;
    }
    // SAFETY: whoever can write this file runs native code in this process.
    // `is_private` has just made sure that the file belongs to this user and
    // that nobody else can write to it, as `Cache::at` did for the folder. Only
    // `store` below makes files of this name, and never changes one: it renames
    // a whole one into place, so that what is mapped stays as it was checked.
    // The checksum at the end lies beyond all that the header speaks of. Code
    // for another wasmtime is an error here, upon which we compile.
    unsafe { Component::deserialize_file(engine, path) }.ok()
}

/// Whether a file ends with the checksum of what stands before it. Read in
/// pieces: 35 MB for a Python detector, of which few pages are ever needed.
fn is_whole(path: &Path) -> std::io::Result<bool> {
    let mut file = fs::File::open(path)?;
    let Some(code) = file.metadata()?.len().checked_sub(CHECKSUM) else {
        return Ok(false);
    };
    let mut sha = Sha256::new();
    let mut piece = vec![0; 256 << 10];
    let mut rest = Read::by_ref(&mut file).take(code);
    loop {
        match rest.read(&mut piece)? {
            0 => break,
            read => sha.update(piece.get(..read).unwrap_or_default()),
        }
    }
    let mut checksum = [0; CHECKSUM as usize];
    file.read_exact(&mut checksum)?;
    Ok(<[u8; 32]>::from(sha.finalize()) == checksum)
}

fn store(component: &Component, path: &Path) -> Result<()> {
    let code = component.serialize().map_err(anyhow::Error::from)?;
    let folder = path.parent().context("no folder")?;
    // Written beside and renamed, so that a reader never meets half a file.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&code)?;
    file.write_all(&Sha256::digest(&code))?;
    file.persist(path)?;
    make_room(folder, path);
    Ok(())
}

/// Removes what was compiled longest ago where there is more than [`MOST`]: an
/// author's detector is compiled anew with each build.
fn make_room(folder: &Path, newest: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let compiled =
        entries.filter(|entry| entry.path().extension().is_some_and(|it| it == "compiled"));
    let mut files: Vec<_> = compiled
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            Some((meta.modified().ok()?, meta.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, of_file, path) in files.iter().filter(|(_, _, path)| path != newest) {
        if size <= MOST {
            return;
        }
        // Another process may have been faster.
        _ = fs::remove_file(path);
        size -= of_file;
    }
}

fn private_folder(folder: &Path) -> bool {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).is_ok() && is_private(folder)
}

/// Whether a file or folder belongs to this user and nobody else may write it.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // A process's own files have its effective user as owner: ask the kernel
    // through /proc rather than through unsafe code.
    let me = fs::metadata("/proc/self").map(|meta| meta.uid());
    let Ok(meta) = fs::symlink_metadata(path) else {
        return false;
    };
    let mine = me.map_or(true, |me| meta.uid() == me);
    mine && !meta.file_type().is_symlink() && meta.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    path.exists()
}
