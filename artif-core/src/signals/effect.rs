//! What reports do to an answer.
//!
//! Scores are taken as probabilities, `p = 1 - score / 100`, and moved in log-odds:
//! `p' = p + (expit(logit(c) + s) - c)`, where `c` is `p` kept off 0 and 1 by a thousandth and `s` the sum
//! of what each kind says within its limit. That is logistic addition wherever `p` is that far
//! from them, and leaves the score as it is where nothing is said.

use super::{Found, Signals};
use crate::category::CategorySet;
use crate::score::{State, Term};
use crate::snapshot::Snapshot;
use crate::thresholds::Thresholds;
use crate::verdict::Verdict;

/// How near to certainty scores are believed. Feeds tell of all that is announced; an address that
/// reports are made of is one that came, and of those a risk of one in a million is no measure.
const FLOOR: f64 = 1e-3;

/// What signals say of one address, ready to be applied to a score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved<'a> {
    signals: &'a Signals,
    found: Found,
    thresholds: &'a Thresholds,
}

/// How an address stands without signals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis {
    pub(crate) state: State,
    pub(crate) score: f64,
    pub(crate) verdict: Verdict,
    /// What the threat feeds say that make its state.
    pub(crate) threats: CategorySet,
    /// Whether a warninglist caps it.
    pub(crate) capped: bool,
}

impl<'a> Moved<'a> {
    pub(crate) fn new(signals: &'a Signals, found: Found, snapshot: &'a Snapshot) -> Self {
        Self { signals, found, thresholds: &snapshot.meta().thresholds }
    }

    /// Log-odds by kind, in the order of the kinds.
    fn effects(&self) -> impl Iterator<Item = f64> {
        let said = self.signals.rules.kinds.iter().zip(&self.found.kinds);
        said.map(|(kind, (count, _))| kind.effect(*count))
    }

    fn shift(&self) -> f64 {
        self.effects().sum()
    }

    /// The score and the verdict with signals.
    pub(crate) fn apply(&self, basis: &Basis) -> (f64, Verdict) {
        let shift = self.shift();
        let score = self.moved(basis, shift);
        let by_score = self.thresholds.verdict(basis.state, score, basis.threats);
        let rules = &self.signals.rules;
        let own = if score < rules.dangerous_below {
            Verdict::Dangerous
        } else if score < rules.suspicious_below {
            Verdict::Suspicious
        } else {
            Verdict::NoAction
        };
        // What speaks against an address helps it nowhere, and what speaks for it harms it nowhere.
        let worse =
            |one: Verdict, other: Verdict| if one as u8 > other as u8 { one } else { other };
        let verdict = if shift > 0.0 {
            worse(worse(basis.verdict, by_score), own)
        } else if shift < 0.0 && (by_score as u8) < basis.verdict as u8 {
            by_score
        } else {
            basis.verdict
        };
        (score, if basis.capped { verdict.capped() } else { verdict })
    }

    /// Another score of the address with signals, such as an end of an interval.
    pub(crate) fn score(&self, score: f64) -> f64 {
        moved(score, self.shift())
    }

    fn moved(&self, basis: &Basis, shift: f64) -> f64 {
        let score = moved(basis.score, shift);
        if basis.capped { score.max(self.thresholds.triage_below.min(basis.score)) } else { score }
    }

    /// A line for each kind; the contributions and `basis.score` add up to the score with signals.
    pub(crate) fn terms(&self, basis: &Basis, now: crate::clock::Seconds) -> Vec<Term> {
        let mut shift = 0.0;
        let mut before = basis.score;
        let said = self.signals.rules.kinds.iter().zip(&self.found.kinds);
        let mut terms = Vec::new();
        for (kind, (count, newest)) in said {
            let effect = kind.effect(*count);
            if effect == 0.0 {
                continue;
            }
            shift += effect;
            let after = self.moved(basis, shift);
            let limit = if kind.is_at_limit(*count) { ", which is its limit" } else { "" };
            terms.push(Term {
                name: "signal",
                contribution: after - before,
                text: format!(
                    "{count:.1} {} (decayed) by your application, newest {}: {effect:+.1} log-odds \
                     of danger{limit}",
                    kind.name,
                    ago(now.saturating_sub(*newest)),
                ),
            });
            before = after;
        }
        terms
    }
}

fn moved(score: f64, shift: f64) -> f64 {
    let risk = 1.0 - score / 100.0;
    let believed = risk.clamp(FLOOR, 1.0 - FLOOR);
    let odds = (believed / (1.0 - believed)).ln() + shift;
    let moved = risk + (1.0 / (1.0 + (-odds).exp()) - believed);
    100.0 * (1.0 - moved.clamp(0.0, 1.0))
}

fn ago(seconds: u32) -> String {
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scores_move_with_the_shift_and_only_then(
            score in 0.0..=100.0_f64, a in -50.0..50.0_f64, b in -50.0..50.0_f64,
        ) {
            prop_assert!((moved(score, 0.0) - score).abs() < 1e-9);
            let (low, high) = (moved(score, a.max(b)), moved(score, a.min(b)));
            prop_assert!((0.0..=100.0).contains(&low) && low <= high + 1e-9 && high <= 100.0);
        }

        #[test]
        fn inside_the_floor_it_is_adding_log_odds(risk in 0.001..0.999_f64, shift in -9.0..9.0_f64) {
            let logit = |p: f64| (p / (1.0 - p)).ln();
            let after = 1.0 - moved(100.0 * (1.0 - risk), shift) / 100.0;
            prop_assert!((logit(after) - logit(risk) - shift).abs() < 1e-6);
        }
    }

    #[test]
    fn by_hand() {
        // Even odds, three times as high: 3 to 1.
        assert!((moved(50.0, 3.0_f64.ln()) - 25.0).abs() < 1e-9);
        assert!((moved(50.0, -(3.0_f64.ln())) - 75.0).abs() < 1e-9);
        assert!(moved(100.0, 6.907) > 50.0);
        assert!(moved(100.0, 12.0) < 1.0);
        assert!(moved(0.0, -12.0) > 99.0);
    }

    #[test]
    fn times_are_told_as_people_do() {
        for (seconds, text) in [
            (5, "just now"),
            (60, "1 minute ago"),
            (250, "4 minutes ago"),
            (7_300, "2 hours ago"),
            (90_000, "1 day ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
    }
}
