//! `artif feeds add` against a web server on the loopback interface.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "cli/support.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod cli;
#[path = "support/http_server.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod http_server;

use std::path::{Path, PathBuf};

use cli::Folder;
use http_server::{Server, answer, path_of, say};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/detect")
}

/// Serves the samples under their names, and some answers no list should give.
fn server() -> Server {
    Server::start(|head, connection| {
        let path = path_of(head).split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        match (name, std::fs::read(samples().join(name))) {
            ("gone.txt", _) => say(connection, answer("404 Not Found", "22.1.0.1\n")),
            ("moved.txt", _) => {
                say(connection, answer("302 Found\nLocation: /plain.txt", ""));
            }
            (_, Ok(body)) => say(connection, answer("200 OK\nContent-Type: text/plain", body)),
            _ => say(connection, answer("500 Oops", "")),
        }
    })
}

#[test]
fn every_form_of_list_is_told_apart() {
    let (folder, server) = (Folder::new(), server());
    let mut wrong = Vec::new();
    for (name, format, distinct) in [
        ("plain.txt", "plain", 4),
        ("semicolon-comments.txt", "plain", 3),
        ("slash-comments.txt", "plain", 3),
        ("networks.txt", "plain", 3),
        ("ranges.txt", "plain", 6),
        ("ip-port.txt", "plain", 3),
        ("urls.txt", "url-list", 3),
        ("header.csv", "csv", 3),
        ("quoted.csv", "csv", 3),
        ("headless.csv", "csv", 3),
        ("semicolon.csv", "sep", 7),
        ("pipes.txt", "sep", 2),
        ("block.tsv", "tsv", 3),
        ("counts.tsv", "tsv", 3),
        ("masks.csv", "csv", 2),
        ("padded.tsv", "tsv", 2),
        ("set.netset", "firehol", 3),
        ("ipset-save.txt", "regex", 5),
        ("htaccess.txt", "regex", 5),
        ("nginx.conf", "regex", 3),
        ("report.txt", "freetext", 4),
        ("drop.json", "ndjson", 3),
        ("clouds-a.json", "json", 3),
        ("clouds-b.json", "json", 3),
        ("array.json", "json", 3),
        ("keyed.json", "json", 2),
        ("objects.json", "json", 2),
        ("event.json", "misp-event", 2),
        ("warninglist.json", "misp-warninglist", 2),
    ] {
        let url = server.url(&format!("/lists/{name}"));
        let ended = folder.run(&["feeds", "add", &url, "--dry-run", "--json"]);
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        let found = &ended.json()["found"];
        let is =
            (found["format"]["type"].as_str().unwrap().to_owned(), &found["report"]["distinct"]);
        if is != (format.to_owned(), &distinct.into()) {
            wrong.push(format!("{name}: {found}"));
        }
        assert_eq!(ended.json()["written"], serde_json::Value::Null);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!folder.data().exists(), "a dry run writes nothing");
}

