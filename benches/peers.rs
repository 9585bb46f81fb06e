//! A full verdict (who lists it, ASN, organisation, country, score), ours beside what one would
//! write with other crates, in one process and one run.
//!
//! ```text
//! cargo bench --bench peers
//! ```
//!
//! * *prefix-trie + maxminddb*: `PrefixMap::cover` over all feeds, both databases decoded.
//! * *`HashMap` + maxminddb*: std `HashMap` of addresses, sorted CIDRs, both databases decoded.
//! * *poptrie + cache*: feeds inherited into a poptrie, each database record decoded beforehand and
//!   found by its offset: the best one can do without merging.
//! * *ours*: verdict, score, ASN, country, organisation and feeds read from the answer of
//!   `Reader::check` or `Pinned::check`; `check_into` writes them to columns, organisation and feeds
//!   as numbers that `Pinned` decodes.
//!
//! "dependent" makes each question wait for the answer before. `lpm` rows look up feeds only.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use artif_core::{Addresses, Reader, ReputationEngine};
use support::ours::{self, Batch, v4};
use support::peers::{Geo, Hashed, Peers};
use support::{Input, Pass, both, nanoseconds, queries};

const ROUNDS: usize = 5;
const QUESTIONS: usize = 200_000;
/// The row that others are compared with.
const OURS: usize = 4;

fn main() {
    let input = Input::load();
    println!(
        "{} distinct IPv4 networks; {QUESTIONS} questions, median of {ROUNDS}",
        input.networks.len()
    );
    let (_engine, reader) = input.engine();
    let pinned = reader.pin();
    let geo = Geo::open(&input);
    let peers = &Peers::new(&input, &geo);
    let questions = queries(&input.networks, QUESTIONS);
    agree(&reader, &peers.hashed, &questions);

    println!("\nns a question, independent / dependent");
    println!("{:26}{:>17}{:>25}{:>25}", "", "uniform", "hits", "web");
    let mut rows: Vec<(&str, Vec<[f64; 2]>)> = Vec::new();
    for (_, list) in &questions {
        let mut batch = Batch::new(QUESTIONS);
        let contestants: Vec<(&str, [Pass<'_>; 2])> = vec![
            ("prefix-trie + maxminddb", both(list, |ip| peers.common(ip))),
            ("HashMap + maxminddb", both(list, |ip| peers.hash_map(ip))),
            ("poptrie + cache", both(list, |ip| peers.tuned(ip))),
            ("ours, check", both(list, |ip| ours::check(&reader, ip))),
            ("ours, pinned", both(list, |ip| ours::pinned(&pinned, ip))),
            ("ours, pinned gate", both(list, |ip| ours::gate(&pinned, ip))),
            (
                "ours, check_into",
                [Box::new(|| batch.ask(&pinned, Addresses::V4(list))), Box::new(|| 0)],
            ),
            ("lpm: prefix-trie cover", both(list, |ip| peers.cover(ip))),
            ("lpm: HashMap + sorted", both(list, |ip| peers.hashed(ip))),
            ("lpm: poptrie", both(list, |ip| peers.popped(ip))),
        ];
        let (names, passes): (Vec<_>, Vec<_>) = contestants.into_iter().unzip();
        let mut passes: Vec<Pass<'_>> = passes.into_iter().flatten().collect();
        let times = nanoseconds(ROUNDS, list.len(), &mut passes);
        rows.resize_with(names.len(), || ("", Vec::new()));
        for ((row, name), times) in rows.iter_mut().zip(names).zip(times.chunks(2)) {
            row.0 = name;
            row.1.push([times[0], times[1]]);
        }
    }
    for (name, row) in &rows {
        print!("{name:26}");
        for [independent, dependent] in row {
            let dependent =
                if *dependent < 0.1 { "-".to_owned() } else { format!("{dependent:.1}") };
            print!("{independent:>14.1} / {dependent:<8}");
        }
        println!();
    }
    println!("\nours, pinned, is times faster than");
    for (name, row) in rows.iter().take(OURS) {
        print!("{name:26}");
        for (theirs, own) in row.iter().zip(&rows[OURS].1) {
            print!("{:>13.1}x / {:<7}", theirs[0] / own[0], format!("{:.1}x", theirs[1] / own[1]));
        }
        println!();
    }
}

/// All of them answer the same, or the comparison would be of nothing. Where special-purpose
/// addresses are concerned only ours says "not applicable", whatever a wide network around says.
fn agree(reader: &Reader, hashed: &Hashed, questions: &[(&str, Vec<u32>); 3]) {
    for (_, list) in questions {
        for ip in list.iter().step_by(37) {
            let answer = reader.check(v4(*ip));
            if answer.special_purpose().is_none() {
                assert_eq!(
                    answer.feeds().count() as u32,
                    hashed.get(*ip).count_ones(),
                    "{answer:?}"
                );
            }
        }
    }
}
