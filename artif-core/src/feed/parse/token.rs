//! What one word of a feed stands for.

use std::net::{IpAddr, Ipv4Addr};

use super::collect::Indicator;
use super::report::SkipReason;
use crate::feed::format::ValueKind;
use crate::net::{Prefix, parse_address, parse_v4, parse_v4_padded, parse_v4_start, parse_v6};

/// How the publisher writes addresses, and room to refang them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    zero_padded: bool,
    /// IPv6 counts in brackets only.
    ports: bool,
    refanged: Vec<u8>,
}

impl Reader {
    pub(super) fn new(zero_padded: bool, kind: ValueKind) -> Self {
        Self { zero_padded, ports: kind == ValueKind::IpPort, refanged: Vec::new() }
    }

    /// The indicator in `token`, which holds no blanks.
    pub(super) fn read(&mut self, token: &[u8]) -> Result<Indicator, SkipReason> {
        let token = unwrap(token);
        if let Some(address) = parse_v4(token) {
            return Ok(host(Ipv4Addr::from_bits(address).into()));
        }
        if !token.iter().any(|b| matches!(b, b'.' | b':' | b']' | b')' | b'}')) {
            return as_number(token).map(Indicator::As).ok_or_else(|| kind_of(token));
        }
        if defanged(token) {
            // Taken and put back, as the reader is borrowed meanwhile.
            let mut refanged = std::mem::take(&mut self.refanged);
            refang(token, &mut refanged);
            let found = self.read_plain(&refanged);
            self.refanged = refanged;
            return found.map_err(|reason| match reason {
                SkipReason::NotAnIndicator => kind_of(token),
                reason => reason,
            });
        }
        self.read_plain(token)
    }

    fn read_plain(&self, token: &[u8]) -> Result<Indicator, SkipReason> {
        if let Some(at) = memchr::memmem::find(token, b"://") {
            let after = token.get(at + 3..).unwrap_or_default();
            return self.url_host(after).map(host).ok_or(SkipReason::OtherIndicator);
        }
        if let Some((first, last)) = split_once(token, b'-')
            && let (Some(first), Some(last)) = (self.address(first), self.address(last))
        {
            return Ok(Indicator::Range(first, last));
        }
        let Some((head, tail)) = split_once(token, b'/') else {
            return self.with_port(token).map(host).ok_or_else(|| kind_of(token));
        };
        if tail.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
            let address = self.bracketed(head).ok_or_else(|| kind_of(token))?;
            let length = length(tail, address).ok_or(SkipReason::NotAnIndicator)?;
            return Prefix::new(address, length)
                .map(Indicator::Net)
                .ok_or(SkipReason::NotAnIndicator);
        }
        // A URL that lost its scheme, unless what follows the slash could be a broken length.
        if tail.first().is_some_and(u8::is_ascii_digit) {
            return Err(SkipReason::NotAnIndicator);
        }
        self.with_port(head).map(host).ok_or_else(|| kind_of(token))
    }

    /// The host of what follows `://`, where it is an address.
    fn url_host(&self, after_scheme: &[u8]) -> Option<IpAddr> {
        let end = after_scheme.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\'));
        let authority = end.map_or(Some(after_scheme), |end| after_scheme.get(..end))?;
        // Whatever stands before the last @ is a user, however much it looks like a host.
        let host = authority.rsplit(|b| *b == b'@').next()?;
        self.with_port(host)
    }

    /// An address, IPv6 possibly in brackets, possibly with a port.
    fn with_port(&self, text: &[u8]) -> Option<IpAddr> {
        if let Some(rest) = text.strip_prefix(b"[") {
            let (inside, after) = split_once(rest, b']')?;
            let address = self.address(inside)?;
            return (after.is_empty() || is_port(after)).then_some(address);
        }
        if let Some((address, at)) = parse_v4_start(text) {
            let after = text.get(at..)?;
            let whole = after.is_empty() || after == b":" || is_port(after);
            return whole.then(|| Ipv4Addr::from_bits(address).into());
        }
        if self.zero_padded {
            let (head, port) = split_once(text, b':').map_or((text, None), |(h, p)| (h, Some(p)));
            if let Some(address) = parse_v4_padded(head) {
                return port
                    .is_none_or(is_port_number)
                    .then(|| Ipv4Addr::from_bits(address).into());
            }
        }
        if self.ports { None } else { parse_v6(text).map(IpAddr::V6) }
    }

    /// An address, IPv6 possibly in brackets, without a port.
    fn bracketed(&self, text: &[u8]) -> Option<IpAddr> {
        let inside = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
        self.address(inside.unwrap_or(text))
    }

    pub(super) fn address(&self, text: &[u8]) -> Option<IpAddr> {
        parse_address(text).or_else(|| {
            let padded = if self.zero_padded { parse_v4_padded(text) } else { None };
            padded.map(|bits| Ipv4Addr::from_bits(bits).into())
        })
    }
}

