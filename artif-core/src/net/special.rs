//! The special-purpose address registries of IANA, and multicast.

use std::net::IpAddr;

use super::{Prefix, Prefix4, Prefix6, canonical_address};

/// A block with a purpose of its own, which no feed can make a threat.
///
/// ```
/// use artif_core::special_purpose;
///
/// let block = special_purpose("10.1.2.3".parse().unwrap()).unwrap();
/// assert_eq!((block.name, block.reference), ("Private-Use", "RFC 1918"));
/// assert!(special_purpose("8.8.8.8".parse().unwrap()).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecialPurpose {
    /// The block.
    pub prefix: Prefix,
    /// Its name in the registry.
    pub name: &'static str,
    /// Where it is defined.
    pub reference: &'static str,
    /// Whether packets from it may arrive from the internet (anycast services do).
    pub globally_reachable: bool,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Prefix {
    match Prefix4::new(u32::from_be_bytes([a, b, c, d]), length) {
        Some(prefix) => Prefix::V4(prefix),
        None => Prefix::V4(Prefix4::host(0)),
    }
}

const fn v6(top: u64, low: u64, length: u8) -> Prefix {
    match Prefix6::new((top as u128) << 64 | low as u128, length) {
        Some(prefix) => Prefix::V6(prefix),
        None => Prefix::V6(Prefix6::host(0)),
    }
}

const fn block(
    prefix: Prefix,
    name: &'static str,
    reference: &'static str,
    globally_reachable: bool,
) -> SpecialPurpose {
    SpecialPurpose { prefix, name, reference, globally_reachable }
}

/// IANA IPv4 Special-Purpose Address Registry, and multicast (RFC 5771). Within a family the order
/// is from wide to narrow, so that the last match is the most specific.
const V4: [SpecialPurpose; 28] = [
    block(v4(224, 0, 0, 0, 4), "Multicast", "RFC 5771", false),
    block(v4(240, 0, 0, 0, 4), "Reserved", "RFC 1112", false),
    block(v4(0, 0, 0, 0, 8), "This network", "RFC 791", false),
    block(v4(10, 0, 0, 0, 8), "Private-Use", "RFC 1918", false),
    block(v4(127, 0, 0, 0, 8), "Loopback", "RFC 1122", false),
    block(v4(100, 64, 0, 0, 10), "Shared Address Space", "RFC 6598", false),
    block(v4(172, 16, 0, 0, 12), "Private-Use", "RFC 1918", false),
    block(v4(198, 18, 0, 0, 15), "Benchmarking", "RFC 2544", false),
    block(v4(169, 254, 0, 0, 16), "Link Local", "RFC 3927", false),
    block(v4(192, 168, 0, 0, 16), "Private-Use", "RFC 1918", false),
    block(v4(192, 0, 0, 0, 24), "IETF Protocol Assignments", "RFC 6890", false),
    block(v4(192, 0, 2, 0, 24), "Documentation (TEST-NET-1)", "RFC 5737", false),
    block(v4(192, 31, 196, 0, 24), "AS112-v4", "RFC 7535", true),
    block(v4(192, 52, 193, 0, 24), "AMT", "RFC 7450", true),
    block(v4(192, 88, 99, 0, 24), "Deprecated (6to4 Relay Anycast)", "RFC 7526", false),
    block(v4(192, 175, 48, 0, 24), "Direct Delegation AS112 Service", "RFC 7534", true),
    block(v4(198, 51, 100, 0, 24), "Documentation (TEST-NET-2)", "RFC 5737", false),
    block(v4(203, 0, 113, 0, 24), "Documentation (TEST-NET-3)", "RFC 5737", false),
    block(v4(233, 252, 0, 0, 24), "Documentation (MCAST-TEST-NET)", "RFC 6676", false),
    block(v4(192, 0, 0, 0, 29), "IPv4 Service Continuity Prefix", "RFC 7335", false),
    block(v4(0, 0, 0, 0, 32), "This host on this network", "RFC 1122", false),
    block(v4(192, 0, 0, 8, 32), "IPv4 dummy address", "RFC 7600", false),
    block(v4(192, 0, 0, 9, 32), "Port Control Protocol Anycast", "RFC 7723", true),
    block(v4(192, 0, 0, 10, 32), "TURN Anycast", "RFC 8155", true),
    block(v4(192, 0, 0, 170, 32), "NAT64/DNS64 Discovery", "RFC 7050", false),
    block(v4(192, 0, 0, 171, 32), "NAT64/DNS64 Discovery", "RFC 7050", false),
    block(v4(192, 88, 99, 2, 32), "6a44-relay anycast address", "RFC 6751", false),
    block(v4(255, 255, 255, 255, 32), "Limited Broadcast", "RFC 919", false),
];

