//! Opening, refreshing, overrides.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artif_core::ledger::{Override, OverrideAction};
use artif_core::misp::SightingKind;
use artif_core::{Config, FeedId, Prefix, RefreshOptions};
use chrono::Utc;
use napi::bindgen_prelude::*;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::address::Address;
use crate::answer::moment;
use crate::error::{lift, raise};
use crate::table::{Handle, Opened, STATE, keep_source, opened, owner};
use crate::task::{NOTHING, off_thread};

#[napi]
pub fn open_reader(env: &Env, data: String) -> napi::Result<Handle> {
    let reader = lift(env, artif_core::Reader::open(data))?;
    Ok(keep_source(Opened::Reader(Arc::new(reader))))
}

#[napi]
pub fn open_engine(
    env: &Env,
    config: Option<String>,
    settings: Option<String>,
    data: Option<String>,
    in_memory: bool,
) -> napi::Result<Handle> {
    let config = config.map(PathBuf::from);
    let config = lift(env, Config::given(config.as_deref(), settings.as_deref()))?;
    let mut builder = artif_core::Engine::builder().config(config);
    if let Some(data) = data {
        builder = builder.data(data);
    }
    if in_memory {
        builder = builder.in_memory();
    }
    let engine = lift(env, builder.build())?;
    Ok(keep_source(Opened::Engine(Arc::new(engine))))
}

/// Takes up what was published meanwhile at once; says whether there was anything.
#[napi]
pub fn reload(env: &Env, id: u32) -> napi::Result<bool> {
    match opened(env, id)? {
        Opened::Reader(reader) => lift(env, reader.reload()),
        Opened::Member(member) => lift(env, member.reload()),
        Opened::Engine(_) => Ok(false),
    }
}

/// The data folder, null in memory.
#[napi]
pub fn data(env: &Env, id: u32) -> napi::Result<Option<String>> {
    Ok(owner(env, id)?.data().map(|path| path.to_string_lossy().into_owned()))
}

/// Stops a refresh.
#[napi]
#[derive(Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

#[napi]
impl Cancel {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops it soon.
    #[napi]
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Resolves to the report as JSON. `progress` is called with events as JSON.
#[napi(
    ts_args_type = "id: number, feeds: Array<string>, force: boolean, dryRun: boolean, cancel: Cancel, progress?: ((event: string) => void) | undefined | null",
    ts_return_type = "Promise<string>"
)]
pub fn refresh<'env>(
    env: &'env Env,
    id: u32,
    feeds: Vec<String>,
    force: bool,
    dry_run: bool,
    cancel: &Cancel,
    progress: Option<Function<'_, String, Unknown<'static>>>,
) -> napi::Result<Object<'env>> {
    let engine = owner(env, id)?;
    let stop = Arc::clone(&cancel.0);
    let mut options = RefreshOptions::default().cancel(Arc::clone(&stop));
    for feed in feeds {
        options = options.feed(lift(env, feed.parse::<FeedId>())?);
    }
    options.force = force;
    options.dry_run = dry_run;
    if let Some(progress) = progress {
        // The promise keeps the process alive, not the callback.
        let progress = progress
            .build_threadsafe_function::<String>()
            .weak::<true>()
            .build_callback(|told| Ok(told.value))?;
        options = options.progress(move |event| {
            if let Ok(event) = serde_json::to_string(&event) {
                // What comes after JavaScript's end has nobody to hear it.
                let _ = progress.call(event, ThreadsafeFunctionCallMode::NonBlocking);
            }
        });
    }
    STATE.with_borrow_mut(|state| state.stop_at_the_end(&stop));
    off_thread(env, move || engine.refresh(&options))
}

/// Takes the content that the guard refused of a feed; resolves to the report as JSON.
#[napi(ts_return_type = "Promise<string>")]
pub fn accept_feed(env: &Env, id: u32, feed: String) -> napi::Result<Object<'_>> {
    let engine = owner(env, id)?;
    off_thread(env, move || engine.accept_feed(&feed.parse::<FeedId>()?))
}

/// Switches a feed on or off, from the next refresh on.
#[napi(ts_return_type = "Promise<string>")]
pub fn enable_feed(env: &Env, id: u32, feed: String, enabled: bool) -> napi::Result<Object<'_>> {
    let engine = owner(env, id)?;
    off_thread(env, move || {
        engine.enable_feed(&feed.parse::<FeedId>()?, enabled)?;
        Ok(NOTHING)
    })
}

/// Adds an operator's decision for a network; `expires` in milliseconds since 1970.
#[napi(ts_return_type = "Promise<string>")]
pub fn add_override(
    env: &Env,
    id: u32,
    network: String,
    allow: bool,
    reason: Option<String>,
    author: Option<String>,
    expires: Option<f64>,
) -> napi::Result<Object<'_>> {
    let engine = owner(env, id)?;
    let expires = expires.map(|at| moment(env, at)).transpose()?;
    let action = if allow { OverrideAction::Allow } else { OverrideAction::Block };
    off_thread(env, move || {
        let mut entry = Override::new(network.parse::<Prefix>()?, action, Utc::now());
        if let Some(reason) = reason {
            entry = entry.reason(reason);
        }
        if let Some(author) = author {
            entry = entry.author(author);
        }
        if let Some(expires) = expires {
            entry = entry.expires(expires);
        }
        engine.add_override(entry)?;
        Ok(NOTHING)
    })
}

/// Removes the decision for exactly this network; resolves to whether there was one, as JSON.
#[napi(ts_return_type = "Promise<string>")]
pub fn remove_override(
    env: &Env,
    id: u32,
    network: String,
    author: String,
) -> napi::Result<Object<'_>> {
    let engine = owner(env, id)?;
    off_thread(env, move || engine.remove_override(network.parse::<Prefix>()?, &author))
}

/// Notes that an address was met, or was harmless, for the MISP servers that want to hear of it;
/// whether it will be sent.
#[napi]
pub fn sighting(env: &Env, id: u32, ip: Address, false_positive: bool) -> napi::Result<bool> {
    let kind = if false_positive { SightingKind::FalsePositive } else { SightingKind::Seen };
    Ok(owner(env, id)?.note_sighting(ip.0, kind))
}

/// Sends what was noted; resolves to what became of it on each server, as JSON.
#[napi(ts_return_type = "Promise<string>")]
pub fn send_sightings(env: &Env, id: u32) -> napi::Result<Object<'_>> {
    let engine = owner(env, id)?;
    off_thread(env, move || engine.send_noted_sightings())
}

/// The operators' decisions, expired ones too, as JSON.
#[napi]
pub fn overrides(env: &Env, id: u32) -> napi::Result<String> {
    let entries = serde_json::to_string(&owner(env, id)?.overrides());
    entries.map_err(|error| raise(env, &crate::error::invalid("answer", error.to_string())))
}
