//! Getting a feed's document: from a file, or over HTTP(S).
//!
//! A document that arrives over the network is kept whole, in memory or an unnamed temporary file,
//! before anybody reads it: a transfer that breaks off never reaches a parser.

mod address;
#[cfg(feature = "misp")]
pub(crate) mod api;
mod body;
#[cfg(feature = "fetch")]
mod credentials;
#[cfg(all(any(test, fuzzing), feature = "fetch"))]
pub(crate) mod fuzz;
mod headers;
#[cfg(feature = "fetch")]
mod http;
mod options;
#[cfg(feature = "fetch")]
mod policy;
#[cfg(feature = "fetch")]
mod proxy;
#[cfg(feature = "fetch")]
mod retry;
mod secret;
#[cfg(feature = "fetch")]
mod spool;
#[cfg(feature = "fetch")]
#[cfg(test)]
mod tests;
#[cfg(feature = "fetch")]
mod tls;
#[cfg(feature = "fetch")]
mod unpack;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use address::redact;
pub(crate) use body::Body;
pub use headers::Headers;
pub use options::FetchOptions;
pub(crate) use options::is_user_agent;
#[cfg(feature = "misp")]
pub(crate) use retry::wait_times as waits;
pub use secret::{Auth, SecretSource};

use super::{Feed, FeedId};
use crate::error::{Error, Result, Source};
use crate::ledger::Validators;

/// One document to get.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) feed: FeedId,
    pub(crate) url: String,
    /// What the server said last time. Leave it empty where the kept content was parsed in another
    /// way than today: "unchanged" would then keep what is not wanted any more.
    pub(crate) validators: Validators,
    /// The member of a zip archive.
    pub(crate) member: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// For the origin of `url` only, as they may hold keys; so is `auth`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) auth: Option<Auth>,
}

impl Request {
    pub(crate) fn new(feed: &Feed, validators: Validators) -> Self {
        Self {
            member: feed.member.clone(),
            user_agent: feed.user_agent.clone(),
            headers: feed.headers.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            auth: feed.auth.clone(),
            ..Self::plain(feed.id.clone(), feed.url.clone(), validators)
        }
    }

    pub(crate) fn plain(feed: FeedId, url: String, validators: Validators) -> Self {
        Self { feed, url, validators, member: None, user_agent: None, headers: vec![], auth: None }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("feed", &self.feed)
            .field("url", &redact(&self.url))
            .finish_non_exhaustive()
    }
}

/// What a server or a file gave.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The server says that nothing changed since the validators.
    Unchanged,
    /// A whole document.
    Document {
        body: Box<Body>,
        /// What to ask with next time; `content` is left for whoever parses it.
        validators: Validators,
    },
}

/// What happens while documents are fetched.
#[derive(Debug)]
pub(crate) enum Event {
    /// The request is on its way.
    Started,
    /// So many bytes have arrived, of so many where the server says so.
    Received { bytes: u64, total: Option<u64> },
    /// The last event of a request.
    Finished(Result<Fetched>),
}

/// Why one document could not be had.
#[derive(Debug)]
struct Failure {
    reason: String,
    retryable: bool,
    source: Option<Source>,
    /// When the server wants to be asked again.
    retry_after: Option<Duration>,
}

impl Failure {
    fn for_good(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: false, source: None, retry_after: None }
    }

    fn into_error(self, request: &Request) -> Error {
        Error::Fetch {
            feed: request.feed.to_string(),
            url: redact(&request.url),
            reason: self.reason,
            retryable: self.retryable,
            source: self.source,
            retry_after: self.retry_after.map(crate::clock::span),
        }
    }
}

/// Gets all documents, several at once but not too many from one host, and calls `on_event`
/// on the calling thread with the request's place as things happen. Every request ends with one
/// [`Event::Finished`], in any order.
///
/// May be called from inside an async runtime or without one; either way it blocks. Once `cancel`
/// is set, transfers are dropped, nothing more is reported and the result is
/// [`Error::Cancelled`].
pub(crate) fn fetch_all(
    requests: &[Request],
    options: &FetchOptions,
    cancel: &AtomicBool,
    mut on_event: impl FnMut(usize, Event),
) -> Result<()> {
    let mut pending = vec![true; requests.len()];
    let mut report = |place: usize, event: Event| {
        if let (Event::Finished(_), Some(pending)) = (&event, pending.get_mut(place)) {
            *pending = false;
        }
        on_event(place, event);
    };
    #[cfg(feature = "fetch")]
    http::with_transfers(requests, options, cancel, |arrivals| {
        local(requests, options, cancel, &mut report);
        for (place, event) in arrivals {
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            report(place, event);
        }
    })?;
    #[cfg(not(feature = "fetch"))]
    local(requests, options, cancel, &mut report);
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let unreported = pending.into_iter().zip(requests).enumerate().filter(|(_, (left, _))| *left);
    for (place, (_, request)) in unreported {
        let failure = if cfg!(feature = "fetch") {
            Failure { retryable: true, ..Failure::for_good("the transfer ended without a result") }
        } else {
            Failure::for_good("this artif is built without feature `fetch`: only file: works")
        };
        on_event(place, Event::Finished(Err(failure.into_error(request))));
    }
    Ok(())
}

fn local(
    requests: &[Request],
    options: &FetchOptions,
    cancel: &AtomicBool,
    report: &mut impl FnMut(usize, Event),
) {
    for (place, request) in requests.iter().enumerate() {
        let Some(path) = address::file_path(&request.url) else { continue };
        if cancel.load(Ordering::Relaxed) {
            return;
        }
        report(place, Event::Started);
        let opened = path.and_then(|path| Body::open(&path, request, options.max_bytes));
        report(
            place,
            Event::Finished(match opened {
                Ok(body) => Ok(Fetched::Document {
                    body: Box::new(body),
                    validators: Validators::default(),
                }),
                Err(failure) => Err(failure.into_error(request)),
            }),
        );
    }
}

#[cfg(not(feature = "fetch"))]
#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn files_work_without_the_network_feature() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"203.0.113.1").unwrap();
        let urls = [format!("file:{}", file.path().display()), "https://feeds.example/".to_owned()];
        let requests =
            urls.map(|url| Request::plain("x".parse().unwrap(), url, Validators::default()));
        let mut results = Vec::new();
        fetch_all(&requests, &FetchOptions::default(), &AtomicBool::new(false), |_, event| {
            if let Event::Finished(result) = event {
                results.push(result);
            }
        })
        .unwrap();
        let error = results.pop().unwrap().unwrap_err();
        assert!(error.to_string().contains("built without feature `fetch`"), "{error}");
        let Fetched::Document { mut body, .. } = results.pop().unwrap().unwrap() else {
            panic!("unchanged")
        };
        let mut text = String::new();
        body.reader().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "203.0.113.1");
    }
}
