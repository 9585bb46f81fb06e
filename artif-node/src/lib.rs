//! The native part of the npm package: parse arguments, call the engine, convert the answer.
//!
//! Every decision is made in `artif_core`, so that other languages decide alike. What JavaScript
//! sees is in `lib/*.ts`; what is here is private to it and made for few, cheap calls: functions
//! over numbered slots instead of classes, since a method of a wrapped object costs more than a
//! lookup does.
#![allow(missing_docs, reason = "the documentation is in the TypeScript sources")]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports nothing into tests"))]
#![allow(unreachable_pub, reason = "napi-derive exports items that are pub")]
#![allow(
    unsafe_code,
    reason = "napi-derive writes the C entry points; ours is in `address` and `answer`"
)]
#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "answers are borrowed, and a method's lifetime is not general enough"
)]
#![allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    reason = "napi-derive wants arguments by value and the environment by reference"
)]

mod address;
mod answer;
mod columns;
mod engine;
mod error;
mod gatekeeper;
mod member;
mod report;
mod table;
mod task;

use napi_derive::napi;

/// Runs one `artif` command line and returns its exit code.
#[napi]
pub fn cli(args: Vec<String>) -> u8 {
    artif_core::cli::run(args, artif_core::cli::Io::standard())
}

/// Nothing but a call with a text: what benches hold the others against.
#[napi]
pub fn empty_call(text: String) -> u32 {
    text.len() as u32
}

/// The version of this build.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
