#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn found(text: &str) -> Proposal {
    match detect(text.as_bytes(), &Hint::default()) {
        Detected::Feed(proposal) => *proposal,
        Detected::Refused(refusal) => panic!("{refusal:?} of {text:?}"),
    }
}

fn refusal(bytes: &[u8]) -> Refusal {
    match detect(bytes, &Hint::default()) {
        Detected::Refused(refusal) => refusal,
        Detected::Feed(proposal) => {
            panic!("{proposal:?} of {:?}", String::from_utf8_lossy(bytes))
        }
    }
}

/// The format as a catalogue writes it, without what is the default.
fn format(text: &str) -> String {
    let proposal = found(text);
    crate::feed::added::format_table(&proposal.format).unwrap().to_string()
}

#[test]
fn plain_lists_with_every_sign() {
    for (text, comments) in [
        ("8.8.8.8\n9.9.9.9\n1.1.1.1\n", &[][..]),
        ("# a\n8.8.8.8 # b\n9.9.9.9\n", &["#"]),
        ("; a\n8.8.8.0/24 ; SBL1\n9.9.9.0/24 ; SBL2\n1.1.0.0/16 ; SBL3\n", &[";"]),
        ("// a\r\n8.8.8.8 // b\r\n9.9.9.9\r\n", &["//"]),
        ("! Title: a\n!\n8.8.8.8\n9.9.9.9\n", &["!"]),
        ("-- a\n8.8.8.8\n9.9.9.9\n", &["--"]),
        ("% a\n8.8.8.8\n9.9.9.9\n", &["%"]),
        ("\u{feff}# a\n8.8.8.8\n2a00::1\n", &["#"]),
    ] {
        let proposal = found(text);
        assert_eq!(proposal.format, Format::Plain, "{text}");
        assert_eq!(proposal.comments, comments, "{text}");
        assert!(proposal.confidence >= 0.8, "{text} {proposal:?}");
    }
}

#[test]
fn what_plain_lists_hold() {
    for (text, shape, scope) in [
        ("8.8.8.8\n9.9.9.9\n1.1.1.1\n", "addresses, one a line", Scope::Address),
        ("8.8.8.0/24\n9.9.0.0/16\n1.1.1.1\n", "networks and addresses, one a line", Scope::Range),
        ("8.8.8.0-8.8.9.255\n9.9.9.1 - 9.9.9.8\n", "", Scope::Range),
        (
            "8.8.8.8:80\n9.9.9.9:443\n[2a00::1]:22\n",
            "addresses with ports, one a line",
            Scope::Address,
        ),
        ("1[.]1[.]1[.]1\n8[.]8[.]8[.]8\n", "addresses, one a line", Scope::Address),
    ] {
        let proposal = found(text);
        assert_eq!(proposal.format, Format::Plain, "{text}");
        assert!(shape.is_empty() || proposal.shape == shape, "{proposal:?}");
        assert_eq!(proposal.scope, scope, "{text}");
    }
}

