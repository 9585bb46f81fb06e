#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashSet;

use super::*;
use crate::feed::{Format, ParseLimits, Role, Scope};
use crate::{Category, ThreatLevel};

fn read(text: &str) -> Result<Vec<Feed>> {
    Catalogue::read(text, Some(Path::new("/lists/feeds"))).map(|catalogue| catalogue.feeds)
}

fn ids(text: &str) -> Vec<String> {
    read(text).unwrap().iter().map(|feed| feed.id.to_string()).collect()
}

#[test]
fn the_embedded_catalogue() {
    let feeds = Catalogue::embedded().unwrap().feeds;
    assert_eq!(feeds.len(), 104);
    assert_eq!(feeds.iter().map(|feed| &feed.id).collect::<HashSet<_>>().len(), feeds.len());
    // Publishers without HTTPS, and the local API of one's own machine.
    let http: Vec<&str> =
        feeds.iter().filter(|f| !f.url.starts_with("https://")).map(|f| f.id.as_str()).collect();
    assert_eq!(http, ["haley-ssh", "haley-wp", "vxvault", "viriback", "crowdsec-lapi"]);
    for feed in &feeds {
        let licence = feed.licence.as_deref().unwrap();
        if feed.enabled {
            assert!(feed.url.starts_with("https://"), "{}", feed.id);
            assert_ne!(feed.commercial, Some(false), "{}: {licence}", feed.id);
            assert!(feed.format.auth().is_none(), "{} wants a key", feed.id);
            let single = !matches!(
                feed.format,
                Format::MispFeed {}
                    | Format::MispWarninglists { .. }
                    | Format::Otx { .. }
                    | Format::CrowdsecStream { .. }
            );
            assert!(single, "{}", feed.id);
        }
        assert!(feed.role != Role::Threat || !feed.categories.is_empty(), "{}", feed.id);
        assert!(feed.confidence.is_some(), "{}", feed.id);
        assert_eq!(
            feed.commercial == Some(false),
            licence.contains("non-commercial"),
            "{}",
            feed.id
        );
    }
    let feed = |id: &str| feeds.iter().find(|feed| feed.id.as_str() == id).unwrap();
    assert_eq!(feed("spamhaus-asndrop").scope, Scope::As);
    assert_eq!(feed("dataplane-sshpwauth").source_group, "dataplane");
    assert!(feed("feodo-online").can_be_empty && feed("ipsum-3").aggregate);
    assert_eq!(feed("blocklistde-ssh").refresh_seconds, 4 * 3600);
    assert_eq!(feed("allow-bingbot").role, Role::Benign);
}

/// A format that cannot be compiled is only seen when it is used.
#[test]
fn every_embedded_format_can_be_used() {
    for feed in Catalogue::embedded().unwrap().feeds {
        let empty: &[u8] = match feed.format {
            Format::Json(_) => b"{}",
            Format::MispEvent { .. } => br#"{"Event":{"uuid":"x"}}"#,
            _ => b"",
        };
        let parsed =
            crate::feed::parse(&feed.id, &feed.format, &ParseLimits::default(), &mut &*empty);
        let text = parsed.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.is_empty() || text.contains("not a single document"), "{}: {text}", feed.id);
    }
}

