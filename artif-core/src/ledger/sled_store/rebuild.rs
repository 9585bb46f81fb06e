//! Opening, with everything that may be wrong then: a folder that is broken, stale or gone is
//! replaced by one made from the newest good checkpoint.

use std::path::{Path, PathBuf};

use super::handle::{self, Handle, Op, guarded, size};
use super::keys;
use super::retain::{self, EndedDays};
use super::scan::{self, State, scan};
use super::synced::Place;
use super::values::{self, FeedState, Stamp};
use crate::clock::{Clock, SystemClock, seconds};
use crate::error::{Error, Result};
use crate::ledger::block::{Block, Net};
use crate::ledger::checkpoint::{self, Header, Sink};
use crate::ledger::digest::FeedKey;
use crate::ledger::files;
use crate::ledger::override_log::OverrideLog;
use crate::ledger::owner::LedgerOptions;
use crate::ledger::store::{FeedHead, Override, Recovery};

/// Bytes written at once while filling a new folder: nobody reads it yet, so that memory counts
/// more than atomicity.
const FILL_BYTES: u64 = 1 << 20;
const FILL_CACHE: u64 = 8 << 20;

/// Broken folders that are kept for whoever wants to know more.
const QUARANTINED: usize = 3;

pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join("ledger")
}

fn building(dir: &Path) -> PathBuf {
    dir.join("ledger.new")
}

/// An opened and checked store.
pub(super) type Opened = (Handle, State, Option<Recovery>);

/// Opens the store in a data folder; creates it, or rebuilds it where it is broken.
pub(super) fn open(dir: &Path, options: &LedgerOptions) -> Result<Opened> {
    for rest in [building(dir), dir.join("ledger.old")] {
        files::remove_folder(&rest)?;
    }
    let reason = if folder(dir).is_dir() {
        match open_checked(dir, options) {
            Ok((handle, state)) => return Ok((handle, state, None)),
            Err(error) if handle::is_environmental(&error) => return Err(error),
            Err(error) => describe(&error),
        }
    } else if checkpoint::list(dir)?.is_empty() {
        create(dir, options, None, 0)?;
        files::rename(&building(dir), &folder(dir))?;
        let (handle, state) = open_checked(dir, options)?;
        return Ok((handle, state, None));
    } else {
        "the folder is missing".to_owned()
    };
    recover(dir, options, reason)
}

