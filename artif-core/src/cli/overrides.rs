//! `artif override`.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::args::{OverrideCommand, moment};
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::engine::Overrides;
use crate::ledger::{Override, OverrideAction};
use crate::net::Prefix;
use crate::overlay::Overlay;

pub(super) fn run(command: &OverrideCommand, context: &mut Context<'_>) -> Done {
    let now = context.clock().now();
    let config = context.config()?;
    let open = || Overrides::open(&config.data);
    let screen = &mut context.screen;
    match command {
        OverrideCommand::Add { prefix, action, reason, author, expires } => {
            let mut entry = Override::new(*prefix, *action, now)
                .reason(reason.as_str())
                .author(author_or_user(author.as_deref()));
            if let Some(text) = expires {
                entry = entry.expires(expiry(text, now)?);
            }
            open()?.add(entry.clone())?;
            if screen.json {
                screen.document(&entry)?;
            } else {
                let until = entry.expires.map(|at| format!(" until {}", human::moment(at)));
                screen.line(format_args!(
                    "{} is {}{}, in every process within a second",
                    entry.prefix,
                    if entry.action == OverrideAction::Allow { "allowed" } else { "blocked" },
                    until.unwrap_or_default()
                ))?;
            }
            Ok(exit::OK)
        }
        OverrideCommand::Remove { prefix, author } => {
            let author = author_or_user(author.as_deref());
            let removed = open()?.remove(*prefix, &author, now)?;
            removal(*prefix, removed, screen)
        }
        OverrideCommand::List => {
            // Opening would create the folder; looking must not.
            let overlay = Overlay::load(&config.data)?;
            let entries = overlay.entries();
            if screen.json {
                screen.document(&entries)?;
            } else if entries.is_empty() {
                screen.line("no overrides")?;
            } else {
                list(entries, now, screen)?;
            }
            Ok(exit::OK)
        }
    }
}

fn removal(prefix: Prefix, removed: bool, screen: &mut Screen<'_>) -> Done {
    if screen.json {
        screen.document(&json!({"prefix": prefix, "removed": removed}))?;
    } else if removed {
        screen.line(format_args!("the override of {prefix} is gone"))?;
    }
    if !removed {
        return Err(Stop::usage(
            "network",
            format!("there is no override of exactly {prefix}: `artif override list` names them"),
        ));
    }
    Ok(exit::OK)
}

fn list(entries: &[Override], now: DateTime<Utc>, screen: &mut Screen<'_>) -> Result<(), Stop> {
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            let expires = match entry.expires {
                Some(at) if entry.is_live(now) => human::moment(at),
                Some(_) => "expired".to_owned(),
                None => "never".to_owned(),
            };
            [
                entry.prefix.to_string(),
                if entry.action == OverrideAction::Allow { "allow" } else { "block" }.to_owned(),
                expires,
                entry.author.clone(),
                human::moment(entry.created),
                entry.reason.clone(),
            ]
        })
        .collect();
    screen.table(
        [
            ("network", false),
            ("action", false),
            ("expires", false),
            ("author", false),
            ("created", false),
            ("reason", false),
        ],
        &rows,
    )?;
    Ok(())
}

fn author_or_user(author: Option<&str>) -> String {
    let user = || ["USER", "USERNAME", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    author.map(str::to_owned).or_else(user).unwrap_or_default()
}

/// `7d` from now, or a moment; in the past neither makes sense.
fn expiry(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Stop> {
    let at = match moment(text) {
        Ok(at) => Some(at),
        Err(_) => crate::duration::parse(text)
            .ok()
            .and_then(|duration| now.checked_add_signed(TimeDelta::from_std(duration).ok()?)),
    };
    let at = at.ok_or_else(|| {
        Stop::usage(
            "expiry",
            format!(
                "{:?} is neither a duration (7d, 12h) nor a moment (2026-08-05T06:00:00Z)",
                crate::error::excerpt(text)
            ),
        )
    })?;
    if at <= now {
        return Err(Stop::usage("expiry", format!("{} has passed", human::moment(at))));
    }
    Ok(at)
}
