//! Answers: their numbers at once, the rest when asked for.

use std::net::IpAddr;

use artif_core::{Borrowed, Held, Reputation};
use chrono::{DateTime, Utc};
use napi::bindgen_prelude::*;
use napi::sys;
use napi_derive::napi;

use crate::address::Address;
use crate::error::{invalid, lift, raise};
use crate::table::{Handle, Opened, STATE, State, keep_view, opened};

/// A function that writes the score of its argument to the scratch array, for one engine or reader.
///
/// By hand: with the slot's number in the function itself, a question takes two calls into Node, one
/// of which is for the text.
#[napi(ts_return_type = "(ip: Address) => void")]
pub fn gate_of(env: &Env, id: u32) -> napi::Result<Unknown<'static>> {
    let mut function = std::ptr::null_mut();
    // SAFETY: the name has the length that is said; the data is a number, which Node only carries.
    let status = unsafe {
        let number = std::ptr::without_provenance_mut(id as usize);
        let (name, length) = (c"gate".as_ptr(), 4);
        sys::napi_create_function(env.raw(), name, length, Some(gate), number, &raw mut function)
    };
    napi::check_status!(status, "no function could be made")?;
    // SAFETY: Node has just made it.
    unsafe { Unknown::from_napi_value(env.raw(), function) }
}

