//! Text a line at a time: lists, hosts files, tables, prose.

use regex::escape;

use super::sample::Sample;
use super::{Guess, Refusal, read, refused, table};
use crate::feed::format::{Format, UrlPart};
use crate::feed::parse::{ParseLimits, Probe, Word};

/// How many lines begin with what.
#[derive(Debug, Default)]
struct Tally {
    addresses: usize,
    ports: usize,
    networks: usize,
    ranges: usize,
    urls: usize,
    others: usize,
    sinkholes: usize,
    nothing: usize,
}

pub(super) fn guess(text: &[u8], limits: &ParseLimits) -> Result<Guess, Refusal> {
    let sample = Sample::of(text, limits.max_line);
    if sample.lines.is_empty() {
        return refused("comments only", "every line is blank, a comment or far too long");
    }
    let tally = Tally::of(&sample);
    let lines = sample.lines.len();
    if tally.sinkholes * 10 > lines * 7 {
        return refused(
            "hosts file",
            "it maps host names to addresses that lead nowhere: there is no address to list in it",
        );
    }
    let document = sample.document();
    let recognised = |format: &Format| {
        read(&document, format, limits).map_or(0, |(report, _)| report.recognised as usize)
    };
    let plain = recognised(&Format::Plain);
    let free = recognised(&Format::FreeText);
    let table = table::guess(&sample).filter(|table| {
        !table.plain_would_do && recognised(&table.guess.format) * 10 >= plain.max(free) * 9
    });

    let mut guess = if let Some(table) = table {
        table.guess
    } else if let Some(behind) = behind_fixed_text(&sample) {
        behind
    } else if plain > 0 && plain * 10 >= free * 9 {
        plain_text(&sample, &tally)
    } else if free > 0 {
        let mut guess = Guess::new(Format::FreeText, "addresses within text", 0.7);
        guess.notes.push("every address in the text is taken, whatever it says of it".to_owned());
        guess
    } else {
        return Err(no_address(&tally, text, limits));
    };
    guess.share =
        read(&document, &guess.format, limits).ok().map(|(report, _)| report.recognised_share());
    guess.comments = sample.comments();
    guess.about = sample.about();
    Ok(guess)
}

impl Tally {
    fn of(sample: &Sample<'_>) -> Self {
        let mut tally = Self::default();
        let mut probe = Probe::default();
        for line in &sample.lines {
            let mut words = line
                .split(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'|' | b';'))
                .filter(|word| !word.is_empty());
            let first = words.next().unwrap_or_default();
            if is_sinkhole(first)
                && words.next().is_some_and(|name| {
                    probe.read(name) == Word::OtherIndicator || name.starts_with(b"localhost")
                })
            {
                tally.sinkholes += 1;
                continue;
            }
            let urls = memchr::memmem::find(first, b"://").is_some();
            let count = match probe.read(first) {
                _ if urls => &mut tally.urls,
                Word::Address | Word::Padded => &mut tally.addresses,
                Word::AddressAndPort => &mut tally.ports,
                Word::Network => &mut tally.networks,
                Word::Range => &mut tally.ranges,
                Word::UrlOfAddress => &mut tally.urls,
                Word::OtherIndicator => &mut tally.others,
                Word::System | Word::Nothing => &mut tally.nothing,
            };
            *count += 1;
        }
        tally
    }

    fn shape(&self) -> String {
        let kinds = [
            (self.addresses, "addresses"),
            (self.ports, "addresses with ports"),
            (self.networks, "networks"),
            (self.ranges, "ranges"),
            (self.urls, "URLs"),
            (self.others, "names"),
        ];
        let all: usize = kinds.iter().map(|(count, _)| count).sum();
        let mut kinds: Vec<_> = kinds.into_iter().filter(|(n, _)| n * 50 >= all.max(1)).collect();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let names: Vec<&str> = kinds.into_iter().map(|(_, name)| name).collect();
        format!("{}, one a line", names.join(" and "))
    }
}

