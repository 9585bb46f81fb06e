//! Warninglists: what they cap, what they only name, where they come from, and what survives.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, reason = "figures for people")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use artif_core::config::Config;
use artif_core::ledger::{Override, OverrideAction};
use artif_core::warninglist::Action;
use artif_core::{Engine, Feed, Outcome, Prefix, Reader, Reputation, ReputationEngine, Verdict};
use support::{corpus, is_acceptable, naive_networks, refresh};

/// A folder with a feed and, in `lists`, warninglists.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(feed: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("feed.txt"), feed).unwrap();
        std::fs::create_dir(folder.path().join("lists")).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn list(&self, name: &str, kind: &str, version: u32, entries: &[&str]) {
        let document = serde_json::json!({
            "name": format!("List {name}"), "description": "", "version": version, "type": kind,
            "matching_attributes": ["ip-src", "ip-dst"], "list": entries,
        });
        let path = self.path().join("lists").join(format!("{name}.json"));
        std::fs::write(path, document.to_string()).unwrap();
    }

    fn try_engine(&self, section: &str) -> artif_core::Result<Engine> {
        let toml =
            format!("[[feed]]\nid = 'bad'\nurl = 'file:feed.txt'\n[warninglists]\n{section}\n");
        std::fs::write(self.path().join("artif.toml"), toml).unwrap();
        let config = Config::load(self.path().join("artif.toml")).unwrap();
        Engine::builder().config(config).data(self.path().join("data")).build()
    }

    fn engine(&self, section: &str) -> Engine {
        self.try_engine(section).unwrap()
    }
}

fn check(engine: &impl ReputationEngine, ip: &str) -> Reputation {
    engine.check(ip.parse().unwrap())
}

fn names(answer: &Reputation) -> Vec<&str> {
    answer.warninglists().map(|list| list.name.as_str()).collect()
}

const BAD: &str = "8.8.8.8\n2001:4860:4860::8888\n198.41.0.0/24\n22.1.0.1\n22.2.0.1\n22.3.0.1\n";

#[test]
fn well_known_resolvers_are_capped_without_any_configuration() {
    let folder = Folder::new(BAD);
    let engine = folder.engine("");
    let report = refresh(&engine);
    assert_eq!((report.feeds.len(), report.warninglists.len()), (1, 0));
    let counts = &report.snapshot.counts;
    assert_eq!((counts.networks4, counts.networks6, counts.active, counts.listings), (5, 1, 6, 6));
    for ip in ["8.8.8.8", "2001:4860:4860::8888", "198.41.0.4", "::ffff:8.8.8.8"] {
        let answer = check(&engine, ip);
        assert_eq!((answer.verdict(), answer.score()), (Verdict::Triage, 40.0), "{ip}");
        assert!(answer.is_active() && answer.is_capped() && answer.labels().next().is_none());
        assert_eq!(answer.feeds().count(), 1, "the feed is named all the same");
    }
    // Around a root server, and beside a resolver.
    for ip in ["198.41.0.5", "22.1.0.1"] {
        let answer = check(&engine, ip);
        assert!(answer.verdict() == Verdict::Dangerous && answer.score() < 1.0, "{ip}");
        assert!(names(&answer).is_empty());
    }
    // Unlisted: named, and nothing is taken away.
    let quiet = check(&engine, "9.9.9.9");
    assert!(quiet.verdict() == Verdict::NoAction && quiet.score() > 98.0);
    assert_eq!(names(&quiet), ["Well-known public DNS resolvers"]);

    let json = serde_json::to_value(check(&engine, "8.8.8.8")).unwrap();
    assert_eq!(
        json["warninglists"],
        serde_json::json!([{
            "name": "Well-known public DNS resolvers", "category": "public-dns", "action": "cap"
        }])
    );
    for ip in ["8.8.8.8", "9.9.9.9", "22.1.0.1", "198.41.0.4"] {
        let explained = engine.explain(ip.parse().unwrap());
        let sum: f64 = explained.terms.iter().map(|term| term.contribution).sum();
        assert!((100.0 + sum - explained.reputation.score()).abs() < 1e-9, "{ip}");
        assert_eq!(explained.evidence.len(), explained.reputation.feeds().count(), "{ip}");
    }
    let text = engine.explain("8.8.8.8".parse().unwrap()).to_text();
    assert!(text.contains("public DNS resolver: capped"), "{text}");
    assert!(text.contains("on warninglist \"Well-known public DNS resolvers\""), "{text}");
    let past = engine.check_at("8.8.8.8".parse().unwrap(), chrono::Utc::now());
    assert_eq!(past.verdict, Verdict::Triage);

    // An operator's word is stronger.
    let block =
        Override::new("8.8.8.8".parse().unwrap(), OverrideAction::Block, chrono::Utc::now());
    engine.add_override(block).unwrap();
    assert_eq!(check(&engine, "8.8.8.8").verdict(), Verdict::Blocked);
    let status = engine.status();
    assert_eq!((status.feeds.len(), status.warninglists.len()), (1, 2));
}

