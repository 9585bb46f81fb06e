//! Addresses from bytes, as fast as feeds need it and as strict as the standard library.

use crate::error::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The dotted-decimal address at the start of `text` and how many bytes it takes: four decimal
/// octets of one to three digits without leading zeros. What follows is the caller's business,
/// except that it is not a digit.
#[inline]
pub(crate) fn parse_v4_start(text: &[u8]) -> Option<(u32, usize)> {
    match text.first_chunk() {
        // The longest address and what ends it are 16 bytes.
        Some(window) => parse_v4_window(u128::from_le_bytes(*window)),
        None => parse_v4_bytewise(text),
    }
}

/// [`parse_v4_start`] of 16 bytes, the first lowest, without branches on the lengths of octets, which are as good as random and
/// cost more in mispredictions than everything else together.
#[inline]
fn parse_v4_window(window: u128) -> Option<(u32, usize)> {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const HIGH: u128 = ONES << 7;
    // Digits become 0 to 9; then the high bit of each byte says that it is none.
    let bytes = window ^ (ONES * 0x30);
    let not_dots = window ^ (ONES * 0x2e);
    let dots = !(((not_dots & (ONES * 0x7f)) + ONES * 0x7f) | not_dots) & HIGH;
    let mut others = (((bytes & (ONES * 0x7f)) + ONES * (0x80 - 10)) | bytes) & HIGH;
    let mut address = 0;
    let mut start = 0;
    for octet in 0..4 {
        // Without a fourth end the count is 128 and the octet too long.
        let end = (others.trailing_zeros() / 8) as usize;
        let rest = others & others.wrapping_sub(1);
        let ends_in_dot = (others ^ rest) & dots != 0;
        others = rest;
        let length = end.wrapping_sub(start);
        // Three digits at most, the first in the lowest byte.
        let digits = (bytes >> (8 * start)) as u32;
        let missing = 3_usize.wrapping_sub(length);
        if missing > 2 {
            return None;
        }
        let padded = digits << (8 * missing);
        let value = (padded & 0xff) * 100 + (padded >> 8 & 0xff) * 10 + (padded >> 16 & 0xff);
        let leading_zero = length > 1 && digits as u8 == 0;
        let goes_on = octet < 3;
        if value > 255 || leading_zero || (goes_on && !ends_in_dot) {
            return None;
        }
        address = address << 8 | value;
        start = end + usize::from(goes_on);
    }
    Some((address, start))
}

fn parse_v4_bytewise(text: &[u8]) -> Option<(u32, usize)> {
    let mut address = 0_u32;
    let mut at = 0;
    for octet in 0..4 {
        if octet > 0 {
            if *text.get(at)? != b'.' {
                return None;
            }
            at += 1;
        }
        let first = text.get(at)?.wrapping_sub(b'0');
        if first > 9 {
            return None;
        }
        at += 1;
        let mut value = u32::from(first);
        for _ in 0..3 {
            let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) else {
                break;
            };
            // A second digit after a zero, a fourth digit, or a value above 255.
            value = value * 10 + u32::from(digit);
            if first == 0 || value > 255 {
                return None;
            }
            at += 1;
        }
        address = address << 8 | value;
    }
    Some((address, at))
}

/// Exactly the texts [`Ipv4Addr::from_str`](std::str::FromStr) reads.
#[inline]
pub(crate) fn parse_v4(text: &[u8]) -> Option<u32> {
    let window = window(text)?;
    #[cfg(target_arch = "x86_64")]
    return super::dotted::parse(window, text.len(), || parse_v4_whole(window, text.len()));
    #[cfg(not(target_arch = "x86_64"))]
    parse_v4_whole(window, text.len())
}

/// The bytes of a text that may be an IPv4 address, the first lowest, with zeros behind.
#[inline]
fn window(text: &[u8]) -> Option<u128> {
    // Of two reads that overlap.
    match text.len() {
        8..=15 => {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            let last = u128::from(u64::from_le_bytes(*last)) << (8 * (text.len() - 8));
            Some(u128::from(u64::from_le_bytes(*first)) | last)
        }
        7 => {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            let last = u128::from(u32::from_le_bytes(*last)) << 24;
            Some(u128::from(u32::from_le_bytes(*first)) | last)
        }
        _ => None,
    }
}

/// The address that is the first `length` bytes of a window, by arithmetic alone.
#[inline]
fn parse_v4_whole(window: u128, length: usize) -> Option<u32> {
    let (address, end) = parse_v4_window(window)?;
    (end == length).then_some(address)
}

