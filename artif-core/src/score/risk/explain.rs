//! Reasons for a risk score: a way from 100 down to it, one piece of evidence after another.

use std::net::IpAddr;

use super::chain::{Groups, ratio};
use super::mass::{Entry, addresses, cap_cells, scale, weigh};
use super::space::{Address, Level};
use super::{Parts, RiskModel, SLOPE, STEPS, logistic};
use crate::net::Prefix;
use crate::score::{Nearby, State, Subject, Term};

/// In how many places of a prefix it is looked up who announces it: every /24 of a /16.
const PLACES: u32 = 256;
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
    if subject.state == State::Active {
        // What lists it now speaks twice, of the address itself and by how far it is believed.
        let score = Parts { unlabelled: 1.0, ..parts }.score();
        walk.to(score, "listing", listing_text(model, subject, nearby));
    } else if let Some(past) = parts.past.filter(|past| *past > parts.near) {
        walk.to(100.0 * logistic(-past), "past", past_text(subject));
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

/// How much of a prefix somebody announces, 0 to 1.
fn announced(nearby: &dyn Nearby, prefix: Prefix) -> f64 {
    let (mut asked, mut found) = (0, 0);
    for address in prefix.spread(PLACES) {
        asked += 1;
        found += u32::from(nearby.system(address).is_some());
    }
    f64::from(found) / f64::from(asked.max(1))
}

/// The widest prefix around the address that one system announces.
fn network(nearby: &dyn Nearby) -> Prefix {
    let address = nearby.address();
    let system = nearby.system(address);
    let mut network = Prefix::host(address);
    while let Some(wider) = network.len().checked_sub(1).and_then(|len| Prefix::new(address, len)) {
        if wider.spread(PLACES).any(|address| nearby.system(address) != system) {
            break;
        }
        network = wider;
    }
    network
}

/// Σ by levels.
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
    let announced_network = network(nearby);
    let widest = A::LEVELS.iter().map(|level| level.length).fold(announced_network.len(), u8::min);
    let around = Prefix::new(nearby.address(), widest);
    let listed = around.map(|around| entries(model, around, nearby, A::number)).unwrap_or_default();
    let listed_in = |length: u8| {
        let first = address.first(length);
        let inside = listed
            .iter()
            .filter(|entry| entry.length >= length && entry.first.first(length) == first);
        inside.fold((0, 0.0), |(count, mass), entry| (count + 1, mass + entry.mass))
    };
    // As when the model was made: narrow levels are announced or not, of wide ones a part may be.
    let known = !groups.systems.is_empty();
    let sized = |level: &'static Level| {
        let size = A::size(level.length);
        let size = match Prefix::new(nearby.address(), level.length) {
            Some(prefix) if known && level.length < A::CELL => {
                (size * announced(nearby, prefix)).max(A::SMALLEST)
            }
            _ => size,
        };
        (level, listed_in(level.length), size)
    };
    let levels: Vec<_> = A::LEVELS.iter().map(sized).collect();

    let number = subject.record.asn;
    let name = match number {
        Some(number) => format!("AS{number}"),
        None if known => "networks nobody announces".to_owned(),
        None => "the average".to_owned(),
    };
    let mut lifts = Vec::new();
    let mut rate = groups.base;
    if let Some(system) = number.and_then(|number| groups.system(number)) {
        rate *= system.lift.exp();
        let text = format!("{name} is {} the average of what is announced", times(system.lift));
        lifts.push(Lift { name: "asn", adds: system.lift, text });
        let size = A::size(announced_network.len()).max(A::SMALLEST);
        let network = ratio(listed_in(announced_network.len()).1, size, rate);
        rate *= network;
        let text = format!("{announced_network} is {} {name}", times(network.ln()));
        lifts.push(Lift { name: "network", adds: network.ln(), text });
    } else if known {
        // Nothing is kept of systems without listings: their lift is what is left of Σ.
        let climb = |mut rate: f64| {
            for (level, (_, mass), size) in &levels {
                rate *= level.share.of(ratio(*mass, *size, rate));
            }
            rate
        };
        let (mut low, mut high) = (-40.0_f64, 40.0_f64);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if (climb(groups.base * middle.exp()) / groups.base).ln() < sum {
                low = middle;
            } else {
                high = middle;
            }
        }
        let lift = f64::midpoint(low, high);
        rate *= lift.exp();
        let text = format!("nothing is listed in {name}: {} the average", times(lift));
        lifts.push(Lift { name: "asn", adds: lift, text });
    }

    let mut above = if lifts.len() > 1 { announced_network.to_string() } else { name };
    for (level, (count, mass), size) in levels {
        let ratio = ratio(mass, size, rate);
        let raised = level.share.of(ratio);
        let text = match count {
            0 => format!("nothing is listed in its {}", level.name),
            1 => format!("its {} has 1 listed network: {} {above}", level.name, times(ratio.ln())),
            n => {
                format!("its {} has {n} listed networks: {} {above}", level.name, times(ratio.ln()))
            }
        };
        rate *= raised;
        A::owner(level.length).clone_into(&mut above);
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
    let often = match subject.past.spells {
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
    let again = match subject.past.spells {
        0 | 1 => String::new(),
        16 => ", for the 16th time or more".to_owned(),
        2 => ", for the second time".to_owned(),
        3 => ", for the third time".to_owned(),
        n => format!(", for the {n}th time"),
    };
    format!("{who}{when}{again}{stale}")
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
