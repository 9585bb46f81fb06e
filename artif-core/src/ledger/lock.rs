//! One owner a data folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::files::{self, create_folder};
use crate::error::{Error, Result};

const LOCK: &str = "LOCK";
/// Beside the lock, because where locks are mandatory (Windows) a locked file cannot be read.
const OWNER: &str = "OWNER";

/// A locked file. The lock is given up explicitly: a child that was forked meanwhile has the
/// descriptor too, and closing it here alone would leave the lock to the child.
#[derive(Debug)]
pub(crate) struct Locked {
    file: File,
    /// The process that took the lock: a child forked meanwhile must not give it up.
    process: u32,
}

impl Locked {
    /// Waits for the lock file at `path`, which is created where it is missing.
    pub(crate) fn wait(path: &Path) -> Result<Self> {
        open(path)
            .and_then(|file| file.lock().map(|()| Self::new(file)))
            .map_err(|error| Error::io("locking", path, error))
    }

    fn new(file: File) -> Self {
        Self { file, process: std::process::id() }
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.is_ours() {
            let _ = self.file.unlock();
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Fails where this is not `process`, which opened what is asked for something: a child, forked
/// since, has none of the threads that would do it, and waits for ever.
pub(crate) fn check_process(process: u32) -> Result<()> {
    if process == std::process::id() {
        return Ok(());
    }
    Err(Error::Invalid {
        what: "engine",
        reason: format!(
            "process {process} opened one before it forked this one, where the threads of its \
             ledger do not run: it answers and does no more; open a `Reader` here, or the engine \
             after the fork"
        ),
    })
}

/// Ownership of a data folder; given up when dropped, and by the system when the process ends.
/// A crashed owner leaves nothing that has to be cleaned up.
#[derive(Debug)]
pub(crate) struct FolderLock {
    locked: Locked,
    owner: PathBuf,
}

impl FolderLock {
    /// Fails in a child that was forked after this lock was taken: what it guards is the parent's.
    #[cfg(feature = "sled")]
    pub(crate) fn check_process(&self) -> Result<()> {
        check_process(self.locked.process)
    }

    /// Makes this process the owner of `dir`, which is created if need be.
    pub(crate) fn acquire(dir: &Path) -> Result<Self> {
        create_folder(dir)?;
        let path = dir.join(LOCK);
        let file = open(&path).map_err(|error| Error::io("opening", &path, error))?;
        let owner = dir.join(OWNER);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&owner).ok().and_then(|text| text.trim().parse().ok());
                return Err(Error::Locked { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("locking", path, error)),
        }
        files::create(&owner)
            .and_then(|mut file| writeln!(file, "{}", std::process::id()))
            .map_err(|error| Error::io("writing", &owner, error))?;
        Ok(Self { locked: Locked::new(file), owner })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // The lock, not this note, decides; a note left behind misleads nobody.
        if self.locked.is_ours() {
            let _ = fs::remove_file(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new").join("data");
        let first = FolderLock::acquire(&data).unwrap();
        let error = FolderLock::acquire(&data).unwrap_err();
        assert_eq!(error.code(), "ARTIF_LOCKED");
        let text = error.to_string();
        assert!(
            text.contains(&std::process::id().to_string()) && text.contains("Reader"),
            "{text}"
        );
        drop(first);
        FolderLock::acquire(&data).unwrap();
    }
}
