//! From listings to where an address stands with the feeds.

use super::gather::Listings;
use super::meta::SnapshotFeed;
use super::networks::spells;
use super::records::Sets;
use crate::category::CategorySet;
use crate::clock::Seconds;
use crate::feed::Role;
use crate::score::{Past, State};

/// What a set of listings, or a chain of such sets, amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    pub(super) state: State,
    /// Threat feeds: those that list now, else those that did within the time looked at.
    pub(super) feeds: u32,
    pub(super) labels: u32,
    pub(super) categories: CategorySet,
    /// Those of them that threat feeds gave.
    pub(super) threats: CategorySet,
    /// When it left its last feed, where it is remembered; 0 while active.
    pub(super) ended: Seconds,
    /// On a warninglist that keeps feeds alone from blocking it.
    pub(super) capped: bool,
    pub(super) past: Past,
}

/// In no feed.
pub(super) const NOTHING: Standing = Standing {
    state: State::Unknown,
    feeds: 0,
    labels: 0,
    categories: CategorySet::EMPTY,
    threats: CategorySet::EMPTY,
    ended: 0,
    capped: false,
    past: Past { spells: 0, spell_days: 0 },
};

/// Turns listings into where an address stands.
pub(super) struct Classify<'a> {
    pub(super) feeds: &'a [SnapshotFeed],
    pub(super) listings: &'a Listings,
    pub(super) now: Seconds,
    /// Seconds for which what left all feeds is told from what never was in any; 0 for none.
    pub(super) memory: Seconds,
}

impl Classify<'_> {
    /// What these listings amount to, looking back `reach` seconds from now.
    pub(super) fn standing(&self, listings: &[u32], reach: Seconds, sets: &mut Sets) -> Standing {
        let (mut active, mut past, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let mut last_ended = 0;
        let mut remembered = Vec::new();
        for id in listings {
            let Some(listing) = self.listings.get(*id) else { continue };
            let Some(feed) = self.feeds.get(listing.feed as usize) else { continue };
            if feed.role == Role::Threat
                && (listing.ended == 0 || self.now.saturating_sub(listing.ended) < self.memory)
                && self.memory > 0
            {
                remembered.push((listing.first_seen, listing.ended));
            }
            match (feed.role, listing.ended) {
                (Role::Threat, 0) => active.push(listing.feed),
                (Role::Threat, ended) if self.now.saturating_sub(ended) < reach => {
                    past.push(listing.feed);
                    last_ended = last_ended.max(ended);
                }
                (Role::Threat, _) => {}
                (_, 0) => labels.push(listing.feed),
                _ => {}
            }
        }
        let (state, mut feeds, ended) = if !active.is_empty() {
            (State::Active, active, 0)
        } else if past.is_empty() {
            let ended = remembered.iter().map(|(_, ended)| *ended).max();
            (State::Unknown, Vec::new(), ended.unwrap_or(0))
        } else {
            (State::Historical, past, last_ended)
        };
        for list in [&mut feeds, &mut labels] {
            list.sort_unstable();
            list.dedup();
        }
        let said = |list: &[u32]| {
            let sets = list.iter().filter_map(|f| self.feeds.get(*f as usize));
            sets.fold(CategorySet::EMPTY, |all, feed| all.union(feed.categories))
        };
        let threats = said(&feeds);
        let categories = threats.union(said(&labels));
        let capped =
            labels.iter().any(|f| self.feeds.get(*f as usize).is_some_and(SnapshotFeed::caps));
        Standing {
            state,
            feeds: sets.intern(&feeds),
            labels: sets.intern(&labels),
            categories,
            threats,
            ended,
            capped,
            past: spells(&mut remembered, self.now),
        }
    }
}
