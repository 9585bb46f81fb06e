//! Reasons for a risk score: a way from 100 down to it, one piece of evidence after another.

use std::net::IpAddr;

use super::chain::{Groups, ratio};
use super::mass::{Entry, addresses, cap_cells, scale, weigh};
use super::space::Address;
use super::{Parts, RiskModel, SLOPE, STEPS, logistic};
use crate::net::Prefix;
use crate::score::{Nearby, State, Subject, Term};

/// Half of a 90 % interval in standard deviations.
const NINETY: f64 = 1.645;

/// What a level of the chain adds to Σ, and why.
struct Lift {
    name: &'static str,
    adds: f64,
    text: String,
}

/// Walks from 100 to the score; every step is a term.
struct Walk {
    at: f64,
    terms: Vec<Term>,
}

impl Walk {
    fn to(&mut self, score: f64, name: &'static str, text: String) {
        // Not -0.0, which would be printed so.
        let contribution = 0.0 + (score - self.at);
        self.terms.push(Term { name, contribution, text });
        self.at = score;
    }
}

pub(super) fn explain(
    model: &RiskModel,
    subject: &Subject<'_>,
    nearby: Option<&dyn Nearby>,
) -> Vec<Term> {
    let parts = model.parts(subject);
    let mut walk = Walk { at: 100.0, terms: Vec::new() };
    walk.to(
        100.0 * logistic(-parts.start),
        "prior",
        format!("{} of the addresses asked about are taken to be bad", percent(model.prior)),
    );
    neighbourhood(model, subject, nearby, &parts, &mut walk);
    if let Some(past) = parts.past.filter(|past| *past > parts.near) {
        walk.to(100.0 * logistic(-past), "past", past_text(subject));
    }
    if parts.unseen < 1.0 {
        let score = Parts { unlabelled: 1.0, ..parts }.score();
        walk.to(score, "listing", listing_text(model, subject, nearby));
    }
    if parts.unlabelled < 1.0 {
        walk.to(parts.score(), "label", "labelled: what it is, hardly that it is bad".to_owned());
    }
    walk.terms
}

/// The score's 90 % interval: the fewer listings there are around, the less is known.
pub(super) fn interval(
    model: &RiskModel,
    subject: &Subject<'_>,
    nearby: Option<&dyn Nearby>,
) -> [f64; 2] {
    let around = nearby.map_or(0.0, |nearby| cell_mass(model, nearby));
    let listed: f64 = match subject.state {
        State::Active => model.witnesses(subject.feeds, true).iter().map(|w| 10.0 * w.1).sum(),
        _ if subject.past.spells > 0 => 5.0,
        _ => 0.0,
    };
    let half = NINETY / (1.0 + around + listed).sqrt();
    let score = model.parts(subject).score();
    // A score of 0 or 100 has no logit.
    let safe = (score / 100.0).clamp(1e-12, 1.0 - 1e-12);
    let logit = (safe / (1.0 - safe)).ln();
    [(100.0 * logistic(logit - half)).min(score), (100.0 * logistic(logit + half)).max(score)]
}

fn neighbourhood(
    model: &RiskModel,
    subject: &Subject<'_>,
    nearby: Option<&dyn Nearby>,
    parts: &Parts,
    walk: &mut Walk,
) {
    let sum = f64::from(subject.neighbourhood) / STEPS;
    let lifts = match nearby.map(|nearby| (nearby.address(), nearby)) {
        Some((IpAddr::V4(address), nearby)) => {
            chain::<u32>(model, &model.groups4, address.to_bits(), subject, nearby)
        }
        Some((IpAddr::V6(address), nearby)) => {
            chain::<u128>(model, &model.groups6, address.to_bits(), subject, nearby)
        }
        None => {
            let text = format!("its surroundings are {} the average", times(sum));
            vec![Lift { name: "neighbourhood", adds: sum, text }]
        }
    };
    let mut reached = 0.0;
    let last = lifts.len().saturating_sub(1);
    for (place, lift) in lifts.into_iter().enumerate() {
        reached += lift.adds;
        // The last step ends where the score does, whatever was rounded on the way.
        let logit = if place == last { parts.near } else { parts.start + SLOPE * reached };
        walk.to(100.0 * logistic(-logit), lift.name, lift.text);
    }
}

