//! Replays of dated folders: small ones with known answers, real ones against what was measured.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::path::Path;

use artif_core::Config;
use artif_core::backtest::{Backtest, BacktestReport, Question};
use artif_core::config::ScorerKind;
use support::corpus;

fn write(dir: &Path, day: &str, file: &str, addresses: impl Iterator<Item = String>) {
    std::fs::create_dir_all(dir.join(day)).unwrap();
    let mut text = String::new();
    addresses.for_each(|address| writeln!(text, "{address}").unwrap());
    std::fs::write(dir.join(day).join(file), text).unwrap();
}

fn hosts(net: &str, range: std::ops::Range<u8>) -> impl Iterator<Item = String> {
    range.map(move |last| format!("{net}.{last}"))
}

/// Four days: a /24 that fills up, some of which leaves and some of that returns; a list of ranges;
/// and a list that begins on the third day.
fn small(dir: &Path) {
    let fill = |day: &str, start: u8, end: u8| {
        write(dir, day, "filling.txt", hosts("22.10.44", start..end));
        write(
            dir,
            day,
            "ranges.txt",
            ["22.99.0.0/16".to_owned(), "22.99.1.1".to_owned()].into_iter(),
        );
    };
    fill("2026-08-01", 0, 60);
    fill("2026-08-02", 10, 100); // 40 new, 10 leave
    fill("2026-08-03", 4, 130); // 30 new, 6 of the 10 return
    fill("2026-08-04", 4, 131); // 1 new, 4 stay away
    // Its own first content is no news, and neither is what a range covers.
    write(dir, "2026-08-03", "late.csv", hosts("22.20.20", 0..200));
    write(dir, "2026-08-04", "late.csv", hosts("22.20.20", 0..230).chain(hosts("22.99.7", 0..50)));
    // Not dated, not a file, hidden: none of it counts.
    write(dir, "notes", "filling.txt", hosts("22.77.7", 0..99));
    write(dir, "2026-08-04", ".cache", hosts("22.77.7", 0..99));
    std::fs::create_dir(dir.join("2026-08-04/folder")).unwrap();
    std::fs::write(dir.join("2026-08-05"), "a file").unwrap();
}

fn with_systems() -> Config {
    let mut config = Config::default();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    config.geo.asn = Some(samples.join("sample-asn.mmdb"));
    config
}

fn counts(question: &Question) -> (usize, usize) {
    (question.bad, question.others)
}

#[test]
fn a_small_replay_with_known_answers() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let backtest = Backtest::new(dir.path()).config(with_systems()).negatives(20_000);
    let mut seen = Vec::new();
    let report = backtest.run(|day| seen.push(day.date.to_string())).unwrap();
    assert_eq!(seen, ["2026-08-01", "2026-08-02", "2026-08-03"]);
    assert_eq!(report.folders, 4);
    let new: Vec<usize> = report.days.iter().map(|day| day.new.bad).collect();
    assert_eq!(new, [40, 30, 31]);
    let back: Vec<_> = report.days.iter().map(|day| counts(&day.back)).collect();
    assert_eq!(back, [(0, 0), (6, 4), (0, 4)]);
    let feeds: Vec<_> = report.feeds.iter().map(|feed| (&*feed.feed, feed.new)).collect();
    assert_eq!(feeds, [("filling", 70), ("late", 30)], "a day's one is too few to judge");

    // Draws are announced, and neither listed nor covered: 22.99/16 would be 1 in 256 of 22/8.
    assert!(report.announced.is_some());
    let drawn = report.days[0].new.others;
    assert!((19_000..20_000).contains(&drawn), "{drawn}");

    // A /24 that fills up is what neighbourhoods tell. Back needs both sides.
    let risk = report.mean_new.iter().find(|s| s.scorer == "risk").unwrap().measures;
    assert!(risk.auc > 0.99, "{risk:?}");
    assert!(risk.tpr_at_0_1_percent > 0.6, "{risk:?}");
    assert!(risk.calibration_error.is_some());
    let classic = report.mean_new.iter().find(|s| s.scorer == "classic").unwrap().measures;
    assert!(classic.calibration_error.is_none(), "its numbers are no probabilities");
    let judged: Vec<usize> = report.days.iter().map(|day| day.back.scorers.len()).collect();
    assert_eq!(judged, [0, 2, 0]);

    let text = report.to_text();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("2026-08-02 30 19915 0."), "{words}");
    assert!(words.contains("2026-08-01 0 0 - - - - - - - - - - 2026-08-02 6 4 0."), "{words}");
}

