//! How a feed is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// A column by its number, from 1.
///
/// ```
/// let address: artif_core::feed::Column = 1; // the first
/// ```
pub type Column = usize;

/// A path into JSON: names joined by dots, `[]` for every element of an array, `*` for every value
/// of an object, as in `prefixes[].ip_prefix`.
///
/// ```
/// let path: artif_core::feed::JsonPath = "prefixes[].ip_prefix".to_owned();
/// ```
pub type JsonPath = String;

/// How a feed is written.
///
/// In catalogues and configuration it is a table with a `type`, or the bare type where there is
/// nothing else to say. Unknown keys are errors.
///
/// ```
/// use artif_core::Format;
///
/// let format: Format = serde_json::from_str(r#"{"type": "freetext"}"#).unwrap();
/// assert_eq!(format, Format::FreeText);
///
/// let format: Format =
///     serde_json::from_str(r#"{"type": "sep", "sep": "|", "value_col": 3}"#).unwrap();
/// assert_eq!(format.name(), "sep");
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Format {
    /// One address, network or range a line; comments start with `#`, `;` or `//`. What follows
    /// the first column is taken for text. The keys `comment`, `inline_comment` (one of the three
    /// markers) and `ipv6` are read for the sake of other catalogues; they change nothing.
    #[default]
    #[serde(deserialize_with = "plain_hints")]
    Plain,
    /// Any text: every address found in it counts, hosts of URLs included. This is what MISP calls
    /// a freetext feed.
    #[serde(rename = "freetext", deserialize_with = "nothing_else")]
    FreeText,
    /// Comma-separated columns; fields may be quoted with `"`.
    Csv(Columns),
    /// Tab-separated columns, unquoted.
    Tsv(Columns),
    /// Columns with a separator of their own (`sep`, needed here), unquoted.
    Sep(Columns),
    /// One JSON document.
    Json(Json),
    /// One JSON object a line.
    Ndjson(Ndjson),
    /// A regular expression applied to every line, where `(IP)` stands for an address or a
    /// network; every match counts.
    Regex {
        /// The expression (syntax of the `regex` crate), with `(IP)` exactly once.
        pattern: String,
    },
    /// `FireHOL`'s `.ipset` and `.netset`: plain text whose comments hold `# Key : value` pairs,
    /// which go to [`ParseReport::header`](crate::feed::ParseReport::header).
    Firehol {
        /// The list holds special-purpose ranges. Informational: they are always dropped.
        #[serde(default)]
        drop_bogons: bool,
        /// The list holds addresses of content delivery networks. Informational: warninglists
        /// decide.
        #[serde(default)]
        drop_cdn: bool,
    },
    /// One URL a line.
    UrlList {
        /// What of the URL counts.
        #[serde(default)]
        take: UrlPart,
    },
    /// Events in the MISP core format: `{"Event": …}`, a bare event, a list, or `{"response": …}`.
    MispEvent {
        /// Takes only attributes meant for detection.
        #[serde(default)]
        to_ids_only: bool,
    },
    /// One list of the misp-warninglists project, a `list.json`. Only lists of addresses give
    /// entries: what is in a list of host names, patterns or parts of texts is counted and skipped.
    MispWarninglist {},
    /// A folder in the MISP feed format (manifest and events). No single document.
    MispFeed {},
    /// The lists of the misp-warninglists project. No single document.
    MispWarninglists {
        /// The lists' folder names.
        #[serde(default)]
        slugs: Vec<String>,
    },
    /// The pulses of an OTX account. No single document.
    Otx {
        /// The key.
        #[serde(default)]
        auth: Option<HeaderKey>,
    },
    /// The decision stream of a `CrowdSec` local API. No single document.
    CrowdsecStream {
        /// The key.
        #[serde(default)]
        auth: Option<HeaderKey>,
    },
}

impl Format {
    /// Its `type` in catalogues.
    ///
    /// ```
    /// assert_eq!(artif_core::Format::FreeText.name(), "freetext");
    /// ```
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::FreeText => "freetext",
            Self::Csv(_) => "csv",
            Self::Tsv(_) => "tsv",
            Self::Sep(_) => "sep",
            Self::Json(_) => "json",
            Self::Ndjson(_) => "ndjson",
            Self::Regex { .. } => "regex",
            Self::Firehol { .. } => "firehol",
            Self::UrlList { .. } => "url-list",
            Self::MispEvent { .. } => "misp-event",
            Self::MispWarninglist {} => "misp-warninglist",
            Self::MispFeed {} => "misp-feed",
            Self::MispWarninglists { .. } => "misp-warninglists",
            Self::Otx { .. } => "otx",
            Self::CrowdsecStream { .. } => "crowdsec-stream",
        }
    }

    /// The request header the publisher wants a key in, if any.
    ///
    /// ```
    /// assert!(artif_core::Format::Plain.auth().is_none());
    /// ```
    pub const fn auth(&self) -> Option<&HeaderKey> {
        match self {
            Self::Json(Json { auth, .. }) | Self::Otx { auth } | Self::CrowdsecStream { auth } => {
                auth.as_ref()
            }
            _ => None,
        }
    }
}

