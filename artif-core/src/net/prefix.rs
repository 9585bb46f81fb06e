//! One network in canonical form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::canonical_address;
use crate::error::{Error, Result};

/// An IPv4 network. Ordered by address, then by length, so that a network sorts before everything
/// inside it.
///
/// ```
/// use artif_core::Prefix4;
///
/// let net = Prefix4::new(u32::from_be_bytes([192, 0, 2, 77]), 24).unwrap();
/// assert_eq!(net.to_string(), "192.0.2.0/24");
/// assert_eq!(net.last(), u32::from_be_bytes([192, 0, 2, 255]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix4(u64); // address << 6 | length: one comparison orders, eight bytes store

impl Prefix4 {
    /// The network of `length` bits around `address`; host bits are cleared. `None` above 32.
    ///
    /// ```
    /// assert!(artif_core::Prefix4::new(0, 33).is_none());
    /// ```
    pub const fn new(address: u32, length: u8) -> Option<Self> {
        if length > 32 {
            return None;
        }
        Some(Self(((address & mask4(length)) as u64) << 6 | length as u64))
    }

    /// The single address, as a /32.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix4::host(1).len(), 32);
    /// ```
    pub const fn host(address: u32) -> Self {
        Self((address as u64) << 6 | 32)
    }

    /// The first address.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix4::host(7).first(), 7);
    /// ```
    pub const fn first(self) -> u32 {
        (self.0 >> 6) as u32
    }

    /// The last address.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix4::new(0, 0).unwrap().last(), u32::MAX);
    /// ```
    pub const fn last(self) -> u32 {
        self.first() | !mask4(self.len())
    }

    /// The length in bits, 0 to 32.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix4::new(0, 8).unwrap().len(), 8);
    /// ```
    #[expect(
        clippy::len_without_is_empty,
        reason = "a network is never empty; this is its length in bits"
    )]
    pub const fn len(self) -> u8 {
        (self.0 & 0x3f) as u8
    }

    /// Whether the address is inside.
    ///
    /// ```
    /// assert!(artif_core::Prefix4::new(0x0a00_0000, 8).unwrap().contains(0x0a01_0203));
    /// ```
    pub const fn contains(self, address: u32) -> bool {
        address & mask4(self.len()) == self.first()
    }

    /// The packed form: `address << 6 | length`.
    pub(crate) const fn packed(self) -> u64 {
        self.0
    }

    /// The network with this packed form; `None` where no network packs so.
    pub(crate) const fn from_packed(packed: u64) -> Option<Self> {
        if packed >> 38 != 0 {
            return None;
        }
        match Self::new((packed >> 6) as u32, (packed & 0x3f) as u8) {
            Some(prefix) if prefix.0 == packed => Some(prefix),
            _ => None,
        }
    }
}

/// The netmask of `length` bits.
const fn mask4(length: u8) -> u32 {
    if length == 0 { 0 } else { u32::MAX << (32 - length) }
}

impl fmt::Display for Prefix4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first()), self.len())
    }
}

impl fmt::Debug for Prefix4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IPv6 network. Ordered like [`Prefix4`].
///
/// ```
/// use artif_core::Prefix6;
///
/// let address: std::net::Ipv6Addr = "2001:db8::77".parse().unwrap();
/// let net = Prefix6::new(address.to_bits(), 32).unwrap();
/// assert_eq!(net.to_string(), "2001:db8::/32");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix6 {
    address: u128,
    length: u8,
}

impl Prefix6 {
    /// The network of `length` bits around `address`; host bits are cleared. `None` above 128.
    ///
    /// ```
    /// assert!(artif_core::Prefix6::new(0, 129).is_none());
    /// ```
    pub const fn new(address: u128, length: u8) -> Option<Self> {
        if length > 128 {
            return None;
        }
        Some(Self { address: address & mask6(length), length })
    }

    /// The single address, as a /128.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix6::host(1).len(), 128);
    /// ```
    pub const fn host(address: u128) -> Self {
        Self { address, length: 128 }
    }

    /// The first address.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix6::host(7).first(), 7);
    /// ```
    pub const fn first(self) -> u128 {
        self.address
    }

    /// The last address.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix6::new(0, 0).unwrap().last(), u128::MAX);
    /// ```
    pub const fn last(self) -> u128 {
        self.address | !mask6(self.length)
    }

    /// The length in bits, 0 to 128.
    ///
    /// ```
    /// assert_eq!(artif_core::Prefix6::new(0, 19).unwrap().len(), 19);
    /// ```
    #[expect(
        clippy::len_without_is_empty,
        reason = "a network is never empty; this is its length in bits"
    )]
    pub const fn len(self) -> u8 {
        self.length
    }

    /// Whether the address is inside.
    ///
    /// ```
    /// assert!(artif_core::Prefix6::new(0, 0).unwrap().contains(1));
    /// ```
    pub const fn contains(self, address: u128) -> bool {
        address & mask6(self.length) == self.address
    }
}

