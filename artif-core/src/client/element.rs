//! One element of a list of addresses.

use std::net::{IpAddr, Ipv4Addr};

use crate::net::{parse_address, parse_v4_start, parse_v6};

/// An address, or `None` where the element does not parse.
pub(super) type Element = Option<IpAddr>;

/// Without blanks at both ends: space and tab only.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// What stands before the last comma, if there is one, and what stands after it.
pub(super) fn split_last(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match memchr::memrchr(b',', text).and_then(|at| text.split_at_checked(at)) {
        Some((before, [_comma, last @ ..])) => (Some(before), last),
        _ => (None, text),
    }
}

/// An address with or without a decimal port, blanks around it.
pub(super) fn address(text: &[u8]) -> Element {
    node(trim(text))
}

/// An address with or without a decimal port; IPv6 with a port is in brackets. Not the unspecified
/// addresses: nobody connects from them.
pub(super) fn node(text: &[u8]) -> Element {
    let address = match text {
        [b'[', rest @ ..] => {
            let at = memchr::memchr(b']', rest)?;
            let (inside, after) = rest.split_at_checked(at)?;
            let [b']', after @ ..] = after else { return None };
            port(after).then_some(())?;
            IpAddr::V6(parse_v6(inside)?)
        }
        _ => match parse_v4_start(text) {
            Some((v4, length)) => {
                port(text.get(length..)?).then_some(())?;
                IpAddr::V4(Ipv4Addr::from_bits(v4))
            }
            None => parse_address(text)?,
        },
    };
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

/// Nothing, or a colon and a port number.
fn port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            (1..=5).contains(&digits.len())
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0_u32, |n, d| n * 10 + u32::from(d - b'0')) <= 65_535
        }
        _ => false,
    }
}
