//! What servers answer, and what becomes of it.

use super::*;

fn serve(response: Vec<u8>) -> Server {
    Server::start(move |_, to| {
        say(to, &response);
    })
}

#[test]
fn a_plain_document() {
    let server = serve(answer("200 OK\nETag: \"v1\"\nLast-Modified: yesterday", "192.0.2.1\n"));
    let Fetched::Document { validators, .. } = fetch(&server.url("/list?key=1")).unwrap() else {
        panic!("unchanged")
    };
    assert_eq!(validators.etag.as_deref(), Some("\"v1\""));
    assert_eq!(validators.last_modified.as_deref(), Some("yesterday"));
    assert_eq!(validators.content, None);
    assert_eq!(text(fetch(&server.url("/list?key=1")).unwrap()), "192.0.2.1\n");
    let head = server.requests()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /list?key=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nuser-agent: artif/"), "{head}");
    assert!(head.contains("\r\naccept-encoding: gzip, br, zstd\r\n"), "{head}");
    assert!(!head.contains("\r\nif-"), "{head}");
}

#[test]
fn a_configured_user_agent() {
    let server = serve(answer("200 OK", ""));
    let options = FetchOptions { user_agent: Some("us (x@y)".into()), ..once() };
    fetch_with(request(&server.url("/")), &options).unwrap();
    assert!(server.requests()[0].contains("\r\nuser-agent: us (x@y)\r\n"));
}

#[test]
fn a_packed_document() {
    let list = "198.51.100.7\n".repeat(300_000);
    let (head, tail) = list.as_bytes().split_at(1_000);
    for encoding in ["gzip", "GZIP", "x-gzip"] {
        // Two members, as a server makes that appends to a packed file.
        let body = [gzip(head), gzip(tail)].concat();
        let server = serve(answer(&format!("200 OK\nContent-Encoding: {encoding}"), body));
        // Beyond what is kept in memory.
        assert_eq!(text(fetch(&server.url("/")).unwrap()), list);
    }
}

#[test]
fn documents_without_content() {
    for head in ["200 OK", "200 OK\nContent-Encoding: gzip"] {
        assert_eq!(text(fetch(&serve(answer(head, "")).url("/")).unwrap()), "");
    }
    let server = serve(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec());
    assert_eq!(text(fetch(&server.url("/")).unwrap()), "");
}

#[test]
fn encodings_nobody_asked_for() {
    for encoding in
        ["deflate", "gzip, gzip", "gzip\nContent-Encoding: gzip", "br\nContent-Encoding: gzip"]
    {
        let server = serve(answer(&format!("200 OK\nContent-Encoding: {encoding}"), "x"));
        let (reason, retryable) = failed(fetch(&server.url("/")));
        assert!(reason.starts_with("sent in the encoding"), "{reason}");
        assert!(!retryable);
    }
}

#[test]
fn unchanged_documents() {
    let server = Server::start(|head, to| {
        let asked = |line: &str| head.to_ascii_lowercase().contains(line);
        let same =
            asked("\r\nif-none-match: \"v1\"\r\n") || asked("\r\nif-modified-since: then\r\n");
        say(to, answer(if same { "304 Not Modified" } else { "200 OK" }, ""));
    });
    let ask = |etag: Option<&str>, last_modified: Option<&str>| {
        let mut request = request(&server.url("/"));
        request.validators.etag = etag.map(str::to_owned);
        request.validators.last_modified = last_modified.map(str::to_owned);
        fetch_with(request, &once()).unwrap()
    };
    assert!(matches!(ask(Some("\"v1\""), None), Fetched::Unchanged));
    assert!(matches!(ask(None, Some("then")), Fetched::Unchanged));
    assert!(matches!(ask(Some("\"v0\""), Some("now")), Fetched::Document { .. }));
    assert!(matches!(ask(None, None), Fetched::Document { .. }));
    // From a damaged ledger, say: not sent, no failure.
    assert!(matches!(ask(Some("v\r\nX: y"), None), Fetched::Document { .. }));
}

#[test]
fn unchanged_since_nothing() {
    let server = serve(answer("304 Not Modified", ""));
    let (reason, _) = failed(fetch(&server.url("/")));
    assert_eq!(reason, "the server answered 304 Not Modified");
}

#[test]
fn overlong_validators_are_not_kept() {
    let tag = format!("\"{}\"", "x".repeat(600));
    let server = serve(answer(&format!("200 OK\nETag: {tag}\nLast-Modified:"), ""));
    let Fetched::Document { validators, .. } = fetch(&server.url("/")).unwrap() else {
        panic!("unchanged")
    };
    assert_eq!(validators, Validators::default());
}

