//! Lookups alone: every way to ask, in both tiers, IPv4 and IPv6, numbers and text.
//!
//! ```text
//! cargo bench --bench lookup
//! benches/count-instructions       # instructions a lookup, under callgrind
//! ```
//!
//! Counted so for uniform IPv4 addresses, flat index, x86-64 with AVX2: gate 133 instructions, pinned
//! check with all its parts 215, check 312, a row of six columns 133.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use std::net::IpAddr;
use std::path::Path;

use artif_core::config::IndexTier;
use artif_core::{Addresses, Pinned, Reader};
use support::contest::{self, Row, alone, pair};
use support::ours::{self, Batch};
use support::{Input, both, independent, queries, queries6};

const ROUNDS: usize = 7;
const QUESTIONS: usize = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [mode, folder, ..] if mode == "prepare" => prepare(Path::new(folder)),
        [mode, folder, way, count, ..] if mode == "count" => {
            count_instructions(Path::new(folder), way, count.parse().unwrap());
        }
        _ => table(),
    }
}

fn table() {
    let input = Input::load();
    println!("{QUESTIONS} questions, median of {ROUNDS}");
    for tier in [IndexTier::Flat, IndexTier::Compact] {
        let (_engine, reader) = input.engine_with(tier);
        let pinned = &reader.pin();
        println!("\n{tier:?} index, IPv4; ns a question, independent / dependent");
        let questions = queries(&input.networks, QUESTIONS);
        header(&questions);
        contest::show(&questions.each_ref().map(|(_, list)| v4(&reader, pinned, list)));
    }
    let (_engine, reader) = input.engine_with(IndexTier::Flat);
    let pinned = &reader.pin();
    println!("\nIPv6");
    let questions = queries6(&input.networks6, QUESTIONS);
    header(&questions);
    contest::show(&questions.each_ref().map(|(_, list)| v6(pinned, list)));
}

fn header<T>(questions: &[(&str, T)]) {
    print!("{:26}", "");
    for (name, _) in questions {
        print!("{name:>20}");
    }
    println!();
}

fn v4(reader: &Reader, pinned: &Pinned, list: &[u32]) -> Vec<Row> {
    let mut batches: [Batch; 5] = std::array::from_fn(|_| Batch::new(QUESTIONS));
    let [whole, parts, gates, texts, packed] = &mut batches;
    let (bytes, offsets) = packed_text(list.iter().map(|ip| ours::v4(*ip)));
    let text = unpacked(&bytes, &offsets);
    let text = &text[..];
    let gate_text = |text: &str| ours::gate_of(pinned, artif_core::address(text).unwrap());
    contest::run(
        ROUNDS,
        QUESTIONS,
        vec![
            pair("check", both(list, |ip| ours::check(reader, ip))),
            pair("pinned check", both(list, |ip| ours::pinned(pinned, ip))),
            pair("pinned gate", both(list, |ip| ours::gate(pinned, ip))),
            alone("pinned gate, text", || {
                text.iter().fold(0, |sum, text| u64::wrapping_add(sum, gate_text(text)))
            }),
            alone("check_into", || whole.ask(pinned, Addresses::V4(list))),
            alone("check_into, 64 at a time", || {
                list.chunks(64).map(|list| parts.ask(pinned, Addresses::V4(list))).sum()
            }),
            alone("score and verdict only", || gates.gate(pinned, Addresses::V4(list))),
            alone("check_into, texts", || texts.ask(pinned, Addresses::Text(text))),
            alone("check_into, Arrow text", || {
                packed.ask(pinned, Addresses::Packed { text: bytes.as_bytes(), offsets: &offsets })
            }),
            alone("parse text", || parse(text)),
            alone("parse text, std", || parse_std(text)),
        ],
    )
}

fn v6(pinned: &Pinned, list: &[u128]) -> Vec<Row> {
    let mut batches: [Batch; 2] = std::array::from_fn(|_| Batch::new(QUESTIONS));
    let [whole, texts] = &mut batches;
    let (bytes, offsets) = packed_text(list.iter().map(|ip| ours::v6(*ip)));
    let text = unpacked(&bytes, &offsets);
    let text = &text[..];
    contest::run(
        ROUNDS,
        QUESTIONS,
        vec![
            pair("pinned check", both(list, |ip| ours::pinned6(pinned, ip))),
            alone("check_into", || whole.ask(pinned, Addresses::V6(list))),
            alone("check_into, texts", || texts.ask(pinned, Addresses::Text(text))),
            alone("parse text", || parse(text)),
            alone("parse text, std", || parse_std(text)),
        ],
    )
}

/// Texts in one buffer, as Arrow has them.
fn packed_text(list: impl Iterator<Item = IpAddr>) -> (String, Vec<i32>) {
    let (mut bytes, mut offsets) = (String::new(), vec![0]);
    for ip in list {
        bytes += &ip.to_string();
        offsets.push(i32::try_from(bytes.len()).unwrap());
    }
    (bytes, offsets)
}

fn unpacked<'a>(bytes: &'a str, offsets: &[i32]) -> Vec<&'a str> {
    let place = |offset: i32| usize::try_from(offset).unwrap();
    offsets.windows(2).map(|pair| &bytes[place(pair[0])..place(pair[1])]).collect()
}

fn low(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() as u64,
    }
}

fn parse(texts: &[&str]) -> u64 {
    texts.iter().fold(0, |sum: u64, text| sum.wrapping_add(low(artif_core::address(text).unwrap())))
}

fn parse_std(texts: &[&str]) -> u64 {
    texts.iter().fold(0, |sum: u64, text| sum.wrapping_add(low(text.parse().unwrap())))
}

/// Leaves a folder for [`count_instructions`], which is too slow to make one.
fn prepare(folder: &Path) {
    let input = Input::load();
    let _engine = input.engine_in(folder, IndexTier::Flat);
    let questions = queries(&input.networks, QUESTIONS);
    let bytes = |(_, list): &(&str, Vec<u32>)| -> Vec<u8> {
        list.iter().flat_map(|ip| ip.to_le_bytes()).collect()
    };
    std::fs::write(folder.join("questions"), questions.iter().flat_map(bytes).collect::<Vec<u8>>())
        .unwrap();
}

fn count_instructions(folder: &Path, way: &str, count: usize) {
    let questions = std::fs::read(folder.join("questions")).unwrap();
    let list: Vec<u32> =
        questions.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let reader = Reader::open(folder).unwrap();
    // Its other thread makes it ready for lookups, and callgrind runs one thread at a time.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let pinned = reader.pin();
    let list = &list[..list.len().min(count)];
    let (bytes, offsets) = packed_text(list.iter().map(|ip| ours::v4(*ip)));
    let text = unpacked(&bytes, &offsets);
    let mut batch = Batch::new(list.len());
    // Starting and ending cost the same for every way; "nothing" says how much.
    let sum = match way {
        "nothing" => 0,
        "gate" => independent(list, |ip| ours::gate(&pinned, ip))(),
        "pinned" => independent(list, |ip| ours::pinned(&pinned, ip))(),
        "check" => independent(list, |ip| ours::check(&reader, ip))(),
        "columns" => batch.ask(&pinned, Addresses::V4(list)),
        "texts" => batch.ask(&pinned, Addresses::Text(&text)),
        "parse" => parse(&text),
        _ => unreachable!("no way {way:?}"),
    };
    println!("{sum}");
}
