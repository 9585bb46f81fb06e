//! Own signals: every way to ask agrees, all processes of a folder share them, and nothing that
//! happens to the file or to the clock does more than is documented.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::float_cmp, reason = "tests")]
#![allow(clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use artif_core::ledger::{Override, OverrideAction};
use artif_core::score::State;
use artif_core::{
    Addresses, AnswerColumns, Config, Engine, Feed, FixedClock, Gate, Reader, ReputationEngine,
    Role, Verdict,
};
use support::{Random, clock, refresh, time};

const NOW: &str = "2026-08-05T12:00:00Z";
const KINDS: &str = "[signals.failed_login]\ndanger = 1.2\nhalf_life = '6h'\nlimit = 12\n\
                     [signals.abuse]\ndanger = 4\nhalf_life = '30d'\nlimit = 12\nexpires = '60d'\n\
                     [signals.loyal]\ntrust = 0.8\nhalf_life = '90d'\nlimit = 8\n";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Lists two addresses; of a third it says that it is a public resolver.
fn engine_with(dir: &Path, config: &str, clock: Arc<FixedClock>) -> Engine {
    for (name, list) in
        [("a", "93.184.216.34\n93.184.216.40\n"), ("dns", "93.184.217.53\n93.184.216.40\n")]
    {
        std::fs::write(dir.join(name), list).unwrap();
    }
    let url = |name: &str| format!("file:{}", dir.join(name).display());
    Engine::builder()
        .config(
            Config::from_toml(&format!("{config}\n[warninglists]\ncap = ['dns']\n{KINDS}"))
                .unwrap(),
        )
        .data(dir.join("data"))
        .feed(Feed::new("a", &url("a")).unwrap())
        .feed(Feed::new("dns", &url("dns")).unwrap().role(Role::Warninglist))
        .clock(clock)
        .build()
        .unwrap()
}

fn engine(dir: &Path, config: &str) -> (Engine, Arc<FixedClock>) {
    let clock = clock(NOW);
    let engine = engine_with(dir, config, clock.clone());
    refresh(&engine);
    (engine, clock)
}

fn tables(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let mut tables: Vec<_> =
        entries.filter(|path| path.extension() == Some("table".as_ref())).collect();
    tables.sort();
    tables
}

/// All that one way of asking says.
type Told = (f64, u8, u8);

fn told(gate: Gate) -> Told {
    (gate.score(), gate.verdict() as u8, gate.state() as u8)
}

/// Every way to ask gives the same; says what.
fn agreed(engine: &Engine, reader: &Reader, ip: IpAddr) -> Told {
    let all: Vec<(&str, Told)> = vec![
        ("gate", told(engine.gate(ip))),
        ("check", told(Gate::of(&engine.check(ip)))),
        ("check_many", told(Gate::of(&engine.check_many(&[ip])[0]))),
        ("pinned gate", told(engine.pin().gate(ip))),
        ("pinned check", told(Gate::of(&engine.pin().check(ip)))),
        ("owned", told(Gate::of(&engine.pin().check(ip).into_owned()))),
        ("explain", told(Gate::of(&engine.explain(ip).reputation))),
        ("reader", told(reader.gate(ip))),
        ("reader's check", told(Gate::of(&reader.check(ip)))),
        ("reader's explain", told(Gate::of(&reader.explain(ip).reputation))),
    ];
    for (way, answer) in &all {
        assert_eq!(*answer, all[0].1, "{way} about {ip}");
    }
    // Among others, so that it is not always the first of its chunk.
    let mut list: Vec<IpAddr> = (0..150).map(|n| IpAddr::from([41, 0, 0, n])).collect();
    list[77] = ip;
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for addresses in [Addresses::Ip(&list), Addresses::Text(&texts)] {
        for asked in [engine as &dyn ReputationEngine, reader] {
            let (mut score, mut verdict, mut state) = ([0.0; 150], [0; 150], [0; 150]);
            let (mut listed, mut categories) = ([0; 150], [0; 150]);
            let mut columns = AnswerColumns::new()
                .score(&mut score)
                .verdict(&mut verdict)
                .state(&mut state)
                .listed(&mut listed)
                .categories(&mut categories);
            asked.check_into(addresses, &mut columns).unwrap();
            assert_eq!((score[77], verdict[77], state[77]), all[0].1, "columns about {ip}");
            assert_eq!(usize::from(listed[77]), engine.check(ip).feeds().len(), "{ip}");
            assert_eq!(told(engine.gate(list[78])), (score[78], verdict[78], state[78]));
        }
    }
    let answer = engine.check(ip);
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(json["score"], all[0].1.0);
    assert_eq!(json["verdict"], answer.verdict().as_str());
    assert_eq!(json.get("signals").is_some(), answer.is_moved(), "{json}");
    let explanation = engine.explain(ip);
    if answer.special_purpose().is_none() {
        let sum: f64 = explanation.terms.iter().map(|term| term.contribution).sum();
        assert!((100.0 + sum - explanation.reputation.score()).abs() < 1e-9, "{ip}: {sum}");
        let spoken = explanation.terms.iter().filter(|term| term.name == "signal").count();
        assert_eq!(spoken, engine.signals(ip).len());
    }
    all[0].1
}

