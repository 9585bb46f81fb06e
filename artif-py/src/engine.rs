//! The engine and the reader.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use artif_core::ledger::{Override, OverrideAction};
use artif_core::misp::SightingKind;
use artif_core::{
    Config, FeedId, Pinned, Prefix, RefreshEvent, RefreshOptions, ReputationEngine, ScheduleOptions,
};
use chrono::{DateTime, Utc};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::addresses::Given;
use crate::answer::Reputation;
use crate::columns::{Columns, kinds};
use crate::convert::{address, from_python, to_json, to_python};
use crate::error::lift;
use crate::gate::{Gated, Kept};
use crate::member::Member;
use crate::refresher::{self, Refresher};
use crate::report::FeedsReport;
use crate::rows::Rows;

/// How long Ctrl-C goes unnoticed during a refresh.
const NOTICE: Duration = Duration::from_millis(50);

/// Stops a refresh from another thread.
///
/// >>> from artif._artif import Cancel
/// >>> cancel = Cancel(); cancel.set()
#[pyclass(frozen, module = "artif._artif")]
#[derive(Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

#[pymethods]
impl Cancel {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Stops it soon.
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

pub(crate) fn closed() -> PyErr {
    PyValueError::new_err("this engine is closed")
}

/// What engines and readers have in common, over the engine's trait.
macro_rules! questions {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            /// The answer for one address: `str`, packed `bytes`, `int`, or an object of `ipaddress`.
            #[inline]
            fn check(&self, ip: &Bound<'_, PyAny>) -> PyResult<Reputation> {
                let ip = address(ip)?;
                self.with(|engine| Reputation { inner: engine.check(ip) })
            }

            /// The answers for many addresses, in the same order.
            fn check_many(&self, ips: &Bound<'_, PyAny>) -> PyResult<Vec<Reputation>> {
                let ips: Vec<_> =
                    ips.try_iter()?.map(|ip| address(&ip?)).collect::<PyResult<_>>()?;
                let answers = self.with(|engine| engine.check_many(&ips))?;
                Ok(answers.into_iter().map(|inner| Reputation { inner }).collect())
            }

            /// `gate`, for what is no plain address and for the first question.
            fn _gate(&self, py: Python<'_>, ip: &Bound<'_, PyAny>) -> PyResult<f64> {
                let ip = address(ip)?;
                let pinned = self.pin()?;
                let score = pinned.score(ip);
                self.kept.keep(py, pinned, || self.is_closed());
                Ok(score)
            }

            /// The answers for many addresses as columns: from a list, an array of NumPy, a Series
            /// of polars or pandas, or anything with Arrow's interface. What is no address has
            /// None in all columns. `columns` names those wanted: "organisation" and "feeds" are
            /// there only if named.
            #[pyo3(signature = (ips, *, columns=None))]
            fn check_columns(
                &self,
                py: Python<'_>,
                ips: &Bound<'_, PyAny>,
                columns: Option<Vec<String>>,
            ) -> PyResult<Columns> {
                let rows = Rows::new(kinds(columns)?);
                let ips = Given::from(ips)?;
                let pin = self.pin()?;
                let rows = ips.look_up(py, &pin, rows)?;
                Columns::new(py, rows, pin)
            }

            /// The answer with all its reasons, as JSON.
            fn _explain(
                &self,
                py: Python<'_>,
                ip: &Bound<'_, PyAny>,
            ) -> PyResult<(String, String)> {
                let ip = address(ip)?;
                let explanation = self.with(|engine| py.detach(|| engine.explain(ip)))?;
                Ok((to_json(&explanation)?, explanation.to_text()))
            }

            /// Every listing of the address within the retention, as dicts.
            fn _history<'py>(
                &self,
                py: Python<'py>,
                ip: &Bound<'_, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ip = address(ip)?;
                to_python(py, &self.with(|engine| engine.history(ip))?)
            }