#[test]
fn the_built_in_lists_can_be_left_out() {
    let folder = Folder::new(BAD);
    let engine = folder.engine("builtin = false");
    refresh(&engine);
    assert_eq!(check(&engine, "8.8.8.8").verdict(), Verdict::Dangerous);
    drop(engine);
    let engine = folder.engine("annotate = ['public-dns']");
    assert!(refresh(&engine).published, "another configuration, other answers");
    let answer = check(&engine, "8.8.8.8");
    assert_eq!((answer.verdict(), names(&answer).len()), (Verdict::Dangerous, 1));
    assert_eq!(check(&engine, "198.41.0.4").verdict(), Verdict::Triage);
}

#[test]
fn only_shared_infrastructure_is_capped() {
    let folder = Folder::new(BAD);
    folder.list("cloudflare", "cidr", 7, &["22.1.0.0/16", "10.0.0.0/8"]);
    folder.list("vpn-ipv4", "cidr", 8, &["22.2.0.0/16", "22.1.0.1"]);
    folder.list("amazon-aws", "cidr", 9, &["22.3.0.0/16"]);
    folder.list("rfc1918", "cidr", 5, &["22.3.0.1"]);
    folder.list("some-domains", "hostname", 1, &["example.com", "22.3.0.1"]);
    let engine = folder.engine("source = 'lists'");
    let report = refresh(&engine);
    assert_eq!(report.count(Outcome::Loaded), 1);
    assert_eq!(report.warninglists.len(), 4, "rfc1918 is not used");
    assert!(report.warninglists.iter().all(|list| list.outcome == Outcome::Loaded));

    let capped = check(&engine, "22.1.0.1");
    assert_eq!((capped.verdict(), names(&capped).len()), (Verdict::Triage, 2));
    for ip in ["22.2.0.1", "22.3.0.1"] {
        let answer = check(&engine, ip);
        assert!(answer.verdict() == Verdict::Dangerous && answer.score() < 1.0, "{ip}");
        assert_eq!(names(&answer).len(), 1, "{ip}");
    }
    assert_eq!(check(&engine, "10.0.0.1").verdict(), Verdict::NotApplicable);
    let lists = engine.status().warninglists;
    let find = |id: &str| lists.iter().find(|list| list.id == id).unwrap();
    assert_eq!(find("warninglist.some-domains").count, 0);
    let cdn = find("warninglist.cloudflare");
    let facts = cdn.warninglist.as_ref().unwrap();
    assert_eq!((&*cdn.name, cdn.count), ("List cloudflare", 1));
    assert_eq!(
        (&*facts.category, facts.action, facts.version.as_deref()),
        ("cdn", Action::Cap, Some("7"))
    );
    drop(engine);

    // The operator knows better, by list and by category.
    let engine = folder.engine("source = 'lists'\ncap = ['amazon-*']\nignore = ['cdn']");
    refresh(&engine);
    assert_eq!(check(&engine, "22.1.0.1").verdict(), Verdict::Dangerous);
    assert_eq!(check(&engine, "22.3.0.1").verdict(), Verdict::Triage);
}

