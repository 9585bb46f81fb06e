//! The compiled index against a naive scan: at least ten million questions, among them each edge of
//! each range and its neighbours, in both tiers, alone and in batches of every size.
//!
//! Of the corpus where there is one, else of made-up lists with the sample databases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use artif_core::feed::{ParseLimits, parse};
use artif_core::{
    Addresses, AnswerColumns, Config, Engine, Feed, Pinned, Prefix, PrefixSet, special_purpose,
};
use maxminddb::{Reader as Mmdb, geoip2};
use support::{Random, corpus, is_acceptable, refresh};

const QUESTIONS: usize = 10_000_000;

struct Input {
    _dir: tempfile::TempDir,
    feeds: Vec<Feed>,
    asn: PathBuf,
    country: PathBuf,
}

impl Input {
    fn load() -> Self {
        let dir = tempfile::tempdir().unwrap();
        if let Some(corpus) = corpus() {
            let feeds = artif_core::feed::Catalogue::load(corpus.join("feeds.json")).unwrap().feeds;
            let asn = corpus.join("mmdb/GeoLite2-ASN.mmdb");
            return Self {
                _dir: dir,
                feeds,
                asn,
                country: corpus.join("mmdb/GeoLite2-Country.mmdb"),
            };
        }
        println!("made-up lists");
        let samples = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples"));
        let mut random = Random(5);
        let feeds = (0..40).map(|n| {
            let mut text = String::new();
            for _ in 0..3000 {
                // Nested networks in few places.
                let address = (random.next() as u32 & 0x07ff_ffff) | 0x5000_0000;
                let length = 12 + random.next() % 21;
                writeln!(text, "{}/{length}", std::net::Ipv4Addr::from_bits(address)).unwrap();
                let six = 0x2a00 << 112 | u128::from(random.next() % 64) << 90;
                let six = six | u128::from(random.next() % 4096) << (random.next() % 60);
                let length = 20 + random.next() % 109;
                writeln!(text, "{}/{length}", std::net::Ipv6Addr::from_bits(six)).unwrap();
            }
            let path = dir.path().join(format!("{n}.txt"));
            std::fs::write(&path, text).unwrap();
            Feed::new(&format!("feed-{n}"), &format!("file:{}", path.display())).unwrap()
        });
        let feeds = feeds.collect();
        let [asn, country] = ["asn", "country"].map(|n| samples.join(format!("sample-{n}.mmdb")));
        Self { _dir: dir, feeds, asn, country }
    }

    fn engine(&self, tier: &str) -> Engine {
        let mut config = Config::from_toml(&format!(
            "[snapshot]\nindex = '{tier}'\n[warninglists]\nbuiltin = false"
        ))
        .unwrap();
        config.geo.asn = Some(self.asn.clone());
        config.geo.country = Some(self.country.clone());
        let builder = Engine::builder().config(config).in_memory();
        let engine =
            self.feeds.iter().cloned().fold(builder, artif_core::EngineBuilder::feed).build();
        let engine = engine.unwrap();
        refresh(&engine);
        engine
    }
}

/// All networks by their length, to be asked one length after the other.
struct Naive {
    /// By length: first address, feeds that list exactly this network.
    v4: BTreeMap<u8, HashMap<u32, u128>>,
    v6: BTreeMap<u8, HashMap<u128, u128>>,
    asn: Mmdb<Vec<u8>>,
    country: Mmdb<Vec<u8>>,
    edges4: BTreeSet<u32>,
    edges6: BTreeSet<u128>,
}

