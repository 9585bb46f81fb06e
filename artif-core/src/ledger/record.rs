//! How heads and overrides are written, in every file of the ledger alike.

use chrono::{DateTime, Utc};

use super::block::Net;
use super::bytes::{
    Damaged, Decoded, Input, put_optional_text, put_text, put_varint, put_wide_varint,
};
use super::store::{FeedHead, Override, OverrideAction, OverrideChange, Validators};
use crate::error::{Error, Result};
use crate::net::{Prefix, Prefix4, Prefix6};

/// Longest text kept of what a server or an error said.
const MAX_OUTSIDE_TEXT: usize = 512;
/// Longest reason and author of an override together.
const MAX_OVERRIDE_TEXT: usize = 4096;

pub(crate) fn put_head(out: &mut Vec<u8>, head: &FeedHead) {
    put_text(out, head.feed.as_str());
    put_varint(out, head.generation);
    put_varint(out, head.count);
    for time in [head.first_loaded, head.changed, head.confirmed] {
        out.extend_from_slice(&time.to_le_bytes());
    }
    put_optional_text(out, head.validators.etag.as_deref());
    put_optional_text(out, head.validators.last_modified.as_deref());
    out.push(u8::from(head.validators.content.is_some()));
    if let Some(content) = head.validators.content {
        out.extend_from_slice(&content.to_le_bytes());
    }
    put_optional_text(out, head.stale.as_deref());
}

pub(crate) fn head(input: &mut Input<'_>) -> Decoded<FeedHead> {
    Ok(FeedHead {
        feed: input.text()?.parse().map_err(|_| Damaged("a feed id is not one"))?,
        generation: input.varint()?,
        count: input.varint()?,
        first_loaded: input.u32()?,
        changed: input.u32()?,
        confirmed: input.u32()?,
        validators: Validators {
            etag: input.optional_text()?.map(str::to_owned),
            last_modified: input.optional_text()?.map(str::to_owned),
            content: match input.u8()? {
                0 => None,
                1 => Some(input.u128()?),
                _ => return Err(Damaged("a flag is neither 0 nor 1")),
            },
        },
        stale: input.optional_text()?.map(str::to_owned),
    })
}

/// Validators as they are stored: one that is absurdly long only costs the next fetch its shortcut.
pub(crate) fn storable_validators(given: &Validators) -> Validators {
    let short = |text: &Option<String>| text.clone().filter(|t| t.len() <= MAX_OUTSIDE_TEXT);
    Validators {
        etag: short(&given.etag),
        last_modified: short(&given.last_modified),
        content: given.content,
    }
}

