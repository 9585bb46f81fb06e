//! A service at work in a data folder, for processes that are killed and disks that forget: what it
//! lists in which turn, what it says it has kept, and what is found afterwards.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests, each of which uses a part of it"
)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use artif_core::ledger::{Ledger, LedgerOptions, Override, OverrideAction};
use artif_core::{
    Engine, EngineBuilder, Feed, Prefix, Prefix4, Reader, RefreshEvent, RefreshOptions,
    ReputationEngine as _, Verdict,
};

use crate::support::Random;

/// Set for the processes that work: the folder, and the turn to begin with.
const ROOT: &str = "ARTIF_WORK_ROOT";
const FIRST: &str = "ARTIF_WORK_FIRST";
const TURNS: &str = "ARTIF_WORK_TURNS";

/// Addresses of each feed: less than a block of the ledger, some, and many.
const SIZES: [u32; 3] = [150, 1500, 6000];
const OVERRIDES_A_TURN: u64 = 4;

fn name(feed: usize) -> String {
    format!("feed-{feed}")
}

/// What a feed lists in a turn: most of it always, a tenth in this turn only, and one address that
/// tells the turn.
pub(crate) fn list(feed: usize, turn: u64) -> BTreeSet<u32> {
    let mut random = Random(feed as u64);
    let mut hosts: Vec<u32> = (0..SIZES[feed])
        .map(|_| (20 + feed as u32) << 24 | (random.next() as u32 & 0xff_fffe))
        .collect();
    let mut random = Random(turn << 8 | feed as u64);
    for _ in 0..SIZES[feed] / 10 {
        let place = random.below(hosts.len());
        hosts[place] = (20 + feed as u32) << 24 | (random.next() as u32 & 0xff_ffff) | 1;
    }
    hosts.push(marker(feed) | turn as u32);
    hosts.into_iter().collect()
}

/// Turns are the last 16 bits of an address that begins like this.
fn marker(feed: usize) -> u32 {
    5 << 24 | (feed as u32) << 16
}

/// What a set of a feed's addresses was listed in, where they are one turn's, whole.
fn turn_of(feed: usize, found: &BTreeSet<u32>) -> Option<u64> {
    let mut turns = found.range(marker(feed)..=marker(feed) | 0xffff);
    let turn = u64::from(turns.next()? & 0xffff);
    (turns.next().is_none() && *found == list(feed, turn)).then_some(turn)
}

pub(crate) fn overridden(number: u64) -> Prefix {
    Prefix::V4(Prefix4::host(9 << 24 | number as u32))
}

pub(crate) fn number_of(prefix: Prefix) -> u64 {
    match prefix.address() {
        IpAddr::V4(ip) => u64::from(ip.to_bits() & 0xff_ffff),
        IpAddr::V6(_) => 0,
    }
}

fn overridden_ip(number: u64) -> IpAddr {
    Ipv4Addr::from(9 << 24 | number as u32).into()
}

pub(crate) fn builder(root: &Path) -> EngineBuilder {
    let mut builder = Engine::builder().data(root.join("data"));
    for feed in 0..SIZES.len() {
        let url = format!("file:{}", root.join(name(feed)).display());
        builder = builder.feed(Feed::new(&name(feed), &url).unwrap());
    }
    builder
}

