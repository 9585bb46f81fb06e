use std::collections::BTreeSet;

use super::*;

const EXAMPLE: &str = include_str!("../../../examples/artif.toml");

fn shown(text: &str) -> String {
    Config::from_toml(text).unwrap_err().to_string()
}

/// The example with its commented-out keys, but without `[[misp]]` and `[[feed]]`.
fn example_with_everything() -> String {
    uncommented(EXAMPLE.split_once("#[[misp]]").unwrap().0)
}

fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_example_file_shows_the_defaults() {
    assert_eq!(Config::from_toml(EXAMPLE).unwrap(), Config::default());
}

#[test]
fn the_example_file_the_variables_and_the_types_have_the_same_keys() {
    let keys_of = |table: &toml::Table| -> BTreeSet<String> {
        table
            .iter()
            .flat_map(|(section, value)| match value {
                toml::Value::Table(inner) => {
                    inner.keys().map(|key| env::variable(section, key)).collect::<Vec<_>>()
                }
                _ => vec![env::variable("", section)],
            })
            .collect()
    };
    let text = example_with_everything();
    let everything = Config::from_toml(&text).unwrap();
    let in_file = keys_of(&text.parse().unwrap());
    let in_types = keys_of(&toml::Table::try_from(&everything).unwrap());
    let in_env: BTreeSet<String> =
        env::KEYS.iter().map(|(section, key, _)| env::variable(section, key)).collect();
    assert_eq!(in_file, in_env);
    assert_eq!(in_types, in_env);
    assert_eq!(env::KEYS.len(), in_env.len(), "no name stands for two keys");
}

#[test]
fn the_example_server_has_every_key() {
    let (_, server) = EXAMPLE.split_once("#[[misp]]").unwrap();
    let (server, _) = server.split_once("#[[feed]]").unwrap();
    let text = format!("[[misp]]\n{}", uncommented(server));
    let config = Config::from_toml(&text).unwrap();
    let mut expected = Misp::new("https://misp.example/", "file:misp.key".parse().unwrap());
    expected.not_tags = vec!["tlp:red".to_owned()];
    let found = Misp {
        categories: expected.categories.clone(),
        confidence: expected.confidence.clone(),
        ca_file: None,
        client_cert: None,
        client_key: None,
        proxy: None,
        ..config.misp[0].clone()
    };
    assert_eq!(found, expected, "the defaults");
    let keys = |table: toml::Table| table.into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>();
    let in_file: toml::Table = uncommented(server).parse().unwrap();
    let in_types = toml::Table::try_from(&config.misp[0]).unwrap();
    assert_eq!(keys(in_file), keys(in_types));
}

#[test]
fn mistakes_in_a_server_are_named() {
    let server = "url = 'https://misp.example/'\nkey = 'env:K'\n";
    for (more, expected) in [
        ("page_size = 9", "`misp.page_size` is not within 10 to 100000"),
        ("refresh = '59s'", "`misp.refresh` is shorter than a minute"),
        ("resync = '1m'", "`misp.resync` is shorter than `refresh`"),
        ("max_age = '1m'", "`misp.max_age` is shorter than `refresh`"),
        ("feeds = 'tag'", "`misp.feeds` by tag needs `tags`"),
        ("client_cert = 'x'", "`misp.client_cert` and `client_key` belong together"),
        ("confidence = { x = 101 }", "`misp.confidence` has a percentage above 100"),
        ("tls_verfy = false", "did you mean \"tls_verify\"?"),
        ("\n[[misp]]\nurl = 'x'", "`misp.url` has to be an https: or http: address"),
        ("\n[[misp]]\nurl = 'http://x'\nkey = 'env:K'", "`misp.id` \"misp\" is there twice"),
    ] {
        let error = shown(&format!("[[misp]]\n{server}{more}"));
        assert!(error.contains(expected), "{error}");
    }
    let secret = shown("[misp]\nurl = 'https://u:hunter2@x/'\nkey = 'env:K'");
    assert!(secret.contains("holds a user") && !secret.contains("hunter2"), "{secret}");
    assert!(!shown("[misp]\nurl = 'https://x/'\nkey = 'hunter2'").contains("hunter2"));
}

#[test]
fn the_example_feed_is_a_section() {
    let (_, feed) = EXAMPLE.split_once("#[[feed]]").unwrap();
    let text = format!("[[feed]]{}", feed.replace("\n#", "\n"));
    let config = Config::from_toml(&text).unwrap();
    let feeds = config.feed_sections::<toml::Table>().unwrap();
    assert_eq!(feeds.len(), 1);
    assert_eq!(feeds[0]["url"].as_str(), Some("file:honeypots.txt"));
}

