//! Snapshot files with flipped bits: each is refused, or answers something.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;

use artif_core::{Addresses, AnswerColumns, Reader, ReputationEngine};
use support::{Random, refresh, sample_builder, sample_feeds};

const CASES: u64 = 1000;

/// Where the sections of a file lie, as its table says.
fn sections(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let count = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    let range = |entry: usize| {
        let at = 64 + 24 * entry;
        let start = usize::try_from(u64_at(at + 8)).unwrap();
        start..start + usize::try_from(u64_at(at + 16)).unwrap()
    };
    (0..count).map(range).filter(|range| !range.is_empty()).collect()
}

fn ask_everything(reader: &Reader, random: &mut Random) {
    let pinned = reader.pin();
    let near = [0x5db8_d822_u32, 0x0808_0000, 0, u32::MAX];
    let v4: Vec<u32> =
        (0..200)
            .map(|i| {
                if i % 2 == 0 {
                    near[i % 4] ^ random.below(512) as u32
                } else {
                    random.next() as u32
                }
            })
            .collect();
    let v6: Vec<u128> = (0..200)
        .map(|i| match i % 3 {
            0 => 0x2001_0470 << 96 | u128::from(random.next()),
            1 => 0x2a00_1450 << 96 | u128::from(random.next() % 8),
            _ => u128::from(random.next()) << 64 | u128::from(random.next()),
        })
        .collect();
    for addresses in [Addresses::V4(&v4), Addresses::V6(&v6)] {
        let (mut score, mut verdict, mut listed) = ([0.0; 200], [0; 200], [0; 200]);
        let (mut feeds, mut names) = ([0; 200], [0; 200]);
        let mut columns = AnswerColumns::new()
            .score(&mut score)
            .verdict(&mut verdict)
            .listed(&mut listed)
            .feed_set(&mut feeds)
            .organisation(&mut names);
        pinned.check_into(addresses, &mut columns).unwrap();
        for (set, name) in feeds.into_iter().zip(names) {
            black_box(pinned.feed_set(set).map(|feed| feed.name.len()).sum::<usize>());
            black_box(pinned.organisation(name).map(|name| name.chars().count()));
        }
    }
    let ips = v4.iter().map(|ip| IpAddr::from(ip.to_be_bytes()));
    for ip in ips.chain(v6.iter().map(|ip| IpAddr::from(ip.to_be_bytes()))).step_by(13) {
        let answer = reader.check(ip);
        black_box(serde_json::to_string(&answer).unwrap());
        black_box(answer.to_seed_json());
        black_box(reader.explain(ip).to_text());
        black_box(reader.history(ip));
        black_box(reader.check_at(ip, chrono::DateTime::UNIX_EPOCH));
    }
    black_box(serde_json::to_string(&reader.status()).unwrap());
}

fn only_snapshot(dir: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "artif"))
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snapshot-"))
        .unwrap()
}

#[test]
fn flipped_bits_never_do_worse_than_a_wrong_answer() {
    let dir = tempfile::tempdir().unwrap();
    sample_feeds(dir.path());
    let mut random = Random(1);
    let (mut refused, mut answered) = (0, 0);
    for tier in ["flat", "compact"] {
        let data = dir.path().join(tier);
        let engine = sample_builder(dir.path(), tier).data(&data).build().unwrap();
        refresh(&engine);
        drop(engine);
        let whole = std::fs::read(only_snapshot(&data)).unwrap();
        let sections = sections(&whole);
        for case in 0..CASES / 2 {
            let mut file = whole.clone();
            // From one bit to many, anywhere, or as many in each section as in any other.
            for _ in 0..=random.below(64) {
                let place = if case % 3 == 0 {
                    random.below(file.len())
                } else {
                    let section = &sections[random.below(sections.len())];
                    section.start + random.below(section.len())
                };
                file[place] ^= 1 << random.below(8);
            }
            // A new folder, as files that are in use are never written to.
            let broken = tempfile::tempdir().unwrap();
            let name = only_snapshot(&data);
            std::fs::write(broken.path().join(name.file_name().unwrap()), &file).unwrap();
            std::fs::copy(data.join("CURRENT"), broken.path().join("CURRENT")).unwrap();
            match Reader::open(broken.path()) {
                Ok(reader) => {
                    ask_everything(&reader, &mut random);
                    answered += 1;
                }
                Err(error) => {
                    assert!(error.code().starts_with("ARTIF_SNAPSHOT"), "{error}");
                    refused += 1;
                }
            }
        }
    }
    // Both happen, or the test would show nothing.
    assert!(refused > 50 && answered > 50, "{refused} refused, {answered} answered");
}
