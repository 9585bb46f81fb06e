//! Many addresses, in whatever Python code keeps them.

use std::net::{IpAddr, Ipv6Addr};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use artif_core::{Addresses, Pinned};
use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::{PyImportError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString, PyTuple};

use crate::arrow;
use crate::convert::address;
use crate::error::lift;
use crate::rows::Rows;

/// Addresses out of an argument.
pub(crate) enum Given {
    /// What was converted before; an empty text is no address.
    Owned(Vec<String>),
    Numbers(Vec<u32>),
    V6(Vec<[u8; 16]>),
    Packed {
        text: Vec<u8>,
        offsets: Vec<i64>,
    },
    /// Read in place.
    Arrow(Vec<ArrayRef>),
}

impl Given {
    /// Out of a list, an array or anything else that has many addresses.
    pub(crate) fn from(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
            return Err(PyTypeError::new_err("many addresses are wanted, not one: use a list"));
        }
        if let Ok(list) = value.cast::<PyList>() {
            return match Packed::of(list.iter()) {
                Some(packed) => Ok(packed.given()),
                None => Self::of_objects(&list.iter().collect::<Vec<_>>()),
            };
        }
        if let Ok(tuple) = value.cast::<PyTuple>() {
            return Self::of_objects(&tuple.iter().collect::<Vec<_>>());
        }
        match arrow::arrays(value) {
            Ok(Some(arrays)) => {
                return arrays.into_iter().map(column).collect::<PyResult<_>>().map(Self::Arrow);
            }
            Ok(None) => {}
            // A pandas Series offers Arrow also where pyarrow is not installed.
            Err(error) if error.is_instance_of::<PyImportError>(value.py()) => {}
            Err(error) => return Err(error),
        }
        if let Ok(buffer) = PyUntypedBuffer::get(value)
            && let Some(given) = Self::of_buffer(value.py(), buffer)?
        {
            return Ok(given);
        }
        if let Some(to_list) = value.getattr_opt(intern!(value.py(), "tolist"))? {
            return Self::of_objects(&to_list.call0()?.extract::<Vec<_>>()?);
        }
        Self::of_objects(&value.try_iter()?.collect::<PyResult<Vec<_>>>()?)
    }

    fn of_objects(objects: &[Bound<'_, PyAny>]) -> PyResult<Self> {
        if let Some(packed) = Packed::of(objects.iter().cloned()) {
            return Ok(packed.given());
        }
        if objects.iter().all(PyAnyMethods::is_instance_of::<PyInt>) {
            let numbers: PyResult<Vec<u32>> = objects.iter().map(PyAnyMethods::extract).collect();
            if let Ok(numbers) = numbers {
                return Ok(Self::Numbers(numbers));
            }
        }
        let text = |object: &Bound<'_, PyAny>| {
            if object.is_none() {
                return Ok(String::new());
            }
            match (object.cast::<PyString>(), address(object)) {
                (Ok(_), Err(_)) => Ok(String::new()),
                (_, address) => address.map(|address| address.to_string()),
            }
        };
        objects.iter().map(text).collect::<PyResult<_>>().map(Self::Owned)
    }

    /// `None` of objects and other things better taken out one by one.
    fn of_buffer(py: Python<'_>, buffer: PyUntypedBuffer) -> PyResult<Option<Self>> {
        let shape = buffer.shape().to_vec();
        let format = buffer.format().to_string_lossy().into_owned();
        let width = buffer.item_size();
        match (shape.as_slice(), format.trim_start_matches(['@', '=', '<'])) {
            ([_], "I" | "L") if width == 4 => {
                Ok(Some(Self::Numbers(buffer.as_typed::<u32>()?.to_vec(py)?)))
            }
            ([_], "L" | "Q" | "l" | "q" | "i") => {
                let wide = || PyValueError::new_err("a number in the array is no IPv4 address");
                let numbers: Option<Vec<u32>> = if let Ok(numbers) = buffer.as_typed::<u64>() {
                    numbers.to_vec(py)?.into_iter().map(|n| u32::try_from(n).ok()).collect()
                } else if let Ok(numbers) = buffer.as_typed::<i64>() {
                    numbers.to_vec(py)?.into_iter().map(|n| u32::try_from(n).ok()).collect()
                } else {
                    let numbers = buffer.into_typed::<i32>()?.to_vec(py)?;
                    numbers.into_iter().map(|n| u32::try_from(n).ok()).collect()
                };
                numbers.map(|numbers| Some(Self::Numbers(numbers))).ok_or_else(wide)
            }
            ([_, 4], "B") => {
                let bytes = buffer.into_typed::<u8>()?.to_vec(py)?;
                let (addresses, _) = bytes.as_chunks::<4>();
                Ok(Some(Self::Numbers(addresses.iter().map(|b| u32::from_be_bytes(*b)).collect())))
            }
            ([_, 16], "B") => {
                let bytes = buffer.into_typed::<u8>()?.to_vec(py)?;
                Ok(Some(Self::V6(bytes.as_chunks::<16>().0.to_vec())))
            }
            // NumPy's texts of a fixed width, padded with zeros: bytes, or four bytes a character.
            ([count], kind) if kind.ends_with('s') && kind.len() > 1 => {
                Ok(fixed(py, &buffer, *count, width, 1))
            }
            ([count], kind) if kind.ends_with('w') && kind.len() > 1 => {
                Ok(fixed(py, &buffer, *count, width, 4))
            }
            // The other byte order is rare enough to be turned around by who made it.
            ([_], swapped) if swapped == "O" || swapped.starts_with(['>', '!']) => Ok(None),
            (shape, format) => Err(PyTypeError::new_err(format!(
                "addresses are not read from an array of shape {shape:?} and format {format:?}: use \
                 unsigned integers, texts, or bytes of shape (n, 4) or (n, 16)"
            ))),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Owned(texts) => texts.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::V6(addresses) => addresses.len(),
            Self::Packed { offsets, .. } => offsets.len().saturating_sub(1),
            Self::Arrow(arrays) => arrays.iter().map(Array::len).sum(),
        }
    }

    /// The answers for all of them, while other threads go on.
    pub(crate) fn look_up(&self, py: Python<'_>, pin: &Pinned, rows: Rows) -> PyResult<Rows> {
        let mut rows = rows.with_places(self.len());
        let filled = match self {
            Self::Owned(texts) => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                rows.fill(pin, 0, Addresses::Text(&texts))
            }
            Self::Numbers(numbers) => py.detach(|| rows.fill(pin, 0, Addresses::V4(numbers))),
            Self::V6(addresses) => py.detach(|| rows.fill(pin, 0, Addresses::V6Bytes(addresses))),
            Self::Packed { text, offsets } => {
                py.detach(|| rows.fill(pin, 0, Addresses::LargePacked { text, offsets }))
            }
            Self::Arrow(arrays) => py.detach(|| {
                let mut from = 0;
                for array in arrays {
                    fill(&mut rows, pin, from, array)?;
                    from += array.len();
                }
                Ok(())
            }),
        };
        lift(py, filled).map(|()| rows)
    }
}

