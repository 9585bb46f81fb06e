//! The two ways to get a database: MaxMind's update protocol, and an address.

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use url::Url;

use super::document::{check, database, md5, probe};
use super::state::Known;
use super::{GeoKind, GeoReport};
use crate::config::{Config, GeoSource};
use crate::engine::Outcome;
use crate::error::{Error, Result, excerpt};
use crate::feed::Auth;
use crate::feed::source::{self, Event, Fetched, Request};
use crate::ledger::Validators;
use crate::snapshot::write_atomically;

/// An answer to the question for metadata, and a checksum, is not longer.
const SMALL: u64 = 1 << 16;

/// Why there is no update.
enum Trouble {
    Failed { reason: String, retry_after: Option<u32> },
    Refused(String),
    Cancelled,
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Failed { reason, retry_after: None }
    }
}

/// A database that arrived and matches its checksum.
struct Arrived {
    bytes: Vec<u8>,
    validators: Validators,
}

pub(super) fn update(
    config: &Config,
    kind: GeoKind,
    known: &mut Known,
    force: bool,
    cancel: &AtomicBool,
) -> Result<GeoReport> {
    let path = config.geo.path(kind).map(Path::to_owned);
    let mut report = GeoReport {
        database: kind,
        path: path.clone().unwrap_or_default(),
        outcome: Outcome::Unchanged,
        error: None,
        bytes: None,
        retry_after: None,
    };
    let (Some(path), Some(source)) = (path, config.geo.source(kind)) else {
        report.outcome = Outcome::Failed;
        report.error = Some(format!("`geo.{kind}` names no file to put updates in"));
        return Ok(report);
    };
    let job = Job { config, kind, path: &path, source, force, cancel };
    match job.run(known) {
        Ok(None) => {}
        Ok(Some(bytes)) => {
            report.outcome = Outcome::Loaded;
            report.bytes = Some(bytes);
            tracing::info!(%kind, path = %path.display(), bytes, "updated");
        }
        Err(Trouble::Cancelled) => return Err(Error::Cancelled),
        Err(Trouble::Failed { reason, retry_after }) => {
            report.outcome = Outcome::Failed;
            (report.error, report.retry_after) = (Some(reason), retry_after);
        }
        Err(Trouble::Refused(reason)) => {
            report.outcome = Outcome::Refused;
            report.error = Some(format!("what {source} sent {reason}"));
        }
    }
    if let Some(error) = &report.error {
        tracing::warn!(%kind, %error, "the last good database stays");
    }
    Ok(report)
}

struct Job<'a> {
    config: &'a Config,
    kind: GeoKind,
    path: &'a Path,
    source: &'a GeoSource,
    force: bool,
    cancel: &'a AtomicBool,
}

