//! Proxies that speak the real protocols.

use std::io::{Read, Write as _};

use super::http_server::Connection;
use super::*;

fn through(proxy: String) -> FetchOptions {
    FetchOptions { proxy: Some(proxy), ..once() }
}

#[test]
fn an_http_proxy_with_a_password() {
    use std::io::Write as _;
    let proxy = Server::start(|_, to| say(to, answer("200 OK", "by proxy")));
    let mut password = tempfile::NamedTempFile::new().unwrap();
    password.write_all(b"hunter2").unwrap();
    let auth = format!("basic:me file:{}", password.path().display());
    let mut options = through(proxy.url(""));
    options.proxy_auth = Some(auth.parse().unwrap());
    assert_eq!(options.problem(), None);
    // The name is the proxy's to look up.
    let fetched = fetch_with(request("http://feeds.example/list?x"), &options);
    assert_eq!(text(fetched.unwrap()), "by proxy");
    let head = proxy.requests().pop().unwrap();
    assert!(head.starts_with("GET http://feeds.example/list?x HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n"), "{head}");

    let direct = Server::start(|_, to| say(to, answer("200 OK", "direct")));
    options.no_proxy = vec!["127.0.0.1".to_owned()];
    assert_eq!(text(fetch_with(request(&direct.url("/")), &options).unwrap()), "direct");
    assert!(!direct.requests()[0].contains("roxy"));
}

#[test]
fn a_proxy_that_wants_a_password() {
    let proxy = Server::start(|_, to| say(to, answer("407 Proxy Authentication Required", "")));
    let fetched = fetch_with(request("http://feeds.example/"), &through(proxy.url("")));
    let (reason, retryable) = failed(fetched);
    assert!(reason.ends_with("set `fetch.proxy_auth`"), "{reason}");
    assert!(!retryable);
}

#[test]
fn a_proxy_does_not_open_the_private_networks_to_redirects() {
    let proxy = Server::start(|_, to| {
        say(to, answer("302 Found\nLocation: http://169.254.169.254/latest", ""));
    });
    let fetched = fetch_with(request("http://feeds.example/"), &through(proxy.url("")));
    assert!(failed(fetched).0.contains("Link Local"));
    assert_eq!(proxy.requests().len(), 1);
}

#[test]
fn a_socks_proxy_looks_names_up() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let read = |stream: &mut std::net::TcpStream, length| {
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).unwrap();
            bytes
        };
        // RFC 1928: no authentication, then CONNECT to a domain name.
        let greeting = read(&mut stream, 2);
        read(&mut stream, greeting[1] as usize);
        stream.write_all(&[5, 0]).unwrap();
        let request = read(&mut stream, 5);
        let name = read(&mut stream, request[4] as usize);
        read(&mut stream, 2);
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(read(&mut stream, 1));
        }
        say(&mut stream as &mut dyn Connection, answer("200 OK", "by socks"));
        (request[..4].to_vec(), String::from_utf8(name).unwrap())
    });
    let options = through(format!("socks5h://{address}"));
    assert_eq!(text(fetch_with(request("http://feeds.example/"), &options).unwrap()), "by socks");
    assert_eq!(proxy.join().unwrap(), (vec![5, 1, 0, 3], "feeds.example".to_owned()));
}

#[test]
fn proxies_that_cannot_be() {
    for (proxy, auth, expected) in [
        ("nonsense", None, "is neither"),
        ("ftp://a:1", None, "has to start with"),
        ("http://me:hunter2@a:1", None, "holds a user"),
        ("http://a:1", Some("bearer env:X"), "has to be of the form"),
        ("env", Some("basic:me env:X"), "belongs to an address"),
    ] {
        let options = FetchOptions {
            proxy: Some(proxy.to_owned()),
            proxy_auth: auth.map(|auth| auth.parse().unwrap()),
            ..once()
        };
        let (key, text) = options.problem().unwrap();
        assert!(key.starts_with("proxy") && text.contains(expected), "{text}");
        assert!(!text.contains("hunter2"));
    }
    for proxy in ["env", "http://proxy:3128", "https://proxy", "socks5://p:1", "socks5h://[::1]:1"]
    {
        assert_eq!(through(proxy.to_owned()).problem(), None, "{proxy}");
    }
}