/// Like [`parse_v4`], but octets may be padded with zeros to three digits and are decimal all the
/// same.
pub(crate) fn parse_v4_padded(text: &[u8]) -> Option<u32> {
    let mut address = 0_u32;
    let mut octets = 0;
    for octet in text.split(|b| *b == b'.') {
        octets += 1;
        if octets > 4 || !(1..=3).contains(&octet.len()) || !octet.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = octet.iter().fold(0_u32, |value, b| value * 10 + u32::from(b - b'0'));
        if value > 255 {
            return None;
        }
        address = address << 8 | value;
    }
    (octets == 4).then_some(address)
}

/// Exactly the texts [`Ipv6Addr::from_str`](std::str::FromStr) reads (no zone ids).
pub(crate) fn parse_v6(text: &[u8]) -> Option<Ipv6Addr> {
    const NO_DIGIT: u8 = 0xff;
    const DIGITS: [u8; 256] = {
        let mut digits = [NO_DIGIT; 256];
        let mut value = 0;
        while value < 16 {
            #[expect(clippy::indexing_slicing, reason = "checked when compiled")]
            {
                digits[b"0123456789abcdef"[value] as usize] = value as u8;
                digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
            }
            value += 1;
        }
        digits
    };
    let mut groups = 0_u128;
    let mut count = 0_u32;
    // How many groups stand before "::".
    let mut before_gap = None;
    let mut rest = text;
    if let Some(behind) = text.strip_prefix(b"::") {
        before_gap = Some(0);
        rest = behind;
    }
    while !rest.is_empty() {
        let start = rest;
        let mut group = 0_u32;
        let mut length = 0;
        let after = loop {
            let Some((byte, behind)) = rest.split_first() else { break None };
            let digit = DIGITS.get(usize::from(*byte)).copied().unwrap_or(NO_DIGIT);
            if digit == NO_DIGIT {
                break Some((*byte, behind));
            }
            group = group << 4 | u32::from(digit);
            length += 1;
            if length > 4 {
                return None;
            }
            rest = behind;
        };
        if length == 0 || count == 8 {
            return None;
        }
        match after {
            None => {}
            Some((b':', behind)) => {
                rest = behind;
                match behind.strip_prefix(b":") {
                    Some(behind) if before_gap.is_none() => {
                        before_gap = Some(count + 1);
                        rest = behind;
                    }
                    Some(_) => return None,
                    None if behind.is_empty() => return None,
                    None => {}
                }
            }
            // The last two groups as dotted decimal.
            Some((b'.', _)) if count < 7 => {
                groups = groups << 32 | u128::from(parse_v4(start)?);
                count += 2;
                break;
            }
            Some(_) => return None,
        }
        groups = groups << 16 | u128::from(group);
        count += 1;
    }
    let bits = match before_gap {
        None if count == 8 => groups,
        // "::" stands for one group at least.
        Some(before) if count < 8 => {
            let behind = 16 * (count - before);
            let high = (groups >> behind).checked_shl(16 * (8 - before)).unwrap_or(0);
            high | groups & ((1 << behind) - 1)
        }
        _ => return None,
    };
    Some(Ipv6Addr::from_bits(bits))
}

/// The address that `text` spells: exactly what [`IpAddr::from_str`](std::str::FromStr) reads, with
/// an error that can be shown.
///
/// ```
/// assert!(artif_core::address("2001:db8::1").unwrap().is_ipv6());
/// assert_eq!(artif_core::address("10.1").unwrap_err().code(), "ARTIF_BAD_ADDRESS");
/// ```
pub fn address(text: &str) -> Result<IpAddr> {
    parse_address(text.as_bytes()).ok_or_else(|| Error::bad_address(text))
}