/// A prefix length or dotted netmask for this address.
pub(super) fn length(text: &[u8], address: IpAddr) -> Option<u8> {
    if (1..=3).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mask = parse_v4(text)?;
    let ones = mask.leading_ones();
    let contiguous = mask.checked_shl(ones).unwrap_or(0) == 0;
    (address.is_ipv4() && contiguous).then_some(ones as u8)
}

fn host(address: IpAddr) -> Indicator {
    Indicator::Net(Prefix::host(address))
}

/// Takes off what surrounds a word in prose, mark-up and quoted tables.
fn unwrap(mut token: &[u8]) -> &[u8] {
    while let [b'"' | b'\'' | b'`' | b'(' | b'<' | b'{' | b'*', rest @ ..] = token {
        token = rest;
    }
    while let [
        rest @ ..,
        b'"' | b'\'' | b'`' | b')' | b'>' | b'}' | b'*' | b'.' | b',' | b'!' | b'?',
    ] = token
    {
        token = rest;
    }
    // Those around IPv6 are part of the address.
    if let [b'[', inside @ .., b']'] = token
        && !inside.iter().any(|b| matches!(b, b'[' | b']' | b':'))
    {
        return inside;
    }
    token
}

/// `:443`.
fn is_port(text: &[u8]) -> bool {
    text.strip_prefix(b":").is_some_and(is_port_number)
}

fn is_port_number(text: &[u8]) -> bool {
    (1..=5).contains(&text.len())
        && text.iter().all(u8::is_ascii_digit)
        && text.iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0')) <= 65_535
}

/// `AS64500`.
fn as_number(token: &[u8]) -> Option<u32> {
    let (prefix, digits) = token.split_at_checked(2)?;
    if !prefix.eq_ignore_ascii_case(b"as") || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

pub(super) fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = memchr::memchr(at, text)?;
    Some((text.get(..position)?, text.get(position + 1..)?))
}

/// What people put in place of dots, colons and schemes so that nobody clicks.
const DEFANGED: [(&[u8], &[u8]); 14] = [
    (b"[.]", b"."),
    (b"(.)", b"."),
    (b"{.}", b"."),
    (b"[.", b"."),
    (b".]", b"."),
    (b"[dot]", b"."),
    (b"(dot)", b"."),
    (b"{dot}", b"."),
    (b"[://]", b"://"),
    (b"[:]", b":"),
    (b"(:)", b":"),
    (b"[/]", b"/"),
    (b"\\.", b"."),
    (b"[@]", b"@"),
];

/// Whether one of them may be there. Brackets around IPv6 are no sign.
fn defanged(token: &[u8]) -> bool {
    token.windows(2).any(|pair| {
        matches!(
            pair,
            [b'[' | b'(' | b'{', b'.' | b'd' | b'D' | b'/' | b'@' | b':'] | [b'.', b']'] | b"\\."
        )
    })
}

