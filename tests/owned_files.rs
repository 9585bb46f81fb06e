//! Damage to every file in a data folder that has one of each kind, through the program itself: who
//! reads goes on or is told, who owns it puts it right, and every answer is as before.
//! `tests/corruption.rs` does the same many times to the files of the ledger.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, dead_code, reason = "each test file uses a part of what is shared")]

#[path = "cli/support.rs"]
mod cli;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cli::{Ended, Folder};
use support::http_server::{Server, answer, path_of, say};
use support::misp_server::{KEY, Misp};

/// What is asked, each for another reason to answer as it does.
const ASKED: [&str; 8] = [
    "93.184.216.34", // listed
    "93.184.217.34", // listed by the feed that was added
    "93.184.218.34", // listed by the feed that is switched off
    "60.0.0.1",      // listed by the server of MISP
    "9.9.0.1",       // blocked by an override
    "93.184.219.1",  // reported by the application
    "22.10.1.1",     // has a system
    "10.0.0.1",
];

fn ok(ended: Ended) -> Ended {
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    ended
}

struct World {
    folder: Folder,
    _lists: Server,
    _misp: Misp,
}

/// A folder as a service leaves it that uses everything there is.
fn world() -> World {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/sample-asn.mmdb");
    let database = fs::read(sample).unwrap();
    let lists = Server::start(move |head, to| {
        let body: &[u8] = match path_of(head) {
            "/list.txt" => b"93.184.216.34\n93.184.216.35\n",
            "/added.txt" => b"93.184.217.34\n93.184.217.35\n93.184.217.36\n",
            "/off.txt" => b"93.184.218.34\n",
            "/asn.mmdb" => &database,
            _ => return say(to, answer("404 Not Found", "")),
        };
        say(to, answer("200 OK\nETag: \"1\"\nContent-Type: text/plain", body));
    });
    let misp = Misp::start(1_786_000_000);
    {
        let mut store = misp.store();
        let event = store.add_event("an event", 1, &["c2"]);
        for host in 1..=50 {
            store.add(event, "ip-dst", &format!("60.0.0.{host}"));
        }
    }
    let folder = Folder::new();
    folder.write("key", KEY);
    folder.write(
        "artif.toml",
        &format!(
            "[fetch]\nretries = 0\nallow_private = true\n[schedule]\njitter = 0.0\n\
             [geo]\nasn_source = '{asn}'\n[signals.spam]\ndanger = 4.0\n\
             [misp]\nurl = '{misp}'\nkey = 'file:{key}'\n\
             [[feed]]\nid = 'list'\nurl = '{list}'\n[[feed]]\nid = 'off'\nurl = '{off}'\n\
             [[feed]]\nid = 'gone'\nurl = '{gone}'\n",
            asn = lists.url("/asn.mmdb"),
            misp = misp.server.url("/"),
            key = folder.path("key").display(),
            list = lists.url("/list.txt"),
            off = lists.url("/off.txt"),
            gone = lists.url("/gone.txt"),
        ),
    );
    ok(folder.run(&["feeds", "add", &lists.url("/added.txt"), "--yes", "--id", "added"]));
    ok(folder.run(&["feeds", "disable", "off"]));
    // One that watches notes which feeds are in trouble.
    let mut watch = folder.spawn(&["watch"]);
    while !watch.read_line().contains("published") {}
    watch.signal("TERM");
    ok(watch.finish());
    ok(folder.run(&["geo", "update"]));
    ok(folder.run(&["override", "add", "9.9.0.1", "block"]));
    ok(folder.run(&["signal", "93.184.219.1", "spam", "--count", "3"]));
    refresh(&folder);
    World { folder, _lists: lists, _misp: misp }
}

/// One feed is gone for good, which is a failure each time.
fn refresh(folder: &Folder) -> Ended {
    let ended = folder.run(&["refresh"]);
    assert_eq!(ended.code, 1, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("gone"), "{}", ended.stdout);
    ended
}

