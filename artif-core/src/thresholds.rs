//! From a score to a verdict.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::category::{Category, CategorySet};
use crate::config::{CategoryThresholds, Scoring};

use crate::score::State;
use crate::verdict::Verdict;

/// The scores below which an address gets a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thresholds {
    pub(crate) dangerous_below: f64,
    pub(crate) suspicious_below: f64,
    pub(crate) triage_below: f64,
    /// Instead of these, for what is listed for such activity alone.
    #[serde(default)]
    pub(crate) category: BTreeMap<Category, CategoryThresholds>,
}

impl From<&Scoring> for Thresholds {
    fn from(scoring: &Scoring) -> Self {
        Self {
            dangerous_below: scoring.dangerous_below,
            suspicious_below: scoring.suspicious_below,
            triage_below: scoring.triage_below,
            category: scoring.category.clone(),
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::from(&Scoring::default())
    }
}

impl Thresholds {
    /// The verdict on an address with this score that threat feeds list, or listed lately, for
    /// what is in `categories`: the worst that any of these allows.
    pub(crate) fn verdict(&self, state: State, score: f64, categories: CategorySet) -> Verdict {
        let mut dangerous = None::<f64>;
        let mut suspicious = None::<f64>;
        for category in categories.iter() {
            let own = self.category.get(&category).copied().unwrap_or_default();
            let worst = |so_far: Option<f64>, own: Option<f64>, usual| {
                let own = own.unwrap_or(usual);
                Some(so_far.map_or(own, |so_far| so_far.max(own)))
            };
            dangerous = worst(dangerous, own.dangerous_below, self.dangerous_below);
            suspicious = worst(suspicious, own.suspicious_below, self.suspicious_below);
        }
        let dangerous = dangerous.unwrap_or(self.dangerous_below);
        let suspicious = suspicious.unwrap_or(self.suspicious_below);
        if state == State::Active && is_below(score, dangerous) {
            Verdict::Dangerous
        } else if state != State::Unknown && is_below(score, suspicious) {
            Verdict::Suspicious
        } else if score < self.triage_below {
            Verdict::Triage
        } else {
            Verdict::NoAction
        }
    }
}

/// At 100 every score is.
fn is_below(score: f64, threshold: f64) -> bool {
    score < threshold || threshold >= 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(categories: &[Category]) -> CategorySet {
        categories.iter().copied().collect()
    }

    #[test]
    fn by_default_listings_decide_and_scores_of_the_unlisted() {
        let usual = Thresholds::default();
        for (state, score, expected) in [
            (State::Active, 100.0, Verdict::Dangerous),
            (State::Active, 0.0, Verdict::Dangerous),
            (State::Historical, 100.0, Verdict::Suspicious),
            (State::Historical, 1.0, Verdict::Suspicious),
            (State::Unknown, 39.9, Verdict::Triage),
            (State::Unknown, 40.0, Verdict::NoAction),
        ] {
            assert_eq!(usual.verdict(state, score, CategorySet::EMPTY), expected, "{state:?}");
        }
    }

    #[test]
    fn each_threshold_falls_through_to_the_next() {
        let strict =
            Thresholds { dangerous_below: 10.0, suspicious_below: 30.0, ..Thresholds::default() };
        for (score, expected) in [
            (9.9, Verdict::Dangerous),
            (10.0, Verdict::Suspicious),
            (30.0, Verdict::Triage),
            (40.0, Verdict::NoAction),
        ] {
            assert_eq!(strict.verdict(State::Active, score, CategorySet::EMPTY), expected);
        }
        assert_eq!(strict.verdict(State::Historical, 5.0, CategorySet::EMPTY), Verdict::Suspicious);
        assert_eq!(strict.verdict(State::Unknown, 5.0, CategorySet::EMPTY), Verdict::Triage);
    }

    #[test]
    fn a_category_counts_when_nothing_worse_is_said() {
        let tolerant =
            CategoryThresholds { dangerous_below: Some(0.0), suspicious_below: Some(0.0) };
        let lax = Thresholds {
            category: BTreeMap::from([(Category::Tor, tolerant)]),
            ..Thresholds::default()
        };
        let verdict =
            |categories: &[Category], score| lax.verdict(State::Active, score, set(categories));
        assert_eq!(verdict(&[Category::Tor], 50.0), Verdict::NoAction);
        assert_eq!(verdict(&[Category::Tor], 0.0), Verdict::Triage);
        assert_eq!(verdict(&[Category::Tor, Category::Attack], 50.0), Verdict::Dangerous);
        assert_eq!(verdict(&[], 50.0), Verdict::Dangerous);
        let stricter = Thresholds {
            dangerous_below: 20.0,
            category: BTreeMap::from([(
                Category::CommandAndControl,
                CategoryThresholds { dangerous_below: Some(100.0), suspicious_below: None },
            )]),
            ..Thresholds::default()
        };
        let c2 = set(&[Category::CommandAndControl, Category::Tor]);
        assert_eq!(stricter.verdict(State::Active, 90.0, c2), Verdict::Dangerous);
        let tor = set(&[Category::Tor]);
        assert_eq!(stricter.verdict(State::Active, 90.0, tor), Verdict::Suspicious);
    }
}