            /// What was known of the address at a moment in the past, as a dict.
            fn _check_at<'py>(
                &self,
                py: Python<'py>,
                ip: &Bound<'_, PyAny>,
                at: DateTime<Utc>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ip = address(ip)?;
                to_python(py, &self.with(|engine| engine.check_at(ip, at))?)
            }

            /// Adds reports of the application about an address, of a kind that `signals` of the
            /// configuration describes; says whether they are kept.
            #[pyo3(signature = (ip, name, count=1))]
            fn signal(
                &self,
                py: Python<'_>,
                ip: &Bound<'_, PyAny>,
                name: &str,
                count: u32,
            ) -> PyResult<bool> {
                let ip = address(ip)?;
                let engine = self.inner.load_full().map_or_else(|| self.open(), Ok)?;
                lift(py, engine.signal_count(ip, name, count))
            }

            /// What the application reported of an address, by kind, as dicts.
            fn signals<'py>(
                &self,
                py: Python<'py>,
                ip: &Bound<'_, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let ip = address(ip)?;
                let engine = self.inner.load_full().map_or_else(|| self.open(), Ok)?;
                to_python(py, &engine.signals(ip))
            }

            /// Forgets all that the application reported of an address; says whether there was
            /// anything.
            fn forget_signals(&self, py: Python<'_>, ip: &Bound<'_, PyAny>) -> PyResult<bool> {
                let ip = address(ip)?;
                let engine = self.inner.load_full().map_or_else(|| self.open(), Ok)?;
                lift(py, engine.forget_signals(ip))
            }

            /// How the engine is: what it answers from, how its feeds are, what is wrong.
            fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                to_python(py, &self.with(|engine| py.detach(|| engine.status()))?)
            }

            /// How the feeds of the current snapshot compare. Of 85 feeds with a million networks
            /// it was measured to take 44 ms.
            fn feed_report(&self, py: Python<'_>) -> PyResult<FeedsReport> {
                let pinned = self.pin()?;
                Ok(FeedsReport { inner: py.detach(|| pinned.feed_report()) })
            }

            /// Whether `close` was called.
            #[getter]
            fn closed(&self) -> bool {
                self.is_closed()
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
                self.close(py);
            }

            /// Gives the folder up; answers already given stay valid.
            fn close(&self, py: Python<'_>) {
                self.note_closed();
                let gone = (self.inner.swap(None), self.kept.clear(py));
                py.detach(|| drop(gone));
            }
        }

        impl Gated for $class {
            fn kept(&self) -> &Kept {
                &self.kept
            }
        }

        impl $class {
            fn pin(&self) -> PyResult<Pinned> {
                match &*self.inner.load() {
                    Some(engine) => Ok(engine.pin()),
                    None => Ok(self.open()?.pin()),
                }
            }

            /// Calls `ask`, unless it is closed; opens it where it is opened when it is needed.
            #[inline]
            pub(crate) fn with<T>(
                &self,
                ask: impl FnOnce(&dyn ReputationEngine) -> T,
            ) -> PyResult<T> {
                match &*self.inner.load() {
                    Some(engine) => Ok(ask(engine.as_ref())),
                    None => Ok(ask(self.open()?.as_ref())),
                }
            }
        }
    };
}

/// What is open from the start and until it is closed.
macro_rules! opened_once {
    ($class:ident, $inner:ty) => {
        impl $class {
            #[cold]
            fn open(&self) -> PyResult<Arc<$inner>> {
                self.inner.load_full().ok_or_else(closed)
            }

            fn is_closed(&self) -> bool {
                self.inner.load().is_none()
            }

            /// That it is gone says it.
            fn note_closed(&self) {}
        }
    };
}

/// Answers from the snapshots of a data folder that another process owns, and follows new ones.
///
/// Any number of processes may read one folder; they share the snapshot's memory.
///
/// >>> import artif, tempfile
/// >>> folder = tempfile.TemporaryDirectory()
/// >>> artif.Reader(folder.name)
/// Traceback (most recent call last):
///   ...
/// artif.errors.NoSnapshotError: ... has no snapshot yet: run a refresh there first
#[pyclass(frozen, weakref, subclass, module = "artif")]
pub(crate) struct Reader {
    inner: ArcSwapOption<artif_core::Reader>,
    kept: Kept,
    dir: PathBuf,
}

#[pymethods]
impl Reader {
    #[new]
    fn new(py: Python<'_>, data: PathBuf) -> PyResult<Self> {
        let reader = lift(py, py.detach(|| artif_core::Reader::open(&data)))?;
        let inner = ArcSwapOption::from_pointee(reader);
        Ok(Self { inner, kept: Kept::default(), dir: data })
    }

    /// Takes up what was published meanwhile at once, instead of within a quarter of a second.
    /// Says whether there was anything.
    fn reload(&self, py: Python<'_>) -> PyResult<bool> {
        let reader = self.inner.load_full().ok_or_else(closed)?;
        lift(py, py.detach(|| reader.reload()))
    }

    /// In a forked child: its thread stayed in the parent, and so did whatever lock it held.
    fn _after_fork(&self, py: Python<'_>) -> PyResult<()> {
        if self.inner.load().is_none() {
            return Ok(());
        }
        let reader = lift(py, artif_core::Reader::open(&self.dir))?;
        let old = self.inner.swap(Some(Arc::new(reader)));
        // It belongs to what nobody keeps current here.
        drop(self.kept.clear(py));
        // Dropping it would wait for a thread that does not exist here.
        std::mem::forget(old);
        Ok(())
    }

