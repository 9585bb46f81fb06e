//! Keys: shown where they belong, and nowhere else.

use super::*;

const SECRET: &str = "hunter2";

fn with_auth(url: &str, how: &str) -> (Request, tempfile::NamedTempFile) {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{SECRET}").unwrap();
    let mut request = request(url);
    request.auth = Some(format!("{how} file:{}", file.path().display()).parse().unwrap());
    (request, file)
}

fn lines(head: &str) -> Vec<String> {
    head.to_ascii_lowercase().lines().map(str::to_owned).collect()
}

#[test]
fn every_way_to_show_a_key() {
    let server = Server::start(|_, to| say(to, answer("200 OK", "x")));
    for (how, expected) in [
        ("bearer", "authorization: bearer hunter2"),
        ("basic:me", "authorization: basic bwu6ahvudgvymg=="),
        ("header:X-Key", "x-key: hunter2"),
        ("query:key", "get /list?a=b&key=hunter2 http/1.1"),
    ] {
        let (request, _file) = with_auth(&server.url("/list?a=b"), how);
        fetch_with(request, &once()).unwrap();
        let head = server.requests().pop().unwrap();
        assert!(lines(&head).contains(&expected.to_owned()), "{head}");
    }
}

#[test]
fn headers_of_a_feed() {
    let server = Server::start(|_, to| say(to, answer("200 OK", "x")));
    let mut request = request(&server.url("/"));
    request.headers = vec![("X-Team".into(), "blue".into())];
    request.user_agent = Some("us (x@y)".into());
    fetch_with(request, &once()).unwrap();
    let head = lines(&server.requests()[0]);
    for line in ["x-team: blue", "user-agent: us (x@y)"] {
        assert!(head.contains(&line.to_owned()), "{head:?}");
    }
    assert_eq!(head.iter().filter(|line| line.starts_with("user-agent")).count(), 1);
}

#[test]
fn within_its_origin_a_redirect_is_shown_the_key_too() {
    let server = Server::start(|head, to| match path_of(head) {
        "/a" => say(to, answer("302 Found\nLocation: /b", "")),
        _ => say(to, answer("200 OK", "x")),
    });
    let (request, _file) = with_auth(&server.url("/a"), "bearer");
    fetch_with(request, &once()).unwrap();
    let heads = server.requests();
    assert_eq!(heads.len(), 2);
    assert!(heads.iter().all(|head| head.contains(SECRET)), "{heads:?}");
}

#[test]
fn another_host_sees_no_key_nor_the_first_one_after_it() {
    for how in ["bearer", "basic:me", "header:X-Key", "query:key"] {
        let back = std::sync::Arc::new(Mutex::new(String::new()));
        let to_home = std::sync::Arc::clone(&back);
        let other = Server::start(move |_, to| {
            let location = to_home.lock().unwrap().clone();
            say(to, answer(&format!("302 Found\nLocation: {location}"), ""));
        });
        let away = other.url("/away");
        let home = Server::start(move |head, to| match path_of(head) {
            "/end" => say(to, answer("200 OK", "x")),
            _ => say(to, answer(&format!("302 Found\nLocation: {away}"), "")),
        });
        *back.lock().unwrap() = home.url("/end");
        let (mut request, _file) = with_auth(&home.url("/start"), how);
        request.headers = vec![("X-Team".into(), "blue".into())];
        assert_eq!(text(fetch_with(request, &once()).unwrap()), "x");
        let heads = [home.requests(), other.requests()].concat();
        assert_eq!(heads.len(), 3);
        let told: Vec<_> = heads
            .iter()
            .map(|head| {
                let head = head.to_ascii_lowercase();
                ["hunter2", "authorization", "x-key", "x-team"].iter().any(|s| head.contains(s))
            })
            .collect();
        assert_eq!(told, [true, false, false], "{how}: {heads:?}");
    }
}

#[test]
fn a_key_is_not_in_errors() {
    let server = Server::start(|_, to| say(to, answer("403 Forbidden", "")));
    let away = "https://10.0.0.1/x?y";
    let redirecting = Server::start(move |_, to| {
        say(to, answer(&format!("302 Found\nLocation: {away}"), ""));
    });
    let unheard = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [server.url("/"), redirecting.url("/"), format!("http://{unheard}/")] {
        for how in ["bearer", "basic:me", "header:X-Key", "query:key"] {
            let (request, _file) = with_auth(&url, how);
            let debug = format!("{request:?}");
            let error = fetch_with(request, &once()).unwrap_err();
            let source = std::error::Error::source(&error);
            let shown = format!("{debug} {error} {error:?} {source:?}");
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}

#[test]
fn a_key_that_is_not_there() {
    let server = Server::start(|_, to| say(to, answer("200 OK", "x")));
    let mut request = request(&server.url("/"));
    request.auth = Some("bearer env:ARTIF_NO_SUCH_VARIABLE".parse().unwrap());
    let (reason, retryable) = failed(fetch_with(request, &once()));
    assert_eq!(reason, "environment variable ARTIF_NO_SUCH_VARIABLE is not set");
    assert!(!retryable);
    assert!(server.requests().is_empty());
}
