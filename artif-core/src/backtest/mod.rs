//! How well scores would have told what came next: a replay of dated folders of feed files.
//!
//! For each day but the last, everything up to that day is taken in and scored, and the next day
//! says who was right:
//!
//! - **New**: addresses that a feed known by then lists for the first time the next day, against
//!   addresses drawn uniformly from all announced IPv4 space, as far as no feed ever listed or now
//!   covers them. It tests what a scorer knows of addresses that are in no feed.
//! - **Back**: addresses that were listed once and are not now: those that return the next day,
//!   against those that stay away. It tests the use of an address's own past.
//!
//! ```no_run
//! use artif_core::backtest::Backtest;
//!
//! let mut config = artif_core::Config::default();
//! config.geo.asn = Some("GeoLite2-ASN.mmdb".into());
//! let report = Backtest::new("replay").config(config).run(|day| eprintln!("{}", day.date))?;
//! println!("{}", report.to_text());
//! # Ok::<(), artif_core::Error>(())
//! ```
//!
//! # What can be judged by it, and what not
//!
//! It compares scorers with each other on the same question, shows whether a change of feeds helps
//! the neighbourhood's evidence, and whether probabilities are what they claim at equal numbers of
//! bad addresses and others. It does not say how many visitors would be blocked in error: uniform
//! addresses are not visitors, and a visitor's neighbours are not uniform. "Bad" is what the same
//! feeds say a day later, with their errors; an address nobody has listed yet counts as harmless.
//! Addresses listed on the day itself are not judged, since scores only repeat what feeds say of
//! them. Only IPv4 single addresses are judged.
//!
//! The replay lives in memory; no data folder is read or written.

mod listed;
mod replay;
mod report;
mod sample;
mod stats;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use chrono::{Datelike as _, NaiveDate};

use self::listed::{Listed, merge};
use self::replay::{Day, Loaded, Replay, threats};
use self::sample::Space;
use crate::config::{Config, ScorerKind};
use crate::error::{Error, Result};
use crate::feed::FeedId;
use crate::geo::GeoSources;
use crate::net::{Canonical, special_purpose};
use crate::snapshot::Snapshot;

pub use self::report::{BacktestReport, DayResult, FeedResult, Measures, Question, ScorerResult};
pub use self::stats::{auc, calibration_error, tpr_at};

/// A feed's new addresses are judged by themselves from so many on.
const FEED_FROM: usize = 25;

/// A replay to be run. See the [module](self) for what it measures.
///
/// ```
/// use artif_core::backtest::Backtest;
///
/// let folder = tempfile::tempdir().unwrap();
/// for (day, text) in [("2026-08-01", "23.1.1.1\n"), ("2026-08-02", "23.1.1.1\n23.1.1.2\n")] {
///     std::fs::create_dir(folder.path().join(day)).unwrap();
///     std::fs::write(folder.path().join(day).join("list.txt"), text).unwrap();
/// }
/// let report = Backtest::new(folder.path()).negatives(1000).run(|_| ()).unwrap();
/// assert_eq!(report.days.len(), 1);
/// assert_eq!(report.days[0].new.bad, 1, "23.1.1.2");
/// ```
#[derive(Debug, Clone)]
pub struct Backtest {
    replay: PathBuf,
    catalogue: Option<PathBuf>,
    config: Config,
    scorers: Vec<ScorerKind>,
    from: Option<NaiveDate>,
    negatives: usize,
    seed: u64,
}

impl Backtest {
    /// A replay of the folders in `replay` that are named like `2026-08-05`. In each, every file is
    /// a feed; files of the same name (without what follows the last dot) are the same feed.
    ///
    /// ```
    /// # use artif_core::backtest::Backtest;
    /// let error = Backtest::new("no/such/folder").run(|_| ()).unwrap_err();
    /// assert_eq!(error.code(), "ARTIF_IO");
    /// ```
    pub fn new(replay: impl Into<PathBuf>) -> Self {
        Self {
            replay: replay.into(),
            catalogue: None,
            config: Config::default(),
            scorers: ScorerKind::ALL.to_vec(),
            from: None,
            negatives: 160_000,
            seed: 1,
        }
    }

    /// Takes format, publisher, categories, role and so on of the feeds from a catalogue whose
    /// entries have files of these names. Files it does not know are free text, each by a publisher
    /// of its own.
    ///
    /// ```
    /// # use artif_core::backtest::Backtest;
    /// let error = Backtest::new(".").catalogue("no/such.toml").run(|_| ()).unwrap_err();
    /// assert_eq!(error.code(), "ARTIF_IO");
    /// ```
    #[must_use]
    pub fn catalogue(mut self, path: impl Into<PathBuf>) -> Self {
        self.catalogue = Some(path.into());
        self
    }

