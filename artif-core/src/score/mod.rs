//! Scores: from all that is listed to a number for each address, and the reasons for it.

mod classic;
mod model;

pub use classic::{ClassicModel, ClassicScorer, Dimension, GroupStats};
pub use model::{Document, Documents, FeedFacts, Model, ScoreInput, Scorer, State, Subject, Term};