    fn __repr__(&self) -> String {
        let note = if self.closed() { " (closed)" } else { "" };
        format!("<Reader of {}{note}>", self.dir.display())
    }
}

questions!(Reader);
opened_once!(Reader, artif_core::Reader);

/// The owner of a data folder: refreshes it and answers from it.
///
/// `config` is the path of an `artif.toml`; its keys can be given here instead, sections as dicts.
/// `ARTIF_*` environment variables count in both cases.
///
/// >>> import artif
/// >>> with artif.Engine(in_memory=True, history={"window": "14d"}) as engine:
/// ...     engine.check("8.8.8.8").verdict
/// 'No action needed'
#[pyclass(frozen, weakref, subclass, module = "artif")]
pub(crate) struct Engine {
    inner: ArcSwapOption<artif_core::Engine>,
    kept: Kept,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (config=None, *, data=None, in_memory=false, **settings))]
    fn new(
        py: Python<'_>,
        config: Option<PathBuf>,
        data: Option<PathBuf>,
        in_memory: bool,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let settings = settings.map(|settings| from_python(settings)).transpose()?;
        let open = move || {
            let config = Config::given(config.as_deref(), settings.as_deref())?;
            let mut builder = artif_core::Engine::builder().config(config);
            if let Some(data) = data {
                builder = builder.data(data);
            }
            if in_memory {
                builder = builder.in_memory();
            }
            builder.build()
        };
        let engine = lift(py, py.detach(open))?;
        Ok(Self { inner: ArcSwapOption::from_pointee(engine), kept: Kept::default() })
    }

    /// Fetches feeds, and publishes a new snapshot if an answer may differ. Ctrl-C stops it;
    /// what was committed by then stays, each feed whole.
    #[pyo3(signature = (*, feeds=None, progress=None, force=false, dry_run=false, cancel=None))]
    fn _refresh<'py>(
        &self,
        py: Python<'py>,
        feeds: Option<Vec<String>>,
        progress: Option<Py<PyAny>>,
        force: bool,
        dry_run: bool,
        cancel: Option<&Cancel>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.owner()?;
        let mut options = RefreshOptions::default();
        for id in feeds.unwrap_or_default() {
            options = options.feed(lift(py, id.parse::<FeedId>())?);
        }
        options.force = force;
        options.dry_run = dry_run;
        let stop = cancel.map(|cancel| Arc::clone(&cancel.0)).unwrap_or_default();
        options = options.cancel(Arc::clone(&stop));
        if let Some(progress) = progress {
            options = options.progress(move |event| tell(&progress, event));
        }
        let report = py.detach(move || watched(&stop, move || engine.refresh(&options)))?;
        to_python(py, &lift(py, report)?)
    }

    /// Takes the content that the guard refused of a feed, after a look at it.
    fn _accept_feed<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.owner()?;
        let id = lift(py, id.parse::<FeedId>())?;
        to_python(py, &lift(py, py.detach(|| engine.accept_feed(&id)))?)
    }

    /// Keeps everything current from a thread of its own.
    #[pyo3(signature = (on_event=None))]
    fn _spawn_refresh(&self, py: Python<'_>, on_event: Option<Py<PyAny>>) -> PyResult<Refresher> {
        let mut options = ScheduleOptions::default();
        if let Some(on_event) = on_event {
            options = options.on_event(move |event| refresher::tell(&on_event, event));
        }
        let engine = self.owner()?;
        lift(py, py.detach(|| engine.spawn_refresh_with(options))).map(Refresher::new)
    }

    /// Looks for newer geo databases where the configuration says they come from, and publishes a
    /// snapshot made with them; says what became of each, as dicts. `force` fetches in any case.
    /// Ctrl-C stops it.
    #[pyo3(signature = (*, force=false))]
    fn update_geo<'py>(&self, py: Python<'py>, force: bool) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.owner()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut options = RefreshOptions::default().cancel(Arc::clone(&stop));
        if force {
            options = options.force();
        }
        let updated = py.detach(|| watched(&stop, move || engine.update_geo(&options)))?;
        to_python(py, &lift(py, updated)?)
    }

    /// Switches a feed on or off, from the next refresh on.
    fn enable_feed(&self, py: Python<'_>, id: &str, enabled: bool) -> PyResult<()> {
        let engine = self.owner()?;
        let id = lift(py, id.parse::<FeedId>())?;
        lift(py, py.detach(|| engine.enable_feed(&id, enabled)))
    }

    /// Adds an operator's decision for a network, which beats everything else.
    #[pyo3(signature = (network, action, *, reason=None, author=None, expires=None))]
    fn _override(
        &self,
        py: Python<'_>,
        network: &str,
        action: &str,
        reason: Option<String>,
        author: Option<String>,
        expires: Option<DateTime<Utc>>,
    ) -> PyResult<()> {
        let engine = self.owner()?;
        let prefix = lift(py, network.parse::<Prefix>())?;
        let action = if action == "allow" { OverrideAction::Allow } else { OverrideAction::Block };
        let mut entry = Override::new(prefix, action, Utc::now());
        if let Some(reason) = reason {
            entry = entry.reason(reason);
        }
        if let Some(author) = author {
            entry = entry.author(author);
        }
        if let Some(expires) = expires {
            entry = entry.expires(expires);
        }
        lift(py, py.detach(|| engine.add_override(entry)))
    }

    /// Removes the decision for exactly this network; says whether there was one.
    #[pyo3(signature = (network, *, author=""))]
    fn remove_override(&self, py: Python<'_>, network: &str, author: &str) -> PyResult<bool> {
        let engine = self.owner()?;
        let prefix = lift(py, network.parse::<Prefix>())?;
        lift(py, py.detach(|| engine.remove_override(prefix, author)))
    }

    /// The operators' decisions, expired ones too, as dicts.
    fn overrides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.owner()?.overrides())
    }

    /// Notes that an address was met, or was harmless, for MISP servers with `sightings`: the next
    /// sync says it there. Says whether it will be sent.
    #[pyo3(signature = (ip, *, false_positive=false))]
    fn sighting(&self, ip: &Bound<'_, PyAny>, false_positive: bool) -> PyResult<bool> {
        let kind = if false_positive { SightingKind::FalsePositive } else { SightingKind::Seen };
        Ok(self.owner()?.note_sighting(address(ip)?, kind))
    }

    /// Sends what was noted now, and says what became of it on each server.
    fn send_sightings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.owner()?;
        to_python(py, &lift(py, py.detach(|| engine.send_noted_sightings()))?)
    }

    /// The data folder; None in memory.
    #[getter]
    fn data(&self) -> PyResult<Option<PathBuf>> {
        Ok(self.owner()?.data().map(PathBuf::from))
    }

    fn __repr__(&self) -> String {
        match self.inner.load_full() {
            None => "<Engine (closed)>".to_owned(),
            Some(engine) => match engine.data() {
                None => "<Engine in memory>".to_owned(),
                Some(data) => format!("<Engine owning {}>", data.display()),
            },
        }
    }
}