fn refang(token: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = token;
    while let [first, after @ ..] = rest {
        let swap = DEFANGED.iter().find(|(from, _)| {
            rest.get(..from.len()).is_some_and(|start| start.eq_ignore_ascii_case(from))
                // `[::1]` starts like a defanged colon.
                && !(rest.starts_with(b"[:") && rest.get(2) == Some(&b':'))
        });
        if let Some((from, to)) = swap {
            out.extend_from_slice(to);
            rest = rest.get(from.len()..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = after;
        }
    }
}

/// What a word that is no indicator of ours is.
pub(super) fn kind_of(token: &[u8]) -> SkipReason {
    let Ok(text) = std::str::from_utf8(token) else {
        return SkipReason::BadEncoding;
    };
    let address = text.split(['/', ':']).next().unwrap_or(text).as_bytes();
    if parse_v4_padded(address).is_some() && parse_v4(address).is_none() {
        return SkipReason::ZeroPadded;
    }
    let hash = matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && text.bytes().all(|b| b.is_ascii_hexdigit());
    let domain = text.split('/').next().is_some_and(|host| {
        host.rsplit_once('.').is_some_and(|(before, last)| {
            !before.is_empty()
                && last.len() >= 2
                && last.starts_with(|c: char| c.is_alphabetic())
                && host
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '*' | '@'))
        })
    });
    if text.contains("://") || hash || domain {
        SkipReason::OtherIndicator
    } else {
        SkipReason::NotAnIndicator
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn shown(found: Result<Indicator, SkipReason>) -> String {
        match found {
            Ok(Indicator::Net(net)) => net.to_string(),
            Ok(Indicator::Range(first, last)) => format!("{first}-{last}"),
            Ok(Indicator::As(number)) => format!("AS{number}"),
            Err(reason) => format!("{reason:?}"),
        }
    }

    fn check(reader: &mut Reader, table: &[(&str, &str)]) {
        for (token, expected) in table {
            assert_eq!(shown(reader.read(token.as_bytes())), *expected, "{token}");
        }
    }

    #[test]
    fn addresses_and_networks() {
        check(
            &mut Reader::default(),
            &[
                ("1.2.3.4", "1.2.3.4/32"),
                ("1.2.3.0", "1.2.3.0/32"), // never a /24
                ("1.2.3.4/24", "1.2.3.0/24"),
                ("1.2.3.0/255.255.255.0", "1.2.3.0/24"),
                ("1.2.3.4/255.255.255.255", "1.2.3.4/32"),
                ("1.2.3.4/0.0.0.0", "0.0.0.0/0"),
                ("1.2.3.4/255.0.255.0", "NotAnIndicator"),
                ("1.2.3.4/33", "NotAnIndicator"),
                ("1.2.3.4/", "NotAnIndicator"),
                ("1.2.3.4/24/24", "NotAnIndicator"),
                ("1.2.3.0/24-1.2.4.0/24", "NotAnIndicator"),
                ("2001:db8::1", "2001:db8::1/128"),
                ("2001:db8::", "2001:db8::/128"),
                ("2001:DB8::/32", "2001:db8::/32"),
                ("2001:db8::1/129", "NotAnIndicator"),
                ("2001:db8::/255.255.0.0", "NotAnIndicator"),
                ("[2001:db8::1]", "2001:db8::1/128"),
                ("[2001:db8::]/32", "2001:db8::/32"),
                ("::ffff:1.2.3.4", "1.2.3.4/32"),
                ("[::1]:80", "::1/128"),
                ("[::]", "::/128"),
                ("fe80::1%eth0", "NotAnIndicator"),
                ("[fe80::1%eth0]:80", "NotAnIndicator"),
                ("1.2.3.4:443", "1.2.3.4/32"),
                ("1.2.3.4:", "1.2.3.4/32"),
                ("1.2.3.4:65536", "NotAnIndicator"),
                ("1.2.3.4:443x", "NotAnIndicator"),
                ("[1.2.3.4]:443", "1.2.3.4/32"),
                ("1.2.3.4:80/24", "NotAnIndicator"),
            ],
        );
    }

    #[test]
    fn ranges() {
        check(
            &mut Reader::default(),
            &[
                ("1.2.3.4-1.2.3.9", "1.2.3.4-1.2.3.9"),
                ("1.2.3.9-1.2.3.4", "1.2.3.9-1.2.3.4"), // the collector refuses it
                ("2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9"),
                ("1.2.3.4-9", "NotAnIndicator"),
                ("1.2.3.4-", "NotAnIndicator"),
                ("-1.2.3.4", "NotAnIndicator"),
            ],
        );
    }

    #[test]
    fn defanged_and_wrapped() {
        check(
            &mut Reader::default(),
            &[
                ("1[.]2[.]3[.]4", "1.2.3.4/32"),
                ("1.2.3[.]4", "1.2.3.4/32"),
                ("1(.)2(.)3(.)4", "1.2.3.4/32"),
                ("1[dot]2[DOT]3[dot]4", "1.2.3.4/32"),
                ("1{.}2.3.4", "1.2.3.4/32"),
                ("1.2.3.4[:]443", "1.2.3.4/32"),
                ("1[.]2[.]3[.]0/24", "1.2.3.0/24"),
                ("2001[:]db8[:]:1", "2001:db8::1/128"),
                ("hxxp://1[.]2[.]3[.]4/x", "1.2.3.4/32"),
                ("hxxps[://]1.2.3[.]4:8443", "1.2.3.4/32"),
                ("\"1.2.3.4\"", "1.2.3.4/32"),
                ("'1.2.3.4',", "1.2.3.4/32"),
                ("(1.2.3.4).", "1.2.3.4/32"),
                ("[1.2.3.4]", "1.2.3.4/32"),
                ("<2001:db8::>", "2001:db8::/128"),
                ("evil[.]com", "OtherIndicator"),
            ],
        );
    }

    #[test]
    fn hosts_of_urls() {
        check(
            &mut Reader::default(),
            &[
                ("http://1.2.3.4/x", "1.2.3.4/32"),
                ("http://1.2.3.4", "1.2.3.4/32"),
                ("https://1.2.3.4:8443?x#y", "1.2.3.4/32"),
                ("hxxp://1.2.3.4/", "1.2.3.4/32"),
                ("http://[2001:db8::1]:80/x", "2001:db8::1/128"),
                ("http://user:pass@1.2.3.4/", "1.2.3.4/32"),
                ("http://1.2.3.4@example.com/", "OtherIndicator"),
                ("http://1.2.3.4.example.com/", "OtherIndicator"),
                ("http://example.com/1.2.3.4", "OtherIndicator"),
                ("http://example.com/?u=http://1.2.3.4/", "OtherIndicator"),
                ("http://insurex.ua/css/logs/181.141.208.924634/", "OtherIndicator"),
                ("http://016.1.2.3/", "OtherIndicator"),
                ("http://16909060/", "OtherIndicator"),
                ("1.2.3.4/x.php", "1.2.3.4/32"),
                ("1.2.3.4:8080/x.php", "1.2.3.4/32"),
                ("example.com/1.2.3.4", "OtherIndicator"),
            ],
        );
    }

    #[test]
    fn what_is_none() {
        check(
            &mut Reader::default(),
            &[
                ("1.2.3", "NotAnIndicator"),
                ("1.2.3.4.5", "NotAnIndicator"),
                ("0x7f.1", "NotAnIndicator"),
                ("0x7f.0.0.1", "NotAnIndicator"),
                ("256.1.1.1", "NotAnIndicator"),
                ("\u{ff11}.2.3.4", "NotAnIndicator"),
                ("1.2.3.\u{664}", "NotAnIndicator"),
                ("001.002.003.004", "ZeroPadded"),
                ("1.2.3.04:443", "ZeroPadded"),
                ("example.com", "OtherIndicator"),
                ("1.2.3.4.example.com", "OtherIndicator"),
                ("user@example.com", "OtherIndicator"),
                ("d41d8cd98f00b204e9800998ecf8427e", "OtherIndicator"),
                ("AS64500", "AS64500"),
                ("as4294967296", "NotAnIndicator"),
                ("AS", "NotAnIndicator"),
                ("asset", "NotAnIndicator"),
                ("", "NotAnIndicator"),
                ("-", "NotAnIndicator"),
                ("v1.2.3.4", "NotAnIndicator"),
                ("12:30", "NotAnIndicator"),
            ],
        );
        assert_eq!(Reader::default().read(b"\xff\xfe"), Err(SkipReason::BadEncoding));
    }

    #[test]
    fn padded_octets_where_the_format_says_so() {
        check(
            &mut Reader::new(true, ValueKind::Address),
            &[
                ("005.008.018.150", "5.8.18.150/32"),
                ("010.1.1.1", "10.1.1.1/32"),
                ("005.008.018.000/24", "5.8.18.0/24"),
                ("005.008.018.150:80", "5.8.18.150/32"),
                ("1.2.3.4", "1.2.3.4/32"),
                ("0005.1.1.1", "NotAnIndicator"),
            ],
        );
    }

    #[test]
    fn a_port_is_not_taken_for_a_group() {
        check(
            &mut Reader::new(false, ValueKind::IpPort),
            &[
                ("1.2.3.4:443", "1.2.3.4/32"),
                ("[2001:db8::1]:443", "2001:db8::1/128"),
                ("2001:db8::1:443", "NotAnIndicator"),
            ],
        );
    }
}
