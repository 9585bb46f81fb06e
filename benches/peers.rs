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

use support::contest::{self, COMMON, PINNED, TUNED};
use support::peers::{Geo, Peers};
use support::{Input, queries};

const ROUNDS: usize = 5;
const QUESTIONS: usize = 200_000;

fn main() {
    let input = Input::load();
    println!(
        "{} distinct IPv4 networks; {QUESTIONS} questions, median of {ROUNDS}",
        input.networks.len()
    );
    let (_engine, reader) = input.engine();
    let pinned = reader.pin();
    let geo = Geo::open(&input);
    let peers = Peers::new(&input, &geo);
    let questions = queries(&input.networks, QUESTIONS);
    contest::agree(&reader, &peers.hashed, &questions);

    println!("\nns a question, independent / dependent");
    print!("{:26}", "");
    for (name, _) in &questions {
        print!("{name:>20}");
    }
    println!();
    let verdicts = questions
        .each_ref()
        .map(|(_, list)| contest::full_verdicts(ROUNDS, list, &peers, &reader, &pinned));
    contest::show(&verdicts);
    let parts = questions.each_ref().map(|(_, list)| contest::parts(ROUNDS, list, &peers, &pinned));
    contest::show(&parts);
    println!("\nhow many times faster {PINNED:?} is than");
    for peer in [COMMON, "HashMap + maxminddb", TUNED] {
        print!("{peer:26}");
        for rows in &verdicts {
            let (theirs, own) = (contest::find(rows, peer), contest::find(rows, PINNED));
            print!("{:>20}", format!("{:.1} / {:.1}", theirs[0] / own[0], theirs[1] / own[1]));
        }
        println!();
    }
}
