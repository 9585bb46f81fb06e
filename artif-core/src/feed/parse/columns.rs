//! Tables with separated columns.

use std::io::BufRead;

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use super::collect::{Collector, Indicator};
use super::each_line;
use super::report::SkipReason;
use super::token::{Reader, length};
use crate::error::{Result, excerpt};
use crate::feed::format::{Column, Columns};
use crate::net::Prefix;

/// The most columns of a row.
const MOST_COLUMNS: usize = 256;

pub(super) fn table(
    out: &mut Collector<'_>,
    options: &Columns,
    separator: char,
    quote: Option<char>,
    input: &mut dyn BufRead,
) -> Result<()> {
    let separator = one_byte(out, "sep", options.sep.as_deref())?.unwrap_or(separator as u8);
    let quote =
        one_byte(out, "quote", options.quote.as_deref())?.or(quote.map(|quote| quote as u8));
    let columns = [options.start_col, options.end_col, options.prefix_col, options.count_col]
        .into_iter()
        .chain([options.targets_col, options.only.as_ref().map(|only| only.col)])
        .flatten()
        .chain(options.value_col.iter().copied());
    for column in columns {
        if !(1..=MOST_COLUMNS).contains(&column) {
            let reason = format!("columns count from 1 to {MOST_COLUMNS}: there is no {column}");
            return Err(out.fail(None, reason));
        }
    }
    if options.end_col.is_some() && options.start_col.is_none() {
        return Err(out.fail(None, "end_col needs start_col"));
    }

    let mut splitter = Splitter::new(separator, quote, options.trim, out.limits.max_line);
    let mut rows = Rows {
        options,
        reader: Reader::new(options.zero_padded, options.value_kind),
        header: options.header,
    };
    each_line(out, input, |out, number, line| {
        if !splitter.within_quotes() {
            let text = line.trim_ascii();
            if text.is_empty() {
                out.report.blank += 1;
                return Ok(());
            }
            if !options.comment.is_empty() && text.starts_with(options.comment.as_bytes()) {
                out.report.comments += 1;
                return Ok(());
            }
        }
        match splitter.line(line) {
            Split::Row => rows.row(out, number, line, &splitter),
            Split::GoesOn => Ok(()),
            Split::TooLong => {
                out.skip(number, SkipReason::TooLong, line);
                Ok(())
            }
        }
    })?;
    if splitter.within_quotes() {
        out.skip(out.report.lines, SkipReason::BadRecord, b"a quote is never closed");
    }
    Ok(())
}

/// A setting that is one ASCII character, or `\t`.
fn one_byte(out: &Collector<'_>, key: &str, value: Option<&str>) -> Result<Option<u8>> {
    match value.map(str::as_bytes) {
        None => Ok(None),
        Some(b"\\t") => Ok(Some(b'\t')),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Some(*byte)),
        Some(_) => {
            let value = excerpt(value.unwrap_or_default());
            Err(out.fail(None, format!("{key} must be one ASCII character, not {value:?}")))
        }
    }
}

enum Split {
    Row,
    /// The line ends within quotes: the row goes on.
    GoesOn,
    TooLong,
}

/// Takes rows apart, a line at a time, in buffers of fixed size.
struct Splitter {
    separator: u8,
    quote: Option<u8>,
    trim: bool,
    csv: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    filled: usize,
    columns: usize,
    within_quotes: bool,
    trimmed: Vec<u8>,
}

impl Splitter {
    fn new(separator: u8, quote: Option<u8>, trim: bool, longest: usize) -> Self {
        let mut builder = ReaderBuilder::new();
        // Lines come without their terminators, and a stray carriage return ends nothing.
        builder.delimiter(separator).terminator(Terminator::Any(b'\n'));
        match quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        Self {
            separator,
            quote,
            trim,
            csv: builder.build(),
            text: vec![0; longest],
            ends: vec![0; MOST_COLUMNS],
            filled: 0,
            columns: 0,
            within_quotes: false,
            trimmed: Vec::new(),
        }
    }

    fn within_quotes(&self) -> bool {
        self.within_quotes
    }

    fn line(&mut self, line: &[u8]) -> Split {
        if !self.within_quotes {
            (self.filled, self.columns) = (0, 0);
        }
        let line = if self.trim && self.quote.is_some() {
            // A quote only counts at the start of a field, so blanks before it have to go.
            self.trimmed.clear();
            let mut after_separator = true;
            for byte in line {
                if !(after_separator && matches!(byte, b' ' | b'\t')) {
                    self.trimmed.push(*byte);
                    after_separator = *byte == self.separator;
                }
            }
            self.trimmed.as_slice()
        } else {
            line
        };
        for part in [line, b"\n"] {
            let mut rest = part;
            while !rest.is_empty() {
                let text = self.text.get_mut(self.filled..).unwrap_or_default();
                let ends = self.ends.get_mut(self.columns..).unwrap_or_default();
                let (result, read, wrote, ended) = self.csv.read_record(rest, text, ends);
                rest = rest.get(read..).unwrap_or_default();
                self.filled += wrote;
                self.columns += ended;
                match result {
                    ReadRecordResult::InputEmpty => {}
                    ReadRecordResult::Record => {
                        self.within_quotes = false;
                        return Split::Row;
                    }
                    _ => {
                        // Whatever this row was, the next line starts a new one.
                        self.csv.reset();
                        self.within_quotes = false;
                        return Split::TooLong;
                    }
                }
            }
        }
        self.within_quotes = true;
        Split::GoesOn
    }

