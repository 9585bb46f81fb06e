//! A new generation against the old one.

use super::block::{Gone, Listed, Net};
use super::digest::FeedKey;
use super::store::{FeedHead, Generation};
use crate::clock::Seconds;
use crate::net::Prefix;

/// What a generation changes in one family (or one block) of a feed.
#[derive(Debug)]
pub(crate) struct Merge<P> {
    /// What is listed now; empty where nothing differs.
    pub(crate) entries: Vec<Listed<P>>,
    pub(crate) tally: Tally,
    pub(crate) gone: Vec<Gone<P>>,
}

/// Counts, and what they do to the digest.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) added: u64,
    pub(crate) ended: u64,
    pub(crate) unchanged: u64,
    /// Change of the sum over active listings.
    pub(crate) active_sum: u128,
    /// Change of the sum over ended listings.
    pub(crate) ended_sum: u128,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.added += other.added;
        self.ended += other.ended;
        self.unchanged += other.unchanged;
        self.active_sum = self.active_sum.wrapping_add(other.active_sum);
        self.ended_sum = self.ended_sum.wrapping_add(other.ended_sum);
    }

    pub(crate) fn differs(&self) -> bool {
        self.added + self.ended > 0
    }
}

/// When something happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    /// When the generation was seen.
    pub(crate) at: Seconds,
    /// What began before, sorted.
    pub(crate) since: &'a [(Prefix, Seconds)],
}

impl Moment<'_> {
    fn start(self, prefix: Prefix) -> Seconds {
        let place = self.since.binary_search_by(|(other, _)| other.cmp(&prefix));
        let known = place.ok().and_then(|place| self.since.get(place));
        known.map_or(self.at, |(_, since)| self.at.min(*since))
    }
}

/// Compares two sorted lists. What is new starts at the moment, unless it is known to be older; what
/// is gone ended then.
pub(crate) fn merge<P: Net>(
    key: FeedKey,
    old: &[Listed<P>],
    new: &[P],
    moment: Moment<'_>,
) -> Merge<P> {
    let at = moment.at;
    let mut merge = Merge { entries: Vec::new(), tally: Tally::default(), gone: Vec::new() };
    let tally = &mut merge.tally;
    if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.0 == *new) {
        tally.unchanged = old.len() as u64;
        return merge;
    }
    merge.entries.reserve(new.len());
    let mut old = old.iter().copied().peekable();
    let mut end = |entry: Listed<P>, tally: &mut Tally| {
        tally.ended += 1;
        tally.active_sum = tally.active_sum.wrapping_sub(key.active(entry));
        if entry.1 < at {
            let gone = (entry.0, entry.1, at);
            tally.ended_sum = tally.ended_sum.wrapping_add(key.ended(gone));
            merge.gone.push(gone);
        }
    };
    for &prefix in new {
        while let Some(entry) = old.next_if(|entry| entry.0 < prefix) {
            end(entry, tally);
        }
        if let Some(entry) = old.next_if(|entry| entry.0 == prefix) {
            tally.unchanged += 1;
            merge.entries.push(entry);
        } else {
            tally.added += 1;
            let entry = (prefix, moment.start(prefix.prefix()));
            tally.active_sum = tally.active_sum.wrapping_add(key.active(entry));
            merge.entries.push(entry);
        }
    }
    for entry in old {
        end(entry, tally);
    }
    merge
}

impl FeedHead {
    /// The moment a commit or confirmation at `at` counts for.
    pub(crate) fn moment(old: Option<&Self>, at: Seconds) -> Seconds {
        old.map_or(at, |head| head.confirmed.max(at))
    }

    /// The head after a commit.
    pub(crate) fn committed(
        old: Option<&Self>,
        generation: &Generation<'_>,
        differs: bool,
    ) -> Self {
        let at = Self::moment(old, generation.at);
        Self {
            feed: generation.feed.clone(),
            generation: old.map_or(0, |head| head.generation) + 1,
            count: generation.prefixes.len() as u64,
            first_loaded: old.map_or(at, |head| head.first_loaded),
            changed: old.filter(|_| !differs).map_or(at, |head| head.changed),
            confirmed: at,
            validators: super::record::storable_validators(generation.validators),
            stale: None,
        }
    }
}
