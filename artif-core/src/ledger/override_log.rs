//! Overrides that were acknowledged, until two checkpoints hold them.
//!
//! ```text
//! header   magic "artif-ol", number of the record before the first u64, xxh3-64 of both
//! record   length u32, number u64, payload, xxh3-64 of length, number and payload
//! ```
//! Every process that may write to the data folder appends here; the ledger's owner takes the
//! changes over. Whatever comes after the first record that does not fit was never acknowledged
//! and is cut off by the next append.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::bytes::{Decoded, Input};
use super::lock::Locked;
use super::store::OverrideChange;
use super::{files, record};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};

const FILE: &str = "overrides.log";
const MAGIC: &[u8; 8] = b"artif-ol";
const HEADER: usize = 24;
/// Longer than any change that [`record::check_override`] lets through.
const MAX_RECORD: usize = 1 << 14;

/// The append-only log of override changes in a data folder. Opening it costs nothing and needs no
/// ownership of the folder; each call takes a short exclusive lock.
///
/// ```
/// use artif_core::ledger::{Override, OverrideAction, OverrideChange, OverrideLog};
///
/// let dir = tempfile::tempdir().unwrap();
/// let log = OverrideLog::open(dir.path()).unwrap();
/// let prefix = "192.0.2.0/24".parse().unwrap();
/// let entry = Override::new(prefix, OverrideAction::Block, Default::default());
/// let number = log.append(&[OverrideChange::Put(entry.clone())]).unwrap();
/// assert_eq!(log.read_after(0).unwrap(), [(number, OverrideChange::Put(entry))]);
/// assert!(log.read_after(number).unwrap().is_empty());
/// ```
#[derive(Debug)]
pub struct OverrideLog {
    path: PathBuf,
    lock: PathBuf,
}

/// What is in the file.
struct Content {
    /// The last record's number, or the header's.
    last: u64,
    /// Where the last good record ends.
    end: usize,
    records: Vec<(u64, OverrideChange)>,
}

/// The changes in a log, and how many came before them.
#[derive(Debug)]
pub(crate) struct Peeked {
    /// The number of the last change that is no longer there.
    pub(crate) before: u64,
    pub(crate) records: Vec<(u64, OverrideChange)>,
}

impl OverrideLog {
    /// The log in the data folder `dir`, which is created where it is missing.
    ///
    /// ```
    /// let dir = tempfile::tempdir().unwrap();
    /// assert!(artif_core::ledger::OverrideLog::open(dir.path()).is_ok());
    /// ```
    pub fn open(dir: &Path) -> Result<Self> {
        files::create_folder(dir)?;
        Ok(Self { path: dir.join(FILE), lock: dir.join("overrides.lock") })
    }

    /// Appends changes and returns, once they survive a power loss, the number of the last one.
    ///
    /// ```
    /// # use artif_core::ledger::{OverrideChange, OverrideLog};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let log = OverrideLog::open(dir.path()).unwrap();
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// let change = OverrideChange::Remove { prefix, author: "ana".into(), at: Default::default() };
    /// let first = log.append(&[change.clone()]).unwrap();
    /// assert_eq!(log.append(&[change]).unwrap(), first + 1);
    /// ```
    pub fn append(&self, changes: &[OverrideChange]) -> Result<u64> {
        self.append_then(changes, |_| Ok(()))
    }

