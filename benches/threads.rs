//! Two threads, and lookups while the snapshot is exchanged.
//!
//! ```text
//! cargo bench --bench threads
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use artif_core::config::IndexTier;
use support::{Input, ours, queries, threads};

fn main() {
    let input = Input::load();
    let (_engine, reader) = input.engine_with(IndexTier::Flat);
    println!(
        "\nns of processor time a lookup in one thread, and in each of two; times one thread's rate"
    );
    let pinned = reader.pin();
    for (kind, list) in &queries(&input.networks, 200_000) {
        let rows = [
            ("check", threads::alone_and_together(list, |ip| ours::check(&reader, ip), 7)),
            ("pinned check", threads::alone_and_together(list, |ip| ours::pinned(&pinned, ip), 7)),
            ("pinned gate", threads::alone_and_together(list, |ip| ours::gate(&pinned, ip), 7)),
        ];
        for (name, [alone, together]) in rows {
            let name = format!("{name}, {kind}");
            println!("{name:26}{alone:>10.1}{together:>10.1}{:>10.2}", 2.0 * alone / together);
        }
    }
    let [(_, list), ..] = queries(&input.networks, 20_000);
    let swapped = threads::swapped(&input, &list, 10);
    println!(
        "\n{} lookups while {} snapshots were published: slowest {:.1} us ({:.1} us undisturbed), {} wrong",
        swapped.lookups,
        swapped.snapshots,
        swapped.slowest,
        swapped.slowest_undisturbed,
        swapped.wrong
    );
}
