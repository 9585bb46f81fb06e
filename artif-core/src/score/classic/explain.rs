//! Reasons for a classic score.

use super::{ClassicModel, Dimension};
use crate::error::excerpt;
use crate::geo::GeoRecord;
use crate::score::{State, Subject, Term};

pub(super) fn explain(model: &ClassicModel, subject: &Subject<'_>) -> Vec<Term> {
    if subject.state == State::Active {
        return vec![listing(model, subject)];
    }
    let (loss, parts) = model.losses(subject);
    let mut terms: Vec<Term> = Dimension::ALL
        .into_iter()
        .zip(parts)
        .filter_map(|(dimension, part)| neighbours(model, dimension, part, subject))
        .collect();
    if subject.state == State::Historical {
        let neighbourhood = 100.0 - loss;
        let regained = model.regained(subject.age_days);
        terms.push(Term {
            name: "history",
            contribution: neighbourhood * regained - neighbourhood,
            text: format!(
                "left its last feed {:.1} days ago: {:.0} % of the {:.1} days after which it \
                 counts like its neighbours",
                subject.age_days.max(0.0),
                100.0 * regained,
                model.window_days
            ),
        });
    }
    terms
}

fn listing(model: &ClassicModel, subject: &Subject<'_>) -> Term {
    let is_threat = |place: &&u32| model.threats.get(**place as usize) == Some(&true);
    let text = match subject.feeds.iter().filter(is_threat).count() {
        1 => "listed by 1 threat feed now".to_owned(),
        count => format!("listed by {count} threat feeds now"),
    };
    Term { name: "listing", contribution: -100.0, text }
}

/// The term of one dimension; none where nothing is known and nothing follows from that.
fn neighbours(
    model: &ClassicModel,
    dimension: Dimension,
    part: f64,
    subject: &Subject<'_>,
) -> Option<Term> {
    let key = dimension.key(&subject.record);
    if key.is_none() && subject.state == State::Unknown {
        return None;
    }
    let groups = model.groups(dimension);
    let (name, label) = match dimension {
        Dimension::Asn => ("asn", asn(&subject.record)),
        Dimension::Country => ("country", country(&subject.record)),
        Dimension::Organisation => ("organisation", organisation(model, key)),
    };
    let text = match groups.get(key) {
        None => format!("{label}: none of {} listed networks", model.documents),
        Some(group) => format!(
            "{label}: {} of {} listed networks ({:.2} %), {}weight {:.4} where the largest is {:.4}",
            group.documents,
            model.documents,
            100.0 * group.frequency,
            match group.historical {
                0 => String::new(),
                ended => format!("{ended} of them ended, "),
            },
            group.final_score,
            groups.max
        ),
    };
    // Not -0.0, which would be printed so.
    Some(Term { name, contribution: 0.0 - part, text })
}

fn asn(record: &GeoRecord) -> String {
    record.asn.map_or_else(|| "networks without a known AS".to_owned(), |asn| format!("AS{asn}"))
}

fn country(record: &GeoRecord) -> String {
    let name = |country: crate::geo::Country| format!("country {country}");
    record.country.map_or_else(|| "networks without a known country".to_owned(), name)
}

fn organisation(model: &ClassicModel, key: Option<u32>) -> String {
    let Some(key) = key else { return "networks without a known organisation".to_owned() };
    let place = model.organisation.keys.binary_search(&key).ok();
    match place.and_then(|place| model.names.get(place)) {
        Some(name) => excerpt(name),
        None => "its organisation".to_owned(),
    }
}
