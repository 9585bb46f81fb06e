//! Work off JavaScript's thread, as promises.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use napi::bindgen_prelude::*;
use serde_json::Value;

use crate::error::{invalid, raise};

type Settled = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;

/// Runs `work` in a thread of its own. The promise gives its result as JSON, or rejects with the
/// same error that a call on JavaScript's thread would throw.
pub(crate) fn off_thread<T, W>(env: &Env, work: W) -> napi::Result<Object<'_>>
where
    T: serde::Serialize,
    W: FnOnce() -> artif_core::Result<T> + Send + 'static,
{
    let (deferred, promise) = env.create_deferred::<String, Settled>()?;
    let run = move || {
        // Without this a panic would leave the promise open for ever.
        let done = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(invalid("state", "the work ended by a panic")))
            .and_then(|done| {
                let text = serde_json::to_string(&done);
                text.map_err(|error| invalid("answer", error.to_string()))
            });
        deferred.resolve(Box::new(move |env| done.map_err(|error| raise(&env, &error))));
    };
    thread::Builder::new()
        .name("artif-work".to_owned())
        .spawn(run)
        .map_err(|error| napi::Error::from_reason(format!("no thread to work in: {error}")))?;
    Ok(promise)
}

/// What work gives that has nothing to say.
pub(crate) const NOTHING: Value = Value::Null;
