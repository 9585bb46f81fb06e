//! Servers that fail in every way servers fail: the last good content goes on answering, `status`
//! says what is wrong, and a mended server is believed again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use artif_core::{
    Config, Engine, Feed, Outcome, RefreshEvent, RefreshOptions, RefreshReport, ReputationEngine,
};
use support::http_server::{Connection, Server, answer, path_of, say, say_for_ever};
use support::refresh;

const GOOD: &str = "93.184.216.34\n93.184.216.35\n";
const KNOWN: &str = "93.184.216.34";
/// What a server says that never ends.
const MORE: &str = "198.41.0.4\n";

type Behaviour = dyn Fn(&str, &mut dyn Connection) + Send + Sync;

/// A server whose behaviour changes, and an engine with one feed of it.
struct World {
    _dir: tempfile::TempDir,
    server: Server,
    behaviour: Arc<Mutex<Arc<Behaviour>>>,
    engine: Engine,
}

fn good() -> Arc<Behaviour> {
    Arc::new(|_, to| say(to, answer("200 OK\nETag: \"v1\"", GOOD)))
}

impl World {
    /// Has refreshed once, and well.
    fn new() -> Self {
        Self::with(Server::start, |server| server.url("/list.txt"), "")
    }

    fn with(
        start: impl FnOnce(Box<Behaviour>) -> Server,
        url: impl FnOnce(&Server) -> String,
        fetch: &str,
    ) -> Self {
        let behaviour = Arc::new(Mutex::new(good()));
        let shared = Arc::clone(&behaviour);
        let server = start(Box::new(move |head, to| {
            let behaviour = Arc::clone(&*shared.lock().unwrap());
            behaviour(head, to);
        }));
        let dir = tempfile::tempdir().unwrap();
        // Impatient, and small enough to be filled.
        let config = format!(
            "[fetch]\ntimeout = '3s'\nconnect_timeout = '1s'\nidle_timeout = '1s'\nmax_bytes = 100000\nretries = 0\n{fetch}"
        );
        let engine = Engine::builder()
            .config(Config::from_toml(&config).unwrap())
            .data(dir.path())
            .feed(Feed::new("list", &url(&server)).unwrap())
            .build()
            .unwrap();
        let report = refresh(&engine);
        assert_eq!(report.count(Outcome::Loaded), 1, "{report:?}");
        Self { _dir: dir, server, behaviour, engine }
    }

