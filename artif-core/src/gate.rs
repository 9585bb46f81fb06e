//! The shortest answer.

use crate::reputation::{Held, Reputation};
use crate::score::State;
use crate::verdict::Verdict;

/// Score, verdict and state of one address: what it takes to let somebody in or not.
///
/// ```
/// use artif_core::{Engine, ReputationEngine, Verdict};
///
/// let engine = Engine::in_memory().unwrap();
/// let gate = engine.gate("8.8.8.8".parse().unwrap());
/// assert!(gate.score() > 98.0 && gate.verdict() == Verdict::NoAction);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    score: f64,
    verdict: Verdict,
    state: State,
}

impl Gate {
    /// Puts one together, where another engine than this crate's answers.
    ///
    /// ```
    /// use artif_core::{Gate, Verdict, score::State};
    ///
    /// let gate = Gate::new(3.5, Verdict::Dangerous, State::Active);
    /// assert!(gate.is_active());
    /// ```
    pub const fn new(score: f64, verdict: Verdict, state: State) -> Self {
        Self { score, verdict, state }
    }

    /// What a longer answer comes to.
    ///
    /// ```
    /// use artif_core::{Engine, Gate, ReputationEngine};
    ///
    /// let engine = Engine::in_memory().unwrap();
    /// let ip = "10.0.0.1".parse().unwrap();
    /// assert_eq!(Gate::of(&engine.check(ip)), engine.gate(ip));
    /// ```
    pub fn of<H: Held>(answer: &Reputation<H>) -> Self {
        Self::new(answer.score(), answer.verdict(), answer.state())
    }

    /// 0 (certainly bad) to 100 (safe). An override does not change it.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// assert!(engine.gate("8.8.8.8".parse().unwrap()).score() > 98.0);
    /// ```
    #[inline]
    pub const fn score(self) -> f64 {
        self.score
    }

    /// What to do about it; an operator's override beats everything else.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine, Verdict};
    /// # let engine = Engine::in_memory().unwrap();
    /// assert_eq!(engine.gate("127.0.0.1".parse().unwrap()).verdict(), Verdict::NotApplicable);
    /// ```
    #[inline]
    pub const fn verdict(self) -> Verdict {
        self.verdict
    }

    /// Where feeds say it stands.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine, score::State};
    /// # let engine = Engine::in_memory().unwrap();
    /// assert_eq!(engine.gate("8.8.8.8".parse().unwrap()).state(), State::Unknown);
    /// ```
    #[inline]
    pub const fn state(self) -> State {
        self.state
    }

    /// Whether a threat feed lists it now.
    ///
    /// ```
    /// # use artif_core::{Engine, ReputationEngine};
    /// # let engine = Engine::in_memory().unwrap();
    /// assert!(!engine.gate("8.8.8.8".parse().unwrap()).is_active());
    /// ```
    #[inline]
    pub const fn is_active(self) -> bool {
        matches!(self.state, State::Active)
    }
}
