#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::cast_sign_loss,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use maxminddb::{Reader, geoip2};
use proptest::prelude::*;

use super::reader::Database;
use super::*;
use crate::net::{Prefix, canonical_address};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sample(name: &str) -> PathBuf {
    root().join("artif-core/samples").join(name)
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/data/geo").join(name)
}

/// The real databases, where they are at hand.
fn corpus() -> Option<(PathBuf, PathBuf)> {
    let folder = std::env::var_os("ARTIF_CORPUS")
        .map_or_else(|| root().join("../shared/corpus"), PathBuf::from)
        .join("mmdb");
    let files = (folder.join("GeoLite2-ASN.mmdb"), folder.join("GeoLite2-Country.mmdb"));
    if files.0.exists() && files.1.exists() {
        return Some(files);
    }
    eprintln!("skipped: no real databases in {}", folder.display());
    None
}

/// Number, organisation and country as text.
fn show(table: &GeoTable, address: &str) -> String {
    let record = table.lookup(address.parse().unwrap());
    let organisation = record.organisation.and_then(|place| table.organisation(place));
    let country = record.country.map(|country| country.to_string());
    let asn = record.asn.map(|asn| asn.to_string());
    [asn.as_deref(), organisation, country.as_deref()].map(|text| text.unwrap_or("-")).join(" ")
}

#[test]
fn samples_read_as_described() {
    let sources =
        GeoSources::load(Some(&sample("sample-asn.mmdb")), Some(&sample("sample-country.mmdb")));
    let [asn, country] = &sources.databases[..] else { unreachable!() };
    assert!(asn.asn && !asn.country && asn.problem.is_none(), "{asn:?}");
    assert!(!country.asn && country.country && country.problem.is_none(), "{country:?}");
    assert_eq!(asn.database_type, "GeoLite2-ASN");
    assert_eq!(asn.built.unwrap().to_rfc3339(), "2026-08-01T00:00:00+00:00");
    for (address, expected) in [
        ("22.10.0.1", "64496 Example Hosting XA"),
        ("22.10.130.1", "64496 Example Hosting XB"),
        ("::ffff:22.10.130.1", "64496 Example Hosting XB"),
        ("2002:160a:8201::1", "64496 Example Hosting XB"),
        ("22.96.200.1", "65010 Example Hosting -"),
        ("22.66.6.66", "64666 Example Bulletproof XE"), // registered there, located nowhere
        ("22.66.8.0", "64501 Example Broadband XD"),
        ("22.66.5.255", "64501 Example Broadband XD"),
        ("22.120.0.1", "64510 - XC"),
        ("22.200.0.1", "- - XE"),
        ("22.201.0.0", "- - -"),
        ("0.0.0.0", "- - -"),
        ("255.255.255.255", "- - -"),
        ("3ffe:1000::1", "64496 Example Hosting XA"),
        ("3ffe:1041::1", "64497 Example Cloud XA"),
        ("3ffe:2666::1", "64666 Example Bulletproof XE"),
        ("3ffe:2667::", "64499 Example Telecom XC"),
        ("3ffe:8000:4fff::1", "65551 Example Backbone XB"),
        ("3ffe:8000:5000::1", "- - XB"),
        ("::", "- - -"),
        ("::22.10.0.1", "- - -"),
        ("ffff::", "- - -"),
    ] {
        assert_eq!(show(&sources.table, address), expected, "{address}");
    }
    check_form(&sources.table);
}