#[test]
fn lists_survive_a_restart_and_the_loss_of_their_folder() {
    let folder = Folder::new(BAD);
    folder.list("cloudflare", "cidr", 7, &["22.1.0.0/16"]);
    refresh(&folder.engine("source = 'lists'"));
    let reader = Reader::open(folder.path().join("data")).unwrap();
    assert_eq!(check(&reader, "22.1.0.1").verdict(), Verdict::Triage);

    std::fs::rename(folder.path().join("lists"), folder.path().join("moved")).unwrap();
    let engine = folder.engine("source = 'lists'");
    assert_eq!(check(&engine, "22.1.0.1").verdict(), Verdict::Triage, "before any refresh");
    std::fs::write(folder.path().join("feed.txt"), format!("{BAD}22.1.0.2\n")).unwrap();
    let report = refresh(&engine);
    assert_eq!(report.warninglists[0].outcome, Outcome::Failed);
    let answer = check(&engine, "22.1.0.2");
    assert_eq!((answer.verdict(), names(&answer)), (Verdict::Triage, vec!["List cloudflare"]));
    let version = answer.warninglists().next().unwrap().warninglist.as_ref().unwrap();
    assert_eq!(version.version.as_deref(), Some("7"), "known from the snapshot");
    let problems = engine.status().problems;
    assert!(problems.iter().any(|p| p.contains("warninglist.cloudflare is stale")), "{problems:?}");
    drop(engine);

    // A folder that was never there is a mistake.
    let wrong = folder.try_engine("source = 'nowhere'");
    assert!(wrong.is_ok(), "what is known goes on");
    drop(wrong);
    let fresh = Folder::new(BAD);
    assert_eq!(fresh.try_engine("source = 'nowhere'").unwrap_err().code(), "ARTIF_IO");
}

