//! What answers come from.

use std::net::IpAddr;
use std::sync::Arc;

use artif_core::{Reputation, ReputationEngine};

/// A handle to an engine's or reader's answers.
#[derive(Clone)]
pub(crate) struct Pin(Arc<dyn ReputationEngine>);

impl Pin {
    pub(crate) fn new(engine: Arc<dyn ReputationEngine>) -> Self {
        Self(engine)
    }

    /// Takes up what was published meanwhile; says whether there was anything.
    #[expect(clippy::unused_self, reason = "an engine is always current")]
    #[inline]
    pub(crate) fn renew(&mut self) -> bool {
        false
    }

    #[inline]
    pub(crate) fn check(&self, ip: IpAddr) -> Reputation {
        self.0.check(ip)
    }

    #[inline]
    pub(crate) fn gate(&self, ip: IpAddr) -> f64 {
        self.0.check(ip).score()
    }
}
