//! Servers that send too much, too little, or nothing.

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

fn small() -> FetchOptions {
    FetchOptions { max_bytes: 1 << 20, ..once() }
}

#[test]
fn a_document_of_exactly_the_allowed_size() {
    let text_of = |length: usize| "x".repeat(length);
    let server = Server::start(move |head, to| {
        let length: usize = path_of(head)[1..].parse().unwrap();
        say(to, answer("200 OK", text_of(length)));
    });
    let options = FetchOptions { max_bytes: 1_000, ..once() };
    let of = |length: &str| fetch_with(request(&server.url(length)), &options);
    assert_eq!(text(of("/1000").unwrap()).len(), 1_000);
    let (reason, retryable) = failed(of("/1001"));
    assert_eq!(reason, "longer than the 1000 bytes that `fetch.max_bytes` allows");
    assert!(!retryable);
}

#[test]
fn a_document_announced_as_too_large_is_not_waited_for() {
    let server = Server::start(|_, to| {
        say(to, format!("{HEAD}Content-Length: 1048577\r\n\r\n"));
        to.hang();
    });
    let (reason, _) = failed(fetch_with(request(&server.url("/")), &small()));
    assert!(reason.starts_with("longer than the 1048576 bytes"), "{reason}");
}

#[test]
fn an_endless_document() {
    for chunked in [false, true] {
        let server = Server::start(move |_, to| {
            let header = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
            say(to, format!("{HEAD}{header}\r\n"));
            let data = "192.0.2.1\n".repeat(100);
            let piece = if chunked { format!("3e8\r\n{data}\r\n") } else { data };
            say_for_ever(to, &piece);
        });
        let (reason, _) = failed(fetch_with(request(&server.url("/")), &small()));
        assert!(reason.starts_with("longer than the 1048576 bytes"), "{reason}");
    }
}

#[test]
fn a_small_packed_document_that_unpacks_to_a_large_one() {
    let bomb = gzip(&vec![b'1'; 64 << 20]);
    assert!(bomb.len() < 1 << 20, "the bound on bytes sent does not stop it: {}", bomb.len());
    let server = Server::start(move |_, to| {
        say(to, answer("200 OK\nContent-Encoding: gzip", &bomb));
    });
    let (reason, retryable) = failed(fetch_with(request(&server.url("/")), &small()));
    assert!(reason.starts_with("longer than the 1048576 bytes"), "{reason}");
    assert!(!retryable);
}

#[test]
fn a_large_packed_document_that_unpacks_to_nothing() {
    let members = gzip(b"").repeat(1_000);
    let server = Server::start(move |_, to| {
        say(to, format!("{HEAD}Content-Encoding: gzip\r\n\r\n"));
        say_for_ever(to, &members);
    });
    let (reason, _) = failed(fetch_with(request(&server.url("/")), &small()));
    assert!(reason.starts_with("longer than the 1048576 bytes"), "{reason}");
}

#[test]
fn documents_that_break_off() {
    let packed = gzip(b"192.0.2.1\n");
    let cut = &packed[..packed.len() - 5];
    let mut wrong = packed.clone();
    let checksum = wrong.len() - 8;
    wrong[checksum] ^= 1;
    let trailing = [&packed[..], b"<html>"].concat();
    let of =
        |headers: &str, body: &[u8]| [format!("{HEAD}{headers}\r\n").as_bytes(), body].concat();
    let gz = "Content-Encoding: gzip\r\n";
    for (what, response, expected) in [
        ("length", of("Content-Length: 20\r\n", b"192.0.2.1\n"), "broken off after 10 bytes"),
        ("chunk", of("Transfer-Encoding: chunked\r\n", b"a\r\n192.0"), "broken off after 5 bytes"),
        ("no end", of("Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n"), "broken off after 1 bytes"),
        ("bad chunk", of("Transfer-Encoding: chunked\r\n", b"zz\r\n"), "broken off after 0 bytes"),
        ("packed, cut", of(gz, cut), "broken gzip data"),
        ("packed, header cut", of(gz, &packed[..4]), "broken gzip data"),
        ("packed, changed", of(gz, &wrong), "broken gzip data"),
        ("packed, more", of(gz, &trailing), "broken gzip data"),
        ("not packed", of(gz, b"192.0.2.1\n"), "broken gzip data"),
        ("no head", b"HTTP/1.1 200".to_vec(), "no answer"),
        ("no HTTP", b"220 ftp ready\r\n\r\n".to_vec(), "no answer"),
        ("nothing", Vec::new(), "no answer"),
    ] {
        let server = Server::start(move |_, to| say(to, &response));
        let (reason, retryable) = failed(fetch(&server.url("/")));
        assert!(reason.starts_with(expected), "{what}: {reason}");
        assert!(retryable, "{what}");
    }
}

#[test]
fn more_than_was_announced_is_not_read() {
    let server = Server::start(|_, to| {
        say(to, format!("{HEAD}Content-Length: 10\r\n\r\n192.0.2.1\n192.0.2.2\n"));
    });
    assert_eq!(text(fetch(&server.url("/")).unwrap()), "192.0.2.1\n");
}

#[test]
fn servers_that_fall_silent() {
    for (sent, expected) in [
        ("", "timed out: no answer for 400ms"),
        ("HTTP/1.1 200 OK\r\n", "timed out: no answer for 400ms"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n192.0.2.1\n",
            "timed out: nothing for 400ms after 10 bytes",
        ),
    ] {
        let server = Server::start(move |_, to| {
            say(to, sent);
            to.hang();
        });
        let (reason, retryable) = failed(fetch_with(request(&server.url("/")), &impatient()));
        assert_eq!((reason.as_str(), retryable), (expected, true));
    }
}

#[test]
fn a_server_that_never_comes_to_an_end() {
    let server = Server::start(|_, to| {
        say(to, format!("{HEAD}\r\n"));
        say_for_ever(to, "1");
    });
    let timeout = std::time::Duration::from_millis(150);
    let options = FetchOptions { timeout, ..once() };
    let (reason, retryable) = failed(fetch_with(request(&server.url("/")), &options));
    assert_eq!((reason.as_str(), retryable), ("timed out: not complete after 150ms", true));
}