#[test]
fn every_way_to_ask_agrees_with_the_explanation_for_both_scorers() {
    for scorer in ["classic", "risk"] {
        let dir = tempfile::tempdir().unwrap();
        let config =
            format!("[scoring]\nscorer = '{scorer}'\ndangerous_below = 30\nsuspicious_below = 60");
        let (engine, clock) = engine(dir.path(), &config);
        let reader = Reader::open_with(&dir.path().join("data"), clock.clone()).unwrap();
        let addresses = [
            "93.184.216.34",
            "93.184.216.40",
            "93.184.217.53",
            "93.184.216.41",
            "8.8.8.8",
            "2001:470::1",
        ]
        .map(ip);
        let before: Vec<Told> = addresses.iter().map(|ip| agreed(&engine, &reader, *ip)).collect();
        let mut random = Random(7);
        for round in 0..40_u32 {
            let address = addresses[random.below(addresses.len())];
            let name = ["failed_login", "abuse", "loyal"][random.below(3)];
            let count = 1 + random.below(4) as u32;
            // Whoever reports, all know it.
            if round % 2 == 0 {
                assert!(engine.signal_count(address, name, count).unwrap());
            } else {
                assert!(reader.signal_count(address, name, count).unwrap());
            }
            clock.set(time(NOW) + chrono::TimeDelta::minutes(i64::from(round) * 7));
            for ip in addresses {
                agreed(&engine, &reader, ip);
            }
        }
        for (ip, before) in addresses.into_iter().zip(before) {
            assert!(!engine.signals(ip).is_empty() && engine.check(ip).is_moved());
            assert!(engine.forget_signals(ip).unwrap());
            assert_eq!(agreed(&engine, &reader, ip), before, "{ip} as it was");
            assert!(!engine.forget_signals(ip).unwrap());
        }
    }
}

