//! HTTP(S) transfers, on a thread with a runtime of their own.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use super::address::file_path;
use super::body::{TooLarge, too_large};
use super::policy::{Blocked, Guard, Lookup, Redirects, system_lookup};
use super::spool::Intake;
use super::{Body, Event, Failure, FetchOptions, Fetched, Request};
use crate::error::{Error, Result, excerpt};
use crate::ledger::Validators;

/// Politeness: more would not be faster where it matters.
const PER_HOST: usize = 2;
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
        })
        .and_then(|runtime| Ok((runtime, Client::new(surroundings, options)?)));
    let (runtime, client) = match prepared {
        Ok(prepared) => prepared,
        Err(Failure { reason, retryable, .. }) => {
            for (place, request) in requests {
                let failure = Failure { reason: reason.clone(), retryable, source: None };
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
    let mut hosts: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut transfers = JoinSet::new();
    for (place, request) in requests {
        let host = Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = hosts
            .entry(host.unwrap_or_default())
            .or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)));
        let (host, overall) = (Arc::clone(host), Arc::clone(&overall));
        let (client, events) = (Arc::clone(&client), events.clone());
        transfers.spawn(async move {
            // In this order: whoever waits for its host must not hold up the others. The
            // semaphores are never closed.
            let _host = host.acquire().await;
            let _overall = overall.acquire().await;
            let report = |event| {
                let _ = events.send((place, event));
            };
            report(Event::Started);
            let result = client.fetch(&request, report).await;
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
        let (tls, no_tls) = tls_config(surroundings.roots.clone())?;
        let guard = Guard::new(Arc::clone(&surroundings.lookup), options.allow_private);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(guard))
            .connect_timeout(options.connect_timeout)
            .user_agent(options.user_agent())
            // Both are done here, within bounds.
            .redirect(reqwest::redirect::Policy::none())
            .no_gzip()
            // A proxy would resolve names by itself, past the guard.
            .no_proxy()
            .referer(false)
            .build()
            .map_err(|error| classify(error, "no HTTP client"))?;
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
        let mut redirects = Redirects::new(&start, &self.options);
        let mut url = start.clone();
        loop {
            let response = self.send(&url, &request.validators).await?;
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
                        .ok_or_else(|| unexpected(status, " without a usable Location"))?;
                    url = redirects.follow(&url, location)?;
                }
                _ => return Err(unexpected(status, "")),
            }
        }
    }

    async fn send(&self, url: &Url, validators: &Validators) -> Result<Response, Failure> {
        if let (Some(problem), "https") = (&self.no_tls, url.scheme()) {
            return Err(Failure::for_good(format!("no server can be authenticated: {problem}")));
        }
        let conditions = [
            (IF_NONE_MATCH, validators.etag.as_deref()),
            (IF_MODIFIED_SINCE, validators.last_modified.as_deref()),
        ];
        let mut get = self.http.get(url.clone()).header(ACCEPT_ENCODING, "gzip");
        for (name, value) in conditions {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                get = get.header(name, value);
            }
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
        let packed = is_packed(response.headers())?;
        let mut intake = Intake::new(packed, limit);
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
            taken.map_err(|error| not_kept(error, packed))?;
            if received - reported >= REPORT_EVERY {
                reported = received;
                report(Event::Received { bytes: received, total });
            }
        }
        if received == 0 {
            // Nothing, packed, is not even a gzip header.
            intake = Intake::new(false, limit);
        }
        report(Event::Received { bytes: received, total });
        let spool = intake.finish().map_err(|error| not_kept(error, packed))?;
        Ok(Body::kept(request, limit, spool.file, spool.hash.digest128()))
    }
}

/// A configuration that authenticates servers, with the crypto provider handed over instead of
/// installed for the whole process; and why it cannot, where the system has no roots to trust.
fn tls_config(
    roots: Option<rustls::RootCertStore>,
) -> Result<(rustls::ClientConfig, Option<String>), Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::for_good(format!("no TLS: {error}")))?;
    let mut problem = None;
    let trusting = |roots| builder.clone().with_root_certificates(roots).with_no_client_auth();
    let mut config = match roots {
        Some(roots) => trusting(roots),
        None => match rustls_platform_verifier::Verifier::new(provider) {
            Ok(verifier) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth(),
            Err(error) => {
                problem = Some(format!("{error}; install the system's CA certificates"));
                trusting(rustls::RootCertStore::empty())
            }
        },
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, problem))
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

fn is_packed(headers: &HeaderMap) -> Result<bool, Failure> {
    let mut packed = false;
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" if !packed => packed = true,
            _ => {
                return Err(Failure::for_good(format!(
                    "sent in the encoding {:?}, asked for was gzip or none",
                    excerpt(&value)
                )));
            }
        }
    }
    Ok(packed)
}

fn timed_out(reason: &str) -> Failure {
    Failure { reason: format!("timed out: {reason}"), retryable: true, source: None }
}

fn unexpected(status: StatusCode, detail: &str) -> Failure {
    let retryable = status.is_server_error() || matches!(status.as_u16(), 202 | 408 | 425 | 429);
    Failure { reason: format!("the server answered {status}{detail}"), retryable, source: None }
}

fn not_kept(error: io::Error, packed: bool) -> Failure {
    if error.get_ref().is_some_and(TooLarge::caused) {
        return Failure::for_good(error.to_string());
    }
    let what = match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            if packed =>
        {
            "broken gzip data"
        }
        _ => "the document cannot be kept",
    };
    let reason = format!("{what}: {error}");
    Failure { reason, retryable: true, source: Some(Box::new(error)) }
}

/// An error of the HTTP library in our words; its own text names the address, with the query.
fn classify(error: reqwest::Error, what: &str) -> Failure {
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
    Failure { reason: format!("{what}: {reason}"), retryable, source: Some(Box::new(error)) }
}
