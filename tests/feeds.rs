//! Reading real feeds and real MISP events.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use artif_core::feed::{Catalogue, ParseLimits, Parsed, SkipReason, parse, parse_misp_event};
use artif_core::{Feed, FeedId, Format, Prefix};
use serde_json::Value;

fn read(id: &str, format: &Format, limits: &ParseLimits, path: &Path) -> Parsed {
    let id = FeedId::from_name(id).unwrap();
    parse(&id, format, limits, &mut BufReader::new(File::open(path).unwrap())).unwrap()
}

/// Before the rules on special-purpose space and width.
fn without_rules() -> ParseLimits {
    let mut limits = ParseLimits::default();
    (limits.keep_special_purpose, limits.keep_too_wide) = (true, true);
    limits
}

/// The feeds of the corpus, by its own catalogue.
fn feeds(corpus: &Path) -> Vec<(Feed, PathBuf)> {
    let catalogue = Catalogue::load(corpus.join("feeds.json")).unwrap();
    let with_path = |feed: Feed| {
        let path = url::Url::parse(&feed.url).unwrap().to_file_path().unwrap();
        (feed, path)
    };
    catalogue.feeds.into_iter().map(with_path).collect()
}

#[test]
fn catalogues() {
    let Some(corpus) = support::corpus() else { return };
    let feeds = feeds(&corpus);
    assert_eq!(feeds.len(), 85);
    for (feed, path) in &feeds {
        assert!(path.is_file(), "{}", path.display());
        assert_eq!(feed.format, Format::FreeText);
        assert_eq!(feed.source_group, feed.provider);
    }
    let shared = corpus.join("../catalogue.json");
    if shared.is_file() {
        // The embedded catalogue was made from it; what was judged anew is not compared.
        let shared = Catalogue::load(shared).unwrap().feeds;
        let embedded = Catalogue::embedded().unwrap().feeds;
        assert_eq!(shared.len(), embedded.len());
        for feed in &embedded {
            let origin = shared.iter().find(|other| other.id == feed.id).unwrap();
            assert_eq!((&feed.url, &feed.format), (&origin.url, &origin.format), "{}", feed.id);
            assert_eq!(feed.categories, origin.categories, "{}", feed.id);
            assert_eq!(feed.threat_level, origin.threat_level, "{}", feed.id);
            assert_eq!(feed.confidence, origin.confidence, "{}", feed.id);
            assert!(origin.enabled || !feed.enabled, "{}", feed.id);
        }
    }
}

#[test]
fn all_feeds_together() {
    let Some(corpus) = support::corpus() else { return };
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let (mut kept4, mut kept6) = (Vec::new(), Vec::new());
    let (mut entries, mut distinct, mut special, mut wide) = (0, 0, 0, 0);
    let feeds = feeds(&corpus);
    for (feed, path) in &feeds {
        let name = &feed.name;
        let all = read(name, &Format::FreeText, &without_rules(), path);
        let kept = read(name, &Format::FreeText, &ParseLimits::default(), path);
        let report = &all.report;
        println!(
            "{name}: {} lines, {} entries, {} distinct, {} special, {} wide, {:?}, {} kept",
            report.lines,
            report.entries,
            report.distinct,
            report.special_purpose,
            report.too_wide,
            report.skipped,
            kept.report.distinct,
        );
        // The same lists read as plain text, where they are plain text.
        if report.skipped.is_empty() {
            let plain = read(name, &Format::Plain, &ParseLimits::default(), path);
            assert_eq!(plain.prefixes, kept.prefixes, "{name}");
        }
        entries += report.entries;
        distinct += report.distinct;
        special += report.special_purpose;
        wide += report.too_wide;
        v4.extend_from_slice(all.prefixes.v4());
        v6.extend_from_slice(all.prefixes.v6());
        kept4.extend_from_slice(kept.prefixes.v4());
        kept6.extend_from_slice(kept.prefixes.v6());
    }
    let set = artif_core::PrefixSet::new(v4, v6);
    let kept = artif_core::PrefixSet::new(kept4, kept6);
    println!(
        "{} feeds: {entries} entries, {distinct} listings, {} IPv4 and {} IPv6 networks; \
         {special} special-purpose and {wide} too wide entries; {} and {} networks kept",
        feeds.len(),
        set.v4().len(),
        set.v6().len(),
        kept.v4().len(),
        kept.v6().len(),
    );
    assert_eq!(feeds.len(), 85);
    let mut dropped = set.iter().filter(|net| !kept.contains(*net));
    assert!(dropped.all(|net| net.special_purpose().is_some()));
    // What other parsers count: every line that is an address or network, and the 30 hosts of URLs
    // in cps-AtomSpam; one IPv6 address of theirs is a 6to4 address, so IPv4 here.
    assert_eq!((entries, distinct), (1_649_488, 1_628_401));
    assert_eq!((set.v4().len(), set.v6().len()), (965_493, 11_291));
}

