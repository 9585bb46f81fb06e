//! Whether an answer is one, and which failure it is otherwise.

use std::io::Read as _;

use serde_json::Value;

use super::Problem;
use crate::error::excerpt;
use crate::feed::source::api::{Answer, NoAnswer};

/// Bytes of an error that are looked at.
const LOOK: u64 = 64 << 10;

/// A failure, before anybody knows what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) problem: Problem,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<u32>,
}

impl Failure {
    pub(crate) fn new(problem: Problem, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into(), retry_after: None }
    }
}

/// The answer where it is a success with JSON in it.
pub(crate) fn judge(mut answer: Answer) -> Result<Answer, Failure> {
    let status = answer.status;
    let json = answer.content_type().to_ascii_lowercase().contains("json");
    if status == 200 && json {
        return Ok(answer);
    }
    if (300..400).contains(&status) {
        return Err(redirect(answer.header("location").unwrap_or_default()));
    }
    let limit = (status == 429).then(|| rate_limit(&answer));
    let mut start = Vec::new();
    let read = answer.reader().and_then(|reader| reader.take(LOOK).read_to_end(&mut start));
    let said = read.ok().and_then(|_| serde_json::from_slice::<Value>(&start).ok());
    let mut failure = match said {
        Some(said) => of_json(status, &said),
        None => of_page(status, &String::from_utf8_lossy(&start)),
    };
    if let Some((wait, detail)) = limit {
        failure = Failure { retry_after: wait, ..Failure::new(Problem::RateLimited, detail) };
    }
    if failure.retry_after.is_none() {
        failure.retry_after = answer.retry_after().map(crate::clock::span);
    }
    Err(failure)
}

fn redirect(location: &str) -> Failure {
    if location.contains("/users/login") {
        return Failure::new(Problem::LoginPage, "redirected to the login page");
    }
    let to = crate::feed::source::redact(location);
    Failure::new(Problem::Redirected, format!("redirected to {to}"))
}

fn rate_limit(answer: &Answer) -> (Option<u32>, String) {
    let number = |name| answer.header(name).and_then(|text| text.trim().parse::<u32>().ok());
    let wait = number("x-rate-limit-reset");
    let detail = match (number("x-rate-limit-limit"), wait) {
        (Some(limit), Some(wait)) => {
            format!("all of {limit} requests are used up for another {wait} s")
        }
        (_, Some(wait)) => format!("no more requests for another {wait} s"),
        _ => "no more requests for a while".to_owned(),
    };
    (wait, detail)
}

/// What the texts of MISP stand for: statuses alone mislead.
const TEXTS: &[(&str, Problem)] = &[
    ("account has been disabled", Problem::AccountDisabled),
    ("auth key from your ip", Problem::KeyAddress),
    ("authentication failed", Problem::KeyRejected),
    ("blocked by event blocklist", Problem::Blocklisted),
    ("already exists, if you", Problem::AlreadyThere),
    ("a similar attribute already exists", Problem::AlreadyThere),
    ("do not have permission", Problem::NoPermission),
    ("not authorised", Problem::NoPermission),
    ("invalid output format", Problem::BadFormat),
    ("internal error has occurred", Problem::Internal),
    ("rate limit exceeded", Problem::RateLimited),
    ("invalid json input", Problem::BadRequest),
    ("via post request", Problem::BadRequest),
    ("via a post request", Problem::BadRequest),
    ("are not allowed", Problem::BadRequest),
    ("either specify the search terms", Problem::BadRequest),
    ("invalid id", Problem::BadRequest),
    ("an id or uuid must be", Problem::BadRequest),
    ("invalid context", Problem::BadRequest),
    ("no valid data received", Problem::BadRequest),
    ("no valid event data", Problem::BadRequest),
    ("invalid event", Problem::NotFound),
    ("invalid attribute", Problem::NotFound),
    ("invalid feed", Problem::NotFound),
    ("invalid tag", Problem::NotFound),
    ("invalid target", Problem::NotFound),
    ("invalid sighting", Problem::NotFound),
    ("warninglist not found", Problem::NotFound),
    ("not attached to the target", Problem::NotFound),
    ("could not", Problem::Invalid),
];

