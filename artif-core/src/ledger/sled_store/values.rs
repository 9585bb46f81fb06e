//! How the small values look.

use super::handle::Op;
use super::keys::{self, Key};
use crate::clock::Seconds;
use crate::ledger::block::{self, Net};
use crate::ledger::bytes::{Damaged, Decoded, Input, put_optional_text, put_varint};
use crate::ledger::digest::FeedKey;
use crate::ledger::record;
use crate::ledger::store::{FeedHead, Override};
use crate::net::Prefix;

const FORMAT: u32 = 1;

/// State of the whole store. Written with whatever changes without a feed's mark, or uses up a
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) sequence: u64,
    pub(super) digest: u128,
    pub(super) next_number: u32,
    pub(super) absorbed: u64,
}

impl Stamp {
    pub(super) fn op(self) -> Op {
        let mut value = FORMAT.to_le_bytes().to_vec();
        value.extend_from_slice(&self.sequence.to_le_bytes());
        value.extend_from_slice(&self.digest.to_le_bytes());
        value.extend_from_slice(&self.next_number.to_le_bytes());
        value.extend_from_slice(&self.absorbed.to_le_bytes());
        sealed(keys::STAMP.to_vec(), value)
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Decoded<Self> {
        let mut input = Input::new(block::unseal(value, key)?);
        if input.u32()? != FORMAT {
            return Err(Damaged("has a format that this version does not read"));
        }
        let stamp = Self {
            sequence: input.u64()?,
            digest: input.u128()?,
            next_number: input.u32()?,
            absorbed: input.u64()?,
        };
        input.end()?;
        Ok(stamp)
    }
}

/// What changes about a feed even where its content does not. It carries the store's sequence and
/// digest, so that a confirmation is one small write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) confirmed: Seconds,
    pub(super) stale: Option<String>,
    pub(super) sequence: u64,
    pub(super) digest: u128,
}

impl Mark {
    pub(super) fn op(&self, feed: u32) -> Op {
        let mut value = self.confirmed.to_le_bytes().to_vec();
        value.extend_from_slice(&self.sequence.to_le_bytes());
        value.extend_from_slice(&self.digest.to_le_bytes());
        put_optional_text(&mut value, self.stale.as_deref());
        sealed(keys::mark(feed), value)
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Decoded<Self> {
        let mut input = Input::new(block::unseal(value, key)?);
        let confirmed = input.u32()?;
        let (sequence, digest) = (input.u64()?, input.u128()?);
        let stale = input.optional_text()?.map(str::to_owned);
        input.end()?;
        Ok(Self { confirmed, stale, sequence, digest })
    }
}

/// A feed as the store knows it.
#[derive(Debug, Clone)]
pub(super) struct FeedState {
    pub(super) number: u32,
    /// Which set of active blocks is the current one.
    pub(super) run: u32,
    pub(super) key: FeedKey,
    pub(super) head: FeedHead,
    /// How many ended listings are kept.
    pub(super) ended: u64,
    pub(super) active_sum: u128,
    pub(super) ended_sum: u128,
}

impl FeedState {
    /// Its share of the digest.
    pub(super) fn share(&self) -> u128 {
        crate::ledger::digest::head(&self.head)
            .wrapping_add(self.active_sum)
            .wrapping_add(self.ended_sum)
    }

    pub(super) fn op(&self) -> Op {
        let mut value = self.run.to_le_bytes().to_vec();
        put_varint(&mut value, self.ended);
        value.extend_from_slice(&self.active_sum.to_le_bytes());
        value.extend_from_slice(&self.ended_sum.to_le_bytes());
        record::put_head(&mut value, &self.head);
        sealed(keys::head(self.number), value)
    }

    pub(super) fn mark(&self, sequence: u64, digest: u128) -> Op {
        let (confirmed, stale) = (self.head.confirmed, self.head.stale.clone());
        Mark { confirmed, stale, sequence, digest }.op(self.number)
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Decoded<Self> {
        let (number, _) = keys::number(key).ok_or(Damaged("a head has a bad key"))?;
        let mut input = Input::new(block::unseal(value, key)?);
        let run = input.u32()?;
        let ended = input.varint()?;
        let (active_sum, ended_sum) = (input.u128()?, input.u128()?);
        let head = record::head(&mut input)?;
        input.end()?;
        let key = FeedKey::of(&head.feed);
        Ok(Self { number, run, key, head, ended, active_sum, ended_sum })
    }
}

pub(super) fn override_key(prefix: Prefix) -> Key {
    match prefix {
        Prefix::V4(prefix) => keys::override_(prefix),
        Prefix::V6(prefix) => keys::override_(prefix),
    }
}

pub(super) fn put_override(entry: &Override) -> Op {
    let mut value = Vec::new();
    record::put_override(&mut value, entry);
    sealed(override_key(entry.prefix), value)
}

pub(super) fn override_(key: &[u8], value: &[u8]) -> Decoded<Override> {
    let mut input = Input::new(block::unseal(value, key)?);
    let entry = record::override_(&mut input)?;
    input.end()?;
    Ok(entry)
}

/// A block of active listings that starts no earlier than at `from`.
pub(super) fn active_block<P: Net>(run: u32, from: P, payload: Vec<u8>) -> Op {
    sealed(keys::active(run, from), payload)
}

pub(super) fn sealed(key: Key, mut value: Vec<u8>) -> Op {
    block::seal(&mut value, &key);
    (key, Some(value))
}
