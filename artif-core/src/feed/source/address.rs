//! Addresses of feeds: what may be shown of them, and files among them.

use std::path::PathBuf;

use url::Url;

use super::Failure;
use crate::error::excerpt;

/// The address without user, password, query and fragment, any of which may hold a key.
pub(crate) fn redact(url: &str) -> String {
    if file_path(url).is_some() {
        return excerpt(url);
    }
    let Ok(mut url) = Url::parse(url) else { return "(an address that does not parse)".to_owned() };
    // These fail only for addresses that have no host, hence no user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    excerpt(url.as_str())
}

/// The path in a `file:` address; `None` for other addresses.
///
/// `file:///a%20b` is a URL, percent-encoded; `file:/a b` and `file:a b` hold the path as it is.
pub(super) fn file_path(url: &str) -> Option<Result<PathBuf, Failure>> {
    let (scheme, rest) = url.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let path = if rest.starts_with("//") {
        Url::parse(url).ok().and_then(|url| url.to_file_path().ok())
    } else {
        (!rest.is_empty()).then(|| rest.into())
    };
    Some(path.ok_or_else(|| {
        Failure::for_good("not the address of a file here: write file:///path or file:path")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (url, expected) in [
            ("https://user:pass@feeds.example/a?key=1#x", "https://feeds.example/a"),
            ("https://token@feeds.example:8443/", "https://feeds.example:8443/"),
            ("http://feeds.example", "http://feeds.example/"),
            ("https://user:pass@[bad/?key=1", "(an address that does not parse)"),
            ("user:pass@feeds.example", "user:pass@feeds.example"),
            ("file:/a?b", "file:/a?b"),
        ] {
            assert_eq!(redact(url), expected);
        }
        assert!(!redact("https://feeds.example/\n2026 forged").contains('\n'));
    }

    #[cfg(unix)]
    #[test]
    fn paths_in_addresses() {
        for (url, expected) in [
            ("file:///a%20b/c", Some("/a b/c")),
            ("file://localhost/a", Some("/a")),
            ("FILE:/a%20b", Some("/a%20b")),
            ("file:a b?c", Some("a b?c")),
            ("file:../a", Some("../a")),
            ("file://elsewhere/a", None),
            ("file:", None),
        ] {
            let path = file_path(url).unwrap().ok();
            assert_eq!(path.as_deref(), expected.map(std::path::Path::new), "{url}");
        }
        assert!(file_path("https://x/").is_none());
        assert!(file_path("file").is_none());
    }
}
