//! What one would write with other crates.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use artif_core::{Prefix4, Prefix6};
use ipnet::{Ipv4Net, Ipv6Net};
use maxminddb::{Reader as Mmdb, geoip2};
use prefix_trie::PrefixMap;

use super::Input;
use super::ours::v4;

pub(crate) struct Geo {
    asn: Mmdb<Vec<u8>>,
    country: Mmdb<Vec<u8>>,
}

impl Geo {
    pub(crate) fn open(input: &Input) -> Self {
        Self {
            asn: Mmdb::open_readfile(&input.asn).unwrap(),
            country: Mmdb::open_readfile(&input.country).unwrap(),
        }
    }

    /// The announced IPv6 networks.
    pub(crate) fn announced6(&self) -> Vec<Prefix6> {
        let found = self.asn.networks(maxminddb::WithinOptions::default()).unwrap();
        let nets = found.map(|found| found.unwrap().network().unwrap());
        nets.filter_map(|net| match net.ip() {
            IpAddr::V6(ip) => Prefix6::new(ip.to_bits(), net.prefix()),
            IpAddr::V4(_) => None,
        })
        .collect()
    }

    pub(crate) fn decode(&self, ip: IpAddr) -> u64 {
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
pub(crate) struct Cached<'a> {
    geo: &'a Geo,
    asn: HashMap<usize, (u64, &'a str)>,
    country: HashMap<usize, &'a str>,
}

impl<'a> Cached<'a> {
    pub(crate) fn new(geo: &'a Geo) -> Self {
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

    pub(crate) fn read(&self, ip: IpAddr) -> u64 {
        let asn = self.geo.asn.lookup(ip).unwrap().offset().and_then(|at| self.asn.get(&at));
        let country = self.geo.country.lookup(ip).unwrap().offset();
        let country = country.and_then(|at| self.country.get(&at));
        asn.map_or(0, |(number, name)| number + name.len() as u64)
            + country.map_or(0, |code| code.len() as u64)
    }
}

/// Addresses in a hash map, wider networks as sorted ranges with everything around them merged in.
pub(crate) struct Hashed {
    hosts: HashMap<u32, u128>,
    starts: Vec<u32>,
    masks: Vec<u128>,
}

impl Hashed {
    pub(crate) fn new(networks: &[(Prefix4, u128)]) -> Self {
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

    pub(crate) fn get(&self, ip: u32) -> u128 {
        self.hosts.get(&ip).copied().unwrap_or_else(|| self.around(ip))
    }
}

pub(crate) fn fold(mask: u128) -> u64 {
    mask as u64 ^ (mask >> 64) as u64
}

pub(crate) fn network(ip: u32) -> Ipv4Net {
    Ipv4Net::from(Ipv4Addr::from_bits(ip))
}

/// All contestants, loaded.
pub(crate) struct Peers<'a> {
    geo: &'a Geo,
    cached: Cached<'a>,
    pub(crate) trie: PrefixMap<Ipv4Net, u128>,
    trie6: PrefixMap<Ipv6Net, u128>,
    pub(crate) hashed: Hashed,
    poptrie: poptrie::Poptrie<(u32, u8), u128>,
}

impl<'a> Peers<'a> {
    pub(crate) fn new(input: &Input, geo: &'a Geo) -> Self {
        let mut trie = PrefixMap::new();
        for (prefix, mask) in &input.networks {
            let net = Ipv4Net::new(Ipv4Addr::from_bits(prefix.first()), prefix.len()).unwrap();
            trie.insert(net, *mask);
        }
        let mut trie6 = PrefixMap::new();
        for (prefix, mask) in &input.networks6 {
            let net = Ipv6Net::new(Ipv6Addr::from_bits(prefix.first()), prefix.len()).unwrap();
            trie6.insert(net, *mask);
        }
        let hashed = Hashed::new(&input.networks);
        let inherited = input.networks.iter().map(|(prefix, mask)| {
            let around = hashed.around(prefix.first());
            ((prefix.first(), prefix.len()), mask | around)
        });
        let poptrie = inherited.collect();
        Self { geo, cached: Cached::new(geo), trie, trie6, hashed, poptrie }
    }

    pub(crate) fn cover(&self, ip: u32) -> u64 {
        fold(self.trie.cover_values(&network(ip)).fold(0, |all, mask| all | mask))
    }

    pub(crate) fn popped(&self, ip: u32) -> u64 {
        fold(self.poptrie.lookup(ip).copied().unwrap_or(0))
    }

    pub(crate) fn hashed(&self, ip: u32) -> u64 {
        fold(self.hashed.get(ip))
    }

    /// prefix-trie + maxminddb: what is written most often.
    pub(crate) fn common(&self, ip: u32) -> u64 {
        self.cover(ip) ^ self.geo.decode(v4(ip))
    }

    pub(crate) fn common6(&self, ip: u128) -> u64 {
        let net = Ipv6Net::from(Ipv6Addr::from_bits(ip));
        let mask = self.trie6.cover_values(&net).fold(0, |all, mask| all | mask);
        fold(mask) ^ self.geo.decode(Ipv6Addr::from_bits(ip).into())
    }

    /// `HashMap` and sorted networks + maxminddb.
    pub(crate) fn hash_map(&self, ip: u32) -> u64 {
        self.hashed(ip) ^ self.geo.decode(v4(ip))
    }

    /// poptrie + records decoded beforehand.
    pub(crate) fn tuned(&self, ip: u32) -> u64 {
        self.popped(ip) ^ self.cached.read(v4(ip))
    }
}
