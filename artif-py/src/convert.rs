//! Arguments and answers between Python and Rust.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use artif_core::Error;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyString};
use serde::Serialize;

use crate::error::{lift, raise};

/// An address from `str`, packed `bytes`, `int` or an object of the module `ipaddress`, read as
/// that module reads them.
#[inline]
pub(crate) fn address(value: &Bound<'_, PyAny>) -> PyResult<IpAddr> {
    if let Ok(text) = value.cast::<PyString>() {
        return lift(value.py(), artif_core::address(text.to_str()?));
    }
    other_address(value)
}

#[cold]
fn other_address(value: &Bound<'_, PyAny>) -> PyResult<IpAddr> {
    let py = value.py();
    if let Ok(packed) = value.cast::<PyBytes>() {
        return unpack(packed.as_bytes()).ok_or_else(|| bad(value));
    }
    if let Ok(number) = value.cast::<PyInt>() {
        let number: u128 = number.extract().map_err(|_| bad(value))?;
        return Ok(match u32::try_from(number) {
            Ok(v4) => Ipv4Addr::from_bits(v4).into(),
            Err(_) => Ipv6Addr::from_bits(number).into(),
        });
    }
    match value.getattr_opt(intern!(py, "packed"))? {
        Some(packed) => packed
            .cast::<PyBytes>()
            .ok()
            .and_then(|p| unpack(p.as_bytes()))
            .ok_or_else(|| bad(value)),
        None => Err(bad(value)),
    }
}

fn unpack(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*bytes.first_chunk::<16>()?)),
        _ => None,
    }
}

fn bad(value: &Bound<'_, PyAny>) -> PyErr {
    let shown = value.repr().map_or_else(|_| "(no repr)".to_owned(), |text| text.to_string());
    let short: String = shown.chars().take(80).collect();
    raise(value.py(), &Error::BadAddress { input: short })
}

/// A serialisable value as what `json.loads` makes of its JSON form.
pub(crate) fn to_python<'py, T: Serialize>(
    py: Python<'py>,
    value: &T,
) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LOADS.import(py, "json", "loads")?.call1((to_json(value)?,))
}

/// The JSON form.
pub(crate) fn to_json<T: Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value)
        .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))
}

/// What Python code gives as settings, as JSON.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> PyResult<String> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let keywords = pyo3::types::PyDict::new(py);
    // Paths and verdicts among the settings are written as text.
    keywords.set_item("default", py.get_type::<PyString>())?;
    DUMPS.import(py, "json", "dumps")?.call((value,), Some(&keywords))?.extract()
}
