//! HTTP(S) transfers, on a thread with a runtime of their own.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backon::Retryable as _;
use chrono::Utc;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION, USER_AGENT,
};
use reqwest::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use super::address::file_path;
use super::body::{TooLarge, too_large};
use super::credentials::Credentials;
use super::policy::{Blocked, Guard, Lookup, Redirects, system_lookup};
use super::proxy::Proxies;
use super::spool::{Encoding, Intake};
use super::unpack::unpack;
use super::{Body, Event, Failure, FetchOptions, Fetched, Request};
use super::{retry, tls};
use crate::error::{Error, Result, excerpt};
use crate::ledger::Validators;

/// A progress report every so many bytes.
const REPORT_EVERY: u64 = 128 << 10;
/// How soon a cancelled run notices.
const WATCH_EVERY: Duration = Duration::from_millis(20);
/// A longer validator is not kept: it goes into the ledger and back with every request.
const LONGEST_VALIDATOR: usize = 512;

/// Whom to believe and whom to ask; only tests ask for anything but the system.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) lookup: Lookup,
    /// Trusted roots in place of the system's.
    pub(super) roots: Option<rustls::RootCertStore>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { lookup: system_lookup(), roots: None }
    }
}

/// Starts the transfers among `requests` and lets `consume` have their events as they arrive; what
/// still runs when it returns, or once `cancel` is set, is dropped.
pub(super) fn with_transfers(
    requests: &[Request],
    options: &FetchOptions,
    cancel: &AtomicBool,
    consume: impl FnOnce(mpsc::IntoIter<(usize, Event)>),
) -> Result<()> {
    with_transfers_in(&Surroundings::default(), requests, options, cancel, consume)
}

pub(super) fn with_transfers_in(
    surroundings: &Surroundings,
    requests: &[Request],
    options: &FetchOptions,
    cancel: &AtomicBool,
    consume: impl FnOnce(mpsc::IntoIter<(usize, Event)>),
) -> Result<()> {
    struct SetOnDrop<'a>(&'a AtomicBool);
    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let remote: Vec<_> = requests
        .iter()
        .enumerate()
        .filter(|(_, request)| file_path(&request.url).is_none())
        .map(|(place, request)| (place, request.clone()))
        .collect();
    let (events, arrivals) = mpsc::channel();
    if remote.is_empty() {
        drop(events);
        consume(arrivals.into_iter());
        return Ok(());
    }
    let abandoned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The scope waits for the thread, also while a panic of `consume` unwinds.
        let _guard = SetOnDrop(&abandoned);
        let stop = [cancel, &abandoned];
        std::thread::Builder::new()
            .name("artif-fetch".to_owned())
            .spawn_scoped(scope, move || run(surroundings, remote, options, stop, &events))
            .map_err(|error| Error::io("starting a thread to fetch", "artif-fetch", error))?;
        consume(arrivals.into_iter());
        Ok(())
    })
}

fn run(
    surroundings: &Surroundings,
    requests: Vec<(usize, Request)>,
    options: &FetchOptions,
    stop: [&AtomicBool; 2],
    events: &mpsc::Sender<(usize, Event)>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let prepared = runtime
        .map_err(|error| Failure {
            reason: format!("no runtime for transfers: {error}"),
            retryable: true,
            source: Some(Box::new(error)),
            retry_after: None,
        })
        .and_then(|runtime| Ok((runtime, Client::new(surroundings, options)?)));
    let (runtime, client) = match prepared {
        Ok(prepared) => prepared,
        Err(Failure { reason, retryable, .. }) => {
            for (place, request) in requests {
                let reason = reason.clone();
                let failure = Failure { retryable, ..Failure::for_good(reason) };
                // Nobody listens any more: nobody needs to know.
                let _ = events.send((place, Event::Finished(Err(failure.into_error(&request)))));
            }
            return;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = transfer_all(Arc::new(client), requests, events) => {}
            () = until(stop) => {}
        }
    });
    // Not by dropping: that would wait for a name server that does not answer.
    runtime.shutdown_background();
}

async fn until(stop: [&AtomicBool; 2]) {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    while !stop.iter().any(|flag| flag.load(Ordering::Relaxed)) {
        ticks.tick().await;
    }
}

