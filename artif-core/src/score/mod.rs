//! Scores: from all that is listed to a number for each address, and the reasons for it.

mod model;

pub use model::{Document, Documents, FeedFacts, Model, ScoreInput, Scorer, State, Subject, Term};
