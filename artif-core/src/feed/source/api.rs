//! Calls of JSON interfaces: one request, one answer, kept whole before anybody reads it.
//!
//! Beside what the fetcher has: a body to send, the status and headers handed over instead of
//! judged, and redirects not followed at all: an interface that redirects wants a browser.

use std::fmt;
use std::io::{BufReader, Seek as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue,
};
use tempfile::SpooledTempFile;
use tokio::time::timeout;
use url::Url;

use super::body::TooLarge;
use super::credentials::Credentials;
use super::http::{classify, client, encoding};
use super::policy::{Guard, system_lookup};
use super::proxy::Proxies;
use super::spool::{Encoding, Intake};
pub(crate) use super::tls::Identity;
use super::{Auth, Failure, FetchOptions, Request, redact, retry, tls};
use crate::feed::FeedId;
use crate::ledger::Validators;

/// How soon a cancelled call notices.
const WATCH_EVERY: Duration = Duration::from_millis(20);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It took too long.
    TimedOut(String),
    /// It is longer than `fetch.max_bytes`.
    TooLarge(String),
    /// The server is not who it should be, or does not believe who we are.
    Tls(String),
    /// No connection, or it broke off.
    Unreachable(String),
    /// Something here is missing: a key, a certificate, a proxy.
    Here(String),
    /// The caller gave up.
    Cancelled,
}

/// What a server answered, whatever it was.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: SpooledTempFile,
    pub(crate) length: u64,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// One that was recorded.
    #[cfg(test)]
    pub(crate) fn of(status: u16, headers: &[(String, String)], body: &[u8]) -> Self {
        use std::io::Write as _;
        let headers = headers.iter().filter_map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        let mut file = SpooledTempFile::new(1 << 20);
        file.write_all(body).unwrap();
        Self { status, headers: headers.collect(), body: file, length: body.len() as u64 }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    /// The server's clock.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        let text = self.header(DATE.as_str())?;
        DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
    }

    /// What `Retry-After` asks for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry::retry_after(&self.headers, Utc::now())
    }

    pub(crate) fn reader(&mut self) -> std::io::Result<BufReader<&mut SpooledTempFile>> {
        self.body.rewind()?;
        Ok(BufReader::with_capacity(64 << 10, &mut self.body))
    }
}

/// One interface.
pub(crate) struct Api {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    options: FetchOptions,
    no_tls: Option<String>,
    /// Ends with a slash.
    base: Url,
    who: FeedId,
    auth: Option<Auth>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base", &redact(self.base.as_str())).finish_non_exhaustive()
    }
}

