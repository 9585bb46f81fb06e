//! What the application itself says of addresses.

use std::net::IpAddr;

use super::{Engine, Member, Reader};
use crate::error::Result;
use crate::signals::Signal;

impl Engine {
    /// Adds a report of the application about an address: a failed login, an abuse report, an order
    /// that was paid. What it means is configured: see [`config::Signals`](crate::config::Signals).
    /// It counts at once in all processes of the folder, survives restarts, and moves score and
    /// verdict of every answer; an override still beats it, and a warninglist still caps it.
    ///
    /// Says whether it is kept. It is not for special-purpose addresses, of which nothing counts, nor
    /// where the table is so full that all in the report's place say more. When two processes add to
    /// one place in the same instant, a report may be lost; none is counted twice.
    ///
    /// Errors: [`Error::Invalid`](crate::Error::Invalid) for a kind that is not configured,
    /// [`Error::Io`](crate::Error::Io) where this process
    /// may only read the folder.
    ///
    /// ```
    /// use artif_core::{Config, Engine, ReputationEngine, Verdict};
    ///
    /// let config = Config::from_toml("[signals.failed_login]\ndanger = 1.5\nlimit = 12\n").unwrap();
    /// let engine = Engine::builder().config(config).in_memory().build().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// for _ in 0..8 {
    ///     engine.signal(ip, "failed_login").unwrap();
    /// }
    /// assert_eq!(engine.check(ip).verdict(), Verdict::Dangerous);
    /// ```
    pub fn signal(&self, ip: IpAddr, name: &str) -> Result<bool> {
        self.signal_count(ip, name, 1)
    }

    /// Adds `count` reports at once, at least 1.
    ///
    /// Errors: those of [`Self::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Engine, ReputationEngine};
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let engine = Engine::builder().config(config).in_memory().build().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(engine.signal_count(ip, "abuse", 3).unwrap());
    /// assert_eq!(engine.signals(ip)[0].count.round(), 3.0);
    /// ```
    pub fn signal_count(&self, ip: IpAddr, name: &str, count: u32) -> Result<bool> {
        self.shared.answers.report(ip, name, count)
    }

    /// What the application reported of an address, by kind.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, ReputationEngine};
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let engine = Engine::builder().config(config).in_memory().build().unwrap();
    /// assert!(engine.signals("93.184.216.34".parse().unwrap()).is_empty());
    /// ```
    pub fn signals(&self, ip: IpAddr) -> Vec<Signal> {
        self.shared.answers.signals(ip)
    }

    /// Forgets all that the application reported of an address; says whether there was anything.
    ///
    /// Errors: those of [`Self::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Engine, ReputationEngine};
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let engine = Engine::builder().config(config).in_memory().build().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// engine.signal(ip, "abuse").unwrap();
    /// assert!(engine.forget_signals(ip).unwrap());
    /// assert!(!engine.check(ip).is_moved());
    /// ```
    pub fn forget_signals(&self, ip: IpAddr) -> Result<bool> {
        self.shared.answers.forget_signals(ip)
    }
}

impl Reader {
    /// Adds a report of the application about an address, as [`Engine::signal`] does: the table is
    /// the folder's, whoever writes to it.
    ///
    /// Errors: those of [`Engine::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.1\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let builder = Engine::builder().config(config).data(&data);
    /// # let engine = builder.feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// # engine.refresh(&RefreshOptions::default()).unwrap();
    /// let reader = Reader::open(&data).unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(reader.signal(ip, "abuse").unwrap());
    /// assert!(engine.check(ip).is_moved());
    /// ```
    pub fn signal(&self, ip: IpAddr, name: &str) -> Result<bool> {
        self.signal_count(ip, name, 1)
    }

    /// Adds `count` reports at once, at least 1.
    ///
    /// Errors: those of [`Engine::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.1\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let builder = Engine::builder().config(config).data(&data);
    /// # let engine = builder.feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// # engine.refresh(&RefreshOptions::default()).unwrap();
    /// let reader = Reader::open(&data).unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(reader.signal_count(ip, "abuse", 3).unwrap());
    /// ```
    pub fn signal_count(&self, ip: IpAddr, name: &str, count: u32) -> Result<bool> {
        self.answers.report(ip, name, count)
    }