/// IANA IPv6 Special-Purpose Address Registry, multicast (RFC 4291) and site-local (RFC 3879). The
/// mapped, 6to4 and NAT64 blocks are absent: their addresses are looked up as the IPv4 they carry.
const V6: [SpecialPurpose; 25] = [
    block(v6(0xfc00 << 48, 0, 7), "Unique-Local", "RFC 4193", false),
    block(v6(0xff00 << 48, 0, 8), "Multicast", "RFC 4291", false),
    block(v6(0xfe80 << 48, 0, 10), "Link-Local Unicast", "RFC 4291", false),
    block(v6(0xfec0 << 48, 0, 10), "Deprecated (Site-Local)", "RFC 3879", false),
    block(v6(0x5f00 << 48, 0, 16), "Segment Routing (SRv6) SIDs", "RFC 9602", false),
    block(v6(0x3fff << 48, 0, 20), "Documentation", "RFC 9637", false),
    block(v6(0x2001 << 48, 0, 23), "IETF Protocol Assignments", "RFC 2928", false),
    block(v6(0x2001_0010 << 32, 0, 28), "Deprecated (ORCHID)", "RFC 4843", false),
    block(v6(0x2001_0020 << 32, 0, 28), "ORCHIDv2", "RFC 7343", true),
    block(v6(0x2001_0030 << 32, 0, 28), "Drone Remote ID", "RFC 9374", true),
    block(v6(0x2001_0000 << 32, 0, 32), "TEREDO", "RFC 4380", true),
    block(v6(0x2001_0003 << 32, 0, 32), "AMT", "RFC 7450", true),
    block(v6(0x2001_0db8 << 32, 0, 32), "Documentation", "RFC 3849", false),
    block(v6(0x0064_ff9b_0001 << 16, 0, 48), "IPv4-IPv6 Translation", "RFC 8215", false),
    block(v6(0x2001_0002_0000 << 16, 0, 48), "Benchmarking", "RFC 5180", false),
    block(v6(0x2001_0004_0112 << 16, 0, 48), "AS112-v6", "RFC 7535", true),
    block(v6(0x2620_004f_8000 << 16, 0, 48), "Direct Delegation AS112 Service", "RFC 7534", true),
    block(v6(0x0100 << 48, 0, 64), "Discard-Only Address Block", "RFC 6666", false),
    block(v6(0x0100_0000_0000_0001, 0, 64), "Dummy IPv6 Prefix", "RFC 9780", false),
    block(v6(0, 0, 96), "Deprecated (IPv4-Compatible)", "RFC 4291", false),
    block(v6(0, 0, 128), "Unspecified Address", "RFC 4291", false),
    block(v6(0, 1, 128), "Loopback Address", "RFC 4291", false),
    block(v6(0x2001_0001 << 32, 1, 128), "Port Control Protocol Anycast", "RFC 7723", true),
    block(v6(0x2001_0001 << 32, 2, 128), "TURN Anycast", "RFC 8155", true),
    block(
        v6(0x2001_0001 << 32, 3, 128),
        "DNS-SD Service Registration Protocol Anycast",
        "RFC 9665",
        true,
    ),
];

/// All blocks, IPv4 first, from wide to narrow.
pub(crate) fn special_blocks() -> impl Iterator<Item = &'static SpecialPurpose> {
    V4.iter().chain(V6.iter())
}

