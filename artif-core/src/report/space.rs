//! What lists cover: one sweep over all networks in order.
//!
//! Networks nest or lie apart, so a stack of those around the current one is all that has to be
//! remembered. What they come to depends only on who lists a network itself and who lists those
//! around it; there are few such pairs, and they are counted instead of addresses.

use rustc_hash::FxHashMap;

use crate::snapshot::{Snapshot, Spell};

/// A warninglist that keeps feeds from blocking has a part of the network.
pub(super) const SHARED: usize = 1;
/// Some other warninglist has a part of the network.
pub(super) const NAMED: usize = 2;

/// Interned sorted sets of feeds; 0 is the empty one.
#[derive(Debug)]
pub(super) struct Sets {
    all: Vec<Box<[u32]>>,
    ids: FxHashMap<Box<[u32]>, u32>,
}

impl Sets {
    fn new() -> Self {
        let mut sets = Self { all: Vec::new(), ids: FxHashMap::default() };
        sets.intern(&[]);
        sets
    }

    fn intern(&mut self, members: &[u32]) -> u32 {
        if let Some(id) = self.ids.get(members) {
            return *id;
        }
        let id = self.all.len() as u32;
        self.all.push(members.into());
        self.ids.insert(members.into(), id);
        id
    }

    pub(super) fn get(&self, id: u32) -> &[u32] {
        self.all.get(id as usize).map_or(&[], |set| set)
    }

    fn union(&mut self, a: u32, b: u32) -> u32 {
        if a == 0 || a == b {
            return b;
        }
        let mut members = [self.get(a), self.get(b)].concat();
        members.sort_unstable();
        members.dedup();
        self.intern(&members)
    }
}

/// All networks with the same listers, and the same listers around them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Who lists exactly these networks: a set.
    pub(super) own: u32,
    /// Who lists them or a network around them: a set.
    pub(super) all: u32,
    /// How many, by the warninglists that have a part of them: [`SHARED`] and [`NAMED`] as bits.
    pub(super) v4: [u64; 4],
    pub(super) v6: [u64; 4],
    /// IPv4 addresses in these networks that are in no network further inside.
    pub(super) addresses: u64,
}

impl Kind {
    pub(super) fn networks(&self) -> u64 {
        self.v4.iter().chain(&self.v6).sum()
    }
}

/// What the sweep comes to.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) sets: Sets,
    pub(super) kinds: Vec<Kind>,
}

struct Frame {
    last: u128,
    kind: u32,
    free: u128,
    hits: usize,
}

struct Sweep<'a> {
    space: Space,
    ids: FxHashMap<(u32, u32), u32>,
    /// By the snapshot's set of listings: who lists now.
    active: &'a [u32],
    /// By feed: the bits of a warninglist, 0 of a feed.
    bits: &'a [usize],
    stack: Vec<Frame>,
}

/// Sweeps over what is listed now. `bits` says of each feed what a hit on it means.
pub(super) fn sweep(snapshot: &Snapshot, listings: &[Vec<Spell>], bits: &[usize]) -> Space {
    let mut sets = Sets::new();
    let mut members: Vec<u32> = Vec::new();
    let active: Vec<u32> = listings
        .iter()
        .map(|spells| {
            members.clear();
            members.extend(spells.iter().filter(|s| s.ended.is_none()).map(|s| s.feed));
            members.sort_unstable();
            members.dedup();
            sets.intern(&members)
        })
        .collect();
    let mut sweep = Sweep {
        space: Space { sets, kinds: Vec::new() },
        ids: FxHashMap::default(),
        active: &active,
        bits,
        stack: Vec::new(),
    };
    for (prefix, set) in snapshot.listed4() {
        sweep.enter::<true>(prefix.first().into(), prefix.last().into(), set);
    }
    sweep.leave_before::<true>(u128::MAX);
    for (prefix, set) in snapshot.listed6() {
        sweep.enter::<false>(prefix.first(), prefix.last(), set);
    }
    while sweep.leave::<false>() {}
    sweep.space
}

impl Sweep<'_> {
    fn enter<const V4: bool>(&mut self, first: u128, last: u128, set: u32) {
        self.leave_before::<V4>(first);
        let own = self.active.get(set as usize).copied().unwrap_or(0);
        if own == 0 {
            return;
        }
        let around = self.stack.last().and_then(|f| self.space.kinds.get(f.kind as usize));
        let around = around.map_or(0, |kind| kind.all);
        let kind = match self.ids.get(&(around, own)) {
            Some(kind) => *kind,
            None => self.add(around, own),
        };
        // All of IPv6 is one more than fits; its addresses are not counted.
        let free = (last - first).saturating_add(1);
        if let Some(outer) = self.stack.last_mut() {
            outer.free = outer.free.saturating_sub(free);
        }
        let all = self.space.kinds.get(kind as usize).map_or(0, |kind| kind.all);
        let bits = |feed: &u32| self.bits.get(*feed as usize).copied().unwrap_or(0);
        let hits = self.space.sets.get(all).iter().map(bits).fold(0, |hits, bit| hits | bit);
        self.stack.push(Frame { last, kind, free, hits });
    }

    fn add(&mut self, around: u32, own: u32) -> u32 {
        let all = self.space.sets.union(around, own);
        let id = self.space.kinds.len() as u32;
        self.space.kinds.push(Kind { own, all, v4: [0; 4], v6: [0; 4], addresses: 0 });
        self.ids.insert((around, own), id);
        id
    }

    fn leave_before<const V4: bool>(&mut self, first: u128) {
        while self.stack.last().is_some_and(|frame| frame.last < first) {
            self.leave::<V4>();
        }
    }

    fn leave<const V4: bool>(&mut self) -> bool {
        let Some(frame) = self.stack.pop() else { return false };
        if let Some(outer) = self.stack.last_mut() {
            outer.hits |= frame.hits;
        }
        if let Some(kind) = self.space.kinds.get_mut(frame.kind as usize) {
            let counts = if V4 { &mut kind.v4 } else { &mut kind.v6 };
            if let Some(count) = counts.get_mut(frame.hits) {
                *count += 1;
            }
            if V4 {
                kind.addresses += u64::try_from(frame.free).unwrap_or(u64::MAX);
            }
        }
        true
    }
}