impl Api {
    /// An interface at `base`, which may have a path. Its name may lead to private addresses:
    /// nobody but the configuration says it.
    pub(crate) fn new(
        who: &FeedId,
        base: &str,
        auth: Option<Auth>,
        options: &FetchOptions,
        identity: &Identity,
    ) -> Result<Self, NoAnswer> {
        let here = |failure: Failure| NoAnswer::Here(failure.reason);
        let mut base = Url::parse(base)
            .map_err(|error| NoAnswer::Here(format!("the address is none: {error}")))?;
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let (tls, no_tls) =
            tls::config_as(None, options.ca_file.as_deref(), identity).map_err(here)?;
        let Proxies { rules, hosts } = Proxies::new(options).map_err(here)?;
        let guard = Guard::new(system_lookup(), true, hosts);
        let http = client(tls, guard, rules, options).map_err(here)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| NoAnswer::Here(format!("no runtime for calls: {error}")))?;
        let (who, options) = (who.clone(), options.clone());
        Ok(Self { http, runtime, options, no_tls, base, who, auth })
    }

    /// Calls `path`, relative to the base: a POST where there is a body, else a GET. May be called
    /// from inside an async runtime or without one; blocks either way, at most for `patience` and
    /// until `cancel` is set.
    pub(crate) fn call(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        patience: Duration,
        cancel: &AtomicBool,
    ) -> Result<Answer, NoAnswer> {
        let work = || {
            self.runtime.block_on(async {
                tokio::select! {
                    answer = timeout(patience, self.exchange(path, body)) => {
                        answer.unwrap_or_else(|_| {
                            Err(NoAnswer::TimedOut(format!("not complete after {patience:?}")))
                        })
                    }
                    () = until(cancel) => Err(NoAnswer::Cancelled),
                }
            })
        };
        // On a thread of its own: a runtime cannot be entered from within another.
        std::thread::scope(|scope| scope.spawn(work).join())
            .unwrap_or_else(|_| Err(NoAnswer::Here("the thread of the call panicked".to_owned())))
    }

    async fn exchange(&self, path: &str, body: Option<Vec<u8>>) -> Result<Answer, NoAnswer> {
        let url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(|error| NoAnswer::Here(format!("{path:?} is no path: {error}")))?;
        if let (Some(problem), "https") = (&self.no_tls, url.scheme()) {
            return Err(NoAnswer::Here(format!("no server can be authenticated: {problem}")));
        }
        let request = Request {
            auth: self.auth.clone(),
            ..Request::plain(self.who.clone(), url.to_string(), Validators::default())
        };
        let credentials =
            Credentials::new(&request).map_err(|failure| NoAnswer::Here(failure.reason))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Encoding::ACCEPTED));
        let url = credentials.address(&url);
        let call = match body {
            None => self.http.get(url),
            Some(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                self.http.post(url).body(body)
            }
        };
        let sent = credentials.show(call.headers(headers)).send().await;
        let mut response = sent.map_err(|error| lost(error, "no answer"))?;
        let limit = self.options.max_bytes;
        if response.content_length().is_some_and(|total| total > limit) {
            return Err(NoAnswer::TooLarge(TooLarge(limit).to_string()));
        }
        // A HEAD or an empty error page may name an encoding and have no body.
        let packed = response.headers().contains_key(CONTENT_ENCODING);
        let encoding = encoding(response.headers())
            .map_err(|failure| NoAnswer::Unreachable(failure.reason))?;
        let broken = |error: std::io::Error| {
            if error.get_ref().is_some_and(TooLarge::caused) {
                NoAnswer::TooLarge(error.to_string())
            } else {
                NoAnswer::Unreachable(format!("the answer cannot be kept: {error}"))
            }
        };
        let mut intake = Intake::new(encoding, limit).map_err(broken)?;
        let mut received = 0_u64;
        loop {
            let chunk = timeout(self.options.idle_timeout, response.chunk()).await;
            let chunk = chunk
                .map_err(|_| NoAnswer::TimedOut(format!("nothing more after {received} bytes")))?;
            let chunk = chunk
                .map_err(|error| lost(error, &format!("broken off after {received} bytes")))?;
            let Some(chunk) = chunk else { break };
            received += chunk.len() as u64;
            if received > limit {
                return Err(NoAnswer::TooLarge(TooLarge(limit).to_string()));
            }
            intake.take(&chunk).map_err(broken)?;
        }
        if received == 0 && packed {
            intake = Intake::new(Encoding::Identity, limit).map_err(broken)?;
        }
        let spool = intake.finish().map_err(broken)?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            length: spool.length,
            body: spool.file,
        })
    }
}

fn lost(error: reqwest::Error, what: &str) -> NoAnswer {
    let timed_out = error.is_timeout();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut tls = false;
    while let Some(current) = cause {
        tls |= current.is::<rustls::Error>();
        cause = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    let reason = classify(error, what).reason;
    match (timed_out, tls) {
        (true, _) => NoAnswer::TimedOut(reason),
        (_, true) => NoAnswer::Tls(reason),
        _ => NoAnswer::Unreachable(reason),
    }
}

async fn until(cancel: &AtomicBool) {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    while !cancel.load(Ordering::Relaxed) {
        ticks.tick().await;
    }
}
