//! One error type for the whole engine.
//!
//! Every variant says what failed, where, and what to do; [`Error::code`] is stable and names the
//! exception class in Python and `err.code` in Node, the text may change.

use std::path::{Path, PathBuf};

/// The error behind an [`Error`], boxed so that no other crate's type is part of this API.
///
/// ```
/// let source: artif_core::Source = "out of luck".into();
/// ```
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Shorthand for results of this crate.
///
/// ```
/// fn twice(text: &str) -> artif_core::Result<artif_core::Prefix> {
///     text.parse()
/// }
/// assert!(twice("10.0.0.0/8").is_ok());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
///
/// ```
/// use artif_core::{Error, Prefix};
///
/// let error = "10.0.0.0/33".parse::<Prefix>().unwrap_err();
/// assert_eq!(error.code(), "ARTIF_BAD_PREFIX");
/// assert!(!error.is_retryable());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that is not an IPv4 or IPv6 address.
    #[error("{input:?} is not an IP address: give dotted-decimal IPv4 or RFC 4291 IPv6")]
    BadAddress {
        /// The text, cut to 80 characters.
        input: String,
    },
    /// Text that is not a network in CIDR notation.
    #[error("{input:?} is not a network: {reason}")]
    BadPrefix {
        /// The text, cut to 80 characters.
        input: String,
        /// Why.
        reason: &'static str,
    },
    /// An argument that makes no sense (a name, a time, a range).
    #[error("bad {what}: {reason}")]
    Invalid {
        /// Which argument.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The configuration or a catalogue is wrong.
    #[error("{}: {message}", location(path.as_deref(), *line))]
    Config {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong and how to mend it.
        message: String,
    },
    /// No feed has this id.
    #[error("no feed {id:?} is configured: `artif feeds list` names them all")]
    UnknownFeed {
        /// The id asked for.
        id: String,
    },
    /// A feed could not be fetched.
    #[error("feed {feed}: fetching {url} failed: {reason}")]
    Fetch {
        /// The feed's id.
        feed: String,
        /// The address without credentials or query.
        url: String,
        /// What happened.
        reason: String,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// The error underneath.
        #[source]
        source: Option<Source>,
        /// Seconds for which the server asked to be left alone (`Retry-After`).
        retry_after: Option<u32>,
    },
    /// A feed's document is broken as a whole (single bad lines are counted and skipped).
    #[error("feed {feed}: {}{reason}", at_line(*line))]
    Parse {
        /// The feed's id.
        feed: String,
        /// The line, from 1, where known.
        line: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// A new generation of a feed looked wrong, so the last good one was kept.
    #[error("feed {feed}: new content refused, the last good one stays: {reason}")]
    Refused {
        /// The feed's id.
        feed: String,
        /// Why.
        reason: String,
    },
    /// A MISP server said no, or nothing.
    #[error("misp {server}: {doing}: {detail}; {} [{}]", problem.advice(), problem.code())]
    Misp {
        /// The server's id in the configuration.
        server: String,
        /// What kind of failure it is; its code is stable.
        problem: crate::misp::Problem,
        /// What was tried.
        doing: String,
        /// What the server said, cut to 80 characters, or what happened.
        detail: String,
        /// Seconds after which the server wants to be asked again.
        retry_after: Option<u32>,
    },
    /// The ledger failed.
    #[error("ledger {}: {operation} failed", path.display())]
    Ledger {
        /// What was tried.
        operation: &'static str,
        /// The ledger's folder.
        path: PathBuf,
        /// The error underneath.
        #[source]
        source: Source,
    },
    /// The ledger's content is damaged.
    #[error("ledger {} is damaged: {detail}", path.display())]
    LedgerCorrupt {
        /// The ledger's folder or the checkpoint file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// A MaxMind DB file could not be used.
    #[error("geo database {}: {reason}", path.display())]
    Geo {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A snapshot or overlay file is damaged.
    #[error("snapshot {}: {reason}; the next refresh writes a new one", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A snapshot was written by another version of the format.
    #[error(
        "snapshot {} has format {found}, this build reads {supported}: refresh with this build",
        path.display()
    )]
    SnapshotVersion {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The version this build reads.
        supported: u32,
    },
    /// The folder has no snapshot yet.
    #[error("{} has no snapshot yet: run a refresh there first", dir.display())]
    NoSnapshot {
        /// The data folder.
        dir: PathBuf,
    },
    /// Another process owns the folder.
    #[error(
        "{} is owned by process {}: open it as a `Reader` here, or stop that process",
        dir.display(), pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
    )]
    Locked {
        /// The data folder.
        dir: PathBuf,
        /// The owner, where it could be read.
        pid: Option<u32>,
    },
    /// The operating system refused a file operation.
    #[error("{operation} {} failed: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error underneath.
        source: std::io::Error,
    },
    /// The caller stopped the work; nothing half-done was kept.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// The stable name of the kind of error.
    ///
    /// ```
    /// assert_eq!(artif_core::Error::Cancelled.code(), "ARTIF_CANCELLED");
    /// ```
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "ARTIF_BAD_ADDRESS",
            Self::BadPrefix { .. } => "ARTIF_BAD_PREFIX",
            Self::Invalid { .. } => "ARTIF_INVALID",
            Self::Config { .. } => "ARTIF_CONFIG",
            Self::UnknownFeed { .. } => "ARTIF_UNKNOWN_FEED",
            Self::Fetch { .. } => "ARTIF_FETCH",
            Self::Parse { .. } => "ARTIF_PARSE",
            Self::Refused { .. } => "ARTIF_REFUSED",
            Self::Misp { .. } => "ARTIF_MISP",
            Self::Ledger { .. } => "ARTIF_LEDGER",
            Self::LedgerCorrupt { .. } => "ARTIF_LEDGER_CORRUPT",
            Self::Geo { .. } => "ARTIF_GEO",
            Self::Snapshot { .. } => "ARTIF_SNAPSHOT",
            Self::SnapshotVersion { .. } => "ARTIF_SNAPSHOT_VERSION",
            Self::NoSnapshot { .. } => "ARTIF_NO_SNAPSHOT",
            Self::Locked { .. } => "ARTIF_LOCKED",
            Self::Io { .. } => "ARTIF_IO",
            Self::Cancelled => "ARTIF_CANCELLED",
        }
    }

    /// Whether trying the same again later may succeed without anyone changing anything.
    ///
    /// ```
    /// assert!(!artif_core::Error::Cancelled.is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Fetch { retryable, .. } => *retryable,
            Self::Misp { problem, .. } => problem.may_pass(),
            Self::Locked { .. } => true,
            _ => false,
        }
    }

    /// The text with those of the errors underneath, for languages whose errors have no chain.
    ///
    /// ```
    /// let error = artif_core::Config::load("/nowhere/artif.toml").unwrap_err();
    /// assert!(error.in_full().starts_with(&error.to_string()));
    /// ```
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        text
    }

    pub(crate) fn io(
        operation: &'static str,
        path: impl AsRef<Path>,
        source: std::io::Error,
    ) -> Self {
        Self::Io { operation, path: path.as_ref().to_owned(), source }
    }

    pub(crate) fn bad_address(input: &str) -> Self {
        Self::BadAddress { input: excerpt(input) }
    }

    pub(crate) fn bad_prefix(input: &str, reason: &'static str) -> Self {
        Self::BadPrefix { input: excerpt(input), reason }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::Config { path: None, line: None, message: message.into() }
    }
}