/// The listed networks in the widest prefix, weighed as they were when the model was made.
fn entries<A: Address>(
    model: &RiskModel,
    around: Prefix,
    nearby: &dyn Nearby,
    number: impl Fn(Prefix) -> Option<A>,
) -> Vec<Entry<A>> {
    let mut entries = Vec::new();
    nearby.within(around, &mut |prefix, listings| {
        let Some((first, weight)) = number(prefix).zip(weigh(&model.feeds, listings)) else {
            return;
        };
        let mass = weight.mass * addresses::<A>(prefix.len());
        entries.push(Entry { first, length: prefix.len(), mass, sole: weight.sole });
    });
    cap_cells(&mut entries);
    scale(&mut entries, &model.publishers);
    entries
}

fn number4(prefix: Prefix) -> Option<u32> {
    match prefix {
        Prefix::V4(prefix) => Some(prefix.first()),
        Prefix::V6(_) => None,
    }
}

fn number6(prefix: Prefix) -> Option<u128> {
    match prefix {
        Prefix::V4(_) => None,
        Prefix::V6(prefix) => Some(prefix.first()),
    }
}

fn cell_mass(model: &RiskModel, nearby: &dyn Nearby) -> f64 {
    let address = nearby.address();
    let length = if address.is_ipv4() { u32::CELL } else { u128::CELL };
    let Some(around) = Prefix::new(address, length) else { return 0.0 };
    match address {
        IpAddr::V4(_) => entries(model, around, nearby, number4).iter().map(|e| e.mass).sum(),
        IpAddr::V6(_) => entries(model, around, nearby, number6).iter().map(|e| e.mass).sum(),
    }
}

/// Σ by levels. Announced networks are not kept in snapshots: their lift is what is left of Σ when
/// the others are known.
fn chain<A: Numbered>(
    model: &RiskModel,
    groups: &Groups,
    address: A,
    subject: &Subject<'_>,
    nearby: &dyn Nearby,
) -> Vec<Lift> {
    let sum = f64::from(subject.neighbourhood) / STEPS;
    if groups.base <= 0.0 {
        return Vec::new();
    }
    let [widest, ..] = A::LEVELS;
    let around = Prefix::new(nearby.address(), widest.length);
    let listed = around.map(|around| entries(model, around, nearby, A::number)).unwrap_or_default();
    let inside = A::LEVELS.map(|level| {
        let first = address.first(level.length);
        let inside = listed.iter().filter(|entry| {
            entry.length >= level.length && entry.first.first(level.length) == first
        });
        inside.fold((0, 0.0), |(count, mass), entry| (count + 1, mass + entry.mass))
    });
    let climb = |mut rate: f64| {
        A::LEVELS.iter().zip(inside).fold(rate, |_, (level, (_, mass))| {
            rate *= level.share.of(ratio(mass, A::size(level.length), rate));
            rate
        })
    };

    let number = subject.record.asn;
    let system = number.and_then(|number| groups.system(number));
    let system_lift = system.map_or(0.0, |system| system.lift);
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if (climb(groups.base * middle.exp()) / groups.base).ln() < sum {
            low = middle;
        } else {
            high = middle;
        }
    }
    let network = f64::midpoint(low, high);
    let name = number.map_or_else(|| "networks nobody announces".to_owned(), |n| format!("AS{n}"));
    let mut lifts = Vec::new();
    if system.is_some() {
        let text = format!("{name} is {} the average of what is announced", times(system_lift));
        lifts.push(Lift { name: "asn", adds: system_lift, text });
        let text = format!("its announced network is {} {name}", times(network - system_lift));
        lifts.push(Lift { name: "network", adds: network - system_lift, text });
    } else {
        let text = format!("nothing is listed in {name}: {} the average", times(network));
        lifts.push(Lift { name: "asn", adds: network, text });
    }

    let mut rate = groups.base * network.exp();
    let mut above = "its announced network";
    for (level, (count, mass)) in A::LEVELS.iter().zip(inside) {
        let ratio = ratio(mass, A::size(level.length), rate);
        let raised = level.share.of(ratio);
        let text = match count {
            0 => format!("nothing is listed in its {}", level.name),
            1 => format!("its {} has 1 listed network: {} {above}", level.name, times(ratio.ln())),
            n => {
                format!("its {} has {n} listed networks: {} {above}", level.name, times(ratio.ln()))
            }
        };
        rate *= raised;
        above = A::owner(level.length);
        match lifts.last_mut() {
            // Once nothing is listed, nothing is listed closer by.
            Some(last) if count == 0 && last.text.starts_with("nothing is listed in its") => {
                last.adds += raised.ln();
            }
            _ => lifts.push(Lift { name: level.name, adds: raised.ln(), text }),
        }
    }
    lifts
}

