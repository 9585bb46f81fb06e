//! The `artif` command line as one function, for the binary and for the packages of other
//! languages, which call it in-process.
//!
//! Costs clap, indicatif, owo-colors, tracing-subscriber, ctrlc and tempfile.

mod add;
mod args;
mod backtest;
mod check;
mod context;
mod demo;
mod explain;
mod feeds;
mod geo;
mod human;
mod import;
mod io;
#[cfg(feature = "misp")]
mod misp;
mod output;
mod overrides;
mod progress;
mod refresh;
mod report;
mod sample;
mod signal;
mod snapshot;
mod status;
mod warninglists;
mod watch;

use std::ffi::OsString;

use clap::Parser as _;

use self::args::{Cli, Command};
use self::context::Context;
use self::output::{Done, Screen};

pub use self::io::Io;

/// What [`run`] returns, and what `artif --help` documents.
pub(crate) mod exit {
    /// All went well.
    pub(crate) const OK: u8 = 0;
    /// Some feeds or databases failed or were refused; the rest is in force.
    pub(crate) const PARTIAL: u8 = 1;
    /// The command line or the configuration is wrong.
    pub(crate) const USAGE: u8 = 2;
    /// The engine cannot work: folder locked, no snapshot, ledger or disk in trouble.
    pub(crate) const ENGINE: u8 = 3;
    /// Something was no IP address.
    pub(crate) const BAD_ADDRESS: u8 = 4;
    /// `check --exit-code` met an address that is dangerous or blocked.
    pub(crate) const LISTED: u8 = 10;
    /// Stopped by Ctrl-C.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Runs one command line, its first element being the program's name. Returns the exit code that
/// `artif --help` documents; never ends the process, and writes to nothing but `io`, except that
/// logs (asked for with `-v`) and progress bars (only where `io` says that standard error is a
/// terminal) go to the process's own standard error.
///
/// ```
/// use artif_core::cli::{Io, run};
///
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// let code = run(["artif", "--version"], Io::new(&b""[..], &mut out, &mut err));
/// assert_eq!((code, out.starts_with(b"artif ")), (0, true));
/// ```
pub fn run<T>(args: impl IntoIterator<Item = T>, io: Io<'_>) -> u8
where
    T: Into<OsString> + Clone,
{
    crate::heap::keep_nothing_large();
    let Io { stdin, stdout, stderr, stdout_terminal, stderr_terminal, cancel } = io;
    let mut screen = Screen::new(stdout, stderr, stdout_terminal, stderr_terminal);
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(refused) => return screen.refused(&refused),
    };
    screen.configure(&cli.global);
    context::start_logging(&cli.global, &screen);
    let command = cli.command;
    let mut context = Context { global: cli.global, screen, stdin, cancel };
    let done = dispatch(&command, &mut context);
    context.screen.finish(done)
}

fn dispatch(command: &Command, context: &mut Context<'_>) -> Done {
    match command {
        Command::Refresh(args) => refresh::run(args, context),
        Command::Watch(args) => watch::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Explain(args) => explain::explain(args, context),
        Command::History(args) => explain::history(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Feeds(command) => feeds::run(command, context),
        Command::Warninglists(command) => warninglists::run(command, context),
        #[cfg(feature = "misp")]
        Command::Misp(command) => misp::run(command, context),
        Command::Override(command) => overrides::run(command, context),
        Command::Signal(args) => signal::run(args, context),
        Command::Geo(command) => geo::run(command, context),
        Command::Snapshot(command) => snapshot::run(command, context),
        Command::Backtest(args) => backtest::run(args, context),
        Command::Demo(args) => demo::run(args, context),
    }
}
