//! Canonical addresses as numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MAPPED: u128 = 0xffff << 32;
const NAT64: u128 = 0x0064_ff9b << 96;

/// An address as it is looked up: what [`canonical_address`] makes of it, as one number, IPv4 as the
/// IPv6 address that maps it.
///
/// Lookups pass it on where others would pass an [`IpAddr`]: kind and number of that are written one
/// by one, and copied at once before the processor has them together, which makes it wait until
/// all lookups before are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Canonical(u128);

/// A canonical address by its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4(u32),
    V6(u128),
}

impl Canonical {
    #[inline]
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.to_bits()),
            IpAddr::V6(v6) => Self::v6(v6.to_bits()),
        }
    }

    #[inline]
    pub(crate) const fn v4(bits: u32) -> Self {
        Self(MAPPED | bits as u128)
    }

    /// Of an IPv6 address, which may carry an IPv4 address.
    #[inline]
    pub(crate) const fn v6(bits: u128) -> Self {
        if bits >> 32 << 32 == NAT64 {
            Self::v4(bits as u32)
        } else if bits >> 112 == 0x2002 {
            Self::v4((bits >> 80) as u32)
        } else {
            Self(bits)
        }
    }

    #[inline]
    pub(crate) const fn family(self) -> Family {
        if self.0 >> 32 << 32 == MAPPED { Family::V4(self.0 as u32) } else { Family::V6(self.0) }
    }

    #[inline]
    pub(crate) const fn ip(self) -> IpAddr {
        match self.family() {
            Family::V4(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Family::V6(bits) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        }
    }
}

/// The address as it is looked up: IPv4 carried in IPv6 (mapped, 6to4, NAT64) becomes that IPv4
/// address, everything else stays.
///
/// ```
/// use artif_core::canonical_address;
///
/// let address = canonical_address("64:ff9b::192.0.2.1".parse().unwrap());
/// assert_eq!(address.to_string(), "192.0.2.1");
/// ```
pub fn canonical_address(address: IpAddr) -> IpAddr {
    Canonical::of(address).ip()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Prefix;
    use super::*;

    proptest! {
        #[test]
        fn a_host_is_canonical_as_its_network_is(v4: u32, high: u64, low: u64, form in 0..5) {
            let bits = match form {
                0 => MAPPED | u128::from(v4),
                1 => NAT64 | u128::from(v4),
                2 => 0x2002 << 112 | u128::from(v4) << 80 | u128::from(low),
                3 => NAT64 | u128::from(low),
                _ => u128::from(high) << 64 | u128::from(low),
            };
            let six = IpAddr::from(Ipv6Addr::from_bits(bits));
            let network: Prefix = format!("{six}/128").parse().unwrap();
            prop_assert_eq!(canonical_address(six), network.address());
            prop_assert_eq!(Canonical::of(six), Canonical::of(canonical_address(six)));
            let four = IpAddr::from(Ipv4Addr::from_bits(v4));
            prop_assert_eq!(Canonical::of(four).ip(), four);
            prop_assert_eq!(Canonical::v4(v4).family(), Family::V4(v4));
        }
    }
}
