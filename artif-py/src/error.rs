//! Errors: each code of the engine is a class of `artif.errors`.

use artif_core::Error;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// The engine's error as the Python exception for its code.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    class(py, error.code()).map_or_else(
        |missing| missing,
        |class| PyErr::from_type(class.clone(), (error.in_full(), error.is_retryable())),
    )
}

fn class<'py>(py: Python<'py>, code: &str) -> PyResult<Bound<'py, PyType>> {
    static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let classes = CLASSES.get_or_try_init(py, || {
        let found = py.import("artif.errors")?.getattr("BY_CODE")?;
        Ok::<_, PyErr>(found.cast_into::<PyDict>()?.unbind())
    })?;
    match classes.bind(py).get_item(code)? {
        Some(class) => Ok(class.cast_into()?),
        None => Err(PyRuntimeError::new_err(format!("artif.errors has no class for {code}"))),
    }
}

/// `result` with the engine's error as a Python exception.
pub(crate) fn lift<T>(py: Python<'_>, result: artif_core::Result<T>) -> PyResult<T> {
    result.map_err(|error| raise(py, &error))
}
