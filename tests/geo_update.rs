//! Updates of geo databases, from a server that speaks MaxMind's protocol and from addresses.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use artif_core::geo::GeoReport;
use artif_core::{
    Config, Engine, Feed, Outcome, Reader, RefreshOptions, ReputationEngine, ScheduleEvent,
    ScheduleOptions,
};
use md5::Digest as _;
use support::http_server::{Server, answer, path_of, say};
use support::{clock, time};

/// In the sample: AS64496.
const KNOWN: &str = "22.10.1.1";

fn sample(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    std::fs::read(Path::new(folder).join(name)).unwrap()
}

fn md5_of(bytes: &[u8]) -> String {
    let digest = u128::from_be_bytes(md5::Md5::digest(bytes).into());
    format!("{digest:032x}")
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn tar_gz(name: &str, database: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (file, content) in [("COPYRIGHT.txt", &b"(c)"[..]), (name, database)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{name}_20260804/{file}"), content).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

/// The same database in another file: readers find the metadata from the end of it on, and do not
/// mind what follows.
fn another(database: &[u8]) -> Vec<u8> {
    [database, b"\0"].concat()
}

/// What the publisher has.
#[derive(Clone)]
struct Offer {
    date: String,
    md5: String,
    archive: Vec<u8>,
    /// In place of the metadata or the download: status and headers.
    trouble: Option<(&'static str, &'static str)>,
}

impl Offer {
    fn of(database: &[u8]) -> Self {
        Self {
            date: "2026-08-04".to_owned(),
            md5: md5_of(database),
            archive: tar_gz("GeoLite2-ASN.mmdb", database),
            trouble: None,
        }
    }
}

/// A publisher, with the store of another host that downloads are redirected to.
struct MaxMind {
    api: Server,
    store: Server,
    offer: Arc<Mutex<Offer>>,
}

impl MaxMind {
    fn new(database: &[u8]) -> Self {
        let offer = Arc::new(Mutex::new(Offer::of(database)));
        let offered = Arc::clone(&offer);
        let store = Server::start(move |_, to| {
            let archive = offered.lock().unwrap().archive.clone();
            say(to, answer("200 OK\nLast-Modified: Tue, 04 Aug 2026 10:00:00 GMT", archive));
        });
        let presigned = store.url("/presigned?X-Amz-Signature=abc");
        let offered = Arc::clone(&offer);
        let api = Server::start(move |head, to| {
            let Offer { date, md5, trouble, .. } = offered.lock().unwrap().clone();
            // 123456:hunter2
            let known = head.contains("authorization: Basic MTIzNDU2Omh1bnRlcjI=\r\n");
            let error = r#"{"code":"AUTHORIZATION_INVALID","error":"no"}"#;
            let path = path_of(head);
            say(
                to,
                match trouble {
                    Some((at, status)) if path.contains(at) => answer(status, error),
                    _ if !known => answer("401 Unauthorized", error),
                    _ if path == "/geoip/updates/metadata?edition_id=GeoLite2-ASN" => {
                        let database = serde_json::json!({
                            "date": date, "edition_id": "GeoLite2-ASN", "md5": md5
                        });
                        let metadata = serde_json::json!({ "databases": [database] });
                        answer("200 OK\nContent-Type: application/json", metadata.to_string())
                    }
                    _ if path
                        == "/geoip/databases/GeoLite2-ASN/download?date=20260804&suffix=tar.gz" =>
                    {
                        answer(&format!("302 Found\nLocation: {presigned}"), "")
                    }
                    _ => answer("404 Not Found", "{}"),
                },
            );
        });
        Self { api, store, offer }
    }

    fn change(&self, change: impl FnOnce(&mut Offer)) {
        change(&mut self.offer.lock().unwrap());
    }
}

struct World {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl World {
    /// An engine with this in its `[geo]`, and a feed that lists [`KNOWN`].
    fn new(geo: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in [("account", "123456\n"), ("key", "hunter2\n"), ("list", KNOWN)] {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let at = dir.path().display();
        let text = format!(
            "[fetch]\nretries = 0\n[schedule]\njitter = 0.0\n[geo]\n\
             account = 'file:{at}/account'\nlicence_key = 'file:{at}/key'\n{geo}"
        );
        let feed = Feed::new("list", &format!("file:{at}/list")).unwrap();
        let engine = Engine::builder()
            .config(Config::from_toml(&text).unwrap())
            .data(dir.path().join("data"))
            .clock(clock("2026-08-05T06:00:00Z"))
            .feed(feed)
            .build()
            .unwrap();
        Self { dir, engine }
    }

    fn by_maxmind(maxmind: &MaxMind) -> Self {
        let url = maxmind.api.url("");
        Self::new(&format!("asn_source = 'maxmind:GeoLite2-ASN'\nmaxmind_url = '{url}'"))
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("data/geo/asn.mmdb")
    }

    fn update(&self) -> GeoReport {
        let mut reports = self.engine.update_geo(&RefreshOptions::default()).unwrap();
        assert_eq!(reports.len(), 1);
        reports.pop().unwrap()
    }

    fn asn(&self) -> Option<String> {
        let answer = self.engine.check(KNOWN.parse().unwrap());
        serde_json::to_value(&answer).unwrap()["metadata"]["asn"].as_str().map(str::to_owned)
    }

    /// An update that comes to nothing changes nothing, and the status of every process says why.
    fn fails(&self, outcome: Outcome, expected: &str) {
        let before = std::fs::read(self.file()).unwrap();
        let report = self.update();
        let error = report.error.clone().unwrap_or_default();
        assert_eq!(report.outcome, outcome, "{report:?}");
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        assert_eq!(std::fs::read(self.file()).unwrap(), before, "{expected}");
        assert_eq!(self.asn().as_deref(), Some("AS64496"), "{expected}");
        let problem = format!(
            "geo database {} is not updated, the last good one stays: {error}",
            self.file().display()
        );
        let reader = Reader::open(self.dir.path().join("data")).unwrap();
        for status in [self.engine.status(), reader.status()] {
            assert!(status.problems.contains(&problem), "{:?}", status.problems);
        }
        assert!(!format!("{report:?} {:?}", self.engine).contains("hunter2"));
    }
}

#[test]
fn a_first_update_and_one_without_news() {
    let database = sample("sample-asn.mmdb");
    let maxmind = MaxMind::new(&database);
    let world = World::by_maxmind(&maxmind);
    let report = world.update();
    assert_eq!((report.outcome, report.error.as_deref()), (Outcome::Loaded, None));
    assert_eq!(std::fs::read(world.file()).unwrap(), database);
    world.engine.refresh(&RefreshOptions::default()).unwrap();
    assert_eq!(world.asn().as_deref(), Some("AS64496"));
    // Metadata, download, and the store of another host, which sees no credentials.
    assert_eq!((maxmind.api.requests().len(), maxmind.store.requests().len()), (2, 1));
    let told = maxmind.store.requests()[0].to_ascii_lowercase();
    assert!(!told.contains("authorization") && told.contains("x-amz-signature=abc"), "{told}");

    assert_eq!(world.update().outcome, Outcome::Unchanged);
    assert_eq!((maxmind.api.requests().len(), maxmind.store.requests().len()), (3, 1));
    let update = &world.engine.status().geo_updates[0];
    assert_eq!(update.changed, Some(time("2026-08-05T06:00:00Z")));
    assert_eq!(update.problem, None);
}

#[test]
fn a_new_database_is_answered_with_at_once() {
    let maxmind = MaxMind::new(&sample("sample-asn.mmdb"));
    let world = World::by_maxmind(&maxmind);
    world.engine.refresh(&RefreshOptions::default()).unwrap();
    assert_eq!(world.asn(), None);
    world.update();
    assert_eq!(world.asn().as_deref(), Some("AS64496"), "published by the update");
    maxmind.change(|offer| *offer = Offer::of(&another(&sample("sample-asn.mmdb"))));
    assert_eq!(world.update().outcome, Outcome::Loaded);
    assert_eq!(world.asn().as_deref(), Some("AS64496"));
}

#[test]
fn a_broken_database_never_replaces_a_good_one() {
    let good = sample("sample-asn.mmdb");
    let maxmind = MaxMind::new(&good);
    let world = World::by_maxmind(&maxmind);
    world.engine.refresh(&RefreshOptions::default()).unwrap();
    assert_eq!(world.update().outcome, Outcome::Loaded);

    let (cut, page) = (&good[..good.len() / 2], b"<html>quota exceeded</html>");
    let whole = Offer::of(&another(&good));
    for (offer, outcome, expected) in [
        (Offer::of(cut), Outcome::Refused, "is no complete MaxMind DB file"),
        (Offer::of(b""), Outcome::Refused, "is no complete MaxMind DB file"),
        (
            Offer::of(&sample("sample-country.mmdb")),
            Outcome::Refused,
            "gives no autonomous systems",
        ),
        (Offer { md5: "0".repeat(32), ..whole.clone() }, Outcome::Refused, "does not match"),
        (Offer { md5: "x".to_owned(), ..whole.clone() }, Outcome::Refused, "no MD5 or no date"),
        (Offer { archive: page.to_vec(), ..whole.clone() }, Outcome::Refused, "does not match"),
        (
            Offer { archive: whole.archive[..whole.archive.len() - 40].to_vec(), ..whole.clone() },
            Outcome::Failed,
            "broken gzip data",
        ),
        (
            Offer {
                archive: gzip(&tar::Builder::new(Vec::new()).into_inner().unwrap()),
                ..whole.clone()
            },
            Outcome::Refused,
            "does not match",
        ),
        (
            Offer { archive: tar_gz("x.txt", &good), ..whole.clone() },
            Outcome::Refused,
            "without a .mmdb",
        ),
        (
            Offer { trouble: Some(("metadata", "401 Unauthorized")), ..whole.clone() },
            Outcome::Failed,
            "401",
        ),
        (
            Offer { trouble: Some(("download", "403 Forbidden")), ..whole.clone() },
            Outcome::Failed,
            "403",
        ),
        (
            Offer { trouble: Some(("metadata", "404 Not Found")), ..whole.clone() },
            Outcome::Failed,
            "404",
        ),
        (
            Offer {
                trouble: Some(("download", "429 Too Many Requests\nRetry-After: 7200")),
                ..whole.clone()
            },
            Outcome::Failed,
            "429",
        ),
        (
            Offer { trouble: Some(("metadata", "200 OK")), ..whole.clone() },
            Outcome::Refused,
            "is no metadata",
        ),
    ] {
        maxmind.change(|current| *current = offer);
        world.fails(outcome, expected);
    }
    assert_eq!(world.engine.status().geo_updates[0].changed, Some(time("2026-08-05T06:00:00Z")));
    maxmind.change(|current| *current = whole);
    assert_eq!(world.update().outcome, Outcome::Loaded);
    assert!(!world.engine.status().problems.join("\n").contains("not updated"));
}

#[test]
fn a_file_that_was_damaged_in_place_is_mended() {
    let good = sample("sample-asn.mmdb");
    let maxmind = MaxMind::new(&good);
    let world = World::by_maxmind(&maxmind);
    world.update();
    std::fs::write(world.file(), &good[..100]).unwrap();
    assert_eq!(world.update().outcome, Outcome::Loaded);
    assert_eq!(std::fs::read(world.file()).unwrap(), good);
}

#[test]
fn from_an_address_with_key_checksum_and_conditions() {
    let good = sample("sample-asn.mmdb");
    let packed = gzip(&good);
    let sums = Arc::new(Mutex::new(format!("{}  asn.mmdb.gz\n", md5_of(&good))));
    let (body, sum) = (packed, Arc::clone(&sums));
    let server = Server::start(move |head, to| {
        let asked = head.to_ascii_lowercase();
        say(
            to,
            match path_of(head) {
                "/asn.mmdb.gz?token=hunter2" if asked.contains("if-none-match: \"v1\"") => {
                    answer("304 Not Modified", "")
                }
                "/asn.mmdb.gz?token=hunter2" => answer("200 OK\nETag: \"v1\"", &body),
                "/asn.md5?token=hunter2" => answer("200 OK", sum.lock().unwrap().as_bytes()),
                _ => answer("403 Forbidden", ""),
            },
        );
    });
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "hunter2").unwrap();
    let world = World::new(&format!(
        "asn_source = '{}'\nasn_checksum = '{}'\nasn_auth = 'query:token file:{}'",
        server.url("/asn.mmdb.gz"),
        server.url("/asn.md5"),
        key.path().display()
    ));
    world.engine.refresh(&RefreshOptions::default()).unwrap();
    assert_eq!(world.update().outcome, Outcome::Loaded);
    assert_eq!(std::fs::read(world.file()).unwrap(), good);
    let before = server.requests().len();
    assert_eq!(world.update().outcome, Outcome::Unchanged);
    assert_eq!(server.requests().len(), before + 1, "conditional, and no checksum for a 304");

    // The file is gone or another: what the server remembers is of no use.
    std::fs::write(world.file(), b"another").unwrap();
    "0".repeat(64).clone_into(&mut sums.lock().unwrap());
    let report = world.update();
    assert!(report.error.as_ref().unwrap().contains("does not match its checksum"), "{report:?}");
    *sums.lock().unwrap() = md5_of(&good);
    assert_eq!(world.update().outcome, Outcome::Loaded);
    assert_eq!(std::fs::read(world.file()).unwrap(), good);
    std::fs::write(key.path(), "wrong").unwrap();
    std::fs::remove_file(world.file()).unwrap();
    assert!(world.update().error.unwrap().contains("403 Forbidden"));
}

#[test]
fn one_file_with_both_is_fetched_once() {
    let lite = sample("sample-lite.mmdb");
    let server = Server::start(move |_, to| say(to, answer("200 OK", &lite)));
    let dir = tempfile::tempdir().unwrap();
    let (url, path) = (server.url("/lite.mmdb"), dir.path().join("lite.mmdb"));
    let world = World::new(&format!(
        "asn = '{0}'\ncountry = '{0}'\nasn_source = '{url}'\ncountry_source = '{url}'",
        path.display()
    ));
    assert_eq!(world.update().outcome, Outcome::Loaded);
    assert_eq!(server.requests().len(), 1);
    assert!(path.exists());
}

#[test]
fn the_schedule_looks_for_updates() {
    let maxmind = MaxMind::new(&sample("sample-asn.mmdb"));
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [("account", "123456"), ("key", "hunter2"), ("list", KNOWN)] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let at = dir.path().display();
    let clock = clock("2026-08-05T06:00:00Z");
    let engine = Engine::builder()
        .config(
            Config::from_toml(&format!(
                "[fetch]\nretries = 0\n[schedule]\njitter = 0.0\n[geo]\n\
                 asn_source = 'maxmind:GeoLite2-ASN'\nmaxmind_url = '{}'\nupdate_every = '12h'\n\
                 account = 'file:{at}/account'\nlicence_key = 'file:{at}/key'",
                maxmind.api.url("")
            ))
            .unwrap(),
        )
        .data(dir.path().join("data"))
        .clock(Arc::clone(&clock) as Arc<_>)
        .feed(Feed::new("list", &format!("file:{at}/list")).unwrap())
        .build()
        .unwrap();
    let (sender, events) = std::sync::mpsc::channel();
    let options = ScheduleOptions::default().on_event(move |event| {
        let _ = sender.send(match event {
            ScheduleEvent::Waiting { until } => format!("until {until}"),
            ScheduleEvent::Geo(report) => format!("{} {:?}", report.database, report.outcome),
            ScheduleEvent::Refreshed(report) => format!("{} feeds", report.feeds.len()),
            other => panic!("{other:?}"),
        });
    });
    let refresher = engine.spawn_refresh_with(options).unwrap();
    let next = || events.recv().unwrap();
    assert_eq!([next(), next()], ["asn Loaded", "1 feeds"]);
    assert_eq!(next(), "until 2026-08-05 12:00:00 UTC", "to compile anew");
    let moments = [
        ("2026-08-05T12:00:00Z", vec!["0 feeds", "until 2026-08-05 18:00:00 UTC"]),
        ("2026-08-05T18:00:00Z", vec!["asn Unchanged", "0 feeds", "until 2026-08-06 00:00:00 UTC"]),
    ];
    for (moment, expected) in moments {
        clock.set(time(moment));
        refresher.wake();
        assert_eq!(expected.iter().map(|_| next()).collect::<Vec<_>>(), expected, "{moment}");
    }
    // In trouble it is tried again sooner than in twelve hours, and no sooner than asked for.
    maxmind.change(|offer| {
        offer.trouble = Some(("metadata", "429 Too Many Requests\nRetry-After: 1800"));
    });
    clock.set(time("2026-08-06T06:00:00Z"));
    refresher.wake();
    let told: Vec<_> = (0..3).map(|_| next()).collect();
    assert_eq!(told, ["asn Failed", "1 feeds", "until 2026-08-06 06:30:00 UTC"]);
    refresher.join();
}

/// Lists of autonomous systems stand for the networks that those announce.
#[test]
fn a_feed_of_autonomous_systems() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    std::fs::write(dir.path().join("drop.json"), "{\"asn\":64496}\n{\"asn\":65000000}\n").unwrap();
    let open = |geo: &str| {
        let text = format!(
            "{geo}\n[[feed]]\nid = 'drop'\nurl = 'file:{at}/drop.json'\nscope = 'as'\n\
             format = {{ type = 'ndjson', path = 'asn' }}\n"
        );
        let builder = Engine::builder().config(Config::from_toml(&text).unwrap());
        builder.data(dir.path().join("data")).build().unwrap()
    };
    let refresh = |engine: &Engine| engine.refresh(&RefreshOptions::default()).unwrap();
    let active = |engine: &Engine, ip: &str| engine.check(ip.parse().unwrap()).is_active();

    let engine = open("");
    let report = refresh(&engine);
    let error = report.feeds[0].error.as_ref().unwrap();
    assert!(error.contains("there is no ASN database to find their networks in"), "{error}");
    assert!(engine.status().problems.join("\n").contains("no ASN database to find"));
    drop(engine);

    std::fs::write(dir.path().join("asn.mmdb"), sample("sample-asn.mmdb")).unwrap();
    let engine = open(&format!("[geo]\nasn = '{at}/asn.mmdb'"));
    let report = refresh(&engine);
    assert_eq!(report.count(Outcome::Loaded), 1, "{report:?}");
    assert!(report.feeds[0].commit.unwrap().added > 0);
    assert!(active(&engine, KNOWN) && !active(&engine, "22.66.6.66"));
    let explained = engine.explain(KNOWN.parse().unwrap());
    assert!(explained.to_text().contains("drop"), "{}", explained.to_text());
    assert_eq!(refresh(&engine).count(Outcome::Unchanged), 1);

    // Another database: the same list is looked up anew. Another list: other networks.
    std::fs::write(dir.path().join("asn.mmdb"), another(&sample("sample-asn.mmdb"))).unwrap();
    let report = refresh(&engine);
    assert_eq!(report.count(Outcome::Loaded), 1, "{report:?}");
    let commit = report.feeds[0].commit.unwrap();
    assert_eq!((commit.added, commit.ended), (0, 0));
    std::fs::write(dir.path().join("drop.json"), "{\"asn\":64666}\n").unwrap();
    refresh(&engine);
    assert!(!active(&engine, KNOWN) && active(&engine, "22.66.6.66"));
}
