//! All listings of a snapshot, one after the other.

use zerocopy::little_endian::{U32, U64};

use super::format::Section;
use super::reader::Snapshot;
use super::records::{ListingRow, Prefix6Row, stored_set};
use crate::clock::Seconds;
use crate::net::{Prefix4, Prefix6};

/// For how long one feed listed a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spell {
    /// A place among the feeds of the snapshot's description.
    pub(crate) feed: u32,
    pub(crate) first_seen: Seconds,
    /// `None` while active.
    pub(crate) ended: Option<Seconds>,
}

impl Snapshot {
    /// The distinct sets of listings, which networks refer to by their place.
    pub(crate) fn listing_sets(&self) -> impl Iterator<Item = Vec<Spell>> + '_ {
        let ends = self.rows::<U32>(Section::ListingSetEnds);
        let members = self.rows::<U32>(Section::ListingSetMembers);
        let rows = self.rows::<ListingRow>(Section::Listings);
        (0..ends.len() as u32).map(move |set| {
            let members = stored_set(ends, members, set).iter();
            let rows = members.filter_map(|member| rows.get(member.get() as usize));
            rows.map(|row| Spell {
                feed: row.feed.get(),
                first_seen: row.first_seen.get(),
                ended: Some(row.ended.get()).filter(|ended| *ended != 0),
            })
            .collect()
        })
    }

    /// Every listed IPv4 network in order, with its set of listings.
    pub(crate) fn listed4(&self) -> impl Iterator<Item = (Prefix4, u32)> + '_ {
        let keys = self.rows::<U64>(Section::Listed4).iter();
        let sets = self.rows::<U32>(Section::Listed4Sets).iter();
        keys.zip(sets).filter_map(|(key, set)| Some((Prefix4::from_packed(key.get())?, set.get())))
    }

    /// Every listed IPv6 network in order, with its set of listings.
    pub(crate) fn listed6(&self) -> impl Iterator<Item = (Prefix6, u32)> + '_ {
        let keys = self.rows::<Prefix6Row>(Section::Listed6).iter();
        let sets = self.rows::<U32>(Section::Listed6Sets).iter();
        keys.zip(sets).filter_map(|(key, set)| {
            Some((Prefix6::new(key.address.get(), key.length)?, set.get()))
        })
    }
}