pub(crate) fn write_lists(root: &Path, turn: u64) {
    for feed in 0..SIZES.len() {
        let lines = list(feed, turn).into_iter().map(|host| format!("{}\n", Ipv4Addr::from(host)));
        std::fs::write(root.join(name(feed)), lines.collect::<String>()).unwrap();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A process of this test binary whose test `part` calls [`work_if_asked`].
pub(crate) fn process(root: &Path, first: u64, turns: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["part", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROOT, root)
        .env(FIRST, first.to_string())
        .env(TURNS, turns.to_string());
    command
}

/// The work: refreshes and overrides, each announced before and acknowledged afterwards.
pub(crate) fn work_if_asked() {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else { return };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let first = number(FIRST);
    say("try open");
    let engine = builder(&root).build().unwrap();
    let recovery = engine.status().ledger.unwrap().recovery.is_some();
    say(&format!("ack open {recovery}"));
    for turn in first..first + number(TURNS) {
        write_lists(&root, turn);
        say(&format!("try refresh {turn}"));
        let options = RefreshOptions::default().progress(|event| match event {
            RefreshEvent::Compiling => say("phase compile"),
            RefreshEvent::Publishing => say("phase publish"),
            _ => {}
        });
        let report = engine.refresh(&options).unwrap();
        assert!(report.feeds.iter().all(|feed| feed.error.is_none()), "{report:?}");
        say(&format!("ack refresh {turn} {}", report.snapshot.id));
        for step in 0..OVERRIDES_A_TURN {
            let number = turn * OVERRIDES_A_TURN + step;
            say(&format!("try put {number}"));
            let entry =
                Override::new(overridden(number), OverrideAction::Block, chrono::Utc::now());
            engine.add_override(entry.reason("work")).unwrap();
            say(&format!("ack put {number}"));
        }
        // One of an earlier turn goes again.
        if let Some(number) = (turn * OVERRIDES_A_TURN).checked_sub(OVERRIDES_A_TURN - 1) {
            say(&format!("try remove {number}"));
            let _ = engine.remove_override(overridden(number), "work").unwrap();
            say(&format!("ack remove {number}"));
        }
    }
    say("ack end");
}

/// What working processes have said.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    /// The last turn whose refresh was acknowledged, and its snapshot.
    pub(crate) turn: Option<u64>,
    pub(crate) snapshot: u64,
    pub(crate) begun: u64,
    pub(crate) overrides: BTreeSet<u64>,
    /// Neither acknowledged nor certain not to be kept.
    pub(crate) open: BTreeSet<u64>,
    pub(crate) writes: u64,
    pub(crate) recovered: u64,
}

impl Heard {
    /// Takes a line; says which part of the work it begins.
    pub(crate) fn take(&mut self, line: &str) -> Option<&'static str> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().unwrap();
        self.writes += u64::from(words.first() == Some(&"ack") && words.len() > 2);
        match words[..] {
            ["try", "open"] => return Some("open"),
            ["ack", "open", recovered] => {
                self.writes -= 1;
                self.recovered += u64::from(recovered == "true");
            }
            ["try", "refresh", _] => {
                self.begun = number(2);
                return Some("refresh");
            }
            ["phase", "compile"] => return Some("checkpoint"),
            ["phase", "publish"] => return Some("publish"),
            ["ack", "refresh", ..] => (self.turn, self.snapshot) = (Some(number(2)), number(3)),
            ["try", "put" | "remove", _] => {
                self.open.insert(number(2));
                return Some("override");
            }
            ["ack", "put", _] => {
                self.open.remove(&number(2));
                self.overrides.insert(number(2));
            }
            ["ack", "remove", _] => {
                self.open.remove(&number(2));
                self.overrides.remove(&number(2));
            }
            _ => {}
        }
        None
    }
}

/// What is wrong in a folder, by the rows of the goals.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) lost: Vec<String>,
    pub(crate) torn: Vec<String>,
    pub(crate) failed: Vec<String>,
    /// Why the ledger had to be rebuilt, if it had.
    pub(crate) rebuilt: Option<String>,
}

impl Found {
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.torn.is_empty() && self.failed.is_empty()
    }
}

/// Looks at a folder as a reader, as the owner of the ledger, and as the engine.
pub(crate) fn inspect(root: &Path, heard: &mut Heard) -> Found {
    let mut found = Found::default();
    let data = root.join("data");
    match Reader::open(&data) {
        Ok(reader) => look_at_answers(&reader, heard, "a reader", &mut found),
        Err(error) if heard.turn.is_some() => found.failed.push(format!("reader: {error}")),
        Err(_) => {}
    }
    let kept = match Ledger::open(&data, &LedgerOptions::default()) {
        Ok(ledger) => look_at_ledger(&ledger, heard, &mut found),
        Err(error) => {
            found.failed.push(format!("ledger: {error:?}"));
            return found;
        }
    };
    let engine = match builder(root).build() {
        Ok(engine) => engine,
        Err(error) => {
            found.failed.push(format!("engine: {error:?}"));
            return found;
        }
    };
    look_at_answers(&engine, heard, "the owner", &mut found);
    let shown: BTreeSet<Prefix> = engine.overrides().iter().map(|entry| entry.prefix).collect();
    if shown != kept {
        found.torn.push(format!("{} overrides count, {} are kept", shown.len(), kept.len()));
    }
    // From now on it is known.
    for number in std::mem::take(&mut heard.open) {
        let there = shown.contains(&overridden(number));
        if there {
            heard.overrides.insert(number)
        } else {
            heard.overrides.remove(&number)
        };
    }
    found
}