/// What a failure is that is written in JSON.
pub(crate) fn of_json(status: u16, said: &Value) -> Failure {
    let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut detail = text("message").to_owned();
    if detail.is_empty() {
        text("name").clone_into(&mut detail);
    }
    let errors = said.get("errors").map(of_fields).filter(|errors| !errors.is_empty());
    if let Some(errors) = &errors {
        let joint = if detail.is_empty() { "" } else { ": " };
        detail = format!("{detail}{joint}{errors}");
    }
    let lower = detail.to_ascii_lowercase();
    let by_text = TEXTS.iter().find(|(text, _)| lower.contains(text)).map(|(_, problem)| *problem);
    let problem = match (status, by_text) {
        (404, None) if lower == "not found" => Problem::NoSuchPage,
        (200, _) => Problem::NotDone,
        (_, Some(problem)) => problem,
        (_, None) if errors.is_some() => Problem::Invalid,
        (status, None) => of_status(status),
    };
    if detail.is_empty() {
        detail = format!("status {status}");
    }
    Failure::new(problem, excerpt(&detail))
}

/// The fields an `errors` member speaks of, which is a text or an object, nested or not.
fn of_fields(errors: &Value) -> String {
    match errors {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(of_fields).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let said = fields.iter().map(|(name, value)| format!("{name}: {}", of_fields(value)));
            said.collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}

fn of_page(status: u16, text: &str) -> Failure {
    let detail = match title(text) {
        Some(title) => format!("status {status} with the page {title:?}"),
        None => format!("status {status} without JSON"),
    };
    let problem = match status {
        // Whatever the page says: this is no answer of the interface.
        200 | 201 | 203 | 204 => Problem::NotJson,
        404 => Problem::NoSuchPage,
        status => of_status(status),
    };
    Failure::new(problem, detail)
}

fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let length = lower.get(start..)?.find("</title>")?;
    let title = page.get(start..start + length)?.trim();
    (!title.is_empty()).then(|| excerpt(title))
}

fn of_status(status: u16) -> Problem {
    match status {
        400 | 405 => Problem::BadRequest,
        401 => Problem::KeyRejected,
        403 => Problem::NoPermission,
        404 => Problem::NotFound,
        413 => Problem::RequestTooLarge,
        429 => Problem::RateLimited,
        500 => Problem::Internal,
        408 | 502..=504 => Problem::Gateway,
        _ => Problem::UnexpectedStatus,
    }
}

/// What a failure inside a success says, where there is one: `{"saved": false, "errors": …}`, or a
/// message that something failed.
pub(crate) fn failure_inside(said: &Value) -> Option<Failure> {
    let not_saved = said.get("saved").is_some_and(|saved| saved == false);
    let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
    let complaint = [text("message"), text("result")].into_iter().find(|text| {
        let text = text.to_ascii_lowercase();
        text.contains("could not") || text.contains("failed") || text.contains("not enabled")
    });
    match (not_saved, complaint) {
        (true, _) => Some(Failure { problem: Problem::NotDone, ..of_json(200, said) }),
        (false, Some(text)) => Some(Failure::new(Problem::NotDone, excerpt(text))),
        (false, None) => None,
    }
}

impl From<NoAnswer> for Failure {
    fn from(none: NoAnswer) -> Self {
        let (problem, detail) = match none {
            NoAnswer::TimedOut(detail) => (Problem::TimedOut, detail),
            NoAnswer::TooLarge(detail) => (Problem::AnswerTooLarge, detail),
            NoAnswer::Tls(detail) => (Problem::Tls, detail),
            NoAnswer::Unreachable(detail) => (Problem::Unreachable, detail),
            NoAnswer::Here(detail) => (Problem::Setup, detail),
            NoAnswer::Cancelled => (Problem::Unreachable, "cancelled".to_owned()),
        };
        Self::new(problem, detail)
    }
}
