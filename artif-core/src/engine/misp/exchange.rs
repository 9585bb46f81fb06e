//! Feeds that go to MISP servers and come from them.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use crate::config::{Misp, MispExchange};
use crate::engine::owner::{Engine, Shared};
use crate::error::Result;
use crate::misp::exchange::{self, Rules, exchange};
use crate::misp::{Client, Exchange, Folder, Remote, State};

/// What an exchange of feeds with MISP servers is to do.
///
/// ```
/// use artif_core::ExchangeOptions;
/// assert!(ExchangeOptions::default().dry_run().dry_run);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExchangeOptions {
    /// In which direction; nothing stands for what the configuration says, and for both where that
    /// is `off`.
    pub direction: Option<MispExchange>,
    /// Has the server switch on, fetch and cache every feed of ours, not only those that are new.
    pub init: bool,
    /// Only says what would be done.
    pub dry_run: bool,
    /// Set it from any thread to stop.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl ExchangeOptions {
    /// Goes in this direction only.
    ///
    /// ```
    /// use artif_core::{ExchangeOptions, config::MispExchange};
    /// let options = ExchangeOptions::default().direction(MispExchange::Pull);
    /// assert!(options.direction.is_some());
    /// ```
    #[must_use]
    pub fn direction(mut self, direction: MispExchange) -> Self {
        self.direction = Some(direction);
        self
    }

    /// Has the server switch on, fetch and cache every feed of ours.
    ///
    /// ```
    /// assert!(artif_core::ExchangeOptions::default().init().init);
    /// ```
    #[must_use]
    pub fn init(mut self) -> Self {
        self.init = true;
        self
    }

    /// Only says what would be done.
    ///
    /// ```
    /// assert!(artif_core::ExchangeOptions::default().dry_run().dry_run);
    /// ```
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Stops once `cancel` is set.
    ///
    /// ```
    /// let options = artif_core::ExchangeOptions::default().cancel(Default::default());
    /// assert!(options.cancel.is_some());
    /// ```
    #[must_use]
    pub fn cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = Some(cancel);
        self
    }
}

impl Engine {
    /// Exchanges feeds with the MISP servers of the configuration: ours are created there, fetched
    /// and cached by the server, and tagged; its are added here, in the data folder. See
    /// [`crate::misp`]. With `exchange` in the configuration, each sync does so.
    ///
    /// Errors: [`Error::Misp`](crate::Error::Misp) of the first server that is not to be reached; what fails with single
    /// feeds is in the result.
    ///
    /// ```
    /// # use artif_core::{Engine, ExchangeOptions};
    /// let engine = Engine::in_memory().unwrap();
    /// let done = engine.exchange_feeds(&ExchangeOptions::default().dry_run()).unwrap();
    /// assert!(done.is_empty(), "no server is configured");
    /// ```
    pub fn exchange_feeds(&self, options: &ExchangeOptions) -> Result<Vec<Exchange>> {
        let shared = &self.shared;
        // Not while a refresh makes feeds.
        let _work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
        let never = AtomicBool::new(false);
        let cancel = options.cancel.as_deref().unwrap_or(&never);
        let mut done = Vec::new();
        for server in shared.servers() {
            let direction = match (options.direction, server.exchange) {
                (Some(direction), _) => direction,
                (None, MispExchange::Off) => MispExchange::Both,
                (None, configured) => configured,
            };
            let rules = Rules { direction, init: options.init, dry_run: options.dry_run };
            let client = Client::new(server, &shared.config.fetch, cancel)?;
            let folder = Folder::of(&shared.misp_data(), &server.id);
            let (state, remotes) = (folder.load(server), exchange::there(&client)?);
            let sides = Sides { server, folder: &folder, state: &state, remotes: &remotes };
            done.push(shared.exchange(&client, &sides, rules)?);
        }
        Ok(done)
    }
}

/// What an exchange compares.
pub(super) struct Sides<'a> {
    pub(super) server: &'a Misp,
    pub(super) folder: &'a Folder,
    pub(super) state: &'a State,
    pub(super) remotes: &'a [Remote],
}

impl Shared {
    pub(super) fn exchange(
        &self,
        client: &Client<'_>,
        sides: &Sides<'_>,
        rules: Rules,
    ) -> Result<Exchange> {
        let Sides { server, folder, state, remotes } = *sides;
        let ours = self.feeds().clone();
        let both = (ours.as_slice(), remotes);
        exchange(client, server, both, &state.events, folder, rules, &mut |feed, note| {
            if let Some(dir) = &self.dir {
                crate::feed::added::write(dir, feed, note)?;
            }
            self.feeds().push(feed.clone());
            Ok(())
        })
    }
}
