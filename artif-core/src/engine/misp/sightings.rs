//! What was met here, for MISP servers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use crate::clock::Seconds;
use crate::engine::owner::{Engine, Shared};
use crate::error::Result;
use crate::misp::{Sighted, SightingKind, send_all};

/// What waits to be said: each address once.
pub(in crate::engine) type Met = Mutex<BTreeSet<(IpAddr, SightingKind)>>;

/// So many wait at most.
const WAITING: usize = 10_000;

impl Engine {
    /// Says on the MISP servers with `sightings` that these addresses were met, or were false
    /// positives. What is no attribute there is passed over, and the same is said once an hour at
    /// most. Asks the servers and waits for them: not for the path of a request.
    ///
    /// Errors: [`Error::Misp`](crate::Error::Misp) of the first server that fails.
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

    /// Notes that an address was met, or was a false positive, to be said on the MISP servers with
    /// `sightings`: with their next sync, many in a request, or by [`Self::send_noted_sightings`].
    /// Waits for nothing: also for the path of a request. The same is noted once. What was not sent
    /// is lost with the process.
    ///
    /// Says whether it will be sent: not where no server wants to hear of it, or 10,000 wait already.
    ///
    /// ```
    /// # use artif_core::{Engine, misp::SightingKind};
    /// let engine = Engine::in_memory().unwrap();
    /// let met = "93.184.216.34".parse().unwrap();
    /// assert!(!engine.note_sighting(met, SightingKind::Seen), "no server wants to hear of it");
    /// ```
    pub fn note_sighting(&self, ip: IpAddr, kind: SightingKind) -> bool {
        if !self.shared.servers().any(|server| server.sightings) {
            return false;
        }
        let entry = (crate::net::canonical_address(ip), kind);
        let mut met = self.shared.met();
        met.contains(&entry) || (met.len() < WAITING && met.insert(entry))
    }

    /// Sends what was noted and waits for the servers. What could not be sent waits on.
    ///
    /// Errors: [`Error::Misp`](crate::Error::Misp) of the first server that fails.
    ///
    /// ```
    /// let engine = artif_core::Engine::in_memory().unwrap();
    /// assert!(engine.send_noted_sightings().unwrap().is_empty());
    /// ```
    pub fn send_noted_sightings(&self) -> Result<Vec<Sighted>> {
        let now = crate::clock::seconds(self.shared.clock.now());
        self.shared.send_noted(now, &AtomicBool::new(false))
    }
}

impl Shared {
    fn met(&self) -> std::sync::MutexGuard<'_, BTreeSet<(IpAddr, SightingKind)>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send_noted(&self, now: Seconds, cancel: &AtomicBool) -> Result<Vec<Sighted>> {
        let noted = std::mem::take(&mut *self.met());
        let mut done = Vec::new();
        for kind in [SightingKind::Seen, SightingKind::FalsePositive] {
            let of_kind = noted.iter().filter(|(_, other)| *other == kind);
            let addresses: Vec<IpAddr> = of_kind.map(|(ip, _)| *ip).collect();
            if addresses.is_empty() {
                continue;
            }
            let data = self.misp_data();
            match send_all(&self.config, &data, &addresses, kind, now, cancel) {
                Ok(sent) => done.extend(sent),
                Err(error) => {
                    // Servers that heard of it already are not told again within the hour.
                    let mut met = self.met();
                    let left = noted.into_iter().filter(|(_, other)| *other >= kind);
                    met.extend(left);
                    while met.len() > WAITING {
                        met.pop_last();
                    }
                    return Err(error);
                }
            }
        }
        Ok(done)
    }
}
