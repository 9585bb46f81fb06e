//! Both families cut into ranges whose addresses do not differ.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::flatten::{Bits, Covers, Ranges, flatten, overlay};
use super::gather::Gathered;
use super::records::Sets;
use super::standing::{Classify, NOTHING, Standing};
use crate::clock::Seconds;
use crate::geo::GeoTable;
use crate::net::{Prefix, special_blocks};
use crate::score::{Model, State};
use crate::space;

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
            let standing = if let (Some(set), None) = (items.next(), items.next()) {
                alone.get(set as usize).copied().unwrap_or(NOTHING)
            } else {
                chain.clear();
                for set in covers.items(cover) {
                    chain.extend_from_slice(gathered.sets.get(set));
                }
                classify.standing(&chain, reach, &mut feed_sets)
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

/// [`Model::nearby`] of every number, by state.
struct Neighbourhoods([[i8; 256]; 3]);

impl Neighbourhoods {
    fn new(model: &dyn Model) -> Self {
        let of = |state| std::array::from_fn(|n| model.nearby(state, (n as u8).cast_signed()));
        Self([of(State::Unknown), of(State::Historical), of(State::Active)])
    }

    fn of(&self, state: State, number: u8) -> i8 {
        let [unknown, historical, active] = &self.0;
        let all = match state {
            State::Unknown => unknown,
            State::Historical => historical,
            State::Active => active,
        };
        all.get(usize::from(number)).copied().unwrap_or(0)
    }
}

/// Distinct places, numbered as they come.
struct Places {
    all: Vec<Place>,
    /// Numbers alone, by the hash of what is there: half a million places would make a map of them
    /// that is mostly waited for.
    ids: HashTable<u32>,
    /// Places met lately, each where its hash says: few enough for the processor's cache, which
    /// `ids` is not.
    lately: Vec<(Place, u32)>,
}

/// How many places are kept at hand; a power of two.
const LATELY: usize = 4096;

impl Places {
    fn new(expected: usize) -> Self {
        Self {
            all: vec![Place::default()],
            ids: HashTable::with_capacity(expected),
            // No place is that of no geo record.
            lately: vec![(Place { geo: u32::MAX, ..Place::default() }, 0); LATELY],
        }
    }

    fn id(&mut self, place: Place) -> u32 {
        let hash = FxBuildHasher.hash_one(place);
        let at = hash as usize & (LATELY - 1);
        let Some(lately) = self.lately.get_mut(at) else { return 0 };
        if lately.0 != place {
            let all = &mut self.all;
            let found = self.ids.entry(
                hash,
                |id| all.get(*id as usize) == Some(&place),
                |id| all.get(*id as usize).map_or(0, |place| FxBuildHasher.hash_one(place)),
            );
            let id = match found {
                Entry::Occupied(found) => *found.get(),
                Entry::Vacant(free) => {
                    let id = all.len() as u32;
                    free.insert(id);
                    all.push(place);
                    id
                }
            };
            *lately = (place, id);
        }
        lately.1
    }
}

/// Overlays what is listed, who announces, what is for special purposes, and the territory.
pub(super) fn cut(flat: &Flat, geo: &GeoTable, model: &dyn Model) -> Cut {
    let territory = model.territory();
    let nearby = Neighbourhoods::new(model);
    let (special4, special6) = special_ranges();
    let mut places = Places::new(geo.records.len() * 2);
    let mut id = |[listed, geo, special, neighbourhood]: [u32; 4]| {
        if special != 0 {
            return 0;
        }
        let state = match listed {
            0 => State::Unknown,
            listed => flat.standings.get(listed as usize).map_or(State::Unknown, |s| s.state),
        };
        places.id(Place { listed, geo, neighbourhood: nearby.of(state, neighbourhood as u8) })
    };
    let v4 = overlaid(
        &flat.v4,
        (&geo.v4_starts, &geo.v4_records),
        &special4,
        (&territory.v4_starts, &territory.v4_values),
        &mut id,
    );
    let v6 = overlaid(
        &flat.v6,
        (&geo.v6_starts, &geo.v6_records),
        &special6,
        (&territory.v6_starts, &territory.v6_values),
        &mut id,
    );
    by_space(Cut { v4, v6, places: places.all })
}

/// One family's ranges, with what `id` makes of the values of all four there.
fn overlaid<A: Bits>(
    listed: &Ranges<A>,
    geo: (&[A], &[u32]),
    special: &Ranges<A>,
    (starts, values): (&[A], &[i8]),
    id: &mut impl FnMut([u32; 4]) -> u32,
) -> Ranges<A> {
    let mut ranges = Ranges::with_capacity(listed.starts.len() + geo.0.len() + starts.len());
    let values: Vec<u32> = values.iter().map(|value| u32::from(value.cast_unsigned())).collect();
    overlay(
        [
            (&listed.starts, &listed.values),
            geo,
            (&special.starts, &special.values),
            (starts, &values),
        ],
        |start, values| ranges.push(start, id(values)),
    );
    ranges
}

/// The same with places numbered by how many addresses they stand for.
fn by_space(mut cut: Cut) -> Cut {
    let values = cut.v4.values.iter().copied();
    let mut space = space::addresses4(&cut.v4.starts, values, cut.places.len());
    // Number 0 stays with the special-purpose addresses.
    if let Some(special) = space.first_mut() {
        *special = u64::MAX;
    }
    let numbers = space::numbers(&space);
    for value in cut.v4.values.iter_mut().chain(&mut cut.v6.values) {
        *value = numbers.get(*value as usize).copied().unwrap_or(0);
    }
    cut.places = space::renumbered(&cut.places, &numbers);
    cut
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
