//! The seed system's documented answer, for clients written against it.

use serde_json::{Value, json};

use crate::reputation::{Held, Reputation};
use crate::verdict::Verdict;

/// What it says to an empty question.
#[cfg(feature = "cli")]
pub(crate) const ENTER_IP: &str = "Enter IP";
/// What it says to text that is no address.
#[cfg(feature = "cli")]
pub(crate) const ENTER_VALID_IP: &str = "Enter valid IP";
const PRIVATE_IP: &str = "Private IP";

/// The answer to a question that got no further.
pub(crate) fn only(description: &str) -> String {
    object(&[("description", json!(description).to_string())])
}

/// The answer for one address. As the seed's documentation says, and unlike its code, `metadata`
/// is an object; names come in the documented order.
pub(crate) fn answer<H: Held>(reputation: &Reputation<H>) -> String {
    let overridden = matches!(reputation.verdict(), Verdict::Allowed | Verdict::Blocked);
    if reputation.special_purpose().is_some() && !overridden {
        return only(PRIVATE_IP);
    }
    let or_na = |text: Option<String>| json!(text.as_deref().unwrap_or("NA")).to_string();
    let metadata = object(&[
        ("asn", or_na(reputation.asn().map(|asn| format!("AS{asn}")))),
        ("country", or_na(reputation.country().map(|country| country.to_string()))),
        ("org", or_na(reputation.organisation().map(str::to_owned))),
    ]);
    object(&[
        ("is_IoC", reputation.is_ioc().to_string()),
        ("is_Active", reputation.is_active().to_string()),
        ("metadata", metadata),
        ("score", json!(reputation.score()).to_string()),
        ("description", json!(reputation.description()).to_string()),
        ("blacklists", list(reputation.feeds().map(|feed| feed.name.as_str()))),
        ("type", list(reputation.categories().iter().map(crate::Category::name))),
        ("historical", reputation.is_historical().to_string()),
        ("verdict", json!(reputation.verdict().as_str()).to_string()),
    ])
}

/// Rendered fields as Python's `json.dumps` writes them: a blank after each colon and comma.
fn object(fields: &[(&str, String)]) -> String {
    let parts: Vec<String> = fields.iter().map(|(n, value)| format!("\"{n}\": {value}")).collect();
    format!("{{{}}}", parts.join(", "))
}

/// A list; an empty one is an empty string, as documented.
fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<String> = items.map(|item| Value::from(item).to_string()).collect();
    if parts.is_empty() { "\"\"".to_owned() } else { format!("[{}]", parts.join(", ")) }
}