#[test]
fn which_refusals_are_worth_another_try() {
    for (status, again) in [
        ("202 Accepted", true),
        ("206 Partial Content", false),
        ("301 Moved Permanently", false),
        ("400 Bad Request", false),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("404 Not Found", false),
        ("408 Request Timeout", true),
        ("410 Gone", false),
        ("425 Too Early", true),
        ("429 Too Many Requests", true),
        ("500 Internal Server Error", true),
        ("502 Bad Gateway", true),
        ("503 Service Unavailable", true),
        ("504 Gateway Timeout", true),
    ] {
        let server = serve(answer(status, "an explanation"));
        let (reason, retryable) = failed(fetch(&server.url("/")));
        assert!(reason.starts_with(&format!("the server answered {status}")), "{reason}");
        assert_eq!(retryable, again, "{status}");
    }
}

#[test]
fn five_redirects_are_followed() {
    let server = Server::start(|head, to| {
        let left: u32 = path_of(head)[1..].parse().unwrap();
        if left == 0 {
            say(to, answer("200 OK", "there"));
        } else {
            let code = [301, 302, 303, 307, 308][left as usize % 5];
            say(to, answer(&format!("{code} Over\nLocation: /{}", left - 1), "not this"));
        }
    });
    assert_eq!(text(fetch(&server.url("/5")).unwrap()), "there");
    assert_eq!(server.requests().len(), 6);
    let (reason, retryable) = failed(fetch(&server.url("/6")));
    assert_eq!((reason.as_str(), retryable), ("more than 5 redirects", false));
    assert_eq!(server.requests().len(), 12, "the seventh request was never made");
}

#[test]
fn conditions_go_along_with_redirects() {
    let server = Server::start(|head, to| match path_of(head) {
        "/a" => say(to, answer("302 Found\nLocation: b", "")),
        _ => say(to, answer("304 Not Modified", "")),
    });
    let mut request = request(&server.url("/a"));
    request.validators.etag = Some("\"v1\"".into());
    let fetched = fetch_with(request, &once()).unwrap();
    assert!(matches!(fetched, Fetched::Unchanged));
    assert!(server.requests()[1].contains("\"v1\""));
}

#[test]
fn redirects_to_other_private_hosts_are_refused() {
    let inner = serve(answer("200 OK", "secret"));
    for host in ["localhost", "127.0.0.2", "[::1]", "0x7f.2"] {
        let location = format!("http://{host}:{}/?token=1", inner.address().port());
        let server = serve(answer(&format!("302 Found\nLocation: {location}"), ""));
        let (reason, retryable) = failed(fetch(&server.url("/")));
        assert!(reason.contains("refused"), "{reason}");
        assert!(!reason.contains("token"), "{reason}");
        assert!(!retryable);
    }
    assert!(inner.requests().is_empty());
}

#[test]
fn names_that_lead_to_private_addresses() {
    let server = serve(answer("200 OK", "inside"));
    let address = server.address();
    let surroundings =
        Surroundings { lookup: std::sync::Arc::new(move |_| Ok(vec![address])), roots: None };
    let url = format!("http://feeds.example:{}/", address.port());
    let (reason, retryable) = failed(fetch_in(&surroundings, &url, &once()));
    assert_eq!(
        reason,
        "cannot connect: feeds.example leads to 127.0.0.1, which is Loopback; if that is meant, \
         set `fetch.allow_private`"
    );
    assert!(!retryable);
    assert!(server.requests().is_empty(), "not even a connection with a request");

    let allowed = FetchOptions { allow_private: true, ..once() };
    assert_eq!(text(fetch_in(&surroundings, &url, &allowed).unwrap()), "inside");
    assert!(server.requests()[0].contains(&format!("\r\nhost: feeds.example:{}", address.port())));

    // Who writes this into a configuration means it.
    let local = format!("http://localhost:{}/", address.port());
    let fetched = fetch_in(&surroundings, &local, &once());
    assert_eq!(text(fetched.unwrap()), "inside");
}

#[test]
fn a_redirect_through_a_public_name_into_the_machine() {
    let inner = serve(answer("200 OK", "secret"));
    let address = inner.address();
    let surroundings =
        Surroundings { lookup: std::sync::Arc::new(move |_| Ok(vec![address])), roots: None };
    let location = format!("http://rebound.example:{}/", address.port());
    let outer = serve(answer(&format!("302 Found\nLocation: {location}"), ""));
    let (reason, _) = failed(fetch_in(&surroundings, &outer.url("/"), &once()));
    assert!(reason.contains("rebound.example leads to 127.0.0.1"), "{reason}");
    assert!(inner.requests().is_empty());
}

