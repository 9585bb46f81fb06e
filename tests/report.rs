//! The feed report: small feeds against the plainest counting, real ones against what is known.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use artif_core::report::FeedsReport;
use artif_core::{Engine, Feed, FixedClock, Prefix, RefreshOptions, Role};
use chrono::{DateTime, Duration, Utc};
use support::{corpus, refresh, time};

/// A generator that gives the same numbers everywhere (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    fn network(&mut self) -> Prefix {
        if self.next(5) == 0 {
            let text = format!("2a00:1:{:x}::{:x}", self.next(2), self.next(8));
            return Prefix::new(text.parse().unwrap(), [128, 128, 125, 64][self.next(4) as usize])
                .unwrap();
        }
        let address = IpAddr::from([23, 9, 8, self.next(256) as u8]);
        Prefix::new(address, [32, 32, 32, 31, 29, 26][self.next(6) as usize]).unwrap()
    }
}

fn covers(outer: Prefix, inner: Prefix) -> bool {
    let same = matches!((outer, inner), (Prefix::V4(_), Prefix::V4(_)))
        || matches!((outer, inner), (Prefix::V6(_), Prefix::V6(_)));
    same && outer.len() <= inner.len() && outer.contains(inner.address())
}

fn covered(list: &BTreeSet<Prefix>, network: Prefix) -> bool {
    list.iter().any(|outer| covers(*outer, network))
}

fn addresses(list: &BTreeSet<Prefix>) -> BTreeSet<u8> {
    let host = |last: u8| Prefix::host(IpAddr::from([23, 9, 8, last]));
    (0..=255).filter(|last| covered(list, host(*last))).collect()
}

struct Small {
    dir: tempfile::TempDir,
    clock: Arc<FixedClock>,
    engine: Engine,
}

const FEEDS: [(&str, &str, Role); 5] = [
    ("one", "p", Role::Threat),
    ("two", "p", Role::Threat),
    ("three", "q", Role::Threat),
    ("four", "r", Role::Threat),
    ("label", "r", Role::Label),
];

impl Small {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = support::clock("2026-08-01T06:00:00Z");
        let mut config = artif_core::Config::default();
        config.warninglists.builtin = false;
        let mut builder = Engine::builder().config(config).in_memory().clock(clock.clone());
        for (id, publisher, role) in FEEDS {
            let url = format!("file:{}", dir.path().join(id).display());
            builder = builder.feed(Feed::new(id, &url).unwrap().publisher(publisher).role(role));
        }
        Self { dir, clock, engine: builder.build().unwrap() }
    }

    fn day(&self, at: DateTime<Utc>, lists: &[BTreeSet<Prefix>]) -> FeedsReport {
        self.clock.set(at);
        for ((id, ..), list) in FEEDS.iter().zip(lists) {
            let mut text = String::from("# a list\n");
            for network in list {
                writeln!(text, "{network}").unwrap();
            }
            std::fs::write(self.dir.path().join(id), text).unwrap();
        }
        // Small lists that change a lot are what the guard is there to refuse.
        self.engine.refresh(&RefreshOptions::default().force()).unwrap();
        self.engine.feed_report()
    }
}