/// The most specific special-purpose block around an address, if any.
///
/// ```
/// assert!(artif_core::special_purpose("::ffff:127.0.0.1".parse().unwrap()).is_some());
/// ```
pub fn special_purpose(address: IpAddr) -> Option<&'static SpecialPurpose> {
    let address = canonical_address(address);
    let table = if address.is_ipv4() { V4.as_slice() } else { V6.as_slice() };
    table.iter().rev().find(|block| block.prefix.contains(address))
}

impl Prefix {
    /// The special-purpose block that holds the whole network, if any.
    ///
    /// ```
    /// let net: artif_core::Prefix = "192.168.7.0/24".parse().unwrap();
    /// assert_eq!(net.special_purpose().unwrap().name, "Private-Use");
    /// ```
    pub fn special_purpose(self) -> Option<&'static SpecialPurpose> {
        let table = if matches!(self, Self::V4(_)) { V4.as_slice() } else { V6.as_slice() };
        let address = self.address();
        table.iter().rev().find(|b| b.prefix.len() <= self.len() && b.prefix.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<&'static str> {
        special_purpose(text.parse().unwrap()).map(|block| block.name)
    }

    #[test]
    fn the_most_specific_block_answers() {
        for (text, expected) in [
            ("192.0.0.9", Some("Port Control Protocol Anycast")),
            ("192.0.0.1", Some("IPv4 Service Continuity Prefix")),
            ("192.0.0.200", Some("IETF Protocol Assignments")),
            ("255.255.255.255", Some("Limited Broadcast")),
            ("240.0.0.1", Some("Reserved")),
            ("172.15.255.255", None),
            ("172.16.0.0", Some("Private-Use")),
            ("172.31.255.255", Some("Private-Use")),
            ("172.32.0.0", None),
            ("172.217.0.1", None),
            ("100.63.255.255", None),
            ("100.127.255.255", Some("Shared Address Space")),
            ("100.128.0.0", None),
            ("198.19.255.255", Some("Benchmarking")),
            ("1.2.3.4", None),
            ("::1", Some("Loopback Address")),
            ("::", Some("Unspecified Address")),
            ("::1.2.3.4", Some("Deprecated (IPv4-Compatible)")),
            ("::ffff:1.2.3.4", None),
            ("::ffff:10.2.3.4", Some("Private-Use")),
            ("2002:a00:1::", Some("Private-Use")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b::127.0.0.1", Some("Loopback")),
            ("64:ff9b:1::1", Some("IPv4-IPv6 Translation")),
            ("2001:db8::1", Some("Documentation")),
            ("2001:db7::1", None),
            ("2001::1", Some("TEREDO")),
            ("2001:1::2", Some("TURN Anycast")),
            ("2001:1f0::1", Some("IETF Protocol Assignments")),
            ("2001:200::1", None),
            ("2001:4:112::1", Some("AS112-v6")),
            ("100::1", Some("Discard-Only Address Block")),
            ("100:0:0:1::1", Some("Dummy IPv6 Prefix")),
            ("100:0:0:2::1", None),
            ("fd00::1", Some("Unique-Local")),
            ("fe80::1", Some("Link-Local Unicast")),
            ("ff02::1", Some("Multicast")),
            ("3fff:fff::1", Some("Documentation")),
            ("3fff:1000::1", None),
            ("5f00::1", Some("Segment Routing (SRv6) SIDs")),
            ("2620:4f:8000::1", Some("Direct Delegation AS112 Service")),
            ("2606:4700::1", None),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn blocks_go_from_wide_to_narrow() {
        for table in [&V4[..], &V6[..]] {
            assert!(table.windows(2).all(|pair| pair[0].prefix.len() <= pair[1].prefix.len()));
        }
    }

    #[test]
    fn a_network_around_a_block_is_not_in_it() {
        assert!("172.0.0.0/8".parse::<Prefix>().unwrap().special_purpose().is_none());
        assert!("10.0.0.0/7".parse::<Prefix>().unwrap().special_purpose().is_none());
        assert!("10.0.0.0/8".parse::<Prefix>().unwrap().special_purpose().is_some());
    }
}
