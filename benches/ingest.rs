//! Reading feeds, and refreshes.
//!
//! ```text
//! cargo bench --bench ingest
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use support::{Input, ingest};

fn main() {
    let input = Input::load();
    let parsing = ingest::parsing(&input, 5);
    println!("\nMB/s of one core, {:.1} MB of plain lists", parsing.bytes as f64 / 1e6);
    println!("{:44}{:>10.0}", "std and ipnet", parsing.plainly);
    println!("{:44}{:>10.0}   {:.1} times", "ours", parsing.ours, parsing.ours / parsing.plainly);

    let done = ingest::refreshes(&input);
    println!(
        "\nms                                          processor      wall   of peers' processor time"
    );
    let row = |name: &str, cost: ingest::Cost| {
        println!(
            "{name:44}{:>9.0}{:>10.0}{:>10.2}",
            cost.cpu,
            cost.wall,
            cost.cpu / done.peers.cpu
        );
    };
    row("read with ipnet into a PrefixMap (no geo)", done.peers);
    for (name, (report, cost)) in [
        ("first refresh, everything new", &done.first),
        ("nothing changed", &done.unchanged),
        ("the largest list changed", &done.one_changed),
        ("a small list changed", &done.one_small),
    ] {
        row(name, *cost);
        println!("    {:?}", report.timings);
    }
}
