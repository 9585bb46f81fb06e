//! The classic scorer: counts of listed networks by ASN, country and organisation.
//!
//! Every threat feed has a weight `a` = 1/(5 − threat level) and every category a weight
//! `b` = 1/(5 − its number). With `X` and `Y` the weighted counts of documents for each feed and
//! category, inside a group `g` and in all, a group's score is
//!
//! ```text
//! frequency = n / N                                  documents in the group, documents in all
//! feeds     = Σ a·X(g) / X  ÷  Σ a                   over all threat feeds, empty ones too
//! types     = Σ b·Y(g) / Y  ÷  Σ b
//! recency   = 1 − (Σ ages / 30) · h / ((1 + h) · n)  h of the n are historical
//! final     = (frequency + types + feeds) · recency / 3
//! ```
//!
//! An address stands at `neighbourhood = 100 · (1 − s / M)`, where `s` is the Euclidean norm of the
//! finals of its three groups and `M` that of the largest finals. Unlisted addresses score their
//! neighbourhood, active ones 0, historical ones `neighbourhood · min(1, age / window)`.
//!
//! A document that left its feeds `age` days ago counts (30 − age) / 30 in `X` and `Y`; ages beyond
//! 30 days are taken as 30, so that `recency` stays positive.
//!
//! Known weakness: a group's raw count dominates, so this ranks large countries, not bad ones.

mod codec;
mod explain;
mod fit;

use super::model::{Model, Nearby, ScoreInput, Scorer, State, Subject, Term};
use crate::error::Result;
use crate::geo::{Country, GeoRecord};

/// Days over which a document fades out.
const HORIZON_DAYS: f64 = 30.0;

/// What groups are made by.
///
/// ```
/// # use artif_core::score::Dimension;
/// assert_ne!(Dimension::Asn, Dimension::Country);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The autonomous system.
    Asn,
    /// The country.
    Country,
    /// The organisation.
    Organisation,
}

impl Dimension {
    const ALL: [Self; 3] = [Self::Asn, Self::Country, Self::Organisation];

    /// The group a record belongs to; `None` is the group of what is not known.
    fn key(self, record: &GeoRecord) -> Option<u32> {
        match self {
            Self::Asn => record.asn,
            Self::Country => record.country.map(country_key),
            Self::Organisation => record.organisation,
        }
    }
}

fn country_key(country: Country) -> u32 {
    country.as_str().bytes().fold(0, |key, byte| key << 8 | u32::from(byte))
}

/// What was learned of one group.
///
/// ```
/// # use artif_core::score::GroupStats;
/// fn share(group: &GroupStats) -> f64 {
///     100.0 * group.frequency
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GroupStats {
    /// Documents in it.
    pub documents: u32,
    /// How many of them are historical.
    pub historical: u32,
    /// Its share of all documents, 0 to 1.
    pub frequency: f64,
    /// Its share of what the feeds list, weighted by threat level, 0 to 1.
    pub feeds: f64,
    /// Its share of what the categories say, weighted by their severity, 0 to 1.
    pub types: f64,
    /// How fresh its documents are, above 0 to 1.
    pub recency: f64,
    /// All of it in one number: (frequency + types + feeds) · recency / 3.
    pub final_score: f64,
}

impl GroupStats {
    fn new(documents: u32, historical: u32, total: u64, feeds: f64, types: f64, rec: f64) -> Self {
        let frequency = f64::from(documents) / total as f64;
        let final_score = (frequency + types + feeds) * rec / 3.0;
        Self { documents, historical, frequency, feeds, types, recency: rec, final_score }
    }
}

/// The groups of one dimension.
#[derive(Debug, Clone, Default, PartialEq)]
struct Groups {
    unknown: Option<GroupStats>,
    /// Sorted.
    keys: Vec<u32>,
    stats: Vec<GroupStats>,
    /// The largest final score, that of `unknown` included.
    max: f64,
}

impl Groups {
    fn new(unknown: Option<GroupStats>, keys: Vec<u32>, stats: Vec<GroupStats>) -> Self {
        let max = unknown.iter().chain(&stats).map(|group| group.final_score).fold(0.0, f64::max);
        Self { unknown, keys, stats, max }
    }

    fn get(&self, key: Option<u32>) -> Option<&GroupStats> {
        match key {
            None => self.unknown.as_ref(),
            Some(key) => self.stats.get(self.keys.binary_search(&key).ok()?),
        }
    }
}

/// Scores by the classic formula; `"classic"` in the configuration.
///
/// ```
/// use artif_core::geo::GeoTable;
/// use artif_core::score::{ClassicScorer, Document, ScoreInput, Scorer};
///
/// let nothing: Vec<Document<'_>> = Vec::new();
/// let model = ClassicScorer
///     .fit(&ScoreInput {
///         feeds: &[],
///         documents: &nothing,
///         networks: &(),
///         geo: &GeoTable::default(),
///         window_days: 7.0,
///         prior: 0.01,
///     })
///     .unwrap();
/// assert!(ClassicScorer.decode(&model.encode()).is_ok());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ClassicScorer;

