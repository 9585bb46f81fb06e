//! `artif backtest`.

use super::args::{BacktestArgs, Scorers, TextOrJson};
use super::context::Context;
use super::exit;
use super::output::Done;
use crate::backtest::Backtest;
use crate::config::ScorerKind;

pub(super) fn run(args: &BacktestArgs, context: &mut Context<'_>) -> Done {
    let mut config = context.config()?;
    for (given, place) in
        [(&args.asn, &mut config.geo.asn), (&args.country, &mut config.geo.country)]
    {
        if given.is_some() {
            place.clone_from(given);
        }
    }
    let scorers = match args.scorer {
        Scorers::Classic => vec![ScorerKind::Classic],
        Scorers::Risk => vec![ScorerKind::Risk],
        Scorers::Both => ScorerKind::ALL.to_vec(),
    };
    let mut backtest = Backtest::new(&args.replay)
        .config(config)
        .scorers(scorers)
        .negatives(args.negatives as usize)
        .seed(args.seed);
    if let Some(catalogue) = &args.catalogue {
        backtest = backtest.catalogue(catalogue);
    }
    if let Some(from) = args.from {
        backtest = backtest.from(from);
    }
    let screen = &mut context.screen;
    let tell = screen.wants_progress();
    let report = backtest.run(|day| {
        if tell {
            screen.note(format_args!("{} is judged by {}", day.date, day.judged_by));
        }
    })?;
    if screen.json || args.format == Some(TextOrJson::Json) {
        screen.document(&report)?;
    } else {
        screen.out().write_all(report.to_text().as_bytes())?;
    }
    Ok(exit::OK)
}
