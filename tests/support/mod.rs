//! What integration tests share.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};

/// The folder with real feed data, where it is present: `ARTIF_CORPUS`, else beside the repository.
/// Tests that need it say so and pass without it.
pub(crate) fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("ARTIF_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    if folder.join("feeds.json").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: no real data in {} (set ARTIF_CORPUS)", folder.display());
    None
}