questions!(Engine);
opened_once!(Engine, artif_core::Engine);
questions!(Member);

impl Engine {
    fn owner(&self) -> PyResult<Arc<artif_core::Engine>> {
        self.inner.load_full().ok_or_else(closed)
    }
}

/// Runs `work` in a thread of its own, so that this one can hear of Ctrl-C meanwhile.
fn watched<T: Send + 'static>(
    stop: &AtomicBool,
    work: impl FnOnce() -> artif_core::Result<T> + Send + 'static,
) -> PyResult<artif_core::Result<T>> {
    let (done, result) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("artif-refresh".to_owned())
        // Nobody is left to tell when the receiver is gone.
        .spawn(move || drop(done.send(work())))?;
    let mut interrupted = None;
    let outcome = loop {
        match result.recv_timeout(NOTICE) {
            Ok(outcome) => break Some(outcome),
            Err(mpsc::RecvTimeoutError::Disconnected) => break None,
            Err(mpsc::RecvTimeoutError::Timeout) if interrupted.is_none() => {
                #[expect(
                    clippy::redundant_closure_for_method_calls,
                    reason = "the method's lifetime is not general enough"
                )]
                let checked = Python::attach(|py| py.check_signals());
                if let Err(signal) = checked {
                    stop.store(true, Ordering::Release);
                    interrupted = Some(signal);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    };
    // A panic there was printed and becomes an error here.
    let ended = thread.join();
    match (interrupted, outcome, ended) {
        (Some(signal), ..) => Err(signal),
        (None, Some(outcome), _) => Ok(outcome),
        (None, None, _) => {
            Err(pyo3::exceptions::PyRuntimeError::new_err("the refresh ended by a panic"))
        }
    }
}

/// Tells Python of an event; its exceptions are printed as those of any callback are.
fn tell(progress: &Py<PyAny>, event: RefreshEvent<'_>) {
    Python::attach(|py| {
        let told = || -> PyResult<()> { progress.call1(py, (to_python(py, &event)?,)).map(drop) };
        if let Err(error) = told() {
            error.write_unraisable(py, Some(progress.bind(py)));
        }
    });
}
