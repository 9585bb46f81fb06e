//! How a MISP server is reached and believed, and what becomes a feed of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use artif_core::misp::SyncReport;
use artif_core::{Config, Engine, Outcome};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use support::misp_server::{KEY, Misp};
use support::proxy::Proxy;
use support::refresh;

const NOW: u64 = 1_786_000_000;

fn engine(url: &str, key: &Path, extra: &str) -> Engine {
    let text = format!(
        "catalogue = []\n[fetch]\nretries = 0\n[misp]\nurl = '{url}'\nkey = 'file:{}'\n{extra}",
        key.display()
    );
    Engine::builder().config(Config::from_toml(&text).unwrap()).in_memory().build().unwrap()
}

fn sync(url: &str, key: &Path, extra: &str) -> SyncReport {
    refresh(&engine(url, key, extra)).misp.remove(0)
}

fn key_in(dir: &Path) -> std::path::PathBuf {
    let key = dir.join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    key
}

fn fill(misp: &Misp) {
    let mut store = misp.store();
    for (event, org, tags, address) in [
        ("one", "CERT A", vec!["c2", "tlp:green"], "60.0.0.1"),
        ("two", "CERT A", vec!["scanner"], "60.0.0.2"),
        ("three", "CERT B", vec!["c2", "tlp:red"], "60.0.0.3"),
    ] {
        let id = store.add_event(event, 2, &tags);
        org.clone_into(&mut store.events.get_mut(&id).unwrap().org);
        store.add(id, "ip-dst", address);
    }
    let (id, _) = store.attributes.iter().next_back().map(|(id, a)| (*id, a.event)).unwrap();
    store.edit(id, |a| a.tags = vec!["scanner".to_owned()]);
}

struct Made {
    server: Arc<ServerConfig>,
    pem: String,
}

fn made(clients: Option<RootCertStore>) -> Made {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "misp.example".to_owned()])
            .unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let server = builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    Made { server: Arc::new(server), pem: made.cert.pem() }
}

#[test]
fn only_servers_that_are_believed_hear_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_in(dir.path());
    let made = made(None);
    let misp = Misp::start_tls(NOW, made.server);
    fill(&misp);
    let url = format!("https://localhost:{}/misp", misp.server.address().port());
    let report = sync(&url, &key, "");
    assert!(report.error.unwrap().contains("[misp-tls]"));
    assert!(misp.store().log.is_empty(), "nothing was said to it");

    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, made.pem).unwrap();
    let report = sync(&url, &key, &format!("ca_file = '{}'", ca.display()));
    assert_eq!((report.error, report.attributes), (None, 3), "below a path, too");
    let report = sync(&url, &key, "tls_verify = false");
    assert_eq!((report.error, report.attributes), (None, 3));
}

#[test]
fn a_server_may_want_a_certificate_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_in(dir.path());
    let ours = rcgen::generate_simple_self_signed(["artif".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ours.cert.der().clone()).unwrap();
    let made = made(Some(roots));
    let misp = Misp::start_tls(NOW, made.server);
    fill(&misp);
    let (ca, cert, private) =
        (dir.path().join("ca.pem"), dir.path().join("cert.pem"), dir.path().join("cert.key"));
    std::fs::write(&ca, made.pem).unwrap();
    std::fs::write(&cert, ours.cert.pem()).unwrap();
    let der = PrivatePkcs8KeyDer::from(ours.signing_key.serialize_der());
    assert!(!der.secret_pkcs8_der().is_empty());
    std::fs::write(&private, ours.signing_key.serialize_pem()).unwrap();
    let url = format!("https://localhost:{}/", misp.server.address().port());
    let trust = format!("ca_file = '{}'\n", ca.display());
    let refused = sync(&url, &key, &trust);
    assert_eq!(refused.outcome, Outcome::Failed);
    assert!(misp.store().log.is_empty());
    let shown =
        format!("{trust}client_cert = '{}'\nclient_key = '{}'", cert.display(), private.display());
    assert_eq!(sync(&url, &key, &shown).error, None);
    std::fs::write(&private, "no key").unwrap();
    let error = sync(&url, &key, &shown).error.unwrap();
    assert!(error.contains("[misp-setup]") && error.contains("cert.key"), "{error}");
}

