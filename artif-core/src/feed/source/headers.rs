//! Headers of a feed's own.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::secret::is_header_name;
use crate::error::{Error, Result, excerpt};

/// Headers that requests for a feed carry. Their values may be keys: they are neither shown nor
/// written, and sent to the feed's origin only.
///
/// ```
/// use artif_core::feed::Headers;
///
/// let headers = Headers::new([("Accept", "text/plain"), ("X-Team", "blue")]).unwrap();
/// assert_eq!(format!("{headers:?}"), "[\"Accept\", \"X-Team\"]");
/// assert!(Headers::new([("Content-Length", "7")]).is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// Checks names and values.
    ///
    /// Errors: [`Error::Invalid`] for a name that is none or is not the user's to set (`Host`,
    /// `Range` and what the transfer depends on), and for values that are not visible ASCII.
    ///
    /// ```
    /// use artif_core::feed::Headers;
    /// assert!(Headers::new([("A", "two\nlines")]).is_err());
    /// ```
    pub fn new<N: Into<String>, V: Into<String>>(
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self> {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self::try_from(headers.collect::<BTreeMap<_, _>>())
    }

    /// Whether there are none.
    ///
    /// ```
    /// assert!(artif_core::feed::Headers::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl TryFrom<BTreeMap<String, String>> for Headers {
    type Error = Error;

    fn try_from(headers: BTreeMap<String, String>) -> Result<Self> {
        let invalid = |reason| Error::Invalid { what: "headers", reason };
        for (name, value) in &headers {
            if !is_header_name(name) {
                return Err(invalid(format!("{:?} cannot be set", excerpt(name))));
            }
            if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
                return Err(invalid(format!("the value of {name:?} is not visible ASCII")));
            }
        }
        Ok(Self(headers))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.keys())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
