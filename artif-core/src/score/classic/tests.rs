#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::category::{Category, CategorySet};
use crate::feed::{Feed, Role};
use crate::geo::GeoTable;
use crate::score::{Document, FeedFacts};

fn record(asn: u32, country: &str, organisation: u32) -> GeoRecord {
    GeoRecord {
        asn: (asn > 0).then_some(asn),
        country: Country::new(country),
        organisation: (organisation < u32::MAX).then_some(organisation),
    }
}

/// Five records, of which 1 and 2 differ in the AS alone.
fn table() -> GeoTable {
    let mut table = GeoTable::default();
    table.records.extend([
        record(64496, "XA", 0),
        record(64497, "XA", 0),
        record(64498, "XB", 1),
        record(0, "NA", u32::MAX),
    ]);
    table.organisations.extend(["Example Hosting".to_owned(), "Example Cloud".to_owned()]);
    table
}

fn feeds() -> Vec<FeedFacts> {
    [("a", Role::Threat), ("b", Role::Threat), ("cloud", Role::Label)]
        .map(|(id, role)| FeedFacts::from(&Feed::new(id, "file:x").unwrap().role(role)))
        .into()
}

fn document<'a>(feeds: &'a [u32], age_days: Option<f64>, geo: &'a [u32]) -> Document<'a> {
    let feed_set = feeds.iter().map(|feed| 1 << feed).sum();
    let categories = CategorySet::from_iter([Category::Attack]);
    Document { feeds, feed_set, categories, age_days, geo }
}

fn learn(documents: &Vec<Document<'_>>) -> ClassicModel {
    let input = ScoreInput {
        feeds: &feeds(),
        documents,
        networks: &(),
        geo: &table(),
        window_days: 7.0,
        prior: 0.01,
    };
    ClassicScorer.learn(&input)
}

fn subject(state: State, age_days: f64, geo: u32) -> Subject<'static> {
    let record = table().records[geo as usize];
    Subject { state, feeds: &[0, 2], age_days, geo, record, ..Subject::default() }
}

#[test]
fn without_documents_everything_is_safe() {
    let model = learn(&vec![]);
    assert_eq!(model.score(&subject(State::Unknown, 0.0, 1)), 100.0);
    assert_eq!(model.score(&subject(State::Active, 0.0, 1)), 0.0);
    assert_eq!(model.maxima(), [0.0; 3]);
}

#[test]
fn a_wide_network_counts_once_in_each_group() {
    let model = learn(&vec![document(&[0], None, &[1, 2]), document(&[0], None, &[3])]);
    let table = table();
    let documents = |dimension, geo: usize| {
        model.group(dimension, &table.records[geo]).map(|group| group.documents)
    };
    assert_eq!(documents(Dimension::Asn, 1), Some(1));
    assert_eq!(documents(Dimension::Asn, 2), Some(1));
    assert_eq!(documents(Dimension::Country, 1), Some(1), "one country, once");
    assert_eq!(documents(Dimension::Organisation, 1), Some(1));
    assert_eq!(model.documents, 2);
    assert_eq!(model.group(Dimension::Country, &table.records[1]).unwrap().frequency, 0.5);
}

#[test]
fn only_threat_feeds_make_documents() {
    let model = learn(&vec![
        document(&[0], None, &[1]),
        document(&[2], None, &[3]),
        document(&[0, 2], None, &[1]),
    ]);
    let without = learn(&vec![document(&[0], None, &[1]), document(&[0], None, &[1])]);
    assert_eq!(model, without);
    // Two threat feeds of the same level, one of them empty: half the weight is nobody's.
    assert_eq!(model.group(Dimension::Asn, &table().records[1]).unwrap().feeds, 0.5);
}

#[test]
fn the_same_feeds_with_other_categories_are_another_kind() {
    let mut other = document(&[0], None, &[3]);
    other.categories = CategorySet::from_iter([Category::Tor]);
    let model = learn(&vec![document(&[0], None, &[1]), other]);
    let types = |geo: usize| model.group(Dimension::Asn, &table().records[geo]).unwrap().types;
    assert!((types(1) - 1.0 / 3.0 / 7.25).abs() < 1e-12, "attack has number 2: {}", types(1));
    assert!((types(3) - 1.0 / 7.25).abs() < 1e-12, "tor has number 4: {}", types(3));
}

