//! A list of one's own beside other feeds: how it is written, what it means, and what becomes of
//! an address that leaves it. Needs no network and leaves nothing behind.
//!
//! `cargo run --example custom_feed`
#![allow(clippy::print_stdout, reason = "an example talks to people")]

use std::error::Error;
use std::sync::Arc;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{
    Category, Clock, Engine, Feed, FixedClock, Format, RefreshOptions, ReputationEngine,
    ThreatLevel,
};

// `tests/examples.rs` calls it, too.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("honeypot.csv");
    std::fs::write(&list, "seen;address;hits\n1;22.10.1.1;9\n1;22.10.1.2;40\n1;22.10.2.0/24;7\n")?;

    // Formats have the same keys here, in catalogues and in artif.toml.
    let format: Format =
        serde_json::from_str(r#"{"type": "sep", "sep": ";", "value_col": 2, "header": true}"#)?;
    let feed = Feed::new("honeypot", &format!("file:{}", list.display()))?
        .name("Our honeypot")
        .publisher("ourselves")
        .format(format)
        .categories([Category::Attack])
        .threat_level(ThreatLevel::HIGH);

    // A clock of one's own, to see in a moment what takes days.
    let clock = Arc::new(FixedClock::new("2026-08-01T00:00:00Z".parse()?));
    let engine = Engine::builder().in_memory().feed(feed).clock(clock.clone()).build()?;
    let show = |when: &str| {
        for ip in ["22.10.1.1", "22.10.1.2", "22.10.2.77"] {
            println!("{when}: {ip:<11} {}", engine.check(ip.parse()?).verdict());
        }
        Ok::<_, Box<dyn Error>>(())
    };

    engine.refresh(&RefreshOptions::default())?;
    show("day 1")?;

    // The first address is gone from the list: it stays suspicious for `history.window`.
    clock.set("2026-08-02T00:00:00Z".parse()?);
    std::fs::write(&list, "seen;address;hits\n2;22.10.1.2;41\n2;22.10.2.0/24;7\n")?;
    engine.refresh(&RefreshOptions::default())?;
    show("day 2")?;

    // An operator's word beats every feed.
    engine.add_override(
        Override::new("22.10.2.77".parse()?, OverrideAction::Allow, clock.now())
            .reason("our own scanner")
            .author("ana"),
    )?;
    show("later")?;
    Ok(())
}
