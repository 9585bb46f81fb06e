//! The model as bytes, little-endian:
//!
//! ```text
//! magic "CLS" and version, 4 bytes
//! window in days f64 | documents u64
//! feeds u32, then a byte each: 1 = threat
//! three times, for ASN, country, organisation:
//!     0 or 1 as a byte, and if 1 the statistics of what is not known
//!     groups u32, their keys u32 ascending, their statistics
//! for each organisation: length u32, UTF-8
//! ```
//! Statistics: documents u32, historical u32, feeds f64, types f64, recency f64.

use super::{ClassicModel, GroupStats, Groups};
use crate::error::{Error, Result};
use crate::score::cursor::Cursor;

const MAGIC: [u8; 4] = *b"CLS\x01";
const STATS: usize = 32;

pub(super) fn encode(model: &ClassicModel) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(model.window_days.to_le_bytes());
    out.extend(model.documents.to_le_bytes());
    out.extend((model.threats.len() as u32).to_le_bytes());
    out.extend(model.threats.iter().map(|threat| u8::from(*threat)));
    for groups in [&model.asn, &model.country, &model.organisation] {
        out.push(u8::from(groups.unknown.is_some()));
        groups.unknown.iter().for_each(|stats| encode_stats(&mut out, stats));
        out.extend((groups.keys.len() as u32).to_le_bytes());
        groups.keys.iter().for_each(|key| out.extend(key.to_le_bytes()));
        groups.stats.iter().for_each(|stats| encode_stats(&mut out, stats));
    }
    for name in &model.names {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend(name.as_bytes());
    }
    out
}

fn encode_stats(out: &mut Vec<u8>, stats: &GroupStats) {
    out.extend(stats.documents.to_le_bytes());
    out.extend(stats.historical.to_le_bytes());
    out.extend(stats.feeds.to_le_bytes());
    out.extend(stats.types.to_le_bytes());
    out.extend(stats.recency.to_le_bytes());
}

pub(super) fn decode(bytes: &[u8]) -> Result<ClassicModel> {
    read(&mut Cursor(bytes)).ok_or_else(|| Error::Invalid {
        what: "classic model",
        reason: format!("{} bytes are damaged or of another version", bytes.len()),
    })
}

fn read(input: &mut Cursor<'_>) -> Option<ClassicModel> {
    if input.array::<4>()? != MAGIC {
        return None;
    }
    let window_days = input.within(0.0, f64::MAX)?;
    let documents = u64::from_le_bytes(input.array()?);
    let feeds = input.u32()?;
    let threats = input.take(feeds as usize)?.iter().map(|byte| *byte == 1).collect();
    let asn = groups(input, documents)?;
    let country = groups(input, documents)?;
    let organisation = groups(input, documents)?;
    let mut names = Vec::with_capacity(organisation.keys.len());
    for _ in 0..organisation.keys.len() {
        let length = input.u32()? as usize;
        names.push(std::str::from_utf8(input.take(length)?).ok()?.to_owned());
    }
    input.0.is_empty().then_some(ClassicModel {
        window_days,
        documents,
        threats,
        asn,
        country,
        organisation,
        names,
    })
}

fn groups(input: &mut Cursor<'_>, documents: u64) -> Option<Groups> {
    let unknown = match input.array::<1>()? {
        [0] => None,
        [1] => Some(stats(input, documents)?),
        _ => return None,
    };
    let count = input.u32()? as usize;
    // Taken as slices first: a count that the bytes cannot hold allocates nothing.
    let keys = input.take(count.checked_mul(4)?)?;
    let mut values = Cursor(input.take(count.checked_mul(STATS)?)?);
    let (keys, _) = keys.as_chunks::<4>();
    let keys: Vec<u32> = keys.iter().map(|key| u32::from_le_bytes(*key)).collect();
    if !keys.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let stats = (0..count).map(|_| stats(&mut values, documents)).collect::<Option<_>>()?;
    Some(Groups::new(unknown, keys, stats))
}

fn stats(input: &mut Cursor<'_>, documents: u64) -> Option<GroupStats> {
    let (n, h) = (input.u32()?, input.u32()?);
    let (feeds, types, recency) =
        (input.within(0.0, f64::MAX)?, input.within(0.0, f64::MAX)?, input.within(0.0, f64::MAX)?);
    // Shares of a whole, but sums of rounded parts.
    let shares = [feeds, types, recency].iter().all(|share| *share <= 1.000_001);
    let sound = (1..=documents).contains(&u64::from(n)) && h <= n && shares;
    sound.then(|| GroupStats::new(n, h, documents, feeds, types, recency))
}
