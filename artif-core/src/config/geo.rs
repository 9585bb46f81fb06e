//! The `[geo]` section.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::error::{Error, Result, excerpt};
use crate::feed::source::redact;
use crate::feed::{Auth, SecretSource};
use crate::geo::GeoKind;

/// Databases of autonomous systems and countries (`[geo]`), in MaxMind's format. Without them
/// answers carry neither.
///
/// | key | default | |
/// |---|---|---|
/// | `asn` | none | path of a GeoLite2-ASN, GeoIP2-ISP, IPinfo Lite or compatible file; with `asn_source`, where updates are put: `geo/asn.mmdb` in the data folder where nothing is said |
/// | `country` | none | the same for a GeoLite2-Country, -City or compatible file |
/// | `asn_source`, `country_source` | none | where updates come from, a [`GeoSource`]: `maxmind:EDITION` or an address |
/// | `asn_auth`, `country_auth` | none | what a source with an address wants to be shown, an [`Auth`] |
/// | `asn_checksum`, `country_checksum` | none | address of the SHA-256 or MD5 checksum, in hex, of what a source with an address sends |
/// | `account`, `licence_key` | none | [`SecretSource`]s for `maxmind:` |
/// | `maxmind_url` | `"https://updates.maxmind.com"` | where MaxMind's update protocol is spoken |
/// | `update_every` | `"24h"` | duration between two looks for an update, from a minute on |
///
/// ```
/// let config = artif_core::Config::from_toml(
///     "[geo]\n\
///      asn_source = 'maxmind:GeoLite2-ASN'\n\
///      account = 'env:MAXMIND_ACCOUNT_ID'\n\
///      licence_key = 'file:/run/secrets/maxmind'",
/// )
/// .unwrap();
/// assert_eq!(config.geo.update_every.as_secs(), 86_400);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Geo {
    /// Autonomous systems and their organisations.
    pub asn: Option<PathBuf>,
    /// Countries.
    pub country: Option<PathBuf>,
    /// Where updates of `asn` come from.
    pub asn_source: Option<GeoSource>,
    /// Where updates of `country` come from.
    pub country_source: Option<GeoSource>,
    /// What the source of `asn` wants to be shown.
    pub asn_auth: Option<Auth>,
    /// What the source of `country` wants to be shown.
    pub country_auth: Option<Auth>,
    /// Address of a checksum of what the source of `asn` sends.
    pub asn_checksum: Option<String>,
    /// Address of a checksum of what the source of `country` sends.
    pub country_checksum: Option<String>,
    /// MaxMind's account id.
    pub account: Option<SecretSource>,
    /// MaxMind's licence key.
    pub licence_key: Option<SecretSource>,
    /// Where MaxMind's update protocol is spoken.
    pub maxmind_url: String,
    /// Between two looks for an update.
    #[serde(with = "crate::duration")]
    pub update_every: Duration,
}

impl Default for Geo {
    fn default() -> Self {
        Self {
            asn: None,
            country: None,
            asn_source: None,
            country_source: None,
            asn_auth: None,
            country_auth: None,
            asn_checksum: None,
            country_checksum: None,
            account: None,
            licence_key: None,
            maxmind_url: "https://updates.maxmind.com".to_owned(),
            update_every: Duration::from_secs(86_400),
        }
    }
}

impl Geo {
    /// The path of a database, where there is one.
    pub(crate) fn path(&self, kind: GeoKind) -> Option<&Path> {
        match kind {
            GeoKind::Asn => self.asn.as_deref(),
            GeoKind::Country => self.country.as_deref(),
        }
    }

    pub(crate) fn source(&self, kind: GeoKind) -> Option<&GeoSource> {
        match kind {
            GeoKind::Asn => self.asn_source.as_ref(),
            GeoKind::Country => self.country_source.as_ref(),
        }
    }

