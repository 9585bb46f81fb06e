//! Every way to ask gives the same answer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::float_cmp, reason = "tests")]

use std::net::{IpAddr, Ipv6Addr};

use artif_core::ledger::{Override, OverrideAction};
use artif_core::{
    Addresses, AnswerColumns, Config, Engine, Feed, Gate, Pinned, RefreshOptions, Reputation,
    ReputationEngine, Verdict,
};

const LISTED: &str = "93.184.216.0/24\n93.184.216.34\n8.8.0.0/16\n2001:470::/32\n2a00:1450::5\n";
const ASKED: [&str; 15] = [
    "93.184.216.34",
    "93.184.216.35",
    "93.184.217.0",
    "8.8.8.8",
    "10.0.0.1",
    "::ffff:93.184.216.34",
    "2002:5db8:d822::1",
    "64:ff9b::808:808",
    "2001:470::1",
    "2a00:1450::5",
    "2a00:1450::6",
    "::1",
    "0.0.0.0",
    "255.255.255.255",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

fn engine(tier: &str) -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), LISTED).unwrap();
    std::fs::write(dir.path().join("b.txt"), "93.184.216.34\n").unwrap();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data");
    let config = format!(
        "[snapshot]\nindex = '{tier}'\n\
         [geo]\nasn = '{samples}/sample-asn.mmdb'\ncountry = '{samples}/sample-country.mmdb'"
    );
    let mut builder = Engine::builder().config(Config::from_toml(&config).unwrap()).in_memory();
    for name in ["a", "b"] {
        let url = format!("file:{}", dir.path().join(name).with_extension("txt").display());
        builder = builder.feed(Feed::new(name, &url).unwrap());
    }
    let engine = builder.build().unwrap();
    engine.refresh(&RefreshOptions::default()).unwrap();
    (dir, engine)
}

/// One row of every column.
#[derive(Debug, Default, Clone, PartialEq)]
struct Table {
    score: Vec<f64>,
    verdict: Vec<u8>,
    state: Vec<u8>,
    asn: Vec<u32>,
    country: Vec<[u8; 2]>,
    organisation: Vec<u32>,
    listed: Vec<u16>,
    feed_set: Vec<u32>,
    label_set: Vec<u32>,
    categories: Vec<u32>,
}

impl Table {
    fn new(rows: usize) -> Self {
        // Whatever stood there before is overwritten.
        Self {
            score: vec![-1.0; rows],
            verdict: vec![77; rows],
            state: vec![77; rows],
            asn: vec![77; rows],
            country: vec![*b"??"; rows],
            organisation: vec![77; rows],
            listed: vec![77; rows],
            feed_set: vec![77; rows],
            label_set: vec![77; rows],
            categories: vec![77; rows],
        }
    }

    fn columns(&mut self) -> AnswerColumns<'_> {
        AnswerColumns::new()
            .score(&mut self.score)
            .verdict(&mut self.verdict)
            .state(&mut self.state)
            .asn(&mut self.asn)
            .country(&mut self.country)
            .organisation(&mut self.organisation)
            .listed(&mut self.listed)
            .feed_set(&mut self.feed_set)
            .label_set(&mut self.label_set)
            .categories(&mut self.categories)
    }

    fn asked(pinned: &Pinned, addresses: Addresses<'_>, bad: usize) -> Self {
        let mut table = Self::new(addresses.len());
        assert_eq!(pinned.check_into(addresses, &mut table.columns()).unwrap(), bad);
        table
    }

    /// Compares a row with a single answer.
    fn agrees(&self, row: usize, answer: &Reputation, pinned: &Pinned) {
        let ip = answer.ip();
        assert_eq!(self.score[row], answer.score(), "{ip}");
        assert_eq!(Verdict::from_u8(self.verdict[row]), Some(answer.verdict()), "{ip}");
        assert_eq!(self.state[row], answer.state() as u8, "{ip}");
        assert_eq!(self.asn[row], answer.asn().unwrap_or(0), "{ip}");
        let country =
            answer.country().map_or([0; 2], |c| c.as_str().as_bytes().try_into().unwrap());
        assert_eq!(self.country[row], country, "{ip}");
        assert_eq!(pinned.organisation(self.organisation[row]), answer.organisation(), "{ip}");
        assert!(pinned.feed_set(self.feed_set[row]).eq(answer.feeds()), "{ip}");
        let labels = answer.labels().chain(answer.warninglists()).count();
        assert_eq!(pinned.feed_set(self.label_set[row]).count(), labels, "{ip}");
        assert_eq!(usize::from(self.listed[row]), answer.feeds().count(), "{ip}");
        assert_eq!(self.categories[row], answer.categories().bits(), "{ip}");
    }
}

