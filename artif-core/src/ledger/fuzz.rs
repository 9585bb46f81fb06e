//! The ledger's own files from anyone, see [`crate::fuzzing`].
#![allow(clippy::indexing_slicing, reason = "a target says what is wrong by panicking")]

use super::block::{self, Block};
use super::bytes::{Decoded, Input};
use super::{
    MemoryStore, Override, OverrideAction, OverrideChange, Store, checkpoint, override_log, record,
};
use crate::net::{Prefix, Prefix4};

/// Blocks that can be read are written again as what they hold; heads, overrides, changes too.
pub(crate) fn block(data: &[u8]) {
    if let Ok(read) = block::decode(data) {
        let mut written = Vec::new();
        match &read {
            Block::Active4(entries) => block::split_active(entries, &mut |_, b| written.push(b)),
            Block::Active6(entries) => block::split_active(entries, &mut |_, b| written.push(b)),
            Block::Ended4(entries) => block::split_ended(entries, &mut |_, b| written.push(b)),
            Block::Ended6(entries) => block::split_ended(entries, &mut |_, b| written.push(b)),
        }
        // Other lengths and orders of the same content may be cut into several.
        if let [written] = written.as_slice() {
            assert_eq!(block::decode(written).as_ref(), Ok(&read));
        }
    }
    round(data, record::head, record::put_head);
    round(data, record::override_, record::put_override);
    round(data, record::change, record::put_change);
}

fn round<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    read: fn(&mut Input<'_>) -> Decoded<T>,
    write: fn(&mut Vec<u8>, &T),
) {
    let Ok(first) = read(&mut Input::new(data)) else { return };
    let mut written = Vec::new();
    write(&mut written, &first);
    let second = read(&mut Input::new(&written));
    assert_eq!(second.as_ref(), Ok(&first));
}

/// A checkpoint is refused or comes back as it is, as it stands and with sums that fit.
pub(crate) fn checkpoint(data: &[u8]) {
    import(data);
    let mut sealed = data.to_vec();
    checkpoint::reseal(&mut sealed);
    import(&sealed);
}

fn import(data: &[u8]) {
    let Ok(store) = MemoryStore::import(&mut &data[..]) else { return };
    let mut written = Vec::new();
    if store.export(&mut written).is_ok() {
        let read = MemoryStore::import(&mut written.as_slice());
        assert!(read.is_ok(), "{read:?}");
    }
}

/// A log gives the records before what is damaged.
pub(crate) fn override_log(data: &[u8]) {
    override_log::read_bytes(data);
    let mut sealed = data.to_vec();
    override_log::reseal(&mut sealed);
    override_log::read_bytes(&sealed);
}

/// Blocks, and what else the ledger writes, to begin with.
pub(crate) fn blocks() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let nets: Vec<Prefix4> = ["1.2.3.4", "5.6.0.0/16", "9.9.9.9", "9.9.9.10"]
        .iter()
        .filter_map(|text| match text.parse() {
            Ok(Prefix::V4(prefix)) => Some(prefix),
            _ => None,
        })
        .collect();
    let same: Vec<_> = nets.iter().map(|net| (*net, 1_700_000_000)).collect();
    let each: Vec<_> =
        nets.iter().zip([1, 5, 5, 900_000]).map(|(net, time)| (*net, time)).collect();
    let gone: Vec<_> = nets.iter().map(|net| (*net, 1000, 2000)).collect();
    block::split_active(&same, &mut |_, block| all.push(block));
    block::split_active(&each, &mut |_, block| all.push(block));
    block::split_ended(&gone, &mut |_, block| all.push(block));
    let entry = Override {
        prefix: Prefix::V4(nets[1]),
        action: OverrideAction::Block,
        reason: "why".to_owned(),
        author: "ana".to_owned(),
        created: chrono::DateTime::UNIX_EPOCH,
        expires: None,
    };
    let mut written = Vec::new();
    record::put_override(&mut written, &entry);
    all.push(std::mem::take(&mut written));
    record::put_change(&mut written, &OverrideChange::Put(entry));
    all.push(written);
    all
}