#[test]
fn namibia_is_not_unknown() {
    let model = learn(&vec![document(&[0], None, &[4]), document(&[0], None, &[0])]);
    let namibia = model.group(Dimension::Country, &table().records[4]).unwrap();
    let unknown = model.group(Dimension::Country, &GeoRecord::default()).unwrap();
    assert_eq!((namibia.documents, unknown.documents), (1, 1));
}

#[test]
fn ages_out_of_range_stay_sane() {
    let model = learn(&vec![
        document(&[0], Some(90.0), &[1]),
        document(&[0], Some(-5.0), &[1]),
        document(&[1], Some(f64::NAN), &[3]),
        document(&[1], None, &[3]),
    ]);
    for geo in [1, 3] {
        let group = model.group(Dimension::Asn, &table().records[geo]).unwrap();
        assert!(group.recency > 0.0 && group.final_score > 0.0, "{group:?}");
    }
}

#[test]
fn reasons_are_sentences_with_the_facts() {
    let model = learn(&vec![
        document(&[0], None, &[1]),
        document(&[0, 1], Some(2.0), &[1]),
        document(&[0], None, &[3]),
        document(&[1], None, &[0]),
    ]);
    let text = |subject: &Subject<'_>| -> Vec<String> {
        model.explain(subject, None).into_iter().map(|term| term.text).collect()
    };
    let terms = text(&subject(State::Historical, 1.4, 1));
    assert!(
        terms[0].starts_with("AS64496: 2 of 4 listed networks (50.00 %), 1 of them ended"),
        "{terms:?}"
    );
    assert!(terms[1].starts_with("country XA: 2 of 4"), "{terms:?}");
    assert!(terms[2].starts_with("Example Hosting: 2 of 4"), "{terms:?}");
    assert!(terms[3].starts_with("left its last feed 1.4 days ago: 20 %"), "{terms:?}");
    assert_eq!(text(&subject(State::Active, 0.0, 1)), ["listed by 1 threat feed now"]);
    assert_eq!(text(&subject(State::Unknown, 0.0, 2))[0], "AS64497: none of 4 listed networks");
    assert!(text(&subject(State::Unknown, 0.0, 0)).is_empty());
    assert!(
        text(&subject(State::Historical, 1.0, 0))[0].starts_with("networks without a known AS: 1")
    );
}

const SETS: [&[u32]; 4] = [&[0], &[1], &[0, 1], &[1, 2]];
const PLACES: [&[u32]; 5] = [&[0], &[1], &[2, 3], &[4], &[0, 1, 3]];

fn documents() -> impl Strategy<Value = Vec<Document<'static>>> {
    let one = (0..SETS.len(), 0..PLACES.len(), prop::option::of(0.0..40.0_f64), 0_u32..1 << 17);
    let one = one.prop_map(|(set, place, age, categories)| {
        let mut document = document(SETS[set], age, PLACES[place]);
        document.categories = CategorySet::from_bits(categories);
        document
    });
    prop::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn scores_stay_in_range_and_reasons_add_up(
        documents in documents(),
        age in 0.0..40.0_f64,
        geo in 0_u32..5,
    ) {
        let model = learn(&documents);
        for state in [State::Unknown, State::Historical, State::Active] {
            let subject = subject(state, age, geo);
            let score = model.score(&subject);
            prop_assert!((0.0..=100.0).contains(&score), "{score}");
            let terms: f64 = model.explain(&subject, None).iter().map(|term| term.contribution).sum();
            prop_assert!((100.0 + terms - score).abs() < 1e-9, "{terms} {score}");
        }
    }

    #[test]
    fn models_survive_the_snapshot(documents in documents()) {
        let model = learn(&documents);
        prop_assert_eq!(codec::decode(&model.encode()).unwrap(), model);
    }

    #[test]
    fn damaged_models_are_errors(
        documents in documents(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = learn(&documents).encode();
        prop_assert!(codec::decode(&bytes[..cut.index(bytes.len())]).is_err());
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(model) = codec::decode(&bytes) {
            let score = model.score(&subject(State::Unknown, 0.0, 1));
            prop_assert!((0.0..=100.0).contains(&score), "{score}");
            model.explain(&subject(State::Historical, 3.0, 1), None);
        }
    }

    #[test]
    fn noise_is_no_model(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(codec::decode(&bytes).is_err());
    }
}