#[test]
fn toml_tables() {
    let feeds = read(
        "[[feed]]\nid = 'a'\nurl = 'https://a.example/x'\nformat = { type = 'csv', value_col = 2 }\n\
         categories = ['c&c']\nthreat_level = 1\nconfidence = 90\nrole = 'label'\nscope = 'range'\n\
         refresh = 90\nlicence = 'MIT'\naggregate = true\ncan_be_empty = true\nenabled = false\n\
         provider = 'P'\nname = 'N'\n\
         [[feed]]\nname = 'Free Name'\nurl = 'file:x.txt'\nformat = 'freetext'\nsource_group = 'g'\n",
    )
    .unwrap();
    let a = &feeds[0];
    assert!(matches!(&a.format, Format::Csv(columns) if columns.value_col == [2]));
    assert!(a.categories.contains(Category::CommandAndControl));
    assert_eq!((a.threat_level, a.confidence), (ThreatLevel::HIGH, Some(90)));
    assert_eq!((a.role, a.scope, a.refresh_seconds), (Role::Label, Scope::Range, 90));
    assert_eq!((a.name.as_str(), a.provider.as_str(), a.source_group.as_str()), ("N", "P", "P"));
    assert!(a.aggregate && a.can_be_empty && !a.enabled && a.licence.as_deref() == Some("MIT"));
    let b = &feeds[1];
    assert_eq!((b.id.as_str(), b.url.as_str()), ("free-name", "file:///lists/x.txt"));
    assert_eq!((b.provider.as_str(), b.source_group.as_str()), ("free-name", "g"));
    assert!(b.format == Format::FreeText && b.enabled);
    assert_eq!(read("# nothing\n").unwrap(), []);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, line, says) in [
        (
            "[[feed]]\nid = 'a'\nurl = 'https://a.example'\nenable = true\n",
            4,
            "unknown field `enable`",
        ),
        ("\n[[feed]]\nid = 'a'\n", 2, "url: it is missing"),
        ("\n\n[[feed]]\nurl = 'https://a.example'\n", 3, "id or a name"),
        ("[[feed]]\nid = 'A'\n", 2, "feed id"),
        ("[[feed]]\nid = 'a'\nurl = 'gopher://x'\n", 1, "gopher"),
        ("[[feed]]\nid = 'a'\nurl = 'https://x'\nconfidence = 101\n", 1, "percentage"),
        ("[[feed]]\nid = 'a'\nurl = 'https://x'\nrefresh = '6 hours'\n", 4, "6h"),
        ("[[feed]]\nid = 'a'\nurl = 'https://x'\nrefresh = 0\n", 4, "above 0"),
        ("[[feed]]\nid = 'a'\nurl = 'https://x'\nformat = 'xml'\n", 4, "xml"),
        (
            "[[feed]]\nid = 'a'\nurl = 'https://x'\nformat = { type = 'csv', colum = 1 }\n",
            4,
            "colum",
        ),
        ("[[feed]]\nid = 'a'\nurl = 'https://x'\ncategories = ['evil']\n", 4, "evil"),
        ("[[feed]]\nid = 'a'\nurl = 'https://x'\nthreat_level = 5\n", 4, "threat level"),
        ("[[feeds]]\nid = 'a'\n", 1, "feeds"),
        ("[[feed]]\nid = \n", 2, ""),
        (
            "[[feed]]\nid = 'a'\nurl = 'https://x'\n\n[[feed]]\nid = 'a'\nurl = 'https://y'\n",
            5,
            "line 1",
        ),
    ] {
        let error = read(text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("/lists/feeds:{line}: ")), "{text}: {shown}");
        assert!(shown.contains(says), "{text}: {shown}");
        assert_eq!(error.code(), "ARTIF_CONFIG");
    }
}

#[test]
fn ids_made_from_names_give_way() {
    let feed = |id: &str| format!("[[feed]]\n{id}\nurl = 'https://x.example'\n");
    let text = feed("name = 'X'") + &feed("name = 'x'") + &feed("id = 'x'") + &feed("name = 'X 2'");
    assert_eq!(ids(&text), ["x-2", "x-3", "x", "x-2-2"]);
    let long = format!("name = '{}'", "a".repeat(64));
    let ids = ids(&(feed(&long) + &feed(&long)));
    assert_eq!((ids[0].len(), ids[1].len()), (64, 64));
    assert!(ids[1].ends_with("a-2"));
}

