//! Every goal and what was reached, in one table.
//!
//! ```text
//! cargo bench --bench goals
//! ```
//!
//! Ratios are of medians of one run, of the processor time of threads. The other benches show what
//! they are made of.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use artif_core::config::IndexTier;
use support::contest::{self, BATCH, COMMON, PINNED, Row, TUNED, find};
use support::peers::{Geo, Peers};
use support::{Input, ingest, open, ours, queries, queries6, threads};

const ROUNDS: usize = 5;
const QUESTIONS: usize = 200_000;

/// Prints a line; the goals are lower bounds, or where `at_most`, upper ones.
fn line(what: &str, goals: &[f64], reached: &[f64], at_most: bool) {
    let list = |values: &[f64]| {
        let values: Vec<String> = values
            .iter()
            .map(|value| if *value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") })
            .collect();
        values.join(" / ")
    };
    let good = |(goal, value): (&f64, &f64)| if at_most { value <= goal } else { value >= goal };
    let verdict: Vec<&str> =
        goals.iter().zip(reached).map(|pair| if good(pair) { "yes" } else { "no" }).collect();
    let sign = if at_most { "<=" } else { ">=" };
    let goals =
        if goals.is_empty() { "none".to_owned() } else { format!("{sign} {}", list(goals)) };
    println!("{what:58}{goals:>24}{:>26}  {}", list(reached), verdict.join(" / "));
}

fn ratios(tables: &[Vec<Row>], peer: &str, ours: &str, which: [usize; 2]) -> Vec<f64> {
    let ratio = |rows: &Vec<Row>| find(rows, peer)[which[0]] / find(rows, ours)[which[1]];
    tables.iter().map(ratio).collect()
}

fn main() {
    let input = Input::load();
    let (_engine, reader) = input.engine_with(IndexTier::Flat);
    let pinned = reader.pin();
    let geo = Geo::open(&input);
    let peers = Peers::new(&input, &geo);
    let questions = queries(&input.networks, QUESTIONS);
    contest::agree(&reader, &peers.hashed, &questions);
    println!("{:58}{:>24}{:>26}", "", "goal", "reached");

    let tables = questions
        .each_ref()
        .map(|(_, list)| contest::full_verdicts(ROUNDS, list, &peers, &reader, &pinned));
    let [alone, both] = [[0, 0], [1, 1]];
    let name = |rest: &str| format!("times {rest}");
    line(
        &name("prefix-trie + maxminddb, one verdict; uniform/hits/web"),
        &[28.0, 30.0, 50.0],
        &ratios(&tables, COMMON, PINNED, alone),
        false,
    );
    line(
        &name("poptrie + cache, one verdict"),
        &[15.0, 20.0, 24.0],
        &ratios(&tables, TUNED, PINNED, alone),
        false,
    );
    line(
        &name("prefix-trie + maxminddb, batch"),
        &[65.0, 75.0, 100.0],
        &ratios(&tables, COMMON, BATCH, alone),
        false,
    );
    line(
        &name("prefix-trie + maxminddb, each waiting for the last"),
        &[6.0, 5.0, 14.0],
        &ratios(&tables, COMMON, PINNED, both),
        false,
    );

    let hits6 = queries6(&input.networks6, QUESTIONS)[0].1.clone();
    let announced = support::addresses_in(&geo.announced6(), QUESTIONS);
    let tables =
        [hits6, announced].map(|list| contest::full_verdicts6(ROUNDS, &list, &peers, &pinned));
    line(
        &name("prefix-trie + maxminddb, IPv6; hits/announced"),
        &[15.0, 14.0],
        &ratios(&tables, COMMON, PINNED, alone),
        false,
    );
    line(&name("the same in a batch"), &[], &ratios(&tables, COMMON, BATCH, alone), false);

    let done = ingest::refreshes(&input);
    let share = |cost: ingest::Cost| cost.cpu / done.peers.cpu;
    line(
        "refresh, of read + ipnet + PrefixMap; new/unchanged",
        &[1.0, 0.1],
        &[share(done.first.1), share(done.unchanged.1)],
        true,
    );
    line(
        "one list of all changed, of a first refresh",
        &[],
        &[done.one_changed.1.cpu / done.first.1.cpu],
        true,
    );
    let parsing = ingest::parsing(&input, 5);
    line("parsing, times std + ipnet", &[3.0], &[parsing.ours / parsing.plainly], false);

    let web = &questions[2].1;
    let [one, two] = threads::alone_and_together(web, |ip| ours::pinned(&pinned, ip), 7);
    line("two threads, times one", &[1.9], &[2.0 * one / two], false);
    let list = &questions[0].1[..20_000];
    let swapped = threads::swapped(&input, list, 5);
    line(
        "publishing under load: slowest lookup (us) / wrong answers",
        &[10.0, 0.0],
        &[swapped.slowest, swapped.wrong as f64],
        true,
    );
    println!(
        "{:58}{:>50.1}",
        "    slowest while nothing is published", swapped.slowest_undisturbed
    );

    let (_compact, _) = input.engine_with(IndexTier::Compact);
    let list: Vec<u32> = questions.iter().flat_map(|(_, list)| list).copied().collect();
    let list6 = queries6(&input.networks6, QUESTIONS)[1].1.clone();
    let [flat, compact] = [IndexTier::Flat, IndexTier::Compact]
        .map(|tier| open::resident(&input.data(tier), &list, &list6) as f64);
    line(
        "memory: flat (MB) / compact, of PrefixMap + databases",
        &[45.0, 0.35],
        &[flat / 1e6, compact / open::of_peers(&input) as f64],
        true,
    );
    let opening = open::opening(&input, &input.data(IndexTier::Flat));
    line("open, of two maxminddb open_mmap", &[1.0], &[opening.reader / opening.databases], true);
}
