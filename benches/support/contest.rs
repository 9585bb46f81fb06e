//! The lookups of all contestants, side by side.

use artif_core::{Addresses, Pinned, Reader, ReputationEngine};

use super::ours::{self, Batch, v4};
use super::peers::{Hashed, Peers};
use super::{Pass, both, nanoseconds};

/// A contestant's name and its nanoseconds a question, independent and dependent; the second is not
/// a number where there is no such thing.
pub(crate) type Row = (&'static str, [f64; 2]);

pub(crate) const COMMON: &str = "prefix-trie + maxminddb";
pub(crate) const TUNED: &str = "poptrie + cache";
pub(crate) const CHECK: &str = "ours, check";
pub(crate) const PINNED: &str = "ours, pinned check";
pub(crate) const BATCH: &str = "ours, check_into";

/// Rows of a batch, whose columns are used again by the next.
const AT_A_TIME: usize = 1024;

pub(crate) fn find(rows: &[Row], name: &str) -> [f64; 2] {
    rows.iter().find(|row| row.0 == name).unwrap().1
}

/// Turns contestants into rows.
pub(crate) fn run(
    rounds: usize,
    count: usize,
    contestants: Vec<(&'static str, Pass<'_>, Option<Pass<'_>>)>,
) -> Vec<Row> {
    let mut passes: Vec<Pass<'_>> = Vec::new();
    let places: Vec<_> = contestants
        .into_iter()
        .map(|(name, independent, dependent)| {
            passes.push(independent);
            let has = dependent.is_some();
            passes.extend(dependent);
            (name, has)
        })
        .collect();
    let mut times = nanoseconds(rounds, count, &mut passes).into_iter();
    let mut row = |(name, has_dependent)| {
        let independent = times.next().unwrap();
        (name, [independent, if has_dependent { times.next().unwrap() } else { f64::NAN }])
    };
    places.into_iter().map(&mut row).collect()
}

pub(crate) fn pair<'a>(
    name: &'static str,
    [independent, dependent]: [Pass<'a>; 2],
) -> (&'static str, Pass<'a>, Option<Pass<'a>>) {
    (name, independent, Some(dependent))
}

pub(crate) fn alone<'a>(
    name: &'static str,
    pass: impl FnMut() -> u64 + 'a,
) -> (&'static str, Pass<'a>, Option<Pass<'a>>) {
    (name, Box::new(pass), None)
}

pub(crate) fn full_verdicts(
    rounds: usize,
    list: &[u32],
    peers: &Peers<'_>,
    reader: &Reader,
    pinned: &Pinned,
) -> Vec<Row> {
    let mut batch = Batch::new(AT_A_TIME);
    run(
        rounds,
        list.len(),
        vec![
            pair(COMMON, both(list, |ip| peers.common(ip))),
            pair("HashMap + maxminddb", both(list, |ip| peers.hash_map(ip))),
            pair(TUNED, both(list, |ip| peers.tuned(ip))),
            pair(CHECK, both(list, |ip| ours::check(reader, ip))),
            pair(PINNED, both(list, |ip| ours::pinned(pinned, ip))),
            alone(BATCH, || {
                list.chunks(AT_A_TIME).map(|list| batch.ask(pinned, Addresses::V4(list))).sum()
            }),
        ],
    )
}

pub(crate) fn full_verdicts6(
    rounds: usize,
    list: &[u128],
    peers: &Peers<'_>,
    pinned: &Pinned,
) -> Vec<Row> {
    let mut batch = Batch::new(AT_A_TIME);
    run(
        rounds,
        list.len(),
        vec![
            pair(COMMON, both(list, |ip| peers.common6(ip))),
            pair(PINNED, both(list, |ip| ours::pinned6(pinned, ip))),
            alone(BATCH, || {
                list.chunks(AT_A_TIME).map(|list| batch.ask(pinned, Addresses::V6(list))).sum()
            }),
        ],
    )
}

/// Feeds alone, and of ours what is least.
pub(crate) fn parts(rounds: usize, list: &[u32], peers: &Peers<'_>, pinned: &Pinned) -> Vec<Row> {
    run(
        rounds,
        list.len(),
        vec![
            pair("lpm: prefix-trie cover", both(list, |ip| peers.cover(ip))),
            pair("lpm: HashMap + sorted", both(list, |ip| peers.hashed(ip))),
            pair("lpm: poptrie", both(list, |ip| peers.popped(ip))),
            pair("ours, pinned gate", both(list, |ip| ours::gate(pinned, ip))),
        ],
    )
}

/// Prints rows of several kinds of questions beside each other.
pub(crate) fn show(columns: &[Vec<Row>]) {
    for (at, (name, _)) in columns[0].iter().enumerate() {
        print!("{name:26}");
        for column in columns {
            let [independent, dependent] = column[at].1;
            let dependent =
                if dependent.is_nan() { String::new() } else { format!(" / {dependent:.1}") };
            print!("{:>20}", format!("{independent:.1}{dependent}"));
        }
        println!();
    }
}

/// All of them answer the same, or the comparison would be of nothing. Where special-purpose
/// addresses are concerned only ours says "not applicable", whatever a wide network around says.
pub(crate) fn agree(reader: &Reader, hashed: &Hashed, questions: &[(&str, Vec<u32>); 3]) {
    for (_, list) in questions {
        for ip in list.iter().step_by(37) {
            let answer = reader.check(v4(*ip));
            if answer.special_purpose().is_none() {
                let listed = hashed.get(*ip).count_ones();
                assert_eq!(answer.feeds().len() as u32, listed, "{answer:?}");
            }
        }
    }
}