#[test]
fn tables() {
    for (text, expected) in [
        ("ip,count\n8.8.8.8,3\n9.9.9.9,4\n", r#"{ header = true, type = "csv", value_col = 1 }"#),
        ("2026-01-01,8.8.8.8,ssh\n2026-01-02,9.9.9.9,ftp\n", r#"{ type = "csv", value_col = 2 }"#),
        (
            "\"date\", \"id\", \"ioc\"\n\"2026\", \"1\", \"8.8.8.8:80\"\n\"2026\", \"2\", \"9.9.9.9:81\"\n",
            r#"{ header = true, trim = true, type = "csv", value_col = 3, value_kind = "ip:port" }"#,
        ),
        ("8.8.8.8\t12\n9.9.9.9\t4\n", r#"{ type = "tsv", value_col = 1 }"#),
        (
            "AS1 | one | 8.8.8.8 | 2026\nAS2 | two | 9.9.9.9 | 2026\n",
            r#"{ sep = "|", type = "sep", value_col = 3 }"#,
        ),
        (
            "from;to;note\n8.8.8.0;8.8.8.255;a\n9.9.0.0;9.9.1.255;b\n",
            r#"{ end_col = 2, header = true, sep = ";", start_col = 1, type = "sep" }"#,
        ),
        (
            "8.8.8.0\t8.8.8.255\t24\t9\n9.9.0.0\t9.9.255.255\t16\t9\n",
            r#"{ end_col = 2, prefix_col = 3, start_col = 1, type = "tsv" }"#,
        ),
        (
            "8.8.8.0,255.255.255.0\n9.9.0.0,255.255.0.0\n",
            r#"{ prefix_col = 2, type = "csv", value_col = 1 }"#,
        ),
        (
            "network,mask,why\n8.8.8.0,24,a\n9.9.0.0,16,b\n",
            r#"{ header = true, prefix_col = 2, type = "csv", value_col = 1 }"#,
        ),
        (
            "time;dst_ip;src_ip\nx;8.8.8.8;7.7.7.7\nx;1.1.1.1;6.6.6.6\n",
            r#"{ header = true, sep = ";", type = "sep", value_col = 3 }"#,
        ),
        (
            "# ip,port\n// b\n// c\n8.8.8.8,80\n9.9.9.9,80\n",
            r#"{ comment = "//", port_col = 2, type = "csv", value_col = 1 }"#,
        ),
        (
            "008.008.008.008\t1\n009.009.009.009\t1\n",
            r#"{ type = "tsv", value_col = 1, zero_padded = true }"#,
        ),
        (
            "some org:8.8.8.0-8.8.8.9\nother:9.9.9.0-9.9.9.9\n",
            r#"{ sep = ":", type = "sep", value_col = 2 }"#,
        ),
    ] {
        assert_eq!(format(text), expected, "{text}");
    }
}

#[test]
fn other_text() {
    for (text, expected) in [
        ("add bad 8.8.8.8\nadd bad 9.9.9.9\nadd bad 1.1.1.0/24\n", r"^add\s+bad\s+(IP)"),
        ("deny 8.8.8.8;\ndeny 9.9.9.9;\ndeny 1.1.1.0/24;\n", r"^deny\s+(IP)"),
        ("http://8.8.8.8/a\nhttp://9.9.9.9:80/b\nhttp://example.com/c\n", "url-list"),
        ("Seen 8.8.8.8 today.\nThen, via (9.9.9.9), more.\nNothing else.\n", "freetext"),
    ] {
        let format = format(text);
        assert!(format.contains(expected), "{format}");
    }
    let firehol = "#\n# x_ipset\n#\n# ipv4 hash:ip ipset\n# Maintainer      : X\n\
        # Maintainer URL  : http://x/\n# Category        : attacks\n# Entries         : 2\n8.8.8.8\n9.9.9.9\n";
    assert!(format(firehol).contains("firehol"));
    assert!(found(firehol).categories.contains(crate::Category::Attack));
}

#[test]
fn json_documents() {
    for (text, expected) in [
        (r#"["8.8.8.8", "9.9.9.9"]"#, r#"{ path = "[]", type = "json" }"#),
        (
            r#"[{"ip": "8.8.8.8", "n": 1}, {"ip": "9.9.9.9", "n": 2}]"#,
            r#"{ path = "[].ip", type = "json" }"#,
        ),
        (
            r#"{"syncToken": "1", "prefixes": [{"ip_prefix": "8.8.8.0/24", "region": "x"}],
                "ipv6_prefixes": [{"ipv6_prefix": "2a00::/32", "region": "x"}]}"#,
            r#"{ path = ["prefixes[].ip_prefix", "ipv6_prefixes[].ipv6_prefix"], type = "json" }"#,
        ),
        (
            r#"{"prefixes": [{"ipv4Prefix": "8.8.8.0/24"}, {"ipv4Prefix": "9.9.9.0/24"}, {"ipv6Prefix": "2a00::/32"}]}"#,
            r#"{ path = ["prefixes[].ipv4Prefix", "prefixes[].ipv6Prefix"], type = "json" }"#,
        ),
        (
            r#"{"17": [{"ioc_value": "8.8.8.8:80", "malware": "x"}], "18": [{"ioc_value": "9.9.9.9:80", "malware": "y"}]}"#,
            r#"{ path = "*[].ioc_value", type = "json", value_kind = "ip:port" }"#,
        ),
        (
            r#"[{"src_ip": "8.8.8.8", "dst_ip": "7.7.7.7"}, {"src_ip": "9.9.9.9", "dst_ip": "7.7.7.7"}]"#,
            r#"{ path = "[].src_ip", type = "json" }"#,
        ),
        (
            "{\"cidr\":\"8.8.8.0/24\",\"sblid\":\"SBL1\"}\n{\"cidr\":\"9.9.9.0/24\",\"sblid\":\"SBL2\"}\n{\"type\":\"metadata\",\"size\":2}\n",
            r#"{ path = "cidr", skip_if = { type = "metadata" }, type = "ndjson" }"#,
        ),
        (
            r#"{"Event": {"info": "x", "Attribute": [{"type": "ip-dst", "value": "8.8.8.8"}]}}"#,
            r#"{ type = "misp-event" }"#,
        ),
        (
            r#"{"response": [{"Event": {"info": "x", "Attribute": [{"type": "ip-dst", "value": "8.8.8.8"}]}}]}"#,
            r#"{ type = "misp-event" }"#,
        ),
        (
            r#"{"name": "DNS", "type": "cidr", "version": 3, "matching_attributes": ["ip-src"], "list": ["8.8.8.8/32"]}"#,
            r#"{ type = "misp-warninglist" }"#,
        ),
    ] {
        assert_eq!(format(text), expected, "{text}");
    }
    let warninglist = r#"{"name": "DNS", "type": "cidr", "list": ["8.8.8.8/32", "9.9.9.9/32"]}"#;
    assert_eq!(found(warninglist).role, Role::Warninglist);
}

#[test]
fn what_is_no_feed() {
    for (bytes, what) in [
        (&b""[..], "empty document"),
        (b" \r\n\t", "empty document"),
        (b"# nothing\n", "comments only"),
        (b"\n <HTML><body>8.8.8.8", "HTML page"),
        (b"\x1f\x8b\x08\0\0", "gzip file"),
        (b"PK\x03\x04....", "zip archive"),
        (b"\xff\xfe8\0.\0", "UTF-16 text"),
        (b"8.8.8.8\0\0", "binary file"),
        (b"example.com\nexample.org\n", "list of names"),
        (b"http://example.com/a\nhttp://example.org/b\n", "list of URLs"),
        (b"hello\nworld\n", "text without addresses"),
        (b"127.0.0.1 localhost\n0.0.0.0 ads.example.com\n0.0.0.0 x.example.org\n", "hosts file"),
        (b"10.0.0.1\n192.168.0.1\n", "list without a usable address"),
        (b"0.0.0.0/0\n", "list without a usable address"),
        (b"AS64500\nAS64501\n", "list of autonomous systems"),
        (b"{\"a\": 1}", "JSON without addresses"),
        (b"{\"a\": [1, 2", "broken JSON"),
        (b"[\"8.8.8.8\", \"9.9", "broken JSON"),
        (b"{\"8.8.8.8\": {\"n\": 1}, \"9.9.9.9\": {\"n\": 2}}", "JSON with addresses as keys"),
        (
            br#"{"5e3a1b2c-0000-4000-8000-000000000001": {"info": "x", "timestamp": "1", "date": "2026-01-01", "Orgc": {"name": "y"}}}"#,
            "manifest of a MISP feed",
        ),
        (
            br#"[{"Feed": {"name": "x", "provider": "y", "url": "https://8.8.8.8/", "source_format": "csv"}}]"#,
            "list of feeds",
        ),
        (
            br#"{"type": "bundle", "id": "bundle--1", "objects": [{"type": "indicator", "pattern": "[ipv4-addr:value = '8.8.8.8']"}]}"#,
            "STIX bundle",
        ),
        (
            br#"{"name": "x", "type": "hostname", "version": 1, "list": ["example.com"]}"#,
            "MISP warninglist",
        ),
    ] {
        let refusal = refusal(bytes);
        assert_eq!(refusal.what, what, "{refusal:?}");
        assert!(!refusal.reason.is_empty());
    }
}

#[test]
fn junk_is_counted_and_said() {
    let proposal = found("8.8.8.8\n10.0.0.1\n127.0.0.1\n9.9.9.9\nexample.com\nnonsense\n");
    assert_eq!((proposal.report.distinct, proposal.report.special_purpose), (2, 2));
    assert!(proposal.notes.iter().any(|note| note.starts_with("2 special-purpose")));
    assert_eq!(proposal.report.skipped.len(), 3, "{:?}", proposal.report.skipped);
}

#[test]
fn brackets_may_start_text() {
    assert_eq!(found("[8.8.8.8]\n[9.9.9.9]\n").format, Format::Plain);
    assert_eq!(found("[2a00::1]:80\n[2a00::2]:80\n").format, Format::Plain);
}

/// Pieces of which documents of every kind are made.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "8.8.8.8",
        "2a00::1",
        "10.0.0.0/8",
        "8.8.8.0-8.8.9.0",
        "[",
        "]",
        "{",
        "}",
        "\"",
        ",",
        ":",
        ";",
        "|",
        "\t",
        " ",
        "\n",
        "\r\n",
        "#",
        "//",
        "ip",
        "\"ip\":",
        "\"list\":",
        "\"name\":",
        "\"type\":",
        "\"objects\":",
        "\"Event\":",
        "\"Feed\":",
        "null",
        "1",
        "example.com",
        "http://8.8.8.8/",
        "255.255.255.0",
        "24",
        "\u{feff}",
        "\\",
        "<html",
        "deny from",
        "\u{e9}",
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = detect(&bytes, &Hint::default());
    }

    #[test]
    fn what_is_proposed_is_what_the_parser_gives(pieces in prop::collection::vec(piece(), 0..120)) {
        let text = pieces.concat();
        if let Detected::Feed(proposal) = detect(text.as_bytes(), &Hint::default()) {
            let id = "x".parse().unwrap();
            let limits = ParseLimits::default();
            let parsed = parse(&id, &proposal.format, &limits, &mut text.as_bytes()).unwrap();
            prop_assert!(!parsed.prefixes.is_empty());
            prop_assert_eq!(&parsed.report, &proposal.report);
            prop_assert!((0.0..=1.0).contains(&proposal.confidence));
            // And it can be written into a catalogue and read back.
            let table = crate::feed::added::format_table(&proposal.format).unwrap();
            let back: Format = table.try_into().unwrap();
            prop_assert_eq!(back, proposal.format);
        }
    }

    #[test]
    fn deep_and_wide_json_stays_bounded(depth in 0_usize..400, width in 0_usize..300) {
        let names: Vec<String> = (0..width).map(|n| format!("\"n{n}\": {{\"ip\": \"8.8.8.8\"}}")).collect();
        let text = format!("{}{{{}}}{}", "[".repeat(depth), names.join(","), "]".repeat(depth));
        let _ = detect(text.as_bytes(), &Hint::default());
    }
}