#[test]
fn what_signals_do_to_scores_and_verdicts() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, clock) = engine(dir.path(), "[scoring]\nscorer = 'classic'\n");
    let client = ip("41.1.1.1");
    assert_eq!(
        (engine.check(client).score(), engine.check(client).verdict()),
        (100.0, Verdict::NoAction)
    );
    // A probability of 0.001 moved by 3 * 1.2 log-odds.
    engine.signal_count(client, "failed_login", 3).unwrap();
    let risk: f64 = 1.0 / (1.0 + (999.0_f64.ln() - 3.6).exp()) - 0.001;
    let answer = engine.check(client);
    assert!((answer.score() - 100.0 * (1.0 - risk)).abs() < 1e-6, "{}", answer.score());
    assert_eq!(
        (answer.verdict(), answer.state(), answer.is_moved()),
        (Verdict::NoAction, State::Unknown, true)
    );
    assert_eq!(answer.description(), "Benign IP according to feeds; own signals count");
    // More of them, and an unlisted address is suspicious, then dangerous; its state stays.
    engine.signal_count(client, "failed_login", 4).unwrap();
    assert_eq!(engine.check(client).verdict(), Verdict::Suspicious);
    engine.signal_count(client, "failed_login", 100).unwrap();
    let answer = engine.check(client);
    assert_eq!((answer.verdict(), answer.state()), (Verdict::Dangerous, State::Unknown));
    assert_eq!(engine.signals(client)[0].effect, 12.0, "the limit");
    let change = engine.explain(client).changes.into_iter().find(|change| change.name == "signals");
    assert_eq!(
        change.map(|change| (change.score, change.verdict)),
        Some((100.0, Verdict::NoAction))
    );
    // Trust weighs against it.
    engine.signal_count(client, "loyal", 100).unwrap();
    let loyal = &engine.signals(client)[1];
    assert_eq!((loyal.name.as_str(), loyal.effect, loyal.expires), ("loyal", -8.0, None));
    assert_eq!(engine.check(client).verdict(), Verdict::NoAction);
    // In a week nothing but the trust is left.
    clock.set(time(NOW) + chrono::TimeDelta::days(7));
    let names: Vec<String> = engine.signals(client).into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["loyal"]);
    // Of a listed address the listing decides, unless a threshold is set.
    let listed = ip("93.184.216.34");
    engine.signal_count(listed, "loyal", 100).unwrap();
    let answer = engine.check(listed);
    assert!(answer.score() > 50.0, "{}", answer.score());
    assert_eq!((answer.verdict(), answer.state()), (Verdict::Dangerous, State::Active));
}

#[test]
fn a_loyal_customer_is_let_through_where_a_threshold_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(
        dir.path(),
        "[scoring]\nscorer = 'classic'\ndangerous_below = 30\nsuspicious_below = 30\n",
    );
    let listed = ip("93.184.216.34");
    assert_eq!(engine.check(listed).verdict(), Verdict::Dangerous);
    engine.signal_count(listed, "loyal", 4).unwrap();
    assert_eq!(engine.check(listed).verdict(), Verdict::Dangerous, "not yet");
    engine.signal_count(listed, "loyal", 6).unwrap();
    assert_eq!(engine.check(listed).verdict(), Verdict::NoAction);
}

#[test]
fn overrides_beat_signals_warninglists_cap_them_and_special_purpose_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(dir.path(), "[scoring]\nscorer = 'classic'\n");
    let reader = Reader::open_with(&dir.path().join("data"), clock(NOW)).unwrap();
    for resolver in ["93.184.217.53", "93.184.216.40"].map(ip) {
        assert!(engine.check(resolver).is_capped());
        engine.signal_count(resolver, "abuse", 50).unwrap();
        let (score, verdict, _) = agreed(&engine, &reader, resolver);
        assert!(score >= engine.config().scoring.triage_below, "{resolver}: {score}");
        assert!(verdict <= Verdict::Triage as u8, "{resolver}: {verdict}");
    }
    let over = Override::new("93.184.217.53".parse().unwrap(), OverrideAction::Block, time(NOW));
    engine.add_override(over).unwrap();
    assert_eq!(engine.check(ip("93.184.217.53")).verdict(), Verdict::Blocked);
    let attacker = ip("41.1.1.1");
    engine.signal_count(attacker, "abuse", 5).unwrap();
    let over = Override::new("41.1.0.0/16".parse().unwrap(), OverrideAction::Allow, time(NOW));
    engine.add_override(over).unwrap();
    reader.reload().unwrap();
    assert_eq!(agreed(&engine, &reader, attacker).1, Verdict::Allowed as u8);
    for special in ["10.1.2.3", "::1", "192.0.2.1"].map(ip) {
        assert!(!engine.signal(special, "abuse").unwrap(), "not kept");
        assert!(engine.signals(special).is_empty());
        assert_eq!(engine.check(special).verdict(), Verdict::NotApplicable);
    }
}