#[test]
fn json_with_misp_names() {
    let feeds = read(
        r#"{"feeds": [
            {"name": "cps-AtomSpam", "provider": "P", "source_format": "freetext",
             "path": "feeds/a b.txt", "type": ["spam", "c&c"], "threat_level_id": 3,
             "enabled": true, "origin": {"x": 1}},
            {"name": "Two", "url": "https://two.example/", "source_format": "csv", "type": "tor, vpn",
             "threat_level_id": "1", "enabled": "0",
             "settings": "{\"csv\":{\"value\":\"3,1\",\"delimiter\":\"|\"},\"common\":{\"excluderegex\":\"/^#.*/i\"}}"},
            {"Feed": {"name": "Three", "url": "https://three.example/misp", "source_format": "misp"}},
            {"name": "Four", "url": "https://four.example/u-u-i-d.json", "source_format": "misp"},
            {"name": "Five", "url": "https://five.example/", "source_format": "csv", "settings": null}
        ]}"#,
    )
    .unwrap();
    let one = &feeds[0];
    assert_eq!(
        (one.id.as_str(), one.url.as_str()),
        ("cps-atomspam", "file:///lists/feeds/a%20b.txt")
    );
    assert_eq!((one.source_group.as_str(), one.threat_level), ("P", ThreatLevel::LOW));
    assert_eq!(one.categories.iter().count(), 2);
    assert!(one.enabled && one.format == Format::FreeText);
    let two = &feeds[1];
    assert!(
        matches!(&two.format, Format::Csv(c) if c.value_col == [3, 1] && c.sep.as_deref() == Some("|"))
    );
    assert_eq!((two.enabled, two.threat_level), (false, ThreatLevel::HIGH));
    assert!(two.categories.contains(Category::Vpn));
    assert_eq!(feeds[2].format, Format::MispFeed {});
    assert_eq!(feeds[3].format, Format::MispEvent { to_ids_only: false });
    assert_eq!(feeds[4].format, Format::FreeText);
    let list =
        r#" [ {"Feed": {"name": "x", "url": "https://x.example", "source_format": "misp"}} ]"#;
    assert_eq!(ids(list), ["x"]);
}

#[test]
fn yaml_of_the_seed_system() {
    let feeds = read(
        "# feeds\nfeeds:\n  - feed:\n      name: Botscout C&C Bots\n      provider: Botscout\n\
         \x20     url: https://iplists.firehol.org/files/botscout_1d.ipset\n      source_format: freetext\n\
         \x20     threat_level_id: '3'\n      type: [crawlerbot, c&c]\n      enabled: yes\n      rules: ''\n\
         \x20 - feed:\n      name: Two\n      provider: P\n      url: http://two.example/\n\
         \x20     source_format: csv\n      threat_level_id: 1\n      type: tor\n      enabled: 0\n\
         \x20     settings:\n        csv:\n          value: 2\n          delimiter: ','\n",
    )
    .unwrap();
    assert_eq!(feeds[0].id.as_str(), "botscout-c-c-bots");
    assert!(feeds[0].enabled && feeds[0].categories.contains(Category::CommandAndControl));
    assert_eq!(feeds[0].threat_level, ThreatLevel::LOW);
    assert!(!feeds[1].enabled && feeds[1].categories.contains(Category::Tor));
    assert!(matches!(&feeds[1].format, Format::Csv(columns) if columns.value_col == [2]));
}

#[test]
fn addresses_one_a_line() {
    let feeds = read(
        "\u{feff}# ours\r\nhttps://l.example/files/dshield_7d.netset # a week\r\n\
         https://l.example/files/normshield_all_ssh.ipset\nhttps://l.example/\n\
         https://k.example/files/dshield_7d.netset",
    )
    .unwrap();
    let groups: Vec<_> = feeds.iter().map(|feed| &*feed.source_group).collect();
    assert_eq!(groups, ["dshield", "normshield_all_ssh", "l.example", "dshield"]);
    let ids: Vec<_> = feeds.iter().map(|feed| feed.id.as_str()).collect();
    assert_eq!(ids, ["dshield_7d", "normshield_all_ssh", "l.example", "dshield_7d-2"]);
    assert_eq!((feeds[0].scope, feeds[1].scope), (Scope::Range, Scope::Address));
    let names: Vec<_> = feeds.iter().map(|feed| feed.format.name()).collect();
    assert_eq!(names, ["firehol", "firehol", "freetext", "firehol"]);
    let error = read("https://x.example/\nftp://x.example/a.ipset\n").unwrap_err().to_string();
    assert!(error.starts_with("/lists/feeds:2: "), "{error}");
}