#[test]
fn mistakes_name_line_key_and_remedy() {
    for (text, expected) in [
        ("data = 7", "configuration, line 1: invalid type: integer `7`, expected path string"),
        (
            "\n\n[geoo]\nasn = 'x'",
            "configuration, line 3: unknown key `geoo`, expected one of `data`, `catalogue`, \
             `geo`, `scoring`, `history`, `parse`, `fetch`, `guard`, `snapshot`, `middleware`, `schedule`, `warninglists`, `signals`, `feeds`, `misp`, `feed`; did you \
             mean \"geo\"?",
        ),
        (
            "[geo]\nasnn = 'x'",
            "configuration, line 2: unknown key `asnn`, expected one of `asn`, `country`, `asn_source`, `country_source`, \
             `asn_auth`, `country_auth`, `asn_checksum`, `country_checksum`, `account`, `licence_key`, \
             `maxmind_url`, `update_every`; did you mean \"asn\"?",
        ),
        (
            "[scoring]\nscorer = 'riks'",
            "configuration, line 2: bad scorer: this build has no \"riks\", it has: classic, risk; \
             did you mean \"risk\"?",
        ),
        (
            "[history]\n\nwindow = '7'",
            "configuration, line 3: bad duration: \"7\" is not a whole number with a unit (w, d, \
             h, m, s), as in \"90d\" or \"1h 30m\"",
        ),
        (
            "[feeds]\nenable = ['ok', 'Not OK']",
            "configuration, line 2: bad feed id: \"Not OK\" is not 1 to 64 of a-z 0-9 . _ - \
             starting with a letter or digit",
        ),
        (
            "catalogue = 7",
            "configuration, line 1: invalid type: integer `7`, expected \"default\", a path, or a list of them",
        ),
        ("catalogue = ''", "configuration, line 1: bad catalogue: the name is empty"),
        (
            "[fetch]\nmax_bytes = -1",
            "configuration, line 2: invalid value: integer `-1`, expected u64",
        ),
    ] {
        assert_eq!(shown(text), expected);
    }
    // The parser's own wording is not ours to fix here, the place is.
    assert!(
        shown("a = 1\nb = \n").starts_with("configuration, line "),
        "{}",
        shown("a = 1\nb = \n")
    );
    assert!(
        shown("[geo]\n[geo]").starts_with("configuration, line 2: "),
        "{}",
        shown("[geo]\n[geo]")
    );
}

#[test]
fn values_out_of_range_name_line_and_key() {
    for (section, line, expected) in [
        ("", "data = ''", "`data` names no folder"),
        ("scoring", "prior = 0.0", "`scoring.prior` has to be above 0 and below 1"),
        ("scoring", "prior = 1.0", "`scoring.prior` has to be above 0 and below 1"),
        ("scoring", "prior = nan", "`scoring.prior` has to be above 0 and below 1"),
        ("scoring", "triage_below = 100.5", "`scoring.triage_below` has to be within 0 to 100"),
        ("scoring", "dangerous_below = -1.0", "`scoring.dangerous_below` has to be within 0"),
        ("scoring", "suspicious_below = 101.0", "`scoring.suspicious_below` has to be within 0"),
        ("scoring", "category.tor.dangerous_below = 101.0", "`scoring.category` has a threshold"),
        ("scoring", "triage_below = nan", "`scoring.triage_below` has to be within 0 to 100"),
        ("history", "window = '91d'", "`history.window` is longer than `history.retention`"),
        ("history", "window = '0s'", "`history.window` has to be longer than nothing"),
        ("history", "retention = '40000d'", "`history.retention` is above a hundred years"),
        ("parse", "max_line = 63", "`parse.max_line` is below 64 bytes"),
        ("parse", "v4_floor = 0", "`parse.v4_floor` is not a prefix length within 1 to 32"),
        ("parse", "v4_floor = 33", "`parse.v4_floor` is not a prefix length within 1 to 32"),
        ("parse", "v6_floor = 129", "`parse.v6_floor` is not a prefix length within 1 to 128"),
        ("parse", "max_entries = 0", "`parse.max_entries` has to be above 0"),
        ("fetch", "timeout = '0s'", "`fetch.timeout` has to be longer than nothing"),
        ("fetch", "max_bytes = 0", "`fetch.max_bytes` 0 is not within 1 to 2^40 bytes"),
        ("fetch", "max_redirects = 21", "`fetch.max_redirects` 21 is not within 0 to 20"),
        ("fetch", "concurrency = 0", "`fetch.concurrency` 0 is not within 1 to 64"),
        ("fetch", "per_host = 17", "`fetch.per_host` 17 is not within 1 to 16"),
        ("fetch", "user_agent = 'a\tb'", "`fetch.user_agent` has to be visible ASCII"),
        ("fetch", "user_agent = ' '", "`fetch.user_agent` has to be visible ASCII"),
        ("warninglists", "refresh = '0s'", "`warninglists.refresh` has to be longer than nothing"),
        ("warninglists", "source = 'ftp://x'", "`warninglists.source` is neither a path nor"),
        (
            "warninglists",
            "cap = ['a']\nignore = ['a']",
            "`warninglists.cap` names \"a\", which `warninglists.ignore` names too",
        ),
        ("guard", "min_share = 1.5", "`guard.min_share` is not within 0 to 1"),
        ("guard", "max_growth = 0.5", "`guard.max_growth` is not a number from 1 on"),
        ("snapshot", "keep = 0", "`snapshot.keep` is not within 1 to 100"),
        ("snapshot", "recompile_after = '25h'", "`snapshot.stale_after` is shorter than"),
    ] {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]") };
        let error = shown(&format!("{header}\n\n{line}\n"));
        // A value left at its default is blamed on its section.
        let at = if error.contains("stale_after") { 1 } else { 3 };
        let expected = format!("configuration, line {at}: {expected}");
        assert!(error.starts_with(&expected), "{error:?} should start with {expected:?}");
    }
    let both = shown("[feeds]\ndisable = ['a', 'b']\nenable = ['b']");
    assert_eq!(
        both,
        "configuration, line 3: `feeds.enable` names \"b\", which `feeds.disable` names too"
    );
}

