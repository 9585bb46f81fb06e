//! Our side of the comparisons.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use artif_core::{Addresses, AnswerColumns, Held, Pinned, Reader, Reputation, ReputationEngine};

pub(crate) fn v4(ip: u32) -> IpAddr {
    Ipv4Addr::from_bits(ip).into()
}

pub(crate) fn v6(ip: u128) -> IpAddr {
    Ipv6Addr::from_bits(ip).into()
}

/// All of the verdict that an application may want, so that nothing is left undecoded.
#[inline]
fn full<H: Held>(answer: &Reputation<H>) -> u64 {
    let mut feeds = answer.feeds();
    feeds.len() as u64
        + feeds.next().map_or(0, |feed| feed.count)
        + answer.score().to_bits()
        + answer.verdict() as u64
        + u64::from(answer.asn().unwrap_or(0))
        + answer.country().map_or(0, |country| u64::from(country.as_str().as_bytes()[0]))
        + answer.organisation().map_or(0, |name| name.len() as u64)
}

pub(crate) fn check(reader: &Reader, ip: u32) -> u64 {
    full(&reader.check(v4(ip)))
}

pub(crate) fn pinned(pinned: &Pinned, ip: u32) -> u64 {
    full(&pinned.check(v4(ip)))
}

pub(crate) fn pinned6(pinned: &Pinned, ip: u128) -> u64 {
    full(&pinned.check(v6(ip)))
}

pub(crate) fn gate(pinned: &Pinned, ip: u32) -> u64 {
    gate_of(pinned, v4(ip))
}

#[inline]
pub(crate) fn gate_of(pinned: &Pinned, ip: IpAddr) -> u64 {
    let gate = pinned.gate(ip);
    gate.score().to_bits() + gate.verdict() as u64
}

/// Columns of a batch, used again and again.
#[derive(Default)]
pub(crate) struct Batch {
    score: Vec<f64>,
    verdict: Vec<u8>,
    asn: Vec<u32>,
    country: Vec<[u8; 2]>,
    organisation: Vec<u32>,
    feed_set: Vec<u32>,
}

impl Batch {
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            score: vec![0.0; rows],
            verdict: vec![0; rows],
            asn: vec![0; rows],
            country: vec![[0; 2]; rows],
            organisation: vec![0; rows],
            feed_set: vec![0; rows],
        }
    }

    /// A full verdict for each, and something of each row.
    pub(crate) fn ask(&mut self, pinned: &Pinned, addresses: Addresses<'_>) -> u64 {
        let rows = addresses.len();
        let mut columns = AnswerColumns::new()
            .score(&mut self.score[..rows])
            .verdict(&mut self.verdict[..rows])
            .asn(&mut self.asn[..rows])
            .country(&mut self.country[..rows])
            .organisation(&mut self.organisation[..rows])
            .feed_set(&mut self.feed_set[..rows]);
        let bad = pinned.check_into(addresses, &mut columns).unwrap();
        bad as u64 + self.feed_set[..rows].iter().map(|set| u64::from(*set)).sum::<u64>()
    }

    /// Only the scores and verdicts.
    pub(crate) fn gate(&mut self, pinned: &Pinned, addresses: Addresses<'_>) -> u64 {
        let rows = addresses.len();
        let mut columns =
            AnswerColumns::new().score(&mut self.score[..rows]).verdict(&mut self.verdict[..rows]);
        pinned.check_into(addresses, &mut columns).unwrap() as u64 + u64::from(self.verdict[0])
    }
}
