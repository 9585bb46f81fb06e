//! Both families cut into ranges whose addresses do not differ.

use rustc_hash::FxHashMap;

use super::flatten::{Covers, Ranges, flatten, overlay};
use super::gather::Gathered;
use super::records::Sets;
use super::standing::{Classify, NOTHING, Standing};
use crate::clock::Seconds;
use crate::geo::GeoTable;
use crate::net::{Prefix, special_blocks};
use crate::score::Territory;

/// What is listed, flattened.
pub(super) struct Flat {
    /// The values are places among the standings.
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    /// The first is [`NOTHING`]. Many chains of covers come to the same.
    pub(super) standings: Vec<Standing>,
    pub(super) feed_sets: Sets,
}

impl Flat {
    /// `alone` is what each set of listings comes to where nothing else covers the address.
    pub(super) fn new(
        gathered: &Gathered,
        classify: &Classify<'_>,
        alone: &[Standing],
        reach: Seconds,
        mut feed_sets: Sets,
    ) -> Self {
        let mut covers = Covers::new();
        let nets4 = gathered.v4.iter().zip(&gathered.v4_sets);
        let v4 = flatten(nets4.map(|(p, set)| (p.first(), p.last(), *set)), &mut covers);
        let nets6 = gathered.v6.iter().zip(&gathered.v6_sets);
        let v6 = flatten(nets6.map(|(p, set)| (p.first(), p.last(), *set)), &mut covers);

        let mut standings = vec![NOTHING];
        let mut ids: FxHashMap<Standing, u32> = std::iter::once((NOTHING, 0)).collect();
        let mut chain = Vec::new();
        let mut standing = |cover| {
            let mut items = covers.items(cover);
            let standing = match (items.next(), items.next()) {
                (Some(set), None) => alone.get(set as usize).copied().unwrap_or(NOTHING),
                _ => {
                    chain.clear();
                    for set in covers.items(cover) {
                        chain.extend_from_slice(gathered.sets.get(set));
                    }
                    classify.standing(&chain, reach, &mut feed_sets)
                }
            };
            *ids.entry(standing).or_insert_with(|| {
                standings.push(standing);
                (standings.len() - 1) as u32
            })
        };
        let by_cover: Vec<u32> = (0..covers.len() as u32).map(&mut standing).collect();
        let name = |cover: u32| by_cover.get(cover as usize).copied().unwrap_or(0);
        let (v4, v6) = (v4.renamed(name), v6.renamed(name));
        Self { v4, v6, standings, feed_sets }
    }
}

/// What makes the answer for a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Place {
    /// A place among the standings.
    pub(super) listed: u32,
    /// A geo record.
    pub(super) geo: u32,
    pub(super) neighbourhood: i8,
}

pub(super) struct Cut {
    /// The values are places in `places`.
    pub(super) v4: Ranges<u32>,
    pub(super) v6: Ranges<u128>,
    /// The first is that of all special-purpose addresses.
    pub(super) places: Vec<Place>,
}

/// Distinct places, numbered as they come.
struct Places {
    all: Vec<Place>,
    ids: FxHashMap<Place, u32>,
    /// The last ones met, listed and not: ranges of the two kinds take turns.
    last: [(Place, u32); 2],
}

impl Places {
    fn new(expected: usize) -> Self {
        Self {
            all: vec![Place::default()],
            ids: FxHashMap::with_capacity_and_hasher(expected, rustc_hash::FxBuildHasher),
            // No place is that of no geo record.
            last: [(Place { geo: u32::MAX, ..Place::default() }, 0); 2],
        }
    }

    fn id(&mut self, place: Place) -> u32 {
        let [unlisted, listed] = &mut self.last;
        let last = if place.listed == 0 { unlisted } else { listed };
        if last.0 != place {
            let id = *self.ids.entry(place).or_insert_with(|| {
                self.all.push(place);
                (self.all.len() - 1) as u32
            });
            *last = (place, id);
        }
        last.1
    }
}

/// Overlays what is listed, who announces, what is for special purposes, and the territory.
pub(super) fn cut(flat: &Flat, geo: &GeoTable, territory: &Territory) -> Cut {
    let (special4, special6) = special_ranges();
    let mut places = Places::new(geo.records.len() * 2);
    let mut id = |[listed, geo, special, neighbourhood]: [u32; 4]| {
        if special != 0 {
            return 0;
        }
        let neighbourhood = (neighbourhood as u8).cast_signed();
        places.id(Place { listed, geo, neighbourhood })
    };
    let numbers = |values: &[i8]| -> Vec<u32> {
        values.iter().map(|value| u32::from(value.cast_unsigned())).collect()
    };
    let starts = [&flat.v4.starts, &geo.v4_starts, &territory.v4_starts];
    let mut v4 = Ranges::with_capacity(starts.iter().map(|starts| starts.len()).sum());
    overlay(
        [
            (&flat.v4.starts[..], &flat.v4.values[..]),
            (&geo.v4_starts, &geo.v4_records),
            (&special4.starts, &special4.values),
            (&territory.v4_starts, &numbers(&territory.v4_values)),
        ],
        |start, values| v4.push(start, id(values)),
    );
    let mut v6 = Ranges::new();
    overlay(
        [
            (&flat.v6.starts[..], &flat.v6.values[..]),
            (&geo.v6_starts, &geo.v6_records),
            (&special6.starts, &special6.values),
            (&territory.v6_starts, &numbers(&territory.v6_values)),
        ],
        |start, values| v6.push(start, id(values)),
    );
    Cut { v4, v6, places: places.all }
}

fn special_ranges() -> (Ranges<u32>, Ranges<u128>) {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for block in special_blocks() {
        match block.prefix {
            Prefix::V4(p) => v4.push((p.first(), p.last(), p)),
            Prefix::V6(p) => v6.push((p.first(), p.last(), p)),
        }
    }
    v4.sort_unstable_by_key(|n| n.2);
    v6.sort_unstable_by_key(|n| n.2);
    let mut covers = Covers::new();
    (
        flatten(v4.into_iter().map(|(first, last, _)| (first, last, 1)), &mut covers),
        flatten(v6.into_iter().map(|(first, last, _)| (first, last, 1)), &mut covers),
    )
}