fn override_of(network: &str, action: OverrideAction) -> Override {
    Override::new(network.parse().unwrap(), action, chrono::Utc::now())
}

#[test]
fn single_pinned_and_columns_agree_in_both_tiers() {
    for tier in ["flat", "compact"] {
        let (_dir, engine) = engine(tier);
        engine.add_override(override_of("8.8.8.8", OverrideAction::Allow)).unwrap();
        engine.add_override(override_of("2001:470::/64", OverrideAction::Block)).unwrap();
        let pinned = engine.pin();
        let ips: Vec<IpAddr> = ASKED.iter().map(|text| text.parse().unwrap()).collect();
        let numbers: Vec<u128> = ips
            .iter()
            .map(|ip| match ip {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
                IpAddr::V6(v6) => v6.to_bits(),
            })
            .collect();
        let bytes: Vec<[u8; 16]> = numbers.iter().map(|bits| bits.to_be_bytes()).collect();
        let table = Table::asked(&pinned, Addresses::Ip(&ips), 0);
        assert_eq!(Table::asked(&pinned, Addresses::Text(&ASKED), 0), table);
        assert_eq!(Table::asked(&pinned, Addresses::V6(&numbers), 0), table);
        assert_eq!(Table::asked(&pinned, Addresses::V6Bytes(&bytes), 0), table);
        let packed = ASKED.concat();
        let mut offsets = vec![0_i32];
        offsets.extend(ASKED.iter().scan(0, |end, text| {
            *end += i32::try_from(text.len()).unwrap();
            Some(*end)
        }));
        let large: Vec<i64> = offsets.iter().map(|offset| i64::from(*offset)).collect();
        let text = packed.as_bytes();
        let packed = Addresses::Packed { text, offsets: &offsets };
        assert_eq!(Table::asked(&pinned, packed, 0), table);
        let packed = Addresses::LargePacked { text, offsets: &large };
        assert_eq!(Table::asked(&pinned, packed, 0), table);
        for (row, (ip, many)) in ips.iter().zip(engine.check_many(&ips)).enumerate() {
            let answer = engine.check(*ip);
            table.agrees(row, &answer, &pinned);
            let json = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::to_string(&pinned.check(*ip)).unwrap(), json);
            assert_eq!(serde_json::to_string(&many).unwrap(), json);
            for gate in [engine.gate(*ip), pinned.gate(*ip), Gate::of(&answer)] {
                assert_eq!(gate, Gate::new(answer.score(), answer.verdict(), answer.state()));
            }
        }
        assert_eq!(engine.gate(ips[3]).verdict(), Verdict::Allowed);
        assert_eq!(engine.gate(ips[8]).verdict(), Verdict::Blocked);
    }
}

#[test]
fn every_number_of_addresses_in_every_mixture() {
    let (_dir, engine) = engine("flat");
    let pinned = engine.pin();
    let ips: Vec<IpAddr> = (0..200)
        .map(|i: u32| match i % 7 {
            0 | 3 => IpAddr::from(Ipv6Addr::from_bits(0x2001_0470 << 96 | u128::from(i))),
            _ => (0x5db8_d700 + i * 3).to_be_bytes().into(),
        })
        .collect();
    for count in (0..140).chain([200]) {
        let part = &ips[..count];
        let table = Table::asked(&pinned, Addresses::Ip(part), 0);
        for (row, ip) in part.iter().enumerate() {
            table.agrees(row, &engine.check(*ip), &pinned);
        }
    }
}