#[test]
fn json_with_a_schema() {
    let feeds = read(
        r##"{"schema": 1, "notes": {}, "feeds": [
            {"id": "a", "name": "A", "provider": "P", "url": "https://a.example/", "note": "n",
             "format": {"type": "plain", "comment": "#", "can_be_empty": true}, "categories": ["tor"],
             "threat_level": 2, "confidence": 80, "refresh_hours": 0.5, "licence": "L",
             "enabled": true, "alive": "yes", "role": "benign-shared", "scope": "range"},
            {"id": "b", "url": "https://b.example/", "role": "allow"}
        ]}"##,
    )
    .unwrap();
    assert_eq!((feeds[0].role, feeds[1].role), (Role::Benign, Role::Benign));
    assert!(feeds[0].can_be_empty && feeds[0].format == Format::Plain);
    assert_eq!((feeds[0].refresh_seconds, feeds[0].scope), (1800, Scope::Range));
}

#[test]
fn mistakes_in_foreign_catalogues_name_the_entry() {
    for (text, says) in [
        ("{\"feeds\": [\n{\"name\": \"x\",\n", "/lists/feeds:3: "),
        ("{\"feed\": []}", "no list of feeds"),
        (r#"{"feeds": {}}"#, "no list of feeds"),
        (r#"{"feeds": [{"name": "x"}]}"#, r#"entry 1 ("x"): bad feed url"#),
        (r#"{"feeds": [{"name": "x", "url": "https://x", "type": "evil"}]}"#, "evil"),
        (r#"{"feeds": [{"name": "x", "url": "https://x", "source_format": "xml"}]}"#, "xml"),
        (r#"{"feeds": [{"name": "x", "url": "https://x", "threat_level_id": 9}]}"#, "threat level"),
        (
            r#"{"feeds": [{"name": "x", "url": "https://x", "source_format": "csv",
                "settings": {"common": {"excluderegex": "/evil/"}}}]}"#,
            "excluderegex",
        ),
        (
            r#"{"schema": 1, "feeds": [{"id": "a", "url": "https://a", "role": "x"}]}"#,
            r#"entry 1 (""): role"#,
        ),
        (
            r#"{"schema": 1, "feeds": [{"id": "a", "url": "https://a"}, {"id": "a", "url": "https://b"}]}"#,
            r#"entry 2 (""): feed id "a" is taken already: entry 1"#,
        ),
        ("feeds:\n  - feed: {name: x,\n", "/lists/feeds"),
        ("feeds: nothing\n", "no list of feeds"),
    ] {
        let shown = read(text).unwrap_err().to_string();
        assert!(shown.contains(says) && shown.starts_with("/lists/feeds"), "{text}: {shown}");
    }
}

#[test]
fn shapes_show_in_the_content() {
    for (text, expected) in [
        ("{\"feeds\": []}", Shape::Json),
        ("\n [\n {}]", Shape::Json),
        ("[]", Shape::Json),
        ("[[feed]]\n", Shape::Toml),
        ("# feeds:\n[[feed]]\n", Shape::Toml),
        ("", Shape::Toml),
        ("# c\nfeeds:\n", Shape::Yaml),
        ("---\nfeeds:\n", Shape::Yaml),
        ("- feed:\n", Shape::Yaml),
        ("# c\n\nhttps://x.example/a.ipset\n", Shape::Urls),
        ("  http://x.example/a.txt", Shape::Urls),
        ("# https://x.example/a.ipset\n", Shape::Toml),
    ] {
        assert_eq!(shape(text), expected, "{text:?}");
    }
}

#[test]
fn files_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let error = Catalogue::load(folder.path().join("absent")).unwrap_err();
    assert_eq!(error.code(), "ARTIF_IO");
    let path = folder.path().join("binary");
    std::fs::write(&path, b"\xff\xfe\x00").unwrap();
    assert_eq!(Catalogue::load(&path).unwrap_err().code(), "ARTIF_IO");
    std::fs::write(&path, vec![b' '; 17 << 20]).unwrap();
    assert_eq!(Catalogue::load(&path).unwrap_err().code(), "ARTIF_CONFIG");
}