/// Verdict, feeds, system and reports of each address; or what there is to read about why there are none.
fn answers(folder: &Folder) -> Result<Vec<[String; 4]>, String> {
    let ended = folder.run(&[&["check", "--json"], &ASKED[..]].concat());
    if ended.code != 0 {
        return Err(ended.stderr);
    }
    let all = ended.json();
    let text = |answer: &serde_json::Value, key: &str| answer[key].to_string();
    Ok(all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let reported = one["signals"].as_array().is_some_and(|signals| !signals.is_empty());
            let reported = if reported { "reported" } else { "" };
            let of = |key| text(one, key);
            [of("verdict"), of("blacklists"), text(&one["metadata"], "asn"), reported.to_owned()]
        })
        .collect())
}

fn files(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.metadata().unwrap().len() > 0 {
            found.insert(entry);
        }
    }
}

fn put_back(kept: &Path, data: &Path) {
    fs::remove_dir_all(data).unwrap();
    support::copy_folder(kept, data);
}

/// Cut in the middle, a bit flipped there, zeroed from there; in place of the old one.
fn damage(path: &Path, how: usize) {
    let mut bytes = fs::read(path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    let at = used / 2;
    match how {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 4,
        _ => bytes[at..].fill(0),
    }
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn every_file_of_a_full_folder_may_be_damaged() {
    let world = world();
    let (folder, data) = (&world.folder, world.folder.data());
    let right = answers(folder).unwrap();
    assert_eq!(right[0][0], "\"dangerous\"");
    assert!(right[1][1].contains("added"), "{right:?}");
    assert_eq!(right[2][1], "[]", "the feed is off");
    assert!(right[3][1].contains("an event"), "{right:?}");
    assert_eq!(right[4][0], "\"blocked\"");
    assert_eq!([&right[5][3], &right[7][3]], ["reported", ""], "{right:?}");
    assert_eq!(right[6][2], "\"AS64496\"");
    let kept = tempfile::tempdir().unwrap();
    support::copy_folder(&data, kept.path());
    let mut found = BTreeSet::new();
    files(&data, &mut found);
    let mut told: BTreeMap<String, [&str; 3]> = BTreeMap::new();
    for path in &found {
        let name = path.strip_prefix(&data).unwrap().to_str().unwrap().to_owned();
        for how in 0..3 {
            put_back(kept.path(), &data);
            damage(path, how);
            let what = format!("{name}, damage {how}");
            // Signals are kept in one table in memory that is the file.
            let is_table = name.starts_with("signals");
            let same = |answers: &[[String; 4]]| {
                answers
                    .iter()
                    .zip(&right)
                    .zip(&ASKED)
                    .all(|((one, right), ip)| one == right || is_table && *ip == ASKED[5])
            };
            let reader = match answers(folder) {
                Ok(answers) if same(&answers) => "answers",
                // A damaged snapshot answers anything, until somebody looks.
                Ok(_) if name.starts_with("snapshot") => "answers otherwise",
                Ok(answers) => panic!("{what}: {answers:?}"),
                Err(error) => {
                    assert!(
                        error.contains("artif-data") || error.contains("snapshot"),
                        "{what}: {error}"
                    );
                    "is told"
                }
            };
            if name.starts_with("geo/") {
                // The next look for a newer one, which `artif watch` takes by itself, fetches it again.
                ok(folder.run(&["geo", "update"]));
            }
            refresh(folder);
            let after = answers(folder).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(same(&after), "{what}: {after:?}");
            // Whole, and whole for good.
            let again = refresh(folder);
            let text = format!("{}{}", again.stdout, again.stderr);
            assert!(!text.contains("damaged") && !text.contains("anew"), "{what}: {text}");
            told.entry(name.clone()).or_default()[how] = reader;
        }
    }
    println!("file, and what a reader does meanwhile: cut, flipped, zeroed");
    for (name, reader) in &told {
        println!("{name:<40} {}", reader.join(", "));
    }
    // That all kinds are there is what the test is worth.
    for kind in [
        "CURRENT",
        "OVERRIDES",
        "SIGNALS",
        "checkpoint-",
        "feeds.d/",
        "feeds.toml",
        "geo-updates.json",
        "ledger/",
        "misp/",
        "overrides.log",
        "retries.json",
        "signals-",
        "snapshot-",
        "asn.mmdb",
    ] {
        assert!(told.keys().any(|name| name.contains(kind)), "no {kind} in {:?}", told.keys());
    }
}
