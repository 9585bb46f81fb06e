//! The 85 real feeds, and what is made of them without being told their format.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use artif_core::FeedId;
use artif_core::feed::{Catalogue, Detected, Hint, ParseLimits, detect, parse};
use support::corpus;

#[test]
fn real_feeds_are_read_as_by_their_catalogue() {
    let Some(corpus) = corpus() else { return };
    let feeds = Catalogue::load(corpus.join("feeds.json")).unwrap().feeds;
    let id: FeedId = "x".parse().unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    for feed in &feeds {
        let path = url::Url::parse(&feed.url).unwrap().to_file_path().unwrap();
        let bytes = std::fs::read(path).unwrap();
        let told = parse(&id, &feed.format, &ParseLimits::default(), &mut &bytes[..]).unwrap();
        let hint = Hint::default().url(&*feed.url);
        match detect(&bytes, &hint) {
            Detected::Feed(proposal) => {
                let found =
                    parse(&id, &proposal.format, &ParseLimits::default(), &mut &bytes[..]).unwrap();
                if found.prefixes == told.prefixes {
                    right += 1;
                } else {
                    wrong.push(format!(
                        "{}: {} keeps {} networks of {}",
                        feed.name,
                        proposal.shape,
                        found.prefixes.len(),
                        told.prefixes.len()
                    ));
                }
                println!(
                    "{:55} {:10} {:4} {}",
                    feed.name,
                    proposal.format.name(),
                    proposal.confidence,
                    proposal.shape
                );
            }
            // A refusal is right where there is nothing to be had.
            Detected::Refused(refusal) => {
                println!("{:55} refused: {}", feed.name, refusal.reason);
                if told.prefixes.is_empty() {
                    right += 1;
                } else {
                    wrong.push(format!("{}: {}", feed.name, refusal.reason));
                }
            }
            other => panic!("{other:?}"),
        }
    }
    println!("{right} of {} right; wrong: {wrong:#?}", feeds.len());
    assert_eq!(feeds.len(), 85);
    assert!(right >= 83, "{right} right, wrong: {wrong:#?}");
}
