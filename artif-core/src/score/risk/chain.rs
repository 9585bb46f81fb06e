//! The lift chain: from all that is listed to what the surroundings of an address say of it.
//!
//! The levels are organisation, autonomous system, announced network (the widest aligned block
//! around the address that one system announces), and some lengths of covering prefixes. With the mass `n` and the size `N` of the group at each level, and the rate `p` that the level above
//! leads to expect,
//!
//! ```text
//! lift = ln((n + 1) / (N·p + 1))        p ← p · e^(share·lift)        Σ = Σ share·lift = ln(p / p₀)
//! ```
//!
//! where `p₀` is all mass over all announced addresses. A level where little is expected and nothing
//! is listed says next to nothing; it is shrunk towards the one above. Wide prefixes count half (/16)
//! or three quarters (/20), as they overlap the announced network.

use rustc_hash::FxHashMap;

use super::STEPS;
use super::mass::Entry;
use super::space::{Address, Level};
use crate::geo::{GeoRecord, GeoTable};

/// How much mass it takes to be believed.
const KAPPA: f64 = 1.0;

/// Mass and lift of the autonomous systems in which something is listed, for explanations.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Groups {
    /// Mass for each address, or /64, announced.
    pub(super) base: f64,
    /// Sorted by number: the number, its mass, its lift with that of its organisation.
    pub(super) systems: Vec<System>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct System {
    pub(super) number: u32,
    pub(super) mass: f64,
    pub(super) lift: f64,
}

impl Groups {
    pub(super) fn system(&self, number: u32) -> Option<&System> {
        self.systems.get(self.systems.binary_search_by_key(&number, |system| system.number).ok()?)
    }
}

/// How much more than expected there is.
pub(super) fn ratio(mass: f64, size: f64, rate: f64) -> f64 {
    (mass + KAPPA) / (size * rate + KAPPA)
}

/// Sums of one kind of group.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    mass: f64,
    size: f64,
}

/// Where one autonomous system, or none, announces without a gap.
#[derive(Debug, Clone, Copy)]
struct Run<A> {
    first: A,
    last: A,
    /// A place among the systems; 0 where nobody announces.
    system: u32,
}

/// The systems and organisations that the geo table names.
pub(super) struct Places {
    /// For each geo record its system's place; 0 is nobody.
    by_record: Vec<u32>,
    /// For each place the system's number and its organisation.
    systems: Vec<(Option<u32>, Option<u32>)>,
}

impl Places {
    pub(super) fn new(records: &[GeoRecord]) -> Self {
        let mut systems = vec![(None, None)];
        let mut ids: FxHashMap<(Option<u32>, Option<u32>), u32> = FxHashMap::default();
        let by_record = records.iter().map(|record| {
            if record.asn.is_none() {
                return 0;
            }
            *ids.entry((record.asn, record.organisation)).or_insert_with(|| {
                systems.push((record.asn, record.organisation));
                (systems.len() - 1) as u32
            })
        });
        Self { by_record: by_record.collect(), systems }
    }
}

fn runs<A: Address>(geo: &GeoTable, places: &Places) -> Vec<Run<A>> {
    let (starts, records) = A::ranges(geo);
    let mut runs: Vec<Run<A>> = Vec::with_capacity(starts.len());
    for (place, (start, record)) in starts.iter().zip(records).enumerate() {
        let system = places.by_record.get(*record as usize).copied().unwrap_or(0);
        let last = starts.get(place + 1).map_or(A::MAX, |next| next.before());
        match runs.last_mut() {
            Some(run) if run.system == system => run.last = last,
            _ => runs.push(Run { first: *start, last, system }),
        }
    }
    runs
}

/// The ranges in which Σ, in steps, does not change: starts and values.
type SumRanges<A> = (Vec<A>, Vec<i8>);

/// Learns from the listed networks of a family.
pub(super) fn learn<A: Address>(
    geo: &GeoTable,
    places: &Places,
    entries: &[Entry<A>],
) -> (Groups, SumRanges<A>) {
    let runs = runs::<A>(geo, places);
    let sums = system_sums(&runs, entries, places.systems.len());
    let announced = sums.iter().skip(1).fold(Sums::default(), |all, sums| Sums {
        mass: all.mass + sums.mass,
        size: all.size + sums.size,
    });
    let known = announced.size > 0.0;
    let all = if known { announced } else { sums.first().copied().unwrap_or_default() };
    if all.mass <= 0.0 {
        return (Groups::default(), (vec![A::ZERO], vec![0]));
    }
    let base = all.mass / all.size.max(1.0);
    let rates = rates::<A>(places, &sums, base);
    let systems = systems(places, &sums, &rates, base);
    let levels = A::LEVELS.iter().map(|level| Nodes::new(*level, entries, known)).collect();
    let steps = sweep(&runs, entries, &rates, base, levels);
    (Groups { base, systems }, steps)
}

