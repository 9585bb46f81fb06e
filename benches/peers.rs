//! A full verdict (who lists it, ASN, organisation, country, score), ours beside what one would
//! write with other crates, in one process and one run.
//!
//! ```text
//! cargo bench --bench peers
//! ```
//!
//! * *prefix-trie + maxminddb*: `PrefixMap::cover` over all feeds, both databases decoded.
//! * *`HashMap` + maxminddb*: std `HashMap` of addresses, sorted CIDRs, both databases decoded.
//! * *poptrie + cache*: feeds inherited into a poptrie, each database record decoded beforehand and
//!   found by its offset: the best one can do without merging.
//! * *ours, check*: `Reader::check` with verdict, score, ASN, country, organisation and feeds read.
//!
//! "dependent" makes each question wait for the answer before. `lpm` rows look up feeds only.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use artif_core::{Prefix4, Reader, ReputationEngine};
use ipnet::Ipv4Net;
use maxminddb::{Reader as Mmdb, geoip2};
use prefix_trie::PrefixMap;
use support::{Input, nanoseconds, queries};

const ROUNDS: usize = 5;
const QUESTIONS: usize = 200_000;

struct Geo {
    asn: Mmdb<Vec<u8>>,
    country: Mmdb<Vec<u8>>,
}

impl Geo {
    fn decode(&self, ip: IpAddr) -> u64 {
        let asn: Option<geoip2::Asn<'_>> = self.asn.lookup(ip).unwrap().decode().unwrap();
        let country: Option<geoip2::Country<'_>> =
            self.country.lookup(ip).unwrap().decode().unwrap();
        let asn = asn.map_or(0, |asn| {
            let name = asn.autonomous_system_organization.map_or(0, str::len);
            u64::from(asn.autonomous_system_number.unwrap_or(0)) + name as u64
        });
        let code = country.and_then(|c| c.country.iso_code);
        asn + code.map_or(0, |code| u64::from(code.as_bytes()[0]))
    }
}

/// Each database's records decoded once, by their place in the file.
struct Cached<'a> {
    geo: &'a Geo,
    asn: HashMap<usize, (u64, &'a str)>,
    country: HashMap<usize, &'a str>,
}

impl<'a> Cached<'a> {
    fn new(geo: &'a Geo) -> Self {
        let (mut asn, mut country) = (HashMap::new(), HashMap::new());
        for found in geo.asn.networks(maxminddb::WithinOptions::default()).unwrap() {
            let found = found.unwrap();
            asn.entry(found.offset().unwrap()).or_insert_with(|| {
                let record: geoip2::Asn<'_> = found.decode().unwrap().unwrap();
                let number = record.autonomous_system_number.unwrap_or(0);
                (u64::from(number), record.autonomous_system_organization.unwrap_or(""))
            });
        }
        for found in geo.country.networks(maxminddb::WithinOptions::default()).unwrap() {
            let found = found.unwrap();
            country.entry(found.offset().unwrap()).or_insert_with(|| {
                let record: geoip2::Country<'_> = found.decode().unwrap().unwrap();
                record.country.iso_code.unwrap_or("")
            });
        }
        Self { geo, asn, country }
    }

    fn read(&self, ip: IpAddr) -> u64 {
        let asn = self.geo.asn.lookup(ip).unwrap().offset().and_then(|at| self.asn.get(&at));
        let country = self.geo.country.lookup(ip).unwrap().offset();
        let country = country.and_then(|at| self.country.get(&at));
        asn.map_or(0, |(number, name)| number + name.len() as u64)
            + country.map_or(0, |code| code.len() as u64)
    }
}

/// Addresses in a hash map, wider networks as sorted ranges with everything around them merged in.
struct Hashed {
    hosts: HashMap<u32, u128>,
    starts: Vec<u32>,
    masks: Vec<u128>,
}

impl Hashed {
    fn new(networks: &[(Prefix4, u128)]) -> Self {
        let wide: Vec<_> = networks.iter().filter(|(p, _)| p.len() < 32).collect();
        let mut edges: Vec<u32> = vec![0];
        for (prefix, _) in &wide {
            edges.push(prefix.first());
            edges.extend(prefix.last().checked_add(1));
        }
        edges.sort_unstable();
        edges.dedup();
        let mut masks = vec![0; edges.len()];
        for (prefix, mask) in wide {
            let from = edges.partition_point(|edge| *edge < prefix.first());
            let to = edges.partition_point(|edge| *edge <= prefix.last());
            masks[from..to].iter_mut().for_each(|all| *all |= mask);
        }
        let mut hashed = Self { hosts: HashMap::new(), starts: edges, masks };
        for (prefix, mask) in networks.iter().filter(|(p, _)| p.len() == 32) {
            let around = hashed.around(prefix.first());
            hashed.hosts.insert(prefix.first(), mask | around);
        }
        hashed
    }

    fn around(&self, ip: u32) -> u128 {
        self.masks[self.starts.partition_point(|start| *start <= ip) - 1]
    }

    fn get(&self, ip: u32) -> u128 {
        self.hosts.get(&ip).copied().unwrap_or_else(|| self.around(ip))
    }
}

