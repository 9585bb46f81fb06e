//! The `artif` command: the real program on the sample feeds.
//!
//! Expected output is in `tests/cli/*.txt`; `ARTIF_BLESS=1 cargo test --features cli --test cli`
//! writes it anew, to be read before it is committed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "cli/support.rs"]
mod support;

use std::fmt::Write as _;

use artif_core::Engine;
use serde_json::Value;
use support::{CAST, Folder, assert_expected, keys, shape};

#[test]
fn help_documents_exit_codes() {
    let folder = Folder::new();
    let help = folder.run(&["--help"]);
    assert_eq!(help.code, 0);
    help.matches("help");
    assert_eq!(
        folder.run(&["--version"]).stdout,
        concat!("artif ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn three_days_of_feeds() {
    let folder = Folder::new();
    folder.day(1, &["--table"]).matches("refresh_day1_table");
    folder.day(2, &[]).matches("refresh_day2");
    folder.day(3, &[]).matches("refresh_day3");
    folder.day(3, &[]).matches("refresh_day3_again");
}

#[test]
fn answers_in_every_format() {
    let folder = Folder::at_day3();
    let bad = ["22.66.6.66", "no-address", "10.1.2.3"];
    for (format, name) in [
        ("text", "check_text"),
        ("json", "check_json"),
        ("ndjson", "check_ndjson"),
        ("csv", "check_csv"),
        ("seed-json", "check_seed_json"),
    ] {
        let mut args = vec!["check", "--as-of", "2026-08-03T07:00:00Z", "--format", format];
        let good = folder.run(&[&args, &CAST[..]].concat());
        assert_eq!(good.code, 0, "{format}: {}", good.stderr);
        good.matches(name);
        args.extend(bad);
        let ended = folder.run(&args);
        assert_eq!(ended.code, 4, "{format}");
        ended.matches(&format!("{name}_bad"));
    }
    let json = folder.run(&["check", "--json", "22.66.6.66"]);
    assert_eq!(json.json()[0]["verdict"], "dangerous");
}

#[test]
fn a_list_separated_by_commas_is_read_back() {
    let folder = Folder::at_day3();
    let csv = folder.run(&[&["check", "--format", "csv"], &CAST[..]].concat()).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>().join(","),
        "ip,score,risk,verdict,is_active,historical,asn,country,org,blacklists"
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), CAST.len());
    assert!(rows[0].get(9).unwrap().split(';').count() > 1, "{:?}", rows[0]);
}

#[test]
fn the_documented_answers_of_the_seed_system() {
    let folder = Folder::at_day3();
    let seed = |ip: &str| {
        let ended = folder.run(&["check", "--format", "seed-json", "--", ip]);
        (ended.code, ended.stdout)
    };
    assert_eq!(seed(""), (4, "{\"description\": \"Enter IP\"}\n".to_owned()));
    assert_eq!(seed("1.2.3"), (4, "{\"description\": \"Enter valid IP\"}\n".to_owned()));
    assert_eq!(seed("-1"), (4, "{\"description\": \"Enter valid IP\"}\n".to_owned()));
    assert_eq!(seed("192.168.0.1"), (0, "{\"description\": \"Private IP\"}\n".to_owned()));
    let csv = folder.run(&["check", "--format", "csv", "22.201.0.1"]).stdout;
    let score = csv.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let (_, unknown) = seed("22.201.0.1");
    assert_eq!(
        unknown,
        format!(
            "{{\"is_IoC\": false, \"is_Active\": false, \"metadata\": {{\"asn\": \"NA\", \"country\": \
             \"NA\", \"org\": \"NA\"}}, \"score\": {score}, \"description\": \"Benign IP according to \
             feeds\", \"blacklists\": \"\", \"type\": \"\", \"historical\": false, \"verdict\": \"No \
             action needed\"}}\n"
        )
    );
    let (_, active) = seed("22.66.6.66");
    assert!(active.contains("\"description\": \"IP is an active IoC\", \"blacklists\": [\""));
    assert!(active.contains("\"verdict\": \"dangerous\""), "{active}");
    let (_, historical) = seed("22.32.5.5");
    assert!(historical.contains("\"description\": \"IP is a historically malicious IP\""));
    assert!(historical.contains("\"historical\": true, \"verdict\": \"suspicious\""));
}

