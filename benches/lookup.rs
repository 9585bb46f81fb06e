//! Lookups alone: every way to ask, in both tiers, IPv4 and IPv6, numbers and text.
//!
//! ```text
//! cargo bench --bench lookup
//! benches/count-instructions       # instructions a lookup, under callgrind
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use std::net::IpAddr;
use std::path::Path;

use artif_core::config::IndexTier;
use artif_core::{Addresses, Pinned, Reader};
use support::ours::{self, Batch};
use support::{Input, Pass, both, dependent, independent, nanoseconds, queries, queries6};

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
        let header = questions.each_ref().map(|(name, _)| *name);
        let rows = questions.each_ref().map(|(_, list)| v4(&reader, pinned, list));
        show(&header, &rows);
    }
    let (_engine, reader) = input.engine_with(IndexTier::Flat);
    let pinned = &reader.pin();
    println!("\nIPv6");
    let questions = queries6(&input.networks6, QUESTIONS);
    let header = questions.each_ref().map(|(name, _)| *name);
    let rows = questions.each_ref().map(|(_, list)| v6(pinned, list));
    show(&header, &rows);
}

type Named<'a> = (&'static str, [Pass<'a>; 2]);

fn none() -> Pass<'static> {
    Box::new(|| 0)
}

fn measured(contestants: Vec<Named<'_>>) -> Vec<(&'static str, [f64; 2])> {
    let (names, passes): (Vec<_>, Vec<_>) = contestants.into_iter().unzip();
    let mut passes: Vec<Pass<'_>> = passes.into_iter().flatten().collect();
    let times = nanoseconds(ROUNDS, QUESTIONS, &mut passes);
    names.into_iter().zip(times.chunks(2).map(|pair| [pair[0], pair[1]])).collect()
}

fn v4(reader: &Reader, pinned: &Pinned, list: &[u32]) -> Vec<(&'static str, [f64; 2])> {
    let mut batches: [Batch; 5] = std::array::from_fn(|_| Batch::new(QUESTIONS));
    let [whole, parts, gates, texts, packed] = &mut batches;
    let text: Vec<String> = list.iter().map(|ip| ours::v4(*ip).to_string()).collect();
    let text: Vec<&str> = text.iter().map(String::as_str).collect();
    let bytes = text.concat();
    let mut offsets = vec![0_i32];
    offsets.extend(text.iter().scan(0, |end, text| {
        *end += text.len() as i32;
        Some(*end)
    }));
    measured(vec![
        ("check", both(list, |ip| ours::check(reader, ip))),
        ("pinned check", both(list, |ip| ours::pinned(pinned, ip))),
        ("pinned gate", both(list, |ip| ours::gate(pinned, ip))),
        (
            "pinned gate, text",
            [
                Box::new(|| {
                    text.iter().fold(0_u64, |sum, text| {
                        sum.wrapping_add(ours::gate_of(pinned, artif_core::address(text).unwrap()))
                    })
                }),
                none(),
            ],
        ),
        ("check_into", [Box::new(|| whole.ask(pinned, Addresses::V4(list))), none()]),
        (
            "check_into, 64 at a time",
            [
                Box::new(|| {
                    let parts = list.chunks(64).map(|list| parts.ask(pinned, Addresses::V4(list)));
                    parts.sum()
                }),
                none(),
            ],
        ),
        ("score and verdict only", [Box::new(|| gates.gate(pinned, Addresses::V4(list))), none()]),
        ("check_into, texts", [Box::new(|| texts.ask(pinned, Addresses::Text(&text))), none()]),
        (
            "check_into, Arrow text",
            [
                Box::new(|| {
                    let addresses = Addresses::Packed { text: bytes.as_bytes(), offsets: &offsets };
                    packed.ask(pinned, addresses)
                }),
                none(),
            ],
        ),
        ("parse text", [Box::new(|| parse(&text)), none()]),
        ("parse text, std", [Box::new(|| parse_std(&text)), none()]),
    ])
}

fn v6(pinned: &Pinned, list: &[u128]) -> Vec<(&'static str, [f64; 2])> {
    let mut batches: [Batch; 2] = std::array::from_fn(|_| Batch::new(QUESTIONS));
    let [whole, texts] = &mut batches;
    let text: Vec<String> = list.iter().map(|ip| ours::v6(*ip).to_string()).collect();
    let text: Vec<&str> = text.iter().map(String::as_str).collect();
    measured(vec![
        (
            "pinned check",
            [
                independent(list, |ip| ours::pinned6(pinned, ip)),
                dependent(list, |ip| ours::pinned6(pinned, ip)),
            ],
        ),
        ("check_into", [Box::new(|| whole.ask(pinned, Addresses::V6(list))), none()]),
        ("check_into, texts", [Box::new(|| texts.ask(pinned, Addresses::Text(&text))), none()]),
        ("parse text", [Box::new(|| parse(&text)), none()]),
        ("parse text, std", [Box::new(|| parse_std(&text)), none()]),
    ])
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

fn show(header: &[&str], columns: &[Vec<(&'static str, [f64; 2])>]) {
    print!("{:26}", "");
    header.iter().for_each(|name| print!("{name:>20}"));
    println!();
    for (at, (name, _)) in columns[0].iter().enumerate() {
        print!("{name:26}");
        for column in columns {
            let [independent, dependent] = column[at].1;
            let dependent =
                if dependent < 0.1 { String::new() } else { format!(" / {dependent:.1}") };
            print!("{:>20}", format!("{independent:.1}{dependent}"));
        }
        println!();
    }
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
    let pinned = reader.pin();
    let list = &list[..list.len().min(count)];
    let text: Vec<String> = list.iter().map(|ip| ours::v4(*ip).to_string()).collect();
    let text: Vec<&str> = text.iter().map(String::as_str).collect();
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
        _ => panic!("no way {way:?}"),
    };
    println!("{sum}");
}
