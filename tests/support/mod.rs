//! What several test files share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[cfg(feature = "fetch")]
pub(crate) mod http_server;
#[cfg(feature = "misp")]
pub(crate) mod misp_server;
#[cfg(feature = "misp")]
pub(crate) mod misp_world;

#[cfg(feature = "misp")]
pub(crate) mod proxy;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artif_core::{Engine, FixedClock, Prefix, RefreshOptions, RefreshReport};
use chrono::{DateTime, Utc};

/// The folder of real feeds, where there is one.
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let path = std::env::var_os("ARTIF_CORPUS").map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path.canonicalize().unwrap());
    }
    eprintln!("skipped: no corpus at {} (set ARTIF_CORPUS)", path.display());
    None
}

/// Says why a test proves nothing here.
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn clock(text: &str) -> Arc<FixedClock> {
    Arc::new(FixedClock::new(time(text)))
}

/// Writes a text list and a catalogue of it in the seed's shape; returns the catalogue's path.
pub(crate) fn catalogue(dir: &Path, feeds: &[(&str, &str)]) -> PathBuf {
    let entries: Vec<_> = feeds
        .iter()
        .map(|(name, content)| {
            std::fs::write(dir.join(format!("{name}.txt")), content).unwrap();
            serde_json::json!({
                "name": name, "provider": name, "source_format": "freetext", "type": ["attack"],
                "threat_level_id": 2, "enabled": true, "path": format!("{name}.txt"),
            })
        })
        .collect();
    let path = dir.join("feeds.json");
    std::fs::write(&path, serde_json::json!({ "feeds": entries }).to_string()).unwrap();
    path
}

pub(crate) fn refresh(engine: &Engine) -> RefreshReport {
    engine.refresh(&RefreshOptions::default()).unwrap()
}

/// An engine in memory with two small feeds, `a.txt` and `b.txt` in the folder, and the sample
/// databases.
#[cfg(feature = "geo")]
pub(crate) fn sample_engine(tier: &str) -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().unwrap();
    sample_feeds(dir.path());
    let engine = sample_builder(dir.path(), tier).in_memory().build().unwrap();
    refresh(&engine);
    (dir, engine)
}

pub(crate) fn sample_feeds(dir: &Path) {
    let networks = "93.184.216.0/24\n93.184.216.34\n8.8.0.0/16\n2001:470::/32\n2a00:1450::5\n";
    std::fs::write(dir.join("a.txt"), networks).unwrap();
    std::fs::write(dir.join("b.txt"), "93.184.216.34\n").unwrap();
}

/// An engine for the feeds that [`sample_feeds`] wrote.
#[cfg(feature = "geo")]
pub(crate) fn sample_builder(dir: &Path, tier: &str) -> artif_core::EngineBuilder {
    sample_builder_with(dir, tier, "")
}

/// The same with more in its configuration.
#[cfg(feature = "geo")]
pub(crate) fn sample_builder_with(dir: &Path, tier: &str, more: &str) -> artif_core::EngineBuilder {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    let config = format!(
        "[snapshot]\nindex = '{tier}'\n\
         [geo]\nasn = '{samples}/sample-asn.mmdb'\ncountry = '{samples}/sample-country.mmdb'\n{more}"
    );
    let mut builder = Engine::builder().config(artif_core::Config::from_toml(&config).unwrap());
    for name in ["a", "b"] {
        let url = format!("file:{}", dir.join(name).with_extension("txt").display());
        builder = builder.feed(artif_core::Feed::new(name, &url).unwrap());
    }
    builder
}

/// `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014), with a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// The networks in a file by the plainest possible reading: words, URLs cut to their host.
pub(crate) fn naive_networks(path: &Path) -> BTreeSet<Prefix> {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let mut found = BTreeSet::new();
    for word in text.split_whitespace() {
        let word = match word.split_once("://") {
            Some((_, rest)) => rest.split(['/', ':', '?']).next().unwrap(),
            None => word,
        };
        if let Ok(prefix) = word.parse::<Prefix>() {
            found.insert(prefix);
        }
    }
    found
}

/// What feeds may not list: special-purpose networks, and networks of too few bits.
pub(crate) fn is_acceptable(prefix: Prefix) -> bool {
    let floor = if matches!(prefix, Prefix::V4(_)) { 8 } else { 19 };
    prefix.special_purpose().is_none() && prefix.len() >= floor
}
