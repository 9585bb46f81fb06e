//! What a replay came to.

use std::fmt::Write as _;

use chrono::NaiveDate;
use serde::Serialize;

use super::stats::{auc, calibration_error, tpr_at};
use crate::config::ScorerKind;
use crate::report::cut;

/// What a replay came to, day by day and on average.
///
/// ```
/// fn better(report: &artif_core::backtest::BacktestReport) -> bool {
///     let area = |name: &str| {
///         report.mean_new.iter().find(|s| s.scorer == name).map_or(0.0, |s| s.measures.auc)
///     };
///     area("risk") > area("classic")
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BacktestReport {
    /// Dated folders taken in.
    pub folders: usize,
    /// Announced IPv4 addresses that were drawn from; `None` where no database says what is
    /// announced, and all of IPv4 was drawn from.
    pub announced: Option<u64>,
    /// Addresses drawn a day, before repetitions and listed ones are left out.
    pub draws: usize,
    /// The seed they were drawn with.
    pub seed: u64,
    /// The scorers judged, in this order everywhere.
    pub scorers: Vec<&'static str>,
    /// The days judged.
    pub days: Vec<DayResult>,
    /// The mean over the days, of addresses that are new.
    pub mean_new: Vec<ScorerResult>,
    /// The mean over the days, of addresses that come back.
    pub mean_back: Vec<ScorerResult>,
    /// By feed: the mean over the days on which it had enough news, weighed by how much.
    pub feeds: Vec<FeedResult>,
}

/// One day, judged by the next.
///
/// ```
/// fn news(day: &artif_core::backtest::DayResult) -> usize {
///     day.new.bad
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DayResult {
    /// Everything up to this day was known.
    pub date: NaiveDate,
    /// The next dated folder. Where days are missing it is not the next day.
    pub judged_by: NaiveDate,
    /// Addresses listed for the first time, against addresses that were drawn.
    pub new: Question,
    /// Addresses that come back, against those that stay away.
    pub back: Question,
    /// The new addresses by feed, of feeds with at least 25.
    pub feeds: Vec<FeedResult>,
}

/// Bad addresses against others.
///
/// ```
/// fn is_answered(question: &artif_core::backtest::Question) -> bool {
///     !question.scorers.is_empty() // with nothing on one side there is nothing to measure
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Question {
    /// How many bad ones.
    pub bad: usize,
    /// How many others.
    pub others: usize,
    /// How each scorer told them apart.
    pub scorers: Vec<ScorerResult>,
}

impl Question {
    pub(super) fn new(bad: usize, others: usize) -> Self {
        Self { bad, others, scorers: Vec::new() }
    }
}

/// The new addresses of one feed.
///
/// ```
/// fn is_told(feed: &artif_core::backtest::FeedResult) -> bool {
///     feed.scorers.iter().any(|scorer| scorer.measures.auc > 0.9)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeedResult {
    /// The feed.
    pub feed: String,
    /// How many.
    pub new: usize,
    /// How each scorer told them from those drawn.
    pub scorers: Vec<ScorerResult>,
}

/// How one scorer did.
///
/// ```
/// fn line(result: &artif_core::backtest::ScorerResult) -> String {
///     format!("{}: {:.3}", result.scorer, result.measures.auc)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScorerResult {
    /// Its name.
    pub scorer: &'static str,
    /// What was measured.
    #[serde(flatten)]
    pub measures: Measures,
}

/// How well scores tell bad addresses from others; all 0 to 1.
///
/// ```
/// fn is_useful(measures: &artif_core::backtest::Measures) -> bool {
///     measures.auc - 2.0 * measures.auc_error > 0.5
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Measures {
    /// The probability that a bad address scores worse than another; 0.5 is chance. See
    /// [`auc`](super::auc()).
    pub auc: f64,
    /// Its standard error.
    pub auc_error: f64,
    /// The share of bad addresses caught when 0.1 % of the others are. See
    /// [`tpr_at`](super::tpr_at).
    pub tpr_at_0_1_percent: f64,
    /// When 1 % of the others are.
    pub tpr_at_1_percent: f64,
    /// When 5 % of the others are.
    pub tpr_at_5_percent: f64,
    /// The expected calibration error at equal numbers of bad addresses and others, with a prior of
    /// 0.5; `None` of scores that are no probabilities. See
    /// [`calibration_error`](super::calibration_error).
    pub calibration_error: Option<f64>,
    /// The shares of the others that score below 90, 50, 40 and 10 with a prior of 0.01, as is the
    /// default; `None` of scores that are no probabilities.
    pub others_below: Option<[f64; 4]>,
}

/// The scores of [`Measures::others_below`].
const BELOW: [f64; 4] = [90.0, 50.0, 40.0, 10.0];
/// The prior of [`Measures::others_below`].
const USUAL_PRIOR: f64 = 0.01;

