//! Little-endian and variable-length numbers, read from bytes that may be damaged.

use std::fmt;

/// Stored bytes that do not fit their format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) type Decoded<T> = Result<T, Damaged>;

const SHORT: Damaged = Damaged("ends too early");

/// Bytes still to be read.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Decoded<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Decoded<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Decoded<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Decoded<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(SHORT)?;
            self.0 = rest;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            value |= low << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged("a number is too long"))
    }

    pub(crate) fn wide_varint(&mut self) -> Decoded<u128> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.u8()?;
            let low = u128::from(byte & 0x7f);
            if shift == 126 && low > 3 {
                break;
            }
            value |= low << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged("a number is too long"))
    }

    /// A number that counts something there are at most `limit` of.
    pub(crate) fn count(&mut self, limit: usize) -> Decoded<usize> {
        usize::try_from(self.varint()?)
            .ok()
            .filter(|&count| count <= limit)
            .ok_or(Damaged("a count is too large"))
    }

    pub(crate) fn small(&mut self) -> Decoded<u32> {
        u32::try_from(self.varint()?).map_err(|_| Damaged("a number is too large"))
    }

    pub(crate) fn text(&mut self) -> Decoded<&'a str> {
        let length = self.count(self.0.len())?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Damaged("text is not UTF-8"))
    }

    pub(crate) fn optional_text(&mut self) -> Decoded<Option<&'a str>> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(Damaged("a flag is neither 0 nor 1")),
        }
    }

    pub(crate) fn end(&self) -> Decoded<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Damaged("is followed by something")) }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_wide_varint(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_optional_text(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_edges_come_back() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Input::new(&out).varint().unwrap(), value);
        }
        for value in [0, 0x80, u128::from(u64::MAX) + 1, u128::MAX] {
            let mut out = Vec::new();
            put_wide_varint(&mut out, value);
            assert_eq!(Input::new(&out).wide_varint().unwrap(), value);
        }
    }

    #[test]
    fn endless_numbers_and_texts_are_damage() {
        assert!(Input::new(&[0xff; 30]).varint().is_err());
        assert!(Input::new(&[0xff; 30]).wide_varint().is_err());
        assert!(Input::new(&[0x80]).varint().is_err());
        assert!(Input::new(&[0xff, 0xff, 0x03, b'a']).text().is_err());
        assert!(Input::new(&[1, 0xff]).text().is_err());
        assert!(Input::new(&[2]).optional_text().is_err());
    }
}