fn system_sums<A: Address>(runs: &[Run<A>], entries: &[Entry<A>], systems: usize) -> Vec<Sums> {
    let mut sums = vec![Sums::default(); systems];
    let mut entries = entries.iter().peekable();
    for run in runs {
        let Some(sums) = sums.get_mut(run.system as usize) else { continue };
        sums.size += run.first.units(run.last);
        // A network counts where it begins.
        while let Some(entry) = entries.next_if(|entry| entry.first <= run.last) {
            sums.mass += entry.mass;
        }
    }
    sums
}

/// For each system's place, the rate there.
fn rates<A: Address>(places: &Places, sums: &[Sums], base: f64) -> Vec<f64> {
    let mut organisations: FxHashMap<u32, Sums> = FxHashMap::default();
    let mut numbers: FxHashMap<Option<u32>, Sums> = FxHashMap::default();
    for ((number, organisation), sums) in places.systems.iter().zip(sums) {
        let add = |to: &mut Sums| {
            to.mass += sums.mass;
            to.size += sums.size;
        };
        add(numbers.entry(*number).or_default());
        if let Some(organisation) = organisation {
            add(organisations.entry(*organisation).or_default());
        }
    }
    let lifted = |rate: f64, sums: Option<&Sums>| {
        let sums = sums.copied().unwrap_or_default();
        rate * ratio(sums.mass, sums.size.max(A::SMALLEST), rate)
    };
    let rate = |(number, organisation): &(Option<u32>, Option<u32>)| {
        let above = match organisation {
            Some(organisation) => lifted(base, organisations.get(organisation)),
            None => base,
        };
        lifted(above, numbers.get(number))
    };
    places.systems.iter().map(rate).collect()
}

/// The systems with something listed, for explanations.
fn systems(places: &Places, sums: &[Sums], rates: &[f64], base: f64) -> Vec<System> {
    let mut systems: Vec<System> = Vec::new();
    let listed =
        places.systems.iter().zip(sums).zip(rates).filter(|((_, sums), _)| sums.mass > 0.0);
    let mut known: Vec<_> = listed.collect();
    known.sort_by_key(|(((number, _), _), _)| *number);
    for (((number, _), sums), rate) in known {
        let Some(number) = *number else { continue };
        match systems.last_mut().filter(|last| last.number == number) {
            Some(last) => last.mass += sums.mass,
            None => systems.push(System { number, mass: sums.mass, lift: (rate / base).ln() }),
        }
    }
    systems
}

/// The prefixes of one length in which something is listed, and a place that only moves forward.
struct Nodes<A> {
    level: Level,
    firsts: Vec<A>,
    masses: Vec<f64>,
    at: usize,
    /// Whether sizes are what is announced, not all there is.
    announced: bool,
    /// The prefix whose announced size was asked for last, and that size.
    sized: Option<(A, f64)>,
    run: usize,
    /// The rate with this level, and the last address for which it holds.
    rate: f64,
    until: A,
}

impl<A: Address> Nodes<A> {
    fn new(level: Level, entries: &[Entry<A>], known: bool) -> Self {
        let mut nodes = Self {
            level,
            firsts: Vec::new(),
            masses: Vec::new(),
            at: 0,
            // Below that, everything is announced or nothing.
            announced: known && level.length < A::CELL,
            sized: None,
            run: 0,
            rate: 0.0,
            until: A::ZERO,
        };
        for entry in entries.iter().filter(|entry| entry.length >= level.length) {
            let first = entry.first.first(level.length);
            if let (Some(last), Some(mass)) = (nodes.firsts.last(), nodes.masses.last_mut())
                && *last == first
            {
                *mass += entry.mass;
            } else {
                nodes.firsts.push(first);
                nodes.masses.push(entry.mass);
            }
        }
        nodes
    }

    /// The mass of the prefix around an address, and the last address for which that holds.
    fn mass(&mut self, address: A) -> (f64, A) {
        let around = address.first(self.level.length);
        while self.firsts.get(self.at).is_some_and(|first| *first < around) {
            self.at += 1;
        }
        match (self.firsts.get(self.at), self.masses.get(self.at)) {
            (Some(first), Some(mass)) if *first == around => {
                (*mass, address.last(self.level.length))
            }
            (Some(first), _) => (0.0, first.before()),
            _ => (0.0, A::MAX),
        }
    }

