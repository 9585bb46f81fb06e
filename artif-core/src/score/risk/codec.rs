//! The model as bytes, little-endian:
//!
//! ```text
//! magic "RSK" and version, 4 bytes
//! prior f64
//! publishers u32: factor f64, length u32, UTF-8 each
//! feeds u32: publisher u32, reliability f64, half-life f64, days unconfirmed f64, flags u8 each
//!     (0 threat, 1 label, 2 benign; 4 aggregate)
//! twice, for IPv4 and IPv6:
//!     base rate f64
//!     systems u32, ascending: number u32, mass f64, lift f64 each
//! ```

use super::RiskModel;
use super::chain::{Groups, System};
use super::feeds::{FeedModel, Publisher};
use crate::error::{Error, Result};
use crate::feed::Role;
use crate::score::Territory;
use crate::score::cursor::Cursor;

const MAGIC: [u8; 4] = *b"RSK\x01";
const FEED: usize = 29;
const SYSTEM: usize = 20;
const AGGREGATE: u8 = 4;

pub(super) fn encode(model: &RiskModel) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(model.prior.to_le_bytes());
    out.extend((model.publishers.len() as u32).to_le_bytes());
    for publisher in &model.publishers {
        out.extend(publisher.factor.to_le_bytes());
        out.extend((publisher.name.len() as u32).to_le_bytes());
        out.extend(publisher.name.as_bytes());
    }
    out.extend((model.feeds.len() as u32).to_le_bytes());
    for feed in &model.feeds {
        out.extend(feed.publisher.to_le_bytes());
        out.extend(feed.reliability.to_le_bytes());
        out.extend(feed.half_life.to_le_bytes());
        out.extend(feed.confirmed.to_le_bytes());
        let role = match feed.role {
            Role::Threat => 0,
            Role::Label => 1,
            Role::Benign => 2,
            Role::Warninglist => 3,
        };
        out.push(role | if feed.aggregate { AGGREGATE } else { 0 });
    }
    for groups in [&model.groups4, &model.groups6] {
        out.extend(groups.base.to_le_bytes());
        out.extend((groups.systems.len() as u32).to_le_bytes());
        for system in &groups.systems {
            out.extend(system.number.to_le_bytes());
            out.extend(system.mass.to_le_bytes());
            out.extend(system.lift.to_le_bytes());
        }
    }
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<RiskModel> {
    read(&mut Cursor(bytes)).ok_or_else(|| Error::Invalid {
        what: "risk model",
        reason: format!("{} bytes are damaged or of another version", bytes.len()),
    })
}

fn read(input: &mut Cursor<'_>) -> Option<RiskModel> {
    if input.array::<4>()? != MAGIC {
        return None;
    }
    let prior = input.within(0.0, 1.0).filter(|prior| *prior > 0.0 && *prior < 1.0)?;
    let mut publishers = Vec::new();
    for _ in 0..input.u32()? {
        let factor = input.within(0.0, 1.0)?;
        let length = input.u32()? as usize;
        let name = std::str::from_utf8(input.take(length)?).ok()?.to_owned();
        publishers.push(Publisher { name, factor });
    }
    let count = input.u32()? as usize;
    // Taken as a slice first: a count that the bytes cannot hold allocates nothing.
    let mut rows = Cursor(input.take(count.checked_mul(FEED)?)?);
    let feeds = (0..count).map(|_| feed(&mut rows, publishers.len())).collect::<Option<_>>()?;
    let (groups4, groups6) = (groups(input)?, groups(input)?);
    let territory = Territory::default();
    let model = RiskModel { prior, feeds, publishers, groups4, groups6, territory };
    input.0.is_empty().then_some(model)
}

fn feed(input: &mut Cursor<'_>, publishers: usize) -> Option<FeedModel> {
    let publisher = input.u32().filter(|publisher| (*publisher as usize) < publishers)?;
    let reliability = input.within(0.0, 1.0)?;
    let half_life = input.within(1.0, 120.0)?;
    let confirmed = input.within(0.0, f64::MAX)?;
    let [flags] = input.array::<1>()?;
    let role = match flags & !AGGREGATE {
        0 => Role::Threat,
        1 => Role::Label,
        2 => Role::Benign,
        3 => Role::Warninglist,
        _ => return None,
    };
    let aggregate = flags & AGGREGATE != 0;
    Some(FeedModel { publisher, role, aggregate, reliability, half_life, confirmed })
}

fn groups(input: &mut Cursor<'_>) -> Option<Groups> {
    let base = input.within(0.0, f64::MAX)?;
    let count = input.u32()? as usize;
    let mut rows = Cursor(input.take(count.checked_mul(SYSTEM)?)?);
    let mut systems: Vec<System> = Vec::with_capacity(count);
    for _ in 0..count {
        let number = rows.u32()?;
        let (mass, lift) = (rows.within(0.0, f64::MAX)?, rows.within(-1000.0, 1000.0)?);
        if systems.last().is_some_and(|last| last.number >= number) {
            return None;
        }
        systems.push(System { number, mass, lift });
    }
    Some(Groups { base, systems })
}