#[test]
fn all_of_an_ipv6_network_is_one_client_and_carried_ipv4_is_ipv4() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(dir.path(), "");
    engine.signal(ip("2a01:4f8:1:2::5"), "abuse").unwrap();
    assert!(engine.check(ip("2a01:4f8:1:2:ffff::9")).is_moved());
    assert!(!engine.check(ip("2a01:4f8:1:3::5")).is_moved());
    engine.signal(ip("::ffff:41.1.1.1"), "abuse").unwrap();
    assert!(engine.check(ip("41.1.1.1")).is_moved());
    assert!(engine.check(ip("64:ff9b::41.1.1.1")).is_moved());
}

#[test]
fn mistakes_are_errors_and_off_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(dir.path(), "");
    let error = engine.signal(ip("41.1.1.1"), "failed_logins").unwrap_err();
    assert_eq!(error.code(), "ARTIF_INVALID");
    assert!(error.to_string().contains("did you mean \"failed_login\"?"), "{error}");
    assert!(engine.signal_count(ip("41.1.1.1"), "abuse", 0).is_err());
    let plain = Engine::in_memory().unwrap();
    let error = plain.signal(ip("41.1.1.1"), "abuse").unwrap_err().to_string();
    assert!(error.contains("[signals.NAME]"), "{error}");
    assert!(plain.forget_signals(ip("41.1.1.1")).is_err());
    assert_eq!(plain.status().signals, None);
    let json = serde_json::to_value(plain.status()).unwrap();
    assert!(json.get("signals").is_none());
}

#[test]
fn signals_survive_restarts_other_sizes_and_kinds_in_another_order() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = engine(dir.path(), "");
    let clients: Vec<IpAddr> = (0..200).map(|n| IpAddr::from([41, 1, 1, n])).collect();
    for client in &clients {
        first.signal_count(*client, "failed_login", 2).unwrap();
        first.signal(*client, "loyal").unwrap();
    }
    let said = first.signals(clients[7]);
    assert_eq!(said.len(), 2);
    drop(first);
    // Opened again; then with a kind more that comes first, and room for more; then without that.
    for config in [
        "",
        "[signals]\ncapacity = 100000\n[signals.aaa]\ntrust = 1\n",
        "[signals]\ncapacity = 5000\n",
    ] {
        let engine = engine_with(dir.path(), config, clock(NOW));
        for client in &clients {
            assert_eq!(engine.signals(*client), said, "{config:?} {client}");
        }
        assert_eq!(tables(dir.path()).len(), 1, "no old table is left");
        assert_eq!(engine.status().signals.unwrap().problem, None);
    }
    // Off, and on again.
    std::fs::write(dir.path().join("off.toml"), "").unwrap();
    let off =
        Engine::builder().data(dir.path().join("data")).feed(Feed::new("b", "file:/b").unwrap());
    let off = off.build().unwrap();
    assert!(off.signals(clients[7]).is_empty() && !off.check(clients[7]).is_moved());
    drop(off);
    let engine = engine_with(dir.path(), "[signals]\ncapacity = 5000\n", clock(NOW));
    assert_eq!(engine.signals(clients[7]), said);
}

#[test]
fn a_reader_follows_what_the_owner_is_configured_with() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = engine(dir.path(), "");
    let reader = Reader::open_with(&dir.path().join("data"), clock(NOW)).unwrap();
    let mut pinned = reader.pin();
    reader.signal_count(ip("41.1.1.1"), "abuse", 3).unwrap();
    assert!(reader.signal(ip("41.1.1.1"), "spam").is_err());
    drop(first);
    let _second = engine_with(
        dir.path(),
        "[signals]\ncapacity = 1000\n[signals.spam]\ndanger = 1\n",
        clock(NOW),
    );
    reader.reload().unwrap();
    reader.signal(ip("41.1.1.1"), "spam").unwrap();
    assert_eq!(reader.signals(ip("41.1.1.1")).len(), 2);
    let status = reader.status().signals.unwrap();
    assert_eq!((status.kinds.len(), status.capacity, status.writable), (4, 1000, true));
    assert!(pinned.renew());
    assert_eq!(pinned.gate(ip("41.1.1.1")), reader.gate(ip("41.1.1.1")));
}

