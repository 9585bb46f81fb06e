//! Folders and files that survive a power loss.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Creates a folder that only its owner can read, with those above it. An existing one stays as
/// it is.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| Error::io("create folder", path, e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Creates a file, or empties it, that nobody else can read but those of its group, and they only
/// where they may read the folder.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options, path);
    options.open(path)
}

/// Makes what is created by `options` at `path` as readable as [`create`] says.
pub(crate) fn private(options: &mut fs::OpenOptions, path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::metadata(folder.unwrap_or(Path::new(".")));
        let shared = folder.is_ok_and(|folder| folder.permissions().mode() & 0o040 != 0);
        options.mode(if shared { 0o640 } else { 0o600 });
    }
    #[cfg(not(unix))]
    let _ = (options, path);
}

/// Takes from everybody the leave to open a file for writing; who has it open goes on. Only where a
/// file can be removed and renamed without that leave.
pub(crate) fn forbid_writing(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata()?.permissions().mode();
        file.set_permissions(fs::Permissions::from_mode(mode & 0o444))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Makes names created, renamed or removed in a folder durable, where the system can.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    #[cfg(unix)]
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| Error::io("sync folder", path, e))?;
    Ok(())
}

/// Puts a file with this content in place of `path`: whoever opens it sees the old or the new one,
/// also after a power loss.
pub(crate) fn replace(
    path: &Path,
    temporary: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let written = write_durably(temporary, write).and_then(|()| rename(temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written
}

/// Writes a file and returns when it is durable.
pub(crate) fn write_durably(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let file = create(path).map_err(|e| Error::io("create", path, e))?;
    let mut out = io::BufWriter::with_capacity(1 << 16, file);
    write(&mut out)?;
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)
        .and_then(|file| file.sync_all())
        .map_err(|e| Error::io("write", path, e))
}

/// Renames durably, in place of what is there.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| Error::io("rename", from, e))?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Removes a folder with all that is in it, if it is there.
#[cfg(feature = "sled")]
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove folder", path, e)),
        _ => Ok(()),
    }
}

/// The names in a folder; none where there is no folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list folder", folder, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list folder", folder, e))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.path()));
        }
    }
    Ok(names)
}

/// Bytes of all files below a folder.
#[cfg(feature = "sled")]
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
