//! The whole ledger as one flat file: what `export` writes and a broken ledger is rebuilt from.
//!
//! ```text
//! header   magic "artif-cp", format u32, reserved u32, sequence u64, digest u128, absorbed u64,
//!          xxh3-64 of the bytes before
//! section  kind u8, length u32, payload, xxh3-64 of kind, length and payload, seeded by the
//!          section's number
//! kinds    1 overrides   2 a feed's head   3 blocks of the feed before   4 end, with totals
//! ```
//! All numbers are little-endian. A reader holds one section at a time and checks the digest of
//! what it has read against the header.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::block::{self, Block, MAX_BYTES};
use super::bytes::{Damaged, Input, put_varint};
use super::digest::{self, FeedKey};
use super::store::{FeedHead, Override, Store};
use super::{files, record};
use crate::error::{Error, Result};
use crate::net::{Prefix4, Prefix6};

const MAGIC: &[u8; 8] = b"artif-cp";
const FORMAT: u32 = 1;
const HEADER: usize = 56;
/// A section is written when it has this many bytes …
const FULL: usize = 1 << 16;
/// … so that a longer one is damage, not a reason to allocate.
const MAX_SECTION: usize = FULL + 2 * MAX_BYTES;

const OVERRIDES: u8 = 1;
const FEED: u8 = 2;
const BLOCKS: u8 = 3;
const END: u8 = 4;

/// How far the sequence jumps where a store starts from a checkpoint, as what came after it may have
/// used up numbers that are not known any more.
pub(crate) const SEQUENCE_JUMP: u64 = 1_000_000;

/// How many checkpoints are kept.
const KEPT: usize = 2;

/// What stands before the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) digest: u128,
    pub(crate) absorbed: u64,
}

impl Header {
    fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.digest.to_le_bytes());
        out.extend_from_slice(&self.absorbed.to_le_bytes());
        out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEADER]) -> Result<Self, Damaged> {
        let (content, sum) = bytes.split_last_chunk().ok_or(Damaged("ends too early"))?;
        let mut input = Input::new(content);
        if input.take(MAGIC.len())? != MAGIC {
            return Err(Damaged("is not a checkpoint"));
        }
        if xxh3_64(content) != u64::from_le_bytes(*sum) {
            return Err(Damaged("header checksum does not match"));
        }
        if input.u32()? != FORMAT || input.u32()? != 0 {
            return Err(Damaged("has a format that this version does not read"));
        }
        Ok(Self { sequence: input.u64()?, digest: input.u128()?, absorbed: input.u64()? })
    }
}

fn section_sum(number: u64, kind: u8, payload: &[u8]) -> u64 {
    let mut sum = Xxh3::with_seed(number);
    sum.update(&[kind]);
    sum.update(&(payload.len() as u32).to_le_bytes());
    sum.update(payload);
    sum.digest()
}

/// Puts the sums that fit what is there, as far as it has the shape of a checkpoint.
#[cfg(any(test, fuzzing))]
pub(crate) fn reseal(bytes: &mut [u8]) {
    let Some((header, mut rest)) = bytes.split_at_mut_checked(HEADER) else { return };
    if let Some((content, sum)) = header.split_last_chunk_mut() {
        *sum = xxh3_64(content).to_le_bytes();
    }
    for number in 0.. {
        let Some(([kind, length @ ..], after)) = rest.split_first_chunk_mut::<5>() else { return };
        let length = u32::from_le_bytes(*length) as usize;
        let Some((section, after)) = after.split_at_mut_checked(length) else { return };
        let Some((sum, after)) = after.split_first_chunk_mut() else { return };
        *sum = section_sum(number, *kind, section).to_le_bytes();
        rest = after;
    }
}

