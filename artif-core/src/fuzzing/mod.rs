//! What the fuzz targets in `artif-core/fuzz` do: one function a target, each of which takes bytes
//! from anyone and must neither panic nor contradict itself. In the ordinary tests the same functions
//! get the seeds, the inputs that once found something, and mutations of both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target says what is wrong by panicking"
)]

mod seeds;

use std::net::IpAddr;

use crate::client::{ClientAddress, ClientHeader, Trust, peer_address};
use crate::feed::{FeedId, Format, Hint, ParseLimits, detect, parse};
use crate::{Config, Prefix};

pub use seeds::seeds;

/// Bytes from anyone to what reads them.
pub type Target = fn(&[u8]);

/// All of them, by the names of their binaries and folders.
pub const TARGETS: &[(&str, Target)] = &[
    ("address", address),
    ("client", client),
    ("config", config),
    ("feed", feed),
    ("detect", detection),
    ("snapshot", crate::snapshot::fuzz::snapshot),
    ("block", crate::ledger::fuzz::block),
    ("checkpoint", crate::ledger::fuzz::checkpoint),
    ("override_log", crate::ledger::fuzz::override_log),
    #[cfg(feature = "misp")]
    ("misp", crate::misp::fuzz::answers),
    #[cfg(feature = "geo")]
    ("mmdb", crate::geo::fuzz::database),
    #[cfg(feature = "fetch")]
    ("unpack", crate::feed::source::fuzz::packed),
];

/// Does what `name` does.
///
/// # Panics
///
/// Where there is no such target, or where it finds something.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a known target");
    target(data);
}

/// Addresses as text are what std takes them for; networks come back as they are written.
fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        assert_eq!(crate::net::parse_address(data), None);
        return;
    };
    assert_eq!(crate::net::parse_address(data), text.parse::<IpAddr>().ok(), "{text:?}");
    let _ = peer_address(text);
    if let Ok(prefix) = text.parse::<Prefix>() {
        assert_eq!(prefix.to_string().parse::<Prefix>().ok(), Some(prefix));
    }
    if let Ok(id) = text.parse::<FeedId>() {
        assert_eq!(id.as_str(), text);
    }
}

/// Whoever sends the request, it comes from the peer unless the peer is trusted; and what untrusted
/// parties write to the left of the trusted part changes nothing.
fn client(data: &[u8]) {
    let [first, data @ ..] = data else { return };
    let headers = [
        ClientHeader::XForwardedFor,
        ClientHeader::Forwarded,
        ClientHeader::XRealIp,
        ClientHeader::CfConnectingIp,
    ];
    let header = headers[usize::from(first & 3)];
    let peer: IpAddr = "10.0.0.7".parse().unwrap();
    let values: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let find = |trust: Trust, peer: Option<IpAddr>| {
        ClientAddress::new(trust, header).unwrap().find(peer, values.iter().copied())
    };
    assert_eq!(find(Trust::Nobody, Some(peer)), Some(peer));
    let networks = || Trust::networks(["10.0.0.0/8"]).unwrap();
    let stranger = "203.0.113.9".parse().ok();
    assert_eq!(find(networks(), stranger), stranger, "an untrusted peer is the client");
    let found = find(networks(), Some(peer));
    assert!(found.is_none_or(|ip| !ip.is_unspecified()));
    for hops in 1..4 {
        // More than one proxy has no place in headers of one address.
        if let Ok(finder) = ClientAddress::new(Trust::Hops(hops), header) {
            let _ = finder.find(Some(peer), values.iter().copied());
        }
    }
    let lists = [ClientHeader::XForwardedFor, ClientHeader::Forwarded];
    if let Some(outside) = found.filter(|ip| lists.contains(&header) && !ten(*ip)) {
        let lie: &[u8] =
            if header == ClientHeader::Forwarded { b"for=1.1.1.1" } else { b"1.1.1.1" };
        let with_lie = std::iter::once(lie).chain(values.iter().copied());
        let with_lie: Vec<_> = with_lie.collect();
        let finder = ClientAddress::new(networks(), header).unwrap();
        assert_eq!(finder.find(Some(peer), with_lie), Some(outside));
    }
}

fn ten(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10)
}

