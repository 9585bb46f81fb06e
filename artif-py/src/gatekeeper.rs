//! Decisions about requests.

use artif_core::client::peer_address;
use artif_core::middleware::{Middleware, Mode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::answer::Reputation;
use crate::convert::from_python;
use crate::engine::{Engine, Reader};
use crate::error::lift;
use crate::member::Member;

/// Decides about requests: which address they come from, whether they go on.
///
/// The keywords are those of the section `[middleware]` of an `artif.toml`.
///
/// >>> import artif
/// >>> gatekeeper = artif.Gatekeeper(trusted_proxies=["10.0.0.0/8"])
/// >>> gatekeeper.header, gatekeeper.client("10.0.0.7", ["1.1.1.1, 203.0.113.9"])
/// ('x-forwarded-for', '203.0.113.9')
#[pyclass(frozen, module = "artif")]
pub(crate) struct Gatekeeper {
    inner: artif_core::middleware::Gatekeeper,
}

/// The decision about one request.
#[pyclass(frozen, module = "artif")]
pub(crate) struct Ruling {
    inner: artif_core::middleware::Ruling,
}

#[pymethods]
impl Gatekeeper {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options: Middleware = match options {
            None => Middleware::default(),
            Some(options) => serde_json::from_str(&from_python(options)?)
                .map_err(|error| PyValueError::new_err(format!("middleware options: {error}")))?,
        };
        Ok(Self { inner: lift(py, artif_core::middleware::Gatekeeper::new(&options))? })
    }

    /// The one header whose values `client` needs, in lower case; None where none is read.
    #[getter]
    fn header(&self) -> Option<&'static str> {
        self.inner.client().header().map(artif_core::client::ClientHeader::as_str)
    }

    /// Whether requests are refused ("enforce") or flagged ("monitor").
    #[getter]
    fn mode(&self) -> &'static str {
        if self.inner.mode() == Mode::Enforce { "enforce" } else { "monitor" }
    }

    /// The client's address, None where it is not known. `peer` is the other end of the connection
    /// as the server names it, `values` are the values of all occurrences of `header`.
    #[pyo3(signature = (peer, values=None))]
    fn client(
        &self,
        peer: Option<&str>,
        values: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<String>> {
        Ok(self.find(peer, values)?.map(|address| address.to_string()))
    }

    /// Whether requests to this path go on unseen.
    fn is_exempt(&self, path: &str) -> bool {
        self.inner.is_exempt(path)
    }

    /// Finds the client and decides. Without an engine, no client is known.
    #[pyo3(signature = (engine, peer, values=None))]
    fn rule(
        &self,
        engine: Option<&Bound<'_, PyAny>>,
        peer: Option<&str>,
        values: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Ruling> {
        let Some(engine) = engine else { return Ok(Ruling { inner: self.inner.rule_on(None) }) };
        let client = self.find(peer, values)?;
        let ask = |engine: &dyn artif_core::ReputationEngine| self.inner.rule(engine, client);
        let inner = if let Ok(reader) = engine.cast::<Reader>() {
            reader.get().with(ask)?
        } else if let Ok(member) = engine.cast::<Member>() {
            // Without a snapshot nothing is known, as without an engine.
            member.get().if_ready(|engine| engine.map_or_else(|| self.inner.rule_on(None), ask))?
        } else {
            engine.cast::<Engine>()?.get().with(ask)?
        };
        Ok(Ruling { inner })
    }
}

impl Gatekeeper {
    fn find(
        &self,
        peer: Option<&str>,
        values: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<std::net::IpAddr>> {
        let peer = peer.and_then(peer_address);
        let Some(values) = values else { return Ok(self.inner.client().find(peer, [])) };
        let values: Vec<Bound<'_, PyAny>> = values.try_iter()?.collect::<PyResult<_>>()?;
        let mut bytes: Vec<&[u8]> = Vec::with_capacity(values.len());
        for value in &values {
            bytes.push(match value.cast::<PyBytes>() {
                Ok(raw) => raw.as_bytes(),
                // Servers hand out text; what is beyond ASCII in it does not parse in any case.
                Err(_) => value.cast::<PyString>()?.to_str()?.as_bytes(),
            });
        }
        Ok(self.inner.client().find(peer, bytes))
    }
}

#[pymethods]
impl Ruling {
    /// "pass", "flag" (monitoring: it would be refused) or "block".
    #[getter]
    fn action(&self) -> &'static str {
        self.inner.action.as_str()
    }

    /// The answer for the client; None where its address is not known.
    #[getter]
    fn reputation(&self) -> Option<Reputation> {
        self.inner.reputation.clone().map(|inner| Reputation { inner })
    }

    /// Where it is flagged or blocked: what the client may be shown, to find the log line again.
    #[getter]
    fn reference(&self) -> Option<&str> {
        self.inner.reference.as_ref().map(artif_core::middleware::Reference::as_str)
    }

    /// One line of JSON for the log, with the reason. Not for the client.
    fn to_log_json(&self) -> String {
        self.inner.to_log_json()
    }

    fn __repr__(&self) -> String {
        format!("<Ruling {}>", self.inner.to_log_json())
    }
}
