//! Reports about feeds and scorers.

use std::path::PathBuf;

use artif_core::Config;
use artif_core::backtest::Backtest;
use artif_core::config::ScorerKind;
use chrono::NaiveDate;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{from_python, to_json, to_python};
use crate::error::lift;

/// How the feeds of a snapshot compare: how much each lists, what nobody else does, who is first,
/// which are copies of others. `str()` of it is a text for people.
///
/// >>> import artif
/// >>> report = artif.Engine(in_memory=True).feed_report()
/// >>> report.feeds, report.overlap("a", "b")
/// ([], None)
#[pyclass(frozen, module = "artif")]
pub(crate) struct FeedsReport {
    pub(crate) inner: artif_core::report::FeedsReport,
}

#[pymethods]
impl FeedsReport {
    /// What each feed was measured to be, as dicts.
    #[getter]
    fn feeds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.feeds)
    }

    /// The share, 0 to 1, of `feed`'s networks that `other` lists or covers; None where one of the
    /// two is unknown, or their roles differ.
    fn overlap(&self, feed: &str, other: &str) -> Option<f64> {
        self.inner.overlap(feed, other)
    }

    /// Everything as a dict, with the names of the JSON form.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner)
    }

    /// Everything as JSON, the same in all languages.
    fn to_json(&self) -> PyResult<String> {
        to_json(&self.inner)
    }

    /// Everything as one HTML page with plots, which needs nothing from elsewhere.
    fn to_html(&self, py: Python<'_>) -> PyResult<String> {
        lift(py, py.detach(|| self.inner.to_html()))
    }

    fn __str__(&self) -> String {
        self.inner.to_text()
    }

    fn __repr__(&self) -> String {
        format!("<FeedsReport of {} feeds>", self.inner.feeds.len())
    }
}

/// How well scorers told bad addresses from others, day by day. `str()` of it is a text for people.
#[pyclass(frozen, module = "artif")]
pub(crate) struct BacktestReport {
    inner: artif_core::backtest::BacktestReport,
}

#[pymethods]
impl BacktestReport {
    /// Every day that was judged, as dicts.
    #[getter]
    fn days<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.days)
    }

    /// Everything as a dict, with the names of the JSON form.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner)
    }

    /// Everything as JSON, the same in all languages.
    fn to_json(&self) -> PyResult<String> {
        to_json(&self.inner)
    }

    fn __str__(&self) -> String {
        self.inner.to_text()
    }

    fn __repr__(&self) -> String {
        format!("<BacktestReport of {} days>", self.inner.days.len())
    }
}

/// Judges scorers by folders of feeds that are named like `2026-08-05`, one a day: each day by what
/// the days before knew.
///
/// `scorers` are their names, "classic" and "risk"; `start` is the first day that is judged;
/// `negatives` addresses are drawn each day to compare with, the same for the same `seed`. Feeds are
/// described by `catalogue`; geo databases, history and thresholds come from `config` and the
/// keywords, which are those of `Engine`. `on_day` is called with each day that was judged, as a
/// dict.
///
/// >>> import artif
/// >>> artif.backtest("no/such/folder")
/// Traceback (most recent call last):
///   ...
/// artif.errors.FileError: ...
#[pyfunction]
#[pyo3(signature = (
    replay, *, catalogue=None, config=None, scorers=None, start=None, negatives=None, seed=None,
    on_day=None, **settings
))]
#[expect(
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    reason = "in Python they have names, and are made of what it gives"
)]
pub(crate) fn backtest(
    py: Python<'_>,
    replay: PathBuf,
    catalogue: Option<PathBuf>,
    config: Option<PathBuf>,
    scorers: Option<Vec<String>>,
    start: Option<NaiveDate>,
    negatives: Option<usize>,
    seed: Option<u64>,
    on_day: Option<Py<PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<BacktestReport> {
    let settings = settings.map(|settings| from_python(settings)).transpose()?;
    let config = lift(py, Config::given(config.as_deref(), settings.as_deref()))?;
    let mut backtest = Backtest::new(replay).config(config);
    if let Some(catalogue) = catalogue {
        backtest = backtest.catalogue(catalogue);
    }
    if let Some(names) = scorers {
        let kinds = names.iter().map(|name| lift(py, name.parse::<ScorerKind>()));
        backtest = backtest.scorers(kinds.collect::<PyResult<Vec<_>>>()?);
    }
    if let Some(start) = start {
        backtest = backtest.from(start);
    }
    if let Some(negatives) = negatives {
        backtest = backtest.negatives(negatives);
    }
    if let Some(seed) = seed {
        backtest = backtest.seed(seed);
    }
    let told = |day: &artif_core::backtest::DayResult| {
        let Some(on_day) = &on_day else { return };
        Python::attach(|py| {
            let told = to_python(py, day).and_then(|day| on_day.call1(py, (day,)).map(drop));
            if let Err(error) = told {
                error.write_unraisable(py, Some(on_day.bind(py)));
            }
        });
    };
    let report = py.detach(|| backtest.run(told));
    Ok(BacktestReport { inner: lift(py, report)? })
}