/// Configuration as TOML and JSON.
fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for config in [Config::from_toml(text), Config::from_json(text)] {
        match config {
            Ok(config) => {
                let _ = config.validate();
                let _ = format!("{config:?}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn limits(keep: bool) -> ParseLimits {
    ParseLimits {
        max_line: 4096,
        max_entries: 100_000,
        keep_special_purpose: keep,
        keep_too_wide: keep,
        ..ParseLimits::default()
    }
}

/// A feed of each format, and what its numbers say about each other.
fn feed(data: &[u8]) {
    const FORMATS: &[&str] = &[
        r#"{"type":"plain"}"#,
        r#"{"type":"freetext"}"#,
        r#"{"type":"firehol"}"#,
        r#"{"type":"csv","value_col":2}"#,
        r#"{"type":"csv","start_col":0,"end_col":1,"header":true,"quote":"\""}"#,
        r#"{"type":"tsv","value_col":1}"#,
        r#"{"type":"sep","sep":"|","value_col":1,"value_kind":"ip:port"}"#,
        r#"{"type":"json","path":"$[*].ip"}"#,
        r#"{"type":"ndjson","path":"cidr"}"#,
        r#"{"type":"regex","pattern":"^host (IP)"}"#,
        r#"{"type":"url-list"}"#,
        r#"{"type":"misp-event"}"#,
        r#"{"type":"misp-warninglist"}"#,
    ];
    let [first, data @ ..] = data else { return };
    let place = usize::from(*first) % (2 * FORMATS.len());
    let Ok(format) = serde_json::from_str::<Format>(FORMATS[place % FORMATS.len()]) else {
        panic!("{} is no format", FORMATS[place % FORMATS.len()]);
    };
    let id: FeedId = "fuzzed".parse().unwrap();
    let limits = limits(place >= FORMATS.len());
    let Ok(parsed) = parse(&id, &format, &limits, &mut &data[..]) else { return };
    let again = parse(&id, &format, &limits, &mut std::io::BufReader::with_capacity(7, data));
    assert_eq!(Some(&parsed), again.as_ref().ok(), "pieces make no difference");
    let listed: Vec<Prefix> = parsed.prefixes.iter().collect();
    assert!(listed.len() <= limits.max_entries);
    assert!(listed.windows(2).all(|pair| pair[0] != pair[1]), "no network twice");
    assert!(parsed.asns.is_sorted_by(|a, b| a < b));
    assert!(parsed.report.samples.len() <= limits.samples);
}

/// What a document looks like; what is proposed can be read.
fn detection(data: &[u8]) {
    let detected = detect(data, &Hint::default().limits(limits(false)));
    let _ = format!("{detected:?}");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::path::Path;

    use super::*;

    /// Mutations of each input in the ordinary tests.
    const MUTATIONS: usize = 200;

    fn regressions(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target);
        let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    /// A small generator (`SplitMix64`): the same mutations each time.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
        }

        fn mutate(&mut self, input: &mut Vec<u8>) {
            for _ in 0..=self.below(4) {
                let at = self.below(input.len() + 1);
                match self.below(6) {
                    0 => input.truncate(at),
                    1 => input.insert(at, self.below(256) as u8),
                    2 if at < input.len() => input[at] ^= 1 << self.below(8),
                    3 if at < input.len() => input[at] = [0, 0xff, b'"', b'\n'][self.below(4)],
                    4 => {
                        let piece =
                            input[at..].iter().copied().take(self.below(64)).collect::<Vec<_>>();
                        let to = self.below(input.len() + 1);
                        input.splice(to..to, piece);
                    }
                    _ => drop(input.drain(at..(at + self.below(16)).min(input.len()))),
                }
            }
        }
    }

    #[test]
    fn seeds_regressions_and_mutations_of_them() {
        for (name, target) in TARGETS {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "no seeds for {name}");
            let mut random = Random(7);
            for seed in seeds.iter().chain(&regressions(name)) {
                target(seed);
                for _ in 0..MUTATIONS {
                    let mut input = seed.clone();
                    random.mutate(&mut input);
                    if let Err(panic) = catch_unwind(|| target(&input)) {
                        let shown = input.escape_ascii().to_string();
                        eprintln!("{name}: {}", shown.get(..4000).unwrap_or(&shown));
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}