impl Naive {
    fn new(input: &Input) -> Self {
        let mut naive = Self {
            v4: BTreeMap::new(),
            v6: BTreeMap::new(),
            asn: Mmdb::open_readfile(&input.asn).unwrap(),
            country: Mmdb::open_readfile(&input.country).unwrap(),
            edges4: BTreeSet::new(),
            edges6: BTreeSet::new(),
        };
        for (number, feed) in input.feeds.iter().enumerate() {
            let path = feed.url.strip_prefix("file:").unwrap();
            let mut file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
            let parsed = parse(&feed.id, &feed.format, &ParseLimits::default(), &mut file).unwrap();
            naive.add(&parsed.prefixes, number);
        }
        let of_geo = [&naive.asn, &naive.country].into_iter().flat_map(|database| {
            let found = database.networks(maxminddb::WithinOptions::default()).unwrap();
            found.map(|found| found.unwrap().network().unwrap())
        });
        let (mut edges4, mut edges6) = (Vec::new(), Vec::new());
        for network in of_geo {
            match (network.network(), network.broadcast()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    edges4.extend([first.to_bits(), last.to_bits()]);
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    edges6.extend([first.to_bits(), last.to_bits()]);
                }
                _ => {}
            }
        }
        naive.edges4.extend(edges4);
        naive.edges6.extend(edges6);
        naive
    }

    fn add(&mut self, prefixes: &PrefixSet, feed: usize) {
        for prefix in prefixes.v4().iter().filter(|p| is_acceptable(Prefix::V4(**p))) {
            let of_length = self.v4.entry(prefix.len()).or_default();
            *of_length.entry(prefix.first()).or_default() |= 1 << feed;
            self.edges4.extend([prefix.first(), prefix.last()]);
        }
        for prefix in prefixes.v6().iter().filter(|p| is_acceptable(Prefix::V6(**p))) {
            let of_length = self.v6.entry(prefix.len()).or_default();
            *of_length.entry(prefix.first()).or_default() |= 1 << feed;
            self.edges6.extend([prefix.first(), prefix.last()]);
        }
    }

    fn feeds(&self, ip: IpAddr) -> u128 {
        match ip {
            IpAddr::V4(v4) => self.v4.iter().fold(0, |all, (length, networks)| {
                let first =
                    v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
                all | networks.get(&first).copied().unwrap_or(0)
            }),
            IpAddr::V6(v6) => self.v6.iter().fold(0, |all, (length, networks)| {
                let rest = 128 - u32::from(*length);
                let first = v6.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0);
                all | networks.get(&first).copied().unwrap_or(0)
            }),
        }
    }

    fn place(&self, ip: IpAddr) -> (u32, [u8; 2]) {
        let asn: Option<geoip2::Asn<'_>> = self.asn.lookup(ip).unwrap().decode().unwrap();
        let country: Option<geoip2::Country<'_>> =
            self.country.lookup(ip).unwrap().decode().unwrap();
        let code = country.and_then(|country| country.country.iso_code);
        (
            asn.and_then(|asn| asn.autonomous_system_number).unwrap_or(0),
            code.map_or([0; 2], |code| code.as_bytes().try_into().unwrap()),
        )
    }
}

#[derive(Clone, PartialEq)]
struct Table {
    score: Vec<f64>,
    verdict: Vec<u8>,
    state: Vec<u8>,
    asn: Vec<u32>,
    country: Vec<[u8; 2]>,
    feed_set: Vec<u32>,
}

impl Table {
    /// Asks so many at a time.
    fn asked<'a, T>(pinned: &Pinned, list: &'a [T], at_a_time: usize) -> Self
    where
        Addresses<'a>: From<&'a [T]>,
    {
        let rows = list.len();
        let mut table = Self {
            score: vec![-1.0; rows],
            verdict: vec![99; rows],
            state: vec![99; rows],
            asn: vec![99; rows],
            country: vec![[99; 2]; rows],
            feed_set: vec![99; rows],
        };
        for (n, part) in list.chunks(at_a_time).enumerate() {
            let here = n * at_a_time..n * at_a_time + part.len();
            let mut columns = AnswerColumns::new()
                .score(&mut table.score[here.clone()])
                .verdict(&mut table.verdict[here.clone()])
                .state(&mut table.state[here.clone()])
                .asn(&mut table.asn[here.clone()])
                .country(&mut table.country[here.clone()])
                .feed_set(&mut table.feed_set[here]);
            assert_eq!(pinned.check_into(part.into(), &mut columns).unwrap(), 0);
        }
        table
    }
}

