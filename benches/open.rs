//! Opening a folder, and what answers take of memory.
//!
//! ```text
//! cargo bench --bench open
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use artif_core::config::IndexTier;
use support::{Input, open, queries, queries6};

fn main() {
    let input = Input::load();
    let (_engine, _reader) = input.engine_with(IndexTier::Flat);
    let data = input.data(IndexTier::Flat);
    let opening = open::opening(&input, &data);
    println!("\nmicroseconds, medians");
    println!("{:44}{:>10.1}", "both databases with maxminddb's open_mmap", opening.databases);
    println!("{:44}{:>10.1}", "Reader::open", opening.reader);
    println!("{:44}{:>10.1}", "its first answer", opening.first);

    let (_engine, _reader) = input.engine_with(IndexTier::Compact);
    let questions = queries(&input.networks, 500_000);
    let list: Vec<u32> = questions.iter().flat_map(|(_, list)| list).copied().collect();
    let list6: Vec<u128> =
        queries6(&input.networks6, 100_000).iter().flat_map(|(_, list)| list).copied().collect();
    let size = |bytes: u64| bytes as f64 / 1e6;
    let peers = size(open::of_peers(&input));
    println!("\nmegabytes");
    println!("{:44}{peers:>10.1}", "PrefixMap of IPv4 and both databases");
    for tier in [IndexTier::Flat, IndexTier::Compact] {
        let ours = size(open::resident(&input.data(tier), &list, &list6));
        let name = format!("snapshot, {tier:?}, touched by lookups");
        println!("{name:44}{ours:>10.1}   {:.2} of that", ours / peers);
    }
}
