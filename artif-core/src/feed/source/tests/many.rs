//! Many transfers at once.

use std::io::Write as _;
use std::sync::{Arc, Barrier};

use super::*;

/// Fetches all; the text of each document in the order of the requests, and how many were under
/// way at once at most. Events are sent in the order of what they tell, so this is exact.
fn fetch_many(requests: &[Request], options: &FetchOptions) -> (Vec<String>, usize) {
    let mut texts = vec![None; requests.len()];
    let (mut now, mut most) = (0, 0);
    fetch_all(requests, options, &AtomicBool::new(false), |place, event| match event {
        Event::Started => {
            now += 1;
            most = most.max(now);
        }
        Event::Received { .. } => {}
        Event::Finished(result) => {
            now -= 1;
            assert!(texts[place].replace(text(result.unwrap())).is_none(), "finished twice");
        }
    })
    .unwrap();
    (texts.into_iter().map(Option::unwrap).collect(), most)
}

#[test]
fn two_at_once_from_one_host() {
    // Nobody is answered alone, so anything less than two at once never ends.
    let pairs = Barrier::new(2);
    let server = Server::start(move |head, to| {
        pairs.wait();
        say(to, answer("200 OK", path_of(head)));
    });
    let requests: Vec<_> = (0..8).map(|n| request(&server.url(&format!("/{n}")))).collect();
    let (texts, most) = fetch_many(&requests, &once());
    assert_eq!(texts, (0..8).map(|n| format!("/{n}")).collect::<Vec<_>>());
    assert_eq!(most, 2);
}

#[test]
fn as_many_at_once_as_the_configuration_says() {
    let server = Server::start(|_, to| say(to, answer("200 OK", "")));
    let port = server.address().port();
    // Three hosts as far as the limit for each goes.
    let hosts = ["localhost", "a.localhost", "b.localhost"];
    let requests: Vec<_> =
        hosts.iter().flat_map(|host| vec![request(&format!("http://{host}:{port}/")); 4]).collect();
    let address = server.address();
    let surroundings = Surroundings { lookup: Arc::new(move |_| Ok(vec![address])), roots: None };
    for (concurrency, per_host, expected) in
        [(1, 2, 1), (5, 2, 5), (64, 2, 6), (64, 1, 3), (64, 4, 12), (7, 4, 7)]
    {
        let options = FetchOptions { concurrency, per_host, ..once() };
        let (mut now, mut most, mut done) = (0, 0, 0);
        let never = AtomicBool::new(false);
        with_transfers_in(&surroundings, &requests, &options, &never, |arrivals| {
            for (_, event) in arrivals {
                match event {
                    Event::Started => now += 1,
                    Event::Received { .. } => {}
                    Event::Finished(result) => {
                        assert_eq!(text(result.unwrap()), "");
                        now -= 1;
                        done += 1;
                    }
                }
                most = most.max(now);
            }
        })
        .unwrap();
        assert_eq!((most, done), (expected, 12), "concurrency {concurrency}, {per_host} a host");
    }
}

#[test]
fn each_request_starts_and_finishes_once() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"203.0.113.1").unwrap();
    let server = Server::start(|_, to| say(to, answer("200 OK", "x".repeat(1 << 20))));
    let requests = [
        request("ftp://feeds.example/"),
        request(&format!("file:{}", file.path().display())),
        request(&server.url("/")),
        request("file:/nowhere/at/all"),
    ];
    let log = Mutex::new(vec![String::new(); requests.len()]);
    fetch_all(&requests, &once(), &AtomicBool::new(false), |place, event| {
        log.lock().unwrap()[place].push_str(match event {
            Event::Started => "start ",
            Event::Received { bytes, total } => {
                assert_eq!(total, Some(1 << 20));
                if bytes == 1 << 20 { "all " } else { "" }
            }
            Event::Finished(Ok(_)) => "ok",
            Event::Finished(Err(_)) => "error",
        });
    })
    .unwrap();
    let log = log.into_inner().unwrap();
    assert_eq!(log[0], "start error");
    assert_eq!(log[1], "start ok");
    assert!(log[2].starts_with("start all ") && log[2].ends_with("ok"), "{}", log[2]);
    assert_eq!(log[3], "start error");
}

#[test]
fn nothing_to_do() {
    fetch_all(&[], &once(), &AtomicBool::new(false), |_, _| panic!()).unwrap();
}

#[test]
fn cancelling_drops_what_runs_and_reports_no_more() {
    let server = Server::start(|_, to| to.hang());
    let cancel = AtomicBool::new(false);
    let requests = vec![request(&server.url("/")); 5];
    let result = fetch_all(&requests, &once(), &cancel, |_, event| {
        assert!(!cancel.load(Ordering::Relaxed), "{event:?} after the cancellation");
        cancel.store(true, Ordering::Relaxed);
    });
    assert_eq!(result.unwrap_err().code(), "ARTIF_CANCELLED");
}

#[test]
fn a_panic_of_the_caller_ends_the_transfers() {
    let server = Server::start(|_, to| to.hang());
    let requests = vec![request(&server.url("/")); 5];
    let outcome = std::panic::catch_unwind(|| {
        fetch_all(&requests, &once(), &AtomicBool::new(false), |_, _| panic!("the caller's own"))
    });
    assert!(outcome.is_err());
}

#[test]
fn from_inside_an_async_runtime() {
    let server = Server::start(|_, to| say(to, answer("200 OK", "hello")));
    let url = server.url("/");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(async { text(fetch(&url).unwrap()) }), "hello");
}
