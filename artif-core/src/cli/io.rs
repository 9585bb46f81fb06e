//! What a command reads from and writes to.

use std::fmt;
use std::io::{self, IsTerminal as _, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Standard input, output and error of one command, which need not be the process's.
///
/// ```
/// use artif_core::cli::{Io, run};
///
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// assert_eq!(run(["artif", "chekc"], Io::new(&b""[..], &mut out, &mut err)), 2);
/// assert!(String::from_utf8(err).unwrap().contains("check"));
/// ```
pub struct Io<'a> {
    pub(super) stdin: Box<dyn Read + 'a>,
    pub(super) stdout: Box<dyn Write + 'a>,
    pub(super) stderr: Box<dyn Write + 'a>,
    pub(super) stdout_terminal: bool,
    pub(super) stderr_terminal: bool,
    pub(super) cancel: Cancel,
}

/// How a long command hears that it is to stop.
pub(super) enum Cancel {
    /// By Ctrl-C; only where the process is the command's own.
    Signal,
    Flag(Arc<AtomicBool>),
}

impl Io<'static> {
    /// Those of the process; Ctrl-C stops a refresh.
    ///
    /// ```no_run
    /// let code = artif_core::cli::run(std::env::args_os(), artif_core::cli::Io::standard());
    /// ```
    pub fn standard() -> Self {
        Self {
            stdin: Box::new(io::stdin()),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            cancel: Cancel::Signal,
        }
    }
}

impl<'a> Io<'a> {
    /// Any, none of which is a terminal: no colours, no progress bars.
    ///
    /// ```
    /// use artif_core::cli::Io;
    /// let io = Io::new(std::io::empty(), std::io::sink(), std::io::sink());
    /// ```
    pub fn new(stdin: impl Read + 'a, stdout: impl Write + 'a, stderr: impl Write + 'a) -> Self {
        Self {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            stdout_terminal: false,
            stderr_terminal: false,
            cancel: Cancel::Flag(Arc::default()),
        }
    }

    /// Says which of output and error are terminals.
    ///
    /// ```
    /// use artif_core::cli::Io;
    /// let io = Io::new(std::io::empty(), std::io::sink(), std::io::sink()).terminals(true, false);
    /// ```
    #[must_use]
    pub fn terminals(mut self, stdout: bool, stderr: bool) -> Self {
        (self.stdout_terminal, self.stderr_terminal) = (stdout, stderr);
        self
    }

    /// A refresh stops, with exit code 130, once `flag` is set.
    ///
    /// ```
    /// use artif_core::cli::Io;
    /// let io = Io::new(std::io::empty(), std::io::sink(), std::io::sink());
    /// let io = io.cancel(Default::default());
    /// ```
    #[must_use]
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Cancel::Flag(flag);
        self
    }
}

impl fmt::Debug for Io<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("stdout_terminal", &self.stdout_terminal)
            .field("stderr_terminal", &self.stderr_terminal)
            .finish_non_exhaustive()
    }
}

impl Cancel {
    /// The flag that says so, from now on.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        match self {
            Self::Flag(flag) => Arc::clone(flag),
            Self::Signal => {
                let flag = Arc::new(AtomicBool::new(false));
                let set = Arc::clone(&flag);
                let handler = move || set.store(true, std::sync::atomic::Ordering::Relaxed);
                if let Err(error) = ctrlc::set_handler(handler) {
                    tracing::debug!(%error, "Ctrl-C ends the process at once");
                }
                flag
            }
        }
    }
}