/// Writes the format: the overrides, then each feed's head followed by its blocks.
pub(crate) struct Writer<'a> {
    out: &'a mut dyn Write,
    kind: u8,
    buffer: Vec<u8>,
    sections: u64,
    feeds: u64,
    blocks: u64,
    overrides: u64,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, header: Header) -> io::Result<Self> {
        out.write_all(&header.encode())?;
        let buffer = Vec::with_capacity(MAX_SECTION);
        Ok(Self { out, kind: OVERRIDES, buffer, sections: 0, feeds: 0, blocks: 0, overrides: 0 })
    }

    pub(crate) fn override_(&mut self, entry: &Override) -> io::Result<()> {
        self.start(OVERRIDES)?;
        self.overrides += 1;
        record::put_override(&mut self.buffer, entry);
        Ok(())
    }

    pub(crate) fn feed(&mut self, head: &FeedHead) -> io::Result<()> {
        self.section()?;
        self.kind = FEED;
        self.feeds += 1;
        record::put_head(&mut self.buffer, head);
        Ok(())
    }

    /// A block's payload as [`block`] codes it, of the feed before.
    pub(crate) fn block(&mut self, payload: &[u8]) -> io::Result<()> {
        self.start(BLOCKS)?;
        self.blocks += 1;
        put_varint(&mut self.buffer, payload.len() as u64);
        self.buffer.extend_from_slice(payload);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.section()?;
        self.kind = END;
        for total in [self.feeds, self.blocks, self.overrides] {
            put_varint(&mut self.buffer, total);
        }
        self.section()?;
        self.out.flush()
    }

    fn start(&mut self, kind: u8) -> io::Result<()> {
        if self.kind != kind || self.buffer.len() >= FULL {
            self.section()?;
        }
        self.kind = kind;
        Ok(())
    }

    fn section(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.out.write_all(&[self.kind])?;
        self.out.write_all(&(self.buffer.len() as u32).to_le_bytes())?;
        self.out.write_all(&self.buffer)?;
        let sum = section_sum(self.sections, self.kind, &self.buffer);
        self.out.write_all(&sum.to_le_bytes())?;
        self.sections += 1;
        self.buffer.clear();
        Ok(())
    }
}

/// What a checkpoint is read into.
pub(crate) trait Sink {
    fn override_(&mut self, entry: Override) -> Result<()>;
    fn feed(&mut self, head: FeedHead) -> Result<()>;
    /// A block of the feed before, coded and decoded.
    fn block(&mut self, payload: &[u8], block: Block) -> Result<()>;
}

/// Reads only to see whether it can be read.
struct Check;

impl Sink for Check {
    fn override_(&mut self, _: Override) -> Result<()> {
        Ok(())
    }
    fn feed(&mut self, _: FeedHead) -> Result<()> {
        Ok(())
    }
    fn block(&mut self, _: &[u8], _: Block) -> Result<()> {
        Ok(())
    }
}

/// Reads the overrides only.
#[derive(Default)]
struct Overrides(Vec<Override>);

impl Sink for Overrides {
    fn override_(&mut self, entry: Override) -> Result<()> {
        self.0.push(entry);
        Ok(())
    }
    fn feed(&mut self, _: FeedHead) -> Result<()> {
        Ok(())
    }
    fn block(&mut self, _: &[u8], _: Block) -> Result<()> {
        Ok(())
    }
}

/// Reads a checkpoint to its end. What the sink got counts only if this returns `Ok`.
pub(crate) fn read(input: &mut dyn Read, path: &Path, sink: &mut dyn Sink) -> Result<Header> {
    let header = read_header(input, path)?;
    let mut reader = Reader::default();
    let mut section = Vec::new();
    loop {
        let kind = next_section(input, path, reader.sections, &mut section)?;
        reader.sections += 1;
        let mut bytes = Input::new(&section);
        match reader.section(kind, &mut bytes, sink) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(Fault::Sink(error)) => return Err(error),
            Err(Fault::Damaged(what)) => return Err(damaged(path, what.0)),
        }
        let mut rest = [0];
        if input.read(&mut rest).map_err(|e| Error::io("read", path, e))? != 0 {
            return Err(damaged(path, "something follows its end"));
        }
        if reader.digest != header.digest {
            return Err(damaged(path, "its digest does not match its content"));
        }
        return Ok(header);
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::LedgerCorrupt { path: path.to_owned(), detail: format!("checkpoint: {what}") }
}

fn read_exactly(input: &mut dyn Read, path: &Path, bytes: &mut [u8]) -> Result<()> {
    input.read_exact(bytes).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "ends too early"),
        _ => Error::io("read", path, e),
    })
}

fn read_header(input: &mut dyn Read, path: &Path) -> Result<Header> {
    let mut bytes = [0; HEADER];
    read_exactly(input, path, &mut bytes)?;
    Header::decode(&bytes).map_err(|what| damaged(path, what.0))
}

