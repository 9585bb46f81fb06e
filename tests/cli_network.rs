//! The `artif` command against servers on the loopback interface.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(dead_code, reason = "what is shared with other tests is not all needed here")]

#[path = "support/http_server.rs"]
mod http_server;
#[cfg(feature = "misp")]
#[path = "support/misp_server.rs"]
mod misp_server;
#[path = "cli/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use http_server::{Server, answer, path_of, say};
#[cfg(feature = "misp")]
use misp_server::{KEY, Misp, uuid};
use support::{Ended, Folder};

/// Documents by their paths, with tags; what is not there is 404.
#[derive(Clone, Default)]
struct Documents(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Documents {
    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        self.0.lock().unwrap().insert(path.to_owned(), content.as_ref().to_vec());
    }

    fn serve(&self) -> Server {
        let documents = self.clone();
        Server::start(move |head, to| {
            let documents = documents.0.lock().unwrap();
            let path = path_of(head).split('?').next().unwrap();
            let Some(content) = documents.get(path) else {
                return say(to, answer("404 Not Found", ""));
            };
            let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(content));
            if head.to_ascii_lowercase().contains(&format!("if-none-match: {tag}\r\n")) {
                say(to, answer(&format!("304 Not Modified\nETag: {tag}"), ""));
            } else {
                say(to, answer(&format!("200 OK\nETag: {tag}"), content));
            }
        })
    }
}

fn ok(ended: Ended) -> Ended {
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    ended
}

fn verdict(folder: &Folder, ip: &str) -> String {
    let json = ok(folder.run(&["check", "--json", ip])).json();
    json[0]["verdict"].as_str().unwrap().to_owned()
}

/// One feed, `list`, with further keys, and further tables.
fn configure(folder: &Folder, server: &Server, keys: &str, tables: &str) {
    let url = server.url("/list.txt");
    folder.write(
        "artif.toml",
        &format!(
            "[fetch]\nretries = 0\n[schedule]\njitter = 0.0\n{tables}\n\
             [[feed]]\nid = 'list'\nurl = '{url}'\n{keys}\n"
        ),
    );
}

mod dry_run {
    use super::*;

    /// All files and folders under it, with content and time of change.
    fn state(dir: &Path) -> BTreeMap<PathBuf, (Option<Vec<u8>>, SystemTime)> {
        let mut found = BTreeMap::new();
        let mut open = vec![dir.to_owned()];
        while let Some(path) = open.pop() {
            let facts = path.metadata().unwrap();
            let content = facts.is_file().then(|| std::fs::read(&path).unwrap());
            if facts.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            found.insert(path, (content, facts.modified().unwrap()));
        }
        found
    }

    #[test]
    fn touches_no_file_of_a_folder_in_use() {
        let documents = Documents::default();
        documents.put("/list.txt", "93.184.216.34\n93.184.216.35\n");
        let (folder, server) = (Folder::new(), documents.serve());
        configure(&folder, &server, "", "");
        ok(folder.run(&["refresh"]));
        let before = state(&folder.data());
        assert!(before.len() > 5, "{:?}", before.keys());

        let dry = ok(folder.run(&["refresh", "--dry-run"]));
        assert!(dry.stdout.contains("0 would be loaded, 1 unchanged"), "{}", dry.stdout);
        let last = server.requests().pop().unwrap();
        assert!(last.to_ascii_lowercase().contains("if-none-match"), "{last}");
        documents.put("/list.txt", "93.184.216.34\n93.184.216.36\n93.184.216.37\n");
        let dry = ok(folder.run(&["refresh", "--dry-run"]));
        assert!(dry.stdout.contains("list: 2 added, 1 ended, 1 unchanged"), "{}", dry.stdout);
        documents.put("/list.txt", "<html>Please log in</html>");
        let dry = folder.run(&["refresh", "--dry-run"]);
        assert_eq!(dry.code, 1);
        assert!(dry.stdout.contains("1 would be refused"), "{}", dry.stdout);
        assert!(
            dry.stdout.contains(
                "refused list: new content refused, the last good one stays: it is an HTML page"
            ),
            "{}",
            dry.stdout
        );
        assert_eq!(state(&folder.data()), before, "files were touched");

        // Beside an owner, too.
        let engine = artif_core::Engine::builder().data(folder.data()).build().unwrap();
        assert_eq!(folder.run(&["refresh"]).code, 3);
        assert_eq!(folder.run(&["refresh", "--dry-run"]).code, 1);
        drop(engine);
    }