    /// Like [`Self::append`], then does `then` with the last number before another process may
    /// append.
    pub(crate) fn append_then(
        &self,
        changes: &[OverrideChange],
        then: impl FnOnce(u64) -> Result<()>,
    ) -> Result<u64> {
        for change in changes {
            match change {
                OverrideChange::Put(entry) => record::check_override(entry)?,
                OverrideChange::Remove { author, .. } if author.len() > MAX_RECORD / 2 => {
                    let reason = format!("author has {} bytes", author.len());
                    return Err(Error::Invalid { what: "override", reason });
                }
                OverrideChange::Remove { .. } => {}
            }
        }
        let _lock = self.locked()?;
        let content = match self.content()? {
            Some(content) => content,
            None => self.create(0)?,
        };
        let (mut bytes, mut number) = (Vec::new(), content.last);
        for change in changes {
            number += 1;
            put(&mut bytes, number, change);
        }
        if bytes.is_empty() {
            return Ok(number);
        }
        let fail = |e| Error::io("append to", &self.path, e);
        let file = OpenOptions::new().write(true).open(&self.path).map_err(fail)?;
        append_at(&file, content.end as u64, &bytes).map_err(|e| {
            // Not acknowledged, so better gone than found by a later replay.
            let _ = file.set_len(content.end as u64);
            fail(e)
        })?;
        then(number).map(|()| number)
    }

    /// The changes with numbers above `number`, in order.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let log = artif_core::ledger::OverrideLog::open(dir.path()).unwrap();
    /// assert!(log.read_after(0).unwrap().is_empty());
    /// ```
    pub fn read_after(&self, number: u64) -> Result<Vec<(u64, OverrideChange)>> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let _lock = self.locked()?;
        let mut records = self.content()?.map_or_else(Vec::new, |content| content.records);
        records.retain(|record| record.0 > number);
        Ok(records)
    }

    /// What the log in `dir` holds at this moment, without its lock, which takes leave to write: a
    /// change that is being appended may be missing. `None` where there is no log, or none that
    /// can be read.
    pub(crate) fn peek(dir: &Path) -> Result<Option<Peeked>> {
        let path = dir.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        Ok(parse(&bytes).map(|Content { last, records, .. }| {
            let before = records.first().map_or(last, |record| record.0 - 1);
            Peeked { before, records }
        }))
    }

    /// Does `work` with the changes that have numbers above `number`, before another process may
    /// append.
    pub(crate) fn with_pending<T>(
        &self,
        number: u64,
        work: impl FnOnce(&[(u64, OverrideChange)]) -> Result<T>,
    ) -> Result<T> {
        let _lock = self.locked()?;
        let mut records = self.content()?.map_or_else(Vec::new, |content| content.records);
        records.retain(|record| record.0 > number);
        work(&records)
    }

    /// Forgets the changes up to and including `up_to`. Numbers go on.
    ///
    /// ```
    /// # use artif_core::ledger::{OverrideChange, OverrideLog};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let log = OverrideLog::open(dir.path()).unwrap();
    /// let prefix = "192.0.2.0/24".parse().unwrap();
    /// let change = OverrideChange::Remove { prefix, author: "ana".into(), at: Default::default() };
    /// let number = log.append(&[change.clone()]).unwrap();
    /// log.truncate_absorbed(number).unwrap();
    /// assert!(log.read_after(0).unwrap().is_empty());
    /// assert_eq!(log.append(&[change]).unwrap(), number + 1);
    /// ```
    pub fn truncate_absorbed(&self, up_to: u64) -> Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        let _lock = self.locked()?;
        let Some(content) = self.content()? else { return Ok(()) };
        if content.records.first().is_none_or(|record| record.0 > up_to) {
            return Ok(());
        }
        let kept: Vec<_> = content.records.iter().filter(|record| record.0 > up_to).collect();
        let before = kept.first().map_or(content.last, |record| record.0 - 1);
        self.write(before, &kept)
    }

    /// Makes sure that the next change gets a number above `number`: for the owner, whose ledger
    /// would skip it otherwise. Says whether changes up to it were lost here.
    pub(crate) fn continue_after(&self, number: u64) -> Result<bool> {
        let _lock = self.locked()?;
        match self.content()? {
            Some(content) if content.last >= number => return Ok(false),
            Some(_) => self.write(number, &[])?,
            None if number > 0 => self.create(number).map(drop)?,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Through a descriptor of its own for each call, as threads that share one share the lock too.
    fn locked(&self) -> Result<Locked> {
        Locked::wait(&self.lock)
    }

    /// Starts a log. Its numbers begin where no earlier log in this folder can have come to, in
    /// case there was one that got lost: at the current time in microseconds.
    fn create(&self, at_least: u64) -> Result<Content> {
        let now = u64::try_from(SystemClock.now().timestamp_micros()).unwrap_or(0);
        let last = now.max(at_least);
        self.write(last, &[])?;
        Ok(Content { last, end: HEADER, records: Vec::new() })
    }

    fn write(&self, before: u64, records: &[&(u64, OverrideChange)]) -> Result<()> {
        let temporary = self.path.with_extension("tmp");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&before.to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        for (number, change) in records {
            put(&mut bytes, *number, change);
        }
        files::replace(&self.path, &temporary, &mut |out| {
            out.write_all(&bytes).map_err(|e| Error::io("write", &temporary, e))
        })
    }

    /// What the file holds; `None` where there is none or its header is lost, which a rename puts
    /// there whole, so that only damage to the disk does this: such a file is moved aside.
    fn content(&self) -> Result<Option<Content>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &self.path, e)),
        };
        let content = parse(&bytes);
        if content.is_none() {
            let aside = self.path.with_extension("damaged");
            tracing::error!(path = %self.path.display(), aside = %aside.display(),
                "the override log is damaged and was moved aside");
            files::rename(&self.path, &aside)?;
        }
        Ok(content)
    }
}

