//! Answers for many addresses, as columns for Python.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use arrow_array::types::{UInt8Type, UInt16Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, PrimitiveArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use artif_core::{AnswerColumns, CategorySet, Pinned, Verdict};
use pyo3::exceptions::{PyAttributeError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyIterator, PyList};

use crate::arrow::{broken, export, export_schema, export_stream, fill_view, place};
use crate::rows::{Kind, Rows};

type Capsules<'py> = (Bound<'py, PyCapsule>, Bound<'py, PyCapsule>);

const STATES: [&str; 3] = ["unknown", "historical", "active"];

/// What all columns of one answer share.
struct Shared {
    /// Whose numbers stand in the columns.
    pin: Pinned,
    /// Where there was an address; `None` where there was one everywhere.
    valid: Option<NullBuffer>,
    length: usize,
    invalid: usize,
}

/// The answers for many addresses, a column for each thing asked.
///
/// Columns are attributes and items. As a whole it is what Arrow's libraries take for a table:
/// `polars.DataFrame(columns)`, `pyarrow.table(columns)`.
///
/// >>> import artif
/// >>> columns = artif.Engine(in_memory=True).check_columns(["8.8.8.8", "10.1.2.3", "nonsense"])
/// >>> len(columns), columns.invalid, columns.names[:3]
/// (3, 1, ['score', 'verdict', 'state'])
/// >>> columns.verdict.to_list()
/// ['No action needed', 'not_applicable', None]
#[pyclass(frozen, module = "artif")]
pub(crate) struct Columns {
    shared: Arc<Shared>,
    columns: Vec<Py<Column>>,
}

/// One thing asked of many addresses: a sequence of answers, None where there was no address or
/// nothing is known.
///
/// `memoryview(column)` and `numpy.asarray(column)` are the numbers themselves, not copied: scores,
/// not a number where there was no address; verdicts and states as the index into `names`; for
/// countries two bytes, for categories a bit each in the order of `names`.
///
/// >>> import artif
/// >>> column = artif.Engine(in_memory=True).check_columns(["10.1.2.3"]).verdict
/// >>> column[0], column.names[memoryview(column)[0]]
/// ('not_applicable', 'not_applicable')
#[pyclass(frozen, sequence, module = "artif")]
pub(crate) struct Column {
    shared: Arc<Shared>,
    kind: Kind,
    data: Buffer,
    length: isize,
}

impl Columns {
    pub(crate) fn new(py: Python<'_>, rows: Rows, pin: Pinned) -> PyResult<Self> {
        let length = rows.verdict.len();
        let there = |verdict: &u8| *verdict != AnswerColumns::NO_ADDRESS;
        let valid = (rows.invalid > 0).then(|| rows.verdict.iter().map(there).collect());
        let shared = Arc::new(Shared { pin, valid, length, invalid: rows.invalid });
        let kinds = rows.kinds;
        let mut all = [
            (Kind::Score, Buffer::from_vec(rows.score)),
            (Kind::Verdict, Buffer::from_vec(rows.verdict)),
            (Kind::State, Buffer::from_vec(rows.state)),
            (Kind::Asn, Buffer::from_vec(rows.asn)),
            (Kind::Country, Buffer::from_vec(rows.country.into_flattened())),
            (Kind::Organisation, Buffer::from_vec(rows.organisation)),
            (Kind::Listed, Buffer::from_vec(rows.listed)),
            (Kind::Feeds, Buffer::from_vec(rows.feeds)),
            (Kind::Categories, Buffer::from_vec(rows.categories)),
        ];
        let length = isize::try_from(length)?;
        let columns =
            all.iter_mut().filter(|(kind, _)| kinds.contains(kind)).map(|(kind, data)| {
                let (shared, data) = (Arc::clone(&shared), std::mem::take(data));
                Py::new(py, Column { shared, kind: *kind, data, length })
            });
        Ok(Self { columns: columns.collect::<PyResult<_>>()?, shared })
    }