#[test]
fn what_is_no_address_is_marked_and_counted() {
    let (_dir, engine) = engine("flat");
    let pinned = engine.pin();
    let texts = ["93.184.216.34", "", "1.2.3", "2001:470::1", "fe80::1%eth0"];
    let table = Table::asked(&pinned, Addresses::Text(&texts), 3);
    for row in [1, 2, 4] {
        assert!(table.score[row].is_nan());
        assert_eq!(table.verdict[row], AnswerColumns::NO_ADDRESS);
        assert_eq!((table.state[row], table.asn[row], table.country[row]), (0, 0, [0, 0]));
        assert_eq!((table.listed[row], table.feed_set[row]), (0, 0));
    }
    assert_eq!(table.verdict[0], Verdict::Dangerous as u8);
    assert_eq!(table.listed[0], 2);
    // Offsets from anywhere: out of order, negative, behind the end.
    let offsets = [0, 13, 5, -1, 13, 99];
    let packed = Addresses::Packed { text: b"93.184.216.34", offsets: &offsets };
    let table = Table::asked(&pinned, packed, 4);
    assert_eq!(table.verdict[0], Verdict::Dangerous as u8);
    assert!(table.verdict[1..].iter().all(|verdict| *verdict == AnswerColumns::NO_ADDRESS));
}

#[test]
fn columns_of_another_length_are_refused_untouched() {
    let (_dir, engine) = engine("flat");
    let (mut scores, mut verdicts) = ([1.5; 3], [9; 2]);
    let mut columns = AnswerColumns::new().score(&mut scores).verdict(&mut verdicts);
    let error = engine.check_into(Addresses::V4(&[1, 2, 3]), &mut columns).unwrap_err();
    assert_eq!(error.to_string(), "bad column: it has 2 places for 3 addresses");
    assert_eq!((scores, verdicts), ([1.5; 3], [9; 2]));
}

#[test]
fn engines_of_other_makers_answer_into_columns_too() {
    struct Other(Engine);
    impl ReputationEngine for Other {
        fn check(&self, ip: IpAddr) -> Reputation {
            self.0.check(ip)
        }
        fn explain(&self, ip: IpAddr) -> artif_core::Explanation {
            self.0.explain(ip)
        }
        fn history(&self, ip: IpAddr) -> Vec<artif_core::Evidence> {
            self.0.history(ip)
        }
        fn check_at(
            &self,
            ip: IpAddr,
            at: chrono::DateTime<chrono::Utc>,
        ) -> artif_core::PastReputation {
            self.0.check_at(ip, at)
        }
        fn status(&self) -> artif_core::Status {
            self.0.status()
        }
    }
    let (_dir, engine) = engine("flat");
    let pinned = engine.pin();
    let mut texts: Vec<&str> = ASKED.repeat(9);
    texts[70] = "no address";
    let ours = Table::asked(&pinned, Addresses::Text(&texts), 1);
    let other = Other(engine);
    let mut theirs = Table::new(texts.len());
    let bad = other.check_into(Addresses::Text(&texts), &mut theirs.columns()).unwrap();
    assert_eq!(bad, 1);
    assert!(theirs.score[70].is_nan() && ours.score[70].is_nan());
    (theirs.score[70], theirs.organisation[70]) = (0.0, ours.organisation[70]);
    let mut ours = ours;
    ours.score[70] = 0.0;
    assert_eq!(theirs, ours);
    assert_eq!(other.gate("93.184.216.34".parse().unwrap()).verdict(), Verdict::Dangerous);
}

#[test]
fn a_pinned_handle_stays_as_it_was_until_renewed() {
    let (dir, engine) = engine("flat");
    let ip = "203.1.2.3".parse().unwrap();
    let mut pinned = engine.pin();
    let old = pinned.clone();
    assert!(!pinned.renew());
    std::fs::write(dir.path().join("b.txt"), "203.1.2.3\n93.184.216.34\n").unwrap();
    engine.refresh(&RefreshOptions::default()).unwrap();
    assert!(!pinned.gate(ip).is_active());
    assert!(pinned.renew() && pinned.gate(ip).is_active());
    engine.add_override(override_of("203.1.2.3", OverrideAction::Allow)).unwrap();
    assert!(pinned.renew());
    assert_eq!(pinned.gate(ip).verdict(), Verdict::Allowed);
    let kept = old.check(ip).into_owned();
    let id = old.snapshot_id();
    drop((engine, old));
    assert!(!pinned.renew(), "nobody is left to publish");
    assert_eq!((kept.snapshot_id(), kept.is_active()), (id, false));
}