async fn transfer_all(
    client: Arc<Client>,
    requests: Vec<(usize, Request)>,
    events: &mpsc::Sender<(usize, Event)>,
) {
    let overall = Arc::new(Semaphore::new(client.options.concurrency.max(1) as usize));
    let per_host = client.options.per_host.max(1) as usize;
    let mut hosts: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut transfers = JoinSet::new();
    for (place, request) in requests {
        let host = Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = hosts
            .entry(host.unwrap_or_default())
            .or_insert_with(|| Arc::new(Semaphore::new(per_host)));
        let (host, overall) = (Arc::clone(host), Arc::clone(&overall));
        let (client, events) = (Arc::clone(&client), events.clone());
        transfers.spawn(async move {
            // In this order: whoever waits for its host must not hold up the others. The
            // semaphores are never closed.
            let _host = host.acquire().await;
            let started = AtomicBool::new(false);
            let report = |event| {
                let _ = events.send((place, event));
            };
            // Whoever waits to try again holds up its host, as that is in trouble, and nobody else.
            let attempt = || async {
                let _overall = overall.acquire().await;
                if !started.swap(true, Ordering::Relaxed) {
                    report(Event::Started);
                }
                client.fetch(&request, report).await
            };
            let (began, options) = (Instant::now(), &client.options);
            let result = attempt
                .retry(retry::waits(options))
                .sleep(tokio::time::sleep)
                .when(|failure| retry::again(failure, options, began))
                .adjust(retry::adjust)
                .notify(|failure, wait| {
                    tracing::debug!(
                        feed = %request.feed, reason = failure.reason, ?wait, "trying again"
                    );
                })
                .await;
            report(Event::Finished(result.map_err(|failure| failure.into_error(&request))));
        });
    }
    while transfers.join_next().await.is_some() {}
}

struct Client {
    http: reqwest::Client,
    options: FetchOptions,
    /// Why no server can be authenticated, where that is so.
    no_tls: Option<String>,
}

impl Client {
    fn new(surroundings: &Surroundings, options: &FetchOptions) -> Result<Self, Failure> {
        let (tls, no_tls) = tls::config(surroundings.roots.clone(), options.ca_file.as_deref())?;
        let Proxies { rules, hosts } = Proxies::new(options)?;
        let guard = Guard::new(Arc::clone(&surroundings.lookup), options.allow_private, hosts);
        let http = client(tls, guard, rules, options)?;
        Ok(Self { http, options: options.clone(), no_tls })
    }

    async fn fetch(&self, request: &Request, report: impl Fn(Event)) -> Result<Fetched, Failure> {
        timeout(self.options.timeout, self.transfer(request, report)).await.unwrap_or_else(|_| {
            Err(timed_out(&format!("not complete after {:?}", self.options.timeout)))
        })
    }

    async fn transfer(
        &self,
        request: &Request,
        report: impl Fn(Event),
    ) -> Result<Fetched, Failure> {
        let start = Url::parse(&request.url)
            .map_err(|error| Failure::for_good(format!("not a URL: {error}")))?;
        if !matches!(start.scheme(), "http" | "https") {
            return Err(Failure::for_good("only https:, http: and file: can be fetched"));
        }
        let credentials = Credentials::new(request)?;
        let mut redirects = Redirects::new(&start, &self.options);
        let mut url = credentials.address(&start);
        loop {
            let shown = redirects.at_home.then_some(&credentials);
            let response = self.send(&url, request, shown).await?;
            let status = response.status();
            match status.as_u16() {
                200 | 203 | 204 => {
                    let validators = validators(response.headers());
                    let body = self.receive(request, response, &report).await?;
                    return Ok(Fetched::Document { body: Box::new(body), validators });
                }
                304 if is_conditional(&request.validators) => return Ok(Fetched::Unchanged),
                301 | 302 | 303 | 307 | 308 => {
                    let location = response.headers().get(LOCATION);
                    // Browsers take raw UTF-8 here, and so do we.
                    let location = location
                        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
                        .ok_or_else(|| unexpected(&response, " without a usable Location"))?;
                    url = redirects.follow(&url, location)?;
                }
                _ => return Err(unexpected(&response, "")),
            }
        }
    }

    /// Asks for `url`, with `credentials` where those are meant for it.
    async fn send(
        &self,
        url: &Url,
        request: &Request,
        credentials: Option<&Credentials>,
    ) -> Result<Response, Failure> {
        if let (Some(problem), "https") = (&self.no_tls, url.scheme()) {
            return Err(Failure::for_good(format!("no server can be authenticated: {problem}")));
        }
        let Validators { etag, last_modified, .. } = &request.validators;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(Encoding::ACCEPTED));
        for (name, value) in [
            (IF_NONE_MATCH, etag),
            (IF_MODIFIED_SINCE, last_modified),
            (USER_AGENT, &request.user_agent),
        ] {
            if let Some(value) = value.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        }
        let mut get = self.http.get(url.clone()).headers(headers);
        if let Some(credentials) = credentials {
            get = credentials.show(get);
        }
        // The connection has a timeout of its own; this one is for the answer after it.
        let patience = self.options.connect_timeout + self.options.idle_timeout;
        match timeout(patience, get.send()).await {
            Err(_) => Err(timed_out(&format!("no answer for {:?}", self.options.idle_timeout))),
            Ok(sent) => sent.map_err(|error| classify(error, "no answer")),
        }
    }

    async fn receive(
        &self,
        request: &Request,
        mut response: Response,
        report: impl Fn(Event),
    ) -> Result<Body, Failure> {
        let limit = self.options.max_bytes;
        let total = response.content_length();
        if total.is_some_and(|total| total > limit) {
            return Err(Failure::for_good(TooLarge(limit).to_string()));
        }
        let encoding = encoding(response.headers())?;
        let kept = |error| not_kept(error, encoding);
        let mut intake = Intake::new(encoding, limit).map_err(kept)?;
        let (mut received, mut reported) = (0, 0);
        loop {
            let chunk = timeout(self.options.idle_timeout, response.chunk()).await;
            let chunk = chunk.map_err(|_| {
                let patience = self.options.idle_timeout;
                timed_out(&format!("nothing for {patience:?} after {received} bytes"))
            })?;
            let chunk = chunk
                .map_err(|error| classify(error, &format!("broken off after {received} bytes")))?;
            let Some(chunk) = chunk else { break };
            received += chunk.len() as u64;
            let taken = if received > limit { Err(too_large(limit)) } else { intake.take(&chunk) };
            taken.map_err(kept)?;
            if received - reported >= REPORT_EVERY {
                reported = received;
                report(Event::Received { bytes: received, total });
            }
        }
        if received == 0 {
            // Nothing, packed, is not even a gzip header.
            intake = Intake::new(Encoding::Identity, limit).map_err(kept)?;
        }
        report(Event::Received { bytes: received, total });
        let mut spool = intake.finish().map_err(kept)?;
        if let Some(unpacked) = unpack(&mut spool.file, request.member.as_deref(), limit)? {
            spool = unpacked;
        }
        Ok(Body::kept(request, limit, spool))
    }
}