#[test]
fn names_that_lead_nowhere() {
    let surroundings = Surroundings {
        lookup: std::sync::Arc::new(|_| Err(std::io::Error::other("no such name"))),
        roots: None,
    };
    let fetched = fetch_in(&surroundings, "http://gone.example/", &once());
    assert_eq!(failed(fetched), ("cannot connect: no such name".to_owned(), true));
}

#[test]
fn secrets_in_addresses_are_used_and_never_shown() {
    let server = serve(answer("404 Not Found", ""));
    let url = format!("http://user:pass@{}/list?key=secret#frag", server.address());
    let error = fetch(&url).unwrap_err();
    let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(server.requests()[0].contains("authorization: Basic dXNlcjpwYXNz\r\n"));
    assert!(shown.contains("/list"), "{shown}");

    // A failure inside the HTTP library, whose errors carry the address.
    let unheard = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fetch(&format!("http://user:pass@{unheard}/list?key=secret#frag")).unwrap_err();
    assert!(error.to_string().contains("failed: cannot connect: "), "{error}");
    assert!(error.is_retryable());
    let source = std::error::Error::source(&error).unwrap();
    let shown = format!("{shown} {error} {error:?} {source} {source:?}");
    for secret in ["user", "pass", "key", "secret", "frag"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn addresses_that_cannot_be_fetched() {
    for (url, expected) in [
        ("gopher://feeds.example/", "only https:, http: and file: can be fetched"),
        ("https://", "not a URL: empty host"),
        ("no scheme", "not a URL: relative URL without a base"),
    ] {
        assert_eq!(failed(fetch(url)), (expected.to_owned(), false), "{url}");
    }
}

mod tls {
    use std::sync::Arc;

    use super::*;

    /// A server whose certificate nobody signed, and roots that trust it.
    fn certificate(name: &str) -> (Arc<rustls::ServerConfig>, rustls::RootCertStore) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let der = made.cert.der().clone();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der).unwrap();
        (Arc::new(config), roots)
    }

    fn url(server: &Server) -> String {
        format!("https://localhost:{}/", server.address().port())
    }

    fn trusting(server: &Server, roots: rustls::RootCertStore) -> Surroundings {
        let address = server.address();
        Surroundings { lookup: Arc::new(move |_| Ok(vec![address])), roots: Some(roots) }
    }

    #[test]
    fn servers_are_authenticated() {
        let (config, roots) = certificate("localhost");
        let server = Server::start_tls(config, |_, to| say(to, answer("200 OK", "hello")));
        let trusted = trusting(&server, roots);
        let options = once();
        assert_eq!(text(fetch_in(&trusted, &url(&server), &options).unwrap()), "hello");

        // The same server, trusted by nobody but itself.
        let strangers = Surroundings { roots: None, ..trusted };
        let (reason, retryable) = failed(fetch_in(&strangers, &url(&server), &options));
        let expected = ["cannot connect: TLS: invalid peer certificate", "no server can be"];
        assert!(expected.iter().any(|start| reason.starts_with(start)), "{reason}");
        assert!(!retryable);
        assert_eq!(server.requests().len(), 1, "nothing was said to the stranger");
    }

    #[test]
    fn a_certificate_for_another_name() {
        let (config, roots) = certificate("other.example");
        let server = Server::start_tls(config, |_, to| say(to, answer("200 OK", "hello")));
        let fetched = fetch_in(&trusting(&server, roots), &url(&server), &once());
        let (reason, retryable) = failed(fetched);
        assert!(reason.contains("TLS: invalid peer certificate"), "{reason}");
        assert!(!retryable);
    }

    #[test]
    fn encryption_is_not_given_up() {
        let (config, roots) = certificate("localhost");
        let plain = Server::start(|_, to| say(to, answer("200 OK", "plain")));
        let location = format!("http://localhost:{}/", plain.address().port());
        let server = Server::start_tls(config, move |_, to| {
            say(to, answer(&format!("301 Moved\nLocation: {location}"), ""));
        });
        let fetched = fetch_in(&trusting(&server, roots), &url(&server), &once());
        let (reason, _) = failed(fetched);
        assert!(reason.ends_with("refused: it gives up encryption"), "{reason}");
        assert!(plain.requests().is_empty());
    }

    #[test]
    fn a_server_that_does_not_speak_tls() {
        let server = Server::start(|_, to| say(to, answer("200 OK", "plain")));
        let (_, roots) = certificate("localhost");
        let fetched = fetch_in(&trusting(&server, roots), &url(&server), &impatient());
        assert!(failed(fetched).0.starts_with("timed out: connecting"));
    }
}