#[test]
fn urls_with_addresses_among_them() {
    let Some(corpus) = support::corpus() else { return };
    let path = corpus.join("feeds/cps-AtomSpam.txt");
    let parsed = read("atomspam", &Format::FreeText, &ParseLimits::default(), &path);
    assert_eq!((parsed.prefixes.v4().len(), parsed.prefixes.v6().len()), (30, 0));
    assert!(!parsed.prefixes.contains("181.141.208.92".parse().unwrap()));
    assert_eq!(parsed.report.lines, 2792);
    for name in ["cps-predict", "cps-cps_cobaltstrike_domain"] {
        let path = corpus.join(format!("feeds/{name}.txt"));
        let parsed = read(name, &Format::FreeText, &ParseLimits::default(), &path);
        assert!(parsed.prefixes.is_empty(), "{name}");
        assert_eq!(parsed.report.skipped[&SkipReason::OtherIndicator], parsed.report.lines);
    }
}

/// Every address in a value of an address type, deleted or not, by brute force.
fn naive(value: &Value, out: &mut BTreeSet<Prefix>, values: &mut BTreeSet<String>) {
    const TYPES: [&str; 5] = ["ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "domain|ip"];
    match value {
        Value::Array(elements) => elements.iter().for_each(|e| naive(e, out, values)),
        Value::Object(members) => {
            let text = |key| members.get(key).and_then(Value::as_str);
            if let (Some(kind), Some(value)) = (text("type"), text("value"))
                && TYPES.contains(&kind)
            {
                values.insert(value.to_owned());
                out.extend(value.split('|').filter_map(|part| part.parse::<Prefix>().ok()));
            }
            members.values().for_each(|member| naive(member, out, values));
        }
        _ => {}
    }
}

#[test]
fn misp_events_hold_what_brute_force_finds() {
    let Some(corpus) = support::corpus() else { return };
    let (mut events, mut with_addresses) = (0, 0);
    let (mut nets, mut values) = (BTreeSet::new(), BTreeSet::new());
    let id: FeedId = "misp".parse().unwrap();
    for entry in std::fs::read_dir(corpus.join("misp-events")).unwrap() {
        let path = entry.unwrap().path();
        let document = serde_json::from_reader(BufReader::new(File::open(&path).unwrap())).unwrap();
        let mut expected = BTreeSet::new();
        naive(&document, &mut expected, &mut values);

        let mut input = BufReader::new(File::open(&path).unwrap());
        let event = parse_misp_event(&id, &mut input).unwrap();
        let found: BTreeSet<Prefix> = event.attributes.iter().map(|a| a.prefix).collect();
        assert_eq!(found, expected, "{}", path.display());
        assert!(!event.uuid.is_empty() && event.org.is_some() && event.timestamp.is_some());
        assert_eq!((event.deleted, event.unreadable), (0, 0));

        let format = Format::MispEvent { to_ids_only: false };
        let parsed = read("misp", &format, &without_rules(), &path);
        assert_eq!(parsed.prefixes.iter().collect::<BTreeSet<_>>(), expected);

        events += 1;
        with_addresses += usize::from(!found.is_empty());
        nets.extend(found);
    }
    println!("{events} events, {with_addresses} with addresses, {} networks", nets.len());
    assert_eq!((events, with_addresses, values.len()), (57, 22, 290));
}