#[test]
fn what_is_no_list_is_refused() {
    let (folder, server) = (Folder::new(), server());
    for (name, what) in [
        ("hosts.txt", "hosts file"),
        ("domains.txt", "list of names"),
        ("page.html", "HTML page"),
        ("manifest.json", "manifest of a MISP feed"),
        ("defaults.json", "list of feeds"),
        ("bundle.json", "STIX bundle"),
    ] {
        let ended = folder.run(&["feeds", "add", &server.url(&format!("/{name}")), "--yes"]);
        assert_eq!(ended.code, 2, "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(what), "{name}: {}", ended.stderr);
    }
    let gone = folder.run(&["feeds", "add", &server.url("/gone.txt"), "--yes"]);
    assert_eq!(gone.code, 3);
    assert!(gone.stderr.contains("404"), "{}", gone.stderr);
    for args in [
        &["feeds", "add", "gopher://x/"][..],
        &["feeds", "add", "no-such-file.txt"],
        &["feeds", "add", "file:x", "--categories", "evil"],
        &["feeds", "add", "file:x", "--threat-level", "5"],
        &["feeds", "add", "file:x", "--format", "xml"],
        &["feeds", "add", "file:x", "--yes", "--dry-run"],
    ] {
        assert_eq!(folder.run(args).code, 2, "{args:?}");
    }
    assert!(!folder.data().exists());
}

#[test]
fn a_feed_is_added_loaded_and_removed() {
    let (folder, server) = (Folder::new(), server());
    folder.write("list.txt", "22.40.0.1\n");
    folder.write("artif.toml", "[[feed]]\nid = 'own'\nurl = 'file:list.txt'\n");
    let url = server.url("/lists/ssh/quoted.csv?key=secret");

    // Nobody is there to say yes.
    let asked = folder.run(&["feeds", "add", &url]);
    assert_eq!(asked.code, 2);
    assert!(asked.stdout.contains("csv") && asked.stderr.contains("--yes"), "{}", asked.stderr);

    let added = folder.run(&[
        "feeds",
        "add",
        &url,
        "--yes",
        "--id",
        "new-c2",
        "--name",
        "New C2",
        "--categories",
        "c&c,malware",
        "--threat-level",
        "1",
        "--refresh",
        "6h",
        "--as-of",
        "2026-08-03",
    ]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    assert!(!added.stdout.contains("secret") && !added.stderr.contains("secret"));
    let text = std::fs::read_to_string(folder.data().join("feeds.d/new-c2.toml")).unwrap();
    assert!(text.contains("key=secret") && text.contains("2026-08-03"), "{text}");
    assert_eq!(server.requests().len(), 2, "one download a command");

    let twice = folder.run(&["feeds", "add", &url, "--yes"]);
    assert_eq!(twice.code, 2);
    assert!(twice.stderr.contains("already, as \"new-c2\""), "{}", twice.stderr);
    let taken = folder.run(&["feeds", "add", "list.txt", "--yes", "--id", "new-c2"]);
    assert_eq!(taken.code, 2);

    let shown = folder.run(&["feeds", "show", "new-c2", "--json"]).json();
    assert_eq!((&shown["refresh_seconds"], &shown["threat_level"]), (&21_600.into(), &1.into()));
    let refreshed = folder.run(&["refresh"]);
    assert_eq!(refreshed.code, 0, "{}{}", refreshed.stdout, refreshed.stderr);
    let names = |ip: &str| folder.run(&["check", "--json", ip]).json()[0]["blacklists"].clone();
    assert_eq!(names("22.10.0.2"), serde_json::json!(["New C2"]));
    assert_eq!(names("22.40.0.1"), serde_json::json!(["own"]));

    // A file that cannot be read is an error with its name and line, and can be removed.
    let broken = folder.data().join("feeds.d/broken.toml");
    std::fs::write(&broken, "[[feed]]\nid = 'broken'\nurll = 'file:x'\n").unwrap();
    let refused = folder.run(&["refresh"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("broken.toml:3"), "{}", refused.stderr);
    assert_eq!(folder.run(&["feeds", "remove", "broken"]).code, 0);

    assert_eq!(folder.run(&["feeds", "remove", "own"]).code, 2);
    assert_eq!(folder.run(&["feeds", "remove", "nope"]).code, 2);
    assert_eq!(folder.run(&["feeds", "remove", "new-c2"]).code, 0);
    assert_eq!(folder.run(&["refresh"]).code, 0);
    assert_eq!(names("22.10.0.2"), serde_json::json!([]));
}

#[test]
fn added_feeds_stand_beside_the_built_in_catalogue() {
    let folder = Folder::new();
    folder.write("my list.txt", "# spam\n22.41.0.1\n22.41.0.2\n22.41.0.3\n");
    let before = folder.run(&["feeds", "list", "--json", "--all"]).json();
    let added = folder.run(&["feeds", "add", "my list.txt", "--yes", "--json"]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    assert_eq!(added.json()["feed"]["categories"], serde_json::json!(["spam"]));
    let after = folder.run(&["feeds", "list", "--json", "--all"]).json();
    assert_eq!(after.as_array().unwrap().len(), before.as_array().unwrap().len() + 1);
    assert!(before.as_array().unwrap().len() > 60);
    assert_eq!(folder.run(&["refresh", "--feed", "my-list"]).code, 0);
    assert_eq!(folder.run(&["check", "22.41.0.2", "--exit-code"]).code, 10);
}

#[test]
fn a_proposal_for_people() {
    let (folder, server) = (Folder::new(), server());
    let url = server.url("/moved.txt");
    let shown = folder.run(&["feeds", "add", &url, "--dry-run", "--id", "x"]).stdout;
    for part in ["x: http://127.0.0.1", "addresses, one a line", "100 %", "4 networks"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
}
