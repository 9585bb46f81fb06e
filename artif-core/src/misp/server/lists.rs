//! Warninglists that a server has, as feeds of that role here.

use serde_json::Value;

use super::tags::fits;
use crate::clock::span;
use crate::config::{Misp, Warninglists};
use crate::error::{Result, excerpt};
use crate::feed::{Feed, FeedId, Format, MISP_TYPES, Role, Scope};
use crate::warninglist::{Action, classify};

/// The lists of the misp-warninglists project by what MISP calls them: it does not say which is
/// which. What is not among them is called by its name.
const NAMES: &[(&str, &str)] = &[
    ("*ipv4 public dns resolvers*", "public-dns-v4"),
    ("*ipv6 public dns resolvers*", "public-dns-v6"),
    ("*known akamai ip ranges*", "akamai"),
    ("*known bunny.net cdn ranges*", "bunny-net"),
    ("*known cloudflare ip ranges*", "cloudflare"),
    ("*known fastly ip address ranges*", "fastly"),
    ("*known stackpath cdn ip ranges*", "stackpath"),
    ("*known googlebot ip ranges*", "googlebot"),
    ("*known bingbot ip ranges*", "bingbot"),
    ("*for openai gpt crawler bot*", "openai-gptbot"),
    ("*known gmail sending ip ranges*", "google-gmail-sending-ips"),
    ("*known smtp sending ip ranges*", "smtp-sending-ips"),
    ("*known smtp receiving ip addresses*", "smtp-receiving-ips"),
    ("*known office 365 ip address ranges in china*", "microsoft-office365-cn"),
    ("*known office 365 ip address ranges*", "microsoft-office365-ip"),
    ("crl and ocsp ip addresses*", "crl-ip"),
    ("*known apple ip ranges*", "apple"),
    ("*known telegram ip address ranges*", "telegram-ips"),
    ("*known wikimedia address ranges*", "wikimedia"),
    ("*known amazon aws ip address ranges*", "amazon-aws"),
    ("*known github ip ranges*", "github"),
    ("*known gcp (google cloud platform)*", "google-gcp"),
    ("*known microsoft azure us government*", "microsoft-azure-us-gov"),
    ("*known microsoft azure germany*", "microsoft-azure-germany"),
    ("*known microsoft azure china*", "microsoft-azure-china"),
    ("*known microsoft azure datacenter*", "microsoft-azure"),
    ("*known oracle cloud infrastructure*", "oracle-oci"),
    ("*known ovh cluster ips*", "ovh-cluster"),
    ("*vpn-ipv4 addresses*", "vpn-ipv4"),
    ("*ipv6 addresses belonging to common vpn*", "vpn-ipv6"),
    ("*icloud private relay*", "icloud-private-relay"),
    ("*known zscaler ip address ranges*", "zscaler"),
    ("*known sinkholes*", "sinkholes"),
    ("parking domains*", "parking-domain"),
    ("cisco-umbrella-blockpage-ipv4", "umbrella-blockpage-v4"),
    ("cisco-umbrella-blockpage-ipv6", "umbrella-blockpage-v6"),
    ("*rfc 1918 cidr blocks*", "rfc1918"),
    ("*rfc 3849 cidr blocks*", "rfc3849"),
    ("*rfc 5735 cidr blocks*", "rfc5735"),
    ("*rfc 6598 cidr blocks*", "rfc6598"),
    ("*rfc 5771 multicast cidr blocks*", "multicast"),
    ("*ipv6 link local blocks*", "ipv6-linklocal"),
];

/// A list that the server has switched on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct There {
    pub(crate) id: u64,
    pub(crate) feed: Feed,
    /// Changes with what is on it.
    pub(crate) version: String,
    pub(crate) display_version: Option<String>,
}

