//! Arrow arrays to and from Python, through the capsules that all its libraries understand.
#![expect(
    unsafe_code,
    reason = "the C data interface is pointers that the capsules' names vouch for"
)]

use std::ffi::CStr;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchIterator, make_array};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// The arrays of an object that offers any; `None` where it does not.
pub(crate) fn arrays(value: &Bound<'_, PyAny>) -> PyResult<Option<Vec<ArrayRef>>> {
    let py = value.py();
    if let Some(offer) = value.getattr_opt(intern!(py, "__arrow_c_array__"))? {
        let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) =
            offer.call0()?.extract()?;
        return Ok(Some(vec![import(&schema, &array)?]));
    }
    if let Some(offer) = value.getattr_opt(intern!(py, "__arrow_c_stream__"))? {
        return chunks(&offer.call0()?.cast_into::<PyCapsule>()?).map(Some);
    }
    Ok(None)
}

fn import(schema: &Bound<'_, PyCapsule>, array: &Bound<'_, PyCapsule>) -> PyResult<ArrayRef> {
    let schema = schema.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(ARRAY))?.cast::<FFI_ArrowArray>();
    // SAFETY: capsules of these names hold such structures, alive as long as the capsules are, and
    // the one who asked for them owns what they describe: `from_raw` marks the array as taken.
    let data = unsafe { from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
    Ok(make_array(data.map_err(|error| broken(&error))?))
}

fn chunks(capsule: &Bound<'_, PyCapsule>) -> PyResult<Vec<ArrayRef>> {
    let stream = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: as above; the stream is marked as taken.
    let mut stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) };
    let (Some(get_schema), Some(get_next)) = (stream.get_schema, stream.get_next) else {
        return Err(PyValueError::new_err("the Arrow stream of addresses was read before"));
    };
    let mut schema = FFI_ArrowSchema::empty();
    // SAFETY: a stream that was not released, and a place for what it gives.
    let code = unsafe { get_schema(&raw mut stream, &raw mut schema) };
    told(code, &mut stream)?;
    let mut arrays = Vec::new();
    loop {
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: as above.
        let code = unsafe { get_next(&raw mut stream, &raw mut array) };
        told(code, &mut stream)?;
        if array.is_released() {
            return Ok(arrays);
        }
        // SAFETY: the stream gave both, and its arrays are of its schema.
        let data = unsafe { from_ffi(array, &schema) };
        arrays.push(make_array(data.map_err(|error| broken(&error))?));
    }
}

fn told(code: i32, stream: &mut FFI_ArrowArrayStream) -> PyResult<()> {
    if code == 0 {
        return Ok(());
    }
    let text = stream.get_last_error.and_then(|get_last_error| {
        // SAFETY: a stream that was not released; its text ends in a zero, and it stays for as long
        // as nothing else is asked.
        let text = unsafe { get_last_error(&raw mut *stream) };
        // SAFETY: as above.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    });
    let text = text.unwrap_or_else(|| format!("error {code}"));
    Err(PyValueError::new_err(format!("reading the Arrow stream of addresses: {text}")))
}

/// An error of the Arrow library.
pub(crate) fn broken(error: &ArrowError) -> PyErr {
    PyValueError::new_err(format!("Arrow data: {error}"))
}

/// An array as the two capsules of `__arrow_c_array__`.
pub(crate) fn export<'py>(
    py: Python<'py>,
    array: &dyn Array,
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let (array, schema) = to_ffi(&array.to_data()).map_err(|error| broken(&error))?;
    Ok((
        PyCapsule::new_with_value(py, schema, SCHEMA)?,
        PyCapsule::new_with_value(py, array, ARRAY)?,
    ))
}

/// A schema as the capsule of `__arrow_c_schema__`.
pub(crate) fn export_schema<'py>(
    py: Python<'py>,
    schema: &SchemaRef,
) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema.as_ref()).map_err(|error| broken(&error))?;
    PyCapsule::new_with_value(py, schema, SCHEMA)
}

/// A batch as the capsule of `__arrow_c_stream__`.
pub(crate) fn export_stream(py: Python<'_>, batch: RecordBatch) -> PyResult<Bound<'_, PyCapsule>> {
    let schema = batch.schema();
    let reader = RecordBatchIterator::new([Ok(batch)], schema);
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
}

/// Fills a buffer request with `length` items of `size` bytes at the start of `bytes`.
///
/// # Safety
///
/// `view` is null or valid, `owner` keeps `bytes` and `length` where they are, and never changes
/// them.
pub(crate) unsafe fn fill_view(
    view: *mut pyo3::ffi::Py_buffer,
    flags: std::ffi::c_int,
    bytes: &[u8],
    (length, size, format): (&isize, isize, &'static CStr),
    owner: Bound<'_, PyAny>,
) -> PyResult<()> {
    use pyo3::exceptions::PyBufferError;
    use pyo3::ffi;

    if view.is_null() {
        return Err(PyBufferError::new_err("nowhere to put the buffer"));
    }
    if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
        return Err(PyBufferError::new_err("columns are read-only"));
    }
    // SAFETY: `view` is valid, and all that it points to belongs to `owner`, to which it gets a
    // reference, or to itself. Nobody writes through the pointers: it is marked as read-only.
    unsafe {
        (*view).obj = owner.into_ptr();
        (*view).buf = bytes.as_ptr().cast_mut().cast();
        (*view).len = *length * size;
        (*view).readonly = 1;
        (*view).itemsize = size;
        (*view).format = if flags & ffi::PyBUF_FORMAT == ffi::PyBUF_FORMAT {
            format.as_ptr().cast_mut()
        } else {
            std::ptr::null_mut()
        };
        (*view).ndim = 1;
        (*view).shape = if flags & ffi::PyBUF_ND == ffi::PyBUF_ND {
            std::ptr::from_ref(length).cast_mut()
        } else {
            std::ptr::null_mut()
        };
        (*view).strides = if flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES {
            &raw mut (*view).itemsize
        } else {
            std::ptr::null_mut()
        };
        (*view).suboffsets = std::ptr::null_mut();
        (*view).internal = std::ptr::null_mut();
    }
    Ok(())
}

/// The place that a Python index means in a sequence of this length.
pub(crate) fn place(index: isize, length: usize) -> PyResult<usize> {
    let from_end = index.checked_add_unsigned(length);
    let place = if index < 0 { from_end } else { Some(index) };
    place
        .and_then(|place| usize::try_from(place).ok())
        .filter(|place| *place < length)
        .ok_or_else(|| PyIndexError::new_err("index out of range"))
}
