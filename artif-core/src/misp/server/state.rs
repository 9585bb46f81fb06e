//! What is known of a server from sync to sync, in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::origin::{Copies, Writer};
use crate::clock::Seconds;
use crate::config::Misp;
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::sealed;

const STATE: &str = "state.json";
/// The first words of all these files.
const HEADER: &str = "artif-misp 1";
const STATUS: &str = "status.json";
const JOURNAL: &str = "journal";

/// Bumped when an older state cannot be gone on with.
const VERSION: u32 = 2;

/// A copy of a folder.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) folder: Folder,
    _dir: tempfile::TempDir,
}

/// A query, to be asked page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Of these events; none stands for all.
    pub(crate) events: Vec<u64>,
    /// What changed since; all where missing.
    pub(crate) since: Option<u32>,
    /// Deleted ones, too.
    pub(crate) deleted: bool,
    /// Whether what was known of the events before is forgotten.
    pub(crate) replace: bool,
}

/// A sync under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Whether it reads everything anew.
    pub(crate) full: bool,
    /// When it began, by the server's clock.
    pub(crate) began: u32,
    /// The events as they were then.
    pub(crate) events: Vec<Event>,
    /// Those among them that do not count as they are copies.
    #[serde(default)]
    pub(crate) copies: Copies,
    pub(crate) tasks: Vec<Task>,
    /// Whether what follows from the first task was planned.
    pub(crate) planned: bool,
}

/// A feed as it was last committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The event, tag or organisation it is made of.
    pub(crate) of: String,
    /// What it is called.
    pub(crate) name: String,
    /// Digest of its networks.
    pub(crate) content: u128,
    /// How many they are.
    pub(crate) count: u64,
    /// Since when nothing makes it any more: it is kept while its history counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<Seconds>,
}

/// A warninglist as it was last committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownList {
    /// Its number there.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) content: u128,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    /// What the server was asked for: with another question everything is read anew.
    question: String,
    pub(crate) server_version: Option<String>,
    /// The events of the last sync.
    pub(crate) events: Vec<Event>,
    /// Those among them that do not count as they are copies.
    #[serde(default)]
    pub(crate) copies: Copies,
    /// Which feed of the server wrote which event, where that was asked for.
    #[serde(default)]
    pub(crate) writers: BTreeMap<u64, Writer>,
    /// When the last sync began, by the server's clock; nothing before the first.
    pub(crate) since: Option<u32>,
    /// When everything was last read.
    pub(crate) full_at: Seconds,
    /// Rows a page, as the server could bear last.
    pub(crate) limit: Option<u32>,
    /// The file of attributes that counts.
    pub(crate) mirror: Option<String>,
    /// Counts those files.
    pub(crate) generation: u64,
    /// The sets of tags that attributes have; the first is empty.
    pub(crate) tags: Vec<Vec<String>>,
    pub(crate) pending: Option<Pending>,
    /// The feeds made of it.
    pub(crate) feeds: BTreeMap<FeedId, Known>,
    /// The warninglists.
    #[serde(default)]
    pub(crate) lists: BTreeMap<FeedId, KnownList>,
    /// What they were made from, in short.
    pub(crate) made_from: String,
}

/// How a server was when it was last asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Checked {
    /// When it was asked.
    pub(crate) asked: Seconds,
    /// When a sync last came to its end.
    pub(crate) synced: Option<Seconds>,
    /// Its version.
    pub(crate) version: Option<String>,
    pub(crate) events: u64,
    /// Events that do not count because they are not published.
    pub(crate) unpublished: u64,
    pub(crate) attributes: u64,
    pub(crate) feeds: u64,
    /// What went wrong.
    pub(crate) problem: Option<String>,
}