    /// How much of the prefix around an address is announced.
    fn size(&mut self, address: A, runs: &[Run<A>]) -> f64 {
        if !self.announced {
            return A::size(self.level.length);
        }
        let first = address.first(self.level.length);
        if let Some((sized, size)) = self.sized
            && sized == first
        {
            return size;
        }
        let last = address.last(self.level.length);
        while runs.get(self.run).is_some_and(|run| run.last < first) {
            self.run += 1;
        }
        let here = runs.iter().skip(self.run).take_while(|run| run.first <= last);
        let size: f64 = here
            .filter(|run| run.system != 0)
            .map(|run| run.first.max(first).units(run.last.min(last)))
            .sum();
        let size = size.max(A::SMALLEST);
        self.sized = Some((first, size));
        size
    }

    /// Brings the rate to an address where the level above leads to expect `rate`.
    fn raise(&mut self, rate: f64, address: A, runs: &[Run<A>]) {
        let (mass, until) = self.mass(address);
        let ratio = ratio(mass, self.size(address, runs), rate);
        self.rate = rate * self.level.share.of(ratio);
        self.until = until;
    }
}

/// Goes through the whole family once.
fn sweep<A: Address>(
    runs: &[Run<A>],
    entries: &[Entry<A>],
    rates: &[f64],
    base: f64,
    mut levels: Vec<Nodes<A>>,
) -> SumRanges<A> {
    let (mut starts, mut values) = (Vec::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
    let mut steps = Steps::new(base);
    let mut entries = entries.iter().peekable();
    for run in runs {
        let above = rates.get(run.system as usize).copied().unwrap_or(base);
        let mut next = Some(run.first);
        while let Some(first) = next {
            // What nobody announces has no announced networks.
            let (length, last) = if run.system == 0 {
                (A::BITS, run.last)
            } else {
                let length = first.widest(run.last);
                (length, first.last(length))
            };
            let mut mass = 0.0;
            while let Some(entry) = entries.next_if(|entry| entry.first <= last) {
                if entry.length >= length {
                    mass += entry.mass;
                }
            }
            let network = match run.system {
                0 => above,
                _ => above * ratio(mass, A::size(length).max(A::SMALLEST), above),
            };
            let mut at = Some(first);
            while let Some(address) = at {
                // What holds here as well need not be worked out again.
                let (mut rate, mut moved) = (network, address == first);
                let mut end = last;
                for nodes in &mut levels {
                    moved = moved || nodes.until < address;
                    if moved {
                        nodes.raise(rate, address, runs);
                    }
                    rate = nodes.rate;
                    end = end.min(nodes.until);
                }
                let value = steps.of(rate);
                if values.last() != Some(&value) {
                    starts.push(address);
                    values.push(value);
                }
                at = end.next().filter(|next| *next <= last);
            }
            next = last.next().filter(|next| *next <= run.last);
        }
    }
    (starts, values)
}

/// Says Σ in the nearest steps; what cannot be written is cut off.
struct Steps {
    /// From step `n - 127` on, the rate is at least the `n`-th.
    edges: Vec<f64>,
    /// What was said last. Neighbours differ little: going there from here is cheaper than a logarithm.
    at: usize,
}

const MOST: i32 = i8::MAX as i32;

impl Steps {
    fn new(base: f64) -> Self {
        let edge = |step| base * ((f64::from(step) - 0.5) / STEPS).exp();
        let edges = std::iter::once(0.0).chain((1 - MOST..=MOST).map(edge)).collect();
        Self { edges, at: MOST as usize }
    }

    fn of(&mut self, rate: f64) -> i8 {
        while self.edges.get(self.at + 1).is_some_and(|edge| rate >= *edge) {
            self.at += 1;
        }
        while self.at > 0 && self.edges.get(self.at).is_some_and(|edge| rate < *edge) {
            self.at -= 1;
        }
        (self.at as u8).wrapping_sub(i8::MAX.cast_unsigned()).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn steps_are_rounded_logarithms(
            base in 1e-9..1e3_f64, sums in proptest::collection::vec(-40.0..40.0_f64, 1..50),
        ) {
            let mut steps = Steps::new(base);
            for sum in sums {
                // Not where the last digit decides.
                prop_assume!(((sum * STEPS).fract().abs() - 0.5).abs() > 1e-9);
                let rounded = (sum * STEPS).round().clamp(-127.0, 127.0) as i8;
                prop_assert_eq!(steps.of(base * sum.exp()), rounded);
            }
        }
    }

    #[test]
    fn nothing_and_everything_are_the_ends() {
        let mut steps = Steps::new(1e-3);
        let ends = [f64::INFINITY, 0.0, 1e-3, f64::NAN].map(|rate| steps.of(rate));
        assert_eq!(ends, [127, -127, 0, 0]);
    }
}
