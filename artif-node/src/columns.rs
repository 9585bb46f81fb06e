//! Answers for many addresses at once, in columns.

use artif_core::{Addresses, AnswerColumns};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{invalid, lift, raise};
use crate::table::asking;

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
    let parts: Vec<&str> = text.split('\n').collect();
    if parts.len() != count as usize {
        // One of the texts has a line feed in it.
        return Ok(None);
    }
    columns(env, id, Addresses::Text(&parts)).map(Some)
}

/// Texts one by one.
#[napi]
pub fn check_texts(env: &Env, id: u32, texts: Vec<String>) -> napi::Result<Columns> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    columns(env, id, Addresses::Text(&texts))
}

/// IPv4 addresses as numbers.
#[napi]
pub fn check_numbers(env: &Env, id: u32, numbers: &[u32]) -> napi::Result<Columns> {
    columns(env, id, Addresses::V4(numbers))
}

/// Addresses of 4 or 16 bytes each, in network order.
#[napi]
pub fn check_packed(env: &Env, id: u32, packed: &[u8], width: u32) -> napi::Result<Columns> {
    let whole = |rest: &[u8]| {
        if rest.is_empty() {
            return Ok(());
        }
        let reason = format!("{} bytes are no whole number of {width}", packed.len());
        Err(raise(env, &invalid("packed addresses", reason)))
    };
    match width {
        4 => {
            let (addresses, rest) = packed.as_chunks::<4>();
            whole(rest)?;
            let numbers: Vec<u32> = addresses.iter().map(|b| u32::from_be_bytes(*b)).collect();
            columns(env, id, Addresses::V4(&numbers))
        }
        16 => {
            let (addresses, rest) = packed.as_chunks::<16>();
            whole(rest)?;
            columns(env, id, Addresses::V6Bytes(addresses))
        }
        _ => Err(raise(env, &invalid("width", "addresses have 4 or 16 bytes"))),
    }
}

fn columns(env: &Env, id: u32, addresses: Addresses<'_>) -> napi::Result<Columns> {
    let count = addresses.len();
    let (mut score, mut verdict, mut state) = (vec![0.0; count], vec![0; count], vec![0; count]);
    let (mut asn, mut country) = (vec![0; count], vec![[0; 2]; count]);
    let mut columns = AnswerColumns::new()
        .score(&mut score)
        .verdict(&mut verdict)
        .state(&mut state)
        .asn(&mut asn)
        .country(&mut country);
    let invalid = asking(env, id, |source| source.pin.check_into(addresses, &mut columns))?;
    let invalid = lift(env, invalid)?;
    let country: Vec<u16> = country.into_iter().map(u16::from_be_bytes).collect();
    Ok(Columns {
        score: score.into(),
        verdict: verdict.into(),
        state: state.into(),
        asn: asn.into(),
        country: country.into(),
        invalid: invalid as u32,
    })
}
