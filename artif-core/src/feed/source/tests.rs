//! Transfers from real servers on the loopback interface.

#[path = "../../../../tests/support/http_server.rs"]
mod http_server;

mod credentials;
mod limits;
mod many;
mod packed;
mod proxy;
mod retry;
mod transfer;

use std::io::Read as _;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use http_server::{Server, answer, path_of, say, say_for_ever};

use super::http::{Surroundings, with_transfers_in};
use super::*;

/// The defaults, but with one attempt only.
fn once() -> FetchOptions {
    FetchOptions { retries: 0, ..FetchOptions::default() }
}

/// The same, impatient.
fn impatient() -> FetchOptions {
    FetchOptions {
        connect_timeout: std::time::Duration::from_millis(600),
        idle_timeout: std::time::Duration::from_millis(400),
        ..once()
    }
}

fn request(url: &str) -> Request {
    Request::plain("x".parse().unwrap(), url.to_owned(), Validators::default())
}

fn fetch_with(request: Request, options: &FetchOptions) -> Result<Fetched> {
    let mut result = None;
    fetch_all(&[request], options, &AtomicBool::new(false), |_, event| {
        if let Event::Finished(finished) = event {
            assert!(result.replace(finished).is_none(), "finished twice");
        }
    })
    .unwrap();
    result.expect("a result for every request")
}

fn fetch(url: &str) -> Result<Fetched> {
    fetch_with(request(url), &once())
}

/// Fetches in surroundings where every name leads to `lookup`.
fn fetch_in(surroundings: &Surroundings, url: &str, options: &FetchOptions) -> Result<Fetched> {
    let mut result = None;
    let never = AtomicBool::new(false);
    with_transfers_in(surroundings, &[request(url)], options, &never, |arrivals| {
        for (_, event) in arrivals {
            if let Event::Finished(finished) = event {
                result = Some(finished);
            }
        }
    })
    .unwrap();
    result.expect("a result for every request")
}

fn text(fetched: Fetched) -> String {
    let Fetched::Document { mut body, .. } = fetched else { panic!("unchanged") };
    let mut text = String::new();
    body.reader().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(body.digest().unwrap(), xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    text
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// The reason and whether to try again.
fn failed(result: Result<Fetched>) -> (String, bool) {
    let error = result.expect_err("should fail");
    let retryable = error.is_retryable();
    match error {
        Error::Fetch { reason, .. } => (reason, retryable),
        other => panic!("{other}"),
    }
}