#[test]
fn what_lists_cover_equals_plain_counting() {
    for seed in 1..=12 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let lists: Vec<BTreeSet<Prefix>> =
            [40, 25, 30, 1 + seed, 20].map(|n| (0..n).map(|_| dice.network()).collect()).into();
        let report = Small::new().day(time("2026-08-01T06:00:00Z"), &lists);
        let all = || FEEDS.iter().zip(&lists).zip(&report.feeds);
        for (((id, publisher, role), list), measures) in all() {
            let peers =
                || FEEDS.iter().zip(&lists).filter(|((other, _, r), _)| other != id && r == role);
            let has = |network: &Prefix, strangers: bool| {
                peers()
                    .filter(|((_, other, _), _)| !strangers || other != publisher)
                    .any(|(_, list)| covered(list, *network))
            };
            assert_eq!((&*measures.id, measures.role), (*id, *role));
            assert_eq!(measures.volume.networks, list.len() as u64, "{seed} {id}");
            let own = addresses(list);
            assert_eq!(measures.volume.addresses, own.len() as u64, "{seed} {id}");
            let alone = list.iter().filter(|n| !has(n, false)).count() as u64;
            assert_eq!(measures.exclusive.networks, alone, "{seed} {id}");
            assert_eq!(measures.exclusive.share, alone as f64 / list.len() as f64);
            let alone = list.iter().filter(|n| !has(n, true)).count() as u64;
            assert_eq!(measures.exclusive.of_publisher, alone, "{seed} {id}");
            assert_eq!(measures.accuracy.corroborated, list.len() as u64 - alone, "{seed} {id}");
            let others: BTreeSet<u8> = peers().flat_map(|(_, list)| addresses(list)).collect();
            assert_eq!(measures.exclusive.addresses, own.difference(&others).count() as u64);

            let distinct: BTreeSet<Prefix> =
                peers().flat_map(|(_, list)| list).chain(list).copied().collect();
            let reach = distinct.iter().filter(|n| covered(list, **n)).count();
            assert_eq!(measures.coverage.networks, reach as f64 / distinct.len() as f64);
            let agreed: Vec<&Prefix> = distinct
                .iter()
                .filter(|network| {
                    let who: BTreeSet<&str> = peers()
                        .filter(|((_, other, _), list)| {
                            other != publisher && covered(list, **network)
                        })
                        .map(|((_, other, _), _)| *other)
                        .collect();
                    who.len() >= 2
                })
                .collect();
            let reach = agreed.iter().filter(|n| covered(list, ***n)).count();
            let share = (!agreed.is_empty()).then(|| reach as f64 / agreed.len() as f64);
            assert_eq!(measures.coverage.confirmed, share, "{seed} {id}");

            for ((other, _, r), theirs) in FEEDS.iter().zip(&lists).filter(|((o, ..), _)| o != id) {
                let inside = list.iter().filter(|n| covered(theirs, **n)).count();
                let share = (r == role).then(|| inside as f64 / list.len() as f64);
                assert_eq!(report.overlap(id, other), share, "{seed} {id} {other}");
                let pair = report.overlaps.iter().find(|p| p.a == *id && p.b == *other);
                if let Some(pair) = pair {
                    let theirs = addresses(theirs);
                    let both = own.intersection(&theirs).count();
                    assert_eq!(pair.addresses, both as u64);
                    let either = own.union(&theirs).count();
                    assert_eq!(pair.jaccard, both as f64 / either as f64);
                }
            }
        }
        let threats: BTreeSet<Prefix> = lists[..4].iter().flatten().copied().collect();
        assert_eq!(report.networks, threats.len() as u64);
        assert_eq!(report.addresses, addresses(&threats).len() as u64);
    }
}

/// A listing by hand: since when, whether from the first load on, until when.
type Spell = (DateTime<Utc>, bool, Option<DateTime<Utc>>);

