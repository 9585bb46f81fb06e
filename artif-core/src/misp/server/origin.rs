//! Which feed of the server wrote an event, and which events are copies of feeds of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::remote::{Remote, same_address};
use crate::error::excerpt;
use crate::feed::{Feed, FeedId};

/// The events, by id, that hold nothing but what a feed of ours lists, and that feed.
pub(crate) type Copies = BTreeMap<u64, FeedId>;

/// A feed of the server, as the writer of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Writer {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) provider: String,
    /// Without what may be a secret.
    pub(crate) url: String,
}

/// What is known before a sync of the feeds on both sides.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The server's; `None` where it was not asked.
    pub(crate) remotes: Option<Vec<Remote>>,
    /// Ours that are fetched here and have been.
    pub(crate) ours: Vec<Feed>,
}

impl Survey {
    /// The writers of events, by the event: the feed that has it for its own (`fixed_event`), else
    /// the one after whose name MISP called it.
    pub(crate) fn writers(&self, events: &[Event]) -> BTreeMap<u64, Writer> {
        let remotes = self.remotes.as_deref().unwrap_or_default();
        let writer = |event: &Event| {
            let own = remotes.iter().find(|remote| remote.event == event.id);
            let named = || {
                // Feeds in MISP's own format bring events with titles of theirs.
                let of_text = remotes.iter().filter(|remote| !remote.holds_events());
                let title = |remote: &&Remote| {
                    event.info.strip_suffix(" feed") == Some(excerpt(&remote.name).as_str())
                };
                of_text.into_iter().find(title)
            };
            let remote = own.or_else(named)?;
            let writer = Writer {
                id: remote.id,
                name: excerpt(&remote.name),
                provider: excerpt(&remote.provider()),
                url: crate::feed::source::redact(&remote.url),
            };
            Some((event.id, writer))
        };
        events.iter().filter_map(writer).collect()
    }

    /// The events that are copies, or `None` where the server was not asked. Only by the event that
    /// a feed says is its own: a title may be anybody's.
    pub(crate) fn copies(&self) -> Option<Copies> {
        let copy = |remote: &Remote| {
            let ours = self.ours.iter().find(|feed| same_address(&feed.url, &remote.url))?;
            (remote.event != 0).then(|| (remote.event, ours.id.clone()))
        };
        Some(self.remotes.as_ref()?.iter().filter_map(copy).collect())
    }
}
