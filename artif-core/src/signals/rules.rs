//! What reports mean: kinds with their weights, and which file holds the reports. Published beside
//! the table, so that processes without the configuration agree with the one that has it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::slot::Tally;
use crate::clock::{Seconds, span};
use crate::config;
use crate::error::Result;
use crate::sealed;

const FILE: &str = "SIGNALS";
const HEADER: &str = "artif-signals 1";

/// Log-odds that are as good as none.
const FADED: f64 = 0.005;

/// The number by which the table knows a kind, which must not depend on its place in a
/// configuration; never 0.
pub(crate) fn kind_id(name: &str) -> u32 {
    (xxh3_64(name.as_bytes()) as u32).max(1)
}

/// Everything but the reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// The name of the table's file; empty in memory.
    pub(super) table: String,
    pub(super) capacity: u32,
    pub(super) ipv6_prefix: u8,
    pub(super) suspicious_below: f64,
    pub(super) dangerous_below: f64,
    /// Sorted by name; none where signals are off.
    pub(super) kinds: Vec<Kind>,
    /// What happened to the table before this one.
    pub(super) problem: Option<String>,
}

/// What one report of a kind means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(super) id: u32,
    /// Log-odds a report, positive for danger.
    weight: f64,
    half_life: Seconds,
    limit: f64,
    expires: Option<Seconds>,
}

impl Rules {
    pub(super) fn new(config: &config::Signals) -> Self {
        let kind = |(name, kind): (&String, &config::SignalKind)| Kind {
            name: name.clone(),
            id: kind_id(name),
            weight: kind.danger.unwrap_or(0.0) - kind.trust.unwrap_or(0.0),
            half_life: span(kind.half_life).max(1),
            limit: kind.limit,
            expires: kind.expires.map(span),
        };
        Self {
            table: String::new(),
            capacity: config.capacity,
            ipv6_prefix: config.ipv6_prefix,
            suspicious_below: config.suspicious_below,
            dangerous_below: config.dangerous_below,
            kinds: config.kinds.iter().map(kind).collect(),
            problem: None,
        }
    }

    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// What the folder's owner published last, if anything.
    pub(super) fn load(dir: &Path) -> Result<Option<Self>> {
        let mut rules: Option<Self> = sealed::read(&Self::path(dir), HEADER)?;
        if let Some(rules) = &mut rules {
            // So many have a place in what a lookup finds.
            rules.kinds.truncate(config::Signals::MAX_KINDS);
        }
        Ok(rules)
    }

    pub(super) fn publish(&self, dir: &Path) -> Result<()> {
        sealed::write(&Self::path(dir), HEADER, self)
    }

    pub(super) fn kind(&self, id: u32) -> Option<(usize, &Kind)> {
        self.kinds.iter().enumerate().find(|(_, kind)| kind.id == id)
    }

    /// How far an entry of the table moves the log-odds now; 0 where it no longer does.
    pub(super) fn effect_of(&self, kind: u32, tally: Tally, now: Seconds) -> f64 {
        self.kind(kind).map_or(0.0, |(_, kind)| kind.effect(kind.faded(tally, now)))
    }

    /// The bits of an address by which it is kept.
    pub(super) fn client(&self, address: u128) -> u128 {
        if address >> 32 == 0xffff {
            return address;
        }
        let hidden = 128_u32.saturating_sub(u32::from(self.ipv6_prefix));
        u128::MAX.checked_shl(hidden).unwrap_or(0) & address
    }
}

impl Kind {
    /// What is left of a tally. A clock that was set back makes nothing grow.
    pub(super) fn faded(&self, tally: Tally, now: Seconds) -> f64 {
        let age = now.saturating_sub(tally.at);
        if self.expires.is_some_and(|expires| age > expires) {
            return 0.0;
        }
        tally.count * (-f64::from(age) / f64::from(self.half_life.max(1))).exp2()
    }

    /// How far so many reports move the log-odds; positive for danger, 0 for next to nothing.
    pub(super) fn effect(&self, count: f64) -> f64 {
        let amount = (self.weight.abs() * count).min(self.limit);
        if amount < FADED { 0.0 } else { amount.copysign(self.weight) }
    }

    pub(super) fn is_at_limit(&self, count: f64) -> bool {
        self.weight.abs() * count >= self.limit
    }

    pub(super) fn expires(&self) -> Option<Seconds> {
        self.expires
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "tests")]
mod tests {
    use super::*;
    use crate::Config;

    fn rules(text: &str) -> Rules {
        Rules::new(&Config::from_toml(text).unwrap().signals)
    }

    #[test]
    fn reports_fade_end_and_have_a_limit() {
        let rules = rules(
            "[signals.bad]\ndanger = 2\nhalf_life = '1h'\nlimit = 5\nexpires = '3h'\n\
             [signals.good]\ntrust = 0.5\nhalf_life = '1d'\n",
        );
        let [bad, good] = &rules.kinds[..] else { unreachable!("two kinds") };
        let tally = Tally { count: 2.0, at: 10_000 };
        for (later, expected) in
            [(0, 4.0), (3_600, 2.0), (7_200, 1.0), (10_800, 0.5), (10_801, 0.0)]
        {
            let effect = rules.effect_of(bad.id, tally, 10_000 + later);
            assert!((effect - expected).abs() < 1e-3, "after {later}: {effect}");
        }
        assert_eq!(rules.effect_of(bad.id, tally, 0), 4.0, "before it was said: a clock set back");
        assert_eq!(bad.effect(50.0), 5.0);
        assert_eq!(good.effect(3.0), -1.5);
        assert_eq!(good.effect(1e6), -5.0);
        assert_eq!(good.effect(0.009), 0.0, "as good as nothing");
        assert_eq!(rules.effect_of(4711, tally, 10_000), 0.0, "a kind that is no more");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_ipv4_address_its_own() {
        let mut rules = rules("[signals.a]\ntrust = 1\n");
        let six = 0x2001_0db8_0001_0002_0003_0004_0005_0006;
        assert_eq!(rules.client(six), 0x2001_0db8_0001_0002 << 64);
        assert_eq!(rules.client(0xffff_0102_0304), 0xffff_0102_0304);
        for (length, expected) in [(128, six), (32, 0x2001_0db8 << 96), (0, 0)] {
            rules.ipv6_prefix = length;
            assert_eq!(rules.client(six), expected);
        }
    }
}
