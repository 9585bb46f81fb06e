//! Compiling and publishing, when an answer may differ from the published one's.

use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::Xxh3;

use super::options::RefreshEvent;
use super::owner::{Holding, Shared};
use super::refresh::Work;
use super::{counts_until, feeds_now};
use crate::category::{CategorySet, ThreatLevel};
use crate::clock::{Seconds, seconds, span};
use crate::error::{Error, Result, one_line};
use crate::feed::{Feed, Role};
use crate::geo::GeoSources;
use crate::ledger::FeedHead;
use crate::net::PrefixSet;
use crate::snapshot::{self, Compiled, Input, Snapshot, SnapshotFeed, compile};
use crate::warninglist;

/// What became of it, and how long it took.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) anew: bool,
    pub(super) geo: Duration,
    pub(super) compile: Duration,
    pub(super) publish: Duration,
}

/// Compiles and publishes a snapshot unless the current one would give the same answers. That it
/// could not is kept for the status.
pub(super) fn publish_if_needed(
    shared: &Shared,
    work: &mut Work,
    feeds: &[Feed],
    now: Seconds,
    forced: bool,
    progress: &dyn Fn(RefreshEvent<'_>),
) -> Result<Published> {
    let done = compile_and_publish(shared, work, feeds, now, forced, progress);
    *shared.unpublished.lock().unwrap_or_else(PoisonError::into_inner) =
        done.as_ref().err().map(ToString::to_string);
    if done.as_ref().is_ok_and(|done| done.anew) {
        crate::heap::give_back();
    }
    done
}

fn compile_and_publish(
    shared: &Shared,
    work: &mut Work,
    feeds: &[Feed],
    now: Seconds,
    forced: bool,
    progress: &dyn Fn(RefreshEvent<'_>),
) -> Result<Published> {
    let mut done = Published::default();
    let heads = shared.ledger.store().heads()?;
    let asn = shared.config.geo.asn.as_deref();
    let country = shared.config.geo.country.as_deref();
    let geo_identity = GeoSources::identity(asn, country);
    let inputs = inputs(shared, feeds, &heads, geo_identity, now);
    if !forced && is_current(shared, &inputs, now) {
        return Ok(done);
    }
    progress(RefreshEvent::Compiling);
    let geo_started = Instant::now();
    let (_, geo) = work.databases(&shared.config.geo);
    done.geo = geo_started.elapsed();

    let sequence = next_sequence(shared);
    let taking_part: Vec<Feed> = feeds.iter().filter(|feed| feed.enabled).cloned().collect();
    let ids: Vec<_> = taking_part.iter().map(|feed| feed.id.clone()).collect();
    let guard = &shared.config.guard;
    let mut described = feeds_now(&taking_part, &heads, &shared.troubles, guard, now);
    let next_outdated = next_outdated(shared, &taking_part, &heads, now);
    let counts = shared.read_counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (feed, described) in taking_part.iter().zip(&mut described) {
        described.read = counts.get(&feed.id).copied();
    }
    let builtin = describe_warninglists(shared, &mut described)?;
    let input = Input {
        feeds: described,
        ids: &ids,
        builtin,
        store: shared.ledger.store(),
        geo: &geo.table,
        databases: geo.databases.clone(),
        scorer: shared.scorer,
        now,
        window: span(shared.config.history.window),
        retention: span(shared.config.history.retention),
        stale_after: span(shared.config.snapshot.stale_after),
        prior: shared.config.scoring.prior,
        thresholds: (&shared.config.scoring).into(),
        max_index: guard.max_index_total,
        index: shared.config.snapshot.index,
        memory_budget: shared.config.snapshot.memory_budget,
        sequence,
        inputs,
        edge: next_outdated,
    };
    let Some(dir) = shared.dir.as_deref() else {
        let started = Instant::now();
        let compiled = compile(input)?;
        let snapshot = Snapshot::from_bytes(compiled.bytes)?;
        snapshot.warm()?;
        shared.answers.exchange_snapshot(snapshot);
        done.compile = started.elapsed();
        done.anew = true;
        return Ok(done);
    };
    // The ledger is made durable on one core while the other compiles.
    let (compiled, checkpoint) = std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| match &shared.ledger {
            Holding::Folder(ledger) => ledger.checkpoint().map(drop),
            Holding::Memory(_) => Ok(()),
        });
        let started = Instant::now();
        let compiled = compile(input);
        done.compile = started.elapsed();
        let started = Instant::now();
        let checkpoint = checkpoint.join().unwrap_or_else(|_| {
            Err(Error::Invalid { what: "checkpoint", reason: "its thread panicked".to_owned() })
        });
        done.publish = started.elapsed();
        (compiled, checkpoint)
    });
    let started = Instant::now();
    progress(RefreshEvent::Publishing);
    publish(shared, dir, sequence, &compiled?)?;
    done.publish += started.elapsed();
    done.anew = true;
    // Answers are as new as can be even where the ledger's disk is in trouble.
    checkpoint.map(|()| done)
}