/// The netmask of `length` bits.
const fn mask6(length: u8) -> u128 {
    if length == 0 { 0 } else { u128::MAX << (128 - length) }
}

impl fmt::Display for Prefix6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from_bits(self.address), self.length)
    }
}

impl fmt::Debug for Prefix6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A network of either family in canonical form: host bits cleared, IPv4 written as IPv6
/// (mapped `::ffff:0:0/96`, 6to4 `2002::/16`, NAT64 `64:ff9b::/96`) turned into the IPv4 network it
/// carries.
///
/// ```
/// use artif_core::Prefix;
///
/// assert_eq!("192.0.2.77/24".parse::<Prefix>().unwrap().to_string(), "192.0.2.0/24");
/// assert_eq!("::ffff:192.0.2.1".parse::<Prefix>().unwrap().to_string(), "192.0.2.1/32");
/// assert_eq!("2002:c000:0201::/48".parse::<Prefix>().unwrap().to_string(), "192.0.2.1/32");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// IPv4.
    V4(Prefix4),
    /// IPv6.
    V6(Prefix6),
}

impl Prefix {
    /// The canonical network of `length` bits around `address`. `None` where the family has fewer
    /// bits.
    ///
    /// ```
    /// use artif_core::Prefix;
    /// assert_eq!(Prefix::new("10.1.2.3".parse().unwrap(), 8).unwrap().to_string(), "10.0.0.0/8");
    /// ```
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Prefix4::new(address.to_bits(), length).map(Self::V4),
            IpAddr::V6(address) => {
                let prefix = Prefix6::new(address.to_bits(), length)?;
                Some(embedded_v4(prefix).map_or(Self::V6(prefix), Self::V4))
            }
        }
    }

    /// The single address, canonical.
    ///
    /// ```
    /// use artif_core::Prefix;
    /// assert_eq!(Prefix::host("::1".parse().unwrap()).to_string(), "::1/128");
    /// ```
    pub fn host(address: IpAddr) -> Self {
        match canonical_address(address) {
            IpAddr::V4(address) => Self::V4(Prefix4::host(address.to_bits())),
            IpAddr::V6(address) => Self::V6(Prefix6::host(address.to_bits())),
        }
    }

    /// The first address.
    ///
    /// ```
    /// let net: artif_core::Prefix = "10.0.0.0/8".parse().unwrap();
    /// assert_eq!(net.address().to_string(), "10.0.0.0");
    /// ```
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4(prefix) => Ipv4Addr::from_bits(prefix.first()).into(),
            Self::V6(prefix) => Ipv6Addr::from_bits(prefix.first()).into(),
        }
    }

    /// The length in bits, 0 to 32 or 128.
    ///
    /// ```
    /// let net: artif_core::Prefix = "10.0.0.0/8".parse().unwrap();
    /// assert_eq!(net.len(), 8);
    /// ```
    #[expect(
        clippy::len_without_is_empty,
        reason = "a network is never empty; this is its length in bits"
    )]
    pub fn len(self) -> u8 {
        match self {
            Self::V4(prefix) => prefix.len(),
            Self::V6(prefix) => prefix.len(),
        }
    }

    /// Whether it is one address.
    ///
    /// ```
    /// assert!("192.0.2.1".parse::<artif_core::Prefix>().unwrap().is_host());
    /// ```
    pub fn is_host(self) -> bool {
        self.len() == if matches!(self, Self::V4(_)) { 32 } else { 128 }
    }

    /// Up to `most` of its addresses, evenly spread from the first on.
    pub(crate) fn spread(self, most: u32) -> impl Iterator<Item = IpAddr> {
        let (first, host_bits) = match self {
            Self::V4(prefix) => (u128::from(prefix.first()), 32 - prefix.len()),
            Self::V6(prefix) => (prefix.first(), 128 - prefix.len()),
        };
        let steps = most.max(1).ilog2().min(u32::from(host_bits));
        let step = u32::from(host_bits) - steps;
        (0..1_u128 << steps).map(move |place| {
            let address = first + place.checked_shl(step).unwrap_or(0);
            match self {
                Self::V4(_) => IpAddr::from(Ipv4Addr::from_bits(address as u32)),
                Self::V6(_) => IpAddr::from(Ipv6Addr::from_bits(address)),
            }
        })
    }

    /// Whether the address, in whatever form, is inside.
    ///
    /// ```
    /// let net: artif_core::Prefix = "192.0.2.0/24".parse().unwrap();
    /// assert!(net.contains("::ffff:192.0.2.9".parse().unwrap()));
    /// ```
    pub fn contains(self, address: IpAddr) -> bool {
        match (self, canonical_address(address)) {
            (Self::V4(prefix), IpAddr::V4(address)) => prefix.contains(address.to_bits()),
            (Self::V6(prefix), IpAddr::V6(address)) => prefix.contains(address.to_bits()),
            _ => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(prefix) => prefix.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Prefix {
    type Err = Error;

    /// An address or a network in CIDR notation; host bits are allowed and cleared.
    fn from_str(text: &str) -> Result<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => {
                if length.is_empty()
                    || length.len() > 3
                    || !length.bytes().all(|b| b.is_ascii_digit())
                {
                    return Err(Error::bad_prefix(
                        text,
                        "the part after / is not a number of bits",
                    ));
                }
                (address, length.parse::<u8>().ok())
            }
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(Error::bad_prefix(text, "the address part is not IPv4 or IPv6"));
        };
        if !text.contains('/') {
            return Ok(Self::host(address));
        }
        length
            .and_then(|length| Self::new(address, length))
            .ok_or_else(|| Error::bad_prefix(text, "more bits than the address family has"))
    }
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        // An IpNet's length fits its family, so the fallback is never taken.
        Self::new(net.addr(), net.prefix_len()).unwrap_or_else(|| Self::host(net.addr()))
    }
}

