//! Equal processes on one folder, of which one refreshes.

use std::path::PathBuf;
use std::sync::Arc;

use artif_core::{Config, Member};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{invalid, lift};
use crate::table::{Handle, Opened, keep_source, member};
use crate::task::{NOTHING, off_thread};

fn configured(
    config: Option<String>,
    settings: Option<String>,
    data: Option<String>,
) -> artif_core::Result<Config> {
    let config = config.map(PathBuf::from);
    let mut config = Config::given(config.as_deref(), settings.as_deref())?;
    if let Some(data) = data {
        config.data = data.into();
    }
    Ok(config)
}

#[napi]
pub fn open_member(
    env: &Env,
    config: Option<String>,
    settings: Option<String>,
    data: Option<String>,
) -> napi::Result<Handle> {
    let joined = configured(config, settings, data).and_then(Member::join);
    Ok(keep_source(Opened::Member(Arc::new(lift(env, joined)?))))
}

/// Checks what a member is to be opened with; its section `[middleware]` as JSON.
#[napi]
pub fn member_middleware(
    env: &Env,
    config: Option<String>,
    settings: Option<String>,
    data: Option<String>,
) -> napi::Result<String> {
    let section = configured(config, settings, data).and_then(|config| {
        Member::validate(&config)?;
        let text = serde_json::to_string(&config.middleware);
        text.map_err(|error| invalid("middleware options", error.to_string()))
    });
    lift(env, section)
}

/// Whether it owns the folder and refreshes it now.
#[napi]
pub fn is_owner(env: &Env, id: u32) -> napi::Result<bool> {
    Ok(member(env, id)?.is_owner())
}

/// Whether a snapshot was published yet.
#[napi]
pub fn has_snapshot(env: &Env, id: u32) -> napi::Result<bool> {
    Ok(member(env, id)?.has_snapshot())
}

/// The data folder.
#[napi]
pub fn member_data(env: &Env, id: u32) -> napi::Result<String> {
    Ok(member(env, id)?.data().to_string_lossy().into_owned())
}

/// Gives the folder up, where it owns it, and leaves it to others for two seconds.
#[napi(ts_return_type = "Promise<string>")]
pub fn resign(env: &Env, id: u32) -> napi::Result<Object<'_>> {
    let member = member(env, id)?;
    off_thread(env, move || {
        member.resign();
        Ok(NOTHING)
    })
}