/// The columns of a table and which rows count.
///
/// An entry is `value_col`, or a range from `start_col` to `end_col`; `prefix_col` adds a length
/// or netmask. Fields lose surrounding blanks.
///
/// `port_col`, `label_col`, `tags_col`, `country_col`, `asn_col`, `last_seen_col`, `date_col`,
/// `confidence_col` and `confidence_from_count` are informational: they are kept with the feed and
/// nothing reads them yet.
///
/// ```
/// let columns: artif_core::feed::Columns =
///     serde_json::from_str(r#"{"value_col": 2, "where": {"col": 4, "eq": "online"}}"#).unwrap();
/// assert_eq!(columns.value_col, [2]);
/// assert_eq!(columns.comment, "#");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Columns {
    /// The separator, one ASCII character (`\t` for a tab): what the type says where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sep: Option<String>,
    /// What a comment line starts with.
    pub comment: String,
    /// The quote, one ASCII character: `"` for csv, none for the others where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// A quote may follow a separator with blanks between.
    pub trim: bool,
    /// The first row may name the columns: it is passed over unless it holds an entry.
    #[serde(alias = "skip_header")]
    pub header: bool,
    /// The columns with addresses or networks: one number or a list, the first where absent.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub value_col: Vec<Column>,
    /// What an address column holds.
    pub value_kind: ValueKind,
    /// Octets are padded with zeros and decimal all the same.
    pub zero_padded: bool,
    /// The first address of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_col: Option<Column>,
    /// The last address of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_col: Option<Column>,
    /// The length in bits, or the netmask, that goes with the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_col: Option<Column>,
    /// Takes only rows with this text in this column.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub only: Option<Where>,
    /// Takes only rows with at least these numbers in `count_col` and `targets_col`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Min>,
    /// How often the address was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_col: Option<Column>,
    /// How many targets reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_col: Option<Column>,
    /// Informational.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_col: Option<Column>,
    /// Informational: percent by the number in `count_col`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub confidence_from_count: BTreeMap<String, u8>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            sep: None,
            comment: "#".to_owned(),
            quote: None,
            trim: false,
            header: false,
            value_col: Vec::new(),
            value_kind: ValueKind::Address,
            zero_padded: false,
            start_col: None,
            end_col: None,
            prefix_col: None,
            only: None,
            min: None,
            count_col: None,
            targets_col: None,
            port_col: None,
            label_col: None,
            tags_col: None,
            country_col: None,
            asn_col: None,
            last_seen_col: None,
            date_col: None,
            confidence_col: None,
            confidence_from_count: BTreeMap::new(),
        }
    }
}

/// Where the entries are in a JSON document. Text is read as an address, network or range, a number
/// as that of an autonomous system.
///
/// ```
/// let json: artif_core::feed::Json =
///     serde_json::from_str(r#"{"path": ["prefixes[].ip_prefix", "v6[]"]}"#).unwrap();
/// assert_eq!(json.path.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Json {
    /// One path or several.
    #[serde(with = "one_or_many")]
    pub path: Vec<JsonPath>,
    /// What the values are.
    #[serde(default)]
    pub value_kind: ValueKind,
    /// Octets are padded with zeros and decimal all the same.
    #[serde(default)]
    pub zero_padded: bool,
    /// Paths of what else is said of an entry. Informational.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, JsonPath>,
    /// The path of an entry's label. Informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<JsonPath>,
    /// The key the publisher wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HeaderKey>,
}

/// Where the entries are in lines of JSON.
///
/// ```
/// let lines: artif_core::feed::Ndjson =
///     serde_json::from_str(r#"{"path": "cidr", "skip_if": {"type": "metadata"}}"#).unwrap();
/// assert_eq!(lines.skip_if["type"], "metadata");
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Ndjson {
    /// One path or several, within a line's object.
    #[serde(with = "one_or_many")]
    pub path: Vec<JsonPath>,
    /// Lines where one of these keys has this value are passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skip_if: BTreeMap<String, String>,
    /// What the values are.
    #[serde(default)]
    pub value_kind: ValueKind,
    /// Octets are padded with zeros and decimal all the same.
    #[serde(default)]
    pub zero_padded: bool,
}

/// What an address column or value holds.
///
/// ```
/// use artif_core::feed::ValueKind;
/// assert_eq!(serde_json::from_str::<ValueKind>("\"ip:port\"").unwrap(), ValueKind::IpPort);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ValueKind {
    /// Whatever plain text may hold: address, network, range, each with or without a port.
    #[default]
    #[serde(rename = "ip")]
    Address,
    /// An address and a port: IPv6 counts in brackets only, as a port could be taken for a group.
    #[serde(rename = "ip:port")]
    IpPort,
}

/// What of a URL counts.
///
/// ```
/// assert_eq!(artif_core::feed::UrlPart::default(), artif_core::feed::UrlPart::IpHost);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UrlPart {
    /// The host, where it is an address.
    #[default]
    IpHost,
}

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

