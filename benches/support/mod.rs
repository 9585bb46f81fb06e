//! What the benches share: input, queries, a clock, a table.
#![allow(dead_code, reason = "each bench uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

pub(crate) mod ours;
#[cfg(feature = "geo")]
pub(crate) mod peers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artif_core::config::IndexTier;
use artif_core::{Config, Engine, Feed, Format, Prefix4, Prefix6, Reader, RefreshOptions};
use cpu_time::ThreadTime;

/// A small generator with a fixed seed: every run asks the same questions.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What all contestants are loaded with.
pub(crate) struct Input {
    /// Every listed IPv4 network with the feeds that list it, one bit each.
    pub(crate) networks: Vec<(Prefix4, u128)>,
    /// The same of IPv6.
    pub(crate) networks6: Vec<(Prefix6, u128)>,
    pub(crate) asn: PathBuf,
    pub(crate) country: PathBuf,
    catalogue: Option<PathBuf>,
    made: tempfile::TempDir,
}

impl Input {
    /// The corpus (`ARTIF_CORPUS`, else beside the repository), or 85 made-up feeds of the same
    /// sizes and overlaps with the sample databases; says which.
    pub(crate) fn load() -> Self {
        let made = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let beside = || root.join("../../shared/corpus");
        let corpus = std::env::var_os("ARTIF_CORPUS").map_or_else(beside, PathBuf::from);
        let mut input = if corpus.join("feeds.json").is_file() {
            println!("input: the corpus, 85 real feeds, and both databases");
            Self {
                networks: Vec::new(),
                networks6: Vec::new(),
                asn: corpus.join("mmdb/GeoLite2-ASN.mmdb"),
                country: corpus.join("mmdb/GeoLite2-Country.mmdb"),
                catalogue: Some(corpus.join("feeds.json")),
                made,
            }
        } else {
            println!("input: 85 seeded made-up feeds and the sample databases (no corpus found)");
            let samples = root.join("samples");
            generate(made.path());
            Self {
                networks: Vec::new(),
                networks6: Vec::new(),
                asn: samples.join("sample-asn.mmdb"),
                country: samples.join("sample-country.mmdb"),
                catalogue: None,
                made,
            }
        };
        let mut networks: BTreeMap<Prefix4, u128> = BTreeMap::new();
        let mut networks6: BTreeMap<Prefix6, u128> = BTreeMap::new();
        for (number, feed) in input.feeds().iter().enumerate() {
            let path = feed.url.strip_prefix("file://").or(feed.url.strip_prefix("file:")).unwrap();
            let mut reader = std::io::BufReader::new(std::fs::File::open(path).unwrap());
            let limits = artif_core::feed::ParseLimits::default();
            let parsed =
                artif_core::feed::parse(&feed.id, &feed.format, &limits, &mut reader).unwrap();
            for prefix in parsed.prefixes.v4() {
                *networks.entry(*prefix).or_default() |= 1 << number;
            }
            for prefix in parsed.prefixes.v6() {
                *networks6.entry(*prefix).or_default() |= 1 << number;
            }
        }
        input.networks = networks.into_iter().collect();
        input.networks6 = networks6.into_iter().collect();
        input
    }

    pub(crate) fn feeds(&self) -> Vec<Feed> {
        if let Some(path) = &self.catalogue {
            return artif_core::feed::Catalogue::load(path).unwrap().feeds;
        }
        let feed = |n: usize| {
            let url = format!("file:{}", self.made.path().join(format!("{n}.txt")).display());
            Feed::new(&format!("feed-{n}"), &url).unwrap().format(Format::Plain)
        };
        (0..85).map(feed).collect()
    }

    /// Our side: a refreshed folder, and a reader of it as another process would have.
    pub(crate) fn engine(&self) -> (Engine, Reader) {
        self.engine_with(IndexTier::Auto)
    }

    pub(crate) fn engine_with(&self, tier: IndexTier) -> (Engine, Reader) {
        let data = self.made.path().join(format!("data-{tier:?}"));
        // A second one for the same tier finds everything done.
        let engine = self.engine_in(&data, tier);
        let reader = Reader::open(&data).unwrap();
        (engine, reader)
    }

    pub(crate) fn engine_in(&self, data: &Path, tier: IndexTier) -> Engine {
        let mut config = Config::default();
        config.geo.asn = Some(self.asn.clone());
        config.geo.country = Some(self.country.clone());
        config.snapshot.index = tier;
        let mut builder = Engine::builder().config(config).data(data);
        for feed in self.feeds() {
            builder = builder.feed(feed);
        }
        let engine = builder.build().unwrap();
        engine.refresh(&RefreshOptions::default()).unwrap();
        engine
    }
}

