//! Feeds in MISP's format, which are of many documents.

use std::sync::atomic::AtomicBool;

use crate::engine::admission::Admission;
use crate::engine::owner::Shared;
use crate::engine::refresh::{Content, FeedReport};
use crate::error::{Error, Result};
use crate::feed::{Feed, ParseLimits};
use crate::misp::Folder;
use crate::misp::feed::{self, How, Read};

/// Refreshes the feeds in MISP's format, of many documents each. Errors are only the ledger's, and
/// that the caller gave up.
pub(in crate::engine) fn refresh_feeds(
    shared: &Shared,
    feeds: &[&Feed],
    admission: &Admission<'_>,
    limits: &ParseLimits,
    cancel: &AtomicBool,
) -> Result<Vec<FeedReport>> {
    let mut reports = Vec::new();
    for feed in feeds {
        let head = admission.store.head(&feed.id)?;
        let folder = Folder::of_feed(&shared.misp_data(), &feed.id);
        let copy = if admission.dry_run { Some(folder.copy()?) } else { None };
        let folder = copy.as_ref().map_or(&folder, |copy| &copy.folder);
        let known = head.as_ref().map(|head| head.validators.clone()).filter(|_| !admission.force);
        let how = How { options: &shared.config.fetch, limits, now: admission.now, cancel };
        let read = feed::read(feed, folder, &how, known);
        let (content, missed) = match read {
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => (Err(error), None),
            Ok(None) => (Ok(Content::Unchanged(None)), None),
            Ok(Some(Read { parsed, validators, missed })) => {
                let old = head.as_ref().and_then(|head| head.validators.content);
                let content = if old == validators.content && old.is_some() {
                    Content::Unchanged(Some(validators))
                } else {
                    Content::New(Box::new(parsed), validators)
                };
                (Ok(content), missed)
            }
        };
        let mut report = admission.admit(feed, head.as_ref(), content)?;
        if let (Some((count, why)), None) = (missed, &report.error) {
            report.error = Some(format!("{count} events keep what they listed before: {why}"));
        }
        reports.push(report);
    }
    Ok(reports)
}