/// The reason for staleness as it is stored.
pub(crate) fn storable_reason(reason: &str) -> String {
    let mut end = reason.len().min(MAX_OUTSIDE_TEXT);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let (kept, _) = reason.split_at(end);
    kept.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Refuses an override that no block could hold.
pub(crate) fn check_override(entry: &Override) -> Result<()> {
    let length = entry.reason.len() + entry.author.len();
    if length > MAX_OVERRIDE_TEXT {
        return Err(Error::Invalid {
            what: "override",
            reason: format!(
                "reason and author have {length} bytes together: shorten them to {MAX_OVERRIDE_TEXT}"
            ),
        });
    }
    Ok(())
}

fn put_prefix(out: &mut Vec<u8>, prefix: Prefix) {
    match prefix {
        Prefix::V4(prefix) => {
            out.extend_from_slice(&[4, prefix.len()]);
            put_varint(out, prefix.word());
        }
        Prefix::V6(prefix) => {
            out.extend_from_slice(&[6, prefix.len()]);
            put_wide_varint(out, prefix.word());
        }
    }
}

fn prefix(input: &mut Input<'_>) -> Decoded<Prefix> {
    let (family, length) = (input.u8()?, input.u8()?);
    match family {
        4 => Prefix4::of(input.varint()?, length).map(Prefix::V4),
        6 => Prefix6::of(input.wide_varint()?, length).map(Prefix::V6),
        _ => None,
    }
    .ok_or(Damaged("a network is not one"))
}

fn put_time(out: &mut Vec<u8>, time: DateTime<Utc>) {
    out.extend_from_slice(&time.timestamp().to_le_bytes());
    out.extend_from_slice(&time.timestamp_subsec_nanos().to_le_bytes());
}

fn time(input: &mut Input<'_>) -> Decoded<DateTime<Utc>> {
    let (seconds, nanos) = (input.u64()?.cast_signed(), input.u32()?);
    DateTime::from_timestamp(seconds, nanos).ok_or(Damaged("a time is not one"))
}

pub(crate) fn put_override(out: &mut Vec<u8>, entry: &Override) {
    put_prefix(out, entry.prefix);
    out.push(match entry.action {
        OverrideAction::Allow => 0,
        OverrideAction::Block => 1,
    });
    put_text(out, &entry.reason);
    put_text(out, &entry.author);
    put_time(out, entry.created);
    out.push(u8::from(entry.expires.is_some()));
    if let Some(expires) = entry.expires {
        put_time(out, expires);
    }
}

pub(crate) fn override_(input: &mut Input<'_>) -> Decoded<Override> {
    Ok(Override {
        prefix: prefix(input)?,
        action: match input.u8()? {
            0 => OverrideAction::Allow,
            1 => OverrideAction::Block,
            _ => return Err(Damaged("an override neither allows nor blocks")),
        },
        reason: input.text()?.to_owned(),
        author: input.text()?.to_owned(),
        created: time(input)?,
        expires: match input.u8()? {
            0 => None,
            1 => Some(time(input)?),
            _ => return Err(Damaged("a flag is neither 0 nor 1")),
        },
    })
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;

pub(crate) fn put_change(out: &mut Vec<u8>, change: &OverrideChange) {
    match change {
        OverrideChange::Put(entry) => {
            out.push(PUT);
            put_override(out, entry);
        }
        OverrideChange::Remove { prefix, author, at } => {
            out.push(REMOVE);
            put_prefix(out, *prefix);
            put_text(out, author);
            put_time(out, *at);
        }
    }
}

pub(crate) fn change(input: &mut Input<'_>) -> Decoded<OverrideChange> {
    match input.u8()? {
        PUT => override_(input).map(OverrideChange::Put),
        REMOVE => Ok(OverrideChange::Remove {
            prefix: prefix(input)?,
            author: input.text()?.to_owned(),
            at: time(input)?,
        }),
        _ => Err(Damaged("an override change is of an unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn samples() -> Vec<OverrideChange> {
        let at: DateTime<Utc> = "2026-08-05T01:02:03.456789012Z".parse().unwrap();
        let entry = Override::new("2001:db8::/32".parse().unwrap(), OverrideAction::Allow, at)
            .reason("ours")
            .author("zoë");
        vec![
            OverrideChange::Put(entry.clone()),
            OverrideChange::Put(entry.expires(DateTime::<Utc>::MAX_UTC)),
            OverrideChange::Remove { prefix: "0.0.0.0/0".parse().unwrap(), author: "x".into(), at },
        ]
    }

    #[test]
    fn changes_come_back() {
        for sample in samples() {
            let mut out = Vec::new();
            put_change(&mut out, &sample);
            let mut input = Input::new(&out);
            assert_eq!(change(&mut input).unwrap(), sample);
            input.end().unwrap();
        }
    }

    #[test]
    fn outside_text_is_bounded_and_shown_harmless() {
        let reason = storable_reason(&format!("line\nforged {}", "ü".repeat(600)));
        assert!(reason.len() <= MAX_OUTSIDE_TEXT + 3 && !reason.contains('\n'));
        let long = Validators { etag: Some("x".repeat(9000)), ..Validators::default() };
        assert_eq!(storable_validators(&long), Validators::default());
        let huge =
            Override::new("::/0".parse().unwrap(), OverrideAction::Block, DateTime::UNIX_EPOCH);
        assert!(check_override(&huge.reason("x".repeat(5000))).is_err());
    }

    proptest! {
        #[test]
        fn damaged_records_never_panic(
            bytes in vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let _ = change(&mut Input::new(&bytes));
            let _ = head(&mut Input::new(&bytes));
            for sample in samples() {
                let mut out = Vec::new();
                put_change(&mut out, &sample);
                let at = at.index(out.len());
                prop_assert!(change(&mut Input::new(&out[..at])).is_err());
                out[at] = byte;
                let _ = change(&mut Input::new(&out));
            }
        }
    }
}