    /// A field of the row, without blanks and stray quotes around it.
    fn field(&self, column: Column) -> Option<&[u8]> {
        let index = column.checked_sub(1)?;
        let ends = self.ends.get(..self.columns)?;
        let end = *ends.get(index)?;
        let start = index.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
        let field = self.text.get(start..end)?.trim_ascii();
        Some(match (self.quote, field) {
            (Some(q), [first, inside @ .., last]) if *first == q && *last == q => inside,
            _ => field,
        })
    }
}

struct Rows<'o> {
    options: &'o Columns,
    reader: Reader,
    /// The next row may name the columns.
    header: bool,
}

impl Rows<'_> {
    fn row(
        &mut self,
        out: &mut Collector<'_>,
        number: u64,
        line: &[u8],
        row: &Splitter,
    ) -> Result<()> {
        let header = std::mem::take(&mut self.header);
        let found = self.indicators(row);
        if header && !found.iter().any(Result::is_ok) {
            out.report.comments += 1;
            return Ok(());
        }
        if !self.counts(row) {
            out.skip(number, SkipReason::Filtered, line);
            return Ok(());
        }
        let mut reason = SkipReason::BadRecord;
        let mut any = false;
        for indicator in found {
            match indicator {
                Ok(indicator) => {
                    any = true;
                    out.add(number, indicator, line)?;
                }
                Err(why) => reason = why,
            }
        }
        if any {
            out.report.recognised += 1;
        } else {
            out.skip(number, reason, line);
        }
        Ok(())
    }

    /// Whether `where` and `min` let the row through.
    fn counts(&self, row: &Splitter) -> bool {
        let only = self.options.only.as_ref().is_none_or(|only| {
            row.field(only.col).is_some_and(|f| f.eq_ignore_ascii_case(only.eq.trim().as_bytes()))
        });
        let enough = |column: Option<Column>, least: u64| {
            column.is_none_or(|column| {
                let text = row.field(column).and_then(|field| std::str::from_utf8(field).ok());
                text.and_then(|text| text.parse::<u64>().ok()).is_some_and(|n| n >= least)
            })
        };
        only && self.options.min.is_none_or(|min| {
            enough(self.options.count_col, min.reports)
                && enough(self.options.targets_col, min.targets)
        })
    }

    fn indicators(&mut self, row: &Splitter) -> Vec<Result<Indicator, SkipReason>> {
        if let Some(start) = self.options.start_col {
            return vec![self.range(row, start)];
        }
        let first = [1];
        let columns = match self.options.value_col.as_slice() {
            [] => first.as_slice(),
            columns => columns,
        };
        let values = columns.iter().map(|column| {
            let field = row.field(*column).ok_or(SkipReason::BadRecord)?;
            match self.options.prefix_col {
                None => self.reader.read(field),
                Some(prefix) => {
                    let address = self.reader.address(field).ok_or(SkipReason::NotAnIndicator)?;
                    let bits = row.field(prefix).and_then(|text| length(text, address));
                    let net = bits.and_then(|bits| Prefix::new(address, bits));
                    net.map(Indicator::Net).ok_or(SkipReason::BadRange)
                }
            }
        });
        values.collect()
    }

    /// From `start_col` to `end_col`, or of `prefix_col` bits. Where both are given they must agree.
    fn range(&self, row: &Splitter, start: Column) -> Result<Indicator, SkipReason> {
        let address = |column| {
            let field = row.field(column).ok_or(SkipReason::BadRecord)?;
            self.reader.address(field).ok_or(SkipReason::NotAnIndicator)
        };
        let first = address(start)?;
        let last = self.options.end_col.map(address).transpose()?;
        let net = match self.options.prefix_col {
            None => None,
            Some(prefix) => {
                let bits = row.field(prefix).and_then(|text| length(text, first));
                Some(bits.and_then(|bits| Prefix::new(first, bits)).ok_or(SkipReason::BadRange)?)
            }
        };
        match (last, net) {
            (Some(last), Some(net)) if !(net.contains(first) && net.contains(last)) => {
                Err(SkipReason::BadRange)
            }
            (Some(last), _) => Ok(Indicator::Range(first, last)),
            (None, Some(net)) => Ok(Indicator::Net(net)),
            (None, None) => Ok(Indicator::Net(Prefix::host(first))),
        }
    }
}