/// What [`GeoTable`] promises of its vectors.
fn check_form(table: &GeoTable) {
    assert_eq!((table.v4_starts[0], table.v6_starts[0]), (0, 0));
    assert!(table.v4_starts.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(table.v6_starts.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(table.v4_records.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(table.v6_records.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(table.v4_starts.len(), table.v4_records.len());
    assert_eq!(table.v6_starts.len(), table.v6_records.len());
    assert_eq!(table.records[0], GeoRecord::default());
    let distinct: std::collections::HashSet<_> = table.records.iter().collect();
    assert_eq!(distinct.len(), table.records.len());
    let names: std::collections::HashSet<_> = table.organisations.iter().collect();
    assert_eq!(names.len(), table.organisations.len());
}

#[test]
fn schemas_of_other_publishers() {
    for (file, address, expected) in [
        (sample("sample-lite.mmdb"), "22.10.3.4", "64496 Example Hosting XA"),
        (sample("sample-lite.mmdb"), "22.66.6.66", "64666 Example Bulletproof XE"),
        (sample("sample-lite.mmdb"), "3ffe:1041::", "64497 Example Cloud XA"),
        (fixture("ipinfo-free.mmdb"), "22.66.6.66", "64666 Example Bulletproof XE"),
        (fixture("isp.mmdb"), "22.10.3.4", "64496 Example Hosting XA"),
    ] {
        for sources in [
            GeoSources::load(Some(&file), None),
            GeoSources::load(None, Some(&file)),
            GeoSources::load(Some(&file), Some(&file)),
        ] {
            assert_eq!(sources.databases.len(), 1);
            assert_eq!(show(&sources.table, address), expected, "{}", file.display());
        }
    }
}

#[test]
fn a_database_of_ipv4_alone() {
    let sources =
        GeoSources::load(Some(&sample("sample-asn.mmdb")), Some(&fixture("country-code-v4.mmdb")));
    assert_eq!(show(&sources.table, "22.10.130.1"), "64496 Example Hosting XB");
    assert_eq!(show(&sources.table, "3ffe:1000::1"), "64496 Example Hosting -");
}

#[test]
fn a_useless_database_says_what_to_do_and_spares_the_other() {
    for (asn, country, hint) in [
        (sample("none.mmdb"), sample("sample-country.mmdb"), "give the path of a .mmdb file"),
        (sample("make_mmdb.py"), sample("sample-country.mmdb"), "download it again"),
        (sample("sample-country.mmdb"), sample("sample-country.mmdb"), "countries only"),
        (fixture("country-code-v4.mmdb"), sample("sample-country.mmdb"), "countries only"),
        (fixture("neither.mmdb"), sample("sample-country.mmdb"), "nothing of ASN or country"),
    ] {
        let sources = GeoSources::load(Some(&asn), Some(&country));
        let problem = sources.databases[0].problem.clone().unwrap();
        assert!(problem.contains(hint), "{problem}");
        assert!(problem.contains(asn.file_name().unwrap().to_str().unwrap()), "{problem}");
        if asn != country {
            assert_eq!(show(&sources.table, "22.10.0.1"), "- - XA");
        }
    }
    let sources = GeoSources::load(None, Some(&sample("sample-asn.mmdb")));
    assert!(sources.databases[0].problem.as_ref().unwrap().contains("ASNs only"));
    assert_eq!(sources.table, GeoTable::default());
}

#[test]
fn identity_follows_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asn.mmdb");
    let missing = GeoSources::identity(Some(&path), None);
    std::fs::copy(sample("sample-asn.mmdb"), &path).unwrap();
    let present = GeoSources::identity(Some(&path), None);
    assert_ne!(missing, present);
    assert_eq!(present, GeoSources::identity(Some(&path), None));
    assert_ne!(present, GeoSources::identity(None, Some(&path)));
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_ne!(present, GeoSources::identity(Some(&path), None));
}

/// Asks both files for one address, the ordinary way.
fn naive(
    asn: &Reader<Vec<u8>>,
    country: &Reader<Vec<u8>>,
    address: IpAddr,
) -> (Option<u32>, Option<String>, Option<String>) {
    let a: Option<geoip2::Asn<'_>> = asn.lookup(address).unwrap().decode().unwrap();
    let c: Option<geoip2::Country<'_>> = country.lookup(address).unwrap().decode().unwrap();
    let number = a.as_ref().and_then(|a| a.autonomous_system_number).filter(|n| *n != 0);
    let name = a.and_then(|a| a.autonomous_system_organization.map(|name| name.trim().to_owned()));
    let code = c.and_then(|c| c.country.iso_code.or(c.registered_country.iso_code));
    (number, name, code.map(str::to_owned))
}

fn assert_same(table: &GeoTable, files: &(Reader<Vec<u8>>, Reader<Vec<u8>>), address: IpAddr) {
    // Looked up as IPv4, or carrying an IPv4 address of no meaning here.
    if canonical_address(address) != address {
        return;
    }
    if let IpAddr::V6(v6) = address
        && (v6.to_bits() >> 96 == 0x2001_0000 || v6.to_bits() >> 32 == 0)
    {
        return;
    }
    let record = table.lookup(address);
    let name = record.organisation.and_then(|place| table.organisation(place));
    let found = (record.asn, name.map(str::to_owned), record.country.map(|c| c.to_string()));
    assert_eq!(found, naive(&files.0, &files.1, address), "{address}");
}

fn compare(asn: &Path, country: &Path, rounds: u64) {
    let files = (Reader::open_readfile(asn).unwrap(), Reader::open_readfile(country).unwrap());
    let sources = GeoSources::load(Some(asn), Some(country));
    let table = &sources.table;
    assert!(sources.databases.iter().all(|status| status.problem.is_none()));
    check_form(table);
    eprintln!(
        "{} + {} ranges, {} records, {} organisations",
        table.v4_starts.len(),
        table.v6_starts.len(),
        table.records.len(),
        table.organisations.len()
    );
    // Both ends of many ranges, where mistakes live, and addresses anywhere.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random ^ random >> 29
    };
    for _ in 0..rounds {
        let start = table.v4_starts[(next() % table.v4_starts.len() as u64) as usize];
        for address in [start, start.wrapping_sub(1), next() as u32] {
            assert_same(table, &files, Ipv4Addr::from_bits(address).into());
        }
        let start = table.v6_starts[(next() % table.v6_starts.len() as u64) as usize];
        let anywhere = u128::from(next()) << 64 | u128::from(next());
        for address in [start, start.wrapping_sub(1), anywhere, anywhere >> 3 | 1 << 125] {
            assert_same(table, &files, Ipv6Addr::from_bits(address).into());
        }
    }
}

#[test]
fn merged_samples_equal_single_lookups() {
    compare(&sample("sample-asn.mmdb"), &sample("sample-country.mmdb"), 5_000);
}

#[test]
fn merged_corpus_equals_single_lookups() {
    if let Some((asn, country)) = corpus() {
        compare(&asn, &country, 50_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_files_never_panic(
        file in prop::sample::select(vec!["sample-asn.mmdb", "sample-country.mmdb", "sample-lite.mmdb"]),
        cut in 0_usize..3000,
        damage in prop::collection::vec((0_usize..2600, any::<u8>()), 0..12),
        whole in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(sample(file)).unwrap();
        if !whole {
            bytes.truncate(cut);
        }
        for (place, value) in damage {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        let _ = Database::parse(&bytes);
    }
}

#[test]
fn damaged_records_are_counted_and_passed_over() {
    let mut bytes = std::fs::read(sample("sample-asn.mmdb")).unwrap();
    // A string of invalid UTF-8 where "Example Telecom" stood.
    let place = bytes.windows(15).position(|window| window == b"Example Telecom").unwrap();
    bytes[place] = 0xff;
    let database = Database::parse(&bytes).unwrap();
    assert_eq!(database.skipped, 1);
    assert!(database.has_asn());
}

/// The sample feeds must never name an address outside the space the README speaks of, and the
/// engine must have an answer for every one.
#[test]
fn sample_feeds_stay_in_their_space() {
    let space = ["22.0.0.0/8", "3ffe::/16"].map(|net| net.parse::<Prefix>().unwrap());
    let sources = GeoSources::load(Some(&sample("sample-lite.mmdb")), None);
    let (mut v4, mut v6, mut located) = (0, 0, 0);
    for day in ["day1", "day2", "day3"] {
        for entry in std::fs::read_dir(sample("feeds").join(day)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap().replace("[.]", ".");
            let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/');
            // Scheme and path of a URL go with the slashes around the address.
            for word in text.split(|c| !is_part(c)) {
                let word = word.trim_start_matches([':', '/']).trim_end_matches('/');
                let Ok(prefix) = word.parse::<Prefix>() else { continue };
                assert!(space.iter().any(|net| net.contains(prefix.address())), "{prefix}");
                assert!(prefix.special_purpose().is_none(), "{prefix}");
                located += usize::from(sources.table.lookup(prefix.address()).asn.is_some());
                *(if matches!(prefix, Prefix::V4(_)) { &mut v4 } else { &mut v6 }) += 1;
            }
        }
    }
    assert!(v4 > 200 && v6 > 5, "{v4} {v6}");
    assert_eq!(located, v4 + v6);
}
