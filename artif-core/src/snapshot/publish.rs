//! Snapshots in a folder: written under a name of their own, then pointed to by `CURRENT`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ledger::files;

const POINTER: &str = "CURRENT";

fn file_name(sequence: u64) -> String {
    format!("snapshot-{sequence:010}.artif")
}

/// Writes a snapshot and makes it the current one; older ones but `keep` (with this one) go.
/// After a crash either the old or the new one is current, whole.
pub(crate) fn publish(dir: &Path, sequence: u64, bytes: &[u8], keep: usize) -> Result<PathBuf> {
    let name = file_name(sequence);
    let path = dir.join(&name);
    replace(&path, bytes, How { durably: true, read_only: true })?;
    write_atomically(&dir.join(POINTER), format!("{name}\n").as_bytes())?;
    remove_old(dir, sequence, keep);
    Ok(path)
}

/// The path of the current snapshot, if there is one.
pub(crate) fn current(dir: &Path) -> Result<Option<PathBuf>> {
    let pointer = dir.join(POINTER);
    let name = match fs::read_to_string(&pointer) {
        Ok(name) => name,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("reading", pointer, error)),
    };
    let name = name.trim_end();
    // Whoever can write here can swap the file anyway; this keeps a damaged pointer from leading
    // out of the folder.
    if sequence_of(name).is_none() {
        return Err(Error::Snapshot { path: pointer, reason: "it names no snapshot".to_owned() });
    }
    Ok(Some(dir.join(name)))
}

fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("snapshot-")?.strip_suffix(".artif")?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The highest sequence among the folder's snapshots, current or not. One that is pointed to counts
/// though it is gone: whoever has it mapped would not see that another came under its name.
pub(crate) fn newest_sequence(dir: &Path) -> u64 {
    let pointed = fs::read_to_string(dir.join(POINTER)).ok();
    let pointed = pointed.and_then(|name| sequence_of(name.trim_end()));
    snapshots(dir).map(|(sequence, _)| sequence).chain(pointed).max().unwrap_or(0)
}

/// Removes what a process left behind that died while it replaced one of the files whose names begin
/// like this. Not to be called while another process may be doing so.
pub(crate) fn remove_unfinished(dir: &Path, files: &[&str]) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let process = name.rsplit_once(".tmp").map_or("", |(_, process)| process);
        let unfinished = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
        if unfinished && files.iter().any(|file| name.starts_with(file)) {
            // The next start tries again.
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::debug!(name, %error, "an unfinished file stays for now");
            }
        }
    }
}

/// Moves a damaged snapshot out of the way, to be looked at; one is kept.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf> {
    let aside = path.with_file_name("snapshot.damaged");
    fs::rename(path, &aside).map_err(|error| Error::io("moving aside", path, error))?;
    Ok(aside)
}

fn snapshots(dir: &Path) -> impl Iterator<Item = (u64, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| Some((sequence_of(e.file_name().to_str()?)?, e.path())))
}

fn remove_old(dir: &Path, newest: u64, keep: usize) {
    let mut old: Vec<_> = snapshots(dir).filter(|(sequence, _)| *sequence < newest).collect();
    old.sort_unstable_by(|a, b| b.cmp(a));
    for (_, path) in old.into_iter().skip(keep.saturating_sub(1)) {
        // Where a reader's mapping forbids it (Windows), a later publish tries again.
        if let Err(error) = fs::remove_file(&path) {
            tracing::debug!(path = %path.display(), %error, "an old snapshot stays for now");
        }
    }
}

/// Replaces `path` so that after a crash it holds either what it held before or `bytes`, whole.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes, How { durably: true, read_only: false })
}

/// The same while the system runs. After a power loss there may be the old content, the new one or
/// anything: for what has a checksum, and stands elsewhere durably.
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes, How { durably: false, read_only: false })
}

/// How a file is replaced.
#[derive(Clone, Copy)]
struct How {
    durably: bool,
    /// Whether nobody is to write into the file later: it is mapped, and who cuts a mapped file short
    /// ends the processes that map it.
    read_only: bool,
}

fn replace(path: &Path, bytes: &[u8], how: How) -> Result<()> {
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let write = || {
        let mut file = files::create(&temporary)?;
        file.write_all(bytes)?;
        if how.read_only {
            files::forbid_writing(&file)?;
        }
        if how.durably {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)?;
        if !how.durably {
            return Ok(());
        }
        // The parent of a bare name is the empty path.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        sync_folder(folder.unwrap_or(Path::new(".")))
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::io("writing", path, error)
    })
}

/// Makes renames in a folder durable, where the system has such a thing.
fn sync_folder(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_current_and_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(current(dir.path()).unwrap(), None);
        for sequence in 1..=4 {
            let path = publish(dir.path(), sequence, &[sequence as u8], 2).unwrap();
            assert_eq!(current(dir.path()).unwrap().unwrap(), path);
        }
        let mut left: Vec<_> = snapshots(dir.path()).map(|(s, _)| s).collect();
        left.sort_unstable();
        assert_eq!(left, [3, 4]);
        assert_eq!(newest_sequence(dir.path()), 4);
        set_aside(&current(dir.path()).unwrap().unwrap()).unwrap();
        assert_eq!(newest_sequence(dir.path()), 4, "the next one has another name");
    }

    #[test]
    fn what_a_killed_process_left_goes() {
        let dir = tempfile::tempdir().unwrap();
        let there = ["snapshot-1.artif", "snapshot-2.tmp77", "CURRENT", "CURRENT.tmp1", "x.tmp1"];
        for name in there {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_unfinished(dir.path(), &["snapshot-", "CURRENT"]);
        let left = there.map(|name| dir.path().join(name).exists());
        assert_eq!(left, [true, false, true, false, true]);
    }

    #[test]
    fn a_damaged_pointer_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "../../etc/passwd\n",
            "snapshot-.artif\n",
            "snapshot-1x.artif",
            "\n",
            "snapshot-1.artif/..",
        ] {
            fs::write(dir.path().join(POINTER), text).unwrap();
            assert_eq!(current(dir.path()).unwrap_err().code(), "ARTIF_SNAPSHOT", "{text:?}");
        }
    }
}