    fn find(&self, name: &str) -> Option<&Py<Column>> {
        self.columns.iter().find(|column| column.get().kind.name() == name)
    }

    fn get(&self, py: Python<'_>, kind: Kind) -> PyResult<Py<Column>> {
        self.find(kind.name()).map(|column| column.clone_ref(py)).ok_or_else(|| {
            PyAttributeError::new_err(format!(
                "there is no column {:?} here: name it in the argument `columns`",
                kind.name()
            ))
        })
    }

    fn batch(&self, py: Python<'_>) -> PyResult<RecordBatch> {
        let columns: Vec<&Column> = self.columns.iter().map(Py::get).collect();
        py.detach(|| {
            let arrays = columns.iter().map(|column| Ok((column.kind.name(), column.array()?)));
            let arrays: Vec<(&str, ArrayRef)> = arrays.collect::<Result<_, ArrowError>>()?;
            let fields = arrays
                .iter()
                .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            RecordBatch::try_new(schema, arrays.into_iter().map(|(_, array)| array).collect())
        })
        .map_err(|error| broken(&error))
    }
}

/// The columns that an argument names.
pub(crate) fn kinds(names: Option<Vec<String>>) -> PyResult<Vec<Kind>> {
    let Some(names) = names else { return Ok(Kind::USUAL.to_vec()) };
    let kind = |name: &String| {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            PyValueError::new_err(format!("no column {name:?}: there are {}", known.join(", ")))
        })
    };
    if names.is_empty() {
        return Err(PyValueError::new_err("name at least one column"));
    }
    names.iter().map(kind).collect()
}

#[pymethods]
impl Columns {
    /// The names of the columns that are there, in order.
    #[getter]
    fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.get().kind.name()).collect()
    }

    /// How many of the addresses were none.
    #[getter]
    fn invalid(&self) -> usize {
        self.shared.invalid
    }

    /// The number of the snapshot that answered.
    #[getter]
    fn snapshot_id(&self) -> u64 {
        self.shared.pin.snapshot_id()
    }

    /// 0 (certainly bad) to 100 (safe).
    #[getter]
    fn score(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Score)
    }

    /// What to do; overrides count.
    #[getter]
    fn verdict(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Verdict)
    }

    /// Where threat feeds say it stands.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::State)
    }

    /// The autonomous system's number; 0 in the buffer where unknown.
    #[getter]
    fn asn(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Asn)
    }

    /// The country's ISO 3166 code.
    #[getter]
    fn country(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Country)
    }

    /// The organisation behind the autonomous system; there if asked for.
    #[getter]
    fn organisation(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Organisation)
    }

    /// How many threat feeds list it; where historical, listed it.
    #[getter]
    fn listed(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Listed)
    }

    /// The ids of these feeds; there if asked for.
    #[getter]
    fn feeds(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Feeds)
    }

    /// What these feeds say it does.
    #[getter]
    fn categories(&self, py: Python<'_>) -> PyResult<Py<Column>> {
        self.get(py, Kind::Categories)
    }

    fn __len__(&self) -> usize {
        self.shared.length
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<Py<Column>> {
        let column = self.find(name).map(|column| column.clone_ref(py));
        column.ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    /// The table as one Arrow array of structures.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Capsules<'py>> {
        let _ = requested_schema;
        export(py, &StructArray::from(self.batch(py)?))
    }

    /// The table as an Arrow stream of one batch.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        export_stream(py, self.batch(py)?)
    }

    /// The table's Arrow schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema: SchemaRef = self.batch(py)?.schema();
        export_schema(py, &schema)
    }

    fn __repr__(&self) -> String {
        let (rows, invalid) = (self.shared.length, self.shared.invalid);
        format!("<Columns {}: {rows} rows, {invalid} invalid>", self.names().join(", "))
    }
}

impl Column {
    fn numbers<T: ArrowNativeType>(&self) -> ScalarBuffer<T> {
        ScalarBuffer::new(self.data.clone(), 0, self.shared.length)
    }