    /// Gives databases that are updated, and have no path, their place in the data folder.
    pub(crate) fn place(&mut self, data: &Path) {
        let folder = data.join("geo");
        if self.asn.is_none() && self.asn_source.is_some() {
            self.asn = Some(folder.join("asn.mmdb"));
        }
        if self.country.is_none() && self.country_source.is_some() {
            self.country = Some(folder.join("country.mmdb"));
        }
    }

    /// Takes relative paths from this folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.asn, &mut self.country].into_iter().flatten() {
            // An absolute path replaces the folder.
            *path = folder.join(&*path);
        }
        for auth in [&mut self.asn_auth, &mut self.country_auth].into_iter().flatten() {
            auth.resolve(folder);
        }
        for secret in [&mut self.account, &mut self.licence_key].into_iter().flatten() {
            secret.resolve(folder);
        }
    }

    /// What is wrong: the key, and why.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let is_web =
            |url: &str| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        let wrong = |key, reason: &str| Some((key, reason.to_owned()));
        for (source, auth, checksum, keys) in [
            (
                &self.asn_source,
                &self.asn_auth,
                &self.asn_checksum,
                ["asn_source", "asn_auth", "asn_checksum"],
            ),
            (
                &self.country_source,
                &self.country_auth,
                &self.country_checksum,
                ["country_source", "country_auth", "country_checksum"],
            ),
        ] {
            let [source_key, auth_key, checksum_key] = keys;
            let by_address = matches!(source, Some(GeoSource::Url(_)));
            if auth.is_some() && !by_address {
                return wrong(auth_key, "belongs to a source with an address");
            }
            if checksum.is_some() && !by_address {
                return wrong(checksum_key, "belongs to a source with an address");
            }
            if checksum.as_deref().is_some_and(|url| !is_web(url)) {
                return wrong(checksum_key, "does not start with https: or http:");
            }
            let complete = self.account.is_some() && self.licence_key.is_some();
            if matches!(source, Some(GeoSource::MaxMind(_))) && !complete {
                return wrong(source_key, "needs `geo.account` and `geo.licence_key`");
            }
        }
        if !is_web(&self.maxmind_url) {
            return wrong("maxmind_url", "does not start with https: or http:");
        }
        if self.update_every < Duration::from_secs(60) {
            return wrong("update_every", "is shorter than a minute");
        }
        None
    }
}

/// Where a database's updates come from.
///
/// ```
/// use artif_core::config::GeoSource;
///
/// let source: GeoSource = "maxmind:GeoLite2-ASN".parse().unwrap();
/// assert_eq!(source.to_string(), "maxmind:GeoLite2-ASN");
/// assert!("https://mirror.example.org/asn.mmdb.gz".parse::<GeoSource>().is_ok());
/// assert!("GeoLite2-ASN".parse::<GeoSource>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeoSource {
    /// This edition, by MaxMind's update protocol; written `maxmind:EDITION`.
    MaxMind(String),
    /// `https:` or `http:`, of the database as it is, or in a `.gz`, `.zip` or `.tar.gz`.
    Url(String),
}

impl FromStr for GeoSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |reason: String| Error::Invalid { what: "geo source", reason };
        if let Some(edition) = text.strip_prefix("maxmind:") {
            let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if edition.is_empty() || !edition.bytes().all(fine) {
                return Err(invalid(format!("{:?} names no edition", excerpt(edition))));
            }
            return Ok(Self::MaxMind(edition.to_owned()));
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self::Url(text.to_owned())),
            _ => Err(invalid("neither maxmind:EDITION nor an https: or http: address".to_owned())),
        }
    }
}

impl fmt::Display for GeoSource {
    /// Without what may be a key in an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxMind(edition) => write!(f, "maxmind:{edition}"),
            Self::Url(url) => f.write_str(&redact(url)),
        }
    }
}

impl fmt::Debug for GeoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for GeoSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::MaxMind(_) => serializer.collect_str(self),
            // The configuration has to come back as it was: keys belong into `asn_auth`.
            Self::Url(url) => serializer.serialize_str(url),
        }
    }
}

impl<'de> Deserialize<'de> for GeoSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
