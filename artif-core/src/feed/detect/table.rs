//! Tables: the separator, the header, and the columns that hold addresses.

use std::net::IpAddr;

use super::Guess;
use super::sample::Sample;
use crate::feed::format::{Column, Columns, Format, ValueKind};
use crate::feed::parse::{Probe, Word};

/// The most columns looked at.
const MOST_COLUMNS: usize = 256;
/// Separators, the ones that are seldom part of a field first.
const SEPARATORS: [u8; 5] = [b'\t', b';', b'|', b',', b':'];

/// What columns with the entry are called, best first.
const ENTRY_NAMES: [&str; 21] = [
    "ip",
    "ip_address",
    "ipaddress",
    "ip address",
    "address",
    "ioc_value",
    "ioc",
    "indicator",
    "value",
    "src_ip",
    "srcip",
    "source_ip",
    "source ip",
    "attacker",
    "attacker_ip",
    "cidr",
    "network",
    "prefix",
    "host",
    "dst_ip",
    "dstip",
];
const FIRST_NAMES: [&str; 5] = ["start", "first", "from", "begin", "low"];
const LAST_NAMES: [&str; 5] = ["end", "last", "to", "stop", "high"];
const LENGTH_NAMES: [&str; 7] =
    ["prefix", "prefix_length", "prefixlen", "netmask", "mask", "bits", "length"];

/// A table as it was understood.
pub(super) struct Table {
    pub(super) guess: Guess,
    /// The first column holds the entry, and nothing needs to be known of the rest.
    pub(super) plain_would_do: bool,
    /// Rows of the sample with something that is an entry.
    pub(super) entries: usize,
}

struct Rows<'a> {
    separator: u8,
    quoted: bool,
    width: usize,
    cells: Vec<Vec<&'a [u8]>>,
}

/// What the cells of a column are, over all rows.
#[derive(Default, Clone, Copy)]
struct Tally {
    entries: usize,
    addresses: usize,
    ports: usize,
    padded: usize,
    others: usize,
    netmasks: usize,
}

pub(super) fn guess(sample: &Sample<'_>) -> Option<Table> {
    let tables = SEPARATORS.into_iter().filter_map(|separator| {
        let rows = Rows::of(sample, separator)?;
        let table = rows.understand(sample)?;
        Some((table.entries, rows.width, table))
    });
    // The first of equals: separators are in the order of trust.
    let best = tables.reduce(|a, b| if (b.0, b.1) > (a.0, a.1) { b } else { a })?;
    Some(best.2)
}

/// The cells of a line; quotes hide separators.
fn split(line: &[u8], separator: u8, quoted: bool) -> Vec<&[u8]> {
    let mut cells = Vec::new();
    let (mut start, mut within) = (0, false);
    for (at, byte) in line.iter().enumerate() {
        if quoted && *byte == b'"' {
            within = !within;
        } else if *byte == separator && !within {
            cells.push(line.get(start..at).unwrap_or_default());
            start = at + 1;
            if cells.len() >= MOST_COLUMNS {
                return cells;
            }
        }
    }
    cells.push(line.get(start..).unwrap_or_default());
    cells
}

/// A cell without blanks and quotes around it.
fn bare(cell: &[u8]) -> &[u8] {
    let cell = cell.trim_ascii();
    cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell)
}

fn name(cell: &[u8]) -> String {
    String::from_utf8_lossy(bare(cell)).trim().to_lowercase()
}

impl<'a> Rows<'a> {
    fn of(sample: &Sample<'a>, separator: u8) -> Option<Self> {
        let quoted = sample.lines.iter().filter(|line| line.contains(&b'"')).count() * 2
            > sample.lines.len();
        let split = |line: &&'a [u8]| split(line, separator, quoted);
        let rows: Vec<Vec<&[u8]>> = sample.lines.iter().map(split).collect();
        let mut widths = std::collections::BTreeMap::new();
        for row in &rows {
            *widths.entry(row.len()).or_insert(0_usize) += 1;
        }
        let (width, count) = widths.into_iter().max_by_key(|(_, count)| *count)?;
        let regular = width >= 2 && count * 100 >= rows.len() * 85;
        regular.then_some(Self { separator, quoted, width, cells: rows })
    }

