//! All feeds of the corpus, from one server: fetched, unchanged, and some of them broken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex};

use artif_core::feed::{Catalogue, ParseLimits, parse};
use artif_core::{Engine, Outcome, RefreshReport, ReputationEngine};
use cpu_time::ProcessTime;
use support::http_server::{Server, answer, path_of, say};
use support::{corpus, refresh};

/// What is served in place of a feed: status with headers, and body.
type Broken = BTreeMap<String, (String, Vec<u8>)>;

struct World {
    server: Server,
    broken: Arc<Mutex<Broken>>,
    engine: Engine,
    /// Of every feed, an address that it lists.
    listed: BTreeMap<String, IpAddr>,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        let feeds = Catalogue::load(corpus()?.join("feeds.json")).unwrap().feeds;
        let mut documents = BTreeMap::new();
        let mut listed = BTreeMap::new();
        for feed in &feeds {
            let path = url::Url::parse(&feed.url).unwrap().to_file_path().unwrap();
            let content = std::fs::read(&path).unwrap();
            let limits = ParseLimits::default();
            let parsed = parse(&feed.id, &feed.format, &limits, &mut &content[..]).unwrap();
            // What is left of some, after the rules on what a feed may list, is nothing.
            if let Some(first) = parsed.prefixes.iter().next() {
                let address = first.to_string().split('/').next().unwrap().parse().unwrap();
                listed.insert(feed.id.to_string(), address);
            }
            let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(&content));
            documents.insert(format!("/{}", feed.id), (tag, content));
        }
        let broken = Arc::new(Mutex::new(Broken::new()));
        let breaking = Arc::clone(&broken);
        let server = Server::start(move |head, to| {
            let path = path_of(head);
            if let Some((head, body)) = breaking.lock().unwrap().get(path) {
                return say(to, answer(head, body));
            }
            let Some((tag, content)) = documents.get(path) else {
                return say(to, answer("404 Not Found", ""));
            };
            let same = head.to_ascii_lowercase().contains(&format!("if-none-match: {tag}\r\n"));
            if same {
                say(to, answer(&format!("304 Not Modified\nETag: {tag}"), ""));
            } else {
                say(to, answer(&format!("200 OK\nETag: {tag}"), content));
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let config = artif_core::Config::from_toml("[fetch]\nretries = 0").unwrap();
        let mut builder = Engine::builder().config(config).data(dir.path());
        for mut feed in feeds {
            feed.url = server.url(&format!("/{}", feed.id));
            builder = builder.feed(feed);
        }
        Some(Self { server, broken, engine: builder.build().unwrap(), listed, _dir: dir })
    }

    fn all_answer(&self) {
        for (feed, address) in &self.listed {
            let answer = self.engine.check(*address);
            assert!(answer.feeds().any(|found| found.id == *feed), "{address} of {feed}");
        }
    }

    fn first_run(&self) {
        let report = refresh(&self.engine);
        let bad: Vec<_> = report.feeds.iter().filter(|feed| feed.error.is_some()).collect();
        assert_eq!(report.count(Outcome::Loaded), 85, "{bad:?}");
        println!("{} of 85 feeds list something", self.listed.len());
        assert!(report.published);
        self.all_answer();
    }

    fn second_run(&self) -> RefreshReport {
        let asked = self.server.requests().len();
        let report = refresh(&self.engine);
        assert_eq!(report.count(Outcome::Unchanged), 85);
        assert!(!report.published);
        assert_eq!(self.server.requests().len(), asked + 85, "once each");
        report
    }
}

#[test]
fn eighty_five_feeds_fetched_unchanged_and_five_of_them_broken() {
    let Some(world) = World::new() else { return };
    world.first_run();
    world.second_run();
    world.all_answer();

    let names: Vec<_> = world.listed.keys().cloned().collect();
    let broken = [
        ("404 Not Found", b"gone".to_vec(), "404 Not Found"),
        ("200 OK\nContent-Encoding: gzip", vec![0x1f, 0x8b, 8, 0, 0], "broken gzip data"),
        ("200 OK\nContent-Type: text/html", b"<html>Please log in".to_vec(), "it is an HTML page"),
        ("200 OK", b"# moved, see our new site\n".to_vec(), "it lists nothing"),
        ("302 Found\nLocation: http://169.254.169.254/", vec![], "Link Local"),
    ];
    let mut expected = BTreeMap::new();
    for (place, (head, body, reason)) in broken.into_iter().enumerate() {
        let name = &names[place * 17];
        expected.insert(name.clone(), reason);
        let response = (head.to_owned(), body);
        world.broken.lock().unwrap().insert(format!("/{name}"), response);
    }
    let report = refresh(&world.engine);
    assert_eq!(report.count(Outcome::Unchanged), 80);
    world.all_answer();
    let errors = report.feeds.iter().filter_map(|feed| feed.error.clone().map(|e| (&feed.feed, e)));
    let errors: BTreeMap<_, _> = errors.map(|(feed, error)| (feed.to_string(), error)).collect();
    assert_eq!(errors.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let problems = world.engine.status().problems;
    for (feed, reason) in expected {
        assert!(errors[&feed].contains(reason), "{}", errors[&feed]);
        assert!(problems.contains(&format!("feed {feed} is stale: {}", errors[&feed])));
    }
    assert_eq!(problems.iter().filter(|problem| problem.contains("is stale")).count(), 5);

    // Mended: all unchanged again, and nobody complains.
    world.broken.lock().unwrap().clear();
    assert_eq!(refresh(&world.engine).count(Outcome::Unchanged), 85);
    assert!(!world.engine.status().problems.join("\n").contains("stale"));
}

/// `cargo test --release --test many_feeds -- --ignored --nocapture`
#[test]
#[ignore = "prints a figure that depends on the machine"]
fn what_a_refresh_without_news_costs() {
    let Some(world) = World::new() else { return };
    world.first_run();
    world.second_run();
    let mut costs = Vec::new();
    for _ in 0..9 {
        let began = ProcessTime::now();
        world.second_run();
        let refreshed = began.elapsed();
        // The same requests by hand, as the server is in this process too.
        let heads = world.server.requests();
        let heads = &heads[heads.len() - 85..];
        let began = ProcessTime::now();
        for head in heads {
            let mut stream = TcpStream::connect(world.server.address()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 304"), "{answer}");
        }
        costs.push((refreshed, began.elapsed()));
    }
    costs.sort_unstable();
    let (refreshed, bare) = costs[costs.len() / 2];
    println!(
        "85 unchanged feeds: {refreshed:?} CPU in all, {bare:?} for the bare requests, both with the server"
    );
}
