//! Whole documents, format by format.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::field_reassign_with_default,
    reason = "tests"
)]

use std::io::{BufReader, Read};

use serde_json::{Value, json};

use super::lines::tests::Repeat;
use super::*;
use crate::error::Error;

pub(super) fn format(value: Value) -> Format {
    serde_json::from_value(value).unwrap()
}

fn read(format: &Format, input: &[u8]) -> Parsed {
    parse(&"x".parse().unwrap(), format, &ParseLimits::default(), &mut &*input).unwrap()
}

fn fails(format: &Format, input: &[u8]) -> Error {
    parse(&"x".parse().unwrap(), format, &ParseLimits::default(), &mut &*input).unwrap_err()
}

/// The networks without the lengths of single addresses.
fn nets(parsed: &Parsed) -> Vec<String> {
    let short = |net: crate::Prefix| {
        if net.is_host() { net.address().to_string() } else { net.to_string() }
    };
    parsed.prefixes.iter().map(short).collect()
}

fn skipped(parsed: &Parsed, reason: SkipReason) -> u64 {
    parsed.report.skipped.get(&reason).copied().unwrap_or(0)
}

#[test]
fn plain_lines() {
    for (line, expected) in [
        ("8.8.8.8", &["8.8.8.8"][..]),
        (" \t8.8.8.8 \t", &["8.8.8.8"]),
        ("8.8.8.0", &["8.8.8.0"]),
        ("8.8.8.8/24", &["8.8.8.0/24"]),
        ("8.8.8.8/8", &["8.0.0.0/8"]),
        ("8.8.8.8/08", &["8.0.0.0/8"]),
        ("8.8.8.8/32", &["8.8.8.8"]),
        ("8.8.8.0/255.255.255.0", &["8.8.8.0/24"]),
        ("8.8.8.8 # text", &["8.8.8.8"]),
        ("8.8.8.8#text 9.9.9.9", &["8.8.8.8"]),
        ("8.8.8.8 // text", &["8.8.8.8"]),
        ("8.8.8.8\t42", &["8.8.8.8"]),
        ("8.8.8.8,42,x", &["8.8.8.8"]),
        ("8.8.8.8|x", &["8.8.8.8"]),
        ("1.10.16.0/20 ; SBL256894", &["1.10.16.0/20"]),
        ("8.8.8.8;x", &["8.8.8.8"]),
        ("8.8.8.8:443", &["8.8.8.8"]),
        ("8.8.8.4-8.8.8.9", &["8.8.8.4/30", "8.8.8.8/31"]),
        ("8.8.8.4 - 8.8.8.9", &["8.8.8.4/30", "8.8.8.8/31"]),
        ("8.8.8.4 -8.8.8.9 x", &["8.8.8.4/30", "8.8.8.8/31"]),
        ("8.8.8.4- 8.8.8.9", &["8.8.8.4/30", "8.8.8.8/31"]),
        ("8.8.8.9 - 8.8.8.4", &[]),
        ("8[.]8[.]8[.]8", &["8.8.8.8"]),
        ("hxxp://8[.]8[.]8[.]8/x", &["8.8.8.8"]),
        ("2a00::1", &["2a00::1"]),
        ("2A00:0000::0001/32 # x", &["2a00::/32"]),
        ("[2a00::1]:80", &["2a00::1"]),
        ("::ffff:8.8.8.8", &["8.8.8.8"]),
        ("2002:808:808::1", &["8.8.8.8"]),
        ("8.8.8.8 8.8.8.8", &["8.8.8.8"]),
        ("8.8.8.8 9.9.9.9", &[]),
        ("8.8.8.0,8.8.8.255,24", &[]),
        ("8.8.8.0 255.255.255.0", &[]),
        ("# 8.8.8.8", &[]),
        ("; 8.8.8.8", &[]),
        ("// 8.8.8.8", &[]),
        ("x 8.8.8.8", &[]),
        ("008.008.008.008", &[]),
        ("8.8.8", &[]),
        ("8.8.8.8.8", &[]),
        ("0x8.8", &[]),
        ("\u{ff18}.8.8.8", &[]),
        ("fe80::1%eth0", &[]),
        ("example.com", &[]),
    ] {
        assert_eq!(nets(&read(&Format::Plain, line.as_bytes())), expected, "{line:?}");
    }
}

