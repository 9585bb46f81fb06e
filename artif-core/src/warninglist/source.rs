//! Where warninglists come from, as feeds with a role of their own.

use std::path::Path;

use super::category::known_names;
use super::{Action, classify};
use crate::config::Warninglists;
use crate::error::{Error, Result};
use crate::feed::{Feed, FeedId, Format, Role, Scope};

/// What the ids of configured lists begin with.
const PREFIX: &str = "warninglist.";

/// The name of the list that a feed is.
pub(crate) fn list_name(id: &str) -> &str {
    id.strip_prefix(PREFIX).unwrap_or(id)
}

/// Whether this is a list of the configured source, and none of a catalogue's.
pub(crate) fn is_of_source(id: &FeedId) -> bool {
    id.as_str().starts_with(PREFIX)
}

/// Whether the lists come from a folder, where others may turn up.
pub(crate) fn is_folder(config: &Warninglists) -> bool {
    config.source.as_deref().and_then(local_path).is_some_and(|path| !path.is_file())
}

/// The lists of the configuration. A folder is looked through; at an address, the names are those
/// under `lists`, else all that are known.
///
/// Errors: a folder that cannot be read.
pub(crate) fn feeds(config: &Warninglists) -> Result<Vec<Feed>> {
    let Some(source) = config.source.as_deref() else { return Ok(Vec::new()) };
    if let Some(folder) = local_path(source).filter(|path| !path.is_file()) {
        let mut found = Vec::new();
        let failed = |e| Error::io("reading the folder of warninglists", folder, e);
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let document = if path.is_dir() { path.join("list.json") } else { path.clone() };
            let json = path.is_dir() || is_json(&path);
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            if json && document.is_file() {
                found.push((name.to_owned(), format!("file:{}", document.display())));
            }
        }
        found.sort();
        return collect(found, config);
    }
    let single = is_json(Path::new(source)) && !source.contains("{name}");
    if single {
        let path = source.strip_suffix("/list.json").or_else(|| source.strip_suffix(".json"));
        let name = path.and_then(|path| path.rsplit(['/', '\\']).next()).unwrap_or(source);
        let url = local_path(source).map_or_else(|| source.to_owned(), |_| file_url(source));
        return collect(vec![(name.to_owned(), url)], config);
    }
    let names = if config.lists.is_empty() { known_names(config) } else { config.lists.clone() };
    let addresses = names.into_iter().map(|name| {
        let url = if source.contains("{name}") {
            source.replace("{name}", &name)
        } else {
            format!("{}/{name}/list.json", source.trim_end_matches('/'))
        };
        (name, url)
    });
    collect(addresses.collect(), config)
}

/// The lists as they were known before a folder went away, so that what the ledger holds of them
/// goes on counting; fetching them fails and is reported.
pub(crate) fn feeds_of_names<'a>(
    ids: impl Iterator<Item = &'a FeedId>,
    config: &Warninglists,
) -> Result<Vec<Feed>> {
    let folder = config.source.as_deref().unwrap_or_default();
    let names = ids.filter_map(|id| id.as_str().strip_prefix(PREFIX));
    let found = names.map(|name| {
        let path = Path::new(folder).join(name).join("list.json");
        (name.to_owned(), format!("file:{}", path.display()))
    });
    collect(found.collect(), config)
}

/// The path, where the source is none but a file or folder here.
fn local_path(source: &str) -> Option<&Path> {
    (!source.contains("://")).then(|| Path::new(source.strip_prefix("file:").unwrap_or(source)))
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn file_url(source: &str) -> String {
    format!("file:{}", source.strip_prefix("file:").unwrap_or(source))
}

fn collect(found: Vec<(String, String)>, config: &Warninglists) -> Result<Vec<Feed>> {
    let mut feeds: Vec<Feed> = Vec::new();
    for (name, url) in found {
        if !config.lists.is_empty() && !config.lists.contains(&name) {
            continue;
        }
        let id = FeedId::from_name(&format!("{PREFIX}{name}"))?;
        // Both NAME.json and NAME/list.json may be there.
        if feeds.iter().any(|feed| feed.id == id) {
            continue;
        }
        let mut feed = Feed::new(id.as_str(), &url)?
            .name(name.clone())
            .publisher("warninglists")
            .format(Format::MispWarninglist {})
            .role(Role::Warninglist);
        feed.scope = Scope::Range;
        feed.refresh_seconds = u32::try_from(config.refresh.as_secs()).unwrap_or(u32::MAX);
        feed.enabled = classify(&name, config).action != Action::Ignore;
        feeds.push(feed);
    }
    Ok(feeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str, lists: &[&str]) -> Vec<(String, String)> {
        let config = Warninglists {
            source: Some(source.to_owned()),
            lists: lists.iter().map(|name| (*name).to_owned()).collect(),
            ..Warninglists::default()
        };
        let feeds = feeds(&config).unwrap();
        feeds.into_iter().map(|feed| (feed.id.to_string(), feed.url)).collect()
    }

    #[test]
    fn folders_of_both_shapes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("akamai")).unwrap();
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        for name in ["akamai/list.json", "vpn-ipv4.json", "README.md", "akamai.json"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let folder = dir.path().to_str().unwrap();
        let names = |lists: &[&str]| -> Vec<String> {
            found(folder, lists).into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(names(&[]), ["warninglist.akamai", "warninglist.vpn-ipv4"]);
        assert_eq!(names(&["vpn-ipv4"]), ["warninglist.vpn-ipv4"]);
        let one = found(&format!("{folder}/vpn-ipv4.json"), &[]);
        assert_eq!(one, [("warninglist.vpn-ipv4".into(), format!("file:{folder}/vpn-ipv4.json"))]);
        let gone = Warninglists { source: Some("/no/such".into()), ..Warninglists::default() };
        assert_eq!(feeds(&gone).unwrap_err().code(), "ARTIF_IO");
        let ids = [FeedId::from_name("warninglist.a").unwrap(), FeedId::from_name("b").unwrap()];
        let known = feeds_of_names(ids.iter(), &gone).unwrap();
        assert_eq!((known.len(), &*known[0].url), (1, "file:/no/such/a/list.json"));
    }

    #[test]
    fn addresses_of_lists() {
        assert_eq!(
            found("https://w.example/lists/", &["a", "b"]),
            [
                ("warninglist.a".into(), "https://w.example/lists/a/list.json".into()),
                ("warninglist.b".into(), "https://w.example/lists/b/list.json".into())
            ]
        );
        assert_eq!(found("https://w.example/{name}.json", &["a"])[0].1, "https://w.example/a.json");
        assert_eq!(
            found("https://w.example/ours/list.json", &[]),
            [("warninglist.ours".into(), "https://w.example/ours/list.json".into())]
        );
        let all = found("https://w.example/lists", &[]);
        assert!(all.len() > 70 && all.iter().all(|(id, _)| !id.contains("rfc1918")));
    }
}