    #[cfg(feature = "misp")]
    #[test]
    fn asks_servers_of_misp_and_writes_nothing_here_or_there() {
        let documents = Documents::default();
        documents.put("/list.txt", "93.184.216.34\n");
        let (folder, server) = (Folder::new(), documents.serve());
        let misp = Misp::start(1_786_000_000);
        let event = misp.store().add_event("an event", 1, &["c2"]);
        misp.store().add(event, "ip-dst", "60.0.0.1");
        folder.write("key", KEY);
        let key = folder.path("key");
        let tables = format!(
            "[misp]\nurl = '{}'\nkey = 'file:{}'\nexchange = 'push'",
            misp.server.url("/"),
            key.display()
        );
        configure(&folder, &server, "", &tables);
        let dry = || ok(folder.run(&["refresh", "--dry-run"])).stdout;
        let said = dry();
        assert!(said.contains("misp, read with 4 requests: 1 attributes would be added"), "{said}");
        let feed = format!("misp.{}: 1 added, 0 ended", uuid(event));
        assert!(said.contains(&feed) && said.contains("+ 60.0.0.1/32"), "{said}");
        assert!(said.contains("create there list http://"), "{said}");
        assert!(!folder.data().exists() && misp.store().feeds.is_empty());

        ok(folder.run(&["refresh"]));
        assert_eq!(misp.store().feeds.len(), 1);
        let before = state(&folder.data());
        misp.store().add(event, "ip-dst", "60.0.0.2");
        let said = dry();
        assert!(
            said.contains("1 attributes would be added") && said.contains("+ 60.0.0.2/32"),
            "{said}"
        );
        assert_eq!(state(&folder.data()), before, "files were touched");
        misp.store().down = true;
        let down = folder.run(&["refresh", "--dry-run"]);
        assert!(down.code == 1 && down.stdout.contains("[misp-unreachable]"), "{}", down.stdout);
        assert_eq!(state(&folder.data()), before, "files were touched");
    }

    #[test]
    fn makes_no_folder_and_leaves_an_empty_one_empty() {
        let documents = Documents::default();
        documents.put("/list.txt", "93.184.216.34\n");
        let (folder, server) = (Folder::new(), documents.serve());
        configure(&folder, &server, "", "");
        for _ in 0..2 {
            let there = folder.data().exists();
            let dry = ok(folder.run(&["refresh", "--dry-run"]));
            assert!(dry.stdout.contains("list: 1 added, 0 ended, 0 unchanged"), "{}", dry.stdout);
            assert_eq!(folder.data().exists(), there);
            std::fs::create_dir_all(folder.data()).unwrap();
            assert_eq!(state(&folder.data()).len(), 1);
        }
    }
}

#[cfg(unix)]
mod watch {
    use super::*;