/// Says of the warninglists what they are about, and adds those that are built in, whose networks
/// are returned.
fn describe_warninglists(shared: &Shared, feeds: &mut Vec<SnapshotFeed>) -> Result<Vec<PrefixSet>> {
    let config = &shared.config.warninglists;
    let known = shared.list_facts.lock().unwrap_or_else(PoisonError::into_inner);
    for list in feeds.iter_mut().filter(|feed| feed.role == Role::Warninglist) {
        let mut facts = warninglist::classify(warninglist::list_name(&list.id), config);
        let said = known.iter().find(|(id, _)| id.as_str() == list.id).map(|(_, said)| said);
        if let Some(said) = said {
            list.name = one_line(&said.name).into_owned();
            facts.version.clone_from(&said.version);
        }
        list.warninglist = Some(facts);
    }
    let mut networks = Vec::new();
    for list in warninglist::builtin(config)? {
        feeds.push(SnapshotFeed {
            id: list.id.to_string(),
            name: list.name,
            provider: "artif".to_owned(),
            source_group: "artif".to_owned(),
            categories: CategorySet::EMPTY,
            threat_level: ThreatLevel::UNDEFINED,
            role: Role::Warninglist,
            reliability: 1.0,
            enabled: true,
            count: list.prefixes.len() as u64,
            first_loaded: None,
            confirmed: None,
            stale: None,
            read: None,
            outdated: false,
            warninglist: Some(list.facts),
        });
        networks.push(list.prefixes);
    }
    Ok(networks)
}

fn publish(shared: &Shared, dir: &Path, sequence: u64, compiled: &Compiled) -> Result<()> {
    let keep = shared.config.snapshot.keep as usize;
    let path = snapshot::publish(dir, sequence, &compiled.bytes, keep)?;
    // Once, here, so that no reader has to read all of it.
    Snapshot::open(&path)?.verify()?;
    shared.answers.follow()?;
    tracing::info!(
        snapshot = sequence,
        active = compiled.counts.active,
        historical = compiled.counts.historical,
        bytes = compiled.bytes.len(),
        "published"
    );
    Ok(())
}

fn next_sequence(shared: &Shared) -> u64 {
    let current = shared.answers.load().snapshot.header().sequence;
    let on_disk = shared.dir.as_deref().map_or(0, snapshot::newest_sequence);
    current.max(on_disk) + 1
}

/// From when on the published snapshot has to be made anew though nothing but the clock changed;
/// 0 for at once.
pub(super) fn recompile_at(shared: &Shared, now: Seconds) -> Seconds {
    /// Clocks of one machine that differ by less were not set back.
    const SLACK: Seconds = 300;
    let view = shared.answers.load();
    let created = seconds(view.created());
    if view.snapshot.header().sequence == 0 || created > now.saturating_add(SLACK) {
        return 0;
    }
    let at = created.saturating_add(span(shared.config.snapshot.recompile_after));
    view.snapshot.meta().next_edge.map_or(at, |edge| at.min(edge))
}

/// Whether the published snapshot still says what a new one would.
fn is_current(shared: &Shared, inputs: &str, now: Seconds) -> bool {
    let view = shared.answers.load();
    let says_the_same = view.snapshot.meta().inputs == inputs && !view.snapshot.is_damaged();
    says_the_same && now < recompile_at(shared, now)
}

/// The enabled feeds that were ever loaded, and until when they count.
fn ends<'a>(
    shared: &'a Shared,
    feeds: &'a [Feed],
    heads: &'a [FeedHead],
) -> impl Iterator<Item = (&'a Feed, Seconds)> {
    feeds.iter().filter(|feed| feed.enabled).filter_map(|feed| {
        let head = heads.iter().find(|head| head.feed == feed.id)?;
        Some((feed, counts_until(feed, head, &shared.config.guard)))
    })
}

/// When the next feed no longer counts, unless it is confirmed before.
fn next_outdated(
    shared: &Shared,
    feeds: &[Feed],
    heads: &[FeedHead],
    now: Seconds,
) -> Option<Seconds> {
    let ends = ends(shared, feeds, heads).map(|(_, until)| until.saturating_add(1));
    ends.filter(|end| *end > now).min()
}

/// Digest of all that a snapshot depends on but the clock.
fn inputs(shared: &Shared, feeds: &[Feed], heads: &[FeedHead], geo: u128, now: Seconds) -> String {
    let mut hash = Xxh3::new();
    let mut add = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(&format!("{} {:?} {:?}", geo, shared.config.scoring, shared.config.history));
    add(&format!("{:?}", shared.config.warninglists));
    let snapshot = &shared.config.snapshot;
    add(&format!("{:?} {}", snapshot.index, snapshot.memory_budget));
    for feed in feeds.iter().filter(|feed| feed.enabled) {
        add(&format!("{feed:?}"));
    }
    for head in heads {
        add(&format!("{} {} {}", head.feed, head.generation, head.stale.is_some()));
    }
    for (feed, _) in ends(shared, feeds, heads).filter(|(_, until)| *until < now) {
        add(&format!("outdated {}", feed.id));
    }
    let troubles = shared.troubles.lock().unwrap_or_else(PoisonError::into_inner);
    for feed in feeds.iter().filter(|feed| feed.enabled && troubles.contains_key(&feed.id)) {
        add(feed.id.as_str());
    }
    format!("{:032x}", hash.digest128())
}
