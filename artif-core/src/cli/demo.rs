//! `artif demo`: the whole engine at work, on samples or on real feeds.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use owo_colors::Style;
use serde::Serialize;
use serde_json::json;

use super::args::DemoArgs;
use super::context::Context;
use super::output::{Done, Screen, Stop};
use super::progress::Progress;
use super::{check, exit, human, refresh, sample};
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::config::Config;
use crate::engine::{Engine, Reader, RefreshOptions, RefreshReport, ReputationEngine};
use crate::error::Error;
use crate::ledger::{Override, OverrideAction};
use crate::reputation::Reputation;

/// Addresses of the samples, and what each shows.
const SAMPLES: [(&str, &str); 7] = [
    ("22.66.6.66", "in several feeds now"),
    ("22.66.7.200", "in a listed network, named by no feed"),
    ("22.32.5.5", "in a feed two days ago, then gone"),
    ("22.10.200.200", "listed nowhere, but what are its neighbours?"),
    ("22.36.10.10", "listed, and let in by an operator"),
    ("10.1.2.3", "private"),
    ("3ffe:2666::1", "IPv6, in a listed network"),
];
const ALLOWED: &str = "22.36.10.10";

/// Known infrastructure that feeds list time and again, and a private address.
const ONLINE: [(&str, &str); 5] = [
    ("1.1.1.1", "public name server"),
    ("8.8.8.8", "public name server"),
    ("9.9.9.9", "public name server"),
    ("2606:4700:4700::1111", "public name server"),
    ("10.1.2.3", "private"),
];

pub(super) fn run(args: &DemoArgs, context: &mut Context<'_>) -> Done {
    let temporary = tempfile::Builder::new().prefix("artif-demo").tempdir();
    let temporary = temporary
        .map_err(|error| Error::io("creating a folder in", std::env::temp_dir(), error))?;
    let data = match &args.keep {
        Some(dir) if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) => {
            let reason = format!("{} is not empty: name a new folder", dir.display());
            return Err(Stop::usage("folder to keep", reason));
        }
        // The samples' addresses in their catalogues count from there.
        Some(dir) => std::path::absolute(dir).map_err(|error| Error::io("finding", dir, error))?,
        None => temporary.path().join("data"),
    };
    let code = if args.online { online(&data, context)? } else { offline(&data, context)? };
    if let (Some(dir), false) = (&args.keep, context.screen.json) {
        let dir = dir.display();
        context.screen.line(format_args!("\nKept. Go on with: artif --data {dir} status"))?;
    }
    Ok(code)
}

/// Replays the samples' days so that the last one is today.
fn offline(data: &Path, context: &mut Context<'_>) -> Done {
    let samples = data.join("samples");
    sample::write(&samples)?;
    let now = context.global.as_of.unwrap_or_else(Utc::now);
    let clock = Arc::new(FixedClock::new(now));
    let mut reports = Vec::new();
    let mut engine = None;
    context.screen.head("Three days of sample feeds, replayed into a new engine")?;
    for (name, days_ago) in sample::DAYS {
        clock.set(now.checked_sub_signed(TimeDelta::days(days_ago)).unwrap_or(now));
        // Another catalogue is another engine; the folder carries what was known over.
        drop(engine.take());
        let mut config = Config::default();
        config.geo.asn = Some(samples.join(sample::ASN));
        config.geo.country = Some(samples.join(sample::COUNTRY));
        let opened = Engine::builder()
            .config(config)
            .data(data)
            .catalogue(samples.join(name))
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .build()?;
        let report = follow(&opened, context)?;
        if !context.screen.json {
            let line = human::moment(clock.now());
            context.screen.line(line)?;
            refresh::print(&report, false, &mut context.screen)?;
        }
        reports.push(report);
        engine = Some(opened);
    }
    if let Some(engine) = &engine {
        let entry = Override::new(ALLOWED.parse()?, OverrideAction::Allow, clock.now())
            .reason("our own scanner")
            .author("demo");
        engine.add_override(entry)?;
    }
    drop(engine);
    answers(data, clock, &reports, &SAMPLES, context)
}

/// Fetches the feeds of the built-in catalogue.
fn online(data: &Path, context: &mut Context<'_>) -> Done {
    context.screen.head("The feeds of the built-in catalogue, fetched now")?;
    let engine = Engine::builder().data(data).build()?;
    let report = follow(&engine, context)?;
    if !context.screen.json {
        refresh::print(&report, true, &mut context.screen)?;
    }
    drop(engine);
    answers(data, Arc::new(SystemClock), &[report], &ONLINE, context)
}

