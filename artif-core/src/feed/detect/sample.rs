//! The lines a guess is made from.

use std::collections::BTreeMap;

/// Bytes looked at in the beginning, the middle and the end of a long text.
const PART: usize = 384 << 10;
/// The most lines that are taken apart word by word.
pub(super) const MOST_LINES: usize = 3000;
/// Comment lines kept to see what a feed is about.
const HEADER_LINES: usize = 30;

/// What comment lines may start with; the first three are known to every text format.
const SIGNS: [&str; 8] = ["#", "//", ";", "!", "--", "%", "*", "REM "];

#[derive(Debug, Default)]
pub(super) struct Sample<'a> {
    /// Lines with something to read, without blanks around.
    pub(super) lines: Vec<&'a [u8]>,
    /// How often each sign starts a line.
    pub(super) signs: BTreeMap<&'static str, u64>,
    /// The first comments, without their sign.
    pub(super) header: Vec<&'a [u8]>,
}

impl<'a> Sample<'a> {
    pub(super) fn of(text: &'a [u8], longest: usize) -> Self {
        let mut sample = Self::default();
        for part in parts(text) {
            for line in part.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
                if line.is_empty() || line.len() > longest {
                    continue;
                }
                match sign(line) {
                    Some(sign) => {
                        *sample.signs.entry(sign).or_insert(0) += 1;
                        if sample.header.len() < HEADER_LINES {
                            let comment = line.get(sign.len()..).unwrap_or_default();
                            sample.header.push(comment.trim_ascii());
                        }
                    }
                    None => sample.lines.push(line),
                }
            }
        }
        // Evenly from all parts.
        if sample.lines.len() > MOST_LINES {
            let step = sample.lines.len().div_ceil(MOST_LINES);
            sample.lines = sample.lines.into_iter().step_by(step).collect();
        }
        sample
    }

    /// The lines as a document.
    pub(super) fn document(&self) -> Vec<u8> {
        self.lines.join(&b'\n')
    }

    /// The signs, most frequent first.
    pub(super) fn comments(&self) -> Vec<String> {
        let mut signs: Vec<_> = self.signs.iter().collect();
        signs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        signs.into_iter().map(|(sign, _)| sign.trim().to_owned()).collect()
    }

    /// The first comments as text.
    pub(super) fn about(&self) -> String {
        let lines = self.header.iter().map(|line| String::from_utf8_lossy(line));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The sign of a comment line. Signs other than the usual ones count only before a blank or
/// another one of them: `-1`, `*.example.com` and `!x` are something else.
fn sign(line: &[u8]) -> Option<&'static str> {
    let (index, sign) = SIGNS.iter().enumerate().find(|(_, sign)| {
        line.get(..sign.len()).is_some_and(|start| start.eq_ignore_ascii_case(sign.as_bytes()))
    })?;
    let first = sign.as_bytes().first();
    let next = line.get(sign.len());
    let ends = index < 3 || sign.ends_with(' ');
    (ends || next.is_none_or(|b| b.is_ascii_whitespace() || Some(b) == first)).then_some(sign)
}

/// The whole of a short text; whole lines from beginning, middle and end of a long one.
fn parts(text: &[u8]) -> Vec<&[u8]> {
    if text.len() <= 3 * PART {
        return vec![text];
    }
    let whole_lines = |start: usize| {
        let part = text.get(start..start + PART).unwrap_or_default();
        let from = if start == 0 { Some(0) } else { memchr::memchr(b'\n', part).map(|at| at + 1) };
        let to = memchr::memrchr(b'\n', part);
        from.zip(to).and_then(|(from, to)| part.get(from..to)).unwrap_or_default()
    };
    [0, text.len() / 2, text.len() - PART].into_iter().map(whole_lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_signs() {
        for (line, expected) in [
            ("# x", Some("#")),
            ("#x", Some("#")),
            ("##", Some("#")),
            (";x", Some(";")),
            ("//x", Some("//")),
            ("! Title: x", Some("!")),
            ("-- x", Some("--")),
            ("-----", Some("--")),
            ("rem x", Some("REM ")),
            ("%%", Some("%")),
            ("* x", Some("*")),
            ("*.example.com", None),
            ("!x", None),
            ("1.2.3.4", None),
            ("remote", None),
        ] {
            assert_eq!(sign(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn long_texts_are_sampled_in_whole_lines() {
        let text = "203.0.113.77\n".repeat(200_000);
        let sample = Sample::of(text.as_bytes(), 100);
        assert!(sample.lines.len() <= MOST_LINES && sample.lines.len() > MOST_LINES / 2);
        assert!(sample.lines.iter().all(|line| *line == b"203.0.113.77"));
        // One endless line is no line.
        assert_eq!(Sample::of(&vec![b'x'; 4 << 20], 100).lines.len(), 0);
    }
}