    /// Takes geo databases, history, limits of parsing and thresholds from a configuration. Its
    /// prior is not used: see [`Measures::calibration_error`].
    ///
    /// ```
    /// # use artif_core::{Config, backtest::Backtest};
    /// let config = Config::from_toml("[history]\nwindow = '3d'").unwrap();
    /// let backtest = Backtest::new("replay").config(config);
    /// ```
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Judges these scorers; all there are, if nothing is said.
    ///
    /// ```
    /// # use artif_core::{backtest::Backtest, config::ScorerKind};
    /// let backtest = Backtest::new("replay").scorers([ScorerKind::Risk]);
    /// ```
    #[must_use]
    pub fn scorers(mut self, scorers: impl IntoIterator<Item = ScorerKind>) -> Self {
        self.scorers = scorers.into_iter().collect();
        self
    }

    /// Judges from this day on; days before are only taken in.
    ///
    /// ```
    /// # use artif_core::backtest::Backtest;
    /// let backtest = Backtest::new("replay").from("2026-08-16".parse().unwrap());
    /// ```
    #[must_use]
    pub fn from(mut self, date: NaiveDate) -> Self {
        self.from = Some(date);
        self
    }

    /// Draws so many addresses a day to compare with (160,000 if nothing is said). Of ten times as
    /// many the TPR at 0.1 % wavers a third as much.
    ///
    /// ```
    /// # use artif_core::backtest::Backtest;
    /// let backtest = Backtest::new("replay").negatives(1_000_000);
    /// ```
    #[must_use]
    pub fn negatives(mut self, draws: usize) -> Self {
        self.negatives = draws;
        self
    }

    /// Draws other addresses. The same seed draws the same ones everywhere.
    ///
    /// ```
    /// # use artif_core::backtest::Backtest;
    /// let backtest = Backtest::new("replay").seed(2);
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs it; calls `on_day` with each day that was judged.
    ///
    /// Errors: [`Error::Io`] of folders and files, [`Error::Invalid`] with fewer than two dated
    /// folders, [`Error::Geo`] of a database that is configured and cannot be used, and those of
    /// parsing: a feed that cannot be read as a whole ends the replay.
    ///
    /// ```
    /// # use artif_core::backtest::Backtest;
    /// let empty = tempfile::tempdir().unwrap();
    /// let error = Backtest::new(empty.path()).run(|_| ()).unwrap_err();
    /// assert!(error.to_string().contains("named like 2026-08-05"), "{error}");
    /// ```
    pub fn run(&self, mut on_day: impl FnMut(&DayResult)) -> Result<BacktestReport> {
        let catalogue = replay::catalogue(self.catalogue.as_deref())?;
        let days = replay::days(&self.replay)?;
        let config = &self.config;
        let geo = GeoSources::load(config.geo.asn.as_deref(), config.geo.country.as_deref());
        let broken = |database: &crate::geo::GeoDatabase| {
            let reason = database.problem.clone()?;
            Some(Error::Geo { path: database.path.clone(), reason })
        };
        if let Some(error) = geo.databases.iter().find_map(broken) {
            return Err(error);
        }
        let space = Space::new(&geo.table);
        let replay = Replay::new(config, catalogue, &geo);

        let mut judged = Vec::new();
        let mut ever: Vec<u32> = Vec::new();
        let mut today: Option<(&Day, Vec<Loaded>)> = None;
        for day in &days {
            let tomorrow = replay.read(day)?;
            if let Some((date, loaded)) = &today
                && self.from.is_none_or(|from| date.date >= from)
            {
                let known = Known { ever: &ever, now: listed(loaded), loaded };
                let cases = known.cases(&tomorrow, &space, self.draws(date.date));
                let mut scorers = Vec::new();
                for scorer in &self.scorers {
                    let snapshot = replay.compile(date, loaded, *scorer)?;
                    scorers.push((*scorer, snapshot));
                }
                let result = cases.judge(date.date, day.date, &scorers);
                on_day(&result);
                judged.push(result);
            }
            ever = merge(&ever, &listed(&tomorrow).hosts);
            replay.commit(day, &tomorrow)?;
            today = Some((day, tomorrow));
        }
        Ok(BacktestReport::new(
            days.len(),
            space.announced.then(|| space.addresses()),
            self.negatives,
            self.seed,
            &self.scorers,
            judged,
        ))
    }