fn next_section(
    input: &mut dyn Read,
    path: &Path,
    number: u64,
    section: &mut Vec<u8>,
) -> Result<u8> {
    let (mut kind, mut length, mut sum) = ([0], [0; 4], [0; 8]);
    read_exactly(input, path, &mut kind)?;
    read_exactly(input, path, &mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_SECTION {
        return Err(damaged(path, "a section is too long"));
    }
    section.resize(length, 0);
    read_exactly(input, path, section)?;
    read_exactly(input, path, &mut sum)?;
    let [kind] = kind;
    if section_sum(number, kind, section) != u64::from_le_bytes(sum) {
        return Err(damaged(path, "a section's checksum does not match"));
    }
    Ok(kind)
}

enum Fault {
    Damaged(Damaged),
    Sink(Error),
}

impl From<Damaged> for Fault {
    fn from(what: Damaged) -> Self {
        Self::Damaged(what)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sink(error)
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    digest: u128,
    sections: u64,
    names: BTreeSet<String>,
    current: Option<Current>,
    blocks: u64,
    overrides: u64,
}

/// The feed whose blocks are being read.
struct Current {
    key: FeedKey,
    missing: u64,
    last4: Option<Prefix4>,
    last6: Option<Prefix6>,
}

impl Reader {
    /// Says whether more is to come.
    fn section(
        &mut self,
        kind: u8,
        bytes: &mut Input<'_>,
        sink: &mut dyn Sink,
    ) -> Result<bool, Fault> {
        match kind {
            OVERRIDES => {
                while !bytes.is_empty() {
                    let entry = record::override_(bytes)?;
                    self.digest = self.digest.wrapping_add(digest::override_(&entry));
                    self.overrides += 1;
                    sink.override_(entry)?;
                }
            }
            FEED => {
                self.complete()?;
                let head = record::head(bytes)?;
                bytes.end()?;
                if !self.names.insert(head.feed.to_string()) {
                    return Err(Damaged("a feed stands twice").into());
                }
                self.digest = self.digest.wrapping_add(digest::head(&head));
                let (key, missing) = (FeedKey::of(&head.feed), head.count);
                self.current = Some(Current { key, missing, last4: None, last6: None });
                sink.feed(head)?;
            }
            BLOCKS => {
                while !bytes.is_empty() {
                    let length = bytes.count(MAX_BYTES)?;
                    let payload = bytes.take(length)?;
                    let block = block::decode(payload)?;
                    self.blocks += 1;
                    self.account(&block)?;
                    sink.block(payload, block)?;
                }
            }
            END => {
                self.complete()?;
                let totals = [self.names.len() as u64, self.blocks, self.overrides];
                for total in totals {
                    if bytes.varint()? != total {
                        return Err(Damaged("parts are missing").into());
                    }
                }
                bytes.end()?;
                return Ok(false);
            }
            _ => return Err(Damaged("a section is of an unknown kind").into()),
        }
        Ok(true)
    }

    fn account(&mut self, block: &Block) -> Result<(), Damaged> {
        let Some(current) = &mut self.current else {
            return Err(Damaged("listings belong to no feed"));
        };
        let key = current.key;
        let (count, sum) = match block {
            Block::Active4(entries) => {
                current.last4 = follow(current.last4, entries)?;
                (entries.len(), key.sum_active(entries))
            }
            Block::Active6(entries) => {
                current.last6 = follow(current.last6, entries)?;
                (entries.len(), key.sum_active(entries))
            }
            Block::Ended4(entries) => (0, key.sum_ended(entries)),
            Block::Ended6(entries) => (0, key.sum_ended(entries)),
        };
        current.missing = current
            .missing
            .checked_sub(count as u64)
            .ok_or(Damaged("a feed has more listings than its head says"))?;
        self.digest = self.digest.wrapping_add(sum);
        Ok(())
    }

    fn complete(&self) -> Result<(), Damaged> {
        match &self.current {
            Some(current) if current.missing > 0 => {
                Err(Damaged("a feed has fewer listings than its head says"))
            }
            _ => Ok(()),
        }
    }
}

/// The last network of a block that has to start behind the last one of the block before.
pub(crate) fn follow<P: block::Net>(
    last: Option<P>,
    entries: &[block::Listed<P>],
) -> Result<Option<P>, Damaged> {
    let first = entries.first().map(|entry| entry.0);
    if last.is_some() && first <= last {
        return Err(Damaged("blocks are out of order"));
    }
    Ok(entries.last().map(|entry| entry.0))
}

/// Reads all of a checkpoint, every checksum and the digest compared.
pub(crate) fn check(path: &Path) -> Result<()> {
    load(path, &mut Check).map(drop)
}

/// Writes the store's content to `checkpoint-<sequence>.artif` in `dir`, durably, and removes all
/// but the newest two. Returns the file's path.
///
/// ```
/// use artif_core::ledger::{MemoryStore, newest_good, write_checkpoint};
///
/// let dir = tempfile::tempdir().unwrap();
/// let path = write_checkpoint(dir.path(), &MemoryStore::new()).unwrap();
/// assert_eq!(newest_good(dir.path()).unwrap(), Some(path));
/// ```
pub fn write_checkpoint(dir: &Path, store: &dyn Store) -> Result<PathBuf> {
    files::create_folder(dir)?;
    let temporary = dir.join("checkpoint.tmp");
    files::write_durably(&temporary, &mut |out| store.export(out))?;
    // The store may have moved on since: the file itself says which moment it holds.
    let sequence = header_of(&temporary)?.sequence;
    let path = dir.join(format!("checkpoint-{sequence}.artif"));
    files::rename(&temporary, &path)?;
    for (_, old) in list(dir)?.into_iter().skip(KEPT).filter(|(_, old)| *old != path) {
        fs::remove_file(&old).map_err(|e| Error::io("remove", &old, e))?;
    }
    Ok(path)
}

/// The newest checkpoint in `dir` that is whole, every checksum and the digest compared.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// std::fs::write(dir.path().join("checkpoint-7.artif"), "torn").unwrap();
/// assert_eq!(artif_core::ledger::newest_good(dir.path()).unwrap(), None);
/// ```
pub fn newest_good(dir: &Path) -> Result<Option<PathBuf>> {
    Ok(newest_whole(dir, 0)?.map(|(path, _)| path))
}

/// The newest whole checkpoint whose sequence is not below `sequence`.
pub(crate) fn newest_whole(dir: &Path, sequence: u64) -> Result<Option<(PathBuf, Header)>> {
    for (number, path) in list(dir)? {
        if number < sequence {
            break;
        }
        match load(&path, &mut Check) {
            Ok(header) => return Ok(Some((path, header))),
            Err(error) => tracing::warn!(%error, "a checkpoint is unusable"),
        }
    }
    Ok(None)
}

/// The overrides in the newest whole checkpoint that knows of changes above `number`, and the number
/// of the last change that it knows of.
///
/// Errors: [`Error::LedgerCorrupt`] where one that may know of them is damaged and no other does.
pub(crate) fn overrides_above(dir: &Path, number: u64) -> Result<Option<(Vec<Override>, u64)>> {
    let mut trouble = None;
    for (_, path) in list(dir)? {
        if header_of(&path).is_ok_and(|header| header.absorbed <= number) {
            continue;
        }
        let mut found = Overrides::default();
        match load(&path, &mut found) {
            Ok(header) => return Ok(Some((found.0, header.absorbed))),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint is unusable");
                trouble = Some(error);
            }
        }
    }
    trouble.map_or(Ok(None), Err)
}

/// Reads a checkpoint file.
pub(crate) fn load(path: &Path, sink: &mut dyn Sink) -> Result<Header> {
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    read(&mut io::BufReader::with_capacity(1 << 16, file), path, sink)
}

pub(crate) fn header_of(path: &Path) -> Result<Header> {
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    read_header(&mut file, path)
}

/// The checkpoints in a folder with their sequence numbers, newest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found: Vec<(u64, PathBuf)> = files::names(dir)?
        .into_iter()
        .filter_map(|(name, path)| {
            let number = name.strip_prefix("checkpoint-")?.strip_suffix(".artif")?;
            Some((number.parse().ok()?, path))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{Generation, MemoryStore, OverrideAction, Validators};
    use super::*;

    fn sample() -> (MemoryStore, Vec<u8>) {
        let store = MemoryStore::new();
        let feed = "list".parse().unwrap();
        let validators = Validators::default();
        let texts = ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"];
        let all = texts.iter().map(|t| t.parse().unwrap()).collect();
        store.commit(Generation::new(&feed, 10, &all, &validators)).unwrap();
        let fewer = texts.iter().skip(1).map(|t| t.parse().unwrap()).collect();
        store.commit(Generation::new(&feed, 20, &fewer, &validators)).unwrap();
        let prefix = "203.0.113.0/24".parse().unwrap();
        let entry = Override::new(prefix, OverrideAction::Block, chrono::DateTime::UNIX_EPOCH);
        store.put_override(&entry.reason("test")).unwrap();
        let mut bytes = Vec::new();
        store.export(&mut bytes).unwrap();
        (store, bytes)
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (_, bytes) = sample();
        let path = Path::new("test");
        read(&mut bytes.as_slice(), path, &mut Check).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                assert!(read(&mut broken.as_slice(), path, &mut Check).is_err(), "{at}.{bit}");
            }
            assert!(read(&mut bytes.split_at(at).0, path, &mut Check).is_err(), "cut {at}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(read(&mut longer.as_slice(), path, &mut Check).is_err());
    }

    #[test]
    fn two_generations_are_kept_and_the_newest_whole_one_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = sample();
        let mut paths = Vec::new();
        for at in 30..34 {
            let (feed, validators) = ("list".parse().unwrap(), Validators::default());
            store.confirm(&feed, at, &validators).unwrap();
            paths.push(write_checkpoint(dir.path(), &store).unwrap());
        }
        assert_eq!(list(dir.path()).unwrap().len(), KEPT);
        let newest = paths.pop().unwrap();
        assert_eq!(newest_good(dir.path()).unwrap().as_ref(), Some(&newest));
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, bytes.split_at(bytes.len() - 1).0).unwrap();
        assert_eq!(newest_good(dir.path()).unwrap(), paths.pop());
    }
}