impl Job<'_> {
    /// The length of the new file, where there is one.
    fn run(&self, known: &mut Known) -> Result<Option<u64>, Trouble> {
        let old = std::fs::read(self.path).ok();
        let arrived = match self.source {
            GeoSource::MaxMind(edition) => self.by_maxmind(edition, old.as_deref())?,
            GeoSource::Url(url) => self.by_address(url, known, old.as_deref())?,
        };
        let Some(Arrived { bytes, validators }) = arrived else { return Ok(None) };
        let same = old.as_ref() == Some(&bytes);
        if !same {
            let geo = &self.config.geo;
            let both = geo.asn.is_some() && geo.asn == geo.country;
            let wanted = if both { vec![GeoKind::Asn, GeoKind::Country] } else { vec![self.kind] };
            let old = old.as_deref().filter(|_| !self.force);
            probe(&bytes, old, &wanted).map_err(Trouble::Refused)?;
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| Error::io("creating", folder, error).to_string())?;
            }
            write_atomically(self.path, &bytes).map_err(|error| error.to_string())?;
        }
        known.source = self.source.to_string();
        known.put(&bytes);
        (known.etag, known.last_modified) = (validators.etag, validators.last_modified);
        Ok((!same).then_some(known.bytes))
    }

    /// Asks for the newest build's date and MD5, and fetches it where that is another than ours.
    fn by_maxmind(&self, edition: &str, old: Option<&[u8]>) -> Result<Option<Arrived>, Trouble> {
        let geo = &self.config.geo;
        let auth = {
            let (account, key) = geo
                .account
                .as_ref()
                .zip(geo.licence_key.clone())
                .ok_or_else(|| "`geo.account` and `geo.licence_key` are not set".to_owned())?;
            Auth::basic(account.read()?.expose_secret(), key)
        };
        let address = |path: &str, query: &[(&str, &str)]| {
            let base = format!("{}{path}", geo.maxmind_url.trim_end_matches('/'));
            let url = Url::parse_with_params(&base, query);
            url.map(String::from).map_err(|error| format!("`geo.maxmind_url`: {error}"))
        };
        let url = address("/geoip/updates/metadata", &[("edition_id", edition)])?;
        let metadata = self.get_small(self.request(url, Some(auth.clone())))?;
        let newest = newest(&metadata, edition)?;
        if !self.force && old.is_some_and(|old| md5(old).eq_ignore_ascii_case(&newest.md5)) {
            return Ok(None);
        }
        let date: String = newest.date.chars().filter(char::is_ascii_digit).collect();
        let path = format!("/geoip/databases/{edition}/download");
        let url = address(&path, &[("date", &date), ("suffix", "tar.gz")])?;
        // It redirects to another host, where the credentials do not go along.
        let Some((bytes, validators)) = self.get(self.request(url, Some(auth)), self.limit())?
        else {
            return Ok(None);
        };
        let bytes = database(bytes, self.limit()).map_err(Trouble::Refused)?;
        check(&bytes, &newest.md5).map_err(Trouble::Refused)?;
        Ok(Some(Arrived { bytes, validators }))
    }

    fn by_address(
        &self,
        url: &str,
        known: &Known,
        old: Option<&[u8]>,
    ) -> Result<Option<Arrived>, Trouble> {
        let geo = &self.config.geo;
        let (auth, checksum) = match self.kind {
            GeoKind::Asn => (&geo.asn_auth, &geo.asn_checksum),
            GeoKind::Country => (&geo.country_auth, &geo.country_checksum),
        };
        let mut request = self.request(url.to_owned(), auth.clone());
        let ours = known.source == self.source.to_string() && old.is_some_and(|old| known.is(old));
        if ours && !self.force {
            request.validators.etag.clone_from(&known.etag);
            request.validators.last_modified.clone_from(&known.last_modified);
        }
        // What a checksum is of, the document or the database in it, its publisher decides.
        let Some((sent, validators)) = self.get(request, self.limit())? else { return Ok(None) };
        let published = match checksum {
            Some(url) => Some(self.get_small(self.request(url.clone(), auth.clone()))?),
            None => None,
        };
        let announced = published.as_deref();
        let whole = announced.map(|published| check(&sent, published));
        let bytes = database(sent, self.limit()).map_err(Trouble::Refused)?;
        if let (Some(Err(reason)), Some(published)) = (whole, announced) {
            check(&bytes, published).map_err(|_| Trouble::Refused(reason))?;
        }
        Ok(Some(Arrived { bytes, validators }))
    }

    fn limit(&self) -> u64 {
        self.config.fetch.max_bytes
    }

    fn request(&self, url: String, auth: Option<Auth>) -> Request {
        let name = format!("geo-{}", self.kind);
        // Nothing but these two names, which are ids.
        let name = name.parse().unwrap_or_else(|_| unreachable!("{name} is a feed id"));
        Request { auth, ..Request::plain(name, url, Validators::default()) }
    }

    fn get_small(&self, request: Request) -> Result<String, Trouble> {
        let url = source::redact(&request.url);
        let Some((bytes, _)) = self.get(request, SMALL)? else {
            return Err(format!("{url} says that nothing changed, unasked").into());
        };
        String::from_utf8(bytes).map_err(|_| format!("{url} is not UTF-8").into())
    }

    /// The unpacked document; `None` where it is unchanged.
    fn get(
        &self,
        request: Request,
        max_bytes: u64,
    ) -> Result<Option<(Vec<u8>, Validators)>, Trouble> {
        let options = crate::config::Fetch { max_bytes, ..self.config.fetch.clone() };
        let mut result = None;
        source::fetch_all(&[request], &options, self.cancel, |_, event| {
            if let Event::Finished(finished) = event {
                result = Some(finished);
            }
        })
        .map_err(|_| Trouble::Cancelled)?;
        let fetched = result.ok_or(Trouble::Cancelled)?.map_err(|error| failed(&error))?;
        let Fetched::Document { mut body, validators } = fetched else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = match body.reader() {
            Ok(mut reader) => reader.read_to_end(&mut bytes).map(drop),
            Err(error) => return Err(failed(&error)),
        };
        read.map_err(|error| failed(&body.error(error)))?;
        Ok(Some((bytes, validators)))
    }
}

fn failed(error: &Error) -> Trouble {
    match error {
        Error::Fetch { url, reason, retry_after, .. } => Trouble::Failed {
            reason: format!("fetching {url} failed: {reason}"),
            retry_after: *retry_after,
        },
        other => other.to_string().into(),
    }
}

#[derive(Deserialize)]
struct Newest {
    date: String,
    edition_id: String,
    md5: String,
}

/// The one database in an answer to the question for metadata.
fn newest(text: &str, edition: &str) -> Result<Newest, Trouble> {
    #[derive(Deserialize)]
    struct Metadata {
        databases: Vec<Newest>,
    }
    let metadata: Metadata = serde_json::from_str(text)
        .map_err(|error| Trouble::Refused(format!("is no metadata: {error}")))?;
    let count = metadata.databases.len();
    let mut fitting = metadata.databases.into_iter().filter(|d| d.edition_id == edition);
    match fitting.next() {
        Some(newest) if newest.md5.len() == 32 && newest.date.len() <= 10 => Ok(newest),
        Some(_) => Err(Trouble::Refused("is no metadata: no MD5 or no date".to_owned())),
        None => Err(Trouble::Refused(format!(
            "is metadata of {count} databases, none of them {:?}",
            excerpt(edition)
        ))),
    }
}