/// Takes only rows with numbers at least this high.
///
/// ```
/// let min: artif_core::feed::Min = serde_json::from_str(r#"{"reports": 10}"#).unwrap();
/// assert_eq!((min.reports, min.targets), (10, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Min {
    /// In `count_col`.
    pub reports: u64,
    /// In `targets_col`.
    pub targets: u64,
}

/// A request header that carries a key from the environment.
///
/// ```
/// let auth: artif_core::feed::HeaderKey =
///     serde_json::from_str(r#"{"header": "X-Api-Key", "env": "MY_KEY"}"#).unwrap();
/// assert_eq!(auth.env, "MY_KEY");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderKey {
    /// The header's name.
    pub header: String,
    /// The environment variable that holds the key.
    pub env: String,
}

/// Reads and drops the hints other catalogues give for plain text; a comment marker this format
/// does not know is an error, as the lines would be read wrongly.
fn plain_hints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Hints {
        comment: Option<String>,
        inline_comment: Option<String>,
        #[serde(rename = "ipv6")]
        _ipv6: Option<bool>,
    }
    let hints = Hints::deserialize(deserializer)?;
    for marker in [hints.comment, hints.inline_comment].into_iter().flatten() {
        if !matches!(marker.as_str(), "#" | ";" | "//") {
            return Err(serde::de::Error::custom(format!(
                "plain text has comments with #, ; or //, not {:?}: use `sep` and its `comment`",
                crate::error::excerpt(&marker)
            )));
        }
    }
    Ok(())
}

/// serde lets a unit variant pass with any keys beside the tag; a misspelt one must not.
fn nothing_else<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

/// One value where there is one, else a list.
mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T, S>(values: &[T], serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        match values {
            [value] => value.serialize(serializer),
            values => values.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected one value or a list")]
        enum OneOrMany<T> {
            One(T),
            Many(Vec<T>),
        }
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn read(json: &str) -> serde_json::Result<Format> {
        serde_json::from_str(json)
    }

    #[test]
    fn every_format_survives_a_round_trip() {
        for json in [
            r#"{"type":"plain"}"#,
            r#"{"type":"freetext"}"#,
            r#"{"type":"csv","value_col":2,"where":{"col":4,"eq":"online"},"quote":"\""}"#,
            r##"{"type":"tsv","comment":"#","start_col":1,"end_col":2,"prefix_col":3,"skip_header":true}"##,
            r#"{"type":"sep","sep":"|","value_col":[3,4],"asn_col":1,"last_seen_col":4}"#,
            r#"{"type":"tsv","value_col":1,"count_col":4,"targets_col":5,"zero_padded":true,"min":{"reports":10,"targets":5}}"#,
            r#"{"type":"tsv","value_col":1,"count_col":2,"confidence_from_count":{"1":20,"5":90}}"#,
            r#"{"type":"json","path":"[].ip","meta":{"a":"[].a"},"label":"[].t","zero_padded":true}"#,
            r#"{"type":"json","path":["a[]","b[]"],"value_kind":"ip:port"}"#,
            r#"{"type":"ndjson","path":"cidr","skip_if":{"type":"metadata"}}"#,
            r#"{"type":"regex","pattern":"^(IP)"}"#,
            r#"{"type":"firehol","drop_bogons":true}"#,
            r#"{"type":"url-list","take":"ip-host"}"#,
            r#"{"type":"misp-event"}"#,
            r#"{"type":"misp-warninglist"}"#,
            r#"{"type":"misp-feed"}"#,
            r#"{"type":"misp-warninglists","slugs":["rfc1918"]}"#,
            r#"{"type":"otx","auth":{"header":"X-OTX-API-KEY","env":"OTX_API_KEY"}}"#,
            r#"{"type":"crowdsec-stream"}"#,
        ] {
            let format = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
            let written = serde_json::to_string(&format).unwrap();
            assert_eq!(read(&written).unwrap(), format, "{written}");
            assert!(written.contains(&format!("\"type\":\"{}\"", format.name())), "{written}");
        }
    }

    #[test]
    fn hints_for_plain_text() {
        for json in [
            r#"{"type":"plain","ipv6":true}"#,
            r##"{"type":"plain","comment":"#"}"##,
            r##"{"type":"plain","inline_comment":"#"}"##,
        ] {
            assert_eq!(read(json).unwrap(), Format::Plain, "{json}");
        }
        assert!(read(r#"{"type":"plain","comment":"!"}"#).unwrap_err().to_string().contains("sep"));
    }

    #[test]
    fn unknown_keys_and_types_are_refused() {
        for json in [
            r##"{"type":"plain","coment":"#"}"##,
            r#"{"type":"csv","value_cols":1}"#,
            r#"{"type":"json","path":"a","x":1}"#,
            r#"{"type":"freetext","x":1}"#,
            r#"{"type":"firehol","x":1}"#,
            r#"{"type":"misp-feed","x":1}"#,
            r#"{"type":"xml"}"#,
            r#"{"type":"json"}"#,
            r#"{"type":"csv","value_col":"two"}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
