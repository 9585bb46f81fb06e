//! What the benches share: input, queries, a clock, a table.
#![allow(dead_code, reason = "each bench uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artif_core::{Config, Engine, Feed, Format, Prefix4, Reader, RefreshOptions};
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
                asn: samples.join("sample-asn.mmdb"),
                country: samples.join("sample-country.mmdb"),
                catalogue: None,
                made,
            }
        };
        let mut networks: BTreeMap<Prefix4, u128> = BTreeMap::new();
        for (number, feed) in input.feeds().iter().enumerate() {
            let path = feed.url.strip_prefix("file://").or(feed.url.strip_prefix("file:")).unwrap();
            let mut reader = std::io::BufReader::new(std::fs::File::open(path).unwrap());
            let limits = artif_core::feed::ParseLimits::default();
            let parsed =
                artif_core::feed::parse(&feed.id, &feed.format, &limits, &mut reader).unwrap();
            for prefix in parsed.prefixes.v4() {
                *networks.entry(*prefix).or_default() |= 1 << number;
            }
        }
        input.networks = networks.into_iter().collect();
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
        let mut config = Config::default();
        config.geo.asn = Some(self.asn.clone());
        config.geo.country = Some(self.country.clone());
        let data = self.made.path().join("data");
        let mut builder = Engine::builder().config(config).data(&data);
        for feed in self.feeds() {
            builder = builder.feed(feed);
        }
        let engine = builder.build().unwrap();
        engine.refresh(&RefreshOptions::default()).unwrap();
        let reader = Reader::open(&data).unwrap();
        (engine, reader)
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

/// Nanoseconds of this thread's processor time a question, the median of `rounds`.
pub(crate) fn nanoseconds(rounds: usize, count: usize, mut pass: impl FnMut() -> u64) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let started = ThreadTime::now();
            std::hint::black_box(pass());
            started.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}
