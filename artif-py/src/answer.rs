//! The answer for one address.

use chrono::{DateTime, Utc};
use pyo3::prelude::*;

use crate::convert::{to_json, to_python};

/// What is known of one address.
///
/// Attributes are decoded when they are asked for. It belongs to the snapshot that answered and
/// stays as it is when new ones arrive.
///
/// >>> import artif
/// >>> answer = artif.Engine(in_memory=True).check("10.1.2.3")
/// >>> answer.verdict, answer.special_purpose
/// ('not_applicable', 'Private-Use')
#[pyclass(frozen, module = "artif")]
pub(crate) struct Reputation {
    pub(crate) inner: artif_core::Reputation,
}

#[pymethods]
impl Reputation {
    /// The address as it was looked up: IPv4 carried in IPv6 is shown as IPv4.
    #[getter]
    fn ip(&self) -> String {
        self.inner.ip().to_string()
    }

    /// 0 (certainly bad) to 100 (safe). An override does not change it.
    #[getter]
    fn score(&self) -> f64 {
        self.inner.score()
    }

    /// Calibrated probability, 0 to 1, that it is malicious now; None from scorers that are not
    /// calibrated.
    #[getter]
    fn risk(&self) -> Option<f64> {
        self.inner.risk()
    }

    /// What to do about it: "dangerous", "suspicious", "Manual triage needed", "No action needed",
    /// "not_applicable", and by an operator's override "allowed" or "blocked".
    #[getter]
    fn verdict(&self) -> &'static str {
        self.inner.verdict().as_str()
    }

    /// Where threat feeds say it stands: "active", "historical" or "unknown".
    #[getter]
    fn state(&self) -> &'static str {
        self.inner.state().as_str()
    }

    /// Whether a threat feed lists it, or did within the history window.
    #[getter]
    fn is_ioc(&self) -> bool {
        self.inner.is_ioc()
    }

    /// Whether a threat feed lists it now.
    #[getter]
    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    /// Whether no threat feed lists it now but one did within the history window.
    #[getter]
    fn is_historical(&self) -> bool {
        self.inner.is_historical()
    }

    /// The verdict in a sentence.
    #[getter]
    fn description(&self) -> String {
        self.inner.description()
    }

    /// The autonomous system's number.
    #[getter]
    fn asn(&self) -> Option<u32> {
        self.inner.asn()
    }

    /// The country's ISO 3166 code.
    #[getter]
    fn country(&self) -> Option<String> {
        self.inner.country().map(|country| country.as_str().to_owned())
    }

    /// The organisation behind the autonomous system.
    #[getter]
    fn organisation(&self) -> Option<&str> {
        self.inner.organisation()
    }

    /// The ids of the threat feeds that list it; where historical, that listed it.
    #[getter]
    fn feeds(&self) -> Vec<&str> {
        self.inner.feeds().map(|feed| feed.id.as_str()).collect()
    }

    /// The ids of the label and benign feeds that list it: what it is, not that it is bad.
    #[getter]
    fn labels(&self) -> Vec<&str> {
        self.inner.labels().map(|feed| feed.id.as_str()).collect()
    }

    /// The names of the warninglists it is on: shared infrastructure, which feeds alone make no
    /// worse than "Manual triage needed" where such a list caps.
    #[getter]
    fn warninglists(&self) -> Vec<&str> {
        self.inner.warninglists().map(|list| list.name.as_str()).collect()
    }

    /// What these feeds say it does.
    #[getter]
    fn categories<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.categories())
    }

    /// When a threat feed that makes it active or historical first listed it.
    #[getter]
    fn first_seen(&self) -> Option<DateTime<Utc>> {
        self.inner.first_seen()
    }

    /// When a threat feed was last seen to list it.
    #[getter]
    fn last_seen(&self) -> Option<DateTime<Utc>> {
        self.inner.last_seen()
    }

    /// The name of the special-purpose block it is in, such as "Private-Use".
    #[getter]
    fn special_purpose(&self) -> Option<&'static str> {
        self.inner.special_purpose().map(|block| block.name)
    }

    /// What the application reported of it that counts, by kind, as dicts.
    #[getter]
    fn signals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner.signals())
    }

    /// The operator's decision that holds for it, as a dict.
    #[getter]
    fn r#override<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.override_entry().map(|entry| to_python(py, entry)).transpose()
    }

    /// The number of the snapshot that answered.
    #[getter]
    fn snapshot_id(&self) -> u64 {
        self.inner.snapshot_id()
    }

    /// Whether that snapshot is older than it should get.
    #[getter]
    fn is_stale(&self) -> bool {
        self.inner.is_stale()
    }

    /// Everything as a dict, with the names of the JSON form.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.inner)
    }

    /// Everything as JSON, the same in all languages.
    fn to_json(&self) -> PyResult<String> {
        to_json(&self.inner)
    }

    fn __repr__(&self) -> String {
        let answer = &self.inner;
        let mut text = format!(
            "<Reputation {}: {}, score {:.1}",
            answer.ip(),
            answer.verdict(),
            answer.score()
        );
        for (n, feed) in answer.feeds().take(4).enumerate() {
            text.push_str(if n == 0 { ", feeds " } else { ", " });
            text.push_str(if n < 3 { &feed.id } else { "…" });
        }
        text.push('>');
        text
    }
}
