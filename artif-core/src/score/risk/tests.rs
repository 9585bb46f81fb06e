#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::indexing_slicing, reason = "tests")]

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::feed::{Feed, Role};
use crate::geo::{GeoRecord, GeoTable};
use crate::net::{Prefix, Prefix4, Prefix6};
use crate::score::{Document, FeedFacts, Interval, Networks, Past};

/// Networks with their listings, given in any order.
#[derive(Debug, Default, Clone)]
struct World {
    v4: Vec<(Prefix4, Vec<Interval>)>,
    v6: Vec<(Prefix6, Vec<Interval>)>,
}

impl World {
    fn list(&mut self, address: u32, length: u8, listings: &[Interval]) {
        self.v4.push((Prefix4::new(address, length).unwrap(), listings.to_vec()));
        self.v4.sort_by_key(|network| network.0);
    }

    fn list6(&mut self, address: u128, length: u8, listings: &[Interval]) {
        self.v6.push((Prefix6::new(address, length).unwrap(), listings.to_vec()));
        self.v6.sort_by_key(|network| network.0);
    }
}

impl Networks for World {
    fn sets(&self) -> u32 {
        (self.v4.len() + self.v6.len()) as u32
    }

    fn set(&self, set: u32, out: &mut Vec<Interval>) {
        let set = set as usize;
        let listings = self.v4.get(set).map(|n| &n.1);
        out.clone_from(listings.unwrap_or_else(|| &self.v6[set - self.v4.len()].1));
    }

    fn for_each4(&self, visit: &mut dyn FnMut(Prefix4, u32)) {
        self.v4.iter().zip(0..).for_each(|(network, set)| visit(network.0, set));
    }

    fn for_each6(&self, visit: &mut dyn FnMut(Prefix6, u32)) {
        let start = self.v4.len() as u32;
        self.v6.iter().zip(start..).for_each(|(network, set)| visit(network.0, set));
    }
}

/// The world as seen from one address.
struct Around<'a>(&'a World, IpAddr);

impl Nearby for Around<'_> {
    fn address(&self) -> IpAddr {
        self.1
    }

    fn covering(&self, visit: &mut dyn FnMut(Prefix, &[Interval])) {
        self.within(Prefix::new(self.1, 0).unwrap(), &mut |prefix, listings| {
            if prefix.contains(self.1) {
                visit(prefix, listings);
            }
        });
    }

    fn within(&self, around: Prefix, visit: &mut dyn FnMut(Prefix, &[Interval])) {
        let inside =
            |prefix: Prefix| prefix.len() >= around.len() && around.contains(prefix.address());
        let v4 = self.0.v4.iter().map(|(prefix, listings)| (Prefix::V4(*prefix), listings));
        let v6 = self.0.v6.iter().map(|(prefix, listings)| (Prefix::V6(*prefix), listings));
        v4.chain(v6).filter(|n| inside(n.0)).for_each(|(prefix, listings)| visit(prefix, listings));
    }

    fn system(&self, address: IpAddr) -> Option<u32> {
        geo().lookup(address).asn
    }
}

const fn old(feed: u32) -> Interval {
    Interval { feed, since_days: 20.0, from_start: true, ended_days: None }
}

const fn fresh(feed: u32) -> Interval {
    Interval { feed, since_days: 0.0, from_start: false, ended_days: None }
}

/// Feeds a, b and c of three publishers, a near-copy of a by its publisher, and a label feed.
fn feeds() -> Vec<FeedFacts> {
    [("a", "p"), ("b", "q"), ("c", "r"), ("copy", "p"), ("cloud", "s")]
        .map(|(id, publisher)| {
            let role = if id == "cloud" { Role::Label } else { Role::Threat };
            let feed = Feed::new(id, "file:x").unwrap().role(role).publisher(publisher);
            FeedFacts::from(&feed)
        })
        .into()
}

/// Three systems with a /8 each, 11/8 to 13/8, and IPv6 space of the first; one with a /20.
fn geo() -> GeoTable {
    let mut geo = GeoTable::default();
    for (number, asn) in (1_u32..).zip([64496, 64497, 64498]) {
        geo.records.push(GeoRecord { asn: Some(asn), ..GeoRecord::default() });
        geo.v4_starts.push((10 + number) << 24);
        geo.v4_records.push(number);
    }
    geo.records.push(GeoRecord { asn: Some(64499), ..GeoRecord::default() });
    geo.v4_starts.extend([14 << 24, 20 << 24, 20 << 24 | 0x1000]);
    geo.v4_records.extend([0, 4, 0]);
    geo.v6_starts.extend([0x2a00_u128 << 112, 0x2a01_u128 << 112]);
    geo.v6_records.extend([1, 0]);
    geo
}