/// Where it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Of a server, in a data folder.
    pub(crate) fn of(data: &Path, server: &FeedId) -> Self {
        Self(data.join("misp").join(server.as_str()))
    }

    /// Of a feed in MISP's format, in a data folder.
    pub(crate) fn of_feed(data: &Path, feed: &FeedId) -> Self {
        Self(data.join("misp-feeds").join(feed.as_str()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join(JOURNAL)
    }

    pub(crate) fn mirror(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A copy elsewhere that goes when it is dropped, to try things with.
    pub(crate) fn copy(&self) -> Result<Copy> {
        let dir = tempfile::tempdir()
            .map_err(|error| Error::io("making a folder in", std::env::temp_dir(), error))?;
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Copy { folder: Self(dir.path().to_owned()), _dir: dir });
            }
            Err(error) => return Err(Error::io("reading", &self.0, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| Error::io("reading", &self.0, error))?.path();
            let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
            let to = dir.path().join(name);
            // Those are written once and never changed.
            let fixed = path.extension().is_some_and(|extension| extension == "bin");
            if !fixed || std::fs::hard_link(&path, &to).is_err() {
                std::fs::copy(&path, &to).map_err(|error| Error::io("copying", &path, error))?;
            }
        }
        Ok(Copy { folder: Self(dir.path().to_owned()), _dir: dir })
    }

    pub(crate) fn create(&self) -> Result<()> {
        crate::ledger::create_folder(&self.0)
    }

    /// What was kept for this server as it is configured, else the beginning of it. A damaged
    /// state is begun anew: the server has it all.
    pub(crate) fn load(&self, server: &Misp) -> State {
        let question = question(server);
        let path = self.0.join(STATE);
        match sealed::read::<State>(&path, HEADER) {
            Ok(None) => State::new(question),
            Ok(Some(state)) if state.version == VERSION && state.question == question => state,
            Ok(Some(state)) => {
                tracing::info!(server = %server.id, "it is asked for something else: all anew");
                // The feeds are still there until the first sync has come to its end.
                State { feeds: state.feeds, lists: state.lists, ..State::new(question) }
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "damaged: all is read anew");
                State::new(question)
            }
        }
    }

    pub(crate) fn save(&self, state: &State) -> Result<()> {
        self.write(STATE, state)
    }

    /// A state of another kind; the beginning of it where there is none or it is damaged.
    pub(crate) fn load_as<T: Default + serde::de::DeserializeOwned>(&self) -> T {
        self.load_file(STATE)
    }

    pub(crate) fn save_as(&self, state: &impl Serialize) -> Result<()> {
        self.write(STATE, state)
    }

    /// The same in a file of another name.
    pub(crate) fn load_file<T: Default + serde::de::DeserializeOwned>(&self, name: &str) -> T {
        let path = self.0.join(name);
        match sealed::read(&path, HEADER) {
            Ok(kept) => kept.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "damaged: begun anew");
                T::default()
            }
        }
    }

    pub(crate) fn save_file(&self, name: &str, state: &impl Serialize) -> Result<()> {
        self.write(name, state)
    }

    pub(crate) fn checked(&self) -> Checked {
        self.load_file(STATUS)
    }

    pub(crate) fn note(&self, checked: &Checked) -> Result<()> {
        self.write(STATUS, checked)
    }

    fn write(&self, name: &str, what: &impl Serialize) -> Result<()> {
        sealed::write(&self.0.join(name), HEADER, what)
    }

    /// Removes the journal, and every file of attributes but the one that counts.
    pub(crate) fn tidy(&self, state: &State) {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let old = name.starts_with("attributes-") && state.mirror.as_deref() != Some(&name);
            if old || (name == JOURNAL && state.pending.is_none()) {
                // One that stays is only in the way, and tried again next time.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

impl State {
    fn new(question: String) -> Self {
        Self { version: VERSION, question, tags: vec![Vec::new()], ..Self::default() }
    }
}

/// All that decides what the server is asked for.
fn question(server: &Misp) -> String {
    let Misp { url, unpublished, orgs, not_orgs, enforce_warninglist, decay, .. } = server;
    let url = crate::feed::source::redact(url);
    format!("{url} {unpublished} {orgs:?} {not_orgs:?} {enforce_warninglist} {decay}")
}