#[test]
fn plain_documents() {
    let parsed = read(
        &Format::Plain,
        b"\xef\xbb\xbf8.8.8.8\r\n\r\n# c\r\n8.8.8.8\r\nexample.com\r\n1.2.3\r\n10.1.2.3\r\n\
          8.0.0.0/7\r\n001.2.3.4\r\n9.9.9.9 1.1.1.1\r\nhttp://example.com/\r\n\xff\xff\r\n2a00::1",
    );
    assert_eq!(nets(&parsed), ["8.8.8.8", "2a00::1"]);
    let report = &parsed.report;
    assert_eq!((report.lines, report.blank, report.comments), (13, 1, 1));
    assert_eq!((report.entries, report.distinct, report.duplicates), (3, 2, 1));
    assert_eq!((report.special_purpose, report.too_wide, report.v4_addresses), (1, 1, 1));
    assert_eq!(report.recognised, 5);
    for (reason, count) in [
        (SkipReason::OtherIndicator, 2),
        (SkipReason::NotAnIndicator, 1),
        (SkipReason::SpecialPurpose, 1),
        (SkipReason::TooWide, 1),
        (SkipReason::ZeroPadded, 1),
        (SkipReason::Ambiguous, 1),
        (SkipReason::BadEncoding, 1),
    ] {
        assert_eq!(skipped(&parsed, reason), count, "{reason:?}");
    }
    let first = &report.samples[0];
    assert_eq!(
        (first.line, first.reason, &*first.excerpt),
        (5, SkipReason::OtherIndicator, "example.com")
    );
    assert_eq!(report.samples.len(), 8);
}

#[test]
fn rules_can_be_counted_without_being_applied() {
    let mut limits = ParseLimits::default();
    (limits.keep_special_purpose, limits.keep_too_wide) = (true, true);
    let input = b"10.1.2.3\n8.0.0.0/7\n240.0.0.0/4\n0.0.0.0/0\nfe80::/10\n2000::/3\n";
    let id = "x".parse().unwrap();
    let kept = parse(&id, &Format::Plain, &limits, &mut &input[..]).unwrap();
    let dropped = read(&Format::Plain, input);
    assert_eq!((kept.prefixes.len(), dropped.prefixes.len()), (6, 0));
    for report in [&kept.report, &dropped.report] {
        assert_eq!((report.special_purpose, report.too_wide), (3, 3));
    }
    assert!(kept.report.skipped.is_empty());
}

#[test]
fn samples_are_few_short_and_clean() {
    let line = format!("x\u{1b}[31m{}\n", "y".repeat(200));
    let report = read(&Format::Plain, line.repeat(50).as_bytes()).report;
    assert_eq!(report.samples.len(), 20);
    let excerpt = &report.samples[0].excerpt;
    assert_eq!(excerpt.chars().count(), 81, "{excerpt}");
    assert!(!excerpt.contains('\u{1b}'));
}