/// Longer than any spelling of an address.
const TOO_LONG: usize = 64;

/// Texts behind each other.
struct Packed {
    text: Vec<u8>,
    offsets: Vec<i64>,
}

impl Packed {
    fn with_capacity(count: usize) -> Self {
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        Self { text: Vec::with_capacity(count * 16), offsets }
    }

    /// Out of `str` objects; nothing where there is anything else. Many of them are more than the
    /// processor's caches hold: each is looked at once, and let go of before the next.
    fn of<'py>(objects: impl ExactSizeIterator<Item = Bound<'py, PyAny>>) -> Option<Self> {
        let mut packed = Self::with_capacity(objects.len());
        for object in objects {
            // What is no Unicode is no address, and neither is what is longer than any.
            let text = object.cast::<PyString>().ok()?.to_str().unwrap_or_default();
            if text.len() < TOO_LONG {
                packed.text.extend_from_slice(text.as_bytes());
            }
            packed.end()?;
        }
        Some(packed)
    }

    /// What is pushed from here on belongs to the next text.
    fn end(&mut self) -> Option<()> {
        self.offsets.push(i64::try_from(self.text.len()).ok()?);
        Some(())
    }

    fn given(self) -> Given {
        Given::Packed { text: self.text, offsets: self.offsets }
    }
}

/// Texts of a fixed width behind each other.
fn fixed(
    py: Python<'_>,
    buffer: &PyUntypedBuffer,
    count: usize,
    width: usize,
    per_char: usize,
) -> Option<Given> {
    let whole = buffer.obj(py)?.call_method0(intern!(py, "copy")).ok()?;
    let bytes = whole.call_method1(intern!(py, "view"), ("u1",)).ok()?;
    let bytes = PyBuffer::<u8>::get(&bytes).ok()?.to_vec(py).ok()?;
    let mut packed = Packed::with_capacity(count);
    for item in bytes.chunks_exact(width.max(1)).take(count) {
        for char in item.chunks_exact(per_char) {
            match char {
                [0, ..] if char.iter().all(|byte| *byte == 0) => break,
                [ascii] | [ascii, 0, 0, 0] => packed.text.push(*ascii),
                // Not ASCII, so no address.
                _ => packed.text.push(b'?'),
            }
        }
        packed.end()?;
    }
    Some(packed.given())
}

