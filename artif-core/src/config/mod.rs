//! The configuration: `artif.toml`, overridden by `ARTIF_*` environment variables.
//!
//! Every key has a default, unknown keys are errors, and errors name the file and line or the
//! variable. `examples/artif.toml` shows every key with its default.

mod env;
mod geo;
mod locate;
mod misp;
mod sections;
mod signals;
pub(crate) mod suggest;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

pub use self::geo::{Geo, GeoSource};
pub use self::misp::{Misp, MispExchange, MispFeeds};
pub use self::sections::{
    Catalogue, CategoryThresholds, Feeds, History, Parse, Schedule, ScorerKind, Scoring, Snapshot,
    Warninglists,
};
pub use self::signals::{SignalKind, Signals};
pub use crate::feed::guard::Guard;
pub use crate::feed::source::FetchOptions as Fetch;
pub use crate::snapshot::IndexTier;

pub use crate::middleware::Middleware;

use crate::error::{Error, Result};

/// The whole configuration.
///
/// | key | default | |
/// |---|---|---|
/// | `data` | `"artif-data"` | folder of ledger and snapshots |
/// | `catalogue` | none | a catalogue or a list of them: paths, or `"default"` for the built-in one; with neither this nor a `[[feed]]`, the built-in one is used |
/// | `[[feed]]` | none | feeds of your own, with the keys of a catalogue entry |
///
/// The sections are fields of the same name. Relative paths in a file count from the file's folder.
///
/// ```
/// use artif_core::config::Config;
///
/// let config = Config::from_toml(
///     r#"
///     data = "/var/lib/artif"
///     [history]
///     window = "14d"
///     "#,
/// )
/// .unwrap()
/// .with_env([("ARTIF_HISTORY_RETENTION", "180d")])
/// .unwrap();
/// assert_eq!(config.history.window.as_secs(), 14 * 86_400);
/// assert_eq!(config.history.retention.as_secs(), 180 * 86_400);
///
/// let error = Config::from_toml("[history]\nwindoww = '1d'").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "configuration, line 2: unknown key `windoww`, expected `window` or `retention`; did you \
///      mean \"window\"?"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The folder of ledger and snapshots.
    pub data: PathBuf,
    /// Where feed definitions come from, where something is said; see [`Config::catalogues`].
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Vec<Catalogue>>,
    /// Databases of autonomous systems and countries.
    pub geo: Geo,
    /// How scores and verdicts are made.
    pub scoring: Scoring,
    /// How long ended listings count.
    pub history: History,
    /// Bounds on what a feed may contain.
    pub parse: Parse,
    /// How feeds are fetched.
    pub fetch: Fetch,
    /// When a feed's new content is refused.
    pub guard: Guard,
    /// How snapshots are kept.
    pub snapshot: Snapshot,
    /// What middleware does with requests.
    pub middleware: Middleware,
    /// When feeds are fetched by themselves.
    pub schedule: Schedule,
    /// Known-good and shared infrastructure.
    pub warninglists: Warninglists,
    /// What the application itself says of addresses.
    pub signals: Signals,
    /// Which catalogue entries take part.
    pub feeds: Feeds,
    /// MISP servers: `[misp]` for one, `[[misp]]` for several.
    #[serde(deserialize_with = "misp::one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub misp: Vec<Misp>,
    /// The `[[feed]]` sections: only their number, see `feed_sections`.
    #[serde(skip_serializing)]
    feed: Vec<IgnoredAny>,
    #[serde(skip)]
    origin: Origin,
}

/// Where a configuration was read from.
#[derive(Clone, PartialEq, Default)]
struct Origin {
    path: Option<PathBuf>,
    /// The document, where it has `[[feed]]` sections.
    text: Option<Arc<str>>,
}

impl std::fmt::Debug for Origin {
    /// Without the text: addresses and headers of feeds may hold keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "artif-data".into(),
            catalogue: None,
            geo: Geo::default(),
            scoring: Scoring::default(),
            history: History::default(),
            parse: Parse::default(),
            fetch: Fetch::default(),
            guard: Guard::default(),
            snapshot: Snapshot::default(),
            middleware: Middleware::default(),
            schedule: Schedule::default(),
            warninglists: Warninglists::default(),
            signals: Signals::default(),
            feeds: Feeds::default(),
            misp: Vec::new(),
            feed: Vec::new(),
            origin: Origin::default(),
        }
    }
}

