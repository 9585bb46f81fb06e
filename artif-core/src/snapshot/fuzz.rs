//! Snapshot files from anyone, see [`crate::fuzzing`].
#![allow(clippy::indexing_slicing, reason = "a target says what is wrong by panicking")]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use super::format::reseal;
use super::reader::Snapshot;
use crate::clock::FixedClock;
use crate::columns::{Addresses, AnswerColumns};
use crate::explain::explain;
use crate::pinned::Pinned;
use crate::score;
use crate::view::Answers;

/// A file is refused or answers, both as it is and with checksums that fit what is in it, as if its
/// writer had been mistaken.
pub(crate) fn snapshot(data: &[u8]) {
    ask(data.to_vec());
    let mut sealed = data.to_vec();
    reseal(&mut sealed);
    ask(sealed);
}

fn ask(bytes: Vec<u8>) {
    let Ok(snapshot) = Snapshot::from_bytes(bytes) else { return };
    let _ = snapshot.verify();
    let _ = snapshot.warm();
    let clock = Arc::new(FixedClock::new(chrono::DateTime::UNIX_EPOCH));
    let answers = Arc::new(Answers::new(None, snapshot, clock));
    let pinned = Pinned::new(Arc::clone(&answers));
    let v4: Vec<u32> = (0..64_u32)
        .map(|i| [0x5db8_d822, 0x0808_0808, i << 26, u32::MAX - i, 0xc000_0200][i as usize % 5] ^ i)
        .collect();
    let v6: Vec<u128> = (0..32_u128)
        .map(|i| {
            [0x2001_0470 << 96, 0x2a00_1450 << 96 | i, i << 123, u128::MAX - i][i as usize % 4]
        })
        .collect();
    for addresses in [Addresses::V4(&v4), Addresses::V6(&v6)] {
        let (mut score, mut verdict, mut listed) = ([0.0; 64], [0; 64], [0; 64]);
        let (mut feeds, mut names) = ([0; 64], [0; 64]);
        let mut columns = AnswerColumns::new()
            .score(&mut score)
            .verdict(&mut verdict)
            .listed(&mut listed)
            .feed_set(&mut feeds)
            .organisation(&mut names);
        let _ = black_box(pinned.check_into(addresses, &mut columns));
        for (set, name) in feeds.into_iter().zip(names) {
            black_box(pinned.feed_set(set).map(|feed| feed.name.len()).sum::<usize>());
            black_box(pinned.organisation(name).map(|name| name.chars().count()));
        }
    }
    let ips = v4.iter().map(|ip| IpAddr::from(ip.to_be_bytes()));
    for ip in ips.chain(v6.iter().map(|ip| IpAddr::from(ip.to_be_bytes()))).step_by(5) {
        let answer = pinned.check(ip);
        let _ = black_box(serde_json::to_string(&answer));
        black_box(pinned.gate(ip));
        black_box(explain(answers.check(ip), score::by_name).to_text());
    }
}