impl ClassicScorer {
    /// Like [`Scorer::fit`], with the statistics of the groups within reach.
    ///
    /// ```
    /// # use artif_core::geo::GeoTable;
    /// # use artif_core::score::{ClassicScorer, Document, ScoreInput};
    /// # let documents: Vec<Document<'_>> = Vec::new();
    /// # let geo = GeoTable::default();
    /// let input = ScoreInput {
    ///     feeds: &[],
    ///     documents: &documents,
    ///     networks: &(),
    ///     geo: &geo,
    ///     window_days: 7.0,
    ///     prior: 0.01,
    /// };
    /// assert_eq!(ClassicScorer.learn(&input).maxima(), [0.0; 3]);
    /// ```
    pub fn learn(&self, input: &ScoreInput<'_>) -> ClassicModel {
        fit::fit(input)
    }
}

impl Scorer for ClassicScorer {
    fn name(&self) -> &'static str {
        "classic"
    }

    fn horizon_days(&self) -> f64 {
        HORIZON_DAYS
    }

    fn fit(&self, input: &ScoreInput<'_>) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.learn(input)))
    }

    fn decode(&self, bytes: &[u8]) -> Result<Box<dyn Model>> {
        Ok(Box::new(codec::decode(bytes)?))
    }
}

/// What the classic scorer has learned: the statistics of every group with a document in it.
///
/// ```
/// # use artif_core::score::ClassicModel;
/// fn worst(model: &ClassicModel) -> f64 {
///     model.maxima().into_iter().fold(0.0, f64::max)
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassicModel {
    window_days: f64,
    documents: u64,
    /// For each feed, whether being listed there is a threat.
    threats: Vec<bool>,
    asn: Groups,
    country: Groups,
    organisation: Groups,
    /// The names of the organisations in `organisation`, in their order.
    names: Vec<String>,
}

impl ClassicModel {
    /// The group of one dimension to which `record` belongs; where the record does not say, the
    /// group of all documents of which it is not known. `None` where nothing is listed in it.
    ///
    /// ```
    /// # use artif_core::geo::GeoRecord;
    /// # use artif_core::score::{ClassicModel, Dimension};
    /// fn listed_somewhere_unknown(model: &ClassicModel) -> u32 {
    ///     let group = model.group(Dimension::Country, &GeoRecord::default());
    ///     group.map_or(0, |group| group.documents)
    /// }
    /// ```
    pub fn group(&self, dimension: Dimension, record: &GeoRecord) -> Option<&GroupStats> {
        self.groups(dimension).get(dimension.key(record))
    }

    /// The largest final scores by ASN, country and organisation; 0 where nothing is listed.
    ///
    /// ```
    /// # use artif_core::score::ClassicModel;
    /// fn has_learned(model: &ClassicModel) -> bool {
    ///     model.maxima()[0] > 0.0
    /// }
    /// ```
    pub fn maxima(&self) -> [f64; 3] {
        [self.asn.max, self.country.max, self.organisation.max]
    }

    fn groups(&self, dimension: Dimension) -> &Groups {
        match dimension {
            Dimension::Asn => &self.asn,
            Dimension::Country => &self.country,
            Dimension::Organisation => &self.organisation,
        }
    }

    /// The final scores of the groups a subject is judged by. Listed networks of unknown origin are
    /// a group of their own; for an address that was never listed, not to know is no reason.
    fn finals(&self, subject: &Subject<'_>) -> [f64; 3] {
        Dimension::ALL.map(|dimension| {
            let key = dimension.key(&subject.record);
            if key.is_none() && subject.state == State::Unknown {
                return 0.0;
            }
            self.groups(dimension).get(key).map_or(0.0, |group| group.final_score)
        })
    }

    /// What the neighbours take away, 0 to 100, in all and by dimension.
    fn losses(&self, subject: &Subject<'_>) -> (f64, [f64; 3]) {
        let top = norm(self.maxima());
        let finals = self.finals(subject);
        let share = norm(finals);
        if top <= 0.0 || share <= 0.0 {
            return (0.0, [0.0; 3]);
        }
        let loss = (100.0 * share / top).clamp(0.0, 100.0);
        (loss, finals.map(|part| loss * (part / share).powi(2)))
    }

    /// How much of its neighbourhood's score a historical subject has regained, 0 to 1.
    fn regained(&self, age_days: f64) -> f64 {
        if self.window_days > 0.0 { (age_days / self.window_days).clamp(0.0, 1.0) } else { 1.0 }
    }
}

fn norm(parts: [f64; 3]) -> f64 {
    parts.iter().map(|part| part * part).sum::<f64>().sqrt()
}

impl Model for ClassicModel {
    fn score(&self, subject: &Subject<'_>) -> f64 {
        match subject.state {
            State::Active => 0.0,
            State::Unknown => 100.0 - self.losses(subject).0,
            State::Historical => (100.0 - self.losses(subject).0) * self.regained(subject.age_days),
        }
    }

    fn explain(&self, subject: &Subject<'_>, _: Option<&dyn Nearby>) -> Vec<Term> {
        explain::explain(self, subject)
    }

    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

#[cfg(test)]
mod tests;
