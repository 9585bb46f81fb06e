//! Paths that are let through unseen.

use crate::error::{Error, Result, excerpt};

#[derive(Debug, Clone, Default)]
pub(super) struct Exempt {
    exact: Vec<String>,
    under: Vec<String>,
}

impl Exempt {
    pub(super) fn new(patterns: &[String]) -> Result<Self> {
        let mut exempt = Self::default();
        for pattern in patterns {
            let (path, list) = match pattern.strip_suffix('*') {
                Some(path) => (path, &mut exempt.under),
                None => (pattern.as_str(), &mut exempt.exact),
            };
            if !path.starts_with('/') || path.contains('*') || is_ambiguous(path) {
                return Err(Error::Invalid {
                    what: "exempt path",
                    reason: format!(
                        "{:?}: give a plain path from / on, with a * at its end at most",
                        excerpt(pattern)
                    ),
                });
            }
            list.push(path.to_owned());
        }
        Ok(exempt)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        (self.exact.iter().any(|exact| exact == path)
            || self.under.iter().any(|under| path.starts_with(under.as_str())))
            && !is_ambiguous(path)
    }
}

/// Whether a server may take it for another path.
fn is_ambiguous(path: &str) -> bool {
    path.contains("//")
        || path
            .split('/')
            .any(|segment| segment == "." || segment == ".." || segment.starts_with("..;"))
        || path.bytes().any(|b| matches!(b, b'\\' | b'%' | b';' | 0..=0x20 | 0x7f))
}
