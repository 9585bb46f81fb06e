//! Refreshes in the background.

use std::sync::{Mutex, PoisonError};

use artif_core::ScheduleEvent;
use pyo3::prelude::*;

use crate::convert::to_python;

/// A thread that keeps an engine current, from `Engine.spawn_refresh`; `stop` ends it, and so does
/// leaving its `with` block.
///
/// >>> import artif
/// >>> engine = artif.Engine(in_memory=True, feed=[{"id": "a", "url": "file:/no/such"}])
/// >>> with engine.spawn_refresh() as refresher:
/// ...     refresher.wake()
/// >>> refresher.running
/// False
#[pyclass(frozen, module = "artif")]
pub(crate) struct Refresher {
    inner: Mutex<Option<artif_core::Refresher>>,
}

impl Refresher {
    pub(crate) fn new(refresher: artif_core::Refresher) -> Self {
        Self { inner: Mutex::new(Some(refresher)) }
    }

    fn take(&self) -> Option<artif_core::Refresher> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl Refresher {
    /// Has the schedule look at the clock now, which it does by itself within a minute.
    fn wake(&self) {
        if let Some(refresher) = &*self.inner.lock().unwrap_or_else(PoisonError::into_inner) {
            refresher.wake();
        }
    }

    /// Stops it and waits until it has stopped: transfers under way are dropped, a compilation is
    /// finished.
    fn stop(&self, py: Python<'_>) {
        let refresher = self.take();
        py.detach(|| drop(refresher));
    }

    /// Whether it was not stopped.
    #[getter]
    fn running(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) {
        self.stop(py);
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        // Its thread may be about to tell Python of something: it must not wait for this one.
        if let Some(refresher) = self.take() {
            Python::attach(|py| py.detach(|| drop(refresher)));
        }
    }
}

/// Tells Python of what happens on a schedule.
pub(crate) fn tell(on_event: &Py<PyAny>, event: ScheduleEvent<'_>) {
    // Nobody is told of anything once the interpreter is on its way out.
    Python::try_attach(|py| {
        let told = || -> PyResult<()> {
            let (name, value) = match event {
                ScheduleEvent::Waiting { until } => {
                    ("waiting", until.into_pyobject(py)?.into_any())
                }
                ScheduleEvent::Refreshed(report) => ("refreshed", to_python(py, report)?),
                ScheduleEvent::Geo(report) => ("geo", to_python(py, report)?),
                ScheduleEvent::Failed(error) => {
                    ("failed", error.in_full().into_pyobject(py)?.into_any())
                }
                _ => return Ok(()),
            };
            on_event.call1(py, (name, value)).map(drop)
        };
        if let Err(error) = told() {
            error.write_unraisable(py, Some(on_event.bind(py)));
        }
    });
}