#[test]
fn reasons_history_and_state() {
    let folder = Folder::at_day3();
    let at = ["--as-of", "2026-08-03T07:00:00Z"];
    for (args, name) in [
        (&["explain", "22.66.6.66"][..], "explain"),
        (&["explain", "22.32.5.5"], "explain_historical"),
        (&["history", "22.64.9.9"], "history"),
        (&["history", "22.201.0.1"], "history_none"),
        (&["history", "22.32.5.5", "--at", "2026-08-01T12:00:00Z"], "history_at"),
        (&["history", "22.32.5.5", "--at", "2026-07-01"], "history_before"),
        (&["status"], "status"),
        (&["snapshot", "info"], "snapshot_info"),
        (&["snapshot", "verify"], "snapshot_verify"),
    ] {
        let ended = folder.run(&[args, &at].concat());
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
        ended.matches(name);
    }
    assert_eq!(folder.run(&["explain", "22.66.6"]).code, 4);
}

#[test]
fn every_command_has_a_json_form() {
    let folder = Folder::at_day3();
    folder.configure(3);
    let mut shapes = String::new();
    for args in [
        &["refresh"][..],
        &["check", "22.66.6.66"],
        &["explain", "22.66.6.66"],
        &["history", "22.66.6.66"],
        &["history", "22.66.6.66", "--at", "2026-08-02"],
        &["status"],
        &["feeds", "list"],
        &["feeds", "show", "example-c2"],
        &["feeds", "report"],
        &["feeds", "disable", "example-c2"],
        &["feeds", "enable", "example-c2"],
        &["override", "add", "22.66.6.66", "allow"],
        &["override", "list"],
        &["override", "remove", "22.66.6.66"],
        &["snapshot", "info"],
        &["snapshot", "verify"],
    ] {
        let ended = folder.run(&[args, &["--json"]].concat());
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
        writeln!(shapes, "{}: {}", args.join(" "), shape(&ended.json())).unwrap();
    }
    assert_expected("json_shapes", &shapes);
}

#[test]
fn standard_input_is_answered_line_by_line() {
    let folder = Folder::at_day3();
    let mut child = folder.spawn(&["check", "--format", "ndjson", "-"]);
    // Each answer comes before the next question is asked: a pipe, not a file.
    for (ip, verdict) in [("22.66.6.66", "dangerous"), ("  22.201.0.1\r", "No action needed")] {
        child.write(&format!("{ip}\n\n"));
        let answer: Value = serde_json::from_str(&child.read_line()).unwrap();
        assert_eq!(answer["verdict"], verdict);
    }
    let ended = child.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
}

