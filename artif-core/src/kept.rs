//! Configuration that this program writes, and its user may edit: text that says in its last line
//! whether it is as it was written, with a copy beside it.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::snapshot::write_atomically;

const MARK: &str = "# as written by artif (take this line out to edit the file): ";

/// Replaces a file durably, and its copy.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{end}");
    let text = format!("{text}{MARK}{:016x}\n", xxh3_64(text.as_bytes()));
    // The copy first: where both are whole and differ, the file counts.
    write_atomically(&copy_of(path), text.as_bytes())?;
    write_atomically(path, text.as_bytes())
}

/// Removes a file and its copy.
#[cfg(any(feature = "cli", test))]
pub(crate) fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| Error::io("removing", path, error))?;
    let copy = copy_of(path);
    match fs::remove_file(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing", copy, error))
        }
        _ => Ok(()),
    }
}

/// What a file says; `None` where there is none. For a damaged one its copy speaks.
///
/// Errors: [`Error::Io`], and [`Error::Config`] where it is damaged and has no copy.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(text) => choose(path, text).map(|(text, _)| Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("reading", path, error)),
    }
}

/// Puts its copy in the place of a damaged file, which is moved aside; says what was done. For who
/// owns the folder.
pub(crate) fn mend(path: &Path) -> Result<Option<String>> {
    let text = fs::read(path).map_err(|error| Error::io("reading", path, error))?;
    let (text, damaged) = choose(path, text)?;
    if !damaged {
        let copy = copy_of(path);
        if seal(&text) == Seal::Whole && fs::read(&copy).ok().as_deref() != Some(text.as_bytes()) {
            write_atomically(&copy, text.as_bytes())?;
            return Ok(Some(format!(
                "{} was damaged or behind and was written anew",
                copy.display()
            )));
        }
        return Ok(None);
    }
    let aside = beside(path, "damaged");
    fs::rename(path, &aside).map_err(|error| Error::io("moving aside", path, error))?;
    write_atomically(path, text.as_bytes())?;
    Ok(Some(format!(
        "{} was damaged and was replaced by its copy; the damaged one is {}",
        path.display(),
        aside.display()
    )))
}

/// The text that counts, and whether it is the copy's.
fn choose(path: &Path, bytes: Vec<u8>) -> Result<(String, bool)> {
    let text = String::from_utf8(bytes);
    if let Ok(text) = &text
        && seal(text) == Seal::Whole
    {
        return Ok((text.clone(), false));
    }
    let copy = fs::read_to_string(copy_of(path)).ok().filter(|copy| seal(copy) == Seal::Whole);
    match (text, copy) {
        // Somebody edited it. What is left of a file that was cut short, or has a bit flipped in that
        // line, looks like that, too.
        (Ok(text), copy)
            if seal(&text) == Seal::Missing
                && !text.contains('\0')
                && copy
                    .as_ref()
                    .is_none_or(|copy| copy.len() != text.len() && !copy.starts_with(&text)) =>
        {
            Ok((text, false))
        }
        (_, Some(copy)) => {
            tracing::warn!(path = %path.display(), "damaged: its copy counts");
            Ok((copy, true))
        }
        (_, None) => Err(Error::Config {
            path: Some(path.to_owned()),
            line: None,
            message:
                "it is not as it was written, and there is no copy of it: where it was edited, \
                      take out its last line; where it is damaged, remove it and say again what it \
                      said"
                    .to_owned(),
        }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seal {
    Whole,
    Broken,
    Missing,
}

fn seal(text: &str) -> Seal {
    let Some(at) = text.rfind(MARK) else { return Seal::Missing };
    let (body, end) = text.split_at(at);
    let sum = format!("{MARK}{:016x}\n", xxh3_64(body.as_bytes()));
    if end == sum { Seal::Whole } else { Seal::Broken }
}

fn copy_of(path: &Path) -> PathBuf {
    beside(path, "copy")
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Written by a test.\nenable = [\"a\"]\n";

    #[test]
    fn whatever_happens_to_a_file_its_copy_speaks_and_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feeds.toml");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, TEXT).unwrap();
        let whole = fs::read(&path).unwrap();
        assert!(read(&path).unwrap().unwrap().starts_with(TEXT));
        assert_eq!(mend(&path).unwrap(), None);
        for at in 0..whole.len() {
            let (mut flipped, mut zeroed) = (whole.clone(), whole.clone());
            flipped[at] ^= 4;
            zeroed[at..].fill(0);
            for broken in [whole[..at].to_vec(), flipped, zeroed] {
                fs::write(&path, &broken).unwrap();
                assert_eq!(read(&path).unwrap().unwrap().as_bytes(), whole, "{at}");
                let told = mend(&path).unwrap().unwrap();
                assert!(told.contains("feeds.toml.damaged"), "{told}");
                assert_eq!(fs::read(&path).unwrap(), whole);
            }
        }
        fs::write(copy_of(&path), "torn").unwrap();
        let told = mend(&path).unwrap().unwrap();
        assert!(told.contains("feeds.toml.copy"), "{told}");
        assert_eq!(fs::read(copy_of(&path)).unwrap(), whole);
        assert_eq!(mend(&path).unwrap(), None);
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the damaged one stays");
    }

    #[test]
    fn who_edits_it_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feeds.toml");
        write(&path, TEXT).unwrap();
        fs::write(&path, "enable = [\"b\"]\n").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), "enable = [\"b\"]\n");
        // The line left in: it is told, or the copy counts while there is one.
        let edited = fs::read_to_string(copy_of(&path)).unwrap().replace("\"a\"", "\"b\"");
        fs::write(&path, &edited).unwrap();
        assert!(read(&path).unwrap().unwrap().starts_with(TEXT));
        fs::remove_file(copy_of(&path)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("feeds.toml") && error.contains("last line"), "{error}");
    }
}