fn learn(world: &World) -> RiskModel {
    let documents: Vec<Document<'_>> = Vec::new();
    RiskScorer.learn(&ScoreInput {
        feeds: &feeds(),
        documents: &documents,
        networks: world,
        geo: &geo(),
        window_days: 7.0,
        prior: 0.01,
    })
}

fn at<A: Ord>(starts: &[A], values: &[i8], address: &A) -> i8 {
    values[starts.partition_point(|start| start <= address) - 1]
}

fn around(model: &RiskModel, address: u32) -> i8 {
    at(&model.territory.v4_starts, &model.territory.v4_values, &address)
}

/// A few hundred old listings of two publishers in each of the three systems.
fn usual() -> World {
    let mut world = World::default();
    for place in 0..300_u32 {
        let address = (11 + place % 3) << 24 | (place % 50) << 16 | place;
        world.v4.push((Prefix4::host(address), vec![old(place % 2)]));
    }
    world.v4.sort_by_key(|network| network.0);
    world
}

#[test]
fn what_is_close_to_listings_is_worse_than_what_is_not() {
    let mut world = usual();
    let corner = 12 << 24 | 200 << 16;
    (0..9).for_each(|host| world.list(corner | 0x0500 | host, 32, &[fresh(0)]));
    let model = learn(&world);
    let [same24, same20, same16, system] =
        [0x05f0, 0x0f00, 0x8000, 0x0040_0000].map(|offset| around(&model, corner ^ offset));
    assert!(same24 > same20 && same20 > same16 && same16 > system, "{:?}", model.groups4);
    let subject = |neighbourhood| Subject { neighbourhood, ..Subject::default() };
    assert!(model.score(&subject(same24)) < model.score(&subject(system)));
}

#[test]
fn ipv6_has_neighbours_too() {
    let mut world = usual();
    let home = 0x2a00_u128 << 112;
    (0..4).for_each(|host| world.list6(home | 7 << 64 | host, 128, &[fresh(0)]));
    let model = learn(&world);
    let value = |address| at(&model.territory.v6_starts, &model.territory.v6_values, &address);
    assert!(value(home | 7 << 64 | 0x99) > value(home | 8 << 64), "the same /64");
    assert!(value(home | 8 << 64) > value(home | 1 << 96), "the same /48");
}

#[test]
fn a_near_copy_and_labels_change_no_place() {
    let world = usual();
    let mut copied = world.clone();
    for (_, listings) in &mut copied.v4 {
        if listings[0].feed == 0 {
            listings.push(Interval { feed: 3, ..listings[0] });
        }
    }
    copied.list(13 << 24 | 9 << 16, 16, &[old(4)]);
    let (model, with_copy) = (learn(&world), learn(&copied));
    assert_eq!(model.territory, with_copy.territory);
    assert_eq!(model.believed(&[0, 1], true), with_copy.believed(&[0, 1, 3], true));
    assert!(with_copy.believed(&[0, 1], true) > with_copy.believed(&[0, 3], true));
    assert_eq!(with_copy.believed(&[4], true), 0.0, "a label is no witness");
}

/// The bound that `mass` promises: 0.22 in the logit, and half a step of rounding at either end.
fn check_flood(world: &World, flooded: &World, untouched: impl Fn(u32) -> bool) {
    let (model, flooded) = (learn(world), learn(flooded));
    for place in 0..300_u32 {
        for address in [0, 0x1234, 0x00ff_0000]
            .map(|o| ((11 + place % 3) << 24 | (place % 50) << 16 | place) ^ o)
        {
            let moved = around(&flooded, address) - around(&model, address);
            assert!(moved >= -2, "{address:x} softened by {moved} steps");
            assert!(!untouched(address) || moved <= 0, "{address:x} hardened by {moved} steps");
        }
    }
    let base = flooded.groups4.base / model.groups4.base;
    assert!(base <= 1.25 + 1e-9, "the average rose {base} times");
}

