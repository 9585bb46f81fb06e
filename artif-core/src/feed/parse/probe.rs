//! One word at a time, for whoever guesses how a document is written.

use std::net::IpAddr;

use super::collect::Indicator;
use super::report::SkipReason;
use super::token::{Reader, length};
use crate::net::parse_v4;

/// What a word of a document looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::feed) enum Word {
    Address,
    AddressAndPort,
    Network,
    Range,
    System,
    /// An address whose octets are padded with zeros.
    Padded,
    /// A URL whose host is an address.
    UrlOfAddress,
    /// A URL with a host name, a domain, a hash, a mail address.
    OtherIndicator,
    Nothing,
}

impl Word {
    /// Whether a format could take an address or network out of it.
    pub(in crate::feed) fn is_entry(self) -> bool {
        use Word::{Address, AddressAndPort, Network, Padded, Range, UrlOfAddress};
        matches!(self, Address | AddressAndPort | Network | Range | Padded | UrlOfAddress)
    }
}

#[derive(Debug, Default)]
pub(in crate::feed) struct Probe(Reader);

impl Probe {
    pub(in crate::feed) fn read(&mut self, word: &[u8]) -> Word {
        let found = self.0.read(word);
        if memchr::memmem::find(word, b"://").is_some() {
            return if found.is_ok() { Word::UrlOfAddress } else { Word::OtherIndicator };
        }
        match found {
            Ok(Indicator::As(_)) => Word::System,
            Ok(Indicator::Range(..)) => Word::Range,
            Ok(Indicator::Net(_)) if word.contains(&b'/') => Word::Network,
            Ok(Indicator::Net(net)) => {
                let has_port = match net.address() {
                    IpAddr::V4(_) => word.contains(&b':') && self.0.address(word).is_none(),
                    IpAddr::V6(_) => memchr::memmem::find(word, b"]:").is_some(),
                };
                if has_port { Word::AddressAndPort } else { Word::Address }
            }
            Err(SkipReason::ZeroPadded) => Word::Padded,
            Err(SkipReason::OtherIndicator) => Word::OtherIndicator,
            Err(_) => Word::Nothing,
        }
    }

    /// An address and nothing else.
    pub(in crate::feed) fn address(&self, word: &[u8]) -> Option<IpAddr> {
        self.0.address(word)
    }

    /// A prefix length or netmask that fits this address.
    pub(in crate::feed) fn length(word: &[u8], address: IpAddr) -> Option<u8> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        length(word, address).filter(|bits| *bits <= most)
    }

    /// A netmask as people write them, and no address.
    pub(in crate::feed) fn is_netmask(word: &[u8]) -> bool {
        parse_v4(word).is_some_and(|bits| {
            bits.leading_ones() >= 8 && bits.leading_ones() + bits.trailing_zeros() >= 32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let mut probe = Probe::default();
        for (word, expected) in [
            ("8.8.8.8", Word::Address),
            ("2a00::1", Word::Address),
            ("::ffff:8.8.8.8", Word::Address),
            ("8.8.8.8:53", Word::AddressAndPort),
            ("[2a00::1]:53", Word::AddressAndPort),
            ("8.8.8.0/24", Word::Network),
            ("8.8.8.0-8.8.8.9", Word::Range),
            ("AS64500", Word::System),
            ("008.008.008.008", Word::Padded),
            ("http://8.8.8.8/x", Word::UrlOfAddress),
            ("http://example.com/8.8.8.8", Word::OtherIndicator),
            ("example.com", Word::OtherIndicator),
            ("hello", Word::Nothing),
            ("", Word::Nothing),
        ] {
            assert_eq!(probe.read(word.as_bytes()), expected, "{word}");
        }
        assert!(Probe::is_netmask(b"255.255.255.0") && !Probe::is_netmask(b"254.0.255.0"));
        assert!(!Probe::is_netmask(b"8.8.8.8"));
    }
}