#[test]
fn the_seed_decides() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let run = |seed| {
        let backtest = Backtest::new(dir.path()).config(with_systems()).negatives(3_000);
        backtest.seed(seed).run(|_| ()).unwrap()
    };
    let first = run(1);
    assert_eq!(first, run(1));
    let differ = |a: &BacktestReport, b: &BacktestReport| {
        let others = |r: &BacktestReport| -> Vec<usize> {
            r.days.iter().map(|day| day.new.others).collect()
        };
        others(a) != others(b) || a.mean_new != b.mean_new
    };
    assert!(differ(&first, &run(2)));
    let others: std::collections::BTreeSet<usize> =
        (1..6).flat_map(|seed| run(seed).days.into_iter().map(|day| day.new.others)).collect();
    assert!(others.len() > 1, "days and seeds draw other addresses");
}

#[test]
fn a_catalogue_says_what_files_are() {
    let dir = tempfile::tempdir().unwrap();
    for (day, end) in [("2026-08-01", 60), ("2026-08-02", 120)] {
        let rows = |net: &'static str| hosts(net, 0..end).map(|host| format!("x;{host}"));
        write(dir.path(), day, "columns.csv", rows("22.10.44"));
        write(dir.path(), day, "clouds.txt", hosts("22.20.20", 0..end));
    }
    let catalogue = dir.path().join("catalogue.toml");
    let text = "[[feed]]\nid = 'table'\nurl = 'file:old/columns.csv'\nformat = { type = 'csv', sep = ';', value_col = 2 }\n\
                [[feed]]\nid = 'clouds'\nurl = 'https://feeds.example/list'\nrole = 'label'\n";
    std::fs::write(&catalogue, text).unwrap();
    let run = |backtest: Backtest| {
        backtest.negatives(1000).scorers([ScorerKind::Classic]).run(|_| ()).unwrap()
    };
    let report = run(Backtest::new(dir.path()).catalogue(&catalogue));
    // Found by the file's name, and by the id; what only says what an address is judges nobody.
    let feeds: Vec<_> = report.feeds.iter().map(|feed| (&*feed.feed, feed.new)).collect();
    assert_eq!(feeds, [("table", 60)]);
    assert_eq!(report.scorers, ["classic"]);
    assert!(report.announced.is_none() && report.to_text().contains("all of IPv4"));
    let feeds = run(Backtest::new(dir.path())).feeds;
    assert_eq!(feeds.len(), 2, "without it all are threats");
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let error = |backtest: Backtest| backtest.run(|_| ()).unwrap_err();
    write(dir.path(), "2026-08-01", "a.txt", hosts("22.1.1", 0..5));
    let text = error(Backtest::new(dir.path())).to_string();
    assert!(text.contains("has 1 folders"), "{text}");
    write(dir.path(), "2026-08-02", "a.txt", hosts("22.1.1", 0..5));
    write(dir.path(), "2026-08-02", "a.csv", hosts("22.1.1", 0..5));
    let text = error(Backtest::new(dir.path())).to_string();
    assert!(text.contains("is the second file for feed a"), "{text}");
    let mut config = Config::default();
    config.geo.asn = Some("no/such.mmdb".into());
    assert_eq!(error(Backtest::new(dir.path()).config(config)).code(), "ARTIF_GEO");
}

/// The counts are those that another implementation of the same question finds (with its own
/// parser, in another language); so were the measures, within what draws differ by.
#[test]
fn real_days_as_measured_elsewhere() {
    let Some(corpus) = corpus() else { return };
    let mut config = Config::default();
    config.geo.asn = Some(corpus.join("mmdb/GeoLite2-ASN.mmdb"));
    config.geo.country = Some(corpus.join("mmdb/GeoLite2-Country.mmdb"));
    let backtest = Backtest::new(corpus.join("replay")).config(config);
    let report = backtest.from("2026-08-16".parse().unwrap()).run(|_| ()).unwrap();
    println!("{}", report.to_text());
    let days = &report.days;
    assert_eq!(days.len(), 2);
    assert_eq!([days[0].new.bad, days[1].new.bad], [8409, 8025]);
    assert_eq!([counts(&days[0].back), counts(&days[1].back)], [(700, 26_631), (1155, 32_377)]);
    for day in days {
        assert!((159_900..160_000).contains(&day.new.others), "{}", day.new.others);
        let [classic, risk] = [0, 1].map(|n| day.new.scorers[n].measures);
        assert!((0.4..0.6).contains(&classic.auc), "{classic:?}");
        assert!(risk.auc > 0.93 && risk.tpr_at_1_percent > 0.5, "{risk:?}");
        assert!(risk.calibration_error.unwrap() < 0.025, "{risk:?}");
        assert!(day.back.scorers[1].measures.auc > 0.75);
    }
}
