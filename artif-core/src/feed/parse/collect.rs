//! Where entries, counts and samples go.

use std::net::IpAddr;

use super::lines::Stopped;
use super::report::{ParseReport, SkipReason, SkipSample};
use super::{ParseLimits, Parsed};
use crate::error::{Error, Result, excerpt};
use crate::feed::FeedId;
use crate::net::{Prefix, Prefix4, Prefix6, PrefixSet, canonical_address};

/// What one token of a feed stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indicator {
    Net(Prefix),
    /// First and last address, as written.
    Range(IpAddr, IpAddr),
    As(u32),
}

/// Repetitions are removed when this many entries have come together, and from then on whenever
/// they have doubled, so that a feed that repeats itself does not fill memory.
const COMPACT_FROM: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Collector<'a> {
    feed: &'a FeedId,
    pub(super) limits: &'a ParseLimits,
    pub(super) report: ParseReport,
    v4: Vec<Prefix4>,
    v6: Vec<Prefix6>,
    asns: Vec<u32>,
    compact_at: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(feed: &'a FeedId, limits: &'a ParseLimits) -> Self {
        Self {
            feed,
            limits,
            report: ParseReport::default(),
            v4: Vec::new(),
            v6: Vec::new(),
            asns: Vec::new(),
            compact_at: COMPACT_FROM,
        }
    }

    /// Drops all entries and counts: the document turned out to be about something else.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.feed, self.limits);
    }

    pub(super) fn fail(&self, line: Option<u64>, reason: impl Into<String>) -> Error {
        Error::Parse { feed: self.feed.to_string(), line, reason: reason.into() }
    }

    pub(super) fn stopped(&self, stopped: Stopped<Error>) -> Error {
        match stopped {
            Stopped::By(error) => error,
            Stopped::Read(error) => self.read_error(&error),
        }
    }

    pub(super) fn read_error(&self, error: &std::io::Error) -> Error {
        self.fail(None, format!("reading broke off: {}", excerpt(&error.to_string())))
    }

    /// Takes an entry, or drops it by the rules. `written` is for the sample.
    pub(super) fn add(&mut self, line: u64, indicator: Indicator, written: &[u8]) -> Result<()> {
        match indicator {
            Indicator::Net(Prefix::V4(net)) => self.add_v4(line, net, written),
            Indicator::Net(Prefix::V6(net)) => self.add_v6(line, net, written),
            Indicator::Range(first, last) => self.add_range(line, first, last, written),
            Indicator::As(number) => {
                self.report.entries += 1;
                self.asns.push(number);
                self.grown()
            }
        }
    }

    #[inline]
    pub(super) fn add_v4(&mut self, line: u64, net: Prefix4, written: &[u8]) -> Result<()> {
        // Special-purpose blocks have few first octets; only those are worth the search.
        if matches!(net.first() >> 24, 0 | 10 | 100 | 127 | 169 | 172 | 192 | 198 | 203 | 224..)
            && Prefix::V4(net).special_purpose().is_some()
        {
            self.report.special_purpose += 1;
            if !self.limits.keep_special_purpose {
                self.skip(line, SkipReason::SpecialPurpose, written);
                return Ok(());
            }
        } else if net.len() < self.limits.shortest_v4 {
            return self.too_wide(line, Prefix::V4(net), written);
        }
        self.report.entries += 1;
        self.v4.push(net);
        self.grown()
    }

    fn add_v6(&mut self, line: u64, net: Prefix6, written: &[u8]) -> Result<()> {
        let special_group = matches!(
            net.first() >> 112,
            0 | 0x64 | 0x100 | 0x2001 | 0x2620 | 0x3fff | 0x5f00 | 0xfc00..
        );
        if special_group && Prefix::V6(net).special_purpose().is_some() {
            self.report.special_purpose += 1;
            if !self.limits.keep_special_purpose {
                self.skip(line, SkipReason::SpecialPurpose, written);
                return Ok(());
            }
        } else if net.len() < self.limits.shortest_v6 {
            return self.too_wide(line, Prefix::V6(net), written);
        }
        self.report.entries += 1;
        self.v6.push(net);
        self.grown()
    }

    fn too_wide(&mut self, line: u64, net: Prefix, written: &[u8]) -> Result<()> {
        self.report.too_wide += 1;
        if !self.limits.keep_too_wide {
            self.skip(line, SkipReason::TooWide, written);
            return Ok(());
        }
        self.report.entries += 1;
        match net {
            Prefix::V4(net) => self.v4.push(net),
            Prefix::V6(net) => self.v6.push(net),
        }
        self.grown()
    }

    fn add_range(&mut self, line: u64, first: IpAddr, last: IpAddr, written: &[u8]) -> Result<()> {
        match (canonical_address(first), canonical_address(last)) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                let (first, last) = (first.to_bits(), last.to_bits());
                // By its size, so that a wide range does not pass as pieces below the floor.
                if u64::from(last - first) >> (32 - self.limits.shortest_v4.min(32)) != 0 {
                    self.report.too_wide += 1;
                    if !self.limits.keep_too_wide {
                        self.skip(line, SkipReason::TooWide, written);
                        return Ok(());
                    }
                }
                for net in cover_v4(first, last) {
                    self.add_v4(line, net, written)?;
                }
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                let (first, last) = (first.to_bits(), last.to_bits());
                let host_bits = 128 - u32::from(self.limits.shortest_v6.min(128));
                if (last - first).checked_shr(host_bits).unwrap_or(0) != 0 {
                    self.report.too_wide += 1;
                    if !self.limits.keep_too_wide {
                        self.skip(line, SkipReason::TooWide, written);
                        return Ok(());
                    }
                }
                for net in cover_v6(first, last) {
                    self.add_v6(line, net, written)?;
                }
            }
            _ => self.skip(line, SkipReason::BadRange, written),
        }
        Ok(())
    }

    /// Counts what is no entry, with a sample while there are few.
    pub(super) fn skip(&mut self, line: u64, reason: SkipReason, written: &[u8]) {
        *self.report.skipped.entry(reason).or_insert(0) += 1;
        if self.report.samples.len() < self.limits.samples {
            // 80 characters are at most 320 bytes.
            let start = written.get(..400).unwrap_or(written);
            let excerpt = excerpt(String::from_utf8_lossy(start).trim());
            self.report.samples.push(SkipSample { line, reason, excerpt });
        }
    }

    fn grown(&mut self) -> Result<()> {
        if self.held() < self.compact_at {
            return Ok(());
        }
        self.compact();
        if self.held() > self.limits.max_entries {
            return Err(
                self.fail(None, format!("more than {} different entries", self.limits.max_entries))
            );
        }
        self.compact_at = (2 * self.held()).max(COMPACT_FROM);
        Ok(())
    }

    fn held(&self) -> usize {
        self.v4.len() + self.v6.len() + self.asns.len()
    }

    fn compact(&mut self) {
        let nets = PrefixSet::new(std::mem::take(&mut self.v4), std::mem::take(&mut self.v6));
        (self.v4, self.v6) = nets.into_parts();
        self.asns.sort_unstable();
        self.asns.dedup();
    }

    pub(super) fn finish(mut self) -> Result<Parsed> {
        self.compact_at = 0;
        self.grown()?;
        let (prefixes, mut report) = (PrefixSet::new(self.v4, self.v6), self.report);
        report.distinct = (prefixes.len() + self.asns.len()) as u64;
        report.duplicates = report.entries.saturating_sub(report.distinct);
        report.v4_addresses = covered(prefixes.v4());
        Ok(Parsed { prefixes, asns: self.asns, report, since: Vec::new() })
    }
}

