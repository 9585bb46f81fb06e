//! An engine on sample feeds: refresh, check, explain. Needs no network and leaves nothing behind.
//!
//! `cargo run --example quickstart`
#![allow(clippy::print_stdout, reason = "an example talks to people")]

use std::error::Error;
use std::path::Path;

use artif_core::{Engine, RefreshOptions, ReputationEngine};

// `tests/examples.rs` calls it, too.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");

    // `.data("/var/lib/artif")` in place of `.in_memory()` keeps what was learned, and lets other
    // processes answer from the same folder. Without `.catalogue(…)` the built-in feeds are used.
    let engine = Engine::builder().in_memory().catalogue(samples.join("catalogue.toml")).build()?;

    let report = engine.refresh(&RefreshOptions::default())?;
    println!("{} networks are listed", report.snapshot.counts.active);

    for ip in ["22.66.6.66", "22.66.7.200", "22.96.1.1", "10.1.2.3", "3ffe:2666::1"] {
        let answer = engine.check(ip.parse()?);
        println!("{ip:<14} {:<16} score {:.1}", answer.verdict().as_str(), answer.score());
    }

    println!("\n{}", engine.explain("22.66.6.66".parse()?).to_text());
    Ok(())
}
