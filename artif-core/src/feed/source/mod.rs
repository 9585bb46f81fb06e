//! Getting a feed's document: from a file, or over HTTP(S).

mod options;

pub use options::FetchOptions;