    #[test]
    fn refreshes_publishes_and_stops_at_either_signal() {
        for signal in ["TERM", "INT"] {
            let documents = Documents::default();
            documents.put("/list.txt", "93.184.216.34\n");
            let (folder, server) = (Folder::new(), documents.serve());
            configure(&folder, &server, "refresh = '1s'", "");
            let mut watch = folder.spawn(&["watch"]);
            let line = watch.read_line();
            assert!(line.contains("1 feeds in") && line.contains("1 loaded"), "{line}");
            assert!(line.contains("snapshot 1 published"), "{line}");
            assert_eq!(verdict(&folder, "93.184.216.34"), "dangerous");

            // What changes is taken up; in between nothing is said of what does not.
            documents.put("/list.txt", "93.184.216.34\n93.184.216.35\n");
            let line = watch.read_line();
            assert!(line.contains("1 loaded") && line.contains("snapshot 2 published"), "{line}");
            assert_eq!(verdict(&folder, "93.184.216.35"), "dangerous");
            documents.put("/list.txt", "");
            let line = watch.read_line();
            assert!(line.contains("1 refused"), "{line}");
            let line = watch.read_line();
            assert!(
                line.contains(
                    "refused list: new content refused, the last good one stays: it lists nothing"
                ),
                "{line}"
            );
            assert_eq!(verdict(&folder, "93.184.216.35"), "dangerous");
            assert_eq!(folder.run(&["refresh"]).code, 3, "it owns the folder");

            watch.signal(signal);
            let ended = ok(watch.finish());
            assert!(ended.stdout.ends_with("stopped\n"), "{}", ended.stdout);
            let status = ok(folder.run(&["status"])).stdout;
            assert!(
                status.contains("feed list is stale: feed list: new content refused, the last good one stays: it lists"),
                "{status}"
            );
            // Nothing is half-written, damaged or to be made anew, and what was kept goes on.
            ok(folder.run(&["snapshot", "verify"]));
            assert!(!status.contains("rebuilt") && !status.contains("damaged"), "{status}");
            let left = std::fs::read_dir(folder.data()).unwrap();
            let mut names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert!(!names.any(|name| name.contains(".tmp") || name == "OWNER"));
            assert_eq!(verdict(&folder, "93.184.216.35"), "dangerous");
            documents.put("/list.txt", "93.184.216.34\n");
            ok(folder.run(&["refresh"]));
        }
    }

    #[test]
    fn a_transfer_that_hangs_does_not_keep_it() {
        let (began, begins) = std::sync::mpsc::channel();
        let began = Mutex::new(began);
        let server = Server::start(move |_, to| {
            began.lock().unwrap().send(()).unwrap();
            to.hang();
        });
        let folder = Folder::new();
        configure(&folder, &server, "", "");
        let watch = folder.spawn(&["watch", "-v"]);
        begins.recv().unwrap();
        watch.signal("TERM");
        let ended = ok(watch.finish());
        assert_eq!(ended.stdout, "stopped\n");
        assert!(ended.stderr.contains("fetching sources=1"), "{}", ended.stderr);
        assert_eq!(folder.run(&["snapshot", "verify"]).code, 3, "nothing was published");
    }