/// The lists in the answer to `GET /warninglists` that are switched on, hold addresses, and are not
/// ignored by the configuration.
pub(crate) fn there(said: &Value, server: &Misp, config: &Warninglists) -> Result<Vec<There>> {
    let entries = said.get("Warninglists").and_then(Value::as_array);
    let mut lists: Vec<There> = Vec::new();
    for entry in entries.map(Vec::as_slice).unwrap_or_default() {
        let entry = entry.get("Warninglist").unwrap_or(entry);
        let text = |key: &str| match entry.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(true)) => "1".to_owned(),
            _ => String::new(),
        };
        let types = text("valid_attributes");
        let of_addresses = types.split(',').any(|kind| MISP_TYPES.contains(&kind.trim()));
        let whole = ["cidr", "string"].contains(&text("type").as_str());
        let Ok(id) = text("id").parse() else { continue };
        if text("enabled") != "1" || !of_addresses || !whole {
            continue;
        }
        let name = text("name");
        let feed = feed(server, id, &name, config)?;
        // Two lists may be called the same.
        if !feed.enabled || lists.iter().any(|list| list.feed.id == feed.id) {
            continue;
        }
        let number = text("version");
        let version = format!("{number} {}", text("warninglist_entry_count"));
        let display_version = (!number.is_empty()).then(|| excerpt(&number));
        lists.push(There { id, feed, version, display_version });
    }
    Ok(lists)
}

/// A list by its name as a feed; not enabled where the configuration ignores it.
pub(crate) fn feed(server: &Misp, id: u64, name: &str, config: &Warninglists) -> Result<Feed> {
    let known = NAMES.iter().find(|(pattern, _)| fits(pattern, name));
    let called = known.map_or(name, |(_, slug)| *slug);
    let feed_id = FeedId::from_name(&format!("warninglist.{called}"))
        .or_else(|_| FeedId::from_name(&format!("warninglist.misp-{id}")))?;
    let base = server.url.trim_end_matches('/');
    let url = format!("{base}/warninglists/view/{id}");
    let action = classify(crate::warninglist::list_name(feed_id.as_str()), config).action;
    let mut feed = Feed::part_of(feed_id, url, server.id.clone())
        .name(excerpt(name))
        .publisher("warninglists")
        .format(Format::MispWarninglist {})
        .role(Role::Warninglist)
        .refresh_every(span(server.refresh));
    feed.scope = Scope::Range;
    feed.can_be_empty = true;
    feed.enabled = action != Action::Ignore;
    Ok(feed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn lists_get_the_names_that_say_what_they_mean() {
        let config = Warninglists::default();
        let server = Misp { url: "https://misp.example/".to_owned(), ..Misp::default() };
        for (name, id, action) in [
            ("List of known Cloudflare IP ranges", "warninglist.cloudflare", Action::Cap),
            ("List of known IPv4 public DNS resolvers", "warninglist.public-dns-v4", Action::Cap),
            (
                "List of known Amazon AWS IP address ranges",
                "warninglist.amazon-aws",
                Action::Annotate,
            ),
            ("List of RFC 1918 CIDR blocks", "warninglist.rfc1918", Action::Ignore),
            (
                "Shodan IP Ranges Used for Scanning",
                "warninglist.shodan-ip-ranges-used-for-scanning",
                Action::Annotate,
            ),
            ("Ours", "warninglist.ours", Action::Annotate),
        ] {
            let feed = feed(&server, 7, name, &config).unwrap();
            assert_eq!(feed.id.as_str(), id);
            let list = crate::warninglist::list_name(id);
            assert_eq!(
                (classify(list, &config).action, feed.enabled),
                (action, action != Action::Ignore)
            );
        }
        for (_, slug) in NAMES {
            assert_ne!(classify(slug, &config).category, "other", "{slug}");
        }
    }

    #[test]
    fn only_lists_of_addresses_that_are_on() {
        let list = |id: u64, more: Value| {
            let mut list = json!({
                "id": id.to_string(), "name": format!("list {id}"), "type": "cidr", "enabled": true,
                "version": 3, "valid_attributes": "ip-src, domain|ip", "warninglist_entry_count": "9",
            });
            list.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "Warninglist": list })
        };
        let said = json!({"Warninglists": [
            list(1, json!({})),
            list(2, json!({"enabled": false})),
            list(3, json!({"valid_attributes": "domain, url"})),
            list(4, json!({"type": "substring"})),
            list(5, json!({"name": "list 1"})),
        ]});
        let server = Misp { url: "https://misp.example/".to_owned(), ..Misp::default() };
        let found = there(&said, &server, &Warninglists::default()).unwrap();
        let ids: Vec<_> = found.iter().map(|list| (list.id, list.version.as_str())).collect();
        assert_eq!(ids, [(1, "3 9")]);
        assert!(there(&json!([]), &server, &Warninglists::default()).unwrap().is_empty());
    }
}