/// Enough of two publishers that a quarter of it is more than what every publisher may say.
fn busy() -> World {
    let mut world = usual();
    for place in 0..60_000_u32 {
        let address = (11 + place % 3) << 24 | 60 << 16 | (place / 3 * 3);
        world.v4.push((Prefix4::host(address), vec![old(0), old(1)]));
    }
    world.v4.sort_by_key(|network| network.0);
    world.v4.dedup_by_key(|network| network.0);
    world
}

#[test]
fn filling_one_network_moves_no_other() {
    let world = busy();
    let mut flooded = world.clone();
    let target = 13 << 24 | 250 << 16;
    flooded.v4.extend((0..20_000).map(|n| (Prefix4::host(target | n), vec![fresh(2)])));
    flooded.v4.sort_by_key(|network| network.0);
    check_flood(&world, &flooded, |address| address >> 24 != 13);
    // 79 networks of 64 each, where all others say 60,300.
    let base = learn(&flooded).groups4.base / learn(&world).groups4.base;
    assert!(base < 1.09, "the average rose {base} times");
}

#[test]
fn a_hundred_thousand_random_addresses_soften_nothing_much() {
    let world = busy();
    let mut flooded = world.clone();
    let mut random = 1_u32;
    for _ in 0..100_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let address = (11 << 24) + ((u64::from(random) * (3 << 24)) >> 32) as u32;
        flooded.v4.push((Prefix4::host(address), vec![fresh(2)]));
    }
    flooded.v4.sort_by_key(|network| network.0);
    flooded.v4.dedup_by_key(|network| network.0);
    check_flood(&world, &flooded, |_| false);
}

#[test]
fn a_lift_is_told_against_what_is_announced() {
    let mut world = usual();
    (0..8).for_each(|host| world.list(20 << 24 | host << 8, 32, &[old(0)]));
    let model = learn(&world);
    let address = 20_u32 << 24 | 0x0f33;
    let subject = Subject {
        neighbourhood: around(&model, address),
        record: geo().lookup(IpAddr::from(address.to_be_bytes())),
        ..Subject::default()
    };
    let nearby = Around(&world, IpAddr::from(address.to_be_bytes()));
    let terms = model.explain(&subject, Some(&nearby));
    let adds = |name| {
        let place = terms.iter().position(|term| term.name == name).unwrap();
        let risk = |terms: &[Term]| -terms.iter().map(|t| t.contribution).sum::<f64>() / 100.0;
        let logit = |risk: f64| (risk / (1.0 - risk)).ln() / SLOPE;
        logit(risk(&terms[..=place])) - logit(risk(&terms[..place]))
    };
    // The nobody's addresses in its /16, sixteen times as many, are nothing in its favour.
    let rate = model.groups4.base * model.groups4.system(64499).unwrap().lift.exp();
    let network = chain::ratio(8.0, 4096.0, rate);
    let wide = chain::ratio(8.0, 4096.0, rate * network);
    // Half a step is lost to rounding.
    assert!((adds("network") - network.ln()).abs() < 0.5 / STEPS, "{terms:?}");
    assert!((adds("/16") - wide.ln() / 2.0).abs() < 0.5 / STEPS, "{terms:?}");
    let text = |name| &terms.iter().find(|term| term.name == name).unwrap().text;
    assert!(text("/16").starts_with("its /16 has 8 listed networks: "));
    assert_eq!(text("/24"), "nothing is listed in its /24");
}

#[test]
fn a_listed_network_weighs_like_sixteen_addresses_at_most() {
    let (mut wide, mut narrow) = (usual(), usual());
    wide.list(12 << 24 | 99 << 16, 16, &[old(0)]);
    narrow.list(12 << 24 | 99 << 16, 28, &[old(0)]);
    assert!((learn(&wide).groups4.base - learn(&narrow).groups4.base).abs() < 1e-15);
}

fn past(state: State, age_days: f64, spells: u8, spell_days: u8) -> Subject<'static> {
    let past = Past { spells, spell_days };
    let feeds: &[u32] = if state == State::Unknown { &[] } else { &[0] };
    Subject { state, feeds, age_days, past, ..Subject::default() }
}

