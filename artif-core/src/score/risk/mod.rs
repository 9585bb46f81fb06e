//! The risk scorer: the probability that an address is malicious now.
//!
//! Three kinds of evidence, each a sentence for an analyst:
//!
//! - *Neighbourhood* ([`chain`]): how much is listed, and how lately, in the address's autonomous
//!   system, announced network and covering prefixes, each compared with what the level above it
//!   leads to expect. The sum `Σ` of these log ratios is all that is kept of it, in quarters.
//! - *Own past*: how long ago it left its last feed, how often it was listed and for how long.
//! - *Direct evidence* ([`feeds`]): who lists it now. Publishers are the witnesses, not feeds.
//!
//! ```text
//! logit P = logit(prior) + 0.979·Σ + 0.111                                    from neighbours
//!         or, if more, logit(prior) + 9.5 − ln t + 0.3·Σ + 0.7·ln n − 0.4·ln d + ln(b / 0.6)
//!             t days since it was last listed (at least 1, forgotten after 60), n times listed,
//!             for d days each, b the belief in the publishers that did; listed now: t = d = 1
//! D       = 1 − Π over publishers (1 − max reliability · 2^(−days unconfirmed / half-life))
//! risk    = 1 − (1 − D)(1 − P)                       score = 100 · (1 − risk)
//! ```
//!
//! The numbers are logistic fits on two weeks of daily feeds: whether an address is first listed,
//! or comes back, the day after. `prior` says what share of the addresses asked about is bad.
//!
//! How much one publisher can do is bounded, see [`mass`].

mod chain;
mod codec;
mod explain;
mod feeds;
mod mass;
mod space;
#[cfg(test)]
mod tests;

use self::chain::Groups;
use self::feeds::{FeedModel, Publisher};
use super::model::{Model, Nearby, ScoreInput, Scorer, State, Subject, Term, Territory};
use crate::error::Result;

/// Days for which an address that left all feeds is remembered.
const MEMORY_DAYS: f64 = 60.0;
/// From the sum of lifts to the logit of being listed next.
const SLOPE: f64 = 0.979;
const INTERCEPT: f64 = 0.111;
/// Steps of the neighbourhood in one unit of the logit.
const STEPS: f64 = 4.0;
/// What a label feed adds: it says what an address is, not that it is bad.
const LABEL: f64 = 0.02;
/// The reliability that the own past's constant was fitted with.
const USUAL_RELIABILITY: f64 = 0.6;

/// Scores by calibrated probability; `"risk"` in the configuration.
///
/// ```
/// use artif_core::geo::GeoTable;
/// use artif_core::score::{Document, RiskScorer, ScoreInput, Scorer, Subject};
///
/// let nothing: Vec<Document<'_>> = Vec::new();
/// let model = RiskScorer
///     .fit(&ScoreInput {
///         feeds: &[],
///         documents: &nothing,
///         networks: &(),
///         geo: &GeoTable::default(),
///         window_days: 7.0,
///         prior: 0.01,
///     })
///     .unwrap();
/// let score = model.score(&Subject::default());
/// assert!(score > 98.0 && score < 99.5, "one address in a hundred is bad: {score}");
/// assert!(RiskScorer.decode(&model.encode()).is_ok());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RiskScorer;

impl RiskScorer {
    /// Like [`Scorer::fit`], with what was learned within reach.
    ///
    /// ```
    /// # use artif_core::geo::GeoTable;
    /// # use artif_core::score::{Document, RiskScorer, ScoreInput};
    /// # let documents: Vec<Document<'_>> = Vec::new();
    /// # let geo = GeoTable::default();
    /// let model = RiskScorer.learn(&ScoreInput {
    ///     feeds: &[],
    ///     documents: &documents,
    ///     networks: &(),
    ///     geo: &geo,
    ///     window_days: 7.0,
    ///     prior: 0.5,
    /// });
    /// assert_eq!(model.half_life_days(0), None);
    /// ```
    pub fn learn(&self, input: &ScoreInput<'_>) -> RiskModel {
        let (mut feeds, mut publishers) = feeds::learn(input);
        let listed = mass::gather(input, &mut feeds, &mut publishers);
        let places = chain::Places::new(&input.geo.records);
        let (groups4, v4) = chain::learn(input.geo, &places, &listed.v4);
        let (groups6, v6) = chain::learn(input.geo, &places, &listed.v6);
        RiskModel {
            // NaN becomes the default.
            prior: if input.prior > 0.0 && input.prior < 1.0 { input.prior } else { 0.01 },
            feeds,
            publishers,
            groups4,
            groups6,
            territory: Territory {
                v4_starts: v4.0,
                v4_values: v4.1,
                v6_starts: v6.0,
                v6_values: v6.1,
            },
        }
    }
}