fn follow(engine: &Engine, context: &Context<'_>) -> Result<RefreshReport, Stop> {
    let progress = Progress::start(&context.screen);
    let options = progress.follow(RefreshOptions::default().cancel(context.cancel.flag()));
    let report = engine.refresh(&options);
    progress.finish();
    Ok(report?)
}

/// What one look at the folder from the side, as another process would open it, gives.
fn answers(
    data: &Path,
    clock: Arc<dyn Clock>,
    reports: &[RefreshReport],
    addresses: &[(&str, &str)],
    context: &mut Context<'_>,
) -> Done {
    let opening = Instant::now();
    let reader = Reader::open_with(data, clock)?;
    let opening = opening.elapsed();
    let mut answers = Vec::new();
    for (address, why) in addresses {
        answers.push((reader.check(super::context::address(address)?), *why));
    }
    let measured = Measured::take(&reader, opening, reports);
    let code = reports.last().map_or(exit::OK, refresh::code);
    let screen = &mut context.screen;
    if screen.json {
        let answers: Vec<&Reputation> = answers.iter().map(|(answer, _)| answer).collect();
        screen.document(&json!({
            "refreshes": reports,
            "answers": answers,
            "measured": measured,
        }))?;
        return Ok(code);
    }
    screen.head("Answers")?;
    for (answer, why) in &answers {
        let why = screen.paint(format_args!("# {why}"), Style::new().dimmed());
        screen.line(why)?;
        let line = check::text(answer, screen);
        screen.line(line)?;
    }
    if let Some((first, _)) = answers.first() {
        screen.head("Why")?;
        screen.line(human::printable_lines(&reader.explain(first.ip()).to_text()))?;
    }
    screen.head("Measured just now, on this machine")?;
    measured.print(screen)?;
    Ok(code)
}

/// Figures that were taken, not promised.
#[derive(Serialize)]
struct Measured {
    /// Whether the compiler optimised this program.
    optimised: bool,
    refresh_ms: Vec<u64>,
    open_us: u128,
    lookups: u64,
    /// Mean nanoseconds of a verdict, addresses out of all IPv4 space.
    random_ns: f64,
    /// The same, addresses out of listed networks' neighbourhood.
    listed_ns: f64,
    snapshot_bytes: u64,
    /// Memory of this process that is in use, where the system says so.
    resident_bytes: Option<u64>,
}

impl Measured {
    fn take(reader: &Reader, opening: Duration, reports: &[RefreshReport]) -> Self {
        const LOOKUPS: usize = 1_000_000;
        let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
        let anywhere: Vec<IpAddr> =
            (0..LOOKUPS).map(|_| Ipv4Addr::from_bits(random.next() as u32).into()).collect();
        // 22.0.0.0/8, where the samples live.
        let near: Vec<IpAddr> = (0..LOOKUPS)
            .map(|_| Ipv4Addr::from_bits(22 << 24 | random.next() as u32 >> 8).into())
            .collect();
        Self {
            optimised: !cfg!(debug_assertions),
            refresh_ms: reports.iter().map(|report| report.timings.total).collect(),
            open_us: opening.as_micros(),
            lookups: LOOKUPS as u64,
            random_ns: mean_ns(reader, &anywhere),
            listed_ns: mean_ns(reader, &near),
            snapshot_bytes: reader.status().snapshot.bytes,
            resident_bytes: resident_bytes(),
        }
    }

    fn print(&self, screen: &mut Screen<'_>) -> Result<(), Stop> {
        let times: Vec<_> = self.refresh_ms.iter().map(|ms| human::millis(*ms)).collect();
        screen.pair("refresh", times.join(", "))?;
        screen.pair(
            "open",
            format_args!(
                "{} µs, the snapshot is {}",
                self.open_us,
                human::bytes(self.snapshot_bytes)
            ),
        )?;
        screen.pair(
            "check",
            format_args!(
                "{:.0} ns mean over {} random IPv4 addresses, {:.0} ns over as many in 22.0.0.0/8",
                self.random_ns,
                human::count(self.lookups),
                self.listed_ns
            ),
        )?;
        if let Some(bytes) = self.resident_bytes {
            let note = "this process, addresses of the measurement included";
            screen.pair("memory", format_args!("{}, {note}", human::bytes(bytes)))?;
        }
        if !self.optimised {
            screen.note("this is an unoptimised build; use `cargo run --release` for real figures");
        }
        Ok(())
    }
}

fn mean_ns(reader: &Reader, addresses: &[IpAddr]) -> f64 {
    let started = Instant::now();
    for address in addresses {
        std::hint::black_box(reader.check(std::hint::black_box(*address)).verdict());
    }
    started.elapsed().as_nanos() as f64 / addresses.len() as f64
}

/// Linux says so in a file; elsewhere it takes a system call that is not worth a dependency.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Marsaglia's generator: the same addresses every time.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
