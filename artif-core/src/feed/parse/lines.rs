//! Lines out of a reader, without ever holding more than one of them.

use std::io::BufRead;

use memchr::memchr;

/// One line without its terminator (LF or CRLF).
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    /// Longer than the limit; only its start is there.
    TooLong(&'a [u8]),
}

/// Who takes the lines, numbered from 1.
pub(super) trait LineSink<E> {
    fn line(&mut self, number: u64, line: Line<'_>) -> Result<(), E>;

    /// Takes the line that `ahead` starts with, if it is of the usual kind and ends in there, and
    /// says how many bytes it took, terminator included; 0 leaves it to [`Self::line`]. Spares the
    /// search for the end of the line, and what follows may be looked at.
    fn usual(&mut self, _number: u64, _ahead: &[u8]) -> Result<usize, E> {
        Ok(0)
    }
}

impl<E, F: FnMut(u64, Line<'_>) -> Result<(), E>> LineSink<E> for F {
    fn line(&mut self, number: u64, line: Line<'_>) -> Result<(), E> {
        self(number, line)
    }
}

/// Why reading stopped early.
pub(super) enum Stopped<E> {
    Read(std::io::Error),
    By(E),
}

impl<E> From<std::io::Error> for Stopped<E> {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

/// Hands every line to `sink`. A byte order mark before the first line is passed over. Lines inside
/// one buffer are handed out in place; one that crosses buffers is gathered up to `limit` bytes.
pub(super) fn for_each_line<E>(
    input: &mut dyn BufRead,
    limit: usize,
    sink: &mut impl LineSink<E>,
) -> Result<(), Stopped<E>> {
    let mut number = 1_u64;
    let mut carried: Vec<u8> = Vec::new();
    let mut carrying = false;
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            break;
        }
        let length = buffer.len();
        let mut rest = buffer;
        while !rest.is_empty() {
            if !carrying {
                let taken = sink.usual(number, rest).map_err(Stopped::By)?;
                if taken > 0 {
                    number += 1;
                    rest = rest.get(taken..).unwrap_or_default();
                    continue;
                }
            }
            let Some(end) = memchr(b'\n', rest) else {
                carry(&mut carried, rest, limit);
                carrying = true;
                break;
            };
            let (line, after) = rest.split_at(end);
            if carrying {
                carry(&mut carried, line, limit);
                hand_out(sink, number, &carried, limit)?;
                carried.clear();
                carrying = false;
            } else {
                hand_out(sink, number, line, limit)?;
            }
            number += 1;
            rest = after.get(1..).unwrap_or_default();
        }
        input.consume(length);
    }
    if carrying {
        hand_out(sink, number, &carried, limit)?;
    }
    Ok(())
}

fn hand_out<E>(
    sink: &mut impl LineSink<E>,
    number: u64,
    bytes: &[u8],
    limit: usize,
) -> Result<(), Stopped<E>> {
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if number == 1 => rest,
        _ => bytes,
    };
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let line = match bytes.get(..limit) {
        Some(start) if bytes.len() > limit => Line::TooLong(start),
        _ => Line::Text(bytes),
    };
    sink.line(number, line).map_err(Stopped::By)
}

/// Keeps a little more than the limit, so that a line beyond it is known to be.
fn carry(carried: &mut Vec<u8>, more: &[u8], limit: usize) {
    // Room for the limit, the byte order mark and a carriage return.
    let room = (limit + 8).saturating_sub(carried.len());
    carried.extend_from_slice(more.get(..room).unwrap_or(more));
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use std::io::{BufReader, Read};

    use proptest::prelude::*;

    use super::*;

    /// A reader that gives the same bytes again and again.
    pub(in crate::feed::parse) struct Repeat {
        pub(in crate::feed::parse) unit: &'static [u8],
        pub(in crate::feed::parse) left: u64,
        pub(in crate::feed::parse) at: usize,
    }

    impl Repeat {
        pub(in crate::feed::parse) fn new(unit: &'static [u8], bytes: u64) -> Self {
            Self { unit, left: bytes, at: 0 }
        }
    }

    impl Read for Repeat {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let mut filled = 0;
            while filled < n {
                let piece = &self.unit[self.at..];
                let length = piece.len().min(n - filled);
                out[filled..filled + length].copy_from_slice(&piece[..length]);
                filled += length;
                self.at = (self.at + length) % self.unit.len();
            }
            self.left -= n as u64;
            Ok(n)
        }
    }

    fn lines(input: &[u8], buffer: usize, limit: usize) -> Vec<Result<String, String>> {
        let mut out = Vec::new();
        let mut reader = BufReader::with_capacity(buffer, input);
        let done = for_each_line::<()>(&mut reader, limit, &mut |number, line: Line<'_>| {
            assert_eq!(number, out.len() as u64 + 1);
            out.push(match line {
                Line::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
                Line::TooLong(text) => Err(String::from_utf8_lossy(text).into_owned()),
            });
            Ok(())
        });
        assert!(done.is_ok());
        out
    }

    #[test]
    fn terminators_marks_and_limits() {
        let ok = |texts: &[&str]| texts.iter().map(|t| Ok((*t).to_owned())).collect::<Vec<_>>();
        for buffer in [1, 2, 3, 7, 8192] {
            assert_eq!(lines(b"", buffer, 9), ok(&[]));
            assert_eq!(lines(b"a", buffer, 9), ok(&["a"]));
            assert_eq!(lines(b"a\nb", buffer, 9), ok(&["a", "b"]));
            assert_eq!(lines(b"a\r\n\r\nb\r\n", buffer, 9), ok(&["a", "", "b"]));
            assert_eq!(lines(b"\xef\xbb\xbfa\n\n", buffer, 9), ok(&["a", ""]));
            assert_eq!(
                lines(b"123456789\n1234567890\nx", buffer, 9),
                [Ok("123456789".to_owned()), Err("123456789".to_owned()), Ok("x".to_owned())]
            );
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_is_not_gathered() {
        let mut input =
            BufReader::new(Repeat::new(&[b'1'; 4096], 1 << 30).chain(&b"\n1.2.3.4\n"[..]));
        let mut seen = Vec::new();
        let done = for_each_line::<()>(&mut input, 64 * 1024, &mut |_, line: Line<'_>| {
            let (Line::Text(text) | Line::TooLong(text)) = line;
            seen.push(text.len());
            Ok(())
        });
        assert!(done.is_ok());
        assert_eq!(seen, [64 * 1024, 7]);
    }

    #[test]
    fn what_is_carried_stays_small() {
        let mut carried = Vec::new();
        for _ in 0..1000 {
            carry(&mut carried, &[b'x'; 4096], 1000);
        }
        assert_eq!(carried.len(), 1008);
    }

    proptest! {
        #[test]
        fn the_buffer_size_does_not_matter(input: Vec<u8>, buffer in 1_usize..40, limit in 1_usize..20) {
            prop_assert_eq!(lines(&input, buffer, limit), lines(&input, 8192, limit));
        }
    }
}