#[test]
fn the_own_past_fades() {
    let model = learn(&usual());
    let score = |subject: &Subject<'_>| model.score(subject);
    let active = score(&past(State::Active, 0.0, 1, 5));
    let left = score(&past(State::Historical, 2.0, 1, 5));
    let long_left = score(&past(State::Unknown, 30.0, 1, 5));
    let never = score(&Subject::default());
    assert!(active < left && left < long_left && long_left < never);
    assert!(score(&past(State::Historical, 2.0, 4, 5)) < left, "came back often");
    assert!(score(&past(State::Historical, 2.0, 1, 30)) > left, "stayed for long");
    let two = Subject { feeds: &[0, 1], ..past(State::Active, 0.0, 1, 5) };
    assert!(score(&two) < active, "two witnesses");
}

#[test]
fn coarse_surroundings_are_enough_beside_a_listing() {
    let model = learn(&usual());
    for number in i8::MIN..=i8::MAX {
        assert_eq!(model.nearby(State::Unknown, number), number);
        assert_eq!(model.nearby(State::Historical, number), number);
        let coarse = model.nearby(State::Active, number);
        assert!(coarse % 4 == 0 && (i16::from(coarse) - i16::from(number)).abs() <= 4, "{number}");
        let score = |neighbourhood| {
            model.score(&Subject { neighbourhood, ..past(State::Active, 0.0, 1, 5) })
        };
        // Surroundings of Σ = -8 and more: no announced network is better.
        if number >= -32 {
            assert!((score(coarse) - score(number)).abs() < 2.0, "{number}");
        }
    }
}

#[test]
fn half_lives_come_from_what_a_feed_does() {
    let mut world = World::default();
    for host in 0..400 {
        let ended_days = (host % 2 == 0).then_some(10.0);
        let quick = Interval { feed: 0, since_days: 12.0, from_start: false, ended_days };
        world.list(11 << 24 | host, 32, &[quick]);
        world.list(12 << 24 | host, 32, &[Interval { since_days: 80.0, ..old(1) }]);
    }
    let model = learn(&world);
    let [quick, lasting, unknown] = [0, 1, 2].map(|feed| model.half_life_days(feed).unwrap());
    assert!(quick < unknown && unknown < lasting, "{quick} {unknown} {lasting}");
    assert!((unknown - 14.0).abs() < 1e-9 && quick >= 1.0 && lasting <= 120.0);
}

#[test]
fn models_survive_the_snapshot_and_damage_is_an_error() {
    let mut world = usual();
    world.list6(0x2a00_u128 << 112, 64, &[fresh(1)]);
    let model = learn(&world);
    let bytes = model.encode();
    let decoded = codec::decode(&bytes).unwrap();
    assert_eq!(decoded, RiskModel { territory: Territory::default(), ..model });
    assert_eq!(decoded.encode(), bytes);
    for end in 0..bytes.len() {
        assert!(codec::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(codec::decode(&[&bytes[..], &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn damaged_models_never_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = learn(&usual()).encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(model) = codec::decode(&bytes) {
            let score = model.score(&past(State::Active, 1.0, 2, 3));
            prop_assert!((0.0..=100.0).contains(&score));
        }
    }

    #[test]
    fn terms_add_up(
        place in 0_u32..300, offset in 0_u32..0x0200_0000, state in 0..3_usize, age in 0.0..59.0_f64,
        spells in 0_u8..=16, days in 1_u8..=30, label in any::<bool>(), near in any::<bool>(),
        stray in proptest::option::of(any::<i8>()),
    ) {
        let world = usual();
        let model = learn(&world);
        let address = ((11 + place % 3) << 24 | (place % 50) << 16 | place) ^ offset;
        let state = [State::Unknown, State::Historical, State::Active][state];
        let subject = Subject {
            labels: if label { &[4] } else { &[] },
            neighbourhood: stray.unwrap_or_else(|| around(&model, address)),
            record: geo().lookup(IpAddr::from(address.to_be_bytes())),
            ..past(state, age, spells, days)
        };
        let nearby = Around(&world, IpAddr::from(address.to_be_bytes()));
        let nearby = near.then_some(&nearby as &dyn Nearby);
        let terms = model.explain(&subject, nearby);
        let sum: f64 = terms.iter().map(|term| term.contribution).sum();
        prop_assert!((100.0 + sum - model.score(&subject)).abs() < 1e-9, "{terms:#?}");
        let decoded = codec::decode(&model.encode()).unwrap();
        prop_assert_eq!(decoded.score(&subject), model.score(&subject));
        prop_assert_eq!(decoded.explain(&subject, nearby), terms);
        let [low, high] = model.interval(&subject, nearby).unwrap();
        prop_assert!(low <= model.score(&subject) && model.score(&subject) <= high);
    }
}