fn is_conditional(validators: &Validators) -> bool {
    validators.etag.is_some() || validators.last_modified.is_some()
}

fn validators(headers: &HeaderMap) -> Validators {
    let text = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        (!value.is_empty() && value.len() <= LONGEST_VALIDATOR).then(|| value.to_owned())
    };
    Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED), content: None }
}

pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    let mut encoding = Encoding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        match Encoding::by_name(value.trim().to_ascii_lowercase().as_str()) {
            Some(Encoding::Identity) => {}
            Some(known) if encoding == Encoding::Identity => encoding = known,
            _ => {
                return Err(Failure::for_good(format!(
                    "sent in the encoding {:?}, asked for was one of {} or none",
                    excerpt(&value),
                    Encoding::ACCEPTED
                )));
            }
        }
    }
    Ok(encoding)
}

fn timed_out(reason: &str) -> Failure {
    Failure { retryable: true, ..Failure::for_good(format!("timed out: {reason}")) }
}

fn unexpected(response: &Response, detail: &str) -> Failure {
    let status = response.status();
    let retryable = status.is_server_error() || matches!(status.as_u16(), 202 | 408 | 425 | 429);
    let advice = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": does it want a key (`auth`)?",
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => ": set `fetch.proxy_auth`",
        _ => "",
    };
    Failure {
        retryable,
        retry_after: retry::retry_after(response.headers(), Utc::now()),
        ..Failure::for_good(format!("the server answered {status}{detail}{advice}"))
    }
}

fn not_kept(error: io::Error, encoding: Encoding) -> Failure {
    if error.get_ref().is_some_and(TooLarge::caused) {
        return Failure::for_good(error.to_string());
    }
    let broken = matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    );
    let what = match encoding.name() {
        Some(name) if broken => format!("broken {name} data"),
        _ => "the document cannot be kept".to_owned(),
    };
    let reason = format!("{what}: {error}");
    Failure { retryable: true, source: Some(Box::new(error)), ..Failure::for_good(reason) }
}

/// A client that does nothing by itself: what servers ask for is bounded here.
pub(super) fn client(
    tls: rustls::ClientConfig,
    guard: Guard,
    proxies: Vec<reqwest::Proxy>,
    options: &FetchOptions,
) -> Result<reqwest::Client, Failure> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(guard))
        .connect_timeout(options.connect_timeout)
        .user_agent(options.user_agent())
        // Followed here, within bounds. So is what encodings there are taken off, and retried.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // None but those configured: a proxy resolves names by itself, past the guard.
        .no_proxy()
        .referer(false);
    proxies
        .into_iter()
        .fold(builder, reqwest::ClientBuilder::proxy)
        .build()
        .map_err(|error| classify(error, "no HTTP client"))
}

/// An error of the HTTP library in our words; its own text names the address, with the query.
pub(super) fn classify(error: reqwest::Error, what: &str) -> Failure {
    let error = error.without_url();
    if error.is_timeout() {
        let doing = if error.is_connect() { "connecting" } else { what };
        return Failure { source: Some(Box::new(error)), ..timed_out(doing) };
    }
    let (mut retryable, mut reason) = (!error.is_builder(), String::new());
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(current) = next {
        // The innermost says what happened, the others only where.
        reason = excerpt(&current.to_string());
        if current.is::<Blocked>() {
            retryable = false;
            reason = current.to_string();
            break;
        }
        if current.is::<rustls::Error>() {
            retryable = false;
            reason = format!("TLS: {}", excerpt(&current.to_string()));
            break;
        }
        // An I/O error's `source` passes over the error it wraps.
        next = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    let what = if error.is_connect() { "cannot connect" } else { what };
    if reason.is_empty() {
        reason = excerpt(&error.to_string());
    }
    let reason = format!("{what}: {reason}");
    Failure { retryable, source: Some(Box::new(error)), ..Failure::for_good(reason) }
}