    /// How many to draw, and with which seed: other ones every day.
    fn draws(&self, date: NaiveDate) -> (usize, u64) {
        let day = u64::from(date.num_days_from_ce().unsigned_abs());
        (self.negatives, self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(day))
    }
}

/// What threat feeds list.
fn listed(loaded: &[Loaded]) -> Listed {
    Listed::of(threats(loaded).map(|loaded| &loaded.prefixes))
}

/// What is known by some day.
struct Known<'a> {
    /// Every single address listed until then, sorted.
    ever: &'a [u32],
    now: Listed,
    loaded: &'a [Loaded],
}

/// Addresses of which the next day tells.
struct Cases {
    new: Vec<u32>,
    by_feed: Vec<(FeedId, Vec<u32>)>,
    /// Drawn.
    others: Vec<u32>,
    back: Vec<u32>,
    away: Vec<u32>,
}

impl Known<'_> {
    fn is_unlisted(&self, address: u32) -> bool {
        self.ever.binary_search(&address).is_err() && !self.now.covers(address)
    }

    fn cases(&self, tomorrow: &[Loaded], space: &Space, draws: (usize, u64)) -> Cases {
        // A feed that begins tomorrow has no news, only content.
        let begun = |next: &&Loaded| self.loaded.iter().any(|now| now.feed.id == next.feed.id);
        let next = Listed::of(threats(tomorrow).filter(begun).map(|loaded| &loaded.prefixes));
        let unlisted = |address: &u32| {
            self.is_unlisted(*address)
                && special_purpose(Ipv4Addr::from_bits(*address).into()).is_none()
        };
        let new: Vec<u32> = next.hosts.iter().copied().filter(unlisted).collect();
        let by_feed = threats(tomorrow).filter(begun).map(|loaded| {
            let hosts = Listed::of(std::iter::once(&loaded.prefixes)).hosts;
            (loaded.feed.id.clone(), hosts.into_iter().filter(unlisted).collect())
        });
        let by_feed = by_feed.collect();
        let others = space.draw(draws.0, draws.1);
        let others =
            others.into_iter().filter(|a| self.is_unlisted(*a) && !next.names(*a)).collect();
        let gone =
            self.ever.iter().copied().filter(|a| !self.now.names(*a) && !self.now.covers(*a));
        let (back, away) = gone.partition(|address| next.names(*address));
        Cases { new, by_feed, others, back, away }
    }
}

/// Higher for worse, 0 to 1.
fn risks(snapshot: &Snapshot, addresses: &[u32]) -> Vec<f64> {
    let risk = |address: &u32| {
        let address = Ipv4Addr::from_bits(*address).into();
        let record = snapshot.lookup(Canonical::of(address));
        1.0 - record.score.get() / 100.0
    };
    addresses.iter().map(risk).collect()
}

impl Cases {
    fn judge(
        &self,
        known: NaiveDate,
        judged_by: NaiveDate,
        scorers: &[(ScorerKind, Snapshot)],
    ) -> DayResult {
        let mut day = DayResult {
            date: known,
            judged_by,
            new: Question::new(self.new.len(), self.others.len()),
            back: Question::new(self.back.len(), self.away.len()),
            feeds: Vec::new(),
        };
        let chosen = || self.by_feed.iter().filter(|(_, new)| new.len() >= FEED_FROM);
        day.feeds.extend(chosen().map(|(feed, new)| FeedResult {
            feed: feed.to_string(),
            new: new.len(),
            scorers: Vec::new(),
        }));
        for (scorer, snapshot) in scorers {
            // Only the risk scorer's numbers are probabilities.
            let calibrated = *scorer == ScorerKind::Risk;
            let others = risks(snapshot, &self.others);
            let result = |bad: &[f64], others: &[f64], calibrated| {
                let measures = Measures::of(bad, others, calibrated)?;
                Some(ScorerResult { scorer: scorer.name(), measures })
            };
            day.new.scorers.extend(result(&risks(snapshot, &self.new), &others, calibrated));
            let (back, away) = (risks(snapshot, &self.back), risks(snapshot, &self.away));
            day.back.scorers.extend(result(&back, &away, false));
            for ((_, new), feed) in chosen().zip(&mut day.feeds) {
                feed.scorers.extend(result(&risks(snapshot, new), &others, calibrated));
            }
        }
        day
    }
}