#[test]
fn a_list_that_looks_broken_is_refused() {
    let folder = Folder::new(BAD);
    let many: Vec<String> = (0..200).map(|n| format!("22.1.{n}.0/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    folder.list("cloudflare", "cidr", 7, &many);
    let engine = folder.engine("source = 'lists'");
    refresh(&engine);
    for broken in
        ["<!DOCTYPE html><html>sign in", r#"{"list": []}"#, r#"{"list": ["22.1.0.1"]"#, "[]"]
    {
        std::fs::write(folder.path().join("lists/cloudflare.json"), broken).unwrap();
        let report = refresh(&engine);
        let outcome = report.warninglists[0].outcome;
        assert!(matches!(outcome, Outcome::Refused | Outcome::Failed), "{broken}: {report:?}");
        assert_eq!(check(&engine, "22.1.0.1").verdict(), Verdict::Triage, "{broken}");
    }
    folder.list("cloudflare", "cidr", 8, &many[1..]);
    refresh(&engine);
    assert_eq!(check(&engine, "22.1.0.1").verdict(), Verdict::Dangerous, "taken off the list");
}

#[test]
fn a_list_of_ones_own_in_any_format() {
    let folder = Folder::new(BAD);
    std::fs::write(folder.path().join("partners.txt"), "# ours\n22.2.0.0/24\n").unwrap();
    let config = Config::from_toml("[warninglists]\ncap = ['partners']").unwrap();
    let url = |name: &str| format!("file:{}", folder.path().join(name).display());
    let engine = Engine::builder()
        .config(config)
        .data(folder.path().join("data"))
        .feed(Feed::new("bad", &url("feed.txt")).unwrap())
        .feed(
            Feed::new("partners", &url("partners.txt"))
                .unwrap()
                .role(artif_core::Role::Warninglist),
        )
        .build()
        .unwrap();
    let report = refresh(&engine);
    assert_eq!((report.feeds.len(), report.warninglists.len(), engine.feeds().len()), (1, 1, 1));
    let answer = check(&engine, "22.2.0.1");
    assert_eq!((answer.verdict(), names(&answer)), (Verdict::Triage, vec!["partners"]));
}

/// What the corpus is known to hold that nobody should be blocked for.
#[test]
fn junk_in_real_feeds_is_never_dangerous() {
    let Some(corpus) = corpus() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.warninglists.source = Some(corpus.join("warninglists").to_str().unwrap().to_owned());
    let engine = Engine::builder()
        .config(config)
        .data(dir.path().join("data"))
        .catalogue(corpus.join("feeds.json"))
        .build()
        .unwrap();
    let report = refresh(&engine);
    assert_eq!(report.feeds.len(), 85);
    let bad: Vec<_> =
        report.warninglists.iter().filter(|list| list.outcome != Outcome::Loaded).collect();
    assert!(bad.is_empty(), "{bad:?}");
    println!("{} warninglists, {:?}", report.warninglists.len(), report.timings);

    let mut listed: BTreeSet<Prefix> = BTreeSet::new();
    let mut junk: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
    for feed in engine.feeds() {
        let path = feed.url.strip_prefix("file:").unwrap().to_owned();
        for prefix in naive_networks(path.as_ref()) {
            if prefix.special_purpose().is_some() && prefix.is_host() {
                junk.entry("special-purpose").or_default().insert(prefix.address());
            }
            if is_acceptable(prefix) {
                listed.insert(prefix);
            }
        }
    }
    // An address is of a class if the class's lists hold it and a feed lists it or around it.
    let list = |name: &str| -> Vec<Prefix> {
        let path = corpus.join("warninglists").join(format!("{name}.json"));
        let document: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let entries = document["list"].as_array().unwrap().iter();
        entries.filter_map(|entry| entry.as_str().unwrap().parse().ok()).collect()
    };
    for (class, lists) in [
        ("public-dns", &["public-dns-v4", "public-dns-v6"][..]),
        ("cdn", &["akamai", "bunny-net", "cloudflare", "fastly", "stackpath"]),
        ("search-bot", &["googlebot", "openai-gptbot"]),
        ("mail", &["google-gmail-sending-ips", "smtp-sending-ips", "smtp-receiving-ips"]),
        ("pki", &["crl-ip"]),
    ] {
        let ranges: Vec<Prefix> = lists.iter().flat_map(|name| list(name)).collect();
        let hosts: BTreeSet<Prefix> = ranges.iter().copied().filter(|p| p.is_host()).collect();
        let wide: Vec<Prefix> = ranges.into_iter().filter(|p| !p.is_host()).collect();
        let found = listed
            .iter()
            .filter(|p| p.is_host())
            .filter(|p| hosts.contains(p) || wide.iter().any(|range| range.contains(p.address())));
        junk.insert(class, found.map(|prefix| prefix.address()).collect());
    }
    let sans: BTreeSet<IpAddr> = naive_networks(&corpus.join("feeds/cps-sans.txt"))
        .into_iter()
        .map(Prefix::address)
        .collect();
    let resolvers = &junk["public-dns"];
    let of_sans: BTreeSet<IpAddr> = sans.intersection(resolvers).copied().collect();
    assert_eq!((sans.len(), of_sans.len()), (106_838, 62_605));
    junk.insert("public-dns in cps-sans", of_sans);

    println!("{:24} {:>8} {:>10} {:>8}", "class", "listed", "dangerous", "triage");
    for (class, addresses) in &junk {
        let verdicts: Vec<Verdict> =
            addresses.iter().map(|ip| engine.check(*ip).verdict()).collect();
        let count = |of: Verdict| verdicts.iter().filter(|verdict| **verdict == of).count();
        let dangerous = count(Verdict::Dangerous);
        println!("{class:24} {:>8} {dangerous:>10} {:>8}", addresses.len(), count(Verdict::Triage));
        assert!(!addresses.is_empty(), "{class}");
        assert_eq!(dangerous, 0, "{class}");
    }
    // Attackers behind clouds and VPNs stay what they are.
    let vpn = list("vpn-ipv4");
    let behind = listed
        .iter()
        .filter(|p| p.is_host())
        .take(200_000)
        .step_by(37)
        .filter(|p| vpn.iter().any(|range| range.contains(p.address())));
    let (mut dangerous, mut named) = (0, 0);
    for prefix in behind {
        let answer = engine.check(prefix.address());
        dangerous += usize::from(answer.verdict() == Verdict::Dangerous);
        named += usize::from(answer.warninglists().next().is_some());
        assert!(answer.verdict() == Verdict::Dangerous || answer.is_capped(), "{}", answer.ip());
    }
    println!("behind a VPN, of a sample: {dangerous} dangerous, {named} named");
    assert!(dangerous > 100 && named >= dangerous);
}

/// Each resolver built in is on the project's lists of resolvers, or beside one that is.
#[test]
fn built_in_resolvers_are_confirmed_by_the_full_lists() {
    let Some(corpus) = corpus() else { return };
    let read = |path: &Path| -> Vec<IpAddr> {
        let document: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let entries = document["list"].as_array().unwrap().iter();
        entries.map(|entry| entry.as_str().unwrap().parse().unwrap()).collect()
    };
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/warninglist/public-dns.json");
    let mut known = BTreeSet::new();
    for name in ["public-dns-v4", "public-dns-v6"] {
        known.extend(read(&corpus.join("warninglists").join(format!("{name}.json"))));
    }
    let around = |ip: IpAddr| Prefix::new(ip, if ip.is_ipv4() { 24 } else { 48 }).unwrap();
    let built_in = read(&built_in);
    let confirmed: Vec<Prefix> =
        built_in.iter().filter(|ip| known.contains(ip)).map(|ip| around(*ip)).collect();
    for ip in &built_in {
        assert!(confirmed.contains(&around(*ip)), "{ip}");
    }
    assert!(built_in.len() > 100 && confirmed.len() > 80, "{} {}", built_in.len(), confirmed.len());
}