    #[test]
    fn says_it_in_json_lines() {
        let documents = Documents::default();
        documents.put("/list.txt", "93.184.216.34\n");
        let (folder, server) = (Folder::new(), documents.serve());
        configure(&folder, &server, "", "");
        let mut watch = folder.spawn(&["watch", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&watch.read_line()).unwrap();
        assert_eq!(
            (&report["feeds"][0]["outcome"], &report["published"]),
            (&"loaded".into(), &true.into())
        );
        watch.signal("TERM");
        assert_eq!(ok(watch.finish()).stdout, "");
    }
}

#[test]
fn geo_update_against_an_address() {
    let database = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/sample-asn.mmdb"));
    let database = database.unwrap();
    let documents = Documents::default();
    documents.put("/list.txt", "22.10.1.1\n");
    documents.put("/asn.mmdb", &database);
    let (folder, server) = (Folder::new(), documents.serve());
    assert_eq!(folder.run(&["geo", "update"]).code, 2, "no source is configured");
    folder.write("token", "hunter2\n");
    let source = server.url("/asn.mmdb");
    configure(
        &folder,
        &server,
        "",
        &format!("[geo]\nasn_source = '{source}'\nasn_auth = 'query:token file:token'"),
    );
    ok(folder.run(&["refresh"]));
    let asn =
        || ok(folder.run(&["check", "--json", "22.10.1.1"])).json()[0]["metadata"]["asn"].clone();
    assert!(asn().is_null());

    let first = ok(folder.run(&["geo", "update"]));
    assert!(first.stdout.contains("updated"), "{}", first.stdout);
    assert!(server.requests().pop().unwrap().contains("?token=hunter2"));
    assert!(!first.stdout.contains("hunter2") && !first.stderr.contains("hunter2"));
    assert_eq!(asn(), "AS64496", "the snapshot is made with it");
    let again = ok(folder.run(&["geo", "update"]));
    assert!(again.stdout.contains("is the newest"), "{}", again.stdout);

    documents.put("/asn.mmdb", &database[..database.len() / 2]);
    let broken = folder.run(&["geo", "update"]);
    assert_eq!(broken.code, 1, "{}", broken.stdout);
    assert!(broken.stdout.contains("refused") || broken.stdout.contains("failed"));
    assert_eq!(asn(), "AS64496", "the last good one stays");
    let status = ok(folder.run(&["status"])).stdout;
    assert!(status.contains("is not updated, the last good one stays"), "{status}");
    let json = folder.run(&["geo", "update", "--json"]);
    assert_eq!(json.code, 1);
    assert!(json.json()[0]["error"].is_string());
}

#[test]
fn warninglists_from_an_address() {
    let list = |entries: &[&str], version: u32| {
        serde_json::json!({
            "name": "List of edges", "description": "x", "type": "cidr", "version": version,
            "matching_attributes": ["ip-src", "ip-dst"], "list": entries,
        })
        .to_string()
    };
    let documents = Documents::default();
    documents.put("/list.txt", "93.184.216.34\n93.184.217.34\n");
    documents.put("/lists/cloudflare/list.json", list(&["93.184.216.0/24"], 7));
    documents.put("/lists/vpn-ipv4/list.json", list(&["93.184.217.0/24"], 8));
    let (folder, server) = (Folder::new(), documents.serve());
    assert_eq!(folder.run(&["warninglists", "update"]).code, 2, "no source is configured");
    let source = server.url("/lists");
    let lists = format!("[warninglists]\nsource = '{source}'\nlists = ['cloudflare', 'vpn-ipv4']");
    configure(&folder, &server, "", &lists);

    let updated = ok(folder.run(&["warninglists", "update"]));
    assert!(updated.stdout.contains("2 lists: 2 loaded"), "{}", updated.stdout);
    assert!(server.requests().iter().all(|head| head.contains("/lists/")), "and no feed");
    ok(folder.run(&["refresh"]));
    assert_eq!(verdict(&folder, "93.184.216.34"), "Manual triage needed");
    assert_eq!(verdict(&folder, "93.184.217.34"), "dangerous", "a VPN clears nobody");
    let shown = ok(folder.run(&["warninglists", "list"])).stdout;
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("cloudflare").contains("cap") && line("cloudflare").contains(" 7 "), "{shown}");
    assert!(line("vpn-ipv4").contains("annotate"), "{shown}");
    let explained = ok(folder.run(&["explain", "93.184.216.34"])).stdout;
    assert!(explained.contains("\"List of edges\""), "{explained}");
    let again = ok(folder.run(&["warninglists", "update"]));
    assert!(again.stdout.contains("2 unchanged"), "{}", again.stdout);

    // Broken: what was there goes on counting, and the status says so.
    documents.put("/lists/cloudflare/list.json", "<html>Moved</html>");
    let broken = folder.run(&["warninglists", "update"]);
    assert_eq!(broken.code, 1);
    assert!(broken.stdout.contains("warninglist.cloudflare: "), "{}", broken.stdout);
    assert_eq!(verdict(&folder, "93.184.216.34"), "Manual triage needed");
    let status = ok(folder.run(&["status"])).stdout;
    assert!(status.contains("warninglist warninglist.cloudflare is stale"), "{status}");
    documents.put("/lists/cloudflare/list.json", list(&["93.184.217.0/24"], 9));
    ok(folder.run(&["warninglists", "update"]));
    assert_eq!(verdict(&folder, "93.184.216.34"), "dangerous");
}

mod import {
    use super::*;