fn agree<'a, T: Copy>(
    naive: &Naive,
    (pinned, feeds): (&[Pinned; 2], &HashMap<String, usize>),
    list: &'a [T],
    ip: fn(T) -> IpAddr,
) where
    Addresses<'a>: From<&'a [T]>,
{
    let mut masks: HashMap<u32, u128> = HashMap::new();
    for (part, size) in
        list.chunks(1 << 20).zip([1_usize, 7, 64, 1000, 1 << 20].into_iter().cycle())
    {
        let table = Table::asked(&pinned[0], part, size);
        assert!(table == Table::asked(&pinned[1], part, 1 << 20), "the tiers disagree");
        for (row, address) in part.iter().enumerate() {
            let ip = ip(*address);
            if special_purpose(ip).is_some() {
                assert_eq!((table.state[row], table.verdict[row], table.score[row]), (0, 4, 100.0));
                continue;
            }
            let mask = *masks.entry(table.feed_set[row]).or_insert_with_key(|set| {
                pinned[0].feed_set(*set).fold(0, |mask, feed| mask | 1 << feeds[&feed.id])
            });
            let expected = naive.feeds(ip);
            assert_eq!(mask, expected, "{ip}");
            assert_eq!(table.state[row], if expected == 0 { 0 } else { 2 }, "{ip}");
            // Both databases are read as often as the time allows.
            if row % 16 == 0 {
                assert_eq!((table.asn[row], table.country[row]), naive.place(ip), "{ip}");
                for pinned in pinned {
                    let answer = pinned.check(ip);
                    let single =
                        (answer.score(), answer.verdict() as u8, answer.asn().unwrap_or(0));
                    assert_eq!(
                        single,
                        (table.score[row], table.verdict[row], table.asn[row]),
                        "{ip}"
                    );
                    let gate = pinned.gate(ip);
                    assert_eq!((gate.score(), gate.verdict() as u8), (single.0, single.1), "{ip}");
                }
            }
        }
    }
}

#[test]
fn ten_million_questions_are_answered_as_a_scan_would() {
    let input = Input::load();
    let naive = Naive::new(&input);
    let engines = ["flat", "compact"].map(|tier| input.engine(tier));
    let pinned = engines.each_ref().map(Engine::pin);
    let feeds = input.feeds.iter().map(|feed| feed.id.to_string()).zip(0..).collect();
    let mut random = Random(9);

    let near4 = |edge: &u32| [edge.wrapping_sub(1), *edge, edge.wrapping_add(1)];
    let mut v4: Vec<u32> = naive.edges4.iter().flat_map(near4).collect();
    let near6 = |edge: &u128| [edge.wrapping_sub(1), *edge, edge.wrapping_add(1)];
    let mut v6: Vec<u128> = naive.edges6.iter().flat_map(near6).collect();
    v6.dedup();
    v4.dedup();
    // What carries an IPv4 address is that one's business.
    v6.retain(|bits| artif_core::canonical_address(IpAddr::from(bits.to_be_bytes())).is_ipv6());
    println!("{} IPv4 and {} IPv6 questions at edges", v4.len(), v6.len());
    v4.extend((0..QUESTIONS.saturating_sub(v4.len() + v6.len())).map(|_| random.next() as u32));
    agree(&naive, (&pinned, &feeds), &v4, |bits| IpAddr::from(bits.to_be_bytes()));
    agree(&naive, (&pinned, &feeds), &v6, |bits| IpAddr::from(bits.to_be_bytes()));
    assert!(v4.len() + v6.len() >= QUESTIONS);
}
