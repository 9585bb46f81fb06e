//! Errors: JavaScript makes them, so that each code of the engine is a class of `artif`.

use artif_core::Error;
use napi::bindgen_prelude::*;

use crate::table::STATE;

/// Makes an error of a code, a text and whether it may pass.
pub(crate) type Maker = FunctionRef<FnArgs<(String, String, bool)>, Unknown<'static>>;

/// The engine's error as the JavaScript error for its code, made now on JavaScript's thread.
#[cold]
pub(crate) fn raise(env: &Env, error: &Error) -> napi::Error {
    let made = STATE.with_borrow(|state| {
        let maker = state.maker.as_ref().map(|maker| maker.borrow_back(env));
        maker.unwrap_or_else(|| Err(napi::Error::from_reason("the addon was not set up")))
    });
    let told = (error.code().to_owned(), error.in_full(), error.is_retryable());
    match made.and_then(|maker| maker.call(FnArgs::from(told))) {
        Ok(made) => made.into(),
        Err(failed) => failed,
    }
}

/// `result` with the engine's error as a JavaScript one.
#[inline]
pub(crate) fn lift<T>(env: &Env, result: artif_core::Result<T>) -> napi::Result<T> {
    result.map_err(|error| raise(env, &error))
}

pub(crate) fn invalid(what: &'static str, reason: impl Into<String>) -> Error {
    Error::Invalid { what, reason: reason.into() }
}