    /// Valid where there was an address and `known` says so of the number.
    fn known<T: ArrowNativeType>(&self, known: impl Fn(T) -> bool) -> Option<NullBuffer> {
        let numbers: ScalarBuffer<T> = self.numbers();
        if numbers.iter().all(|number| known(*number)) {
            return self.shared.valid.clone();
        }
        let known: NullBuffer = numbers.iter().map(|number| known(*number)).collect();
        NullBuffer::union(self.shared.valid.as_ref(), Some(&known))
    }

    /// Numbers as places in a list of names; numbers that stand for none stay out of it.
    fn named(&self, names: &[&str]) -> Result<ArrayRef, ArrowError> {
        let valid = self.shared.valid.clone();
        let mut keys: ScalarBuffer<u8> = self.numbers();
        if valid.is_some() {
            let inside = |key: &u8| if usize::from(*key) < names.len() { *key } else { 0 };
            keys = keys.iter().map(inside).collect();
        }
        let keys = PrimitiveArray::<UInt8Type>::try_new(keys, valid)?;
        let names = Arc::new(StringArray::from_iter_values(names));
        Ok(Arc::new(DictionaryArray::<UInt8Type>::try_new(keys, names)?))
    }

    /// Numbers that each stand for a text, with those texts alone that are met.
    fn met(&self, text: impl Fn(u32) -> Option<String>) -> Result<ArrayRef, ArrowError> {
        let mut places: HashMap<u32, Option<u32>> = HashMap::new();
        let mut texts = Vec::new();
        let numbers: ScalarBuffer<u32> = self.numbers();
        let valid = self.shared.valid.as_ref();
        let place = |(row, number): (usize, &u32)| {
            if valid.is_some_and(|valid| valid.is_null(row)) {
                return None;
            }
            *places.entry(*number).or_insert_with(|| {
                texts.push(text(*number)?);
                u32::try_from(texts.len() - 1).ok()
            })
        };
        let keys: PrimitiveArray<UInt32Type> = numbers.iter().enumerate().map(place).collect();
        let texts = Arc::new(StringArray::from(texts));
        Ok(Arc::new(DictionaryArray::<UInt32Type>::try_new(keys, texts)?))
    }

    fn array(&self) -> Result<ArrayRef, ArrowError> {
        let valid = self.shared.valid.clone();
        Ok(match self.kind {
            Kind::Score => Arc::new(Float64Array::try_new(self.numbers(), valid)?),
            Kind::Verdict => self.named(&verdicts())?,
            Kind::State => self.named(&STATES)?,
            Kind::Asn => Arc::new(PrimitiveArray::<UInt32Type>::try_new(
                self.numbers(),
                self.known(|asn: u32| asn != 0),
            )?),
            Kind::Listed => Arc::new(PrimitiveArray::<UInt16Type>::try_new(self.numbers(), valid)?),
            Kind::Country => {
                let ends: Result<Vec<i32>, _> =
                    (0..=self.shared.length).map(|row| i32::try_from(row * 2)).collect();
                let ends = ends.map_err(|_| ArrowError::OffsetOverflowError(self.shared.length))?;
                let ends = OffsetBuffer::new(ends.into());
                let known = self.known(|letters: u16| letters != 0);
                Arc::new(StringArray::try_new(ends, self.data.clone(), known)?)
            }
            Kind::Organisation => {
                self.met(|number| self.shared.pin.organisation(number).map(str::to_owned))?
            }
            Kind::Feeds => self.met(|set| {
                let ids: Vec<&str> =
                    self.shared.pin.feed_set(set).map(|feed| feed.id.as_str()).collect();
                Some(ids.join(","))
            })?,
            Kind::Categories => self.met(|bits| Some(categories(bits).join(",")))?,
        })
    }

    fn number<const N: usize>(&self, row: usize) -> Option<[u8; N]> {
        self.data.get(row * N..)?.first_chunk().copied()
    }