/// The shares of probabilities, made with a prior of 0.5, that are scores below [`BELOW`] with the
/// usual one.
fn below(others: &[f64]) -> [f64; 4] {
    BELOW.map(|score| {
        // In odds the prior is a factor.
        let odds = (100.0 - score) / score * (1.0 - USUAL_PRIOR) / USUAL_PRIOR;
        let above = others.iter().filter(|risk| **risk > odds / (1.0 + odds)).count();
        above as f64 / others.len().max(1) as f64
    })
}

impl Measures {
    pub(super) fn of(bad: &[f64], others: &[f64], calibrated: bool) -> Option<Self> {
        let (auc, auc_error) = auc(bad, others)?;
        Some(Self {
            auc,
            auc_error,
            tpr_at_0_1_percent: tpr_at(bad, others, 0.001)?,
            tpr_at_1_percent: tpr_at(bad, others, 0.01)?,
            tpr_at_5_percent: tpr_at(bad, others, 0.05)?,
            calibration_error: calibrated.then(|| calibration_error(bad, others)).flatten(),
            others_below: calibrated.then(|| below(others)),
        })
    }

    /// The mean, weighed; the error is that of a mean of independent values.
    fn mean(all: &[(f64, Self)]) -> Option<Self> {
        let weight: f64 = all.iter().map(|(weight, _)| weight).sum();
        if weight <= 0.0 {
            return None;
        }
        let of = |pick: &dyn Fn(&Self) -> f64| {
            all.iter().map(|(weight, measures)| weight * pick(measures)).sum::<f64>() / weight
        };
        let errors = all.iter().map(|(w, m)| (w / weight * m.auc_error).powi(2)).sum::<f64>();
        let calibrated = all.iter().all(|(_, m)| m.calibration_error.is_some());
        Some(Self {
            auc: of(&|m| m.auc),
            auc_error: errors.sqrt(),
            tpr_at_0_1_percent: of(&|m| m.tpr_at_0_1_percent),
            tpr_at_1_percent: of(&|m| m.tpr_at_1_percent),
            tpr_at_5_percent: of(&|m| m.tpr_at_5_percent),
            calibration_error: calibrated.then(|| of(&|m| m.calibration_error.unwrap_or_default())),
            others_below: calibrated.then(|| {
                std::array::from_fn(|n| {
                    of(&|m| {
                        m.others_below.and_then(|shares| shares.get(n).copied()).unwrap_or_default()
                    })
                })
            }),
        })
    }
}

/// The mean of what each scorer has in `results`, with their weights.
fn means<'a>(
    scorers: &[&'static str],
    results: impl Iterator<Item = (f64, &'a [ScorerResult])>,
) -> Vec<ScorerResult> {
    let results: Vec<_> = results.collect();
    let mean = |scorer: &&'static str| {
        let of = results.iter().flat_map(|(weight, results)| {
            let own = results.iter().filter(|result| result.scorer == *scorer);
            own.map(|result| (*weight, result.measures))
        });
        let measures = Measures::mean(&of.collect::<Vec<_>>())?;
        Some(ScorerResult { scorer, measures })
    };
    scorers.iter().filter_map(mean).collect()
}

impl BacktestReport {
    pub(super) fn new(
        folders: usize,
        announced: Option<u64>,
        draws: usize,
        seed: u64,
        scorers: &[ScorerKind],
        days: Vec<DayResult>,
    ) -> Self {
        let scorers: Vec<&'static str> = scorers.iter().map(|scorer| scorer.name()).collect();
        let mut names: Vec<&str> =
            days.iter().flat_map(|day| &day.feeds).map(|feed| &*feed.feed).collect();
        names.sort_unstable();
        names.dedup();
        let by_feed = names.into_iter().map(|name| {
            let of = || days.iter().flat_map(|day| &day.feeds).filter(|feed| feed.feed == name);
            FeedResult {
                feed: name.to_owned(),
                new: of().map(|feed| feed.new).sum(),
                scorers: means(&scorers, of().map(|feed| (feed.new as f64, &*feed.scorers))),
            }
        });
        let mut feeds: Vec<FeedResult> = by_feed.collect();
        feeds.sort_by_key(|feed| std::cmp::Reverse(feed.new));
        Self {
            folders,
            announced,
            draws,
            seed,
            mean_new: means(&scorers, days.iter().map(|day| (1.0, &*day.new.scorers))),
            mean_back: means(&scorers, days.iter().map(|day| (1.0, &*day.back.scorers))),
            scorers,
            feeds,
            days,
        }
    }

