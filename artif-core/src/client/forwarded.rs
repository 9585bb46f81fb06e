//! The `Forwarded` header (RFC 7239).

use std::borrow::Cow;

use super::element::{self, Element, trim};

/// [`element::split_last`], but a comma in quotes does not count. Quotes are paired from the right,
/// so that one which a client left open swallows nothing of what proxies added after it.
pub(super) fn split_last(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    let mut end = text.len();
    while let Some(at) = text.get(..end).and_then(|front| memchr::memrchr2(b',', b'"', front)) {
        let (before, found) = text.split_at_checked(at).unwrap_or((text, &[]));
        match found {
            [b',', last @ ..] if !quoted => return (Some(before), last),
            // After an odd number of backslashes it is a character of the quoted text.
            [b'"', ..] if backslashes(before).is_multiple_of(2) || !quoted => quoted = !quoted,
            _ => {}
        }
        end = at;
    }
    (None, text)
}

fn backslashes(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// The address in the `for` of one element; `None` where there is none, for bad syntax, and where a
/// parameter stands twice.
pub(super) fn address(text: &[u8]) -> Element {
    let mut rest = trim(text);
    let mut names: [&[u8]; MAX_PARAMETERS] = [b""; MAX_PARAMETERS];
    let mut count = 0;
    let mut client = None;
    loop {
        // An empty pair is allowed: `for=192.0.2.1;`.
        if let [b';', after @ ..] = rest {
            rest = trim(after);
            continue;
        }
        if rest.is_empty() {
            break;
        }
        let name;
        (name, rest) = token(rest)?;
        let [b'=', after @ ..] = rest else { return None };
        let value;
        (value, rest) = match after {
            [b'"', inside @ ..] => quoted(inside)?,
            _ => token(after).map(|(value, rest)| (Cow::Borrowed(value), rest))?,
        };
        rest = trim(rest);
        if !matches!(rest, [] | [b';', ..])
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
        {
            return None;
        }
        *names.get_mut(count)? = name;
        count += 1;
        if name.eq_ignore_ascii_case(b"for") {
            client = Some(value);
        }
    }
    element::node(&client?)
}

/// The RFC knows four; extensions are allowed, hundreds of them are an attack.
const MAX_PARAMETERS: usize = 16;

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let length = text.iter().take_while(|byte| is_token(byte)).count();
    (length > 0).then(|| text.split_at_checked(length)).flatten()
}

/// The text up to the closing quote, unescaped, and what follows.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', text)?;
    let (plain, rest) = text.split_at_checked(end)?;
    if let [b'"', after @ ..] = rest {
        return Some((Cow::Borrowed(plain), after));
    }
    let mut value = plain.to_vec();
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return Some((Cow::Owned(value), bytes.as_slice())),
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(*byte),
        }
    }
    None
}