    /// What the application reported of an address, by kind, in this process or another one.
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.1\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let builder = Engine::builder().config(config).data(&data);
    /// # let engine = builder.feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// # engine.refresh(&RefreshOptions::default()).unwrap();
    /// let reader = Reader::open(&data).unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// engine.signal(ip, "abuse").unwrap();
    /// assert_eq!(reader.signals(ip)[0].name, "abuse");
    /// ```
    pub fn signals(&self, ip: IpAddr) -> Vec<Signal> {
        self.answers.signals(ip)
    }

    /// Forgets all that the application reported of an address; says whether there was anything.
    ///
    /// Errors: those of [`Engine::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Engine, Feed, Reader, RefreshOptions, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("list.txt"), "93.184.216.1\n").unwrap();
    /// # let url = format!("file:{}", dir.path().join("list.txt").display());
    /// # let data = dir.path().join("data");
    /// # let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # let builder = Engine::builder().config(config).data(&data);
    /// # let engine = builder.feed(Feed::new("a", &url).unwrap()).build().unwrap();
    /// # engine.refresh(&RefreshOptions::default()).unwrap();
    /// let reader = Reader::open(&data).unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(!reader.forget_signals(ip).unwrap(), "nothing was reported");
    /// ```
    pub fn forget_signals(&self, ip: IpAddr) -> Result<bool> {
        self.answers.forget_signals(ip)
    }
}

impl Member {
    /// Adds a report of the application about an address, as [`Engine::signal`] does, whether this
    /// process is the owner or not.
    ///
    /// Errors: those of [`Engine::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Member, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let mut config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # config.data = dir.path().join("data");
    /// # let member = Member::join(config).unwrap();
    /// # while !member.is_owner() {
    /// #     std::thread::yield_now();
    /// # }
    /// # member.reload().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(member.signal(ip, "abuse").unwrap());
    /// assert!(member.check(ip).is_moved());
    /// ```
    pub fn signal(&self, ip: IpAddr, name: &str) -> Result<bool> {
        self.signal_count(ip, name, 1)
    }

    /// Adds `count` reports at once, at least 1.
    ///
    /// Errors: those of [`Engine::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Member, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let mut config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # config.data = dir.path().join("data");
    /// # let member = Member::join(config).unwrap();
    /// # while !member.is_owner() {
    /// #     std::thread::yield_now();
    /// # }
    /// # member.reload().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(member.signal_count(ip, "abuse", 3).unwrap());
    /// ```
    pub fn signal_count(&self, ip: IpAddr, name: &str, count: u32) -> Result<bool> {
        self.answers().report(ip, name, count)
    }

    /// What the application reported of an address, by kind, in this process or another one.
    ///
    /// ```
    /// # use artif_core::{Config, Member, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let mut config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # config.data = dir.path().join("data");
    /// # let member = Member::join(config).unwrap();
    /// # while !member.is_owner() {
    /// #     std::thread::yield_now();
    /// # }
    /// # member.reload().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(member.signals(ip).is_empty());
    /// ```
    pub fn signals(&self, ip: IpAddr) -> Vec<Signal> {
        self.answers().signals(ip)
    }

    /// Forgets all that the application reported of an address; says whether there was anything.
    ///
    /// Errors: those of [`Engine::signal`].
    ///
    /// ```
    /// # use artif_core::{Config, Member, ReputationEngine};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let mut config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
    /// # config.data = dir.path().join("data");
    /// # let member = Member::join(config).unwrap();
    /// # while !member.is_owner() {
    /// #     std::thread::yield_now();
    /// # }
    /// # member.reload().unwrap();
    /// let ip = "93.184.216.34".parse().unwrap();
    /// assert!(!member.forget_signals(ip).unwrap(), "nothing was reported");
    /// ```
    pub fn forget_signals(&self, ip: IpAddr) -> Result<bool> {
        self.answers().forget_signals(ip)
    }
}