/// An array of a type that addresses come in, out of a table of one column too.
fn column(array: ArrayRef) -> PyResult<ArrayRef> {
    match array.data_type() {
        DataType::Struct(fields) if fields.len() == 1 => match array.as_struct().columns() {
            [only] => column(ArrayRef::clone(only)),
            _ => Err(PyTypeError::new_err("a table of one column has none")),
        },
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::UInt32
        | DataType::Int64
        | DataType::UInt64
        | DataType::Null
        | DataType::FixedSizeBinary(4 | 16) => Ok(array),
        DataType::Dictionary(_, values)
            if matches!(**values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) =>
        {
            Ok(array)
        }
        other => Err(PyTypeError::new_err(format!(
            "addresses are not read from Arrow data of type {other}: use string, uint32, or \
             fixed-size binary of 4 or 16 bytes"
        ))),
    }
}

fn fill(rows: &mut Rows, pin: &Pinned, from: usize, array: &ArrayRef) -> artif_core::Result<()> {
    match array.data_type() {
        DataType::Utf8 if array.null_count() == 0 => {
            let array = array.as_string::<i32>();
            let (text, offsets) = (array.value_data(), array.value_offsets());
            return rows.fill(pin, from, Addresses::Packed { text, offsets });
        }
        DataType::LargeUtf8 if array.null_count() == 0 => {
            let array = array.as_string::<i64>();
            let (text, offsets) = (array.value_data(), array.value_offsets());
            return rows.fill(pin, from, Addresses::LargePacked { text, offsets });
        }
        DataType::UInt32 => {
            rows.fill(pin, from, Addresses::V4(array.as_primitive::<UInt32Type>().values()))?;
            // What stands in the place of a missing number was looked up, too.
            if let Some(nulls) = array.nulls() {
                let missing = nulls.iter().enumerate().filter(|(_, there)| !there);
                missing.for_each(|(row, _)| rows.blank(from + row));
            }
            return Ok(());
        }
        DataType::FixedSizeBinary(16) if array.null_count() == 0 => {
            let (addresses, _) = array.as_fixed_size_binary().value_data().as_chunks::<16>();
            return rows.fill(pin, from, Addresses::V6Bytes(addresses));
        }
        _ => {}
    }
    let owned;
    let texts: Vec<&str> = match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().map(Option::unwrap_or_default).collect(),
        DataType::LargeUtf8 => {
            array.as_string::<i64>().iter().map(Option::unwrap_or_default).collect()
        }
        DataType::Utf8View => {
            array.as_string_view().iter().map(Option::unwrap_or_default).collect()
        }
        DataType::Dictionary(..) => {
            let array = array.as_any_dictionary();
            let values: Vec<&str> = match array.values().data_type() {
                DataType::Utf8 => array
                    .values()
                    .as_string::<i32>()
                    .iter()
                    .map(Option::unwrap_or_default)
                    .collect(),
                DataType::LargeUtf8 => array
                    .values()
                    .as_string::<i64>()
                    .iter()
                    .map(Option::unwrap_or_default)
                    .collect(),
                _ => {
                    array.values().as_string_view().iter().map(Option::unwrap_or_default).collect()
                }
            };
            let keys =
                if values.is_empty() { vec![0; array.len()] } else { array.normalized_keys() };
            let keys = keys.into_iter().enumerate();
            keys.map(|(row, key)| {
                if array.is_null(row) { "" } else { values.get(key).copied().unwrap_or_default() }
            })
            .collect()
        }
        _ => {
            owned = numbers_as_text(array);
            owned.iter().map(String::as_str).collect()
        }
    };
    rows.fill(pin, from, Addresses::Text(&texts))
}

/// What is rarely met: wide numbers, and packed addresses of which some are missing.
fn numbers_as_text(array: &ArrayRef) -> Vec<String> {
    let v4 = |bits: Option<u32>| bits.map(|bits| IpAddr::from(bits.to_be_bytes()));
    let text = |address: Option<IpAddr>| address.map(|ip| ip.to_string()).unwrap_or_default();
    match array.data_type() {
        DataType::Int64 => {
            let numbers = array.as_primitive::<Int64Type>().iter();
            numbers.map(|n| text(v4(n.and_then(|n| u32::try_from(n).ok())))).collect()
        }
        DataType::UInt64 => {
            let numbers = array.as_primitive::<UInt64Type>().iter();
            numbers.map(|n| text(v4(n.and_then(|n| u32::try_from(n).ok())))).collect()
        }
        DataType::FixedSizeBinary(_) => {
            let packed = |bytes: Option<&[u8]>| match bytes? {
                bytes if bytes.len() == 4 => v4(Some(u32::from_be_bytes(*bytes.first_chunk()?))),
                bytes => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
            };
            array.as_fixed_size_binary().iter().map(|bytes| text(packed(bytes))).collect()
        }
        _ => vec![String::new(); array.len()],
    }
}
