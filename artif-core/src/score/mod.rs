//! Scores: from all that is listed to a number for each address, and the reasons for it.

mod classic;
mod model;

pub use classic::{ClassicModel, ClassicScorer, Dimension, GroupStats};
pub use model::{Document, Documents, FeedFacts, Model, ScoreInput, Scorer, State, Subject, Term};

/// The scorer with this name.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Scorer> {
    [&ClassicScorer as &'static dyn Scorer].into_iter().find(|scorer| scorer.name() == name)
}
