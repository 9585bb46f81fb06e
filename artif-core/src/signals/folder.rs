//! Signals in a data folder: which file is the table, and what to do where it is not fit to be.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rules::Rules;
use super::table::{Table, Unfit};
use super::{Entry, Signals};
use crate::clock::Seconds;
use crate::config;
use crate::error::{Error, Result};

const PREFIX: &str = "signals-";
const SUFFIX: &str = ".table";

impl Signals {
    /// Where a folder says what its signals are, for who follows it.
    pub(crate) fn path(dir: &Path) -> PathBuf {
        Rules::path(dir)
    }

    /// Makes a folder say what its owner's configuration says. A table that cannot be read is set
    /// aside and one begun anew; one of another size is taken over.
    pub(crate) fn publish(dir: &Path, config: &config::Signals, now: Seconds) -> Result<()> {
        let mut trouble = None;
        let published = Rules::load(dir).unwrap_or_else(|error| {
            trouble = Some(error.to_string());
            None
        });
        if config.kinds.is_empty() && published.is_none() && trouble.is_none() {
            return Ok(());
        }
        let mut rules = Rules::new(config);
        let known = published.as_ref().map(|rules| rules.table.clone());
        let known = known.filter(|name| is_table(name)).or_else(|| tables(dir).pop());
        if config.kinds.is_empty() {
            // Off; what was reported waits for them to be on again.
            rules.table = known.unwrap_or_default();
        } else {
            let (table, problem) = usable_table(dir, known, config, now)?;
            rules.table = table;
            rules.problem = problem.or(trouble);
        }
        if published.as_ref() != Some(&rules) {
            if let Some(problem) = &rules.problem {
                tracing::error!(%problem, "signals begin anew");
            }
            rules.publish(dir)?;
        }
        remove_old(dir, &rules.table);
        Ok(())
    }

    /// What a folder says, `None` where signals are off. `before` keeps its mapping where the table
    /// is the same.
    pub(crate) fn follow(dir: &Path, before: Option<&Self>) -> Result<Option<Self>> {
        let Some(rules) = Rules::load(dir)?.filter(|rules| !rules.kinds.is_empty()) else {
            return Ok(None);
        };
        let path = dir.join(&rules.table);
        if !is_table(&rules.table) {
            let reason = "it names no table of signals".to_owned();
            return Err(Error::Snapshot { path: Rules::path(dir), reason });
        }
        let same = before.filter(|before| before.path.as_ref() == Some(&path));
        let table = match same {
            Some(before) => Arc::clone(&before.table),
            None => Arc::new(Table::open(&path).map_err(|unfit| match unfit {
                Unfit::Io(error) => error,
                Unfit::Damaged(reason) => Error::Snapshot { path: path.clone(), reason },
            })?),
        };
        Ok(Some(Self { rules, table, path: Some(path) }))
    }
}

/// The name of a table for these settings, and what was wrong with the one before.
fn usable_table(
    dir: &Path,
    known: Option<String>,
    config: &config::Signals,
    now: Seconds,
) -> Result<(String, Option<String>)> {
    let mut problem = None;
    let mut old = None;
    if let Some(name) = known {
        let path = dir.join(&name);
        match Table::open(&path) {
            Ok(table) if !table.is_writable() => {
                return Err(Error::Io {
                    operation: "opening the table of signals",
                    path,
                    source: std::io::ErrorKind::PermissionDenied.into(),
                });
            }
            Ok(table) if table.is_for(config.capacity, config.ipv6_prefix) => {
                table.mend_all(now);
                return Ok((name, None));
            }
            Ok(table) => old = Some(table),
            Err(Unfit::Io(Error::Io { source, .. }))
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                problem = Some(format!("{} was gone; signals began anew", path.display()));
            }
            Err(Unfit::Io(error)) => return Err(error),
            Err(Unfit::Damaged(reason)) => {
                let aside = path.with_extension("damaged");
                fs::rename(&path, &aside).map_err(|error| {
                    Error::io("setting aside the table of signals", &path, error)
                })?;
                problem = Some(format!(
                    "the table of signals could not be read ({reason}); it is at {} and signals \
                     began anew",
                    aside.display()
                ));
            }
        }
    }
    let name = format!("{PREFIX}{:016x}{SUFFIX}", super::table::random_key().hash(&[]));
    let path = dir.join(&name);
    Table::create(&path, config.capacity, config.ipv6_prefix)?;
    if let Some(old) = old {
        let new = Table::open(&path).map_err(|unfit| match unfit {
            Unfit::Io(error) => error,
            Unfit::Damaged(reason) => Error::Snapshot { path, reason },
        })?;
        take_over(&old, &new, config, now);
    }
    Ok((name, problem))
}

/// Adds what one table holds to another; where there is less room, the strongest stay.
fn take_over(old: &Table, new: &Table, config: &config::Signals, now: Seconds) {
    let rules = Rules::new(config);
    for entry in old.entries() {
        let Some((_, kind)) = rules.kind(entry.kind) else { continue };
        let moved = Entry { address: rules.client(entry.address), ..entry };
        new.add(
            moved,
            |tally| kind.faded(tally, entry.tally.at),
            |kind, tally| rules.effect_of(kind, tally, now),
        );
    }
}

/// Whether a name is one that tables have; no other leads out of the folder.
fn is_table(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    digits.is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn tables(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| is_table(name)).collect();
    names.sort_unstable();
    names
}

fn remove_old(dir: &Path, current: &str) {
    for name in tables(dir).into_iter().filter(|name| name != current) {
        // Where a reader's mapping forbids it (Windows), a later start tries again.
        if let Err(error) = fs::remove_file(dir.join(&name)) {
            tracing::debug!(%name, %error, "an old table of signals stays for now");
        }
    }
}
