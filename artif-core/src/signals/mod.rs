//! Own signals: what the application itself says of addresses, and how it moves answers.
//!
//! Reports are added up in a [`table`] of fixed size, which all processes of a folder share; [`rules`]
//! say what they mean; [`effect`] is what they do to an answer. The kinds that a folder's owner was
//! configured with are published in the file `SIGNALS`; its readers follow them.

mod effect;
mod folder;
mod rules;
mod slot;
mod table;

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use self::rules::Rules;
use self::slot::{Entry, Tally};
use self::table::{Added, Table};
use crate::clock::{Seconds, datetime};
use crate::config::{self, suggest};
use crate::error::{Error, Result, excerpt};
use crate::net::{Canonical, Family};

pub(crate) use effect::{Basis, Moved};
pub(crate) use rules::kind_id;

/// The most kinds that may speak of one address.
const KINDS: usize = config::Signals::MAX_KINDS;

/// What reports of one kind say of an address now.
///
/// ```
/// use artif_core::{Config, Engine};
///
/// let config = Config::from_toml("[signals.failed_login]\ndanger = 1.5\n").unwrap();
/// let engine = Engine::builder().config(config).in_memory().build().unwrap();
/// let ip = "93.184.216.34".parse().unwrap();
/// engine.signal_count(ip, "failed_login", 2).unwrap();
/// let signal = &engine.signals(ip)[0];
/// assert_eq!((signal.name.as_str(), signal.effect.round()), ("failed_login", 3.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Signal {
    /// The kind, as it is configured.
    pub name: String,
    /// How many reports, each counted half after every half-life.
    pub count: f64,
    /// When the newest of them came.
    pub newest: DateTime<Utc>,
    /// How far they move the log-odds of the address being bad: positive for danger, negative for
    /// trust, within the kind's `limit`.
    pub effect: f64,
    /// When they are forgotten unless another one comes; `None` where they only fade.
    pub expires: Option<DateTime<Utc>>,
}

/// How own signals are kept.
///
/// ```
/// use artif_core::{Config, Engine, ReputationEngine};
///
/// let config = Config::from_toml("[signals.abuse]\ndanger = 3\n").unwrap();
/// let engine = Engine::builder().config(config).in_memory().build().unwrap();
/// engine.signal("93.184.216.34".parse().unwrap(), "abuse").unwrap();
/// let signals = engine.status().signals.unwrap();
/// assert_eq!((signals.entries, signals.capacity, signals.evicted), (1, 65_536, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SignalsStatus {
    /// The kinds, by name.
    pub kinds: Vec<String>,
    /// For how many pairs of an address and a kind there is room.
    pub capacity: u64,
    /// How many there are, faded ones included.
    pub entries: u64,
    /// How many made room for others that say at least as much, since the table was made.
    pub evicted: u64,
    /// How many reports were not kept, as all in their place say more.
    pub refused: u64,
    /// The size of the table.
    pub bytes: u64,
    /// The table's file; `None` in memory.
    pub path: Option<std::path::PathBuf>,
    /// Whether this process may report.
    pub writable: bool,
    /// What happened to the file before, if anything did.
    pub problem: Option<String>,
}

/// The reports of a folder, or of an engine in memory, with what they mean.
#[derive(Debug)]
pub(crate) struct Signals {
    rules: Rules,
    table: Arc<Table>,
    path: Option<std::path::PathBuf>,
}

/// What was found of one address: by kind, how many reports are left, and the newest one's time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    kinds: [(f64, Seconds); KINDS],
}

impl Signals {
    /// `None` where no kind is configured.
    pub(crate) fn in_memory(config: &config::Signals) -> Option<Self> {
        let table = || Arc::new(Table::in_memory(config.capacity, config.ipv6_prefix));
        (!config.kinds.is_empty()).then(|| Self {
            rules: Rules::new(config),
            table: table(),
            path: None,
        })
    }

