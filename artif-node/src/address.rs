//! Addresses from JavaScript: text, numbers for IPv4, big integers, packed bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use artif_core::Error;
use napi::bindgen_prelude::*;
use napi::sys;

use crate::error::raise;

/// Longer than any spelling of an address.
const TEXT: usize = 64;

/// An address, as whatever it was given.
#[derive(Debug, Clone, Copy)]
pub struct Address(pub(crate) IpAddr);

impl TypeName for Address {
    fn type_name() -> &'static str {
        "Address"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Address {
    unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> napi::Result<sys::napi_value> {
        // Reading it says more than a check of its type would.
        Ok(std::ptr::null_mut())
    }
}

impl FromNapiValue for Address {
    /// One call into Node for text, the form that matters: `String` would take two and allocate.
    #[inline]
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        // SAFETY: `env` and `value` are Node's, as the trait demands.
        if let Some(address) = unsafe { text(env, value) } {
            return Ok(Self(address));
        }
        // SAFETY: the same.
        let value = unsafe { Unknown::from_napi_value(env, value)? };
        other(&Env::from_raw(env), value)
    }
}

/// The address that a text spells; nothing for what is none, or no text.
///
/// As UTF-16, since for that Node copies: for UTF-8 it goes through character by character.
///
/// # Safety
///
/// `env` and `value` are Node's.
#[inline]
pub(crate) unsafe fn text(env: sys::napi_env, value: sys::napi_value) -> Option<IpAddr> {
    let mut units = [0_u16; TEXT];
    let mut length = 0;
    // SAFETY: as promised to this function; at most TEXT units are written, the last of them a
    // zero, and `length` counts those before it.
    let status = unsafe {
        let to = units.as_mut_ptr();
        sys::napi_get_value_string_utf16(env, value, to, TEXT, &raw mut length)
    };
    if status != sys::Status::napi_ok {
        return None;
    }
    let bytes = units.map(|unit| unit as u8);
    if units.iter().fold(0, |all, unit| all | unit) > 0x7f {
        return None;
    }
    artif_core::address(std::str::from_utf8(bytes.get(..length)?).ok()?).ok()
}

/// The address that a text spells or a number is; nothing for anything else.
///
/// # Safety
///
/// `env` and `value` are Node's.
#[inline]
pub(crate) unsafe fn plain(env: sys::napi_env, value: sys::napi_value) -> Option<IpAddr> {
    // SAFETY: as promised to this function.
    if let Some(address) = unsafe { text(env, value) } {
        return Some(address);
    }
    let mut number = 0.0;
    // SAFETY: the same; Node writes to the number.
    let status = unsafe { sys::napi_get_value_double(env, value, &raw mut number) };
    let bits = (status == sys::Status::napi_ok).then_some(number).and_then(whole)?;
    Some(Ipv4Addr::from_bits(bits).into())
}

/// An address in any form.
///
/// # Safety
///
/// `env` and `value` are Node's.
#[cold]
pub(crate) unsafe fn any(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Address> {
    // SAFETY: as promised to this function.
    unsafe { Address::from_napi_value(env, value) }
}

#[cold]
fn other(env: &Env, value: Unknown<'_>) -> napi::Result<Address> {
    let found = match value.get_type()? {
        ValueType::Number => whole(read::<f64>(value)?).map(Ipv4Addr::from_bits).map(IpAddr::V4),
        ValueType::BigInt => big(read::<BigInt>(value)?),
        ValueType::Object if value.is_typedarray()? => {
            // Other typed arrays have no bytes in the order of the network.
            read::<Uint8Array>(value).ok().and_then(|bytes| unpack(&bytes))
        }
        _ => None,
    };
    match found {
        Some(address) => Ok(Address(address)),
        None => Err(raise(env, &Error::BadAddress { input: shown(value) })),
    }
}

fn read<T: FromNapiValue>(value: Unknown<'_>) -> napi::Result<T> {
    let inner = value.value();
    // SAFETY: both come from Node in this call.
    unsafe { T::from_napi_value(inner.env, value.raw()) }
}

/// A number that is an IPv4 address: whole, and within 32 bits.
fn whole(number: f64) -> Option<u32> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[expect(clippy::cast_sign_loss, reason = "checked in the line above")]
    fits.then_some(number as u32)
}

/// As Python reads integers: IPv4 where 32 bits are enough.
fn big(number: BigInt) -> Option<IpAddr> {
    let (negative, bits, lossless) = number.get_u128();
    if negative || !lossless {
        return None;
    }
    Some(match u32::try_from(bits) {
        Ok(v4) => Ipv4Addr::from_bits(v4).into(),
        Err(_) => Ipv6Addr::from_bits(bits).into(),
    })
}

fn unpack(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*bytes.first_chunk::<16>()?)),
        _ => None,
    }
}

fn shown(value: Unknown<'_>) -> String {
    // Objects have a text of their own making, and symbols have none.
    let text = match value.get_type() {
        Ok(kind @ (ValueType::Object | ValueType::Function | ValueType::Symbol)) => Err(kind),
        _ => value
            .coerce_to_string()
            .and_then(|t| t.into_utf8()?.into_owned())
            .map_err(|_| ValueType::Unknown),
    };
    let text = text.unwrap_or_else(|kind| kind.to_string());
    match artif_core::address(&text) {
        Err(Error::BadAddress { input }) => input,
        // Nobody's text of something else is an address.
        _ => text,
    }
}
