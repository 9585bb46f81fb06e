//! How a feed is written.

use serde::{Deserialize, Serialize};

/// A column by its number, from 1.
pub type Column = usize;

/// A path into JSON: names joined by dots, `[]` for every element of an array, `*` for every value
/// of an object, as in `prefixes[].ip_prefix`.
pub type JsonPath = String;

/// Takes only rows whose column holds this text.
///
/// ```
/// let online: artif_core::Where = serde_json::from_str(r#"{"col": 4, "eq": "online"}"#).unwrap();
/// assert_eq!(online.col, 4);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Where {
    /// The column.
    pub col: Column,
    /// The text, compared without regard to case.
    pub eq: String,
}

/// How a feed is written.
///
/// ```
/// use artif_core::Format;
///
/// let format: Format = serde_json::from_str(r#"{"type": "freetext"}"#).unwrap();
/// assert_eq!(format, Format::FreeText);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Format {
    /// One address, network or range a line; comments start with `#`, `;` or `//`.
    #[default]
    Plain,
    /// Any text: every address found in it counts, hosts of URLs included.
    #[serde(rename = "freetext")]
    FreeText,
}