    fn sample(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/import").join(name);
        path.canonicalize().unwrap().to_str().unwrap().to_owned()
    }

    /// Of each feed of the folder its id, and what is asked for.
    fn feeds(folder: &Folder, key: &str) -> Vec<(String, serde_json::Value)> {
        let rows = ok(folder.run(&["feeds", "list", "--all", "--json"])).json();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row[key].clone())).collect()
    }

    fn import(name: &str) -> (Folder, Ended) {
        let folder = Folder::new();
        folder.write("none.toml", "");
        folder.write("artif.toml", "catalogue = 'none.toml'");
        let dry = ok(folder.run(&["feeds", "import", &sample(name), "--dry-run"]));
        assert!(!folder.data().exists(), "a dry run writes nothing");
        let unasked = folder.run(&["feeds", "import", &sample(name)]);
        assert_eq!((unasked.code, folder.data().exists()), (2, false), "nor without a yes");
        let done = ok(folder.run(&["feeds", "import", &sample(name), "--yes"]));
        assert!(done.stdout.starts_with(&dry.stdout), "{}", done.stdout);
        let again = ok(folder.run(&["feeds", "import", &sample(name), "--yes"]));
        assert!(again.stdout.contains("is there already, as"), "{}", again.stdout);
        assert!(!again.stdout.contains("added in"), "{}", again.stdout);
        (folder, done)
    }

    #[test]
    fn settings_of_the_seed_system() {
        let (folder, done) = import("settings.yaml");
        assert!(done.stdout.contains("left out: "), "{}", done.stdout);
        assert!(done.stdout.contains("source_format \"xml\" is not known"), "{}", done.stdout);
        assert!(done.stdout.contains("3 feeds added in"), "{}", done.stdout);
        assert_eq!(
            feeds(&folder, "enabled"),
            [
                ("botscout-c-c-bots".into(), true.into()),
                ("exit-nodes".into(), false.into()),
                ("scanners-column-two".into(), true.into()),
            ]
        );
        let shown = ok(folder.run(&["feeds", "show", "scanners-column-two", "--json"])).json();
        assert_eq!(shown["format"]["value_col"], 2);
        assert_eq!((&shown["format"]["sep"], &shown["threat_level"]), (&";".into(), &2.into()));
    }

    #[test]
    fn feed_metadata_of_misp() {
        let (folder, done) = import("defaults.json");
        assert!(done.stdout.contains("excluderegex is not supported"), "{}", done.stdout);
        assert!(done.stderr.contains("are added switched off"), "{}", done.stderr);
        assert_eq!(
            feeds(&folder, "enabled"),
            [
                ("example-osint-feed".into(), false.into()),
                ("panels-all".into(), false.into()),
                ("ssh-bruteforce-of-example.net".into(), true.into()),
                ("torlist".into(), true.into()),
            ]
        );
        let show = |id: &str| ok(folder.run(&["feeds", "show", id, "--json"])).json();
        let ssh = show("ssh-bruteforce-of-example.net");
        assert_eq!((&ssh["format"]["value_col"], &ssh["format"]["sep"]), (&3.into(), &"|".into()));
        assert_eq!(ssh["categories"], serde_json::json!(["attack"]));
        assert_eq!(ssh["headers"], serde_json::json!(["Accept", "X-Team"]), "without their values");
        // A document within a document within the document.
        assert_eq!(show("panels-all")["format"]["value_col"], 2);
        assert_eq!(show("torlist")["categories"], serde_json::json!(["tor"]));
    }

    #[test]
    fn addresses_of_ipsets() {
        let (folder, done) = import("ipsets.txt");
        assert!(done.stdout.contains("ipsets.txt:8: "), "{}", done.stdout);
        assert!(done.stdout.contains("write one a line"), "{}", done.stdout);
        let show = |id: &str| ok(folder.run(&["feeds", "show", id, "--json"])).json();
        let month = show("dshield_30d");
        // All windows of a list are one witness.
        assert_eq!(
            (&month["provider"], &month["source_group"]),
            (&"FireHOL".into(), &"dshield".into())
        );
        assert_eq!((&month["scope"], &month["aggregate"]), (&"range".into(), &false.into()));
        assert_eq!(show("firehol_level1")["aggregate"], true);
        assert_eq!(show("botscout_7d")["scope"], "address");
        assert_eq!(show("ours")["format"]["type"], "freetext");
    }

    #[test]
    fn what_is_imported_is_fetched_with_its_headers() {
        let server = Server::start(|head, to| {
            let asked = head.to_ascii_lowercase().contains("x-team: blue\r\n");
            let text = "# asn | name | ip\n1 | x | 93.184.216.34 | y\n";
            say(to, if asked { answer("200 OK", text) } else { answer("403 Forbidden", "") });
        });
        let folder = Folder::new();
        folder.write("none.toml", "");
        folder.write("artif.toml", "catalogue = 'none.toml'\n[fetch]\nretries = 0");
        let text = std::fs::read_to_string(sample("defaults.json")).unwrap();
        let address = format!("http://{}/", server.address());
        folder.write("ours.json", &text.replace("https://lists.example.net/", &address));
        ok(folder.run(&["feeds", "import", "ours.json", "--yes"]));
        ok(folder.run(&["refresh", "--feed", "ssh-bruteforce-of-example.net"]));
        assert_eq!(verdict(&folder, "93.184.216.34"), "dangerous");
        // As a catalogue the whole file has to be right, and the entry that is not is named.
        let strict = folder.run(&["refresh", "--dry-run", "--catalogue", "ours.json"]);
        assert_eq!(strict.code, 2);
        assert!(strict.stderr.contains("entry 4 (\"phishing pages\")"), "{}", strict.stderr);
        let id = "ssh-bruteforce-of-example.net";
        ok(folder.run(&["feeds", "remove", id]));
        assert_eq!(folder.run(&["feeds", "show", id]).code, 2);
    }

    #[test]
    fn what_is_no_catalogue() {
        let folder = Folder::new();
        for (text, says) in
            [("{", "line 1"), ("{\"a\": 1}", "no list of feeds"), ("192.0.2.1\n", "catalogue.x")]
        {
            folder.write("catalogue.x", text);
            let ended = folder.run(&["feeds", "import", "catalogue.x", "--yes"]);
            assert_eq!(ended.code, 2, "{text}: {}", ended.stdout);
            assert!(
                ended.stderr.contains(says) || ended.stderr.contains("catalogue.x:1"),
                "{}",
                ended.stderr
            );
        }
        assert_eq!(folder.run(&["feeds", "import", "absent.json"]).code, 2);
    }
}