#[test]
fn bounds_are_inclusive() {
    let text = "[parse]\nv4_floor = 32\nv6_floor = 128\nmax_line = 64\n\
                [scoring]\ntriage_below = 0.0\n[history]\nwindow = '90d'\n\
                [fetch]\nmax_redirects = 0\nconcurrency = 64\n[snapshot]\nstale_after = '6h'";
    assert_eq!(Config::from_toml(text).unwrap().validate().map_err(|e| e.to_string()), Ok(()));
}

#[test]
fn catalogues_in_effect() {
    let of = |text| Config::from_toml(text).unwrap().catalogues().to_vec();
    let file = |path: &str| Catalogue::File(path.into());
    assert_eq!(of(""), [Catalogue::Default]);
    assert_eq!(of("catalogue = 'a.json'"), [file("a.json")]);
    assert_eq!(of("catalogue = ['default', 'a.json']"), [Catalogue::Default, file("a.json")]);
    assert_eq!(of("catalogue = []"), []);
    assert_eq!(of("[[feed]]\nid = 'x'"), []);
    assert_eq!(of("catalogue = 'default'\n[[feed]]\nid = 'x'"), [Catalogue::Default]);
}

#[test]
fn paths_in_a_file_count_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artif.toml");
    std::fs::write(
        &path,
        "data = 'd'\ncatalogue = ['default', 'c.json', '/abs.json']\n\
         [geo]\nasn = 'a.mmdb'\ncountry = '/abs.mmdb'\n",
    )
    .unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.base(), Some(folder.path()));
    assert_eq!(config.data, folder.path().join("d"));
    assert_eq!(config.geo.asn, Some(folder.path().join("a.mmdb")));
    assert_eq!(config.geo.country, Some("/abs.mmdb".into()));
    assert_eq!(
        config.catalogues(),
        [
            Catalogue::Default,
            Catalogue::File(folder.path().join("c.json")),
            Catalogue::File("/abs.json".into())
        ]
    );
    let config = config.with_env([("ARTIF_DATA", "from-env")]).unwrap();
    assert_eq!(config.data, Path::new("from-env"), "counts from the working folder");
    assert_eq!(config.base(), Some(folder.path()));
}

#[test]
fn errors_in_a_file_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artif.toml");
    for (content, expected) in [
        (&b"[history]\nwindow = 7"[..], "artif.toml:2: "),
        (b"# x\n\xff", "artif.toml:2: not UTF-8"),
        (b"[parse]\nv4_floor = 0", "artif.toml:2: `parse.v4_floor`"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Config::load(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should contain {expected:?}");
    }
}

#[test]
fn feed_sections_keep_their_lines() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        id: String,
    }
    let config = Config::from_toml("[[feed]]\nid = 'a'\n\n[[feed]]\nid = 'b'").unwrap();
    let ids = config.feed_sections::<Spec>().unwrap();
    assert_eq!(ids, [Spec { id: "a".into() }, Spec { id: "b".into() }]);
    let overridden = config.with_env([("ARTIF_DATA", "x")]).unwrap();
    assert_eq!(overridden.feed_sections::<Spec>().unwrap().len(), 2, "kept under overrides");

    let config = Config::from_toml("[[feed]]\nid = 'a'\n\n[[feed]]\nidd = 'b'").unwrap();
    let error = config.feed_sections::<Spec>().unwrap_err().to_string();
    assert_eq!(
        error,
        "configuration, line 5: unknown key `idd`, expected `id`; did you mean \"id\"?"
    );
    assert_eq!(Config::default().feed_sections::<Spec>().unwrap(), []);
}