fn look_at_answers(
    engine: &dyn artif_core::ReputationEngine,
    heard: &Heard,
    who: &str,
    found: &mut Found,
) {
    let id = engine.status().snapshot.id;
    if id < heard.snapshot {
        found.lost.push(format!("{who}: snapshot {id}, {} was acknowledged", heard.snapshot));
    }
    for &number in heard.overrides.difference(&heard.open) {
        if engine.check(overridden_ip(number)).verdict() != Verdict::Blocked {
            found.lost.push(format!("{who}: override {number}"));
        }
    }
    if id == 0 {
        return;
    }
    // Each feed is of one turn, whole. Of different turns they may be: an owner that was killed in a
    // refresh has some of it in its ledger, and makes a lost snapshot anew from that.
    for feed in 0..SIZES.len() {
        let last = heard.begun.max(heard.turn.unwrap_or(0));
        let active = |host: u32| engine.check(Ipv4Addr::from(host).into()).is_active();
        let turns: Vec<u64> =
            (0..=last).filter(|turn| active(marker(feed) | *turn as u32)).collect();
        match turns[..] {
            [turn] if !list(feed, turn).into_iter().all(active) => {
                found.torn.push(format!("{who}: feed {feed} has a part of turn {turn}"));
            }
            [turn] if Some(turn) >= heard.turn => {}
            [turn] => found.lost.push(format!("{who}: turn {turn} of {:?}", heard.turn)),
            // Its first generation was never acknowledged: then there is nothing of it.
            [] if heard.turn.is_none() && !list(feed, last).into_iter().any(active) => {}
            _ => found.torn.push(format!("{who}: feed {feed} is of turns {turns:?}")),
        }
    }
}

fn look_at_ledger(ledger: &Ledger, heard: &Heard, found: &mut Found) -> BTreeSet<Prefix> {
    let store = ledger.store();
    found.rebuilt = store.status().unwrap().recovery.map(|recovery| recovery.reason);
    for feed in 0..SIZES.len() {
        let id = name(feed).parse().unwrap();
        let mut hosts = BTreeSet::new();
        let seen = store.active(&id, &mut |listing| {
            if let Prefix::V4(prefix) = listing.prefix {
                hosts.insert(prefix.first());
            }
        });
        match (seen, turn_of(feed, &hosts)) {
            (Err(error), _) => found.failed.push(format!("{id}: {error}")),
            (Ok(()), Some(turn)) if Some(turn) >= heard.turn => {}
            (Ok(()), Some(turn)) => {
                found.lost.push(format!("{id}: turn {turn} of {:?} in the ledger", heard.turn));
            }
            (Ok(()), None) if hosts.is_empty() && heard.turn.is_none() => {}
            (Ok(()), None) => found.torn.push(format!("{id}: {} listings", hosts.len())),
        }
    }
    let kept: BTreeSet<Prefix> =
        store.overrides().unwrap().iter().map(|entry| entry.prefix).collect();
    for &number in heard.overrides.difference(&heard.open) {
        if !kept.contains(&overridden(number)) {
            found.lost.push(format!("the ledger: override {number}"));
        }
    }
    for entry in &kept {
        let known = |number: &u64| overridden(*number) == *entry;
        if !heard.overrides.iter().chain(&heard.open).any(known) {
            found.torn.push(format!("the ledger: {entry} came back"));
        }
    }
    kept
}