    /// The report as tables of at most 100 columns with two scorers.
    ///
    /// ```
    /// fn show(report: &artif_core::backtest::BacktestReport) {
    ///     assert!(report.to_text().starts_with(&report.folders.to_string()));
    /// }
    /// ```
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{} dated folders, {} days judged by the next",
            self.folders,
            self.days.len()
        )?;
        let (draws, seed) = (self.draws, self.seed);
        match self.announced {
            Some(space) => writeln!(
                out,
                "{draws} addresses a day drawn from {space} announced ones, seed {seed}"
            )?,
            None => writeln!(
                out,
                "{draws} addresses a day drawn from all of IPv4, seed {seed}: without a database of \
                 autonomous\nsystems nothing is known of neighbourhoods, and what is announced \
                 neither"
            )?,
        }
        writeln!(out, "\nNew: listed for the first time the next day, against addresses drawn")?;
        self.days(out, |day| &day.new, &self.mean_new)?;
        for ScorerResult { scorer, measures } in &self.mean_new {
            if let Some(shares) = measures.others_below {
                let list = |values: &mut dyn Iterator<Item = String>| {
                    values.collect::<Vec<_>>().join(" / ")
                };
                let scores = list(&mut BELOW.iter().map(|score| format!("{score:.0}")));
                let shares = list(&mut shares.iter().map(|share| format!("{:.3}", 100.0 * share)));
                writeln!(
                    out,
                    "Of the others {scorer} (prior {USUAL_PRIOR}) has below {scores}: {shares} %"
                )?;
            }
        }
        writeln!(out, "\nBack: listed again the next day, against those that stay away")?;
        self.days(out, |day| &day.back, &self.mean_back)?;
        if !self.feeds.is_empty() {
            writeln!(out, "\nNew by feed, on days with at least {}", super::FEED_FROM)?;
            self.heading(out, &format!("{:<30} {:>7}", "feed", "bad"))?;
            for feed in &self.feeds {
                self.row(out, &feed.feed, feed.new, None, &feed.scorers)?;
            }
        }
        out.write_str(
            "
AUC   the probability that a bad address scores worse than another; 0.5 is chance
0.1 % the share of bad addresses caught when 0.1 % of the others are; 1 % and 5 % likewise
ECE   how far probabilities are off, at equal numbers of bad addresses and others
Uniform addresses are not your visitors, and the feeds of the next day are not the truth.
",
        )
    }

    /// A question's days, and their mean.
    fn days(
        &self,
        out: &mut String,
        question: impl Fn(&DayResult) -> &Question,
        mean: &[ScorerResult],
    ) -> std::fmt::Result {
        self.heading(out, &format!("{:<21} {:>7} {:>8}", "known until", "bad", "others"))?;
        for day in &self.days {
            let Question { bad, others, scorers, .. } = question(day);
            self.row(out, &day.date.to_string(), *bad, Some(*others), scorers)?;
        }
        let days = self.days.len().max(1);
        let average = |pick: &dyn Fn(&Question) -> usize| {
            self.days.iter().map(|day| pick(question(day))).sum::<usize>().div_ceil(days)
        };
        self.row(out, "mean", average(&|q| q.bad), Some(average(&|q| q.others)), mean)
    }

    fn heading(&self, out: &mut String, columns: &str) -> std::fmt::Result {
        write!(out, "{:<38}", "")?;
        for scorer in &self.scorers {
            write!(out, "  {scorer:<28}")?;
        }
        out.truncate(out.trim_end().len());
        write!(out, "\n{columns}")?;
        for _ in &self.scorers {
            write!(out, "  {:<5} {:>5} {:>5} {:>5} {:>5}", "AUC", "0.1 %", "1 %", "5 %", "ECE")?;
        }
        writeln!(out)
    }

    fn row(
        &self,
        out: &mut String,
        name: &str,
        bad: usize,
        others: Option<usize>,
        results: &[ScorerResult],
    ) -> std::fmt::Result {
        match others {
            Some(others) => write!(out, "{:<21} {bad:>7} {others:>8}", cut(name, 21))?,
            None => write!(out, "{:<30} {bad:>7}", cut(name, 30))?,
        }
        for scorer in &self.scorers {
            let Some(result) = results.iter().find(|result| result.scorer == *scorer) else {
                write!(out, "  {:<5} {:>5} {:>5} {:>5} {:>5}", "-", "-", "-", "-", "-")?;
                continue;
            };
            let m = &result.measures;
            let percent = |share: f64| format!("{:.1}", 100.0 * share);
            write!(
                out,
                "  {:.3} {:>5} {:>5} {:>5} {:>5}",
                m.auc,
                percent(m.tpr_at_0_1_percent),
                percent(m.tpr_at_1_percent),
                percent(m.tpr_at_5_percent),
                m.calibration_error.map_or_else(|| "-".to_owned(), |error| format!("{error:.3}")),
            )?;
        }
        writeln!(out)
    }
}
