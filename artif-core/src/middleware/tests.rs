#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use super::{Action, Gatekeeper, Middleware, Mode, Reference, Unknown};
use crate::ledger::{Override, OverrideAction};
use crate::{Engine, Feed, RefreshOptions, Verdict};

fn engine(dir: &std::path::Path) -> Engine {
    let list = dir.join("list.txt");
    std::fs::write(&list, "93.184.216.34\n10.1.2.3\n").unwrap();
    let feed = Feed::new("mine", &format!("file:{}", list.display())).unwrap();
    let engine = Engine::builder().in_memory().feed(feed).build().unwrap();
    engine.refresh(&RefreshOptions::default()).unwrap();
    let now = chrono::Utc::now();
    for (prefix, action) in
        [("8.8.4.4/32", OverrideAction::Block), ("93.184.216.0/31", OverrideAction::Allow)]
    {
        engine.add_override(Override::new(prefix.parse().unwrap(), action, now)).unwrap();
    }
    engine
}

fn action(options: &Middleware, engine: &Engine, client: &str) -> Action {
    let ruling = Gatekeeper::new(options).unwrap().rule(engine, client.parse().ok());
    assert_eq!(ruling.reference.is_some(), ruling.action != Action::Pass);
    ruling.action
}

#[test]
fn rulings() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let enforce = Middleware { mode: Mode::Enforce, ..Middleware::default() };
    let monitor = Middleware::default();
    for (client, ruled, watched) in [
        ("93.184.216.34", Action::Block, Action::Flag),
        ("93.184.216.35", Action::Pass, Action::Pass),
        ("93.184.216.1", Action::Pass, Action::Pass),
        ("8.8.4.4", Action::Block, Action::Flag),
        ("10.1.2.3", Action::Pass, Action::Pass),
        ("not known", Action::Pass, Action::Pass),
    ] {
        assert_eq!(action(&enforce, &engine, client), ruled, "{client}");
        assert_eq!(action(&monitor, &engine, client), watched, "{client}");
    }
    let closed = Middleware { unknown: Unknown::Block, ..enforce.clone() };
    assert_eq!(action(&closed, &engine, "not known"), Action::Block);
    let nothing = Middleware { block: Vec::new(), ..enforce.clone() };
    assert_eq!(action(&nothing, &engine, "93.184.216.34"), Action::Pass);
    assert_eq!(action(&nothing, &engine, "8.8.4.4"), Action::Block, "an operator's block counts");
    let by_score = Middleware { block_below: Some(50.0), block: Vec::new(), ..enforce.clone() };
    assert_eq!(action(&by_score, &engine, "93.184.216.34"), Action::Block);
    assert_eq!(action(&by_score, &engine, "1.1.1.1"), Action::Pass, "an unknown address");
    let triage = Middleware { block: vec![Verdict::NoAction], ..enforce };
    assert_eq!(action(&triage, &engine, "1.1.1.1"), Action::Block);
    assert_eq!(action(&triage, &engine, "93.184.216.1"), Action::Pass, "allowed by an operator");
}

#[test]
fn exempt_paths_are_literal() {
    let options =
        Middleware { exempt: vec!["/health".into(), "/static/*".into()], ..Middleware::default() };
    let gatekeeper = Gatekeeper::new(&options).unwrap();
    for path in ["/health", "/static/", "/static/a/b.css", "/static/.well-known"] {
        assert!(gatekeeper.is_exempt(path), "{path}");
    }
    for path in [
        "/",
        "",
        "/health/",
        "/Health",
        "/static",
        "/x/static/a",
        "/static/../login",
        "/static/./a",
        "/static//login",
        "/static/..;/login",
        "/static/%2e%2e/login",
        "/static/..\\login",
        "/static/a\0",
        "/static/..",
    ] {
        assert!(!gatekeeper.is_exempt(path), "{path}");
    }
    for pattern in ["", "health", "*", "/a*b", "/a/*/b", "/%20", "/a/../b"] {
        let options = Middleware { exempt: vec![pattern.into()], ..Middleware::default() };
        assert_eq!(Gatekeeper::new(&options).unwrap_err().code(), "ARTIF_INVALID", "{pattern}");
    }
    let all = Middleware { exempt: vec!["/*".into()], ..Middleware::default() };
    assert!(Gatekeeper::new(&all).unwrap().is_exempt("/anything"));
}

#[test]
fn options_that_contradict_each_other() {
    let both = Middleware {
        trusted_proxies: vec!["10.0.0.0/8".into()],
        trusted_hops: Some(1),
        ..Middleware::default()
    };
    assert!(Gatekeeper::new(&both).unwrap_err().to_string().contains("choose one"));
    let above = Middleware { block_below: Some(101.0), ..Middleware::default() };
    assert_eq!(above.problem().unwrap().0, "block_below");
    assert_eq!(Middleware::default().problem(), None);
    assert!(serde_json::from_str::<Middleware>(r#"{"mod": "enforce"}"#).is_err());
}

#[test]
fn references_differ() {
    let many: HashSet<Reference> = (0..10_000).map(|_| Reference::new()).collect();
    assert_eq!(many.len(), 10_000);
}