fn append_at(mut file: &File, end: u64, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.len() != end {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(end))?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn put(out: &mut Vec<u8>, number: u64, change: &OverrideChange) {
    let mut payload = Vec::new();
    record::put_change(&mut payload, change);
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&payload);
    let sum = xxh3_64(out.split_at(start).1);
    out.extend_from_slice(&sum.to_le_bytes());
}

fn parse(bytes: &[u8]) -> Option<Content> {
    let (header, mut rest) = bytes.split_at_checked(HEADER)?;
    let (content, sum) = header.split_last_chunk()?;
    let before = content.strip_prefix(MAGIC)?.first_chunk()?;
    let header =
        (xxh3_64(content) == u64::from_le_bytes(*sum)).then(|| u64::from_le_bytes(*before));
    let mut records = Vec::new();
    let mut last = header;
    while let Ok((number, change, length)) = first(rest) {
        // Without its header the log still counts by what its records say.
        if last.is_some_and(|last| number != last + 1) {
            break;
        }
        last = Some(number);
        records.push((number, change));
        rest = rest.get(length..)?;
    }
    Some(Content { last: last?, end: bytes.len() - rest.len(), records })
}

/// Reads a log for nothing but to see what happens.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_bytes(bytes: &[u8]) {
    if let Some(content) = parse(bytes) {
        assert!(content.end <= bytes.len() && content.records.len() <= content.end);
    }
}

/// Puts the sums that fit what is there, as far as it has the shape of a log.
#[cfg(any(test, fuzzing))]
pub(crate) fn reseal(bytes: &mut [u8]) {
    let Some((header, mut rest)) = bytes.split_at_mut_checked(HEADER) else { return };
    if let Some((content, sum)) = header.split_last_chunk_mut() {
        *sum = xxh3_64(content).to_le_bytes();
    }
    while let Some(length) = rest.first_chunk().map(|length| u32::from_le_bytes(*length) as usize) {
        let Some((record, after)) = rest.split_at_mut_checked(12 + length) else { return };
        let Some((sum, after)) = after.split_first_chunk_mut() else { return };
        *sum = xxh3_64(record).to_le_bytes();
        rest = after;
    }
}

