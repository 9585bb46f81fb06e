//! `artif signal`.

use serde_json::json;

use super::args::SignalArgs;
use super::context::{Context, address};
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::clock::seconds;
use crate::net::{canonical_address, special_purpose};
use crate::signals::{Signal, Signals, off};

pub(super) fn run(args: &SignalArgs, context: &mut Context<'_>) -> Done {
    let ip = canonical_address(address(&args.address)?);
    let now = seconds(context.clock().now());
    let config = context.config()?;
    let screen = &mut context.screen;
    let signals = Signals::follow(&config.data, None)?.ok_or_else(off)?;
    if let Some(name) = &args.name {
        let kept = special_purpose(ip).is_none() && signals.report(ip, name, args.count, now)?;
        if screen.json {
            screen.document(&json!({"ip": ip, "kept": kept}))?;
        } else if special_purpose(ip).is_some() {
            screen.line(format_args!("{ip} is special-purpose: nothing counts of it"))?;
        } else if kept {
            list(&signals.list(ip, now), screen)?;
        } else {
            screen.line("not kept: the table is full of what says more")?;
        }
    } else if args.forget {
        let forgotten = signals.forget(ip, now)?;
        if screen.json {
            screen.document(&json!({"ip": ip, "forgotten": forgotten}))?;
        } else {
            let what = if forgotten { "what was" } else { "nothing was" };
            screen.line(format_args!(
                "{what} reported of {ip}{}",
                if forgotten { " is forgotten" } else { "" }
            ))?;
        }
    } else if screen.json {
        screen.document(&signals.list(ip, now))?;
    } else {
        list(&signals.list(ip, now), screen)?;
    }
    Ok(exit::OK)
}

fn list(signals: &[Signal], screen: &mut Screen<'_>) -> Result<(), Stop> {
    if signals.is_empty() {
        return Ok(screen.line("nothing was reported of it")?);
    }
    let rows: Vec<_> = signals
        .iter()
        .map(|signal| {
            [
                signal.name.clone(),
                format!("{:.1}", signal.count),
                format!("{:+.2}", signal.effect),
                human::moment(signal.newest),
                signal.expires.map_or_else(|| "never".to_owned(), human::moment),
            ]
        })
        .collect();
    screen.table(
        [
            ("signal", false),
            ("reports left", true),
            ("danger (log-odds)", true),
            ("newest", false),
            ("expires", false),
        ],
        &rows,
    )?;
    Ok(())
}