unsafe extern "C" fn gate(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let (mut count, mut ip, mut number) = (1, std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: Node calls this; there is room for as many arguments as `count` says. What is not
    // given is JavaScript's undefined.
    let status = unsafe {
        let this = std::ptr::null_mut();
        sys::napi_get_cb_info(env, info, &raw mut count, &raw mut ip, this, &raw mut number)
    };
    if status != sys::Status::napi_ok {
        return std::ptr::null_mut();
    }
    let id = number.addr() as u32;
    // SAFETY: both are Node's, from this call.
    let told = match unsafe { crate::address::plain(env, ip) } {
        Some(address) => tell_score(env, id, address),
        // SAFETY: the same.
        None => unsafe { crate::address::any(env, ip) }.and_then(|ip| tell_score(env, id, ip.0)),
    };
    if let Err(error) = told {
        // SAFETY: the same.
        unsafe { napi::JsError::from(error).throw_into(env) };
    }
    // That is undefined.
    std::ptr::null_mut()
}

#[inline]
fn tell_score(env: sys::napi_env, id: u32, ip: IpAddr) -> napi::Result<()> {
    let told = STATE.with_borrow_mut(|state| {
        let score = state.source(id)?.pin.score(ip);
        state.tell([score]);
        Ok(())
    });
    lift(&Env::from_raw(env), told)
}

/// Writes an answer to the scratch array.
#[napi]
pub fn check(env: &Env, id: u32, ip: Address) -> napi::Result<()> {
    let told = STATE.with_borrow_mut(|state| {
        let source = state.source(id)?;
        let view = source.view;
        let answer = source.pin.check(ip.0);
        let numbers = numbers(&answer, view);
        state.tell(numbers);
        Ok(())
    });
    lift(env, told)
}

/// What the scratch array holds, in this order: score, risk, verdict, state, asn, country, view, and
/// for rulings the client's IPv4 address, -1 where it has another.
pub(crate) type Numbers = [f64; 8];

#[inline]
pub(crate) fn numbers<H: Held>(answer: &Reputation<H>, view: u32) -> Numbers {
    let country = answer.country().map_or(0, |country| match *country.as_str().as_bytes() {
        [first, second] => u16::from_be_bytes([first, second]),
        _ => 0,
    });
    [
        answer.score(),
        answer.risk().unwrap_or(f64::NAN),
        f64::from(answer.verdict() as u8),
        f64::from(answer.state() as u8),
        answer.asn().map_or(-1.0, f64::from),
        f64::from(country),
        f64::from(view),
        match answer.ip() {
            IpAddr::V4(v4) => f64::from(v4.to_bits()),
            IpAddr::V6(_) => -1.0,
        },
    ]
}

impl State {
    #[inline]
    pub(crate) fn tell<const N: usize>(&mut self, numbers: [f64; N]) {
        let Some(scratch) = &mut self.scratch else { return };
        // SAFETY: JavaScript runs on this thread and not now, and the array is not shared with
        // other threads nor detached: `lib/native.ts` makes it and gives it to nobody.
        let scratch = unsafe { scratch.as_mut() };
        for (place, number) in scratch.iter_mut().zip(numbers) {
            *place = number;
        }
    }
}

/// What `check` answered from last, to be kept as long as such answers are.
#[napi]
pub fn view(env: &Env, id: u32) -> napi::Result<Handle> {
    let pin = lift(env, STATE.with_borrow(|state| Ok(state.as_it_was(id)?.pin.clone())))?;
    keep_view(env, pin)
}

fn seen<T>(
    env: &Env,
    view: u32,
    ip: Address,
    read: impl FnOnce(&Reputation<Borrowed<'_>>) -> T,
) -> napi::Result<T> {
    let read = STATE.with_borrow(|state| state.view(view).map(|pin| read(&pin.check(ip.0))));
    lift(env, read)
}

fn json<T: serde::Serialize>(env: &Env, value: &T) -> napi::Result<String> {
    let text = serde_json::to_string(value);
    lift(env, text.map_err(|error| invalid("answer", error.to_string())))
}

#[napi]
pub fn answer_json(env: &Env, view: u32, ip: Address) -> napi::Result<String> {
    let text = seen(env, view, ip, |answer| serde_json::to_string(answer))?;
    lift(env, text.map_err(|error| invalid("answer", error.to_string())))
}

#[napi]
pub fn answer_ip(env: &Env, view: u32, ip: Address) -> napi::Result<String> {
    seen(env, view, ip, |answer| answer.ip().to_string())
}

#[napi]
pub fn answer_description(env: &Env, view: u32, ip: Address) -> napi::Result<String> {
    seen(env, view, ip, |answer| answer.description())
}

#[napi]
pub fn answer_organisation(env: &Env, view: u32, ip: Address) -> napi::Result<Option<String>> {
    seen(env, view, ip, |answer| answer.organisation().map(str::to_owned))
}

#[napi]
pub fn answer_feeds(env: &Env, view: u32, ip: Address) -> napi::Result<Vec<String>> {
    seen(env, view, ip, |answer| answer.feeds().map(|feed| feed.id.clone()).collect())
}

#[napi]
pub fn answer_labels(env: &Env, view: u32, ip: Address) -> napi::Result<Vec<String>> {
    seen(env, view, ip, |answer| answer.labels().map(|feed| feed.id.clone()).collect())
}

#[napi]
pub fn answer_warninglists(env: &Env, view: u32, ip: Address) -> napi::Result<Vec<String>> {
    seen(env, view, ip, |answer| answer.warninglists().map(|list| list.name.clone()).collect())
}

#[napi]
pub fn answer_categories(env: &Env, view: u32, ip: Address) -> napi::Result<String> {
    let categories = seen(env, view, ip, |answer| answer.categories())?;
    json(env, &categories)
}

/// Milliseconds since 1970.
#[napi]
pub fn answer_first_seen(env: &Env, view: u32, ip: Address) -> napi::Result<Option<f64>> {
    seen(env, view, ip, |answer| answer.first_seen().map(milliseconds))
}

/// Milliseconds since 1970.
#[napi]
pub fn answer_last_seen(env: &Env, view: u32, ip: Address) -> napi::Result<Option<f64>> {
    seen(env, view, ip, |answer| answer.last_seen().map(milliseconds))
}

#[napi]
pub fn answer_special_purpose(
    env: &Env,
    view: u32,
    ip: Address,
) -> napi::Result<Option<&'static str>> {
    seen(env, view, ip, |answer| answer.special_purpose().map(|block| block.name))
}

#[napi]
pub fn answer_override(env: &Env, view: u32, ip: Address) -> napi::Result<Option<String>> {
    let entry = seen(env, view, ip, |answer| answer.override_entry().cloned())?;
    entry.map(|entry| json(env, &entry)).transpose()
}

/// What the application reported of it that counts, as JSON.
#[napi]
pub fn answer_signals(env: &Env, view: u32, ip: Address) -> napi::Result<String> {
    let signals = seen(env, view, ip, |answer| answer.signals())?;
    json(env, &signals)
}

#[napi]
pub fn answer_snapshot_id(env: &Env, view: u32, ip: Address) -> napi::Result<f64> {
    seen(env, view, ip, |answer| answer.snapshot_id() as f64)
}

#[napi]
pub fn answer_is_stale(env: &Env, view: u32, ip: Address) -> napi::Result<bool> {
    seen(env, view, ip, |answer| answer.is_stale())
}

fn milliseconds(moment: DateTime<Utc>) -> f64 {
    moment.timestamp_millis() as f64
}

/// The answer with all its reasons, as JSON and as text.
#[napi]
pub fn explain(env: &Env, id: u32, ip: Address) -> napi::Result<Vec<String>> {
    let explanation = opened(env, id)?.asked().explain(ip.0);
    Ok(vec![json(env, &explanation)?, explanation.to_text()])
}

/// Every listing of the address within the retention, as JSON.
#[napi]
pub fn history(env: &Env, id: u32, ip: Address) -> napi::Result<String> {
    json(env, &opened(env, id)?.asked().history(ip.0))
}

/// What was known of the address at a moment, in milliseconds since 1970, as JSON.
#[napi]
pub fn check_at(env: &Env, id: u32, ip: Address, at: f64) -> napi::Result<String> {
    let at = moment(env, at)?;
    json(env, &opened(env, id)?.asked().check_at(ip.0, at))
}

pub(crate) fn moment(env: &Env, milliseconds: f64) -> napi::Result<DateTime<Utc>> {
    let whole = milliseconds.is_finite().then_some(milliseconds as i64);
    whole
        .and_then(DateTime::from_timestamp_millis)
        .ok_or_else(|| raise(env, &invalid("time", format!("{milliseconds} is no moment"))))
}

/// Adds reports of the application about an address; says whether they are kept.
#[napi]
pub fn signal(env: &Env, id: u32, ip: Address, name: String, count: u32) -> napi::Result<bool> {
    lift(
        env,
        match opened(env, id)? {
            Opened::Reader(reader) => reader.signal_count(ip.0, &name, count),
            Opened::Engine(engine) => engine.signal_count(ip.0, &name, count),
            Opened::Member(member) => member.signal_count(ip.0, &name, count),
        },
    )
}

/// What the application reported of an address, by kind, as JSON.
#[napi]
pub fn signals(env: &Env, id: u32, ip: Address) -> napi::Result<String> {
    json(
        env,
        &match opened(env, id)? {
            Opened::Reader(reader) => reader.signals(ip.0),
            Opened::Engine(engine) => engine.signals(ip.0),
            Opened::Member(member) => member.signals(ip.0),
        },
    )
}

/// Forgets all that the application reported of an address; says whether there was anything.
#[napi]
pub fn forget_signals(env: &Env, id: u32, ip: Address) -> napi::Result<bool> {
    lift(
        env,
        match opened(env, id)? {
            Opened::Reader(reader) => reader.forget_signals(ip.0),
            Opened::Engine(engine) => engine.forget_signals(ip.0),
            Opened::Member(member) => member.forget_signals(ip.0),
        },
    )
}

/// How the engine is, as JSON.
#[napi]
pub fn status(env: &Env, id: u32) -> napi::Result<String> {
    json(env, &opened(env, id)?.asked().status())
}

/// The network of this many bits around an address, in CIDR notation.
#[napi]
pub fn network(env: &Env, ip: Address, v4: u8, v6: u8) -> napi::Result<String> {
    let address = artif_core::canonical_address(ip.0);
    let length = if address.is_ipv4() { v4 } else { v6 };
    let prefix = artif_core::Prefix::new(address, length)
        .ok_or_else(|| invalid("prefix length", format!("{length} bits are too many")));
    Ok(lift(env, prefix)?.to_string())
}
