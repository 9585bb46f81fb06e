//! Calls of one server: what is asked, how often, and what an answer has to be.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Problem;
use super::answer::{Failure, failure_inside, judge};
use super::event::{self, Event};
use super::page::{self, Attribute};
use crate::config::{Fetch, Misp};
use crate::error::{Error, Result, excerpt};
use crate::feed::source::api::{Answer, Api, Identity};
use crate::feed::source::{FetchOptions, waits};
use crate::feed::{Auth, MISP_TYPES};

/// Bytes of an answer that is held whole.
const SMALL: u64 = 64 << 20;
/// Events a page of the index.
const INDEX_PAGE: usize = 1000;
/// How often the index is begun anew because it changed while it was read.
const INDEX_TRIES: u32 = 3;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    api: Api,
    server: Misp,
    options: FetchOptions,
    cancel: &'a AtomicBool,
    requests: std::cell::Cell<u64>,
    /// The server's clock at the first answer.
    date: std::cell::Cell<Option<u32>>,
}

/// Which attributes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// Of these events; none stands for all.
    pub(crate) events: Vec<u64>,
    /// Changed since, in Unix seconds of the server.
    pub(crate) since: Option<u32>,
    /// Deleted ones, too.
    pub(crate) deleted: bool,
}

/// What a page was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) rows: u64,
    /// Whether there is another: a short page, even an empty one, is not always the last.
    pub(crate) more: bool,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) may_sight: bool,
}