impl Scorer for RiskScorer {
    fn name(&self) -> &'static str {
        "risk"
    }

    fn horizon_days(&self) -> f64 {
        MEMORY_DAYS
    }

    fn memory_days(&self) -> f64 {
        MEMORY_DAYS
    }

    fn fit(&self, input: &ScoreInput<'_>) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.learn(input)))
    }

    fn decode(&self, bytes: &[u8]) -> Result<Box<dyn Model>> {
        Ok(Box::new(codec::decode(bytes)?))
    }
}

/// What the risk scorer has learned.
///
/// ```
/// # use artif_core::score::RiskModel;
/// fn slow(model: &RiskModel, feed: u32) -> bool {
///     model.half_life_days(feed).is_some_and(|days| days > 30.0)
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RiskModel {
    prior: f64,
    feeds: Vec<FeedModel>,
    publishers: Vec<Publisher>,
    groups4: Groups,
    groups6: Groups,
    /// Not encoded: the snapshot's index has it.
    territory: Territory,
}

/// The parts a score is made of.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// The logit before any evidence.
    start: f64,
    /// With the neighbourhood.
    near: f64,
    /// From its own past, where it has one.
    past: Option<f64>,
    /// The probability that none of the publishers that list it now is right.
    unseen: f64,
    /// What labels leave, 0 to 1.
    unlabelled: f64,
}

impl Parts {
    fn score(&self) -> f64 {
        let logit = self.past.map_or(self.near, |past| past.max(self.near));
        100.0 * self.unseen * self.unlabelled * logistic(-logit)
    }
}

impl RiskModel {
    /// The half-life of a feed's listings in days, 1 to 120, as learned from how long they stay;
    /// `None` for a feed that does not exist.
    ///
    /// ```
    /// # use artif_core::score::RiskModel;
    /// fn fast(model: &RiskModel) -> bool {
    ///     model.half_life_days(0).is_some_and(|days| days < 7.0)
    /// }
    /// ```
    pub fn half_life_days(&self, feed: u32) -> Option<f64> {
        self.feeds.get(feed as usize).map(|feed| feed.half_life)
    }

    fn parts(&self, subject: &Subject<'_>) -> Parts {
        let start = (self.prior / (1.0 - self.prior)).ln() + INTERCEPT;
        let sum = f64::from(subject.neighbourhood) / STEPS;
        let unlabelled =
            if subject.labels.iter().any(|feed| self.is_label(*feed)) { 1.0 - LABEL } else { 1.0 };
        Parts {
            start,
            near: start + SLOPE * sum,
            past: self.own_past(subject).map(|past| start - INTERCEPT + past + 0.3 * sum),
            unseen: match subject.state {
                State::Active => 1.0 - self.believed(subject.feeds, true),
                _ => 1.0,
            },
            unlabelled,
        }
    }

    /// What the address's own listings say, as a log likelihood ratio.
    fn own_past(&self, subject: &Subject<'_>) -> Option<f64> {
        let active = subject.state == State::Active;
        if subject.past.spells == 0 && !active {
            return None;
        }
        let (days, spell) = if active {
            (self.unconfirmed_days(subject.feeds), 1.0)
        } else {
            (subject.age_days, f64::from(subject.past.spell_days.max(1)))
        };
        let believed = match self.believed(subject.feeds, false) {
            nobody if nobody <= 0.0 => USUAL_RELIABILITY,
            believed => believed.max(0.1),
        };
        let spells = f64::from(subject.past.spells.max(1));
        Some(
            9.5 - days.max(1.0).ln() + 0.7 * spells.ln() - 0.4 * spell.ln()
                + (believed / USUAL_RELIABILITY).ln(),
        )
    }
}

impl Model for RiskModel {
    fn score(&self, subject: &Subject<'_>) -> f64 {
        self.parts(subject).score()
    }

    fn explain(&self, subject: &Subject<'_>, nearby: Option<&dyn Nearby>) -> Vec<Term> {
        explain::explain(self, subject, nearby)
    }

    fn territory(&self) -> Territory {
        self.territory.clone()
    }

    fn nearby(&self, state: State, neighbourhood: i8) -> i8 {
        match state {
            // Beside being listed, whole units of Σ are fine enough: half of one moves the own past's
            // logit by 0.15.
            State::Active => neighbourhood.clamp(-126, 126).saturating_add(2) >> 2 << 2,
            _ => neighbourhood,
        }
    }

    fn is_local(&self) -> bool {
        // What systems and countries mean is in the neighbourhood.
        false
    }

    fn interval(&self, subject: &Subject<'_>, nearby: Option<&dyn Nearby>) -> Option<[f64; 2]> {
        Some(explain::interval(self, subject, nearby))
    }

    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}