#[test]
fn a_server_behind_a_proxy() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_in(dir.path());
    // Neither name is known here: only the proxy finds the server.
    let misp = Misp::start(NOW);
    fill(&misp);
    let plain = format!("http://misp.example:{}/misp/", misp.server.address().port());
    let made = made(None);
    let secured = Misp::start_tls(NOW, made.server);
    fill(&secured);
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, made.pem).unwrap();
    let https = format!("https://misp.example:{}/", secured.server.address().port());

    let proxy = Proxy::start(None);
    let own = format!("proxy = '{}'", proxy.url());
    let report = sync(&plain, &key, &own);
    assert_eq!((report.error, report.attributes), (None, 3));
    assert_eq!(proxy.heads().len(), misp.store().log.len(), "all of it went this way");
    assert!(proxy.heads()[0].starts_with("GET http://misp.example:"));

    // A tunnel: the proxy hears where to, and neither the key nor what is asked.
    let report = sync(&https, &key, &format!("{own}\nca_file = '{}'", ca.display()));
    assert_eq!((report.error, report.attributes), (None, 3));
    let heads = proxy.heads().split_off(misp.store().log.len());
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with("CONNECT misp.example:"), "{head}");
        assert!(!head.contains(KEY) && !head.contains("restSearch"), "{head}");
    }
    // Whose certificate is not believed is not believed through a proxy either.
    assert!(sync(&https, &key, &own).error.unwrap().contains("[misp-tls]"));

    // That of the fetcher, with its credentials; without them, and where nobody listens.
    let wary = Proxy::start(Some("Basic dXNlcjpwYXNz"));
    let password = dir.path().join("password");
    std::fs::write(&password, "pass").unwrap();
    let of_fetcher = |url: &str, fetch: &str, extra: &str| {
        let text = format!(
            "catalogue = []\n[fetch]\nretries = 0\n{fetch}\n[misp]\nurl = '{url}'\nkey = 'file:{}'\n{extra}",
            key.display()
        );
        let config = Config::from_toml(&text).unwrap();
        refresh(&Engine::builder().config(config).in_memory().build().unwrap()).misp.remove(0)
    };
    let auth =
        format!("proxy = '{}'\nproxy_auth = 'basic:user file:{}'", wary.url(), password.display());
    assert_eq!(of_fetcher(&plain, &auth, "").error, None);
    let trust = format!("ca_file = '{}'", ca.display());
    assert_eq!(of_fetcher(&https, &auth, &trust).error, None);
    let refused = of_fetcher(&https, &format!("proxy = '{}'", wary.url()), &trust).error.unwrap();
    assert!(refused.contains("[misp-unreachable]") && refused.contains("proxy"), "{refused}");
    let nobody = "proxy = 'http://127.0.0.1:1'";
    let error = of_fetcher(&plain, nobody, "").error.unwrap();
    assert!(error.contains("[misp-unreachable]"), "{error}");
    let direct = of_fetcher(&misp.server.url("/"), nobody, "proxy = 'none'");
    assert_eq!(direct.error, None);
}

#[test]
fn keys_are_read_where_they_are_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let misp = Misp::start(NOW);
    fill(&misp);
    let url = misp.server.url("/");
    let missing = sync(&url, &dir.path().join("nowhere"), "").error.unwrap();
    assert!(missing.contains("[misp-setup]") && missing.contains("nowhere"), "{missing}");
    let wrong = dir.path().join("wrong");
    std::fs::write(&wrong, "hunter2hunter2").unwrap();
    let rejected = sync(&url, &wrong, "").error.unwrap();
    assert!(rejected.contains("[misp-key-rejected]") && !rejected.contains("hunter2"));
    let fine = engine(&url, &key_in(dir.path()), "");
    assert_eq!(refresh(&fine).misp[0].error, None);
    assert!(!format!("{:?}", fine.config()).contains(KEY));
}

#[test]
fn organisations_feeds_tags_or_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_in(dir.path());
    let misp = Misp::start(NOW);
    fill(&misp);
    let counts = |extra: &str| -> Vec<(String, u64)> {
        let engine = engine(&misp.server.url("/"), &key, extra);
        assert_eq!(refresh(&engine).misp[0].error, None);
        let feeds = artif_core::ReputationEngine::status(&engine).feeds;
        feeds.into_iter().map(|feed| (feed.id, feed.count)).collect()
    };
    let expect = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
        list.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect()
    };
    assert_eq!(counts("feeds = 'one'"), expect(&[("misp.all", 3)]));
    assert_eq!(counts("feeds = 'org'"), expect(&[("misp.cert-a", 2), ("misp.cert-b", 1)]));
    assert_eq!(
        counts("feeds = 'tag'\ntags = ['c2', 'scan*']"),
        expect(&[("misp.c2", 2), ("misp.scanner", 2)]),
        "tags of attributes beside those of events"
    );
    {
        let mut store = misp.store();
        let feed = |id: &str, name: &str, event: &str| {
            serde_json::json!({
                "id": id, "name": name, "provider": "P", "url": "http://127.0.0.1:9/list",
                "enabled": true, "source_format": "freetext", "event_id": event,
            })
        };
        let event = *store.events.keys().next().unwrap();
        store.feeds.insert(7, feed("7", "Their list", &event.to_string()));
        // This one makes an event each time.
        store.feeds.insert(8, feed("8", "Moving list", "0"));
        for address in ["60.0.0.4", "60.0.0.5"] {
            let event = store.add_event("Moving list feed", 1, &[]);
            store.add(event, "ip-dst", address);
        }
    }
    let of_feeds = counts("feeds = 'feed'");
    let named: Vec<_> = of_feeds.iter().filter(|(id, _)| id.ends_with("list")).cloned().collect();
    assert_eq!(named, expect(&[("misp.moving-list", 2), ("misp.their-list", 1)]));
    assert_eq!(of_feeds.len(), 4, "{of_feeds:?}");
    misp.store().events.retain(|_, event| event.info != "Moving list feed");
    misp.store().feeds.clear();
    assert_eq!(counts("feeds = 'one'\nnot_tags = ['TLP:red']"), expect(&[("misp.all", 2)]));
    assert_eq!(counts("feeds = 'org'\nnot_orgs = ['cert a']"), expect(&[("misp.cert-b", 1)]));
    assert_eq!(counts("feeds = 'one'\ntags = ['scanner']"), expect(&[("misp.all", 2)]));
}