impl<'a> Client<'a> {
    pub(crate) fn new(server: &Misp, fetch: &Fetch, cancel: &'a AtomicBool) -> Result<Self> {
        let mut options = fetch.clone();
        if server.ca_file.is_some() {
            options.ca_file.clone_from(&server.ca_file);
        }
        match server.proxy.as_deref() {
            Some("none") => options.proxy = None,
            Some(proxy) => {
                options.proxy = Some(proxy.to_owned());
                options.proxy_auth = None;
            }
            None => {}
        }
        if !server.tls_verify {
            tracing::warn!(server = %server.id, "its certificate is not checked (tls_verify)");
        }
        let identity = Identity {
            unverified: !server.tls_verify,
            client: server.client_cert.clone().zip(server.client_key.clone()),
        };
        // The key as it is, without a word before it.
        let auth = server.key.clone().map(|key| Auth::header("Authorization", key));
        let api = Api::new(&server.id, &server.url, auth, &options, &identity)
            .map_err(|none| error_of(server, "connecting", none.into()))?;
        Ok(Self {
            api,
            server: server.clone(),
            options,
            cancel,
            requests: std::cell::Cell::new(0),
            date: std::cell::Cell::new(None),
        })
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// What the server's clock said when it was first heard of.
    pub(crate) fn server_time(&self) -> Option<u32> {
        self.date.get()
    }

    /// Who answers, and what the key may do.
    pub(crate) fn version(&self) -> Result<Version> {
        let doing = "asking for its version";
        let said = self.small(doing, "servers/getVersion", None)?;
        let version = said.get("version").and_then(Value::as_str).ok_or_else(|| {
            let detail = "the answer holds no version";
            self.error(doing, Failure::new(Problem::Unreadable, detail))
        })?;
        let may_sight = said.get("perm_sighting").is_some_and(|may| *may == true || *may == "1");
        Ok(Version { version: version.to_owned(), may_sight })
    }

    /// All events that the key may see, without their attributes, by id.
    pub(crate) fn events(&self) -> Result<Vec<Event>> {
        let doing = "reading the list of events";
        for _ in 0..INDEX_TRIES {
            if let Some(events) = self.events_once(doing)? {
                return Ok(events);
            }
        }
        let detail = "it changed each time while it was read";
        Err(self.error(doing, Failure::new(Problem::Unreadable, detail)))
    }

    /// `None` where an event came or went while the pages were read.
    fn events_once(&self, doing: &str) -> Result<Option<Vec<Event>>> {
        let mut events: Vec<Event> = Vec::new();
        let mut total = None;
        for page in 1_u32.. {
            let path = format!("events/index/sort:id/direction:asc/limit:{INDEX_PAGE}/page:{page}");
            let mut answer = self.get(doing, &path, None, self.server.timeout)?;
            let now = count(&answer, "x-result-count");
            if *total.get_or_insert(now) != now {
                return Ok(None);
            }
            let before = events.len();
            let read = answer
                .reader()
                .map_err(page::Unreadable::from)
                .and_then(|reader| event::index(reader, |event| events.push(event)));
            read.map_err(|error| self.error(doing, error.into()))?;
            let got = events.len() - before;
            // Where the total is not said, a short page is the end: nothing filters this list.
            let more = match now {
                Some(total) => (events.len() as u64) < total && got > 0,
                None => got >= INDEX_PAGE,
            };
            if !more {
                break;
            }
        }
        events.sort_by_key(|event| event.id);
        events.dedup_by_key(|event| event.id);
        Ok(Some(events))
    }

    /// One page, from 1, of the attributes that hold addresses, by id. Nothing else is taken: an
    /// answer to a request whose filters were dropped on the way is an error.
    ///
    /// Tried once only, as a page that took too long is better asked for in halves.
    pub(crate) fn attributes(
        &self,
        query: &Query,
        limit: u32,
        page: u32,
        visit: &mut dyn FnMut(Attribute) -> Result<()>,
    ) -> Result<Page> {
        let doing = "reading attributes";
        let body = self.search(query, limit, page);
        let mut answer =
            self.once(doing, "attributes/restSearch", Some(&body), self.server.timeout)?;
        let skipped = count(&answer, "x-skipped-elements-count").unwrap_or(0);
        let found = count(&answer, "x-result-count");
        let reader = answer
            .reader()
            .map_err(|error| self.error(doing, page::Unreadable::from(error).into()))?;
        let mut rows = 0_u64;
        let mut failure = None;
        let read = page::attributes(reader, |attribute| {
            rows += 1;
            let asked = query.events.is_empty() || query.events.contains(&attribute.event);
            let result = match attribute.kind {
                _ if !asked => {
                    Err(format!("attribute {} of event {}", attribute.id, attribute.event))
                }
                None => Err(format!("attribute {} of another type", attribute.id)),
                _ if rows > u64::from(limit) => Err(format!("more than {limit} attributes")),
                Some(_) => visit(attribute).map_err(|error| {
                    failure = Some(error);
                    String::new()
                }),
            };
            result.map_err(page::Stop)
        });
        if let Some(error) = failure {
            return Err(error);
        }
        read.map_err(|error| self.error(doing, error.into()))?;
        Ok(Page { rows, more: has_more(rows, skipped, found, limit.into()) })
    }

    fn search(&self, query: &Query, limit: u32, page: u32) -> Value {
        let mut body = serde_json::Map::new();
        let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
        put("returnFormat", json!("json"));
        put("type", json!(MISP_TYPES));
        put("order", json!("Attribute.id asc"));
        put("limit", json!(limit));
        put("page", json!(page));
        if !query.events.is_empty() {
            put("eventid", json!(query.events));
        }
        if let Some(since) = query.since {
            put("timestamp", json!(since));
        }
        if query.deleted {
            put("deleted", json!([0, 1]));
        }
        // Numbers: a JSON false is no filter, and a text is true.
        if self.server.enforce_warninglist {
            put("enforceWarninglist", json!(1));
        }
        if self.server.decay {
            put("includeDecayScore", json!(1));
        }
        Value::Object(body)
    }

    /// An answer that is held whole, read as JSON, with failures inside it found.
    pub(crate) fn small(&self, doing: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.get(doing, path, body, self.server.timeout)?;
        self.whole(doing, answer)
    }

    /// The same for what changes the server: tried once only, as it might be done twice.
    pub(crate) fn write(&self, doing: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = self.once(doing, path, Some(body), self.server.timeout)?;
        self.whole(doing, answer)
    }

    fn whole(&self, doing: &str, mut answer: Answer) -> Result<Value> {
        if answer.length > SMALL {
            let detail = format!("{} bytes where a small answer was expected", answer.length);
            return Err(self.error(doing, Failure::new(Problem::AnswerTooLarge, detail)));
        }
        let mut text = Vec::new();
        let read = answer.reader().and_then(|mut reader| reader.read_to_end(&mut text));
        read.map_err(|error| self.error(doing, page::Unreadable::from(error).into()))?;
        let said: Value = serde_json::from_slice(&text)
            .map_err(|error| self.error(doing, page::Unreadable::from(error).into()))?;
        match failure_inside(&said) {
            Some(failure) => Err(self.error(doing, failure)),
            None => Ok(said),
        }
    }

    /// Calls until there is an answer, or no hope of one.
    fn get(
        &self,
        doing: &str,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer> {
        let began = Instant::now();
        let mut waits = waits(&self.options);
        loop {
            let error = match self.once(doing, path, body, patience) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = matches!(
                &error,
                Error::Misp {
                    problem: Problem::Unreachable | Problem::TimedOut | Problem::Gateway,
                    ..
                }
            );
            match waits.next() {
                Some(wait) if again && began.elapsed() < self.options.timeout => {
                    tracing::debug!(%error, ?wait, "trying again");
                    self.sleep(wait)?;
                }
                _ => return Err(error),
            }
        }
    }

    fn once(
        &self,
        doing: &str,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer> {
        self.requests.set(self.requests.get() + 1);
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = self.api.call(path, body, patience, self.cancel);
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let answer = answer.map_err(|none| self.error(doing, none.into()))?;
        if self.date.get().is_none() {
            self.date.set(answer.date().map(crate::clock::seconds));
        }
        judge(answer).map_err(|failure| self.error(doing, failure))
    }

    /// Waits, unless the caller gives up.
    pub(crate) fn sleep(&self, wait: Duration) -> Result<()> {
        const NAP: Duration = Duration::from_millis(20);
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// An answer with something in it that was not asked for.
    pub(crate) fn unfiltered(&self, doing: &str, what: &str) -> Error {
        let detail = format!("the answer holds {:?}", excerpt(what));
        self.error(doing, Failure::new(Problem::Unfiltered, detail))
    }

    pub(crate) fn error(&self, doing: &str, failure: Failure) -> Error {
        error_of(&self.server, doing, failure)
    }
}

fn error_of(server: &Misp, doing: &str, failure: Failure) -> Error {
    let Failure { problem, detail, retry_after } = failure;
    Error::Misp {
        server: server.id.to_string(),
        problem,
        doing: doing.to_owned(),
        detail,
        retry_after,
    }
}

/// Whether there is another page after one with so many rows, so many left out and said to be, and
/// the count that the server gives, which is no total: one more than the limit after a full page.
pub(crate) fn has_more(rows: u64, skipped: u64, found: Option<u64>, limit: u64) -> bool {
    match found {
        Some(found) => rows + skipped >= limit || found > limit,
        // An old server says nothing: only an empty page is the last.
        None => rows > 0,
    }
}

fn count(answer: &Answer, header: &str) -> Option<u64> {
    answer.header(header)?.trim().parse().ok()
}
