//! Opening, and what it takes of memory.

use std::path::Path;
use std::time::Instant;

use artif_core::{Reader, ReputationEngine};
use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

use super::ours::v4;
use super::{Input, median};

const ROUNDS: usize = 101;

/// Microseconds.
pub(crate) struct Opening {
    /// Both databases mapped.
    pub(crate) databases: f64,
    /// A reader of a folder.
    pub(crate) reader: f64,
    /// The first answer from it, with all its parts.
    pub(crate) first: f64,
}

pub(crate) fn opening(input: &Input, data: &Path) -> Opening {
    let (mut databases, mut readers, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let asn = open_mmap(&input.asn);
        let country = open_mmap(&input.country);
        databases.push(started.elapsed().as_nanos() as f64 / 1000.0);
        std::hint::black_box((asn, country));

        let started = Instant::now();
        let reader = Reader::open(data).unwrap();
        readers.push(started.elapsed().as_nanos() as f64 / 1000.0);
        let started = Instant::now();
        let answer = reader.check(v4(0x0808_0808));
        std::hint::black_box((answer.score(), answer.verdict(), answer.organisation()));
        std::hint::black_box(answer.feeds().len());
        first.push(started.elapsed().as_nanos() as f64 / 1000.0);
    }
    Opening { databases: median(databases), reader: median(readers), first: median(first) }
}

#[expect(unsafe_code, reason = "the peer's only way to map a file")]
fn open_mmap(path: &Path) -> maxminddb::Reader<maxminddb::Mmap> {
    // SAFETY: nobody writes to the databases while a bench runs.
    unsafe { maxminddb::Reader::open_mmap(path) }.unwrap()
}

/// What lookups touch of a snapshot: what is resident of its mapping, where the system says so,
/// else the whole file.
pub(crate) fn resident(data: &Path, list: &[u32], list6: &[u128]) -> u64 {
    let reader = Reader::open(data).unwrap();
    let pinned = reader.pin();
    let mut sum =
        list.iter().fold(0, |sum, ip| u64::wrapping_add(sum, super::ours::pinned(&pinned, *ip)));
    sum = list6.iter().fold(sum, |sum, ip| sum.wrapping_add(super::ours::pinned6(&pinned, *ip)));
    std::hint::black_box(sum);
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let data = data.canonicalize().unwrap();
    let mut of_snapshot = false;
    // The engine that made it has mapped it too, which is the same memory once more.
    let mut total = 0;
    for line in maps.lines() {
        if line.contains('/') {
            of_snapshot = line.contains(data.to_str().unwrap()) && line.contains("snapshot-");
        } else if let Some(size) = line.strip_prefix("Rss:").filter(|_| of_snapshot) {
            let size = size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
            total = total.max(size);
        }
    }
    if total > 0 {
        return total;
    }
    let files = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap());
    let is_snapshot =
        |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("snapshot-");
    files.filter(is_snapshot).map(|entry| entry.metadata().unwrap().len()).sum()
}

/// Heap bytes of the trie that peers are made of, and the databases beside it.
pub(crate) fn of_peers(input: &Input) -> u64 {
    let mut trie = None;
    let info = allocation_counter::measure(|| {
        let mut map: PrefixMap<Ipv4Net, u128> = PrefixMap::new();
        for (prefix, mask) in &input.networks {
            let first = std::net::Ipv4Addr::from_bits(prefix.first());
            map.insert(Ipv4Net::new(first, prefix.len()).unwrap(), *mask);
        }
        trie = Some(map);
    });
    std::hint::black_box(&trie);
    let databases = [&input.asn, &input.country].map(|path| std::fs::metadata(path).unwrap().len());
    info.bytes_current.cast_unsigned() + databases.iter().sum::<u64>()
}