/// How many addresses sorted networks cover together.
pub(crate) fn covered(nets: &[Prefix4]) -> u64 {
    let mut end = 0_u64;
    let mut count = 0;
    for net in nets {
        // A network sorts before what it holds, so one that is not past `end` is inside.
        if u64::from(net.first()) >= end {
            end = u64::from(net.last()) + 1;
            count += end - u64::from(net.first());
        }
    }
    count
}

/// The fewest networks that hold exactly `first..=last`.
pub(crate) fn cover_v4(first: u32, last: u32) -> impl Iterator<Item = Prefix4> {
    let mut next = (first <= last).then_some(first);
    std::iter::from_fn(move || {
        let start = next?;
        // As many bits as the start is aligned to, while the network ends within the range.
        let fits = u64::from(last - start) + 1;
        let bits = start.trailing_zeros().min(fits.ilog2());
        let net = Prefix4::new(start, (32 - bits) as u8)?;
        next = net.last().checked_add(1).filter(|n| *n <= last);
        Some(net)
    })
}

/// The same for IPv6.
pub(crate) fn cover_v6(first: u128, last: u128) -> impl Iterator<Item = Prefix6> {
    let mut next = (first <= last).then_some(first);
    std::iter::from_fn(move || {
        let start = next?;
        let fits = (last - start).checked_add(1).map_or(128, u128::ilog2);
        let bits = start.trailing_zeros().min(fits);
        let net = Prefix6::new(start, (128 - bits) as u8)?;
        next = net.last().checked_add(1).filter(|n| *n <= last);
        Some(net)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn range(first: &str, last: &str) -> (Vec<String>, ParseReport) {
        let (id, limits) = ("x".parse().unwrap(), ParseLimits::default());
        let mut collector = Collector::new(&id, &limits);
        let range = Indicator::Range(first.parse().unwrap(), last.parse().unwrap());
        collector.add(1, range, b"range").unwrap();
        let parsed = collector.finish().unwrap();
        (parsed.prefixes.iter().map(|p| p.to_string()).collect(), parsed.report)
    }

    #[test]
    fn ranges_become_the_fewest_networks() {
        for (first, last, expected) in [
            ("8.8.8.8", "8.8.8.8", &["8.8.8.8/32"][..]),
            ("8.8.8.4", "8.8.8.9", &["8.8.8.4/30", "8.8.8.8/31"]),
            ("8.8.8.0", "8.8.8.255", &["8.8.8.0/24"]),
            ("2a00::", "2a00::1", &["2a00::/127"]),
            ("::ffff:8.8.8.8", "::ffff:8.8.8.9", &["8.8.8.8/31"]),
            ("8.0.0.0", "8.255.255.255", &["8.0.0.0/8"]),
        ] {
            assert_eq!(range(first, last).0, expected, "{first}-{last}");
        }
    }

    #[test]
    fn ranges_that_are_none() {
        for (first, last) in [("8.8.8.9", "8.8.8.8"), ("8.8.8.8", "::1"), ("2a00::1", "2a00::")] {
            let (nets, report) = range(first, last);
            assert!(nets.is_empty());
            assert_eq!(report.skipped[&SkipReason::BadRange], 1, "{first}-{last}");
        }
    }

    #[test]
    fn a_wide_range_does_not_pass_in_pieces() {
        for (first, last) in [("8.0.0.0", "9.0.0.0"), ("2a00::", "2a00:4000::")] {
            let (nets, report) = range(first, last);
            assert!(nets.is_empty(), "{nets:?}");
            assert_eq!(report.too_wide, 1);
        }
    }

    #[test]
    fn every_special_block_is_dropped() {
        let (id, limits) = ("x".parse().unwrap(), ParseLimits::default());
        let mut collector = Collector::new(&id, &limits);
        let mut blocks = 0;
        for block in crate::net::special_blocks() {
            let last = match block.prefix {
                Prefix::V4(net) => Prefix::V4(Prefix4::host(net.last())),
                Prefix::V6(net) => Prefix::V6(Prefix6::host(net.last())),
            };
            collector.add(1, Indicator::Net(block.prefix), b"").unwrap();
            collector.add(1, Indicator::Net(last), b"").unwrap();
            blocks += 2;
        }
        let parsed = collector.finish().unwrap();
        assert!(parsed.prefixes.is_empty(), "{:?}", parsed.prefixes);
        assert_eq!(parsed.report.special_purpose, blocks);
    }

    #[test]
    fn covers_reach_the_ends_of_the_space() {
        assert_eq!(cover_v4(0, u32::MAX).collect::<Vec<_>>(), [Prefix4::new(0, 0).unwrap()]);
        assert_eq!(cover_v4(u32::MAX, u32::MAX).count(), 1);
        assert_eq!(cover_v4(1, u32::MAX - 1).count(), 62);
        assert_eq!(cover_v6(0, u128::MAX).collect::<Vec<_>>(), [Prefix6::new(0, 0).unwrap()]);
        assert_eq!(cover_v6(1, u128::MAX - 1).count(), 254);
    }

    #[test]
    fn covered_addresses_count_once() {
        let net = |text: &str| match text.parse().unwrap() {
            Prefix::V4(net) => net,
            Prefix::V6(_) => panic!("{text}"),
        };
        let nets = ["8.0.0.0/8", "8.1.0.0/16", "8.1.1.1/32", "9.9.9.8/31", "255.255.255.255/32"];
        assert_eq!(covered(&nets.map(net)), (1 << 24) + 2 + 1);
    }

    #[test]
    fn repetitions_do_not_fill_memory_and_different_entries_are_bounded() {
        let (id, mut limits) = ("x".parse().unwrap(), ParseLimits::default());
        limits.max_entries = 1000;
        let mut collector = Collector::new(&id, &limits);
        for _ in 0..3 * COMPACT_FROM {
            collector.add_v4(1, Prefix4::host(0x0808_0808), b"").unwrap();
            assert!(collector.held() <= COMPACT_FROM);
        }
        assert_eq!(collector.finish().unwrap().report.duplicates, 3 * COMPACT_FROM as u64 - 1);

        let mut collector = Collector::new(&id, &limits);
        for address in 0..1001 {
            collector.add_v4(1, Prefix4::host(0x0808_0000 + address), b"").unwrap();
        }
        assert!(collector.finish().unwrap_err().to_string().contains("more than 1000"));
    }

    proptest! {
        #[test]
        fn a_cover_is_what_counting_gives(first: u32, size in 0_u32..3000) {
            let last = first.saturating_add(size);
            let nets: Vec<_> = cover_v4(first, last).collect();
            let counted: Vec<u32> = nets.iter().flat_map(|n| n.first()..=n.last()).collect();
            prop_assert_eq!(counted, (first..=last).collect::<Vec<_>>());
            // Minimal: no two neighbours could be one network.
            for pair in nets.windows(2) {
                let joined = Prefix4::new(pair[0].first(), pair[0].len() - 1).unwrap();
                prop_assert!(pair[0].len() != pair[1].len() || joined.first() != pair[0].first());
            }
        }

        #[test]
        fn covers_agree_between_families(first: u32, last: u32) {
            let (first, last) = (first.min(last), first.max(last));
            let four: Vec<_> = cover_v4(first, last).map(|n| (n.first(), n.len())).collect();
            let six: Vec<_> = cover_v6(first.into(), last.into())
                .map(|n| (n.first() as u32, n.len() - 96))
                .collect();
            prop_assert_eq!(four, six);
        }
    }
}
