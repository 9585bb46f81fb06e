//! Further attempts.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;

fn quick() -> FetchOptions {
    let wait = Duration::from_millis(1);
    FetchOptions { retry_wait: wait, max_retry_wait: 4 * wait, ..FetchOptions::default() }
}

/// A server that answers `first` so many times, then with a document.
fn troubled(times: usize, first: &str) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, first) = (Arc::clone(&asked), answer(first, "not now"));
    let server = Server::start(move |_, to| {
        let before = count.fetch_add(1, Ordering::Relaxed);
        say(to, if before < times { first.clone() } else { answer("200 OK", "there") });
    });
    (server, asked)
}

#[test]
fn errors_that_may_pass_are_tried_again_as_often_as_configured() {
    for (times, retries, expected) in [(0, 2, 1), (1, 2, 2), (2, 2, 3), (3, 2, 3), (1, 0, 1)] {
        let (server, asked) = troubled(times, "503 Service Unavailable");
        let options = FetchOptions { retries, ..quick() };
        let fetched = fetch_with(request(&server.url("/")), &options);
        assert_eq!(fetched.is_ok(), times <= retries as usize, "{times} {retries}");
        assert_eq!(asked.load(Ordering::Relaxed), expected, "{times} {retries}");
    }
}

#[test]
fn errors_that_stay_are_not() {
    for status in ["404 Not Found", "401 Unauthorized", "301 Moved Permanently"] {
        let (server, asked) = troubled(1, status);
        failed(fetch_with(request(&server.url("/")), &quick()));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{status}");
    }
}

#[test]
fn a_document_that_broke_off_is_fetched_again_whole() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_, to| {
        let whole = answer("200 OK", "192.0.2.1\n192.0.2.2\n");
        let cut = if asked.fetch_add(1, Ordering::Relaxed) == 0 { 7 } else { 0 };
        say(to, &whole[..whole.len() - cut]);
    });
    let fetched = fetch_with(request(&server.url("/")), &quick());
    assert_eq!(text(fetched.unwrap()), "192.0.2.1\n192.0.2.2\n");
}

#[test]
fn a_server_that_asks_for_a_little_patience_gets_it() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (server, asked) = troubled(1, &format!("{status}\nRetry-After: 1"));
        let options = FetchOptions { max_retry_wait: Duration::from_secs(2), ..quick() };
        let began = std::time::Instant::now();
        assert_eq!(text(fetch_with(request(&server.url("/")), &options).unwrap()), "there");
        // Not before it said: a lower bound holds on however slow a machine.
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn a_server_that_asks_for_much_patience_is_left_alone() {
    let (server, asked) = troubled(1, "429 Too Many Requests\nRetry-After: 3600");
    let error = fetch_with(request(&server.url("/")), &quick()).unwrap_err();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(error.is_retryable());
    let Error::Fetch { retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(retry_after, Some(3600));
}

#[test]
fn one_that_waits_to_try_again_does_not_hold_up_other_hosts() {
    let (slow, _) = troubled(9, "503 Service Unavailable\nRetry-After: 3000");
    let fine = Server::start(|_, to| say(to, answer("200 OK", "there")));
    let options = FetchOptions {
        concurrency: 1,
        max_retry_wait: Duration::from_secs(3600),
        ..FetchOptions::default()
    };
    let local = format!("http://localhost:{}/", fine.address().port());
    let cancel = AtomicBool::new(false);
    let mut fetched = None;
    // The first is still waiting when the second is done; the end of that ends both.
    let result =
        fetch_all(&[request(&slow.url("/")), request(&local)], &options, &cancel, |n, e| {
            if let Event::Finished(result) = e {
                assert_eq!(n, 1);
                fetched = Some(text(result.unwrap()));
                cancel.store(true, Ordering::Relaxed);
            }
        });
    assert_eq!(result.unwrap_err().code(), "ARTIF_CANCELLED");
    assert_eq!(fetched.as_deref(), Some("there"));
}