/// A value that makes no sense although it has the right type.
struct Problem {
    section: &'static str,
    key: &'static str,
    message: String,
}

impl Config {
    /// Reads and checks a file. Relative paths in it count from its folder.
    ///
    /// ```
    /// let error = artif_core::config::Config::load("/nowhere/artif.toml").unwrap_err();
    /// assert_eq!(error.code(), "ARTIF_IO");
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|e| Error::io("reading the configuration", path, e))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            Error::Config {
                path: Some(path.to_owned()),
                line: Some(locate::line(good, good.len())),
                message: "not UTF-8".to_owned(),
            }
        })?;
        let mut config = Self::read(&text, Some(path))?;
        if let Some(folder) = config.base() {
            let folder = folder.to_owned();
            config.resolve(&folder);
        }
        Ok(config)
    }

    /// Reads and checks a document. Relative paths in it stay as they are.
    ///
    /// ```
    /// use artif_core::config::Config;
    /// assert_eq!(Config::from_toml("").unwrap(), Config::default());
    /// ```
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::read(text, None)
    }

    /// Reads and checks the same keys as a JSON object, as bindings of other languages have them;
    /// keys with null stand for their defaults.
    ///
    /// ```
    /// use artif_core::config::Config;
    /// let config = Config::from_json(r#"{"history": {"window": "14d"}, "catalogue": null}"#)?;
    /// assert_eq!(config.history.window.as_secs(), 14 * 86_400);
    /// # Ok::<(), artif_core::Error>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self> {
        let mut keys: serde_json::Value =
            serde_json::from_str(text).map_err(|error| Error::config(error.to_string()))?;
        without_nulls(&mut keys);
        let text = toml::to_string(&keys).map_err(|error| Error::config(error.to_string()))?;
        // Lines of a document that nobody has seen would mislead.
        Self::read(&text, None).map_err(|error| match error {
            Error::Config { path, message, .. } => Error::Config { path, line: None, message },
            other => other,
        })
    }

    /// What a caller in another language gave: a file, or single keys as in [`Self::from_json`], or
    /// nothing for the defaults; `ARTIF_*` environment variables count over it.
    ///
    /// Errors: [`Error::Invalid`] for both at once.
    ///
    /// ```
    /// use artif_core::config::Config;
    /// let config = Config::given(None, Some(r#"{"history": {"window": "14d"}}"#))?;
    /// assert_eq!(config.history.window.as_secs(), 14 * 86_400);
    /// # Ok::<(), artif_core::Error>(())
    /// ```
    pub fn given(path: Option<&Path>, keys: Option<&str>) -> Result<Self> {
        let config = match (path, keys) {
            (None, None) => Self::default(),
            (Some(path), None) => Self::load(path)?,
            (None, Some(keys)) => Self::from_json(keys)?,
            (Some(_), Some(_)) => {
                return Err(Error::Invalid {
                    what: "configuration",
                    reason: "give a file or single keys, not both".to_owned(),
                });
            }
        };
        config.with_env(std::env::vars_os())
    }

    /// Overrides single keys by environment variables: `ARTIF_<KEY>`, `ARTIF_<SECTION>_<KEY>`, all
    /// upper case, as in `ARTIF_DATA` or `ARTIF_FETCH_MAX_BYTES`; lists are separated by commas.
    ///
    /// Empty variables count as unset. `ARTIF_` variables that look like a misspelt key are
    /// reported as a warning; all others are left alone. Relative paths count from the working
    /// folder.
    ///
    /// ```
    /// use artif_core::config::Config;
    ///
    /// let config = Config::default().with_env(std::env::vars_os()).unwrap();
    /// let error = config.with_env([("ARTIF_SCORING_PRIOR", "1%")]).unwrap_err();
    /// assert!(error.to_string().contains("ARTIF_SCORING_PRIOR"), "{error}");
    /// ```
    pub fn with_env<K, V>(self, vars: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: AsRef<std::ffi::OsStr>,
        V: AsRef<std::ffi::OsStr>,
    {
        let (config, suspects) = env::apply(self, vars)?;
        for suspect in suspects {
            tracing::warn!("{suspect}");
        }
        Ok(config)
    }

    /// Checks what types alone do not: for configurations changed after they were read.
    ///
    /// ```
    /// let mut config = artif_core::config::Config::default();
    /// config.scoring.prior = 1.0;
    /// assert_eq!(config.validate().unwrap_err().code(), "ARTIF_CONFIG");
    /// ```
    pub fn validate(&self) -> Result<()> {
        self.problem().map_or(Ok(()), |problem| {
            Err(Error::Config {
                path: self.origin.path.clone(),
                line: None,
                message: problem.text(),
            })
        })
    }

    /// The catalogues in effect: what `catalogue` says, else the built-in one unless there are
    /// feeds of one's own.
    ///
    /// ```
    /// use artif_core::config::{Catalogue, Config};
    /// assert_eq!(Config::default().catalogues(), [Catalogue::Default]);
    /// ```
    pub fn catalogues(&self) -> &[Catalogue] {
        match &self.catalogue {
            Some(named) => named,
            None if self.feed.is_empty() => &[Catalogue::Default],
            None => &[],
        }
    }

    /// The folder relative paths count from: the one of the file this was read from.
    ///
    /// ```
    /// assert!(artif_core::config::Config::default().base().is_none());
    /// ```
    pub fn base(&self) -> Option<&Path> {
        let folder = self.origin.path.as_deref()?.parent()?;
        Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    }

    /// The `[[feed]]` sections, each read as a `T`; errors name file and line.
    ///
    /// This is where the catalogue's entry type goes in:
    /// `config.feed_sections::<FeedSpec>()?`, then `spec.into_feed(config.base())` for each.
    pub(crate) fn feed_sections<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        struct OnlyFeeds<T> {
            // Without the bound, serde's derive asks for `T: Default`.
            #[serde(default = "Vec::new")]
            feed: Vec<T>,
        }
        // A second pass over the text, so that errors keep their place in it.
        let Some(text) = self.origin.text.as_deref() else { return Ok(Vec::new()) };
        toml::from_str::<OnlyFeeds<T>>(text)
            .map(|sections| sections.feed)
            .map_err(|error| locate::error(&error, text, self.origin.path.as_deref()))
    }

    fn read(text: &str, path: Option<&Path>) -> Result<Self> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| locate::error(&error, text, path))?;
        if let Some(problem) = config.problem() {
            return Err(Error::Config {
                path: path.map(Path::to_owned),
                line: locate::key(text, problem.section, problem.key),
                message: problem.text(),
            });
        }
        config.origin.path = path.map(Path::to_owned);
        config.origin.text = (!config.feed.is_empty()).then(|| text.into());
        Ok(config)
    }

    fn resolve(&mut self, folder: &Path) {
        let files = self.catalogue.iter_mut().flatten().filter_map(|catalogue| match catalogue {
            Catalogue::File(path) => Some(path),
            Catalogue::Default => None,
        });
        self.fetch.resolve(folder);
        self.geo.resolve(folder);
        self.misp.iter_mut().for_each(|server| server.resolve(folder));
        for path in std::iter::once(&mut self.data).chain(files) {
            // An absolute path replaces the folder.
            *path = folder.join(&*path);
        }
        if let Some(source) = self.warninglists.source.as_mut().filter(|s| !s.contains("://")) {
            let path = folder.join(source.strip_prefix("file:").unwrap_or(source));
            // A path given as text stays text.
            *source = path.to_string_lossy().into_owned();
        }
    }

    fn problem(&self) -> Option<Problem> {
        const SCORE: &str = "has to be within 0 to 100";
        let Self { scoring, history, parse, snapshot, schedule, .. } = self;
        let open_unit = scoring.prior > 0.0 && scoring.prior < 1.0;
        let score = |value: f64| (0.0..=100.0).contains(&value);
        let by_category = scoring.category.values().all(|own| {
            own.dangerous_below.is_none_or(score) && own.suspicious_below.is_none_or(score)
        });
        let checks = [
            (!self.data.as_os_str().is_empty(), "", "data", "names no folder"),
            (open_unit, "scoring", "prior", "has to be above 0 and below 1"),
            (score(scoring.dangerous_below), "scoring", "dangerous_below", SCORE),
            (score(scoring.suspicious_below), "scoring", "suspicious_below", SCORE),
            (score(scoring.triage_below), "scoring", "triage_below", SCORE),
            (by_category, "scoring", "category", "has a threshold outside 0 to 100"),
            (!history.window.is_zero(), "history", "window", "has to be longer than nothing"),
            (
                history.window <= history.retention,
                "history",
                "window",
                "is longer than `history.retention`: what the ledger has forgotten cannot count",
            ),
            (
                history.retention.as_secs() <= 36_500 * 86_400,
                "history",
                "retention",
                "is above a hundred years",
            ),
            (parse.max_line >= 64, "parse", "max_line", "is below 64 bytes"),
            (
                (1..=32).contains(&parse.v4_floor),
                "parse",
                "v4_floor",
                "is not a prefix length within 1 to 32",
            ),
            (
                (1..=128).contains(&parse.v6_floor),
                "parse",
                "v6_floor",
                "is not a prefix length within 1 to 128",
            ),
            (parse.max_entries > 0, "parse", "max_entries", "has to be above 0"),
            ((1..=100).contains(&snapshot.keep), "snapshot", "keep", "is not within 1 to 100"),
            (
                !snapshot.recompile_after.is_zero(),
                "snapshot",
                "recompile_after",
                "has to be longer than nothing",
            ),
            (
                snapshot.recompile_after <= snapshot.stale_after,
                "snapshot",
                "stale_after",
                "is shorter than `snapshot.recompile_after`: every snapshot would grow stale",
            ),
            (
                (0.0..=1.0).contains(&schedule.jitter),
                "schedule",
                "jitter",
                "has to be within 0 to 1",
            ),
            (
                schedule.first_retry.as_secs() > 0,
                "schedule",
                "first_retry",
                "has to be at least a second",
            ),
            (
                schedule.first_retry <= schedule.longest_retry,
                "schedule",
                "longest_retry",
                "is shorter than `schedule.first_retry`",
            ),
        ];
        let simple =
            checks.into_iter().find(|(holds, ..)| !holds).map(|(_, section, key, message)| {
                Problem { section, key, message: message.to_owned() }
            });
        simple.or_else(|| self.problem_of_a_section())
    }

    /// What sections say of themselves.
    fn problem_of_a_section(&self) -> Option<Problem> {
        let both = || {
            let both = self.feeds.enable.iter().find(|id| self.feeds.disable.contains(id))?;
            Some(("enable", format!("names {both:?}, which `feeds.disable` names too")))
        };
        let sections = [
            ("fetch", self.fetch.problem()),
            ("geo", self.geo.problem()),
            ("guard", self.guard.problem()),
            ("middleware", self.middleware.problem()),
            ("warninglists", self.warninglists.problem()),
            ("signals", self.signals.problem()),
            ("misp", misp::problem(&self.misp)),
            ("feeds", both()),
        ];
        sections.into_iter().find_map(|(section, problem)| {
            let (key, message) = problem?;
            Some(Problem { section, key, message })
        })
    }
}

impl Problem {
    fn name(&self) -> String {
        match (self.section, self.key) {
            ("", name) | (name, "") => name.to_owned(),
            (section, key) => format!("{section}.{key}"),
        }
    }

    fn text(&self) -> String {
        format!("`{}` {}", self.name(), self.message)
    }
}

/// TOML has no null.
fn without_nulls(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(keys) = value {
        keys.retain(|_, value| !value.is_null());
        keys.values_mut().for_each(without_nulls);
    }
}

/// `"a"` or `["a", "b"]`.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Catalogue>>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Option<Vec<Catalogue>>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("\"default\", a path, or a list of them")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse().map(|one| Some(vec![one])).map_err(E::custom)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(Some)
        }
    }
    from.deserialize_any(Visitor)
}

#[cfg(test)]
mod tests;
