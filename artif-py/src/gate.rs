//! `gate`, the cheapest question: by hand what `#[pymethods]` would make of it, for less.
//!
//! A method of `#[pymethods]` costs more than the lookup behind it: its arguments may come by name,
//! and two handles shared by threads are taken for each question. Here the argument comes by
//! position, and what is asked is kept between questions. Whatever is not at once an address and an
//! answer goes the usual way, by `_gate`, which also makes the errors.
#![expect(unsafe_code, reason = "measured: half the cost of the method that pyo3 would make")]

use std::ffi::{CStr, c_int};
use std::net::{IpAddr, Ipv4Addr};

use artif_core::Pinned;
use pyo3::PyClass;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

const DOC: &CStr = c"gate($self, ip, /)\n--\n\nThe score of one address alone, 0 (certainly bad) to \
    100 (safe): the cheapest\nquestion. Mind that an operator's override shows in the verdict only.";

/// What was asked last, kept for the next question; nothing before the first and after the end.
///
/// Without the GIL, threads take turns.
#[derive(Default)]
pub(crate) struct Kept(
    #[cfg(not(Py_GIL_DISABLED))] std::cell::UnsafeCell<Option<Pinned>>,
    #[cfg(Py_GIL_DISABLED)] std::sync::Mutex<Option<Pinned>>,
);

// SAFETY: it is only touched by `Kept::with`, which says why one thread at a time does.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl Sync for Kept {}

impl Kept {
    /// Nothing in `work` may call into Python, or otherwise have another thread go on.
    #[cfg(not(Py_GIL_DISABLED))]
    #[inline]
    fn with<T>(&self, _py: Python<'_>, work: impl FnOnce(&mut Option<Pinned>) -> T) -> T {
        // SAFETY: this thread has the GIL and keeps it while `work` runs, in which nobody comes
        // here again: this is private, and none of what is passed in below does.
        work(unsafe { &mut *self.0.get() })
    }

    #[cfg(Py_GIL_DISABLED)]
    fn with<T>(&self, _py: Python<'_>, work: impl FnOnce(&mut Option<Pinned>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The score by what was published until now.
    #[inline]
    fn score(&self, py: Python<'_>, ip: IpAddr) -> Option<f64> {
        self.with(py, |kept| {
            let pinned = kept.as_mut()?;
            pinned.renew();
            Some(pinned.score(ip))
        })
    }

    /// Keeps it, unless `closed` says that nobody will ask any more.
    pub(crate) fn keep(&self, py: Python<'_>, pinned: Pinned, closed: impl FnOnce() -> bool) {
        let old = self.with(py, |kept| if closed() { Some(pinned) } else { kept.replace(pinned) });
        drop(old);
    }

    /// Takes out what is kept.
    pub(crate) fn clear(&self, py: Python<'_>) -> Option<Pinned> {
        self.with(py, Option::take)
    }
}

/// A class with a method `_gate`, which is to have `gate`.
pub(crate) trait Gated: PyClass<Frozen = True> + Sync {
    fn kept(&self) -> &Kept;
}

/// Gives the class its `gate`.
pub(crate) fn install<C: Gated>(py: Python<'_>) -> PyResult<()> {
    // Descriptors point to it for as long as Python lives: one for each class.
    let method = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"gate".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: gate::<C> },
        ml_flags: ffi::METH_O,
        ml_doc: DOC.as_ptr(),
    }));
    let class = C::type_object(py);
    // SAFETY: the class is alive and the definition is never freed; what comes back is a new
    // reference, or nothing with an exception set.
    let descriptor = unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), method))?
    };
    class.setattr("gate", descriptor)
}

/// `gate` as Python calls it.
///
/// # Safety
///
/// `this` is an object of class `C`, `ip` any object, and the thread is attached to Python: what a
/// descriptor of class `C` made with `METH_O` sees to.
unsafe extern "C" fn gate<C: Gated>(
    this: *mut ffi::PyObject,
    ip: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as promised to this function; references are borrowed from the caller.
    let (py, object, given) = unsafe {
        let py = Python::assume_attached();
        (py, Borrowed::from_ptr(py, this), Borrowed::from_ptr(py, ip))
    };
    // SAFETY: as promised to this function.
    let asked = unsafe { object.cast_unchecked::<C>() };
    if let Some(address) = plain(given)
        && let Some(score) = asked.get().kept().score(py, address)
    {
        // SAFETY: the thread is attached.
        return unsafe { ffi::PyFloat_FromDouble(score) };
    }
    usual(object, given)
}

/// What most addresses are: a text, or an integer for IPv4. Anything else, and what is wrong with
/// it, is for others to say.
#[inline]
fn plain(given: Borrowed<'_, '_, PyAny>) -> Option<IpAddr> {
    let object = given.as_ptr();
    // SAFETY: the object is alive, and its class is compared with, not looked into.
    let (class, text, integer) =
        unsafe { (ffi::Py_TYPE(object), &raw mut ffi::PyUnicode_Type, &raw mut ffi::PyLong_Type) };
    if class == text {
        let mut length = 0;
        // SAFETY: it is a text. What comes back, where it does, are so many bytes of UTF-8 that
        // live as long as the text, which the caller holds.
        let text = unsafe {
            let bytes = ffi::PyUnicode_AsUTF8AndSize(object, &raw mut length);
            if bytes.is_null() {
                ffi::PyErr_Clear();
                return None;
            }
            let bytes = std::slice::from_raw_parts(bytes.cast(), length.cast_unsigned());
            std::str::from_utf8_unchecked(bytes)
        };
        return artif_core::address(text).ok();
    }
    if class == integer {
        let mut overflow: c_int = 0;
        // SAFETY: it is an integer; where it has no place in 64 bits, `overflow` says so.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(object, &raw mut overflow) };
        let bits = u32::try_from(number).ok().filter(|_| overflow == 0)?;
        return Some(Ipv4Addr::from_bits(bits).into());
    }
    None
}

#[cold]
fn usual(this: Borrowed<'_, '_, PyAny>, ip: Borrowed<'_, '_, PyAny>) -> *mut ffi::PyObject {
    // Counted by pyo3, so that what goes out of use meanwhile is freed at once.
    Python::attach(|py| match this.call_method1(intern!(py, "_gate"), (ip,)) {
        Ok(score) => score.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    })
}