/// At most 80 characters of text that came from outside, control characters replaced, so that it
/// can stand in a message or a log line without forging another one.
pub(crate) fn excerpt(text: &str) -> String {
    let mut out: String =
        text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}

/// Text that came from outside, whole, control characters replaced.
pub(crate) fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    } else {
        text.into()
    }
}

fn location(path: Option<&Path>, line: Option<usize>) -> String {
    match (path, line) {
        (Some(path), Some(line)) => format!("{}:{line}", path.display()),
        (Some(path), None) => path.display().to_string(),
        (None, Some(line)) => format!("configuration, line {line}"),
        (None, None) => "configuration".to_owned(),
    }
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_cannot_forge_a_log_line() {
        let text = Error::bad_address(&format!("1.2.3.4\nadmin logged in{}", "x".repeat(200)));
        let shown = text.to_string();
        assert!(!shown.contains('\n'));
        assert!(shown.len() < 250, "{shown}");
    }

    #[test]
    fn in_full_has_every_source_once() {
        let error = Error::Ledger {
            operation: "opening",
            path: "ledger".into(),
            source: Error::io("reading", "db", std::io::Error::other("disk on fire")).into(),
        };
        let text = error.in_full();
        assert_eq!(text, "ledger ledger: opening failed: reading db failed: disk on fire");
    }

    #[test]
    fn locations_name_file_and_line() {
        let error = Error::Config {
            path: Some("artif.toml".into()),
            line: Some(7),
            message: "unknown key `asnn`".into(),
        };
        assert_eq!(error.to_string(), "artif.toml:7: unknown key `asnn`");
    }
}
