//! Whom to believe, and in which header.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, Result, excerpt};
use crate::net::{Prefix4, Prefix6};

/// A header in which proxies say whom they speak for.
///
/// ```
/// use artif_core::client::ClientHeader;
///
/// assert_eq!("X-Forwarded-For".parse::<ClientHeader>()?, ClientHeader::XForwardedFor);
/// assert_eq!(ClientHeader::CfConnectingIp.as_str(), "cf-connecting-ip");
/// # Ok::<(), artif_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ClientHeader {
    /// `X-Forwarded-For`: a list, each proxy adding its peer at the right.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the same with names and quotes.
    Forwarded,
    /// `X-Real-IP`: one address, set by the proxy.
    XRealIp,
    /// `CF-Connecting-IP`: one address, set by Cloudflare.
    CfConnectingIp,
}

impl ClientHeader {
    const ALL: [Self; 4] =
        [Self::XForwardedFor, Self::Forwarded, Self::XRealIp, Self::CfConnectingIp];

    /// Its name in lower case.
    ///
    /// ```
    /// assert_eq!(artif_core::client::ClientHeader::XRealIp.as_str(), "x-real-ip");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::XRealIp => "x-real-ip",
            Self::CfConnectingIp => "cf-connecting-ip",
        }
    }

    /// Whether it holds one address, not a list.
    pub(super) const fn is_single(self) -> bool {
        matches!(self, Self::XRealIp | Self::CfConnectingIp)
    }
}

impl fmt::Display for ClientHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClientHeader {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|h| h.as_str().eq_ignore_ascii_case(text));
        known.ok_or_else(|| Error::Invalid {
            what: "client header",
            reason: format!(
                "{:?} is none of {}",
                excerpt(text),
                Self::ALL.map(Self::as_str).join(", ")
            ),
        })
    }
}

impl serde::Serialize for ClientHeader {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for ClientHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who is believed about the client's address.
///
/// ```
/// use artif_core::client::Trust;
///
/// assert_eq!(Trust::default(), Trust::Nobody);
/// assert!(matches!(Trust::networks(["10.0.0.0/8", "2001:db8::/32"])?, Trust::Networks(_)));
/// # Ok::<(), artif_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Nobody: the client is the peer of the connection, whatever headers say.
    #[default]
    Nobody,
    /// Proxies in these networks. A request that does not come from one is its own client.
    Networks(Networks),
    /// So many proxies, one behind the other, the last of which is the peer. **The peer is not
    /// checked**: whoever can reach the application past the proxies writes the header.
    Hops(u16),
}

/// Networks of proxies, as they are written: `::/0` holds no IPv4 address, and no range is
/// favoured, private ones neither.
///
/// ```
/// use artif_core::client::Trust;
///
/// let Trust::Networks(networks) = Trust::networks(["::ffff:10.0.0.0/104"])? else { panic!() };
/// assert!(networks.contains("10.9.9.9".parse().unwrap()), "mapped IPv6 is IPv4");
/// # Ok::<(), artif_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    v4: Vec<Prefix4>,
    v6: Vec<Prefix6>,
}

impl Trust {
    /// Trusts these networks, each an address or in CIDR notation. Host bits are cleared with a
    /// warning in the log, since `10.1.2.3/8` may be a slip.
    ///
    /// Errors: [`Error::BadPrefix`] for text that is no network.
    ///
    /// ```
    /// use artif_core::client::Trust;
    ///
    /// assert!(Trust::networks(["10.0.0.0/8"]).is_ok());
    /// assert_eq!(Trust::networks(["10.0.0.0/33"]).unwrap_err().code(), "ARTIF_BAD_PREFIX");
    /// ```
    pub fn networks<I>(networks: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut all = Networks::default();
        networks.into_iter().try_for_each(|text| all.add(text.as_ref()))?;
        Ok(Self::Networks(all))
    }
}

impl Networks {
    /// Whether the address is in one of them.
    ///
    /// ```
    /// use artif_core::client::Trust;
    ///
    /// let Trust::Networks(all) = Trust::networks(["::/0"])? else { panic!() };
    /// assert!(!all.contains("192.0.2.1".parse().unwrap()));
    /// # Ok::<(), artif_core::Error>(())
    /// ```
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.iter().any(|network| network.contains(v4.to_bits())),
            IpAddr::V6(v6) => self.v6.iter().any(|network| network.contains(v6.to_bits())),
        }
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Some(address) = crate::net::parse_address(address.as_bytes()) else {
            return Err(Error::bad_prefix(text, "the address part is not IPv4 or IPv6"));
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|n| *n <= bits && digits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(|| {
                    Error::bad_prefix(text, "the part after / is not a fitting number of bits")
                })?,
        };
        let masked = match address {
            IpAddr::V4(v4) => self.add_v4(v4.to_bits(), length),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) if length >= 96 => self.add_v4(v4.to_bits(), length - 96),
                _ => Prefix6::new(v6.to_bits(), length).is_some_and(|network| {
                    self.v6.push(network);
                    network.first() != v6.to_bits()
                }),
            },
        };
        if masked {
            tracing::warn!(network = %excerpt(text), "trusted proxy network has bits beyond its length set; they are ignored");
        }
        Ok(())
    }

    fn add_v4(&mut self, address: u32, length: u8) -> bool {
        Prefix4::new(address, length).is_some_and(|network| {
            self.v4.push(network);
            network.first() != address
        })
    }
}