#[test]
fn the_status_in_figures() {
    let documents = Documents::default();
    documents.put("/list.txt", "93.184.216.34\n93.184.216.35\n");
    let (folder, server) = (Folder::new(), documents.serve());
    configure(&folder, &server, "", "");
    ok(folder.run(&["refresh"]));
    let figures = || ok(folder.run(&["status", "--format", "prometheus"])).stdout;
    let text = figures();
    for line in [
        "artif_snapshot_id 1",
        "artif_networks{state=\"active\"} 2",
        "artif_feed_networks{feed=\"list\",kind=\"feed\"} 2",
        "artif_feed_stale{feed=\"list\",kind=\"feed\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(!text.contains("trouble_info{"), "{text}");

    documents.put("/list.txt", "");
    assert_eq!(folder.run(&["refresh"]).code, 1);
    let text = figures();
    assert!(text.contains("artif_feed_stale{feed=\"list\",kind=\"feed\"} 1\n"), "{text}");
    let trouble = text.lines().find(|line| line.starts_with("artif_feed_trouble_info{")).unwrap();
    assert!(trouble.contains("feed=\"list\"") && trouble.contains("it lists nothing"), "{trouble}");
    // Each metric is described once, before its values.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert_eq!(text.matches(&format!("# TYPE {name} gauge\n")).count(), 1, "{name}");
    }
}