#[test]
fn times_equal_plain_bookkeeping() {
    for seed in 1..=6 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let small = Small::new();
        let mut lists: Vec<BTreeSet<Prefix>> = vec![BTreeSet::new(); 5];
        for list in &mut lists {
            list.extend((0..6).map(|_| dice.network()));
        }
        let mut spells: Vec<BTreeMap<Prefix, Vec<Spell>>> = vec![BTreeMap::new(); 5];
        let mut now = time("2026-08-01T06:00:00Z");
        let started = now;
        let mut report = None;
        for day in 0..7 {
            for (list, known) in lists.iter().zip(&mut spells) {
                for (network, spells) in known.iter_mut() {
                    if !list.contains(network) && spells.last().unwrap().2.is_none() {
                        spells.last_mut().unwrap().2 = Some(now);
                    }
                }
                for network in list {
                    let spells = known.entry(*network).or_default();
                    if spells.last().is_none_or(|spell| spell.2.is_some()) {
                        spells.push((now, day == 0, None));
                    }
                }
            }
            report = Some(small.day(now, &lists));
            now += Duration::hours(24);
            for list in &mut lists {
                for network in list.clone() {
                    if dice.next(5) == 0 {
                        list.remove(&network);
                    }
                }
                list.extend((0..6).map(|_| dice.network()));
            }
        }
        let now = now - Duration::hours(24);
        let report = report.unwrap();
        for (number, measures) in report.feeds.iter().enumerate() {
            let own = &spells[number];
            let all = || own.values().flatten();
            let (mut days, mut ended, mut listed) = (BTreeMap::<_, (u64, u64)>::new(), 0, 0);
            for (since, from_start, until) in all() {
                if !from_start {
                    days.entry(since.date_naive()).or_default().0 += 1;
                }
                if let Some(until) = until {
                    days.entry(until.date_naive()).or_default().1 += 1;
                    ended += 1;
                }
                listed += (until.unwrap_or(now) - *since).num_days();
            }
            let daily: BTreeMap<_, _> = measures
                .churn
                .daily
                .iter()
                .map(|day| (day.date, (day.added, day.removed)))
                .collect();
            assert_eq!(daily, days, "{seed} {}", measures.id);
            assert_eq!(measures.churn.days, (now - started).num_days() as f64);
            assert_eq!(measures.churn.removed_per_day, Some(ended as f64 / 6.0));
            let half_life = std::f64::consts::LN_2 * listed as f64 / ended as f64;
            assert!((measures.churn.half_life_days.unwrap() - half_life).abs() < 1e-9);

            // First listings of what others have too.
            let (mut first, mut same, mut later, mut lags) = (0, 0, 0, Vec::new());
            for (network, spells_here) in own {
                let (at, from_start, _) = spells_here[0];
                let others: Vec<&Spell> = (0..5)
                    .filter(|o| FEEDS[*o].1 != FEEDS[number].1 && FEEDS[*o].2 == FEEDS[number].2)
                    .filter_map(|other| spells[other].get(network).map(|spells| &spells[0]))
                    .collect();
                let Some(earliest) = others.iter().map(|spell| spell.0).min() else { continue };
                let sure = others.iter().all(|spell| !spell.1);
                if !from_start && others.iter().any(|spell| spell.0 < at) {
                    later += 1;
                } else if sure && earliest > at {
                    first += 1;
                } else if sure && !from_start && earliest == at {
                    same += 1;
                }
                if sure && !from_start {
                    lags.push((at - earliest).num_hours());
                }
            }
            lags.sort_unstable();
            let median = (!lags.is_empty()).then(|| lags[(lags.len() - 1) / 2] as f64);
            let latency = &measures.latency;
            assert_eq!((latency.first, latency.same, latency.later), (first, same, later));
            assert_eq!(latency.median_hours, median, "{seed} {}", measures.id);
        }
        // Half of the feeds' networks are met at the same time by two, or nothing was compared.
        assert!(report.feeds.iter().any(|feed| feed.latency.shared > 3));
    }
}

