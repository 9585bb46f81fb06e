//! What the commands have in common: configuration, clock, how to open a folder.

use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::args::Global;
use super::io::Cancel;
use super::output::{Screen, Stop};
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::config::Config;
use crate::engine::Reader;
use crate::error::Error;

pub(super) struct Context<'a> {
    pub(super) global: Global,
    pub(super) screen: Screen<'a>,
    pub(super) stdin: Box<dyn Read + 'a>,
    pub(super) cancel: Cancel,
}

impl Context<'_> {
    /// The configuration: file, then environment, then command line.
    pub(super) fn config(&self) -> Result<Config, Stop> {
        let beside = Path::new("artif.toml");
        let config = match &self.global.config {
            Some(path) => Config::load(path),
            None if beside.is_file() => Config::load(beside),
            None => Ok(Config::default()),
        };
        let vars = std::env::vars_os().filter(|(name, _)| name != "ARTIF_LOG");
        let mut config = config.and_then(|config| config.with_env(vars)).map_err(Stop::Usage)?;
        if let Some(data) = &self.global.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        match self.global.as_of {
            Some(moment) => Arc::new(FixedClock::new(moment)),
            None => Arc::new(SystemClock),
        }
    }

    /// Opens the folder to read from: never needs the lock.
    pub(super) fn reader(&mut self) -> Result<Reader, Stop> {
        let config = self.config()?;
        let reader = Reader::open_with(&config.data, self.clock()).map_err(advise)?;
        Ok(reader)
    }
}

/// Adds what to try where the command line knows more than the engine.
pub(super) fn advise(error: Error) -> Stop {
    let advice = match &error {
        Error::NoSnapshot { dir } => format!(
            "`artif --data {} refresh` fetches the feeds and publishes one; `artif demo` shows it \
             on samples",
            dir.display()
        ),
        _ => return Stop::Engine(error),
    };
    Stop::Advice(Box::new(error), advice)
}

/// Reads an address; surrounding blanks do not matter.
pub(super) fn address(text: &str) -> Result<IpAddr, Error> {
    text.trim().parse().map_err(|_| Error::bad_address(text.trim()))
}

/// Logs to standard error as far as asked for. A program that calls [`super::run`] and has a
/// subscriber of its own keeps it.
pub(super) fn start_logging(global: &Global, screen: &Screen<'_>) {
    let asked = ["ARTIF_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let filter = match (asked, global.verbose) {
        _ if global.quiet => return,
        (Some(asked), _) => asked,
        (None, 0) => return,
        (None, 1) => "artif_core=info,artif=info".to_owned(),
        (None, 2) => "artif_core=debug,artif=debug".to_owned(),
        // Not all of it: what the HTTP library logs of a request may hold keys.
        (None, _) => "artif_core=trace,artif=trace".to_owned(),
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(screen.err_colour())
        .with_target(false)
        .try_init();
}