    fn behave(&self, behaviour: impl Fn(&str, &mut dyn Connection) + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    fn known(&self) -> bool {
        self.engine.check(KNOWN.parse::<IpAddr>().unwrap()).is_active()
    }

    /// Refreshes against this behaviour; why it came to nothing. Nothing but the status changes,
    /// and the next good document is taken.
    fn fails(
        &self,
        behaviour: impl Fn(&str, &mut dyn Connection) + Send + Sync + 'static,
    ) -> String {
        let before = self.engine.status().snapshot.counts;
        self.behave(behaviour);
        let report = refresh(&self.engine);
        let reason = self.kept_the_last_good(&report);
        assert_eq!(self.engine.status().snapshot.counts, before);
        *self.behaviour.lock().unwrap() = good();
        let report = refresh(&self.engine);
        assert_eq!(report.count(Outcome::Unchanged), 1, "{report:?}");
        assert!(!self.engine.status().problems.join("\n").contains("feed list"));
        reason
    }

    fn kept_the_last_good(&self, report: &RefreshReport) -> String {
        let feed = &report.feeds[0];
        assert!(matches!(feed.outcome, Outcome::Failed | Outcome::Refused), "{feed:?}");
        let reason = feed.error.clone().unwrap();
        assert!(self.known(), "the last good content is gone: {reason}");
        let status = self.engine.status();
        let expected = format!("feed list is stale: {reason}");
        assert!(status.problems.contains(&expected), "{:?}", status.problems);
        reason
    }
}

fn assert_says(reason: &str, expected: &str) {
    assert!(reason.contains(expected), "{expected:?} is not in {reason:?}");
}

fn begin(to: &mut dyn Connection) {
    say(to, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_slow_drip() {
    let reason = World::new().fails(|_, to| {
        begin(to);
        // A byte at a time, each soon enough, and never an end; paced by the client's own clock.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        while to.write_all(b"1").and_then(|()| to.flush()).is_ok() {
            let _ = never.recv_timeout(std::time::Duration::from_millis(100));
        }
    });
    assert_says(&reason, "timed out: not complete after 3s");
}

#[test]
fn a_stall_before_and_within_the_answer() {
    let world = World::new();
    assert_says(&world.fails(|_, to| to.hang()), "timed out: no answer for 1s");
    let reason = world.fails(|_, to| {
        begin(to);
        say(to, MORE);
        to.hang();
    });
    assert_says(&reason, "timed out: nothing for 1s after 11 bytes");
}

#[test]
fn an_endless_body() {
    let reason = World::new().fails(|_, to| {
        begin(to);
        say_for_ever(to, MORE.repeat(100));
    });
    assert_says(&reason, "longer than the 100000 bytes that `fetch.max_bytes` allows");
}

#[test]
fn a_decompression_bomb() {
    let world = World::new();
    let zeros = vec![b'1'; 32 << 20];
    for (head, bomb) in [
        ("200 OK\nContent-Encoding: gzip", gzip(&zeros)),
        ("200 OK\nContent-Encoding: zstd", zstd::encode_all(&zeros[..], 3).unwrap()),
        ("200 OK\nContent-Type: application/zip", zip(&[("list.txt", &zeros)])),
        ("200 OK\nContent-Type: application/gzip", gzip(&gzip(&zeros))),
    ] {
        let response = answer(head, bomb);
        let reason = world.fails(move |_, to| say(to, &response));
        if head.contains("application/gzip") {
            // One layer is taken off; the other is no list.
            assert_says(&reason, "feed list:");
        } else {
            assert_says(&reason, "longer than the 100000 bytes");
        }
    }
}

#[test]
fn an_archive_that_leaves_the_choice_open() {
    let response = answer("200 OK", zip(&[("a.txt", b"93.184.216.34"), ("b.txt", b"")]));
    let reason = World::new().fails(move |_, to| say(to, &response));
    assert_says(&reason, "the zip archive holds several files, name one with `member`");
}

#[test]
fn a_redirect_loop() {
    let world = World::new();
    let reason = world.fails(|head, to| {
        let next = if path_of(head) == "/a" { "/b" } else { "/a" };
        say(to, answer(&format!("302 Found\nLocation: {next}"), ""));
    });
    assert_says(&reason, "more than 5 redirects");
}

#[test]
fn a_redirect_to_169_254_169_254_and_others_into_the_machine() {
    let world = World::new();
    for target in [
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://[fd00:ec2::254]/latest/",
        "http://localhost:22/",
        "http://10.0.0.1/",
        "http://0/",
        "file:///etc/passwd",
    ] {
        let response = answer(&format!("302 Found\nLocation: {target}"), "");
        assert_says(&world.fails(move |_, to| say(to, &response)), "refused");
    }
}

fn refuses(cases: &[(&str, &str, &str)]) {
    let world = World::new();
    for (head, body, expected) in cases {
        let response = answer(head, body);
        assert_says(&world.fails(move |_, to| say(to, &response)), expected);
    }
}

const PAGE: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";

#[test]
fn html_with_200() {
    refuses(&[
        ("200 OK\nContent-Type: text/html", PAGE, "it is an HTML page"),
        ("200 OK", PAGE, "it is an HTML page"),
    ]);
}

/// Many publishers send lists as something they are not, so the content decides: a right one is
/// taken whatever it is called, a wrong one refused though it be called a list.
#[test]
fn a_wrong_content_type() {
    refuses(&[
        ("200 OK\nContent-Type: text/plain", PAGE, "it is an HTML page"),
        ("200 OK\nContent-Type: application/json", "{\"error\": \"quota\"}", "lists nothing"),
        ("200 OK\nContent-Type: image/png", "\u{89}PNG\r\n\u{1a}\n\0\0\0", "lists nothing"),
    ]);
    let world = World::new();
    let content = format!("{GOOD}{MORE}");
    let response = answer("200 OK\nContent-Type: text/html; charset=utf-8", content);
    world.behave(move |_, to| say(to, &response));
    assert_eq!(refresh(&world.engine).count(Outcome::Loaded), 1);
    assert!(world.known() && !world.engine.status().problems.join("\n").contains("feed list"));
}

#[test]
fn an_empty_200_and_204() {
    refuses(&[("200 OK", "", "lists nothing"), ("204 No Content", "", "lists nothing")]);
}

#[test]
fn a_truncated_chunked_body() {
    let reason = World::new().fails(|_, to| {
        say(
            to,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n198.41.0.4\n\r\n40\r\n198",
        );
    });
    assert_says(&reason, "broken off after 14 bytes");
}

#[test]
fn other_documents_that_break_off() {
    let world = World::new();
    let reason = world.fails(|_, to| {
        say(to, format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{MORE}"));
    });
    assert_says(&reason, "broken off after 11 bytes");
    let packed = gzip(GOOD.as_bytes());
    let response = answer("200 OK\nContent-Encoding: gzip", &packed[..packed.len() - 4]);
    assert_says(&world.fails(move |_, to| say(to, &response)), "broken gzip data");
}

#[test]
fn too_many_requests_and_unavailable_with_retry_after() {
    let world = World::new();
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let response = answer(&format!("{status}\nRetry-After: 7200"), "");
        world.behave(move |_, to| say(to, &response));
        let report = refresh(&world.engine);
        assert_says(&world.kept_the_last_good(&report), status);
        assert_eq!(report.feeds[0].retry_after, Some(7_200));
    }
}

#[test]
fn errors_of_every_status() {
    let world = World::new();
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "504 Gateway Timeout",
        "206 Partial Content",
        "301 Moved Permanently",
    ] {
        let response = answer(status, GOOD);
        assert_says(&world.fails(move |_, to| say(to, &response)), status);
    }
    let reason = world.fails(|_, to| say(to, "220 mail.example.org ESMTP\r\n"));
    assert_says(&reason, "no answer");
}

#[test]
fn not_modified_with_changed_content() {
    let world = World::new();
    // 304 with a body: what it says is believed, the body is no news.
    world.behave(|head, to| {
        assert!(head.to_ascii_lowercase().contains("if-none-match: \"v1\""), "{head}");
        say(to, format!("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n{MORE}"));
    });
    let report = refresh(&world.engine);
    assert_eq!(report.count(Outcome::Unchanged), 1, "{report:?}");
    assert!(world.known() && !world.engine.check("198.41.0.4".parse().unwrap()).is_active());
    assert!(!world.engine.status().problems.join("\n").contains("feed list"));
    world.behave(|_, to| say(to, "HTTP/1.1 304 Not Modified\r\n\r\n"));
    // To one that was not asked so, 304 is an error: the next good answer is taken.
    let forced = world.engine.accept_feed(&"list".parse().unwrap()).unwrap();
    assert_says(&world.kept_the_last_good(&forced), "304 Not Modified");
}

#[test]
fn etags_that_flap() {
    let world = World::new();
    let count = Mutex::new(0);
    world.behave(move |_, to| {
        let mut count = count.lock().unwrap();
        *count += 1;
        say(to, answer(&format!("200 OK\nETag: \"t{count}\""), GOOD));
    });
    // Another tag each time, the same content: nothing is published for it.
    for _ in 0..3 {
        let report = refresh(&world.engine);
        assert_eq!(report.count(Outcome::Unchanged), 1, "{report:?}");
        assert!(!report.published && world.known());
        assert!(!world.engine.status().problems.join("\n").contains("feed list"));
    }
    let asked = world.server.requests().pop().unwrap();
    assert!(asked.contains("\"t2\""), "the newest tag is asked with: {asked}");
    // The same tag, other content: what arrives counts.
    world.behave(|_, to| say(to, answer("200 OK\nETag: \"t3\"", format!("{GOOD}{MORE}"))));
    assert_eq!(refresh(&world.engine).count(Outcome::Loaded), 1);
    assert!(world.engine.check("198.41.0.4".parse().unwrap()).is_active());
}

#[test]
fn what_the_server_said_is_asked_with_after_a_restart() {
    let World { _dir: dir, server, engine, .. } = World::new();
    drop(engine);
    let feed = Feed::new("list", &server.url("/list.txt")).unwrap();
    let engine = Engine::builder().data(dir.path()).feed(feed).build().unwrap();
    refresh(&engine);
    assert!(server.requests()[1].to_ascii_lowercase().contains("if-none-match: \"v1\""));
}

#[test]
fn connections_that_are_refused_or_reset() {
    let world = World::new();
    let reason = world.fails(|_, _| {});
    assert_says(&reason, "no answer");

    // Nobody listens any more.
    let World { _dir: dir, server, engine, .. } = world;
    drop(engine);
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let feed = Feed::new("list", &format!("http://{gone}/list.txt")).unwrap();
    let config = Config::from_toml("[fetch]\nretries = 0").unwrap();
    let builder = Engine::builder().config(config).data(dir.path()).feed(feed);
    let engine = builder.build().unwrap();
    let report = refresh(&engine);
    assert_says(report.feeds[0].error.as_ref().unwrap(), "cannot connect");
    assert!(engine.check(KNOWN.parse().unwrap()).is_active());
    assert!(engine.status().problems.join("\n").contains("feed list is stale"));
    drop(server);
}

#[test]
fn a_passing_error_is_not_seen() {
    let behaviour = Arc::new(Mutex::new(0));
    let count = Arc::clone(&behaviour);
    let server = Server::start(move |_, to| {
        let mut count = count.lock().unwrap();
        *count += 1;
        let status = if *count % 3 == 0 { "200 OK" } else { "503 Service Unavailable" };
        say(to, answer(status, GOOD));
    });
    let mut config = Config::default();
    config.fetch.retry_wait = std::time::Duration::from_millis(1);
    let feed = Feed::new("list", &server.url("/")).unwrap();
    let engine = Engine::builder().config(config).in_memory().feed(feed).build().unwrap();
    assert_eq!(refresh(&engine).count(Outcome::Loaded), 1);
    assert_eq!(server.requests().len(), 3);
    assert!(!engine.status().problems.join("\n").contains("list"));
}

#[test]
fn ipv6_only() {
    if TcpListener::bind(("::1", 0)).is_err() {
        // Containers often have none.
        return support::skipped("no IPv6 on the loopback interface");
    }
    let world = World::with(
        |behaviour| Server::start_on("::1", behaviour).unwrap(),
        |server| server.url("/list.txt"),
        "",
    );
    let reason = world.fails(|_, to| say(to, answer("503 Service Unavailable", "")));
    assert_says(&reason, "503 Service Unavailable");
}

/// Cancelled while one feed is in and another still comes: each is whole, the answers are those of
/// before, and the next refresh goes on from there.
#[test]
fn a_cancelled_refresh_leaves_nothing_half_done() {
    let second = Arc::new(Mutex::new(good()));
    let behaviour = Arc::clone(&second);
    let server = Server::start(move |head, to| {
        if path_of(head) == "/first" {
            return say(to, answer("200 OK", format!("{GOOD}{MORE}")));
        }
        let behaviour = Arc::clone(&*behaviour.lock().unwrap());
        behaviour(head, to);
    });
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let feeds = ["second", "first"].map(|id| Feed::new(id, &server.url(&format!("/{id}"))));
        let mut builder = Engine::builder().data(dir.path());
        for feed in feeds {
            builder = builder.feed(feed.unwrap());
        }
        builder.build().unwrap()
    };
    let engine = open();
    engine.refresh(&RefreshOptions::default().feed("second".parse().unwrap())).unwrap();
    let before = engine.status();
    assert_eq!(before.snapshot.counts.active, 2);

