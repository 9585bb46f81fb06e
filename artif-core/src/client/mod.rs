//! Which address a request comes from, where proxies stand in between.
//!
//! A header says whatever its sender wants. So none is read unless the configuration says whom to
//! believe, by the networks of the proxies or by their number; and then only from the end that
//! trusted proxies wrote, up to the first address that is none of theirs. Where that end is not
//! readable the address is unknown: going further left would believe the client, stopping earlier
//! would blame a proxy for everyone behind it.

mod config;
mod element;
mod forwarded;

use std::net::IpAddr;

pub use self::config::{ClientHeader, Trust};
use self::element::Element;

/// Finds the address a request comes from.
///
/// The address found is canonical in one way: IPv4 mapped into IPv6 (`::ffff:192.0.2.1`) is IPv4.
/// NAT64, 6to4 and Teredo addresses stay as they are here, since a proxy's network is meant as it
/// is written.
///
/// ```
/// use artif_core::client::{ClientAddress, ClientHeader, Trust};
///
/// let proxy = "10.0.0.7".parse().ok();
/// let direct = ClientAddress::default();
/// assert_eq!(direct.find(proxy, [&b"203.0.113.9"[..]]), proxy, "nobody is trusted");
///
/// let behind = ClientAddress::new(
///     Trust::networks(["10.0.0.0/8"])?,
///     ClientHeader::XForwardedFor,
/// )?;
/// let client = behind.find(proxy, [&b"1.1.1.1, 203.0.113.9"[..]]);
/// assert_eq!(client, "203.0.113.9".parse().ok(), "what stands further left is the client's say");
/// # Ok::<(), artif_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientAddress {
    trust: Trust,
    header: ClientHeader,
}

impl ClientAddress {
    /// Reads `header` as far as `trust` reaches.
    ///
    /// Errors: [`Error::Invalid`](crate::Error::Invalid) for more than one hop and a header that
    /// holds one address.
    ///
    /// ```
    /// use artif_core::client::{ClientAddress, ClientHeader, Trust};
    ///
    /// assert!(ClientAddress::new(Trust::Hops(2), ClientHeader::XForwardedFor).is_ok());
    /// assert!(ClientAddress::new(Trust::Hops(2), ClientHeader::XRealIp).is_err());
    /// ```
    pub fn new(trust: Trust, header: ClientHeader) -> crate::Result<Self> {
        if let Trust::Hops(hops @ 2..) = trust
            && header.is_single()
        {
            return Err(crate::Error::Invalid {
                what: "trusted hops",
                reason: format!(
                    "{header} holds one address, so there are no {hops} hops in it: give 1, or \
                     the networks of the proxies"
                ),
            });
        }
        Ok(Self { trust, header })
    }

    /// The header to hand to [`Self::find`]; `None` where none is read.
    ///
    /// ```
    /// use artif_core::client::{ClientAddress, ClientHeader, Trust};
    ///
    /// assert_eq!(ClientAddress::default().header(), None);
    /// let behind = ClientAddress::new(Trust::Hops(1), ClientHeader::Forwarded).unwrap();
    /// assert_eq!(behind.header(), Some(ClientHeader::Forwarded));
    /// ```
    pub fn header(&self) -> Option<ClientHeader> {
        match self.trust {
            Trust::Nobody | Trust::Hops(0) => None,
            _ => Some(self.header),
        }
    }

    /// The client's address, or `None` where it is not known: then the failure policy decides.
    ///
    /// `peer` is the other end of the connection, `None` for one without address such as a Unix
    /// socket. `values` are the values of all occurrences of [`Self::header`], in the order in which
    /// they came; servers that join them with commas are fine too.
    ///
    /// Work is bounded by the length of what is read, and reading stops at the client.
    ///
    /// ```
    /// use artif_core::client::{ClientAddress, ClientHeader, Trust};
    ///
    /// // Two proxies, the outer of which wrote the client's address and the inner the outer's.
    /// let two = ClientAddress::new(Trust::Hops(2), ClientHeader::XForwardedFor).unwrap();
    /// let peer = "10.0.0.7".parse().ok();
    /// assert_eq!(two.find(peer, [&b"203.0.113.9, 198.51.100.2"[..]]), "203.0.113.9".parse().ok());
    /// assert_eq!(two.find(peer, [&b"198.51.100.2"[..]]), None, "the list is too short");
    /// ```
    pub fn find<'h, I>(&self, peer: Option<IpAddr>, values: I) -> Option<IpAddr>
    where
        I: IntoIterator<Item = &'h [u8]>,
        I::IntoIter: DoubleEndedIterator,
    {
        let peer = peer.map(|peer| peer.to_canonical());
        match &self.trust {
            Trust::Nobody | Trust::Hops(0) => peer,
            Trust::Networks(networks) => {
                // A connection without an address cannot be shown to be a proxy.
                let peer = peer?;
                if !networks.contains(peer) {
                    return Some(peer);
                }
                let mut client = peer;
                for element in self.elements(values) {
                    client = element?;
                    if !networks.contains(client) {
                        break;
                    }
                }
                Some(client)
            }
            Trust::Hops(hops) => {
                let mut elements = self.elements(values);
                let mut client = None;
                for _ in 0..*hops {
                    client = Some(elements.next()??);
                }
                client
            }
        }
    }

    /// The elements from the right; `None` for one that does not parse.
    fn elements<'h, I>(&self, values: I) -> impl Iterator<Item = Element> + use<'h, I>
    where
        I: IntoIterator<Item = &'h [u8]>,
        I::IntoIter: DoubleEndedIterator,
    {
        let header = self.header;
        let mut values = values.into_iter().rev().peekable();
        let mut rest = None;
        // Nothing but blanks is an empty list, not a list with one empty element.
        if let Some(value) = values.next()
            && !(element::trim(value).is_empty() && values.peek().is_none())
        {
            rest = Some(value);
        }
        std::iter::from_fn(move || {
            if header.is_single() {
                let value = rest.take()?;
                // Two values: one of them is not the proxy's.
                return Some(element::address(value).filter(|_| values.peek().is_none()));
            }
            let text = match rest.take() {
                Some(text) => text,
                None => values.next()?,
            };
            let (before, last) = if header == ClientHeader::Forwarded {
                forwarded::split_last(text)
            } else {
                element::split_last(text)
            };
            rest = before;
            Some(if header == ClientHeader::Forwarded {
                forwarded::address(last)
            } else {
                element::address(last)
            })
        })
    }
}

/// The address in what a server calls the peer of a connection: an address, perhaps with a zone
/// (`fe80::1%eth0`); `None` for anything else, such as the empty name of a Unix socket.
///
/// ```
/// use artif_core::client::peer_address;
///
/// assert_eq!(peer_address("::ffff:192.0.2.1"), "192.0.2.1".parse().ok());
/// assert_eq!(peer_address("fe80::1%eth0"), "fe80::1".parse().ok());
/// assert_eq!(peer_address("unix:"), None);
/// ```
pub fn peer_address(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((address, _zone)) if address.contains(':') => address,
        _ => text,
    };
    crate::net::parse_address(address.as_bytes()).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