/// Addresses that hosts files point unwanted names to.
fn is_sinkhole(word: &[u8]) -> bool {
    matches!(word, b"0.0.0.0" | b"127.0.0.1" | b"127.0.1.1" | b"::1" | b"::" | b"255.255.255.255")
        || word.starts_with(b"fe80::")
        || word.starts_with(b"ff0")
}

fn plain_text(sample: &Sample<'_>, tally: &Tally) -> Guess {
    let shape = tally.shape();
    if let Some(set) = firehol(sample) {
        let format = Format::Firehol { drop_bogons: false, drop_cdn: false };
        return Guess::new(format, format!("{set}: {shape}"), 1.0);
    }
    if tally.urls * 10 > sample.lines.len() * 6 {
        let mut guess = Guess::new(Format::UrlList { take: UrlPart::IpHost }, shape, 0.9);
        guess.notes.push("of URLs only hosts that are addresses count".to_owned());
        return guess;
    }
    Guess::new(Format::Plain, shape, 1.0)
}

/// Whether the comments are those of a `FireHOL` list.
fn firehol(sample: &Sample<'_>) -> Option<&'static str> {
    const KEYS: [&str; 9] = [
        "maintainer",
        "maintainer url",
        "list source url",
        "source file date",
        "category",
        "version",
        "this file date",
        "update frequency",
        "entries",
    ];
    let known = sample.header.iter().filter(|line| {
        let key = line.split(|b| *b == b':').next().unwrap_or_default().trim_ascii();
        line.contains(&b':') && KEYS.iter().any(|k| key.eq_ignore_ascii_case(k.as_bytes()))
    });
    let says = |what: &[u8]| sample.header.iter().any(|l| memchr::memmem::find(l, what).is_some());
    let enough = known.count() >= 4;
    enough.then(|| if says(b"netset") || says(b"hash:net") { "netset" } else { "ipset" })
}

/// `add blacklist 1.2.3.4`, `deny from 1.2.3.4`: the same words before every address.
fn behind_fixed_text(sample: &Sample<'_>) -> Option<Guess> {
    let mut probe = Probe::default();
    let mut entry = |word: &[u8]| probe.read(word.strip_suffix(b";").unwrap_or(word)).is_entry();
    let mut words_of = |line: &&[u8]| -> Option<Vec<u8>> {
        let words = line.split(u8::is_ascii_whitespace);
        let mut before = Vec::new();
        for word in words.take(8) {
            if entry(word) {
                return Some(before);
            }
            before.extend_from_slice(word);
            before.push(b' ');
        }
        None
    };
    let mut counts = std::collections::BTreeMap::new();
    for line in &sample.lines {
        if let Some(before) = words_of(line) {
            *counts.entry(before).or_insert(0_usize) += 1;
        }
    }
    let (before, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    let text = std::str::from_utf8(&before).ok().filter(|text| text.trim().len() >= 3)?;
    let letters = text.chars().any(char::is_alphabetic) && text.chars().all(|c| c != '\u{fffd}');
    // `create` and `COMMIT` lines stand around them.
    let most = count >= 3 && count * 10 >= sample.lines.len() * 8;
    (letters && most).then(|| {
        let words: Vec<String> = text.split_whitespace().map(escape).collect();
        let pattern = format!(r"^{}\s+(IP)", words.join(r"\s+"));
        let shape = format!("addresses behind {:?}", text.trim());
        Guess::new(Format::Regex { pattern }, shape, 0.9)
    })
}

/// What it is, where no line of the sample gives an address.
fn no_address(tally: &Tally, text: &[u8], limits: &ParseLimits) -> Refusal {
    // The sample may have missed the few there are.
    let few = read(text, &Format::FreeText, limits).is_ok_and(|(report, _)| report.recognised > 0);
    let (what, found) = if tally.urls > tally.others {
        ("list of URLs", "URLs of host names")
    } else if tally.others > tally.nothing {
        ("list of names", "host names, hashes or mail addresses")
    } else {
        ("text without addresses", "text")
    };
    let rest = if few {
        "; the few addresses in it are no list: say --format freetext to take them all the same"
    } else {
        ", no address"
    };
    Refusal { what, reason: format!("its lines hold {found}{rest}") }
}