#[test]
fn utf16_is_refused_by_name() {
    let error = fails(&Format::Plain, b"\xff\xfe8\0.\0");
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[test]
fn free_text() {
    for (line, expected) in [
        ("8.8.8.8", &["8.8.8.8"][..]),
        ("seen 8.8.8.8, 9.9.9.9:53 and (1.1.1.1).", &["1.1.1.1", "8.8.8.8", "9.9.9.9"]),
        ("http://8.8.8.8/x", &["8.8.8.8"]),
        ("see hxxps://8[.]8[.]8[.]8:8443/x?y=9.9.9.9", &["8.8.8.8"]),
        ("http://[2a00::1]:80/ and 2a00::2", &["2a00::1", "2a00::2"]),
        ("http://insurex.ua/css/logs/181.141.208.924634/", &[]),
        ("http://example.com/9.9.9.9/", &[]),
        ("http://8.8.8.8.example.com/", &[]),
        ("8.8.8.8.example.com", &[]),
        ("\"8.8.8.0/24\",\"9.9.9.9\"", &["8.8.8.0/24", "9.9.9.9"]),
        ("8.8.8.8|443", &["8.8.8.8"]),
        ("8.8.8.8\u{a0}x", &["8.8.8.8"]),
        ("AS64500 8.8.8.8", &["8.8.8.8"]),
        ("# 8.8.8.8", &["8.8.8.8"]),
        ("version 1.2.3", &[]),
    ] {
        let parsed = read(&Format::FreeText, line.as_bytes());
        assert_eq!(nets(&parsed), expected, "{line:?}");
        assert!(parsed.asns.is_empty());
    }
    let report = read(&Format::FreeText, b"# no address\nexample.com\nnothing\n").report;
    assert_eq!((report.comments, report.recognised), (1, 0));
    assert_eq!(report.skipped[&SkipReason::OtherIndicator], 1);
    assert_eq!(report.skipped[&SkipReason::NotAnIndicator], 1);
}

#[test]
fn firehol_sets_say_when_they_were_made() {
    let text = b"#\n# botscout_1d\n#\n# ipv4 hash:ip ipset\n#\n# [BotScout.com] (http://botscout.com/) is\n#\n\
        # Maintainer      : BotScout.com\n# Source File Date: Wed Feb 11 10:15:01 UTC 2026\n\
        # Update Frequency: 30 mins\n# Entries         : 2 unique IPs\n#\n8.8.8.8\n9.9.9.0/24\n";
    let parsed = read(&format(json!({"type": "firehol", "drop_cdn": true})), text);
    assert_eq!(nets(&parsed), ["8.8.8.8", "9.9.9.0/24"]);
    let header = &parsed.report.header;
    assert_eq!(header["Source File Date"], "Wed Feb 11 10:15:01 UTC 2026");
    assert_eq!(header["Update Frequency"], "30 mins");
    assert!(header.keys().all(|key| !key.contains('[')), "{header:?}");
}

#[test]
fn regular_expressions() {
    let table: [(&str, &str, &[&str]); 8] = [
        ("^(IP)", "8.8.8.8\t\t# 2026-01-01 9.9.9.9", &["8.8.8.8"]),
        (
            "(IP)",
            "<td>8.8.8.8</td><td>9.9.9.0/24</td> 2a00::1,",
            &["8.8.8.8", "9.9.9.0/24", "2a00::1"],
        ),
        ("deny from (IP)", "deny from 8.8.8.8", &["8.8.8.8"]),
        ("deny from (IP)", "8.8.8.8", &[]),
        ("^(IP)", "8.8.8.8 # Malicious Host CN,,30.29,120.16", &["8.8.8.8"]),
        ("(IP)", "v8.8.8.8 8.8.8.8.9 8.8.8.8.example.com 8.8.8.888", &[]),
        ("(IP)", "src:8.8.8.8, [2a00::1]:80. 9.9.9.9.", &["8.8.8.8", "9.9.9.9", "2a00::1"]),
        ("(IP)x", "8.8.8.8x", &["8.8.8.8"]),
    ];
    for (pattern, line, expected) in table {
        let parsed = read(&format(json!({"type": "regex", "pattern": pattern})), line.as_bytes());
        assert_eq!(nets(&parsed), expected, "{pattern} on {line:?}");
    }
    for pattern in ["^", "(IP)(IP)", "(IP)[", "(IP"] {
        fails(&format(json!({"type": "regex", "pattern": pattern})), b"8.8.8.8");
    }
}

#[test]
fn lists_of_urls() {
    let parsed = read(
        &format(json!({"type": "url-list", "take": "ip-host"})),
        b"# comment\nhttp://8.8.8.8:8080/bin.sh\nhttps://example.com/9.9.9.9\nhttp://9.9.9.9/i\n",
    );
    assert_eq!(nets(&parsed), ["8.8.8.8", "9.9.9.9"]);
    assert_eq!(parsed.report.recognised_share(), 1.0);
}

#[test]
fn dshield_block() {
    let dshield = format(json!({"type": "tsv", "comment": "#", "start_col": 1, "end_col": 2,
        "prefix_col": 3, "skip_header": true}));
    let text = b"#\n#   DShield.org Recommended Block List\n#\nStart\tEnd\tNetmask\tAttacks\tName\tCountry\temail\n\
        8.8.8.0\t8.8.8.255\t24\t2913\tX\tUS\ta@b\n9.9.9.0\t9.9.9.255\t24\t1\t\t\t\n9.9.8.0\t9.9.9.255\t24\t1\n";
    let parsed = read(&dshield, text);
    assert_eq!(nets(&parsed), ["8.8.8.0/24", "9.9.9.0/24"]);
    assert_eq!(parsed.report.comments, 4);
    assert_eq!(skipped(&parsed, SkipReason::BadRange), 1);
}

#[test]
fn dshield_daily_sources() {
    let daily = format(json!({"type": "tsv", "value_col": 1, "count_col": 4, "targets_col": 5,
        "zero_padded": true, "min": {"reports": 10, "targets": 5}}));
    let text = b"005.008.018.150\t22\t6\t10\t5\t2026-01-01\n005.008.018.151\t22\t6\t9\t5\n\
        005.008.018.152\t22\t6\t10\t4\n005.008.018.153\t22\t6\tmany\t4\n";
    let parsed = read(&daily, text);
    assert_eq!(nets(&parsed), ["5.8.18.150"]);
    assert_eq!(skipped(&parsed, SkipReason::Filtered), 3);
    assert_eq!(parsed.report.recognised_share(), 1.0);
}

#[test]
fn dataplane() {
    let dataplane = format(json!({"type": "sep", "sep": "|", "comment": "#", "value_col": 3}));
    let text = b"# licence\n15169        |  GOOGLE, US  |          8.8.8.8  |  2026-01-01 00:00:00  |  sshpwauth\n\
        NA           |  NA  |  2a00::1  |  2026-01-01 00:00:00  |  sshpwauth\n6939 | HE\n";
    let parsed = read(&dataplane, text);
    assert_eq!(nets(&parsed), ["8.8.8.8", "2a00::1"]);
    assert_eq!(skipped(&parsed, SkipReason::BadRecord), 1);
    assert!(
        fails(&format(json!({"type": "sep", "value_col": 3})), b"").to_string().contains("sep")
    );
}

#[test]
fn csv_with_quotes() {
    let feodo = format(json!({"type": "csv", "comment": "#", "quote": "\"", "value_col": 2,
        "where": {"col": 4, "eq": "Online"}}));
    let text = b"# \"first_seen_utc\",\"dst_ip\"\r\n\"2026-01-01\",\"8.8.8.8\",\"443\",\"online\",\"\"\r\n\
        \"x, \"\"y\"\"\",\"9.9.9.9\",443,offline\r\n\"two\r\nlines\",\"1.1.1.1\",\"1\",\"online\"\r\n";
    let parsed = read(&feodo, text);
    assert_eq!(nets(&parsed), ["1.1.1.1", "8.8.8.8"]);
    assert_eq!(skipped(&parsed, SkipReason::Filtered), 1);

    let threatfox = format(json!({"type": "csv", "quote": "\"", "trim": true, "value_col": 3,
        "value_kind": "ip:port"}));
    let text = b"\"2026-01-01 00:00:00\", \"1, 2\", \"8.8.8.8:443\", \"ip:port\"\n";
    assert_eq!(nets(&read(&threatfox, text)), ["8.8.8.8"]);

    let turris = format(json!({"type": "csv", "header": true, "value_col": 1}));
    let parsed = read(&turris, b"# x\nAddress,Tags\n8.8.8.8,\"http,ssh\"\n");
    assert_eq!((nets(&parsed), parsed.report.comments), (vec!["8.8.8.8".to_owned()], 2));
    // A header that went missing takes no entry with it.
    assert_eq!(nets(&read(&turris, b"8.8.8.8,http\n9.9.9.9,ssh\n")), ["8.8.8.8", "9.9.9.9"]);

    let two = format(json!({"type": "csv", "value_col": [1, 3], "sep": ";"}));
    assert_eq!(
        nets(&read(&two, b"8.8.8.8;x;9.9.9.9\n1.1.1.1\n")),
        ["1.1.1.1", "8.8.8.8", "9.9.9.9"]
    );

    let masked = format(json!({"type": "csv", "value_col": 1, "prefix_col": 2}));
    let parsed = read(&masked, b"8.8.8.8,255.255.255.0\n9.9.9.9,31\n1.1.1.1,99\n");
    assert_eq!(nets(&parsed), ["8.8.8.0/24", "9.9.9.8/31"]);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_record() {
    let csv = format(json!({"type": "csv"}));
    let mut text = b"8.8.8.8,\"open\n".to_vec();
    text.extend(b"9.9.9.9,x\n".repeat(10_000));
    let parsed = read(&csv, &text);
    assert_eq!(nets(&parsed), ["9.9.9.9"]);
    assert_eq!(skipped(&parsed, SkipReason::TooLong), 1);
    let parsed = read(&csv, b"8.8.8.8,x\n9.9.9.9,\"open\n");
    assert_eq!(
        (nets(&parsed), skipped(&parsed, SkipReason::BadRecord)),
        (vec!["8.8.8.8".to_owned()], 1)
    );
}

#[test]
fn columns_that_make_no_sense() {
    for columns in [
        json!({"type": "csv", "value_col": 0}),
        json!({"type": "csv", "value_col": 257}),
        json!({"type": "csv", "sep": "::"}),
        json!({"type": "csv", "quote": "\u{201c}"}),
        json!({"type": "csv", "end_col": 2}),
    ] {
        fails(&format(columns), b"8.8.8.8\n");
    }
}

#[test]
fn spamhaus_drop() {
    let drop = format(json!({"type": "ndjson", "path": "cidr", "skip_if": {"type": "metadata"}}));
    let text = br#"{"cidr":"1.10.16.0/20","sblid":"SBL256894","rir":"apnic"}
{"cidr":"1.19.0.0/16","sblid":"SBL434604","rir":"apnic","more":[{"cidr":"9.9.9.9"}]}
not json
{"sblid":"x"}
{"type":"metadata","timestamp":1700000000,"size":2,"cidr":"8.8.8.8"}
"#;
    let parsed = read(&drop, text);
    assert_eq!(nets(&parsed), ["1.10.16.0/20", "1.19.0.0/16"]);
    assert_eq!(skipped(&parsed, SkipReason::Filtered), 1);
    assert_eq!(skipped(&parsed, SkipReason::BadRecord), 1);
    assert_eq!(skipped(&parsed, SkipReason::NotAnIndicator), 1);
}

#[test]
fn autonomous_systems() {
    let asndrop = format(json!({"type": "ndjson", "path": "asn", "skip_if": {"type": "metadata"}}));
    let text = b"{\"asn\":245,\"rir\":\"arin\"}\n{\"asn\":\"AS64500\"}\n{\"asn\":245}\n{\"asn\":99999999999}\n\
        {\"type\":\"metadata\",\"asn\":1}\n";
    let parsed = read(&asndrop, text);
    assert_eq!(parsed.asns, [245, 64500]);
    assert_eq!((parsed.report.entries, parsed.report.duplicates), (3, 1));
    assert_eq!(read(&Format::Plain, b"AS245 ; x\nas1\n").asns, [1, 245]);
}

#[test]
fn json_paths() {
    for (path, document, expected) in [
        (
            json!("[].ip"),
            r#"[{"ip":"8.8.8.8","x":[1,{"ip":"1.1.1.1"}]},{"ip":"9.9.9.9"}]"#,
            &["8.8.8.8", "9.9.9.9"][..],
        ),
        (
            json!("[].*"),
            r#"[{"a":"8.8.8.8","b":"9.9.9.0/24"},{"c":"1.1.1.1"}]"#,
            &["1.1.1.1", "8.8.8.8", "9.9.9.0/24"],
        ),
        (
            json!("relays[].or_addresses[]"),
            r#"{"v":"1","relays":[{"or_addresses":["8.8.8.8:9001","[2a00::1]:9001"]}]}"#,
            &["8.8.8.8", "2a00::1"],
        ),
        (
            json!(["prefixes[].ipv4Prefix", "prefixes[].ipv6Prefix"]),
            r#"{"prefixes":[{"ipv4Prefix":"8.8.8.0/24"},{"ipv6Prefix":"2a00::/32"}]}"#,
            &["8.8.8.0/24", "2a00::/32"],
        ),
        (
            json!(["hooks[]", "web[]"]),
            r#"{"hooks":["8.8.8.0/24"],"ssh":["1.1.1.1"],"web":["9.9.9.9"]}"#,
            &["8.8.8.0/24", "9.9.9.9"],
        ),
        (
            json!("regions[].cidrs[].cidr"),
            r#"{"regions":[{"cidrs":[{"cidr":"8.8.8.0/24","tags":["x"]}]}]}"#,
            &["8.8.8.0/24"],
        ),
        (
            json!("*[].ip"),
            r#"{"a":[{"ip":"8.8.8.8"}],"b":[{"ip":"9.9.9.9"}]}"#,
            &["8.8.8.8", "9.9.9.9"],
        ),
        (json!("[][]"), r#"[["8.8.8.8"],["9.9.9.9"]]"#, &["8.8.8.8", "9.9.9.9"]),
        (json!("ip"), "\u{feff}{\"ip\":\"8.8.8.\\u0038\"}", &["8.8.8.8"]),
        (json!("ip"), r#"{"ip":null}"#, &[]),
        (json!("ip"), r#"{"ip":{"x":"8.8.8.8"}}"#, &[]),
        (json!("ip"), r"[]", &[]),
    ] {
        let format = format(json!({"type": "json", "path": path}));
        assert_eq!(nets(&read(&format, document.as_bytes())), expected, "{path} {document}");
    }
    let padded = format(json!({"type": "json", "path": "[].ip", "zero_padded": true}));
    assert_eq!(nets(&read(&padded, br#"[{"ip":"008.008.008.008"}]"#)), ["8.8.8.8"]);
}

#[test]
fn json_that_is_none() {
    let json = |path: &str| format(json!({"type": "json", "path": path}));
    for document in ["", "[", "<html>", "{} x", "{\"ip\":\"8.8.8.8\"", "{\"ip\" 1}"] {
        let error = fails(&json("ip"), document.as_bytes());
        assert_eq!(error.code(), "ARTIF_PARSE", "{document}");
    }
    for path in ["", "a..b", "a[0]", "a[", "a*"] {
        assert!(fails(&json(path), b"{}").to_string().contains("path"), "{path}");
    }
    let deep = "[".repeat(100_000);
    fails(&json("ip"), deep.as_bytes());
}

#[test]
fn json_text_without_end_is_not_held() {
    let json = format(json!({"type": "json", "path": "ip"}));
    let input = (&b"{\"ip\":\""[..]).chain(Repeat::new(b"a", 1 << 40));
    let error =
        parse(&"x".parse().unwrap(), &json, &ParseLimits::default(), &mut BufReader::new(input));
    assert!(error.unwrap_err().to_string().contains("without a quote"));
}

#[test]
fn formats_that_are_no_single_document() {
    for kind in ["misp-feed", "misp-warninglists", "otx", "crowdsec-stream"] {
        let error = fails(&format(json!({"type": kind})), b"8.8.8.8");
        let text = error.to_string();
        assert!(text.contains(kind) && text.contains("not a single document"), "{text}");
    }
}

#[test]
fn misp_events() {
    let event = json!({"uuid": "u", "info": "i", "threat_level_id": 1, "published": "1",
        "timestamp": 1_700_000_000, "date": "2024-01-01", "Orgc": {"name": "o"},
        "Tag": [{"name": "tlp:green"}],
        "Attribute": [
            {"type": "ip-src", "value": "8.8.8.0/24", "to_ids": "1"},
            {"type": "ip-dst|port", "value": "9.9.9.9|443", "to_ids": 0},
            {"type": "domain|ip", "value": "a.example|2a00::1", "to_ids": true},
            {"type": "ip-dst", "value": "7.7.7.7", "deleted": "1"},
            {"type": "ip-dst", "value": "7.7.7.8", "deleted": true},
            {"type": "ip-dst", "value": "7.7.7.9", "deleted": 1},
            {"type": "ip-dst", "value": "nonsense"},
            {"type": "domain", "value": "6.6.6.6"},
            {"type": "link", "value": "http://6.6.6.6/"}
        ],
        "Object": [{"name": "x", "Attribute": [
            {"type": "ip-dst", "value": "1.1.1.1", "to_ids": false, "comment": "c"}]}]});
    let all = format(json!({"type": "misp-event"}));
    for envelope in [
        json!({"Event": event}),
        json!({"response": [{"Event": event}]}),
        json!({"response": {"Event": event}}),
        json!([{"Event": event}]),
        event.clone(),
    ] {
        let parsed = read(&all, envelope.to_string().as_bytes());
        assert_eq!(nets(&parsed), ["1.1.1.1", "8.8.8.0/24", "9.9.9.9", "2a00::1"], "{envelope}");
        assert_eq!(skipped(&parsed, SkipReason::Deleted), 3);
        assert_eq!(skipped(&parsed, SkipReason::NotAnIndicator), 1);
        assert_eq!((parsed.report.lines, &*parsed.report.header["info"]), (8, "i"));
    }
    let detection = format(json!({"type": "misp-event", "to_ids_only": true}));
    let parsed = read(&detection, event.to_string().as_bytes());
    assert_eq!(nets(&parsed), ["8.8.8.0/24", "2a00::1"]);
    assert_eq!(skipped(&parsed, SkipReason::Filtered), 2);

    let id = "x".parse().unwrap();
    let event = parse_misp_event(&id, &mut event.to_string().as_bytes()).unwrap();
    assert_eq!((event.threat_level.number(), event.org.as_deref()), (1, Some("o")));
    assert_eq!((event.published, event.timestamp), (true, Some(1_700_000_000)));
    assert_eq!(event.tags, ["tlp:green"]);
    let flags: Vec<bool> = event.attributes.iter().map(|a| a.to_ids).collect();
    assert_eq!(flags, [true, false, true, false]);
    assert_eq!(event.attributes[3].comment.as_deref(), Some("c"));

    for none in ["{}", "[]", r#"{"response":[]}"#, "null"] {
        fails(&all, none.as_bytes());
    }
    let two = format!("[{0},{0}]", json!({"Event": {"uuid": "u"}}));
    assert!(parse_misp_event(&id, &mut two.as_bytes()).is_err());
    assert!(read(&all, two.as_bytes()).prefixes.is_empty());
}

#[test]
fn more_entries_than_allowed_are_an_error_everywhere() {
    let mut limits = ParseLimits::default();
    limits.max_entries = 2;
    for (format, text) in [
        (Format::Plain, "8.8.8.8\n8.8.8.9\n8.8.8.10\n"),
        (format(json!({"type": "json", "path": "[]"})), r#"["8.8.8.8","8.8.8.9","8.8.8.10"]"#),
    ] {
        let error = parse(&"x".parse().unwrap(), &format, &limits, &mut text.as_bytes());
        assert!(error.unwrap_err().to_string().contains("more than 2"));
    }
}

/// A reader that breaks off.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset by peer"))
    }
}

#[test]
fn a_reader_that_breaks_off_is_an_error() {
    for kind in [
        json!({"type": "plain"}),
        json!({"type": "csv"}),
        json!({"type": "json", "path": "[]"}),
        json!({"type": "misp-event"}),
    ] {
        let mut input = BufReader::new((&b"[\n\n"[..]).chain(Broken));
        let id = "x".parse().unwrap();
        let error = parse(&id, &format(kind), &ParseLimits::default(), &mut input).unwrap_err();
        assert!(error.to_string().contains("reset by peer"), "{error}");
    }
}

#[test]
fn comments_without_end_stream_through() {
    let mut input = BufReader::new(
        Repeat::new(b"# nothing to see here, move along\n", 200 << 20).chain(&b"\n8.8.8.8"[..]),
    );
    let id = "x".parse().unwrap();
    let parsed = parse(&id, &Format::Plain, &ParseLimits::default(), &mut input).unwrap();
    assert_eq!(nets(&parsed), ["8.8.8.8"]);
    assert!(parsed.report.comments > 6_000_000);
}