/// 85 lists: a few large, most small, each sharing part of the one before.
fn generate(dir: &Path) {
    let mut random = Random::new(7);
    let mut pool: Vec<u32> = Vec::new();
    for n in 0..85 {
        let size = match n % 17 {
            0 => 120_000,
            1..4 => 12_000,
            _ => 300,
        };
        let mut text = String::new();
        for _ in 0..size {
            let address = if !pool.is_empty() && random.share() < 0.4 {
                pool[random.below(pool.len())]
            } else {
                // Clusters: listed addresses live close together.
                let near = (random.next() as u32 >> 12) << 12 | random.next() as u32 & 0x3ff;
                pool.push(near);
                near
            };
            text.push_str(&std::net::Ipv4Addr::from_bits(address).to_string());
            text.push('\n');
        }
        std::fs::write(dir.join(format!("{n}.txt")), text).unwrap();
    }
}

/// Three kinds of questions.
pub(crate) fn queries(networks: &[(Prefix4, u128)], count: usize) -> [(&'static str, Vec<u32>); 3] {
    let mut random = Random::new(42);
    let uniform: Vec<u32> = (0..count).map(|_| random.next() as u32).collect();
    let hits: Vec<u32> = (0..count)
        .map(|_| {
            let (prefix, _) = networks[random.below(networks.len())];
            prefix.first() | (random.next() as u32 & (prefix.last() - prefix.first()))
        })
        .collect();
    // Web traffic: 100,000 clients, every 50th of them listed, met as Zipf's law has it.
    let clients: Vec<u32> = (0..100_000)
        .map(|_| {
            let bad = random.share() < 0.02;
            if bad { hits[random.below(hits.len())] } else { random.next() as u32 }
        })
        .collect();
    let mut sums: Vec<f64> = Vec::with_capacity(clients.len());
    let mut sum = 0.0;
    for rank in 1..=clients.len() {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let web = (0..count)
        .map(|_| {
            clients[sums.partition_point(|s| *s < random.share() * sum).min(clients.len() - 1)]
        })
        .collect();
    [("uniform", uniform), ("hits", hits), ("web", web)]
}

/// Questions about IPv6: what feeds list, and addresses anywhere in the space that they list from.
pub(crate) fn queries6(
    networks: &[(Prefix6, u128)],
    count: usize,
) -> [(&'static str, Vec<u128>); 2] {
    let mut random = Random::new(43);
    let mut near = |width: u32| -> Vec<u128> {
        (0..count)
            .map(|_| {
                let (prefix, _) = networks[random.below(networks.len())];
                let low = u128::from(random.next()) << 64 | u128::from(random.next());
                let free = (128 - u32::from(prefix.len())).max(width);
                let mask = u128::MAX.checked_shr(128 - free).unwrap_or(0);
                prefix.first() & !mask | low & mask
            })
            .collect()
    };
    [("hits", near(0)), ("around hits", near(80))]
}

/// One pass of a contestant over all questions.
pub(crate) type Pass<'a> = Box<dyn FnMut() -> u64 + 'a>;

/// Questions asked one after the other, none waiting for another.
pub(crate) fn independent<'a, T: Copy>(list: &'a [T], ask: impl Fn(T) -> u64 + 'a) -> Pass<'a> {
    Box::new(move || list.iter().fold(0, |sum: u64, ip| sum.wrapping_add(ask(*ip))))
}

/// Questions each of which needs the answer before.
pub(crate) fn dependent<'a, T: Copy + std::ops::BitXor<Output = T> + From<u8>>(
    list: &'a [T],
    ask: impl Fn(T) -> u64 + 'a,
) -> Pass<'a> {
    let zero = std::hint::black_box(0_u8);
    Box::new(move || {
        list.iter().fold(0, |sum: u64, ip| sum.wrapping_add(ask(*ip ^ T::from(sum as u8 & zero))))
    })
}

/// [`independent`] and [`dependent`].
pub(crate) fn both<'a, T: Copy + std::ops::BitXor<Output = T> + From<u8>>(
    list: &'a [T],
    ask: impl Fn(T) -> u64 + Copy + 'a,
) -> [Pass<'a>; 2] {
    [independent(list, ask), dependent(list, ask)]
}

/// Nanoseconds of this thread's processor time a question for each pass, the medians of `rounds`.
/// All take turns in each round, so that what else the machine does meets all alike.
pub(crate) fn nanoseconds(rounds: usize, count: usize, passes: &mut [Pass<'_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); passes.len()];
    for _ in 0..rounds {
        for (pass, times) in passes.iter_mut().zip(&mut times) {
            let started = ThreadTime::now();
            std::hint::black_box(pass());
            times.push(started.elapsed().as_nanos() as f64 / count as f64);
        }
    }
    times.into_iter().map(median).collect()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