/// Exactly the texts [`IpAddr::from_str`](std::str::FromStr) reads.
#[inline]
pub(crate) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    match parse_v4(text) {
        Some(address) => Some(Ipv4Addr::from_bits(address).into()),
        None => parse_v6(text).map(IpAddr::V6),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn std_reads(text: &[u8]) -> Option<IpAddr> {
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    fn agrees(text: &[u8]) {
        // However much stands behind, the same is read.
        let mut followed = text.to_vec();
        followed.extend(b"\n1.2.3.4 1.2.3.4");
        assert_eq!(parse_v4_start(&followed), parse_v4_bytewise(&followed), "{followed:?}");
        assert_eq!(parse_address(text), std_reads(text), "{:?}", String::from_utf8_lossy(text));
        let v4 = std_reads(text).and_then(|a| match a {
            IpAddr::V4(a) => Some(a.to_bits()),
            IpAddr::V6(_) => None,
        });
        assert_eq!(parse_v4(text), v4, "{:?}", String::from_utf8_lossy(text));
        let whole = window(text).and_then(|window| parse_v4_whole(window, text.len()));
        assert_eq!(whole, v4, "{:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn edges() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "256.0.0.1",
            "1.2.3.4",
            "1.2.3",
            "1.2.3.",
            "1.2.3.4.",
            "1.2.3.4.5",
            ".1.2.3.4",
            "01.2.3.4",
            "00.2.3.4",
            "0.0.0.00",
            "1.2.3.0000",
            "1.2.3.1000",
            "1.2.3.999",
            "1..3.4",
            "0x7f.0.0.1",
            "",
            "::",
            "1::1.2.3.4",
            "1:2:3:4:5:6:255.255.255.255",
            "fe80::1%eth0",
            "::ffff:1.2.3.04",
            "12345::",
            "\u{ff11}.2.3.4",
            " 1.2.3.4",
            "1.2.3.4 ",
            "+1.2.3.4",
            "0000:0000:0000:0000:0000:ffff:255.255.255.255",
            "1:2:3:4:5:6:7::",
            "::1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7::8",
            "1:2:3:4:5:6::1.2.3.4",
            "1:2:3:4:5::1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1.2.3.4::",
            "1::2::3",
            ":1::2",
            "1:",
            ":",
            ":::",
            "1:2:3:4:5:6:7:8:",
            "1:2:3:4:5:6:7:8:9",
            "::1.2.3.4:5",
            "::G",
        ] {
            agrees(text.as_bytes());
        }
    }

    #[test]
    fn octets_of_all_lengths_and_values() {
        let octets = ["0", "7", "9", "10", "99", "100", "199", "250", "255"];
        let wrong = ["", "00", "01", "001", "256", "260", "300", "999", "1000", "a", "1a", "-1"];
        let all: Vec<&str> = octets.into_iter().chain(wrong).collect();
        for a in &all {
            for b in &all {
                for c in &all {
                    for d in &all {
                        agrees(format!("{a}.{b}.{c}.{d}").as_bytes());
                    }
                }
            }
        }
    }

    #[test]
    fn every_byte_in_every_place() {
        for text in ["1.2.3.4", "10.20.30.40", "203.0.113.255"] {
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut text = text.as_bytes().to_vec();
                    text[at] = byte;
                    agrees(&text);
                }
            }
        }
    }

    #[test]
    fn padded_octets_are_decimal() {
        assert_eq!(parse_v4_padded(b"005.008.018.150"), Some(0x0508_1296));
        assert_eq!(parse_v4_padded(b"010.000.000.001"), Some(0x0a00_0001));
        assert_eq!(parse_v4_padded(b"1.2.3.4"), Some(0x0102_0304));
        for bad in ["0005.1.1.1", "256.1.1.1", "1.1.1", "1.1.1.1.1", "1.1..1", "1.1.1.a", ""] {
            assert_eq!(parse_v4_padded(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn any_v4(bits: u32) {
            let text = Ipv4Addr::from_bits(bits).to_string();
            prop_assert_eq!(parse_v4(text.as_bytes()), Some(bits));
        }

        #[test]
        fn any_v6(bits: u128) {
            agrees(Ipv6Addr::from_bits(bits).to_string().as_bytes());
        }

        #[test]
        fn mutated(bits: u32, six: u128, at in 0_usize..40, byte: u8, how in 0..3) {
            for text in [Ipv4Addr::from_bits(bits).to_string(), Ipv6Addr::from_bits(six).to_string()] {
                let mut text = text.into_bytes();
                let at = at % text.len();
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    _ => { text.remove(at); }
                }
                agrees(&text);
            }
        }

        #[test]
        fn address_alphabet(text in "[0-9a-f.:]{0,20}") {
            agrees(text.as_bytes());
        }

        #[test]
        fn groups(
            head in prop::collection::vec("[0-9a-fA-F]{1,5}", 0..9),
            tail in prop::collection::vec("[0-9a-fA-F]{1,4}", 0..9),
            between in prop_oneof![Just("::"), Just(":"), Just(""), Just(":::")],
            four: Option<u32>,
        ) {
            let mut text = format!("{}{between}{}", head.join(":"), tail.join(":"));
            if let Some(bits) = four {
                agrees(format!("{text}{}", Ipv4Addr::from_bits(bits)).as_bytes());
                text = format!("{text}:{}", Ipv4Addr::from_bits(bits));
            }
            agrees(text.as_bytes());
        }

        #[test]
        fn dotted(text in "[0-9]{0,4}(\\.[0-9]{0,4}){2,4}") {
            agrees(text.as_bytes());
        }

        #[test]
        fn any_bytes(text: Vec<u8>) {
            agrees(&text);
        }
    }
}