    fn understand(&self, sample: &Sample<'_>) -> Option<Table> {
        let mut probe = Probe::default();
        let has_header = self.has_header(&mut probe);
        let rows = self.cells.get(usize::from(has_header)..).unwrap_or_default();
        let tallies = self.tally(rows, &mut probe);
        let names = self.names(sample, has_header, &mut probe);
        let most = tallies.iter().map(|tally| tally.entries).max().filter(|most| *most > 0)?;
        // Of addresses that are here and there in a text, a table would take a part at random.
        let full = |tally: &Tally| {
            tally.entries * 10 >= most * 8 && (tally.entries + tally.others) * 10 >= rows.len() * 8
        };
        let candidates: Vec<usize> =
            tallies.iter().enumerate().filter(|(_, t)| full(t)).map(|(at, _)| at).collect();
        let first = *candidates.first()?;

        let mut columns = Columns { header: has_header, ..Columns::default() };
        let mut notes = Vec::new();
        let mut certainty = if has_header { 0.97 } else { 0.93 };
        let mut chosen = first;
        let shape;
        if let Some((start, end)) = Self::range(rows, &candidates, &names, &probe) {
            (columns.start_col, columns.end_col) = (Some(start + 1), Some(end + 1));
            columns.prefix_col = self.length_column(rows, start, Some(end), &probe).map(|c| c + 1);
            shape = format!("ranges from column {} to column {}", start + 1, end + 1);
        } else {
            let rank = |at: &usize| {
                let name = names.get(*at)?;
                ENTRY_NAMES.iter().position(|known| known == name)
            };
            if let [_, _, ..] = candidates.as_slice() {
                let known = candidates.iter().filter_map(|at| Some((rank(at)?, *at))).min();
                chosen = known.map_or(first, |(_, at)| at);
                certainty *= if known.is_some() { 0.9 } else { 0.6 };
                let all: Vec<String> = candidates.iter().map(|at| (at + 1).to_string()).collect();
                notes.push(format!(
                    "columns {} hold addresses; column {} was chosen{}",
                    all.join(", "),
                    chosen + 1,
                    if known.is_some() { " for its name" } else { ", as nothing says which" }
                ));
            }
            columns.value_col = vec![chosen + 1];
            let length_named =
                |at: usize| names.get(at).is_some_and(|n| LENGTH_NAMES.contains(&n.as_str()));
            let length = self.length_column(rows, chosen, None, &probe).filter(|at| {
                length_named(*at) || tallies.get(*at).is_some_and(|t| t.netmasks >= rows.len())
            });
            columns.prefix_col = length.map(|at| at + 1);
            shape = match length {
                Some(length) => format!("networks of columns {} and {}", chosen + 1, length + 1),
                None => format!("column {} of {}", chosen + 1, self.width),
            };
        }
        let tally = tallies.get(chosen).copied().unwrap_or_default();
        if tally.ports * 2 > tally.entries {
            columns.value_kind = ValueKind::IpPort;
        }
        if tally.padded * 2 > tally.entries {
            columns.zero_padded = true;
            certainty *= 0.8;
            notes.push("octets are padded with zeros and taken for decimal".to_owned());
        }
        let signs = sample.comments();
        if let Some(sign) = signs.first().filter(|sign| sign.as_bytes() != [self.separator]) {
            columns.comment.clone_from(sign);
        }
        Self::name_others(&names, &mut columns);

        let simple = columns.prefix_col.is_none()
            && columns.start_col.is_none()
            && !columns.header
            && !columns.zero_padded
            && !self.quoted;
        // `1.2.3.0/24 ; why`: the rest is a comment.
        let second_is_comment = self.separator == b';'
            && rows.iter().filter(|row| row.get(1).is_some_and(|c| c.starts_with(b" "))).count()
                * 10
                > rows.len() * 8;
        let plain_would_do = simple && chosen == 0 && (self.width == 2 && second_is_comment);
        let mut guess = Guess::new(self.format(columns), self.shape(&shape, has_header), certainty);
        guess.notes = notes;
        Some(Table { guess, plain_would_do, entries: tally.entries })
    }

    /// Whether the first row names the columns: words only, while others hold something.
    fn has_header(&self, probe: &mut Probe) -> bool {
        let Some((first, [_, ..])) = self.cells.split_first() else { return false };
        let names = first.iter().map(|cell| bare(cell)).filter(|cell| {
            cell.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
                && probe.read(cell) == Word::Nothing
        });
        first.len() == self.width
            && names.count() * 2 > self.width
            && first.iter().all(|cell| !word(probe, cell).is_entry())
    }

    /// What the columns are called, in the first row or in the last comment of that width.
    fn names(&self, sample: &Sample<'_>, has_header: bool, probe: &mut Probe) -> Vec<String> {
        if has_header {
            return self.cells.first().into_iter().flatten().map(|cell| name(cell)).collect();
        }
        let headers = sample.header.iter().rev();
        let mut fitting = headers
            .map(|line| split(line, self.separator, self.quoted))
            .filter(|cells| cells.len() == self.width);
        let found = fitting.find(|cells| cells.iter().all(|c| !word(probe, c).is_entry()));
        found.into_iter().flatten().map(name).collect()
    }

