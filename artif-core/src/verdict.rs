//! What to do about an address.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What to do about an address.
///
/// ```
/// use artif_core::Verdict;
///
/// assert_eq!(Verdict::Triage.as_str(), "Manual triage needed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing known against it.
    #[serde(rename = "No action needed")]
    NoAction = 0,
    /// Unlisted, but its neighbourhood is bad enough for a look.
    #[serde(rename = "Manual triage needed")]
    Triage = 1,
    /// Listed within the history window, not now.
    #[serde(rename = "suspicious")]
    Suspicious = 2,
    /// Listed now.
    #[serde(rename = "dangerous")]
    Dangerous = 3,
    /// A special-purpose address (private, loopback, documentation …): feeds say nothing about it.
    #[serde(rename = "not_applicable")]
    NotApplicable = 4,
    /// Let in by an operator's override.
    #[serde(rename = "allowed")]
    Allowed = 5,
    /// Kept out by an operator's override.
    #[serde(rename = "blocked")]
    Blocked = 6,
}

impl Verdict {
    /// As answers spell it.
    ///
    /// ```
    /// assert_eq!(artif_core::Verdict::NoAction.as_str(), "No action needed");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAction => "No action needed",
            Self::Triage => "Manual triage needed",
            Self::Suspicious => "suspicious",
            Self::Dangerous => "dangerous",
            Self::NotApplicable => "not_applicable",
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
        }
    }

    /// The verdict with a number: those of `verdict as u8`, as they stand in a column of
    /// [`AnswerColumns`](crate::AnswerColumns).
    ///
    /// ```
    /// use artif_core::Verdict;
    ///
    /// assert_eq!(Verdict::from_u8(Verdict::Blocked as u8), Some(Verdict::Blocked));
    /// assert_eq!(Verdict::from_u8(7), None);
    /// ```
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::NoAction,
            1 => Self::Triage,
            2 => Self::Suspicious,
            3 => Self::Dangerous,
            4 => Self::NotApplicable,
            5 => Self::Allowed,
            6 => Self::Blocked,
            _ => return None,
        })
    }

    /// No worse than a look by somebody: what warninglists leave of it.
    pub(crate) fn capped(self) -> Self {
        match self {
            Self::Suspicious | Self::Dangerous => Self::Triage,
            verdict => verdict,
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Triage,
            2 => Self::Suspicious,
            3 => Self::Dangerous,
            4 => Self::NotApplicable,
            _ => Self::NoAction,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
