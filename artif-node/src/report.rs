//! Reports about feeds and scorers.

use std::path::PathBuf;

use artif_core::Config;
use artif_core::backtest::Backtest;
use artif_core::config::ScorerKind;
use napi::bindgen_prelude::*;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::error::{invalid, lift};
use crate::table::asking;
use crate::task::off_thread;

/// How feeds compare; resolves to JSON, text and HTML, as a JSON array.
#[napi(ts_return_type = "Promise<string>")]
pub fn feed_report(env: &Env, id: u32) -> napi::Result<Object<'_>> {
    let pin = asking(env, id, |source| source.pin.clone())?;
    off_thread(env, move || {
        let report = pin.feed_report();
        Ok([json(&report)?, report.to_text(), report.to_html()?])
    })
}

/// Judges scorers; resolves to JSON and text, as a JSON array. `start` is a day as in `2026-08-05`;
/// `onDay` is called with days as JSON.
#[napi(
    ts_args_type = "replay: string, catalogue: string | undefined | null, config: string | undefined | null, settings: string | undefined | null, scorers: Array<string> | undefined | null, start: string | undefined | null, negatives: number | undefined | null, seed: number | undefined | null, onDay?: ((day: string) => void) | undefined | null",
    ts_return_type = "Promise<string>"
)]
#[allow(clippy::too_many_arguments, reason = "TypeScript gives them names")]
pub fn backtest<'env>(
    env: &'env Env,
    replay: String,
    catalogue: Option<String>,
    config: Option<String>,
    settings: Option<String>,
    scorers: Option<Vec<String>>,
    start: Option<String>,
    negatives: Option<u32>,
    seed: Option<u32>,
    on_day: Option<Function<'_, String, Unknown<'static>>>,
) -> napi::Result<Object<'env>> {
    let config = config.map(PathBuf::from);
    let config = lift(env, Config::given(config.as_deref(), settings.as_deref()))?;
    let mut backtest = Backtest::new(replay).config(config);
    if let Some(catalogue) = catalogue {
        backtest = backtest.catalogue(catalogue);
    }
    if let Some(names) = scorers {
        let kinds: artif_core::Result<Vec<ScorerKind>> = names.iter().map(|n| n.parse()).collect();
        backtest = backtest.scorers(lift(env, kinds)?);
    }
    if let Some(start) = start {
        let day = start.parse().map_err(|_| invalid("start", format!("{start:?} is no day")));
        backtest = backtest.from(lift(env, day)?);
    }
    if let Some(negatives) = negatives {
        backtest = backtest.negatives(negatives as usize);
    }
    if let Some(seed) = seed {
        backtest = backtest.seed(seed.into());
    }
    let on_day = on_day
        .map(|on_day| {
            // The promise keeps the process alive, not the callback.
            let told = on_day.build_threadsafe_function::<String>().weak::<true>();
            told.build_callback(|told| Ok(told.value))
        })
        .transpose()?;
    off_thread(env, move || {
        let report = backtest.run(|day| {
            if let (Some(on_day), Ok(day)) = (&on_day, serde_json::to_string(day)) {
                // What comes after JavaScript's end has nobody to hear it.
                let _ = on_day.call(day, ThreadsafeFunctionCallMode::NonBlocking);
            }
        })?;
        Ok([json(&report)?, report.to_text()])
    })
}

fn json<T: serde::Serialize>(value: &T) -> artif_core::Result<String> {
    serde_json::to_string(value).map_err(|error| invalid("answer", error.to_string()))
}
