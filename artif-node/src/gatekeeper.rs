//! Decisions about requests.

use std::net::IpAddr;

use artif_core::client::peer_address;
use artif_core::middleware::{Action, Middleware, Mode, Reference};
use napi::bindgen_prelude::*;
use napi::{JsString, sys};
use napi_derive::napi;

use crate::answer::numbers;
use crate::error::{invalid, lift};
use crate::table::{Handle, STATE, Slot, keep};

/// Options as JSON, with the keys of `[middleware]`.
#[napi]
pub fn open_gatekeeper(env: &Env, options: String) -> napi::Result<Handle> {
    let options = serde_json::from_str::<Middleware>(&options)
        .map_err(|error| invalid("middleware options", error.to_string()));
    let gatekeeper = options.and_then(|options| artif_core::middleware::Gatekeeper::new(&options));
    Ok(keep(Slot::Gatekeeper(Box::new(lift(env, gatekeeper)?))))
}

/// The one header that is read, in lower case.
#[napi]
pub fn gatekeeper_header(env: &Env, id: u32) -> napi::Result<Option<&'static str>> {
    let header = STATE.with_borrow(|state| Ok(state.gatekeeper(id)?.client().header()));
    Ok(lift(env, header)?.map(artif_core::client::ClientHeader::as_str))
}

#[napi]
pub fn gatekeeper_enforces(env: &Env, id: u32) -> napi::Result<bool> {
    let mode = STATE.with_borrow(|state| Ok(state.gatekeeper(id)?.mode()));
    Ok(lift(env, mode)? == Mode::Enforce)
}

#[napi]
pub fn gatekeeper_is_exempt(env: &Env, id: u32, path: String) -> napi::Result<bool> {
    lift(env, STATE.with_borrow(|state| Ok(state.gatekeeper(id)?.is_exempt(&path))))
}

/// The client's address, null where it is not known.
#[napi]
pub fn gatekeeper_client(
    env: &Env,
    id: u32,
    peer: Latin1,
    value: Latin1,
) -> napi::Result<Option<String>> {
    let client = STATE.with_borrow(|state| Ok(find(state.gatekeeper(id)?, &peer, &value)));
    Ok(lift(env, client)?.map(|client| client.to_string()))
}

/// Text as the bytes that its characters stand for, as Node has headers; nothing for anything else.
pub struct Latin1(Read);

enum Read {
    Nothing,
    Short([u8; SHORT], usize),
    Long(Vec<u8>),
}

/// Most headers and all addresses are shorter.
const SHORT: usize = 128;

impl Latin1 {
    fn get(&self) -> Option<&[u8]> {
        match &self.0 {
            Read::Nothing => None,
            Read::Short(bytes, length) => bytes.get(..*length),
            Read::Long(bytes) => Some(bytes),
        }
    }
}

impl TypeName for Latin1 {
    fn type_name() -> &'static str {
        "Latin1"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Latin1 {
    unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> napi::Result<sys::napi_value> {
        Ok(std::ptr::null_mut())
    }
}

impl FromNapiValue for Latin1 {
    #[inline]
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        let mut short = [0_u8; SHORT];
        let mut length = 0;
        // SAFETY: `env` and `value` are Node's, as the trait demands; at most SHORT bytes are
        // written to `short`, the last of them a zero, and `length` counts those before it.
        let status = unsafe {
            let to = short.as_mut_ptr().cast();
            sys::napi_get_value_string_latin1(env, value, to, SHORT, &raw mut length)
        };
        if status != sys::Status::napi_ok {
            return Ok(Self(Read::Nothing));
        }
        if length + 1 < SHORT {
            return Ok(Self(Read::Short(short, length)));
        }
        // It may have been cut.
        // SAFETY: the same, and it was text a moment ago.
        let text = unsafe { JsString::from_napi_value(env, value)? };
        Ok(Self(Read::Long(text.into_latin1()?.as_slice().to_vec())))
    }
}

fn find(
    gatekeeper: &artif_core::middleware::Gatekeeper,
    peer: &Latin1,
    value: &Latin1,
) -> Option<IpAddr> {
    let peer = peer.get().and_then(|peer| peer_address(std::str::from_utf8(peer).ok()?));
    gatekeeper.client().find(peer, value.get())
}

/// What `rule` says of paths that are let through unseen.
const EXEMPT: u32 = 3;

/// Finds the client of a request and decides: 0 pass, 1 flag, 2 block, 3 exempt. Writes the answer
/// to the scratch array, a view of 0 saying that the client is not known. `engine` is null where
/// there is none yet: then no client is known.
#[napi]
pub fn rule(
    env: &Env,
    id: u32,
    engine: Option<u32>,
    path: Option<String>,
    peer: Latin1,
    value: Latin1,
) -> napi::Result<u32> {
    let ruled = STATE.with_borrow_mut(|state| {
        let gatekeeper = state.gatekeeper(id)?;
        if path.is_some_and(|path| gatekeeper.is_exempt(&path)) {
            return Ok(EXEMPT);
        }
        let client = engine.and_then(|_| find(gatekeeper, &peer, &value));
        let mut view = 0;
        let mut reputation = None;
        if let (Some(engine), Some(client)) = (engine, client) {
            let source = state.source(engine)?;
            if source.is_ready() {
                view = source.view;
                reputation = Some(source.pin.check(client).into_owned());
            }
        }
        let told = reputation.as_ref().map_or([0.0; 8], |answer| numbers(answer, view));
        let ruling = state.gatekeeper(id)?.rule_on(reputation);
        let action = match ruling.action {
            Action::Pass => 0,
            Action::Flag => 1,
            _ => 2,
        };
        state.tell(told);
        state.last = Some(ruling);
        Ok(action)
    });
    lift(env, ruled)
}

/// The client of the last ruling, as text.
#[napi]
pub fn ruled_client() -> Option<String> {
    STATE.with_borrow(|state| Some(state.last.as_ref()?.reputation.as_ref()?.ip().to_string()))
}

/// The reference of the last ruling, which passing ones have not.
#[napi]
pub fn ruled_reference() -> Option<String> {
    STATE.with_borrow(|state| {
        let reference = state.last.as_ref()?.reference.as_ref();
        reference.map(Reference::as_str).map(str::to_owned)
    })
}

/// The line of the last ruling for the log.
#[napi]
pub fn ruled_log() -> Option<String> {
    STATE.with_borrow(|state| Some(state.last.as_ref()?.to_log_json()))
}