#[test]
fn a_damaged_table_is_set_aside_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = engine(dir.path(), "");
    first.signal(ip("41.1.1.1"), "abuse").unwrap();
    drop(first);
    let [table] = &tables(dir.path())[..] else { panic!("one table") };
    for damage in [&b"not a table"[..], &[], &[0; 9_000]] {
        let current = tables(dir.path()).pop().unwrap();
        std::fs::write(&current, damage).unwrap();
        let engine = engine_with(dir.path(), "", clock(NOW));
        let status = engine.status();
        let problem = status.signals.unwrap().problem.unwrap();
        assert!(problem.contains("could not be read"), "{problem}");
        assert!(status.problems.iter().any(|line| line.contains(&problem)));
        assert!(current.with_extension("damaged").is_file(), "kept for a look");
        assert!(engine.signal(ip("41.1.1.1"), "abuse").unwrap());
        assert_eq!(engine.signals(ip("41.1.1.1")).len(), 1);
    }
    assert!(!table.exists());
    // The next start, with nothing wrong, no longer says so.
    let engine = engine_with(dir.path(), "", clock(NOW));
    assert_eq!(engine.status().signals.unwrap().problem, None);
    drop(engine);
    // Where it says which the table is may be damaged too: the table is found.
    let file = dir.path().join("data/SIGNALS");
    for damage in [&b"x"[..], b"artif-signals 1 0000000000000000\n{}", &[]] {
        std::fs::write(&file, damage).unwrap();
        let engine = engine_with(dir.path(), "", clock(NOW));
        assert_eq!(engine.signals(ip("41.1.1.1")).len(), 1);
        assert!(engine.status().signals.unwrap().problem.is_some());
    }
    // It is gone.
    std::fs::remove_file(tables(dir.path()).pop().unwrap()).unwrap();
    let engine = engine_with(dir.path(), "", clock(NOW));
    assert!(engine.status().signals.unwrap().problem.unwrap().contains("was gone"));
    assert!(engine.signals(ip("41.1.1.1")).is_empty());
}

#[test]
fn noise_written_over_the_table_of_a_running_engine_is_survived() {
    use std::io::Seek as _;
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(dir.path(), "[signals]\ncapacity = 800\n");
    let reader = Reader::open_with(&dir.path().join("data"), clock(NOW)).unwrap();
    let clients: Vec<IpAddr> = (0..=255).map(|n| IpAddr::from([41, 1, 1, n])).collect();
    for client in &clients {
        assert!(engine.signal(*client, "abuse").unwrap());
    }
    let [table] = &tables(dir.path())[..] else { panic!("one table") };
    let mut file = std::fs::OpenOptions::new().write(true).open(table).unwrap();
    let length = file.metadata().unwrap().len();
    let mut random = Random(3);
    for _ in 0..3_000 {
        // Past the page of the header: what that says is known since it was opened.
        let at = 4_096 + random.next() % (length - 4_096 - 8);
        file.seek(std::io::SeekFrom::Start(at)).unwrap();
        file.write_all(&random.next().to_le_bytes()).unwrap();
        let client = clients[random.below(256)];
        engine.signal(client, ["abuse", "loyal"][random.below(2)]).unwrap();
        for signal in engine.signals(client) {
            assert!(signal.effect.is_finite() && signal.effect.abs() <= 12.0, "{signal:?}");
        }
        let score = reader.gate(client).score();
        assert!((0.0..=100.0).contains(&score));
    }
    assert!(engine.status().signals.unwrap().entries <= 800);
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_grow() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, clock) = engine(dir.path(), "");
    let client = ip("41.1.1.1");
    engine.signal_count(client, "failed_login", 4).unwrap();
    let count = |engine: &Engine| engine.signals(client)[0].count;
    assert_eq!(count(&engine), 4.0);
    clock.set(time("2000-01-01T00:00:00Z"));
    assert_eq!(count(&engine), 4.0);
    engine.signal(client, "failed_login").unwrap();
    assert_eq!(count(&engine), 5.0);
    // From then on it fades by the new time.
    clock.set(time("2000-01-01T06:00:00Z"));
    assert!((count(&engine) - 2.5).abs() < 1e-3);
    clock.set(time("2200-01-01T00:00:00Z"));
    assert!(engine.signals(client).is_empty());
}

