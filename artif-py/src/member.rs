//! One of several equal processes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use artif_core::{Config, ReputationEngine};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::{from_python, to_python};
use crate::engine::closed;
use crate::error::lift;
use crate::gate::Kept;

/// One of several equal processes on one data folder, such as the workers of a web server.
///
/// One of them owns the folder and refreshes it by the schedule of the configuration; all answer
/// from what it publishes and share its memory. Where the owner goes away, another takes over
/// within a second. `config` and the keywords are those of `Engine`.
///
/// Nothing is opened before the first question, and forked children open it anew, so that it can be
/// made before workers are forked.
///
/// >>> import artif, tempfile
/// >>> folder = tempfile.TemporaryDirectory()
/// >>> with artif.Member(data=folder.name, feed=[{"id": "a", "url": "file:/no/such"}]) as member:
/// ...     member.check("8.8.8.8").verdict, member.has_snapshot
/// ('No action needed', False)
#[pyclass(frozen, weakref, subclass, module = "artif")]
pub(crate) struct Member {
    pub(crate) inner: ArcSwapOption<artif_core::Member>,
    pub(crate) kept: Kept,
    config: Config,
    joining: Mutex<()>,
    closed: AtomicBool,
}

#[pymethods]
impl Member {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "a path is made of what Python gives")]
    #[pyo3(signature = (config=None, *, data=None, **settings))]
    fn new(
        py: Python<'_>,
        config: Option<PathBuf>,
        data: Option<PathBuf>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let settings = settings.map(|settings| from_python(settings)).transpose()?;
        let mut config = lift(py, Config::given(config.as_deref(), settings.as_deref()))?;
        if let Some(data) = data {
            config.data = data;
        }
        lift(py, artif_core::Member::validate(&config))?;
        Ok(Self {
            inner: ArcSwapOption::empty(),
            kept: Kept::default(),
            config,
            joining: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Whether this process owns the folder and refreshes it now.
    #[getter]
    fn is_owner(&self) -> bool {
        self.inner.load().as_ref().is_some_and(|member| member.is_owner())
    }

    /// Whether a snapshot was published yet; without one nothing is known of any address.
    #[getter]
    fn has_snapshot(&self) -> PyResult<bool> {
        Ok(self.opened()?.has_snapshot())
    }

    /// Gives the folder up, where this process owns it, and leaves it to others for two seconds.
    fn resign(&self, py: Python<'_>) {
        if let Some(member) = self.inner.load_full() {
            py.detach(|| member.resign());
        }
    }

    /// Takes up what was published meanwhile at once, instead of within a quarter of a second.
    /// Says whether there was anything.
    fn reload(&self, py: Python<'_>) -> PyResult<bool> {
        let member = self.opened()?;
        lift(py, py.detach(|| member.reload()))
    }

    /// The data folder.
    #[getter]
    fn data(&self) -> PathBuf {
        self.config.data.clone()
    }

    /// The section `[middleware]` of the configuration, as a dict.
    #[getter]
    fn middleware<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.config.middleware)
    }

    /// In a forked child: its threads stayed in the parent, and so did whatever lock they held.
    fn _after_fork(&self, py: Python<'_>) {
        // Dropping it would wait for threads that do not exist here.
        std::mem::forget(self.inner.swap(None));
        // It belongs to what nobody keeps current here.
        drop(self.kept.clear(py));
    }

    fn __repr__(&self) -> String {
        let role = match (self.closed.load(Ordering::Acquire), self.is_owner()) {
            (true, _) => " (closed)",
            (_, true) => " (owner)",
            _ => "",
        };
        format!("<Member on {}{role}>", self.config.data.display())
    }
}

impl Member {
    /// The member of this process, which joins where it did not yet.
    pub(crate) fn opened(&self) -> PyResult<Arc<artif_core::Member>> {
        match self.inner.load_full() {
            Some(member) => Ok(member),
            None => self.open(),
        }
    }

    #[cold]
    pub(crate) fn open(&self) -> PyResult<Arc<artif_core::Member>> {
        // Nothing under this lock waits for Python, so that it can be waited for.
        let joining = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return Err(closed());
        }
        if let Some(member) = self.inner.load_full() {
            return Ok(member);
        }
        let joined = artif_core::Member::join(self.config.clone());
        let member = Arc::new(Python::attach(|py| lift(py, joined))?);
        self.inner.store(Some(Arc::clone(&member)));
        drop(joining);
        Ok(member)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn note_closed(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Asks it where there is something to know.
    pub(crate) fn if_ready<T>(
        &self,
        ask: impl FnOnce(Option<&dyn ReputationEngine>) -> T,
    ) -> PyResult<T> {
        let loaded = self.inner.load();
        let opened = if loaded.is_none() { Some(self.open()?) } else { None };
        let member = loaded.as_ref().or(opened.as_ref()).ok_or_else(closed)?;
        Ok(ask(if member.has_snapshot() { Some(member.as_ref()) } else { None }))
    }
}