impl From<Prefix> for IpNet {
    fn from(prefix: Prefix) -> Self {
        match prefix {
            Prefix::V4(p) => Ipv4Net::new_assert(Ipv4Addr::from_bits(p.first()), p.len()).into(),
            Prefix::V6(p) => Ipv6Net::new_assert(Ipv6Addr::from_bits(p.first()), p.len()).into(),
        }
    }
}

impl serde::Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The IPv4 network that an IPv6 network carries, where it lies within one of the three forms.
const fn embedded_v4(prefix: Prefix6) -> Option<Prefix4> {
    const MAPPED: u128 = 0xffff << 32;
    const NAT64: u128 = 0x0064_ff9b << 96;
    let address = prefix.address;
    let tail = address >> 32 << 32;
    if prefix.length >= 96 && (tail == MAPPED || tail == NAT64) {
        return Prefix4::new(address as u32, prefix.length - 96);
    }
    if prefix.length >= 16 && address >> 112 == 0x2002 {
        let length = if prefix.length > 48 { 32 } else { prefix.length - 16 };
        return Prefix4::new((address >> 80) as u32, length);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, expected) in [
            ("1.2.3.4", "1.2.3.4/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("2001:DB8::1/64", "2001:db8::/64"),
            ("::ffff:1.2.3.4", "1.2.3.4/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
            ("2002:0102:0304::/48", "1.2.3.4/32"),
            ("2002:0102:0304:7::9", "1.2.3.4/32"),
            ("2002:0102::/32", "1.2.0.0/16"),
            ("2002::/16", "0.0.0.0/0"),
            ("2002::/15", "2002::/15"),
            ("64:ff9b::102:304", "1.2.3.4/32"),
            ("64:ff9b::102:0/112", "1.2.0.0/16"),
            ("64:ff9b:1::1", "64:ff9b:1::1/128"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn not_networks() {
        for text in [
            "",
            "/",
            "1.2.3",
            "1.2.3.4/",
            "1.2.3.4/33",
            "1.2.3.4/+1",
            "::/129",
            "1.2.3.4/999",
            "01.2.3.4",
            "1.2.3.4/8/8",
            "fe80::1%eth0",
            " 1.2.3.4",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_network_sorts_before_what_it_holds() {
        let mut nets = ["10.0.0.1", "10.0.0.0/8", "10.0.0.0", "10.0.0.0/24", "9.0.0.0/8"]
            .map(|t| t.parse::<Prefix>().unwrap());
        nets.sort();
        assert_eq!(
            nets.map(|n| n.to_string()),
            ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/32", "10.0.0.1/32"]
        );
    }

    #[test]
    fn addresses_are_spread_evenly() {
        let spread = |text: &str, most| -> Vec<String> {
            let prefix: Prefix = text.parse().unwrap();
            prefix.spread(most).map(|address| address.to_string()).collect()
        };
        assert_eq!(spread("10.1.0.0/16", 256)[255], "10.1.255.0");
        assert_eq!(spread("10.1.0.0/31", 256), ["10.1.0.0", "10.1.0.1"]);
        assert_eq!(spread("10.1.0.7", 5), ["10.1.0.7"]);
        assert_eq!(spread("::/0", 3), ["::", "8000::"]);
        assert_eq!(spread("2001:db8::/32", 0), ["2001:db8::"]);
    }

    #[test]
    fn packing_is_checked() {
        let p = Prefix4::new(0xc000_0200, 24).unwrap();
        assert_eq!(Prefix4::from_packed(p.packed()), Some(p));
        assert_eq!(Prefix4::from_packed((0xc000_0201 << 6) + 24), None, "host bits");
        assert_eq!(Prefix4::from_packed(40), None, "length");
        assert_eq!(Prefix4::from_packed(1 << 50), None, "address");
    }
}
