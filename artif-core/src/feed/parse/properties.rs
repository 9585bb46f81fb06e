//! What holds for any input.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::field_reassign_with_default,
    reason = "tests"
)]

use std::io::{BufRead, BufReader};

use proptest::prelude::*;
use serde_json::json;

use super::tests::format;
use super::*;

fn every_format() -> Vec<Format> {
    [
        json!({"type": "plain"}),
        json!({"type": "freetext"}),
        json!({"type": "firehol"}),
        json!({"type": "csv", "trim": true, "header": true}),
        json!({"type": "tsv", "start_col": 1, "end_col": 2, "prefix_col": 3}),
        json!({"type": "sep", "sep": "|", "value_col": 2, "zero_padded": true}),
        json!({"type": "json", "path": ["[].*", "a[].b", "*"]}),
        json!({"type": "ndjson", "path": "a", "skip_if": {"b": "1"}}),
        json!({"type": "regex", "pattern": "(IP)"}),
        json!({"type": "misp-event"}),
    ]
    .map(format)
    .into()
}

/// Real lines and how they may be hurt.
fn hurt_document() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "8.8.8.8",
        "1.10.16.0/20 ; SBL256894",
        "8.8.8.4 - 8.8.8.9",
        "hxxp://8[.]8[.]8[.]8:80/x",
        "[2a00::1]:443",
        "2a00::/32",
        "\"2026-01-01\",\"8.8.8.8\",\"443\",\"online\"",
        "15169  |  GOOGLE  |  8.8.8.8  |  2026",
        "{\"a\":\"8.8.8.8\",\"b\":1}",
        "[{\"a\":\"8.8.8.8\"}]",
        "{\"Event\":{\"Attribute\":[{\"type\":\"ip-src\",\"value\":\"8.8.8.8\"}]}}",
        "# Source File Date: x",
        "008.008.008.008",
    ]);
    let hurt = prop::collection::vec((0_usize..400, any::<u8>()), 0..6);
    (prop::collection::vec(line, 0..8), hurt).prop_map(|(lines, hurts)| {
        let mut text = lines.join("\n").into_bytes();
        for (at, byte) in hurts {
            if !text.is_empty() {
                let at = at % text.len();
                text[at] = byte;
            }
        }
        text
    })
}

fn holds_together(format: &Format, input: &[u8]) {
    let id = "x".parse().unwrap();
    let limits = ParseLimits::default();
    let mut reader: Box<dyn BufRead> = Box::new(BufReader::with_capacity(7, input));
    let Ok(parsed) = parse(&id, format, &limits, &mut reader) else { return };
    let whole = parse(&id, format, &limits, &mut &*input).unwrap();
    assert_eq!(whole, parsed, "the buffer's size matters");
    for net in parsed.prefixes.iter() {
        assert_eq!(net.to_string().parse::<crate::Prefix>().unwrap(), net);
        assert!(net.special_purpose().is_none(), "{net}");
    }
    assert!(parsed.report.recognised <= parsed.report.lines);
    assert_eq!(parsed.report.entries, parsed.report.distinct + parsed.report.duplicates);
    assert!(parsed.report.samples.len() <= 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_survived(input: Vec<u8>) {
        for format in every_format() {
            holds_together(&format, &input);
        }
    }

    #[test]
    fn hurt_documents_are_survived(input in hurt_document()) {
        for format in every_format() {
            holds_together(&format, &input);
        }
    }

    #[test]
    fn what_is_written_is_read(v4: Vec<(u32, u8)>, v6: Vec<(u128, u8)>) {
        let v4 = v4.into_iter().filter_map(|(a, l)| crate::Prefix4::new(a, l % 33)).map(crate::Prefix::V4);
        let v6 = v6.into_iter().filter_map(|(a, l)| crate::Prefix6::new(a, l % 129)).map(crate::Prefix::V6);
        let set: PrefixSet = v4.chain(v6).collect();
        let text = set.iter().map(|net| net.to_string()).collect::<Vec<_>>().join("\n");
        let mut limits = ParseLimits::default();
        (limits.keep_special_purpose, limits.keep_too_wide) = (true, true);
        let id = "x".parse().unwrap();
        // IPv4 that was written as IPv6 comes back as IPv4.
        let canonical: PrefixSet = set.iter().map(|n| crate::Prefix::new(n.address(), n.len()).unwrap()).collect();
        for format in [Format::Plain, Format::FreeText] {
            let parsed = parse(&id, &format, &limits, &mut text.as_bytes()).unwrap();
            prop_assert_eq!(&parsed.prefixes, &canonical);
        }
    }
}
