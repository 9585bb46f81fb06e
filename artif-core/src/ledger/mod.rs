//! The durable truth: which feed lists what since when, what left and when, what operators decided.

mod store;

pub use store::{
    ActiveListing, Commit, EndedListing, FeedHead, Generation, Override, OverrideAction, Recovery,
    Store, StoreStatus, Validators,
};