fn fold(mask: u128) -> u64 {
    mask as u64 ^ (mask >> 64) as u64
}

fn network(ip: u32) -> Ipv4Net {
    Ipv4Net::from(Ipv4Addr::from_bits(ip))
}

/// All of the verdict that an application may want, so that nothing is left undecoded.
fn ours(reader: &Reader, ip: u32) -> u64 {
    let answer = reader.check(IpAddr::V4(Ipv4Addr::from_bits(ip)));
    answer.feeds().count() as u64
        + answer.score().to_bits()
        + answer.verdict() as u64
        + u64::from(answer.asn().unwrap_or(0))
        + answer.country().map_or(0, |country| u64::from(country.as_str().as_bytes()[0]))
        + answer.organisation().map_or(0, |name| name.len() as u64)
}

type Contestant<'a> = (&'static str, Box<dyn Fn(u32) -> u64 + 'a>);

fn main() {
    let input = Input::load();
    let networks = &input.networks;
    println!(
        "{} distinct IPv4 networks; {QUESTIONS} questions, median of {ROUNDS}",
        networks.len()
    );
    let (_engine, reader) = input.engine();
    let geo = Geo {
        asn: Mmdb::open_readfile(&input.asn).unwrap(),
        country: Mmdb::open_readfile(&input.country).unwrap(),
    };
    let cached = Cached::new(&geo);
    let mut trie: PrefixMap<Ipv4Net, u128> = PrefixMap::new();
    for (prefix, mask) in networks {
        let net = Ipv4Net::new(Ipv4Addr::from_bits(prefix.first()), prefix.len()).unwrap();
        trie.insert(net, *mask);
    }
    let hashed = Hashed::new(networks);
    let inherited = networks.iter().map(|(prefix, mask)| {
        let around = hashed.around(prefix.first());
        ((prefix.first(), prefix.len()), mask | around)
    });
    let poptrie: poptrie::Poptrie<(u32, u8), u128> = inherited.collect();

    let v4 = |ip: u32| IpAddr::V4(Ipv4Addr::from_bits(ip));
    let cover = |ip: u32| trie.cover_values(&network(ip)).fold(0, |all, mask| all | mask);
    let popped = |ip: u32| poptrie.lookup(ip).copied().unwrap_or(0);
    let contestants: Vec<Contestant<'_>> = vec![
        ("prefix-trie + maxminddb", Box::new(|ip| fold(cover(ip)) ^ geo.decode(v4(ip)))),
        ("HashMap + maxminddb", Box::new(|ip| fold(hashed.get(ip)) ^ geo.decode(v4(ip)))),
        ("poptrie + cache", Box::new(|ip| fold(popped(ip)) ^ cached.read(v4(ip)))),
        ("ours, check", Box::new(|ip| ours(&reader, ip))),
        ("lpm: prefix-trie cover", Box::new(|ip| fold(cover(ip)))),
        ("lpm: HashMap + sorted", Box::new(|ip| fold(hashed.get(ip)))),
        ("lpm: poptrie", Box::new(|ip| fold(popped(ip)))),
    ];
    let questions = queries(networks, QUESTIONS);
    agree(&reader, &hashed, &questions);

    println!("\nns a question, independent / dependent");
    println!("{:26}{:>17}{:>25}{:>25}", "", "uniform", "hits", "web");
    let mut table: Vec<Vec<f64>> = Vec::new();
    for (name, ask) in &contestants {
        let mut row = Vec::new();
        for (_, list) in &questions {
            row.push(nanoseconds(ROUNDS, list.len(), || {
                list.iter().fold(0, |sum: u64, ip| sum.wrapping_add(ask(*ip)))
            }));
            let zero = black_box(0_u32);
            row.push(nanoseconds(ROUNDS, list.len(), || {
                list.iter().fold(0, |sum: u64, ip| sum.wrapping_add(ask(ip ^ (sum as u32 & zero))))
            }));
        }
        print!("{name:26}");
        row.chunks(2).for_each(|pair| print!("{:>14.1} / {:<8.1}", pair[0], pair[1]));
        println!();
        table.push(row);
    }
    println!("\ntimes faster than");
    for peer in 0..3 {
        print!("{:26}", contestants[peer].0);
        for (theirs, own) in table[peer].chunks(2).zip(table[3].chunks(2)) {
            print!("{:>13.1}x / {:<7}", theirs[0] / own[0], format!("{:.1}x", theirs[1] / own[1]));
        }
        println!();
    }
}

/// All of them answer the same, or the comparison would be of nothing. Where special-purpose
/// addresses are concerned only ours says "not applicable", whatever a wide network around says.
fn agree(reader: &Reader, hashed: &Hashed, questions: &[(&str, Vec<u32>); 3]) {
    for (_, list) in questions {
        for ip in list.iter().step_by(37) {
            let answer = reader.check(IpAddr::V4(Ipv4Addr::from_bits(*ip)));
            if answer.special_purpose().is_none() {
                assert_eq!(
                    answer.feeds().count() as u32,
                    hashed.get(*ip).count_ones(),
                    "{answer:?}"
                );
            }
        }
    }
}
