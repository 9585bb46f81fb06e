//! What was met here, for MISP servers.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;

use crate::engine::owner::Engine;
use crate::error::Result;
use crate::misp::{Sighted, SightingKind, send_all};

impl Engine {
    /// Says on the MISP servers with `sightings` that these addresses were met, or were false
    /// positives. What is no attribute there is passed over, and the same is said once an hour at
    /// most. Asks the servers and waits for them: not for the path of a request.
    ///
    /// Errors: [`Error::Misp`] of the first server that fails.
    ///
    /// ```
    /// # use artif_core::{Engine, misp::SightingKind};
    /// let engine = Engine::in_memory().unwrap();
    /// let seen = ["93.184.216.34".parse().unwrap()];
    /// let sent = engine.send_sightings(&seen, SightingKind::Seen).unwrap();
    /// assert!(sent.is_empty(), "no server wants to hear of it");
    /// ```
    pub fn send_sightings(&self, addresses: &[IpAddr], kind: SightingKind) -> Result<Vec<Sighted>> {
        let never = AtomicBool::new(false);
        let shared = &self.shared;
        let now = crate::clock::seconds(shared.clock.now());
        send_all(&shared.config, &shared.misp_data(), addresses, kind, now, &never)
    }
}