/// The first record of these bytes and its length.
fn first(bytes: &[u8]) -> Decoded<(u64, OverrideChange, usize)> {
    use super::bytes::Damaged;
    let mut input = Input::new(bytes);
    let length = input.u32()? as usize;
    if length > MAX_RECORD {
        return Err(Damaged("a record is too long"));
    }
    let number = input.u64()?;
    let mut payload = Input::new(input.take(length)?);
    let sum = input.u64()?;
    let sealed = bytes.get(..12 + length).ok_or(Damaged("ends too early"))?;
    if xxh3_64(sealed) != sum {
        return Err(Damaged("a record's checksum does not match"));
    }
    let change = record::change(&mut payload)?;
    payload.end()?;
    Ok((number, change, 12 + length + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(host: u8) -> OverrideChange {
        let prefix = format!("192.0.2.{host}").parse().unwrap();
        OverrideChange::Remove { prefix, author: "ana".into(), at: chrono::DateTime::UNIX_EPOCH }
    }

    fn log() -> (tempfile::TempDir, OverrideLog) {
        let dir = tempfile::tempdir().unwrap();
        let log = OverrideLog::open(dir.path()).unwrap();
        (dir, log)
    }

    #[test]
    fn a_torn_tail_is_cut_at_every_byte_and_numbers_go_on() {
        let (_dir, log) = log();
        let first = log.append(&[change(1), change(2)]).unwrap() - 1;
        let kept = fs::read(&log.path).unwrap().len();
        log.append(&[change(3)]).unwrap();
        let whole = fs::read(&log.path).unwrap();
        for cut in kept..whole.len() {
            fs::write(&log.path, &whole[..cut]).unwrap();
            assert_eq!(log.read_after(first).unwrap(), [(first + 1, change(2))]);
            assert_eq!(log.append(&[change(4)]).unwrap(), first + 2);
            assert_eq!(
                log.read_after(first).unwrap(),
                [(first + 1, change(2)), (first + 2, change(4))]
            );
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_log_there() {
        let (_dir, log) = log();
        log.append(&[change(1)]).unwrap();
        let kept = fs::read(&log.path).unwrap().len();
        log.append(&[change(2), change(3)]).unwrap();
        let whole = fs::read(&log.path).unwrap();
        for at in kept..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x10;
            fs::write(&log.path, &broken).unwrap();
            let read = log.read_after(0).unwrap();
            assert!(read.len() < 3, "{at}");
            assert!(read.iter().zip(1..).all(|(record, host)| record.1 == change(host)));
        }
    }

    #[test]
    fn a_damaged_header_costs_no_record() {
        let (_dir, log) = log();
        let number = log.append(&[change(1)]).unwrap();
        let mut bytes = fs::read(&log.path).unwrap();
        bytes[12] ^= 1;
        fs::write(&log.path, &bytes).unwrap();
        assert_eq!(log.read_after(0).unwrap(), [(number, change(1))]);
        assert_eq!(log.append(&[change(2)]).unwrap(), number + 1);
    }

    #[test]
    fn a_lost_log_goes_on_above_what_was_absorbed() {
        let (_dir, log) = log();
        let number = log.append(&[change(1)]).unwrap();
        fs::write(&log.path, "").unwrap();
        assert!(log.append(&[change(2)]).unwrap() > number, "time-based numbers do not go back");
        log.continue_after(u64::MAX / 2).unwrap();
        assert_eq!(log.append(&[change(3)]).unwrap(), u64::MAX / 2 + 1);
    }

    #[test]
    fn truncation_keeps_what_is_newer() {
        let (_dir, log) = log();
        let last = log.append(&[change(1), change(2), change(3)]).unwrap();
        log.truncate_absorbed(last - 1).unwrap();
        assert_eq!(log.read_after(0).unwrap(), [(last, change(3))]);
        log.truncate_absorbed(last + 5).unwrap();
        assert_eq!(log.read_after(0).unwrap(), []);
        assert_eq!(log.append(&[change(4)]).unwrap(), last + 1);
    }

    #[test]
    fn writers_share_the_log_without_losing_a_record() {
        let (dir, log) = log();
        std::thread::scope(|scope| {
            for host in 0..4 {
                let dir = dir.path();
                scope.spawn(move || {
                    let log = OverrideLog::open(dir).unwrap();
                    for _ in 0..10 {
                        log.append(&[change(host)]).unwrap();
                    }
                });
            }
        });
        let records = log.read_after(0).unwrap();
        assert_eq!(records.len(), 40);
        assert!(records.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
    }
}