    // Half a document of other addresses, and then nothing more.
    *second.lock().unwrap() = Arc::new(|_, to| {
        say(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        say(to, "198.41.0.5\n".repeat(20_000));
        to.hang();
    });
    let cancel = Arc::new(AtomicBool::new(false));
    let (first_in, second_coming) = (AtomicBool::new(false), AtomicBool::new(false));
    let set = Arc::clone(&cancel);
    let options = RefreshOptions::default().cancel(cancel).progress(move |event| {
        match event {
            RefreshEvent::Feed(report) if report.feed.as_str() == "first" => {
                first_in.store(true, Ordering::Relaxed);
            }
            RefreshEvent::Received { feed, .. } if feed.as_str() == "second" => {
                second_coming.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        let both = first_in.load(Ordering::Relaxed) && second_coming.load(Ordering::Relaxed);
        set.fetch_or(both, Ordering::Relaxed);
    });
    let error = engine.refresh(&options).unwrap_err();
    assert_eq!(error.code(), "ARTIF_CANCELLED");
    let known = |engine: &Engine, ip: &str| engine.check(ip.parse().unwrap()).is_active();
    let holds = |engine: &Engine| {
        assert_eq!(engine.status().snapshot.id, before.snapshot.id, "nothing is published");
        assert!(
            known(engine, KNOWN) && !known(engine, "198.41.0.4") && !known(engine, "198.41.0.5")
        );
        let feeds = engine.status().feeds;
        let count = |id: &str| feeds.iter().find(|feed| feed.id == id).unwrap().count;
        assert_eq!((count("first"), count("second")), (3, 2), "each whole, old or new");
    };
    holds(&engine);
    // The same after a restart, and what was taken in comes with the next refresh.
    drop(engine);
    let engine = open();
    holds(&engine);
    *second.lock().unwrap() = good();
    let report = refresh(&engine);
    assert_eq!((report.count(Outcome::Unchanged), report.published), (2, true), "{report:?}");
    assert!(known(&engine, "198.41.0.4"));
    assert_eq!(engine.status().snapshot.counts.active, 3);
}

mod secrets {
    use super::*;

    const SECRET: &str = "hunter2";

    #[test]
    fn keys_are_not_forwarded_and_nowhere_to_be_seen() {
        let other = Server::start(|_, to| say(to, answer("200 OK", GOOD)));
        let elsewhere = other.url("/elsewhere");
        let home = Server::start(move |_, to| {
            say(to, answer(&format!("302 Found\nLocation: {elsewhere}"), ""));
        });
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, SECRET).unwrap();
        for how in ["bearer", "basic:me", "header:X-Key", "query:key"] {
            let text = format!(
                "[[feed]]\nid = 'list'\nurl = '{}'\nauth = '{how} file:{}'\n\
                 headers = {{ X-Other-Key = '{SECRET}' }}",
                home.url("/list"),
                key.display()
            );
            let config = Config::from_toml(&text).unwrap();
            let engine = Engine::builder().config(config).in_memory().build().unwrap();
            let report = refresh(&engine);
            assert_eq!(report.count(Outcome::Loaded), 1, "{report:?}");
            assert!(
                home.requests().pop().unwrap().contains("X-Other-Key")
                    || home.requests().pop().unwrap().contains("x-other-key")
            );
            let told = other.requests().pop().unwrap().to_ascii_lowercase();
            for secret in [SECRET, "authorization", "x-key", "x-other-key"] {
                assert!(!told.contains(secret), "{secret} in {told}");
            }
            let feeds = engine.feeds();
            let shown = format!(
                "{engine:?} {feeds:?} {} {} {}",
                serde_json::to_string(&feeds).unwrap(),
                serde_json::to_string(&engine.status()).unwrap(),
                serde_json::to_string(&report).unwrap(),
            );
            let place = shown.find(SECRET);
            assert_eq!(place.and_then(|at| shown.get(at.saturating_sub(200)..at)), None);
        }
    }

    #[test]
    fn a_key_that_is_missing_keeps_the_last_good_content() {
        let server = Server::start(|_, to| say(to, answer("200 OK", GOOD)));
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, SECRET).unwrap();
        let feed = Feed::new("list", &server.url("/")).unwrap();
        let feed = feed.auth(format!("bearer file:{}", key.display()).parse().unwrap());
        let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
        assert_eq!(refresh(&engine).count(Outcome::Loaded), 1);
        std::fs::remove_file(&key).unwrap();
        let report = refresh(&engine);
        assert_says(report.feeds[0].error.as_ref().unwrap(), "is unreadable");
        assert!(engine.check(KNOWN.parse().unwrap()).is_active());
        // A new one counts at once.
        std::fs::write(&key, "changed").unwrap();
        refresh(&engine);
        assert!(server.requests().pop().unwrap().contains("Bearer changed"));
    }
}

mod tls {
    use super::*;

    /// A server certificate nobody signed, and how to write it into a file.
    fn certificate() -> (Arc<rustls::ServerConfig>, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (Arc::new(config), made.cert.pem())
    }

    #[test]
    fn with_an_unknown_authority_after_a_configured_one() {
        let (config, pem) = certificate();
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, pem).unwrap();
        let fetch = format!("ca_file = '{}'", ca_file.display());
        let world = World::with(
            |behaviour| Server::start_tls(config, behaviour),
            |server| format!("https://localhost:{}/list.txt", server.address().port()),
            &fetch,
        );
        // The server is exchanged for one with another certificate: the file names the trust.
        std::fs::write(&ca_file, certificate().1).unwrap();
        let asked = world.server.requests().len();
        let report = refresh(&world.engine);
        assert_says(&world.kept_the_last_good(&report), "TLS");
        assert_eq!(world.server.requests().len(), asked, "nothing was said to the stranger");

        for (content, expected) in [("", "no certificate in PEM form"), ("-----BEGIN", "ca.pem")] {
            std::fs::write(&ca_file, content).unwrap();
            assert_says(&world.kept_the_last_good(&refresh(&world.engine)), expected);
        }
    }
}