    fn tally(&self, rows: &[Vec<&[u8]>], probe: &mut Probe) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); self.width];
        for row in rows {
            for (cell, tally) in row.iter().zip(&mut tallies) {
                if Probe::is_netmask(bare(cell)) {
                    tally.netmasks += 1;
                    continue;
                }
                let word = word(probe, cell);
                tally.entries += usize::from(word.is_entry());
                tally.addresses += usize::from(word == Word::Address);
                tally.ports += usize::from(word == Word::AddressAndPort);
                tally.padded += usize::from(word == Word::Padded);
                tally.others += usize::from(word == Word::OtherIndicator);
            }
        }
        tallies
    }

    /// Two columns that are the ends of ranges: in order in every row, and named or shaped so.
    fn range(
        rows: &[Vec<&[u8]>],
        candidates: &[usize],
        names: &[String],
        probe: &Probe,
    ) -> Option<(usize, usize)> {
        let [start, end, ..] = *candidates else { return None };
        let begins = |at: usize, known: &[&str]| {
            names.get(at).is_some_and(|name| known.iter().any(|start| name.starts_with(start)))
        };
        let named = begins(start, &FIRST_NAMES) && begins(end, &LAST_NAMES);
        let (mut ordered, mut aligned) = (0, 0);
        for row in rows {
            let address = |at: usize| probe.address(bare(row.get(at)?));
            let (Some(first), Some(last)) = (address(start), address(end)) else { continue };
            let (low, high) = match (first, last) {
                (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into()),
                (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
                _ => continue,
            };
            ordered += usize::from(low <= high);
            // A network: all host bits zero in one, all one in the other.
            let size = (high ^ low).wrapping_add(1);
            aligned += usize::from(low < high && size.is_power_of_two() && low & (size - 1) == 0);
        }
        let most = |count: usize| count * 20 >= rows.len() * 19;
        (most(ordered) && (named || aligned * 2 > rows.len())).then_some((start, end))
    }

    /// The column whose numbers are the prefix lengths of the entries.
    fn length_column(
        &self,
        rows: &[Vec<&[u8]>],
        start: usize,
        end: Option<usize>,
        probe: &Probe,
    ) -> Option<usize> {
        (0..self.width).filter(|at| *at != start && Some(*at) != end).find(|at| {
            let fits = |row: &&Vec<&[u8]>| {
                let cell = |at: usize| row.get(at).map(|cell| bare(cell));
                let Some(address) = cell(start).and_then(|cell| probe.address(cell)) else {
                    return false;
                };
                let Some(length) = cell(*at).and_then(|cell| Probe::length(cell, address)) else {
                    return false;
                };
                let network = crate::net::Prefix::new(address, length);
                end.is_none_or(|end| {
                    let last = cell(end).and_then(|cell| probe.address(cell));
                    network.zip(last).is_some_and(|(network, last)| network.contains(last))
                })
            };
            rows.iter().filter(fits).count() * 20 >= rows.len() * 19
        })
    }

    /// Columns that are kept with the feed for people, by their names.
    fn name_others(names: &[String], columns: &mut Columns) {
        let find = |known: &[&str]| -> Option<Column> {
            names.iter().position(|name| known.contains(&name.as_str())).map(|at| at + 1)
        };
        columns.port_col = find(&["port", "dst_port", "dstport", "dest_port"]);
        columns.country_col = find(&["country", "country_code", "cc"]);
        columns.asn_col = find(&["asn", "as", "as_number"]);
        columns.last_seen_col = find(&["last_seen", "lastseen", "last_seen_utc", "last_online"]);
        columns.label_col = find(&["malware", "malware_printable", "threat", "label", "type"]);
    }

    fn format(&self, mut columns: Columns) -> Format {
        // A quote counts only right after the separator, unless blanks are taken off.
        let spaced = |line: &Vec<&[u8]>| line.iter().skip(1).any(|cell| cell.starts_with(b" \""));
        columns.trim = self.quoted && self.cells.iter().any(spaced);
        match self.separator {
            b',' => Format::Csv(columns),
            separator => {
                columns.quote = self.quoted.then(|| "\"".to_owned());
                if separator == b'\t' {
                    return Format::Tsv(columns);
                }
                columns.sep = Some(char::from(separator).to_string());
                Format::Sep(columns)
            }
        }
    }

    fn shape(&self, what: &str, has_header: bool) -> String {
        let separator = match self.separator {
            b'\t' => "tab".to_owned(),
            byte => format!("{:?}", char::from(byte)),
        };
        let header = if has_header { "with" } else { "without" };
        format!("table separated by {separator}, {header} header: {what}")
    }
}

fn word(probe: &mut Probe, cell: &[u8]) -> Word {
    let cell = bare(cell);
    if cell.iter().any(u8::is_ascii_whitespace) { Word::Nothing } else { probe.read(cell) }
}
