//! The native part of the Python package: parse arguments, call the engine, convert the answer.
//!
//! Every decision is made in `artif_core`, so that other languages decide alike.
#![allow(missing_docs, reason = "the documentation is what Python's help() shows")]
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes, reason = "it is Python's")]

mod addresses;
mod answer;
mod arrow;
mod columns;
mod convert;
mod engine;
mod error;
mod gate;
mod gatekeeper;
mod member;
mod refresher;
mod report;
mod rows;

use pyo3::prelude::*;

/// The engine behind the package `artif`; import that instead.
#[pymodule(gil_used = false)]
mod _artif {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::answer::Reputation;
    #[pymodule_export]
    use crate::columns::{Column, Columns};
    #[pymodule_export]
    use crate::engine::{Cancel, Engine, Reader};
    #[pymodule_export]
    use crate::gatekeeper::{Gatekeeper, Ruling};
    #[pymodule_export]
    use crate::member::Member;
    #[pymodule_export]
    use crate::refresher::Refresher;
    #[pymodule_export]
    use crate::report::{BacktestReport, FeedsReport, backtest};

    /// Runs one `artif` command line and returns its exit code.
    #[pyfunction]
    fn cli(py: Python<'_>, args: Vec<String>) -> u8 {
        super::command(py, args)
    }

    /// Nothing but a call with a text: what benches hold the others against.
    #[pyfunction]
    fn empty_call(text: &str) -> usize {
        text.len()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        crate::gate::install::<crate::engine::Engine>(py)?;
        crate::gate::install::<crate::engine::Reader>(py)?;
        crate::gate::install::<crate::member::Member>(py)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

fn command(py: Python<'_>, args: Vec<String>) -> u8 {
    // Python's own handler would only note Ctrl-C; the command stops by itself.
    py.detach(|| artif_core::cli::run(args, artif_core::cli::Io::standard()))
}
