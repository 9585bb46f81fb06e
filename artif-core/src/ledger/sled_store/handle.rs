//! Every call into sled: its panics become errors, its hangs time out, its flushes become durable.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::keys::Key;
use super::synced::{Place, Synced};
use crate::error::{Error, Result};
use crate::ledger::files;
use crate::ledger::owner::LedgerOptions;

/// One write or, without a value, removal.
pub(super) type Op = (Key, Option<Vec<u8>>);

/// A key and its value.
pub(super) type Pair = (sled::IVec, sled::IVec);

/// How long the lock of an instance that was just closed may linger.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

/// An open sled database.
pub(super) struct Handle {
    db: sled::Db,
    /// A second descriptor of sled's file, as sled's own flush stops short of the disk.
    file: File,
    synced: Mutex<Synced>,
    folder: PathBuf,
}

/// Sees a pair; an error ends the scan.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

impl Handle {
    /// Opens or creates. To be called within [`guarded`].
    pub(super) fn open(folder: &Path, options: &LedgerOptions) -> Result<Self> {
        files::create_folder(folder)?;
        remove_unfinished(folder)?;
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(Some(500));
        let mut attempt = 0;
        let db = loop {
            match config.open() {
                Ok(db) => break db,
                // sled's threads may hold the file for a moment after its last handle is gone.
                Err(e) if is_locked(&e) && attempt < LOCK_ATTEMPTS => {
                    attempt += 1;
                    thread::sleep(LOCK_PAUSE);
                }
                Err(e) => return Err(failed("open", folder, e)),
            }
        };
        let path = folder.join("db");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        let synced = Mutex::new(Synced::open(folder)?);
        // sled syncs what it wrote while opening, but not its name.
        files::sync_folder(folder)?;
        Ok(Self { db, file, synced, folder: folder.to_owned() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Applies all or nothing and returns the bytes of keys and values.
    pub(super) fn apply(&self, ops: Vec<Op>) -> Result<u64> {
        let bytes = ops.iter().map(size).sum();
        self.contained("write", move |db| {
            let mut ops = ops.into_iter();
            match (ops.next(), ops.len()) {
                (None, _) => Ok(()),
                (Some((key, Some(value))), 0) => db.insert(key, value).map(drop),
                (first, _) => {
                    let mut batch = sled::Batch::default();
                    for (key, value) in first.into_iter().chain(ops) {
                        match value {
                            Some(value) => batch.insert(key, value),
                            None => batch.remove(key),
                        }
                    }
                    db.apply_batch(batch)
                }
            }
        })?;
        Ok(bytes)
    }

    /// All pairs whose key starts with `prefix`, in order.
    pub(super) fn with_prefix(&self, prefix: &[u8]) -> Result<Vec<Pair>> {
        self.contained("read", |db| db.scan_prefix(prefix).collect())
    }

    /// All pairs with keys from `start` to before `end`, in order.
    pub(super) fn between(&self, start: &[u8], end: &[u8]) -> Result<Vec<Pair>> {
        self.contained("read", |db| db.range(start..end).collect())
    }

    /// Calls `visit` for every pair, in order.
    pub(super) fn each(&self, visit: &mut Visit<'_>) -> Result<()> {
        let mut outcome = Ok(());
        self.contained("read", |db| {
            for pair in db.iter() {
                let (key, value) = pair?;
                outcome = visit(&key, &value);
                if outcome.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        outcome
    }

    /// Returns when everything applied so far, which leads to `place`, survives a power loss.
    pub(super) fn sync(&self, place: Place) -> Result<()> {
        self.contained("flush", |db| db.flush())?;
        self.file.sync_all().map_err(|e| failed("sync", &self.folder, sled::Error::Io(e)))?;
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).note(place)
    }

    /// Where the store has to be at least.
    pub(super) fn synced(&self) -> Option<Place> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).last()
    }

    /// Closes, so that the folder can be opened again or moved.
    pub(super) fn close(self) {
        let (db, folder) = (self.db, self.folder);
        let closed = guarded(CLOSE_LIMIT, &folder, "close", move || {
            drop(db);
            Ok(())
        });
        if let Err(error) = closed {
            tracing::warn!(%error, "sled did not close cleanly");
        }
    }

    fn contained<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(|| call(&self.db))) {
            Ok(result) => result.map_err(|e| failed(operation, &self.folder, e)),
            Err(panic) => Err(panicked(operation, &self.folder, panic.as_ref())),
        }
    }
}

/// Removes what a crash during sled's opening leaves: a half-written file that sled would take for
/// its newest checkpoint, and fail on.
fn remove_unfinished(folder: &Path) -> Result<()> {
    for (name, path) in files::names(folder)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}

pub(super) fn size(op: &Op) -> u64 {
    (op.0.len() + op.1.as_ref().map_or(0, Vec::len)) as u64
}

fn failed(operation: &'static str, folder: &Path, source: sled::Error) -> Error {
    Error::Ledger { operation, path: folder.to_owned(), source: Box::new(source) }
}

fn panicked(operation: &'static str, folder: &Path, panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let text = crate::error::excerpt(text);
    Error::Ledger { operation, path: folder.to_owned(), source: format!("panic: {text}").into() }
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(e) if e.kind() == io::ErrorKind::Other
        && e.to_string().contains("could not acquire lock"))
}