    /// What Python code gets for one row.
    fn item<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
        let none = || Ok(py.None().into_bound(py));
        if self.shared.valid.as_ref().is_some_and(|valid| valid.is_null(row)) {
            return none();
        }
        let byte = || self.number::<1>(row).map(|[byte]| byte);
        let wide = || self.number(row).map(u32::from_ne_bytes);
        Ok(match self.kind {
            Kind::Score => self.number(row).map(f64::from_ne_bytes).into_pyobject(py)?.into_any(),
            Kind::Verdict => {
                let verdict = byte().and_then(Verdict::from_u8).map(Verdict::as_str);
                verdict.into_pyobject(py)?.into_any()
            }
            Kind::State => {
                byte().and_then(|n| STATES.get(usize::from(n))).into_pyobject(py)?.into_any()
            }
            Kind::Asn => wide().filter(|asn| *asn != 0).into_pyobject(py)?.into_any(),
            Kind::Country => match self.number::<2>(row) {
                Some(letters) if letters != [0; 2] => {
                    String::from_utf8_lossy(&letters).into_pyobject(py)?.into_any()
                }
                _ => return none(),
            },
            Kind::Organisation => {
                let name = wide().and_then(|number| self.shared.pin.organisation(number));
                name.into_pyobject(py)?.into_any()
            }
            Kind::Listed => self.number(row).map(u16::from_ne_bytes).into_pyobject(py)?.into_any(),
            Kind::Feeds => {
                let feeds = self.shared.pin.feed_set(wide().unwrap_or(0));
                let ids: Vec<&str> = feeds.map(|feed| feed.id.as_str()).collect();
                ids.into_pyobject(py)?.into_any()
            }
            Kind::Categories => categories(wide().unwrap_or(0)).into_pyobject(py)?.into_any(),
        })
    }

    const fn layout(&self) -> (isize, &'static CStr) {
        match self.kind {
            Kind::Score => (8, c"d"),
            Kind::Verdict | Kind::State => (1, c"B"),
            Kind::Asn | Kind::Organisation | Kind::Feeds | Kind::Categories => (4, c"I"),
            Kind::Country => (2, c"2s"),
            Kind::Listed => (2, c"H"),
        }
    }
}

fn verdicts() -> Vec<&'static str> {
    (0..).map_while(Verdict::from_u8).map(Verdict::as_str).collect()
}

fn categories(bits: u32) -> Vec<&'static str> {
    CategorySet::from_bits(bits).iter().map(artif_core::Category::name).collect()
}

#[pymethods]
impl Column {
    /// What its numbers stand for: of verdicts and states by index, of categories a bit each; None
    /// where they stand for themselves.
    #[getter]
    fn names(&self) -> Option<Vec<&'static str>> {
        match self.kind {
            Kind::Verdict => Some(verdicts()),
            Kind::State => Some(STATES.to_vec()),
            Kind::Categories => Some(categories(u32::MAX)),
            _ => None,
        }
    }

    /// All answers.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = (0..self.shared.length).map(|row| self.item(py, row));
        PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)
    }

    fn __len__(&self) -> usize {
        self.shared.length
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.to_list(py)?.try_iter()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        self.item(py, place(index, self.shared.length)?)
    }

    /// The column as an Arrow array.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Capsules<'py>> {
        let _ = requested_schema;
        let array = py.detach(|| self.array()).map_err(|error| broken(&error))?;
        export(py, &array)
    }

    #[expect(unsafe_code, reason = "the buffer protocol is a C structure to be filled")]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut pyo3::ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let this = slf.clone();
        let column = this.get();
        let (size, format) = column.layout();
        // SAFETY: Python gives a valid view, and a frozen class keeps its fields where they are.
        unsafe {
            fill_view(view, flags, &column.data, (&column.length, size, format), slf.into_any())
        }
    }

    fn __repr__(&self) -> String {
        format!("<Column {}: {} rows>", self.kind.name(), self.shared.length)
    }
}