#[test]
fn copies_are_named_in_a_sentence() {
    let hosts = |range: std::ops::Range<u8>| -> BTreeSet<Prefix> {
        range.map(|last| Prefix::host(IpAddr::from([23, 9, 8, last]))).collect()
    };
    let mut lists = vec![hosts(0..50), hosts(1..51), hosts(0..100), hosts(90..120), hosts(0..100)];
    lists[3] = ["23.9.8.0/25".parse().unwrap()].into();
    let report = Small::new().day(time("2026-08-01T06:00:00Z"), &lists);
    let copies: Vec<(&str, &str, bool)> =
        report.copies.iter().map(|c| (&*c.feed, &*c.of, c.implied)).collect();
    assert_eq!(
        copies,
        // The /25 of `four` holds them all; `label` is of another kind.
        [
            ("one", "two", false),
            ("three", "four", false),
            ("one", "three", true),
            ("two", "three", false),
            ("one", "four", true),
            ("two", "four", true),
        ]
    );
    let text = report.to_text();
    assert!(text.contains("one and two are near-copies: 98 % of the one"), "{text}");
    assert!(text.contains("two is 100 % contained in three, of which it makes 50 %"), "{text}");
    assert!(text.contains("3 more follow from these"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn junk_and_shared_infrastructure_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    std::fs::write(&list, "8.8.8.8\n9.9.9.0/24\n23.1.1.1\n10.0.0.1\n1.0.0.0/4\nexample.com\n")
        .unwrap();
    let feed = Feed::new("a", &format!("file:{}", list.display())).unwrap();
    let data = dir.path().join("data");
    let build = || Engine::builder().data(&data).feed(feed.clone()).build().unwrap();
    let engine = build();
    refresh(&engine);
    let check = |report: FeedsReport| {
        let accuracy = report.feeds[0].accuracy;
        assert_eq!(accuracy.shared_infrastructure, 2, "8.8.8.8, and 9.9.9.9 within the /24");
        let read = accuracy.read.unwrap();
        assert_eq!((read.entries, read.special_purpose, read.too_wide, read.skipped), (3, 1, 1, 1));
    };
    check(engine.feed_report());
    drop(engine);
    // Another process that reads nothing new still knows, and so does one that only answers.
    let engine = build();
    refresh(&engine);
    check(engine.feed_report());
    check(artif_core::Reader::open(&data).unwrap().feed_report());
    let text = engine.feed_report().to_text();
    assert!(text.contains("\na                                 3     258  100%"), "{text}");
}

#[cfg(feature = "plots")]
#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let mut dice = Dice(5);
    let lists: Vec<BTreeSet<Prefix>> =
        [60, 40, 50, 30, 20].map(|n| (0..n).map(|_| dice.network()).collect()).into();
    let small = Small::new();
    small.day(time("2026-08-01T06:00:00Z"), &lists);
    let mut next = lists.clone();
    for list in &mut next {
        list.extend((0..20).map(|_| dice.network()));
    }
    let mut report = small.day(time("2026-08-02T06:00:00Z"), &next);
    let page = report.to_html().unwrap();
    assert_eq!(page.matches("<svg ").count(), 4, "every plot has something to show");
    assert_eq!(page.matches("</svg>").count(), 4);
    for id in ["one", "two", "three", "four", "label"] {
        assert!(page.matches(&format!("\n{id}\n</text>")).count() >= 4, "{id} in every plot");
    }
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["http", "//", "src=", "href", "url(", "@import", "<script", "<link", "onload"] {
        assert!(!outside.contains(word), "{word}");
    }
    assert!(!page.contains("NaN") && page.ends_with("</html>\n"));

    report.feeds[0].publisher = "<script>alert('&')</script>".to_owned();
    let page = report.to_html().unwrap();
    assert!(page.contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"));
    assert!(!page.contains("<script"));
}

#[test]
fn real_feeds_near_copies_are_found() {
    let Some(corpus) = corpus() else { return };
    let engine =
        Engine::builder().in_memory().catalogue(corpus.join("feeds.json")).build().unwrap();
    refresh(&engine);
    let started = std::time::Instant::now();
    let report = engine.feed_report();
    println!("{} feeds in {} ms", report.feeds.len(), started.elapsed().as_millis());
    println!("{}", report.to_text());
    let critical = "datashield-prod_critical_data-shield_ipv4_blocklist";
    let prod = "datashield-prod_data-shield_ipv4_blocklist";
    let mut known = vec![
        (prod.to_owned(), critical.to_owned()),
        ("cps-threatfox".to_owned(), "threatfox-ips".to_owned()),
        ("cps-tor-exit".to_owned(), "cps-sans".to_owned()),
        ("cps-alienvault".to_owned(), "ipsum-levels-1".to_owned()),
        ("cps-binarydefense".to_owned(), "ipsum-levels-1".to_owned()),
        ("cps-drb-ra-unverified".to_owned(), "cps-drb-ra-verified".to_owned()),
    ];
    known.extend((1..8).map(|n| (format!("ipsum-levels-{}", n + 1), format!("ipsum-levels-{n}"))));
    let text = report.to_text();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (feed, of) in known {
        let copy = report.copies.iter().find(|copy| copy.feed == feed && copy.of == of);
        let copy = copy.unwrap_or_else(|| panic!("{feed} in {of} is not found"));
        assert!(!copy.implied && words.contains(&copy.text), "{}: {text}", copy.text);
    }
    let find = |feed: &str| report.copies.iter().find(|copy| copy.feed == feed).unwrap();
    assert_eq!(format!("{:.2}", find(prod).jaccard), "0.83");
    assert_eq!(format!("{:.3}", report.overlap("cps-tor-exit", "cps-sans").unwrap()), "0.996");
    assert!(report.overlap("cps-binarydefense", "ipsum-levels-1").unwrap() >= 0.997);
}