#[test]
fn standard_input_may_be_long_and_broken() {
    let folder = Folder::at_day3();
    let mut text = String::new();
    for i in 0..50_000_u32 {
        writeln!(text, "22.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255).unwrap();
    }
    text += &"x".repeat(1_000_000);
    text += "\n22.66.6.66";
    let ended = folder.run_with(&["check", "--format", "csv", "-", "10.0.0.1"], &text);
    assert_eq!(ended.code, 4);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 50_004);
    assert!(lines[50_001].contains(",invalid,") && lines[50_001].len() < 400);
    assert!(lines[50_002].starts_with("22.66.6.66,0"));
    assert!(lines[50_003].starts_with("10.0.0.1,"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = Folder::at_day3();
    let mut child = folder.spawn(&["check", "-q", "-"]);
    child.close_stdout();
    let ended = child.finish_writing(&"22.66.6.66\n".repeat(100_000));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn exit_codes_for_gates() {
    let folder = Folder::at_day3();
    let code = |args: &[&str]| folder.run(&[&["check", "--exit-code"], args].concat()).code;
    assert_eq!(code(&["22.66.6.66"]), 10);
    assert_eq!(code(&["22.32.5.5", "22.201.0.1", "10.0.0.1"]), 0);
    assert_eq!(code(&["nonsense"]), 4);
    assert_eq!(code(&["nonsense", "22.66.6.66"]), 10);
    assert_eq!(folder.run(&["check", "22.66.6.66"]).code, 0);
}

#[test]
fn signals_are_reported_listed_and_forgotten() {
    let folder = Folder::new();
    let off = folder.run(&["signal", "22.99.1.1", "abuse"]);
    assert_eq!(off.code, 2, "{}", off.stdout);
    assert!(off.stderr.contains("[signals.NAME]"), "{}", off.stderr);
    folder.write("artif.toml", "[signals.abuse]\ndanger = 3\nlimit = 12\nhalf_life = '30d'\n");
    assert_eq!(folder.day(3, &[]).code, 0);

    let at = "2026-08-03T07:00:00Z";
    let verdict = || {
        let ended = folder.run(&["check", "--json", "--as-of", at, "22.99.1.1"]);
        ended.json()[0]["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(), "No action needed");
    let told = folder.run(&["signal", "22.99.1.1", "abuse", "--count", "4", "--as-of", at]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    told.matches("signal");
    assert_eq!(verdict(), "dangerous");
    folder.run(&["explain", "22.99.1.1", "--as-of", at]).matches("explain_signal");
    let list = folder.run(&["signal", "22.99.1.1", "--json", "--as-of", at]).json();
    assert_eq!((&list[0]["name"], &list[0]["effect"]), (&"abuse".into(), &12.0.into()));
    let status = folder.run(&["status"]).stdout;
    assert!(status.contains("abuse; 1 of 65,536 places in use, 0 evicted"), "{status}");
    let metrics = folder.run(&["status", "--format", "prometheus"]).stdout;
    assert!(metrics.contains("artif_signals{what=\"used\"} 1\n"), "{metrics}");

    let kept = folder.run(&["signal", "10.1.1.1", "abuse", "--json"]).json();
    assert_eq!(kept["kept"], false);
    assert_eq!(folder.run(&["signal", "22.99.1.1", "abus"]).code, 2);
    assert_eq!(folder.run(&["signal", "nonsense", "abuse"]).code, 4);
    assert_eq!(
        folder.run(&["signal", "22.99.1.1", "--forget", "--json"]).json()["forgotten"],
        true
    );
    assert!(folder.run(&["signal", "22.99.1.1"]).stdout.contains("nothing was reported"));
    assert_eq!(verdict(), "No action needed");
}

#[test]
fn overrides_count_at_once_and_end() {
    let folder = Folder::at_day3();
    let verdict = |at: &str| {
        let ended = folder.run(&["check", "--json", "--as-of", at, "22.66.6.66"]);
        ended.json()[0]["verdict"].as_str().unwrap().to_owned()
    };
    let at = "2026-08-03T07:00:00Z";
    let added = folder.run(&[
        "override",
        "add",
        "22.66.6.0/24",
        "allow",
        "--reason",
        "our scanner",
        "--author",
        "ana",
        "--expires",
        "7d",
        "--as-of",
        at,
    ]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    added.matches("override_add");
    assert_eq!(verdict(at), "allowed");
    assert_eq!(verdict("2026-08-10T06:59:59Z"), "allowed");
    assert_eq!(verdict("2026-08-10T07:00:00Z"), "dangerous");

    folder.run(&["override", "add", "22.66.6.66", "block", "--author", "ana", "--as-of", at]);
    assert_eq!(verdict(at), "blocked");
    folder.run(&["override", "list", "--as-of", at]).matches("override_list");
    assert_eq!(folder.run(&["override", "remove", "22.66.6.66"]).code, 0);
    assert_eq!(verdict(at), "allowed");
    let gone = folder.run(&["override", "remove", "22.66.6.66"]);
    assert_eq!(gone.code, 2);
    assert!(gone.stderr.contains("no override of exactly 22.66.6.66"), "{}", gone.stderr);

    // The owner takes them in and keeps them.
    folder.day(3, &[]);
    assert_eq!(verdict(at), "allowed");
    let list = folder.run(&["override", "list", "--json"]).json();
    assert_eq!((&list[0]["reason"], &list[0]["author"]), (&"our scanner".into(), &"ana".into()));

    for args in [
        &["add", "22.66.6.66", "alow"][..],
        &["add", "22.66.6.66/40", "allow"],
        &["add", "22.66.6.66", "allow", "--expires", "soon"],
        &["add", "22.66.6.66", "allow", "--expires", "2020-01-01"],
    ] {
        assert_eq!(folder.run(&[&["override"], args].concat()).code, 2, "{args:?}");
    }
}

#[test]
fn feeds_are_listed_and_switched() {
    let folder = Folder::at_day3();
    folder.configure(3);
    folder.run(&["feeds", "list"]).matches("feeds_list");
    folder.run(&["feeds", "list", "--table"]).matches("feeds_table");
    folder.run(&["feeds", "show", "example-c2"]).matches("feeds_show");
    assert_eq!(folder.run(&["feeds", "show", "nope"]).code, 2);
    assert_eq!(folder.run(&["feeds", "disable", "nope"]).code, 2);

    let off = folder.run(&["feeds", "disable", "example-spam"]);
    assert_eq!(off.code, 0, "{}", off.stderr);
    let listed = |args: &[&str]| -> Vec<String> {
        let rows = folder.run(&[&["feeds", "list", "--json"], args].concat()).json();
        let rows = rows.as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(!listed(&[]).contains(&"example-spam".to_owned()));
    assert!(listed(&["--all"]).contains(&"example-spam".to_owned()));
    let note = folder.run(&["feeds", "list"]).stderr;
    assert!(note.contains("1 more"), "{note}");

    let active = |ip: &str| folder.run(&["check", "--json", ip]).json()[0]["is_Active"].clone();
    assert_eq!(active("22.10.200.1"), true);
    folder.run(&["refresh", "--as-of", "2026-08-03T08:00:00Z"]);
    assert_eq!(active("22.10.200.1"), false);
    assert_eq!(folder.run(&["feeds", "enable", "example-spam"]).code, 0);
    folder.run(&["refresh", "--as-of", "2026-08-03T09:00:00Z"]);
    assert_eq!(active("22.10.200.1"), true);
}

#[test]
fn feeds_are_compared() {
    let folder = Folder::at_day3();
    folder.run(&["feeds", "report"]).matches("feeds_report");
    let json = folder.run(&["feeds", "report", "--format", "json"]).stdout;
    assert_eq!(json, folder.run(&["feeds", "report", "--json"]).stdout);

    let written = folder.run(&["feeds", "report", "--format", "html", "--output", "report.html"]);
    assert_eq!((written.code, &*written.stdout), (0, ""), "{}", written.stderr);
    assert_eq!(written.stderr, "note: written to report.html\n");
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg "));
    assert_eq!(page, folder.run(&["feeds", "report", "--format", "html"]).stdout);
    let nowhere = folder.run(&["feeds", "report", "-o", "no/such/folder/report.txt"]);
    assert_eq!(nowhere.code, 3);
    assert!(nowhere.stderr.contains("no/such/folder/report.txt"), "{}", nowhere.stderr);
    assert_eq!(Folder::new().run(&["feeds", "report"]).code, 3, "no snapshot");
}

#[test]
fn scorers_are_judged_by_the_next_day() {
    let folder = Folder::new();
    folder.dated_days("days");
    let help = folder.run(&["backtest", "--help"]).stdout;
    assert!(help.contains("What cannot: how many of your visitors"), "{help}");
    let catalogue = Folder::catalogue(3);
    let args = ["backtest", "--replay", "days", "--negatives", "2000", "--catalogue"];
    let args = [&args[..], &[catalogue.to_str().unwrap()]].concat();
    let both = folder.run(&args);
    assert_eq!((both.code, &*both.stderr), (0, ""));
    for text in ["3 dated folders, 2 days judged", "classic   ", "risk\n", "\nmean "] {
        assert!(both.stdout.contains(text), "{text}: {}", both.stdout);
    }
    assert!(!both.stdout.contains("New by feed"), "too few to judge: {}", both.stdout);
    let json = folder.run(&[&args[..], &["--format", "json", "--scorer", "risk"]].concat()).json();
    assert_eq!(json["scorers"], serde_json::json!(["risk"]));
    assert_eq!(json["days"][0]["judged_by"], "2026-08-02");
    assert_eq!(
        keys(&json["days"][0]["new"]["scorers"][0]),
        [
            "auc",
            "auc_error",
            "calibration_error",
            "others_below",
            "scorer",
            "tpr_at_0_1_percent",
            "tpr_at_1_percent",
            "tpr_at_5_percent"
        ]
    );
    let one = folder.run(&[&args[..], &["--json", "--from", "2026-08-02"]].concat()).json();
    assert_eq!(one["days"].as_array().unwrap().len(), 1);
    assert!(!folder.data().exists(), "nothing is written");

    assert_eq!(folder.run(&["backtest"]).code, 2);
    let none = folder.run(&["backtest", "--replay", "."]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("named like 2026-08-05"), "{}", none.stderr);
    let asn = folder.run(&[&args[..], &["--asn", "nowhere.mmdb"]].concat());
    assert_eq!(asn.code, 3);
    assert!(asn.stderr.contains("nowhere.mmdb"), "{}", asn.stderr);
}

#[test]
fn the_table_of_feeds_fits_the_terminal() {
    let folder = Folder::new();
    let columns = |width: &str| -> (Vec<String>, usize) {
        let ended = folder.run_in(&[("COLUMNS", width)], &["feeds", "list", "--table", "--all"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), 105, "the built-in catalogue and a head");
        let head = lines[0].split_whitespace().map(str::to_owned).collect();
        (head, lines.iter().map(|line| line.chars().count()).max().unwrap())
    };
    let (narrow, longest) = columns("80");
    assert!(longest <= 80 && narrow.contains(&"categories".to_owned()), "{longest} {narrow:?}");
    let (wide, longest) = columns("120");
    assert!(longest <= 120 && wide.len() > narrow.len(), "{longest} {wide:?}");
    for name in ["level", "conf", "role", "every", "sold", "format"] {
        assert!(wide.contains(&name.to_owned()), "{name}: {wide:?}");
    }
    // Where nobody looks, nothing is left out.
    let (all, _) = columns("");
    assert_eq!(all.len(), 15, "{all:?}");
    assert!(all.ends_with(&["licence".to_owned(), "url".to_owned()]), "{all:?}");
    assert_eq!(columns("5").0, ["feed"]);
}

#[test]
fn beside_a_running_owner() {
    let folder = Folder::at_day3();
    folder.configure(3);
    let owner = Engine::builder().data(folder.data()).catalogue(Folder::catalogue(3)).build();
    let owner = owner.unwrap();
    let pid = std::process::id().to_string();
    for args in [&["refresh"][..], &["feeds", "disable", "example-c2"]] {
        let locked = folder.run(args);
        assert_eq!(locked.code, 3, "{args:?}");
        assert!(locked.stderr.contains("is owned by process"), "{}", locked.stderr);
        assert!(locked.stderr.contains(&pid), "{}", locked.stderr);
    }
    for args in [
        &["check", "22.66.6.66"][..],
        &["explain", "22.66.6.66"],
        &["history", "22.66.6.66"],
        &["status"],
        &["feeds", "list"],
        &["snapshot", "verify"],
        &["override", "add", "22.201.0.1", "block"],
        &["override", "list"],
    ] {
        let ended = folder.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
    }
    drop(owner);
    assert_eq!(folder.run(&["refresh"]).code, 0);
}

#[test]
fn active_then_historical_then_forgotten() {
    let folder = Folder::new();
    let check = |ip: &str| {
        let answer = &folder.run(&["check", "--json", ip]).json()[0];
        (answer["verdict"].as_str().unwrap().to_owned(), answer["is_IoC"] == true)
    };
    folder.day(1, &[]);
    assert_eq!(check("22.32.5.5"), ("dangerous".to_owned(), true));
    folder.day(2, &[]);
    assert_eq!(check("22.32.5.5"), ("suspicious".to_owned(), true));
    let catalogue = Folder::catalogue(2);
    let refresh = |at: &str| {
        let args = ["refresh", "--as-of", at, "--catalogue", catalogue.to_str().unwrap()];
        assert_eq!(folder.run(&args).code, 0);
    };
    refresh("2026-08-09T05:59:00Z");
    assert_eq!(check("22.32.5.5"), ("suspicious".to_owned(), true));
    refresh("2026-08-09T06:00:00Z");
    assert!(!check("22.32.5.5").1);
    // Beyond the retention nothing is left to tell.
    let history = || folder.run(&["history", "22.32.5.5", "--json"]).json();
    assert_eq!(history().as_array().unwrap().len(), 2);
    refresh("2026-11-20T06:00:00Z");
    assert!(history().as_array().unwrap().is_empty());
}

#[test]
fn failures_are_told_apart() {
    let folder = Folder::new();
    let none = folder.run(&["check", "22.66.6.66"]);
    assert_eq!(none.code, 3);
    assert!(
        none.stderr.contains("no snapshot yet") && none.stderr.contains("refresh"),
        "{}",
        none.stderr
    );
    let json = folder.run(&["check", "22.66.6.66", "--json"]);
    let error: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["code"], "ARTIF_NO_SNAPSHOT");
    assert_eq!(folder.run(&["status"]).code, 3);
    assert_eq!(folder.run(&["feeds", "list"]).code, 0);
    assert_eq!(folder.run(&["override", "list"]).stdout, "no overrides\n");
    assert!(!folder.data().exists(), "asking creates nothing");

    assert_eq!(folder.run(&[]).code, 2);
    assert_eq!(folder.run(&["chekc"]).code, 2);
    assert_eq!(folder.run(&["check"]).code, 2);
    assert_eq!(folder.run(&["refresh", "--as-of", "yesterday"]).code, 2);
    assert_eq!(folder.run(&["status", "--config", "nowhere.toml"]).code, 2);
    folder.write("artif.toml", "[history]\nwindoww = '1d'\n");
    let wrong = folder.run(&["status"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("artif.toml:2"), "{}", wrong.stderr);

    folder.write("artif.toml", "[[feed]]\nid = 'good'\nurl = 'file:good.txt'\n\n[[feed]]\nid = 'gone'\nurl = 'file:gone.txt'\n");
    folder.write("good.txt", "22.1.2.3\n");
    let partial = folder.run(&["refresh"]);
    assert_eq!(partial.code, 1, "{}", partial.stderr);
    assert!(partial.stdout.contains("failed gone"), "{}", partial.stdout);
    assert_eq!(folder.run(&["check", "22.1.2.3", "--exit-code"]).code, 10);
    let quiet = folder.run(&["refresh", "-q"]);
    assert_eq!(quiet.stdout.lines().count(), 1, "{}", quiet.stdout);
    assert_eq!(folder.run(&["refresh", "--feed", "nope"]).code, 2);
    assert_eq!(folder.run(&["refresh", "--feed", "good"]).code, 0);
}

#[test]
fn a_damaged_snapshot_is_found() {
    let folder = Folder::at_day3();
    let path = folder.data().join("snapshot-0000000003.artif");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let ended = folder.run(&["snapshot", "verify"]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("checksum does not fit"), "{}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_refresh() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new();
    let address = listener.local_addr().unwrap();
    folder.write("artif.toml", &format!("[[feed]]\nid = 'slow'\nurl = 'http://{address}/'\n"));
    let refresh = folder.spawn(&["refresh"]);
    // Once it is connected it waits for an answer that never comes.
    let connection = listener.accept().unwrap();
    refresh.signal("INT");
    let ended = refresh.finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (130, "error: cancelled\n"));
    drop(connection);
    assert_eq!(folder.run(&["status"]).code, 0, "and leaves the folder fit for use");
}

#[test]
fn colours_where_they_are_seen() {
    let folder = Folder::at_day3();
    assert!(!folder.run(&["check", "22.66.6.66"]).stdout.contains('\u{1b}'));
    assert!(folder.run(&["check", "22.66.6.66", "--color", "always"]).stdout.contains('\u{1b}'));
}

#[test]
fn logs_go_to_standard_error_when_asked_for() {
    let folder = Folder::new();
    assert_eq!(folder.day(1, &[]).stderr, "");
    let logged = folder.day(2, &["-v"]);
    assert!(logged.stderr.contains("published"), "{}", logged.stderr);
    assert!(!logged.stdout.contains("INFO"), "{}", logged.stdout);
}

#[test]
fn the_demonstration_runs_offline() {
    let folder = Folder::new();
    let demo = folder.run(&["demo"]);
    assert_eq!(demo.code, 0, "{}", demo.stderr);
    for part in ["dangerous", "suspicious", "allowed", "not_applicable", "ns mean", "why 0.0"] {
        assert!(demo.stdout.contains(part), "no {part:?} in {}", demo.stdout);
    }
    assert!(!demo.stdout.contains("stale"), "{}", demo.stdout);
    assert!(!folder.data().exists());

    let kept = folder.run(&["demo", "--keep", "kept", "--json"]);
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    assert_eq!(keys(&kept.json()), ["answers", "measured", "refreshes"]);
    assert_eq!(folder.run(&["--data", "kept", "check", "22.66.6.66", "--exit-code"]).code, 10);
    assert_eq!(folder.run(&["demo", "--keep", "kept"]).code, 2);
}

#[test]
fn another_language_can_call_it_in_process() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    // A server that takes the connection and says nothing: only cancelling ends this refresh.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = Folder::new();
    folder.write("slow.toml", &format!("[[feed]]\nid = 'slow'\nurl = 'http://{address}/'\n"));
    let stop = Arc::new(AtomicBool::new(false));
    let server = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let connection = listener.accept();
            stop.store(true, Ordering::Relaxed);
            connection
        }
    });
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let io = artif_core::cli::Io::new(std::io::empty(), &mut out, &mut err).cancel(stop);
    let (data, config) = (folder.data(), folder.path("slow.toml"));
    let args = [
        "artif",
        "--data",
        data.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
        "refresh",
    ];
    assert_eq!(artif_core::cli::run(args, io), 130);
    assert_eq!(String::from_utf8(err).unwrap(), "error: cancelled\n");
    assert_eq!(out, b"");
    drop(server.join().unwrap());
}

#[cfg(feature = "misp")]
#[test]
fn servers_of_misp() {
    use std::fmt::Write as _;

    let folder = Folder::new();
    folder.day(1, &[]);
    folder.configure(1);
    assert_eq!(folder.run(&["misp", "status"]).stdout, "");
    let none = folder.run(&["misp", "sync"]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("it names no MISP server"), "{}", none.stderr);

    // One that nobody answers for: what was there counts, and it is said.
    folder.write("key", "0123456789012345678901234567890123456789\n");
    let mut text = std::fs::read_to_string(folder.path("artif.toml")).unwrap();
    let key = folder.path("key");
    write!(text, "\n[misp]\nurl = 'http://127.0.0.1:1/'\nkey = 'file:{}'\n", key.display())
        .unwrap();
    folder.write("artif.toml", &text);
    let wants_none = folder.run(&["misp", "sighting", "22.66.6.66"]);
    assert_eq!(wants_none.code, 2, "{}", wants_none.stderr);
    folder.write("artif.toml", &format!("{text}sightings = true\n[fetch]\nretries = 0\n"));
    for args in [&["misp", "sync", "--dry-run"][..], &["misp", "sighting", "22.66.6.66"]] {
        let failed = folder.run(args);
        assert_eq!(failed.code, 3, "{}", failed.stderr);
        assert!(failed.stderr.contains("[misp-unreachable]"), "{}", failed.stderr);
        assert!(!failed.stderr.contains("0123456789"), "the key is not shown");
    }
    let refreshed = folder.run(&["refresh"]);
    assert_eq!(refreshed.code, 1);
    assert!(refreshed.stdout.contains("[misp-unreachable]"), "{}", refreshed.stdout);
    let status = folder.run(&["misp", "status"]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("never synced to its end"), "{}", status.stdout);
    assert_eq!(folder.run(&["check", "22.66.6.66"]).code, 0);
}