#[test]
fn variables_of_every_kind() {
    let config = Config::from_toml("[geo]\nasn = 'a'\n[history]\nwindow = '3d'")
        .unwrap()
        .with_env([
            ("ARTIF_CATALOGUE", "default, x.json"),
            ("ARTIF_GEO_COUNTRY", "c.mmdb"),
            ("ARTIF_SCORING_PRIOR", "0.5"),
            ("ARTIF_SCORING_TRIAGE_BELOW", "35"),
            ("ARTIF_HISTORY_RETENTION", "30d"),
            ("ARTIF_FETCH_MAX_BYTES", "1000"),
            ("ARTIF_FETCH_ALLOW_PRIVATE", "1"),
            ("ARTIF_FEEDS_DISABLE", "a,b"),
            ("ARTIF_GEO_ASN", ""),
            ("PATH", "/bin"),
            ("HISTORY_WINDOW", "1d"),
        ])
        .unwrap();
    let mut expected = Config {
        catalogue: Some(vec![Catalogue::Default, Catalogue::File("x.json".into())]),
        geo: Geo { asn: Some("a".into()), country: Some("c.mmdb".into()), ..Geo::default() },
        ..Config::default()
    };
    expected.scoring.prior = 0.5;
    expected.scoring.triage_below = 35.0;
    expected.history.window = std::time::Duration::from_secs(3 * 86_400);
    expected.history.retention = std::time::Duration::from_secs(30 * 86_400);
    expected.fetch.max_bytes = 1000;
    expected.fetch.allow_private = true;
    expected.feeds.disable = vec!["a".parse().unwrap(), "b".parse().unwrap()];
    assert_eq!(config, expected);
}

#[test]
fn wrong_variables_are_named() {
    for (name, value, expected) in [
        ("ARTIF_FETCH_MAX_BYTES", "1k", "\"1k\" is not a whole number"),
        ("ARTIF_FETCH_MAX_BYTES", "-1", "invalid value: integer `-1`, expected u64"),
        ("ARTIF_FETCH_ALLOW_PRIVATE", "yes", "\"yes\" is not true or false"),
        ("ARTIF_SCORING_PRIOR", "NaN", "\"NaN\" is not a number"),
        ("ARTIF_SCORING_PRIOR", "2", "`scoring.prior` has to be above 0 and below 1"),
        (
            "ARTIF_SCORING_SCORER",
            "best",
            "bad scorer: this build has no \"best\", it has: classic, risk",
        ),
        (
            "ARTIF_HISTORY_WINDOW",
            "week",
            "bad duration: \"week\" is not a whole number with a unit",
        ),
        ("ARTIF_HISTORY_RETENTION", "1d", "`history.window` is longer than `history.retention`"),
        ("ARTIF_FEEDS_ENABLE", "UPPER", "bad feed id: \"UPPER\" is not"),
    ] {
        let error = Config::default().with_env([(name, value)]).unwrap_err().to_string();
        let expected = format!("configuration: environment variable {name}: {expected}");
        assert!(error.starts_with(&expected), "{error:?} should start with {expected:?}");
    }
}

#[cfg(unix)]
#[test]
fn variables_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let bad = std::ffi::OsStr::from_bytes(b"\xff");
    let plain = std::ffi::OsStr::new("ARTIF_DATA");
    assert!(Config::default().with_env([(bad, bad)]).is_ok());
    let error = Config::default().with_env([(plain, bad)]).unwrap_err().to_string();
    assert_eq!(error, "configuration: environment variable ARTIF_DATA: not UTF-8");
}

#[test]
fn likely_misspelt_variables_are_reported() {
    let suspects = |name| env::apply(Config::default(), [(name, "x")]).unwrap().1;
    assert_eq!(
        suspects("ARTIF_SCORING_SCORRER"),
        ["environment variable ARTIF_SCORING_SCORRER sets nothing; did you mean \
          ARTIF_SCORING_SCORER?"]
    );
    assert_eq!(
        suspects("ARTIF_GEO_CITY"),
        ["environment variable ARTIF_GEO_CITY sets nothing: there is no such key"]
    );
    for foreign in
        ["ARTIF_CORPUS", "ARTIF_CONFIG", "ARTIF_LOG", "ARTIF_DIR", "ARTIF_", "ARTIFX", "X"]
    {
        assert_eq!(suspects(foreign), [""; 0], "{foreign}");
    }
}
