//! Reading feeds, and refreshes.

use std::io::BufReader;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use artif_core::feed::{ParseLimits, parse};
use artif_core::{Engine, Feed, Format, RefreshOptions, RefreshReport};
use cpu_time::ProcessTime;
use ipnet::{IpNet, Ipv4Net};
use prefix_trie::PrefixMap;

use super::{Input, median};

pub(crate) fn path_of(feed: &Feed) -> PathBuf {
    PathBuf::from(feed.url.strip_prefix("file://").or(feed.url.strip_prefix("file:")).unwrap())
}

/// Whether it is lines of addresses and networks.
fn is_plain(feed: &Feed) -> bool {
    matches!(feed.format, Format::Plain | Format::FreeText | Format::Firehol { .. })
}

/// Megabytes a second of one core.
pub(crate) struct Parsing {
    pub(crate) bytes: u64,
    pub(crate) ours: f64,
    /// `str::lines`, `split`, `IpAddr` and `IpNet` from std and ipnet.
    pub(crate) plainly: f64,
}

/// The plain lists, which are lines of addresses and networks, read by both from memory.
pub(crate) fn parsing(input: &Input, rounds: usize) -> Parsing {
    let feeds: Vec<(Feed, Vec<u8>)> = input
        .feeds()
        .into_iter()
        .filter(is_plain)
        .map(|feed| {
            let content = std::fs::read(path_of(&feed)).unwrap();
            (feed, content)
        })
        .collect();
    let bytes: u64 = feeds.iter().map(|(_, content)| content.len() as u64).sum();
    let rate = |pass: &dyn Fn() -> u64| {
        let times = (0..rounds).map(|_| {
            let started = cpu_time::ThreadTime::now();
            std::hint::black_box(pass());
            started.elapsed().as_secs_f64()
        });
        bytes as f64 / 1e6 / median(times.collect())
    };
    let ours = rate(&|| {
        let limits = ParseLimits::default();
        let count = |(feed, content): &(Feed, Vec<u8>)| {
            parse(&feed.id, &feed.format, &limits, &mut &content[..]).unwrap().prefixes.len() as u64
        };
        feeds.iter().map(count).sum()
    });
    let plainly =
        rate(&|| feeds.iter().map(|(_, content)| read_plainly(content).len() as u64).sum());
    Parsing { bytes, ours, plainly }
}

/// As one would write it: comments off, the first word, an address or a network; sorted, each once.
fn read_plainly(content: &[u8]) -> Vec<IpNet> {
    let text = String::from_utf8_lossy(content);
    let mut found: Vec<IpNet> = text
        .lines()
        .filter_map(|line| line.split(['#', ';']).next()?.split_whitespace().next())
        .filter_map(|word| match word.parse::<IpAddr>() {
            Ok(ip) => Some(IpNet::from(ip)),
            Err(_) => word.parse::<IpNet>().ok(),
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Of all threads together.
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
}

fn cost<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (cpu, wall) = (ProcessTime::now(), Instant::now());
    let done = work();
    let cpu = cpu.elapsed().as_secs_f64() * 1e3;
    (done, Cost { cpu, wall: wall.elapsed().as_secs_f64() * 1e3 })
}

pub(crate) struct Refreshes {
    /// Reading all feeds with ipnet and putting them into a `PrefixMap`.
    pub(crate) peers: Cost,
    pub(crate) first: (RefreshReport, Cost),
    pub(crate) unchanged: (RefreshReport, Cost),
    /// The largest feed, with one network more.
    pub(crate) one_changed: (RefreshReport, Cost),
    /// A small one.
    pub(crate) one_small: (RefreshReport, Cost),
}

pub(crate) fn refreshes(input: &Input) -> Refreshes {
    let dir = tempfile::tempdir().unwrap();
    // Copies, as some are going to change.
    let feeds: Vec<Feed> = input
        .feeds()
        .into_iter()
        .map(|feed| {
            let copy = dir.path().join(feed.id.as_str());
            std::fs::copy(path_of(&feed), &copy).unwrap();
            let mut feed = feed;
            feed.url = format!("file:{}", copy.display());
            feed
        })
        .collect();
    let (trie, peers) = cost(|| {
        let mut trie: PrefixMap<Ipv4Net, u128> = PrefixMap::new();
        for (number, feed) in feeds.iter().enumerate() {
            let limits = ParseLimits::default();
            // Formats are not a peer's business: it gets the networks as text.
            let mut reader = BufReader::new(std::fs::File::open(path_of(feed)).unwrap());
            if is_plain(feed) {
                let content = std::fs::read(path_of(feed)).unwrap();
                for net in read_plainly(&content) {
                    if let IpNet::V4(net) = net {
                        *trie.entry(net).or_default() |= 1 << number;
                    }
                }
            } else {
                let parsed = parse(&feed.id, &feed.format, &limits, &mut reader).unwrap();
                for prefix in parsed.prefixes.v4() {
                    let net: Ipv4Net = prefix.to_string().parse().unwrap();
                    *trie.entry(net).or_default() |= 1 << number;
                }
            }
        }
        trie
    });
    std::hint::black_box(trie.len());
    let engine = engine_of(input, &feeds, &dir.path().join("data"));
    let refresh = |options: &RefreshOptions| cost(|| engine.refresh(options).unwrap());
    let first = refresh(&RefreshOptions::default());
    let unchanged = refresh(&RefreshOptions::default());
    let size = |feed: &&Feed| std::fs::metadata(path_of(feed)).unwrap().len();
    let plain = || feeds.iter().filter(|feed| is_plain(feed));
    add_line(&path_of(plain().max_by_key(size).unwrap()));
    let one_changed = refresh(&RefreshOptions::default());
    add_line(&path_of(plain().min_by_key(size).unwrap()));
    let one_small = refresh(&RefreshOptions::default());
    Refreshes { peers, first, unchanged, one_changed, one_small }
}

fn add_line(path: &Path) {
    let mut text = std::fs::read(path).unwrap();
    text.extend_from_slice(b"\n93.184.216.7\n");
    std::fs::write(path, text).unwrap();
}

pub(crate) fn engine_of(input: &Input, feeds: &[Feed], data: &Path) -> Engine {
    let mut config = artif_core::Config::default();
    config.geo.asn = Some(input.asn.clone());
    config.geo.country = Some(input.country.clone());
    let builder = Engine::builder().config(config).data(data);
    feeds.iter().cloned().fold(builder, artif_core::EngineBuilder::feed).build().unwrap()
}