fn describe(error: &Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Opens and reads everything, in a thread of its own that may panic or hang.
pub(super) fn open_checked(dir: &Path, options: &LedgerOptions) -> Result<(Handle, State)> {
    let (path, dir, options) = (folder(dir), dir.to_owned(), options.clone());
    guarded(options.open_limit, &path.clone(), "open", move || {
        let handle = Handle::open(&path, &options)?;
        let checked = scan(&handle).and_then(|(state, left_over)| {
            compare_with_last_sync(&handle, &state)?;
            compare_with_checkpoint(&dir, &handle, &state)?;
            retain::sweep(&handle, left_over, options.batch_bytes)?;
            Ok(state)
        });
        match checked {
            Ok(state) => Ok((handle, state)),
            Err(error) => {
                handle.close();
                Err(error)
            }
        }
    })
}

/// A store older than its last sync has silently lost what was acknowledged.
fn compare_with_last_sync(handle: &Handle, state: &State) -> Result<()> {
    match handle.synced() {
        Some(synced) if synced.sequence > state.sequence => {
            let (at, was) = (state.sequence, synced.sequence);
            Err(scan::damaged(handle, &format!("it is at sequence {at} and was at {was} before")))
        }
        Some(synced) if synced.sequence == state.sequence && synced.digest != state.digest => {
            Err(scan::damaged(handle, "it has other content than when it was last synced"))
        }
        _ => Ok(()),
    }
}

/// A store older than a checkpoint has silently lost what was written since.
fn compare_with_checkpoint(dir: &Path, handle: &Handle, state: &State) -> Result<()> {
    let conflicts = |header: &Header| {
        header.sequence > state.sequence
            || header.sequence == state.sequence && header.digest != state.digest
    };
    let suspicious = checkpoint::list(dir)?
        .iter()
        .any(|(_, path)| checkpoint::header_of(path).is_ok_and(|header| conflicts(&header)));
    // Only a checkpoint that could take its place speaks against it.
    if suspicious
        && let Some((path, header)) = checkpoint::newest_whole(dir, state.sequence)?
        && conflicts(&header)
    {
        let detail = format!(
            "it is at sequence {} where {} is at {}",
            state.sequence,
            path.display(),
            header.sequence
        );
        return Err(scan::damaged(handle, &detail));
    }
    Ok(())
}

fn recover(dir: &Path, options: &LedgerOptions, reason: String) -> Result<Opened> {
    tracing::error!(dir = %dir.display(), %reason, "the ledger is broken and is being rebuilt");
    let source = checkpoint::newest_whole(dir, 0)?.map(|(path, _)| path);
    let highest = checkpoint::list(dir)?.first().map_or(0, |(number, _)| *number);
    let sequence = highest.saturating_add(checkpoint::SEQUENCE_JUMP);
    // The broken one stays where it is until its successor is complete.
    create(dir, options, source.as_deref(), sequence)?;
    let quarantined = quarantine(dir)?;
    files::rename(&building(dir), &folder(dir))?;
    let (handle, mut state) = open_checked(dir, options)?;
    let log = OverrideLog::open(dir)?.read_after(state.absorbed)?;
    super::absorb(&handle, &mut state, &log)?;
    handle.sync(state.place())?;
    let recovery =
        Recovery { reason, quarantined, checkpoint: source, overrides_replayed: log.len() as u64 };
    Ok((handle, state, Some(recovery)))
}

/// Moves the broken folder aside.
fn quarantine(dir: &Path) -> Result<Option<PathBuf>> {
    let path = folder(dir);
    if !path.exists() {
        return Ok(None);
    }
    let now = seconds(SystemClock.now());
    let aside = (0..1000)
        .map(|n| dir.join(format!("ledger.broken-{now:010}-{n:03}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| dir.join("ledger.broken"));
    files::rename(&path, &aside)?;
    let mut all: Vec<_> = files::names(dir)?
        .into_iter()
        .filter(|(name, _)| name.starts_with("ledger.broken-"))
        .collect();
    all.sort_unstable();
    all.reverse();
    for (_, old) in all.into_iter().skip(QUARANTINED) {
        files::remove_folder(&old)?;
    }
    Ok(Some(aside))
}

/// Fills a new folder beside the store's: empty, or with a checkpoint's content.
fn create(dir: &Path, options: &LedgerOptions, source: Option<&Path>, sequence: u64) -> Result<()> {
    let path = building(dir);
    files::remove_folder(&path)?;
    let new = path.clone();
    let options = options.clone().cache_bytes(options.cache_bytes.min(FILL_CACHE));
    let source = source.map(Path::to_owned);
    guarded(options.open_limit, &path, "rebuild", move || {
        let handle = Handle::open(&new, &options)?;
        let filled = fill(&handle, options.batch_bytes, source.as_deref(), sequence)
            .and_then(|place| handle.sync(place));
        handle.close();
        filled?;
        files::sync_folder(&new)
    })
}

fn fill(handle: &Handle, batch_bytes: u64, source: Option<&Path>, sequence: u64) -> Result<Place> {
    let fillers = [keys::FILLER, keys::FILLER_2];
    let ops = fillers.iter().flat_map(|&kind| (0..keys::FILLERS).map(move |n| vec![kind, n]));
    handle.apply(ops.map(|key| (key, Some(Vec::new()))).collect())?;
    let mut stamp = Stamp { sequence, digest: 0, next_number: 1, absorbed: 0 };
    if let Some(path) = source {
        let batch_bytes = batch_bytes.min(FILL_BYTES);
        let mut sink = Fill { handle, batch_bytes, ops: Vec::new(), bytes: 0, next: 1, feed: None };
        let header = checkpoint::load(path, &mut sink)?;
        sink.complete()?;
        handle.apply(std::mem::take(&mut sink.ops))?;
        stamp.next_number = sink.next;
        (stamp.digest, stamp.absorbed) = (header.digest, header.absorbed);
        stamp.sequence = sequence.max(header.sequence);
    }
    handle.apply(vec![stamp.op()])?;
    Ok(Place { sequence: stamp.sequence, digest: stamp.digest })
}

/// A checkpoint on its way into sled. It need not be atomic: nobody looks before it is complete.
struct Fill<'a> {
    handle: &'a Handle,
    batch_bytes: u64,
    ops: Vec<Op>,
    bytes: u64,
    next: u32,
    feed: Option<(FeedState, EndedDays)>,
}

impl Fill<'_> {
    fn complete(&mut self) -> Result<()> {
        if let Some((mut feed, days)) = self.feed.take() {
            let mut ops = Vec::new();
            days.into_blocks(&mut feed, &mut ops);
            // The sequence and digest that count are the stamp's.
            ops.extend([feed.op(), feed.mark(0, 0)]);
            for op in ops {
                self.put(op)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, op: Op) -> Result<()> {
        self.bytes += size(&op);
        self.ops.push(op);
        if self.bytes >= self.batch_bytes {
            self.bytes = 0;
            self.handle.apply(std::mem::take(&mut self.ops))?;
        }
        Ok(())
    }

    fn active<P: Net>(&mut self, payload: &[u8], entries: &[(P, u32)]) -> Result<()> {
        let (Some((feed, _)), Some(first)) = (&mut self.feed, entries.first()) else {
            return Ok(());
        };
        feed.active_sum = feed.active_sum.wrapping_add(feed.key.sum_active(entries));
        let op = values::active_block(feed.run, first.0, payload.to_vec());
        self.put(op)
    }
}

impl Sink for Fill<'_> {
    fn override_(&mut self, entry: Override) -> Result<()> {
        self.put(values::put_override(&entry))
    }

    fn feed(&mut self, head: FeedHead) -> Result<()> {
        self.complete()?;
        let (number, run) = (self.next, self.next + 1);
        self.next += 2;
        let key = FeedKey::of(&head.feed);
        let feed = FeedState { number, run, key, head, ended: 0, active_sum: 0, ended_sum: 0 };
        self.feed = Some((feed, EndedDays::default()));
        Ok(())
    }

    fn block(&mut self, payload: &[u8], block: Block) -> Result<()> {
        match (block, &mut self.feed) {
            (Block::Active4(entries), _) => self.active(payload, &entries)?,
            (Block::Active6(entries), _) => self.active(payload, &entries)?,
            (Block::Ended4(gone), Some((_, days))) => days.add4(gone),
            (Block::Ended6(gone), Some((_, days))) => days.add6(gone),
            (_, None) => {}
        }
        Ok(())
    }
}

/// Puts a fresh copy, made from the checkpoint at `source`, in the place of the closed store: sled's
/// file never shrinks by itself. A crash between the renames leaves no store, and the checkpoint
/// that it is made from once more.
pub(super) fn renew(dir: &Path, options: &LedgerOptions, source: &Path) -> Result<()> {
    create(dir, options, Some(source), 0)?;
    let aside = dir.join("ledger.old");
    files::remove_folder(&aside)?;
    files::rename(&folder(dir), &aside)?;
    files::rename(&building(dir), &folder(dir))?;
    files::remove_folder(&aside)
}

/// Opens the store again without reading all of it: it has to be where `state` is.
pub(super) fn reopen(dir: &Path, options: &LedgerOptions, state: &State) -> Result<Handle> {
    let (path, options) = (folder(dir), options.clone());
    let place = state.place();
    guarded(options.open_limit, &path.clone(), "reopen", move || {
        let handle = Handle::open(&path, &options)?;
        match scan::newest_mark(&handle) {
            Ok(newest) if newest == place => Ok(handle),
            other => {
                let what = "it came back at another sequence";
                let error = other.err().unwrap_or_else(|| scan::damaged(&handle, what));
                handle.close();
                Err(error)
            }
        }
    })
}