    /// What is said of an address now; `now` is asked only where something is.
    #[inline]
    pub(crate) fn find(&self, address: Canonical, now: impl Fn() -> Seconds) -> Option<Found> {
        let mut found = None::<(Found, Seconds)>;
        self.table.find(self.client(address), |entry| {
            let Some((place, kind)) = self.rules.kind(entry.kind) else { return };
            let (found, now) = found.get_or_insert_with(|| (Found::default(), now()));
            if let Some((count, newest)) = found.kinds.get_mut(place) {
                *count += kind.faded(entry.tally, *now);
                *newest = (*newest).max(entry.tally.at);
            }
        });
        let (found, _) = found?;
        let moves = |(kind, (count, _)): (&rules::Kind, &(f64, _))| kind.effect(*count) != 0.0;
        self.rules.kinds.iter().zip(&found.kinds).any(moves).then_some(found)
    }

    /// Adds `count` reports of a kind; says whether they were kept.
    pub(crate) fn report(
        &self,
        address: IpAddr,
        name: &str,
        count: u32,
        now: Seconds,
    ) -> Result<bool> {
        let kinds = &self.rules.kinds;
        let invalid = |reason| Error::Invalid { what: "signal", reason };
        let Some(kind) = kinds.iter().find(|kind| kind.name == name) else {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name.as_str()).collect();
            let hint = suggest::did_you_mean(name, names.iter().copied());
            return Err(invalid(format!(
                "there is no kind {:?}, there are: {}{hint}",
                excerpt(name),
                names.join(", ")
            )));
        };
        if count == 0 {
            return Err(invalid("0 reports say nothing".to_owned()));
        }
        self.may_write()?;
        let address = self.client(Canonical::of(address));
        let tally = Tally { count: f64::from(count), at: now };
        let added = self.table.add(
            Entry { address, kind: kind.id, tally },
            |tally| kind.faded(tally, now),
            |kind, tally| self.rules.effect_of(kind, tally, now),
        );
        Ok(added == Added::Kept)
    }

    /// Forgets all that was reported of an address; says whether anything was.
    pub(crate) fn forget(&self, address: IpAddr, now: Seconds) -> Result<bool> {
        self.may_write()?;
        Ok(self.table.forget(self.client(Canonical::of(address)), now) > 0)
    }

    /// What is said of an address, by kind.
    pub(crate) fn list(&self, address: IpAddr, now: Seconds) -> Vec<Signal> {
        let found = self.find(Canonical::of(address), || now);
        found.map(|found| self.signals(&found)).unwrap_or_default()
    }

    fn signals(&self, found: &Found) -> Vec<Signal> {
        let said = self.rules.kinds.iter().zip(&found.kinds);
        said.filter_map(|(kind, (count, newest))| {
            let effect = kind.effect(*count);
            (effect != 0.0).then(|| Signal {
                name: kind.name.clone(),
                count: *count,
                newest: datetime(*newest),
                effect,
                expires: kind.expires().map(|span| datetime(newest.saturating_add(span))),
            })
        })
        .collect()
    }

    pub(crate) fn status(&self) -> SignalsStatus {
        let (evicted, refused) = self.table.losses();
        SignalsStatus {
            kinds: self.rules.kinds.iter().map(|kind| kind.name.clone()).collect(),
            capacity: self.table.places(),
            entries: self.table.entries().count() as u64,
            evicted,
            refused,
            bytes: self.table.bytes(),
            path: self.path.clone(),
            writable: self.table.is_writable(),
            problem: self.rules.problem.clone(),
        }
    }

    fn client(&self, address: Canonical) -> u128 {
        let bits = match address.family() {
            Family::V4(bits) => 0xffff << 32 | u128::from(bits),
            Family::V6(bits) => bits,
        };
        self.rules.client(bits)
    }

    fn may_write(&self) -> Result<()> {
        if self.table.is_writable() {
            return Ok(());
        }
        Err(Error::Io {
            operation: "adding to the table of signals",
            path: self.path.clone().unwrap_or_default(),
            source: std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                "this process may only read the data folder: run it as a user who may write there",
            ),
        })
    }
}

/// What somebody is told who reports where no kind is configured.
pub(crate) fn off() -> Error {
    Error::Invalid {
        what: "signal",
        reason: "no kinds of signals are configured: describe them in `[signals.NAME]` of the \
                 configuration with which the folder's owner starts"
            .to_owned(),
    }
}