#[cfg(unix)]
#[test]
fn who_may_not_write_reads_and_is_told_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(dir.path(), "");
    engine.signal(ip("41.1.1.1"), "abuse").unwrap();
    let [table] = &tables(dir.path())[..] else { panic!("one table") };
    std::fs::set_permissions(table, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(table).is_ok() {
        return support::skipped("this user may write to everything");
    }
    let reader = Reader::open_with(&dir.path().join("data"), clock(NOW)).unwrap();
    assert!(reader.check(ip("41.1.1.1")).is_moved());
    let error = reader.signal(ip("41.1.1.1"), "abuse").unwrap_err();
    assert_eq!(error.code(), "ARTIF_IO");
    assert!(error.to_string().contains("may only read"), "{error}");
    assert!(!reader.status().signals.unwrap().writable);
    assert!(engine.signal(ip("41.1.1.1"), "abuse").unwrap());
    assert_eq!(reader.gate(ip("41.1.1.1")), engine.gate(ip("41.1.1.1")));
}

/// What the child processes of this file do: this test binary runs itself with the variable set.
const PART: &str = "ARTIF_TEST_PART";

fn spawn(data: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["part", "--exact", "--nocapture"])
        .env(PART, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

/// Not a test of its own: a process that reports a failed login of each address it is told, and
/// without end of a thousand others once it is told nothing more.
#[test]
fn part() {
    let Some(data) = std::env::var_os(PART) else { return };
    let reader = Reader::open_with(Path::new(&data), clock(NOW)).unwrap();
    println!("\nready");
    for line in std::io::stdin().lines() {
        assert!(reader.signal(line.unwrap().parse().unwrap(), "failed_login").unwrap());
        println!("\ndone");
        std::io::stdout().flush().unwrap();
    }
    println!("\nbusy");
    for n in 0_u64.. {
        let client = IpAddr::from([41, 9, (n % 4) as u8, (n % 251) as u8]);
        reader.signal(client, ["failed_login", "loyal"][(n % 2) as usize]).unwrap();
    }
}

#[test]
fn processes_share_signals_and_one_that_is_killed_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = engine(dir.path(), "");
    let data = dir.path().join("data");
    let client = ip("41.1.1.1");
    for round in 1..=6_u64 {
        let (mut child, mut lines) = spawn(&data);
        let mut until = |word: &str| assert!(lines.any(|line| line.ends_with(word)), "{word}");
        until("ready");
        let mut stdin = child.stdin.take().unwrap();
        for _ in 0..50 {
            writeln!(stdin, "{client}").unwrap();
            until("done");
            engine.signal(client, "failed_login").unwrap();
        }
        let count = engine.signals(client)[0].count;
        assert_eq!(count, 100.0 * round as f64, "both processes' reports");
        drop(stdin);
        until("busy");
        // Somewhere in the middle of a report; the moments differ by round.
        let spin = std::time::Instant::now();
        while spin.elapsed() < std::time::Duration::from_micros(round * 900) {
            engine.signal(IpAddr::from([41, 8, 1, round as u8]), "abuse").unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(engine.signals(client)[0].count, count);
        for last in 0..=255 {
            let other = IpAddr::from([41, 9, last % 4, last]);
            assert!(engine.signal(other, "failed_login").unwrap(), "no place is stuck");
            let signals = engine.signals(other);
            assert!(signals.iter().all(|signal| signal.count < 65_537.0), "{signals:?}");
        }
    }
    drop(engine);
    let again = engine_with(dir.path(), "", clock(NOW));
    assert_eq!(again.signals(client)[0].count, 600.0);
}
