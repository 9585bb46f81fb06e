//! Answers for many addresses at once, in columns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::answer::numbers;
use crate::error::{invalid, raise};
use crate::table::asking;

/// What stands in the column of verdicts for text that is no address.
const NO_ADDRESS: u8 = u8::MAX;

/// One number an address in each column.
#[napi(object)]
pub struct Columns {
    pub score: Float64Array,
    pub verdict: Uint8Array,
    pub state: Uint8Array,
    pub asn: Uint32Array,
    pub country: Uint16Array,
    /// How many were no addresses.
    pub invalid: u32,
}

/// Texts joined by line feeds, so many of them.
#[napi]
pub fn check_joined(env: &Env, id: u32, text: String, count: u32) -> napi::Result<Option<Columns>> {
    let parts = text.split('\n');
    if parts.clone().count() != count as usize {
        // One of the texts has a line feed in it.
        return Ok(None);
    }
    columns(env, id, parts.map(|text| artif_core::address(text).ok())).map(Some)
}

/// Texts one by one.
#[napi]
pub fn check_texts(env: &Env, id: u32, texts: Vec<String>) -> napi::Result<Columns> {
    columns(env, id, texts.iter().map(|text| artif_core::address(text).ok()))
}

/// IPv4 addresses as numbers.
#[napi]
pub fn check_numbers(env: &Env, id: u32, numbers: &[u32]) -> napi::Result<Columns> {
    columns(env, id, numbers.iter().map(|bits| Some(Ipv4Addr::from_bits(*bits).into())))
}

/// Addresses of 4 or 16 bytes each, in network order.
#[napi]
pub fn check_packed(env: &Env, id: u32, packed: &[u8], width: u32) -> napi::Result<Columns> {
    let (addresses, rest) = match width {
        4 => {
            let (whole, rest) = packed.as_chunks::<4>();
            (whole.iter().map(|b| Ipv4Addr::from(*b).into()).collect::<Vec<IpAddr>>(), rest)
        }
        16 => {
            let (whole, rest) = packed.as_chunks::<16>();
            (whole.iter().map(|b| Ipv6Addr::from(*b).into()).collect(), rest)
        }
        _ => return Err(raise(env, &invalid("width", "addresses have 4 or 16 bytes"))),
    };
    if !rest.is_empty() {
        let reason = format!("{} bytes are no whole number of {width}", packed.len());
        return Err(raise(env, &invalid("packed addresses", reason)));
    }
    columns(env, id, addresses.into_iter().map(Some))
}

fn columns(
    env: &Env,
    id: u32,
    addresses: impl Iterator<Item = Option<IpAddr>>,
) -> napi::Result<Columns> {
    let (mut score, mut verdict, mut state) = (Vec::new(), Vec::new(), Vec::new());
    let (mut asn, mut country, mut invalid) = (Vec::new(), Vec::new(), 0);
    asking(env, id, |source| {
        for address in addresses {
            let Some(address) = address else {
                invalid += 1;
                score.push(f64::NAN);
                verdict.push(NO_ADDRESS);
                state.push(0);
                asn.push(0);
                country.push(0);
                continue;
            };
            let answer = source.pin.check(address);
            let [_, _, _, _, _, letters, ..] = numbers(&answer, 0);
            score.push(answer.score());
            verdict.push(answer.verdict() as u8);
            state.push(answer.state() as u8);
            asn.push(answer.asn().unwrap_or(0));
            #[expect(clippy::cast_sign_loss, reason = "it was a u16")]
            country.push(letters as u16);
        }
    })?;
    Ok(Columns {
        score: score.into(),
        verdict: verdict.into(),
        state: state.into(),
        asn: asn.into(),
        country: country.into(),
        invalid,
    })
}
