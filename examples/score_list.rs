//! Scores a list of addresses after replaying dated feed files: what evaluations need.
//!
//! ```sh
//! cargo run --release --example score_list -- MANIFEST ADDRESSES \
//!     [--scorer risk|classic] [--prior 0.5] [--asn FILE] [--country FILE] > scores.csv
//! ```
//!
//! A line of the manifest is a date, a file and optionally the file's publisher, separated by tabs,
//! dates ascending; a file of the same name is the same feed, and without a publisher its own. A line
//! of the output is an address and its risk, 0 (safe) to 1, which is 1 − score/100.

#![allow(clippy::print_stderr, reason = "an example: progress goes to standard error")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use artif_core::{
    Config, Engine, Feed, FeedId, FixedClock, Format, RefreshOptions, ReputationEngine,
};

type Days = BTreeMap<String, Vec<(PathBuf, Option<String>)>>;

fn read_manifest(path: &Path) -> Result<Days, Box<dyn Error>> {
    let mut days = Days::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let mut parts = line.split('\t');
        let (Some(date), Some(file)) = (parts.next(), parts.next()) else {
            return Err(format!("no date and file in {line:?}").into());
        };
        let publisher = parts.next().map(str::to_owned);
        days.entry(date.to_owned()).or_default().push((file.into(), publisher));
    }
    Ok(days)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::default();
    config.scoring.scorer = "risk".parse()?;
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--scorer" => config.scoring.scorer = value()?.parse()?,
            "--prior" => config.scoring.prior = value()?.parse()?,
            "--asn" => config.geo.asn = Some(value()?.into()),
            "--country" => config.geo.country = Some(value()?.into()),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let [manifest, addresses] = files.as_slice() else {
        return Err("give a manifest and a list of addresses".into());
    };

    let folder = std::env::temp_dir().join(format!("artif-score-list-{}", std::process::id()));
    let clock = Arc::new(FixedClock::new("1970-01-01T00:00:00Z".parse()?));
    let mut last = None;
    for (date, files) in read_manifest(manifest)? {
        // The owner of the day before lets go of the folder first.
        drop(last.take());
        clock.set(format!("{date}T06:00:00Z").parse()?);
        let builder = Engine::builder().config(config.clone()).data(&folder).clock(clock.clone());
        let builder = files.iter().try_fold(builder, |builder, (file, publisher)| {
            let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("feed");
            let id = FeedId::from_name(name)?;
            let feed = Feed::new(id.as_str(), &format!("file:{}", file.display()))?
                .format(Format::FreeText)
                .publisher(publisher.as_deref().unwrap_or(name));
            Ok::<_, artif_core::Error>(builder.feed(feed))
        })?;
        let engine = builder.build()?;
        // Old lists are full of what a guard would refuse; here they are taken as they are.
        let report = engine.refresh(&RefreshOptions::default().force())?;
        for feed in report.feeds.iter().filter(|feed| feed.error.is_some()) {
            eprintln!("{date} {}: {}", feed.feed, feed.error.as_deref().unwrap_or_default());
        }
        let counts = &report.snapshot.counts;
        eprintln!(
            "{date}: {} active, {} historical, {} + {} ranges, {} records; compiled in {} ms",
            counts.active,
            counts.historical,
            counts.ranges4,
            counts.ranges6,
            counts.records,
            report.timings.compile,
        );
        last = Some(engine);
    }
    let Some(engine) = last else { return Err("the manifest is empty".into()) };

    let started = Instant::now();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut count = 0_u32;
    for line in std::fs::read_to_string(addresses)?.lines() {
        let answer = engine.check(line.trim().parse()?);
        writeln!(out, "{line},{}", 1.0 - answer.score() / 100.0)?;
        count += 1;
    }
    out.flush()?;
    eprintln!("{count} addresses in {} ms", started.elapsed().as_millis());
    drop(engine);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