/// Whether the error tells of the surroundings rather than of damage: mending the ledger would not
/// help, and moving a good one aside would harm.
pub(super) fn is_environmental(error: &Error) -> bool {
    use io::ErrorKind::{
        FileTooLarge, Other, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    // Too many open files, in the system or the process.
    const DESCRIPTORS: [i32; 2] = [23, 24];
    let io = match error {
        Error::Io { source, .. } => source,
        Error::Ledger { source, .. } => match source.downcast_ref() {
            Some(sled::Error::Io(source)) => source,
            _ => return false,
        },
        _ => return false,
    };
    let full = cfg!(unix) && io.raw_os_error().is_some_and(|code| DESCRIPTORS.contains(&code));
    full || matches!(
        io.kind(),
        FileTooLarge
            | OutOfMemory
            | PermissionDenied
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StorageFull
    ) || io.kind() == Other && io.to_string().contains("could not acquire lock")
}

/// Runs `work` in a thread of its own, contains its panics, and gives up waiting after `limit`; the
/// thread then lives on until it ends by itself.
pub(super) fn guarded<T: Send + 'static>(
    limit: Duration,
    folder: &Path,
    operation: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (send, receive) = mpsc::sync_channel(1);
    let run = move || {
        // Nobody waits any more after a time-out.
        let _ = send.send(catch_unwind(AssertUnwindSafe(work)));
    };
    thread::Builder::new()
        .name("artif-ledger".to_owned())
        .spawn(run)
        .map_err(|e| Error::io("start a thread for", folder, e))?;
    match receive.recv_timeout(limit) {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(operation, folder, panic.as_ref())),
        Err(_) => Err(Error::Ledger {
            operation,
            path: folder.to_owned(),
            source: format!("no end after {} s", limit.as_secs()).into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_hangs_become_errors() {
        let folder = Path::new("x");
        let limit = Duration::from_secs(60);
        let error = guarded::<()>(limit, folder, "open", || panic!("sled\nbroke")).unwrap_err();
        assert!(format!("{error:?}").contains("sled\u{fffd}broke"), "{error:?}");
        let (hold, held) = mpsc::channel::<()>();
        let hang = move || {
            let _ = held.recv();
            Ok(())
        };
        assert!(guarded(Duration::from_millis(1), folder, "open", hang).is_err());
        drop(hold);
        assert_eq!(guarded(limit, folder, "open", || Ok(7)).unwrap(), 7);
    }

    #[test]
    fn a_full_disk_is_no_damage() {
        let error = |kind| failed("open", Path::new("x"), sled::Error::Io(io::Error::from(kind)));
        assert!(is_environmental(&error(io::ErrorKind::StorageFull)));
        assert!(!is_environmental(&error(io::ErrorKind::UnexpectedEof)));
    }
}
