//! Scores: from all that is listed to a number for each address, and the reasons for it.

mod classic;
mod cursor;
mod model;
mod risk;

pub use classic::{ClassicModel, ClassicScorer, Dimension, GroupStats};
pub use model::{
    Document, Documents, FeedFacts, Interval, Model, Nearby, Networks, Past, ScoreInput, Scorer,
    State, Subject, Term, Territory,
};
pub use risk::{RiskModel, RiskScorer};

/// The scorer with this name.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Scorer> {
    [&ClassicScorer as &'static dyn Scorer, &RiskScorer]
        .into_iter()
        .find(|scorer| scorer.name() == name)
}
