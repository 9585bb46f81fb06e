//! A flood of reports about addresses without number. A test binary of its own, because it looks at the
//! memory of the process.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};

use artif_core::{Config, Engine, ReputationEngine};

const KINDS: &str = "[signals.failed_login]\ndanger = 1.2\n[signals.abuse]\ndanger = 4\n\
                     [signals.loyal]\ntrust = 0.8\n";

/// Resident memory of this process in KiB; 0 where that is not known.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn spray(count: u32) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::builder().config(Config::from_toml(KINDS).unwrap()).data(dir.path());
    let engine = engine.build().unwrap();
    let known: Vec<IpAddr> =
        (0..1_000_u32).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0x2901_0000 + n))).collect();
    let (attackers, customers) = known.split_at(500);
    for attacker in attackers {
        engine.signal(*attacker, "abuse").unwrap();
    }
    for customer in customers {
        engine.signal(*customer, "loyal").unwrap();
    }
    let table = engine.status().signals.unwrap().path.unwrap();
    let size = std::fs::metadata(&table).unwrap().len();
    let before = resident();
    let began = std::time::Instant::now();
    for n in 0..count {
        let client = IpAddr::V4(Ipv4Addr::from_bits(0x5000_0000 + n * 5));
        assert!(engine.signal(client, "failed_login").unwrap());
    }
    let took = began.elapsed();
    let grown = resident().saturating_sub(before);
    let left = |list: &[IpAddr]| list.iter().filter(|ip| !engine.signals(**ip).is_empty()).count();
    let status = engine.status().signals.unwrap();
    println!(
        "{count} addresses in {took:.1?}: memory grew by {grown} KiB, the file has {} KiB, {} of {} \
         entries, {} evicted; of 500 attackers {} are known, of 500 customers {}",
        size / 1024,
        status.entries,
        status.capacity,
        status.evicted,
        left(attackers),
        left(customers)
    );
    assert_eq!(std::fs::metadata(&table).unwrap().len(), size);
    assert!(grown < 8 * 1024, "{grown} KiB");
    assert!(status.entries <= status.capacity);
    assert_eq!((left(attackers), left(customers)), (500, 500));
}

#[test]
fn a_spray_of_five_million_addresses_takes_no_memory_and_forgets_nobody_known() {
    spray(5_000_000);
}

#[test]
#[ignore = "takes a minute; run it with --release"]
fn a_spray_of_fifty_million_addresses_takes_no_memory_and_forgets_nobody_known() {
    spray(50_000_000);
}