/// What the chain needs of an address beside its arithmetic.
trait Numbered: Address {
    fn number(prefix: Prefix) -> Option<Self>;
    fn owner(length: u8) -> &'static str;
}

impl Numbered for u32 {
    fn number(prefix: Prefix) -> Option<Self> {
        number4(prefix)
    }

    fn owner(length: u8) -> &'static str {
        match length {
            16 => "its /16",
            20 => "its /20",
            _ => "its /24",
        }
    }
}

impl Numbered for u128 {
    fn number(prefix: Prefix) -> Option<Self> {
        number6(prefix)
    }

    fn owner(length: u8) -> &'static str {
        match length {
            32 => "its /32",
            40 => "its /40",
            _ => "its /48",
        }
    }
}

fn past_text(subject: &Subject<'_>) -> String {
    let spells = subject.past.spells;
    let again = match spells {
        0 | 1 => String::new(),
        16 => ", for the 16th time or more".to_owned(),
        2 => ", for the second time".to_owned(),
        3 => ", for the third time".to_owned(),
        n => format!(", for the {n}th time"),
    };
    if subject.state == State::Active {
        return format!("in a feed now{again}");
    }
    let often = match spells {
        0 | 1 => String::new(),
        16 => ", after being listed 16 times or more".to_owned(),
        n => format!(", after being listed {n} times"),
    };
    format!(
        "left its last feed {} ago{often}, for about {} on average",
        days(subject.age_days),
        days(f64::from(subject.past.spell_days.max(1)))
    )
}

fn listing_text(model: &RiskModel, subject: &Subject<'_>, nearby: Option<&dyn Nearby>) -> String {
    let witnesses = model.witnesses(subject.feeds, true);
    let who = match witnesses.as_slice() {
        [(one, _)] => {
            let name = model.publishers.get(*one as usize).map_or("", |p| p.name.as_str());
            format!("listed by 1 publisher ({})", crate::error::excerpt(name))
        }
        more => format!("listed by {} independent publishers", more.len()),
    };
    let mut newest = f64::INFINITY;
    if let Some(nearby) = nearby {
        nearby.covering(&mut |_, listings| {
            for listing in listings {
                if listing.ended_days.is_none() && subject.feeds.contains(&listing.feed) {
                    newest = newest.min(listing.since_days);
                }
            }
        });
    }
    let when =
        if newest.is_finite() { format!(", newest {} ago", days(newest)) } else { String::new() };
    let stale = match model.unconfirmed_days(subject.feeds) {
        unconfirmed if unconfirmed > 1.0 => format!(", unconfirmed for {}", days(unconfirmed)),
        _ => String::new(),
    };
    format!("{who}{when}{stale}")
}

fn days(days: f64) -> String {
    match days.max(0.0) {
        days if days < 1.0 / 24.0 => "less than an hour".to_owned(),
        days if days < 2.0 => match (days * 24.0).round() {
            hours if hours <= 1.0 => "1 hour".to_owned(),
            24.0 => "1 day".to_owned(),
            hours => format!("{hours} hours"),
        },
        days => format!("{} days", days.round()),
    }
}

/// A log ratio as "3.1 times".
fn times(lift: f64) -> String {
    match lift.exp() {
        factor if factor >= 9.95 => format!("{} times", factor.round()),
        factor if factor >= 0.095 => format!("{factor:.1} times"),
        factor if factor >= 0.005 => format!("{factor:.2} times"),
        _ => "less than 0.005 times".to_owned(),
    }
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 1.0 { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}
