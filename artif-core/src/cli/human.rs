//! Figures, times and outside text as people read them.

use chrono::{DateTime, Utc};

/// `1234567` as `1,234,567`.
pub(super) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a binary unit.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut name = "B";
    for unit in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        name = unit;
    }
    if name == "B" { format!("{bytes} B") } else { format!("{size:.1} {name}") }
}

/// Milliseconds, from ten seconds on as seconds.
pub(super) fn millis(ms: u64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { format!("{:.1} s", ms as f64 / 1000.0) }
}

/// A moment, to the minute.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A moment, to the minute, or a dash.
pub(super) fn moment_or_dash(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), moment)
}

/// Outside text without control characters, which could move the cursor or forge a line.
pub(super) use crate::error::one_line as printable;

/// The same, where the text is meant to have several lines.
pub(super) fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(|n: u64| count(n)),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
        assert_eq!(millis(9_999), "9999 ms");
        assert_eq!(millis(61_500), "61.5 s");
    }

    #[test]
    fn outside_text_moves_no_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable_lines("a\u{1b}\nb"), "a\u{fffd}\nb");
    }
}
