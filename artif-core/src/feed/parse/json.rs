//! JSON documents and lines of JSON, walked along paths; what is beside them is never held.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::collect::{Collector, Indicator};
use super::each_line;
use super::report::SkipReason;
use super::token::Reader;
use crate::error::{Error, Result, excerpt};
use crate::feed::format::{Json, Ndjson};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// `[]`
    Element,
    /// `*`
    Value,
}

/// The steps of `data[].ip`, or why it is no path.
fn steps(path: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let mut name = part;
        let mut elements = 0;
        while let Some(shorter) = name.strip_suffix("[]") {
            (name, elements) = (shorter, elements + 1);
        }
        match name {
            "" if elements == 0 => return Err("a name between dots is empty"),
            "" => {}
            "*" => steps.push(Step::Value),
            name if name.contains(['[', ']', '*']) => {
                return Err("brackets are only [] after a name");
            }
            name => steps.push(Step::Key(name.to_owned())),
        }
        steps.extend((0..elements).map(|_| Step::Element));
    }
    Ok(steps)
}

fn compile(out: &Collector<'_>, paths: &[String]) -> Result<Vec<Vec<Step>>> {
    if paths.is_empty() {
        return Err(out.fail(None, "the format needs a path"));
    }
    let compiled = paths.iter().map(|path| {
        steps(path).map_err(|why| out.fail(None, format!("path {:?}: {why}", excerpt(path))))
    });
    compiled.collect()
}

/// What is found goes here.
trait Sink {
    /// A text at the end of a path. An error ends the walk.
    fn text(&mut self, text: &str) -> Result<(), ()>;
    /// A number there.
    fn number(&mut self, number: u64) -> Result<(), ()>;
    /// Something else there, or a scalar where the path went on.
    fn other(&mut self);
    /// A member of the outermost object, as text.
    fn member(&mut self, _key: &str, _value: &str) {}
    /// Whether [`Self::member`] wants this one.
    fn wants(&self, _key: &str) -> bool {
        false
    }
}

/// Walks one value along those paths that lead here.
struct Walk<'p, 's, S> {
    paths: Vec<&'p [Step]>,
    sink: &'s mut S,
    outermost: bool,
    /// Set where the value is also a member somebody asked for.
    key: Option<&'p str>,
}

impl<'de, S: Sink> DeserializeSeed<'de> for Walk<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.paths.is_empty() && self.key.is_none() {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<S: Sink> Walk<'_, '_, S> {
    /// Whether a path ends here.
    fn ends(&self) -> bool {
        self.paths.iter().any(|path| path.is_empty())
    }

    fn scalar<E: serde::de::Error>(self, found: &Scalar<'_>) -> Result<(), E> {
        if let Some(key) = self.key {
            self.sink.member(key, &found.text());
        }
        let done = match found {
            _ if self.paths.is_empty() => Ok(()),
            Scalar::Text(text) if self.ends() => self.sink.text(text),
            Scalar::Number(number) if self.ends() => self.sink.number(*number),
            _ => {
                self.sink.other();
                Ok(())
            }
        };
        done.map_err(|()| E::custom("stopped"))
    }
}

enum Scalar<'a> {
    Text(&'a str),
    Number(u64),
    Other(String),
}

impl Scalar<'_> {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Other(text) => Cow::Borrowed(text),
        }
    }
}

impl<'de, S: Sink> Visitor<'de> for Walk<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.scalar(&Scalar::Text(text))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.scalar(&Scalar::Number(number))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.scalar(&Scalar::Other(number.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.scalar(&Scalar::Other(number.to_string()))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&Scalar::Other(value.to_string()))
    }

    /// An optional field that is not there.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if self.ends() {
            self.sink.other();
        }
        let inside = advance(&self.paths, |step| *step == Step::Element);
        loop {
            let walk =
                Walk { paths: inside.clone(), sink: &mut *self.sink, outermost: false, key: None };
            if elements.next_element_seed(walk)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if self.ends() {
            self.sink.other();
        }
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            let paths = advance(&self.paths, |step| match step {
                Step::Key(name) => *name == key,
                Step::Value => true,
                Step::Element => false,
            });
            let wanted = self.outermost && self.sink.wants(&key);
            let key = wanted.then_some(&*key);
            members.next_value_seed(Walk {
                paths,
                sink: &mut *self.sink,
                outermost: false,
                key,
            })?;
        }
        Ok(())
    }
}

/// What remains of the paths whose next step is taken.
fn advance<'p>(paths: &[&'p [Step]], taken: impl Fn(&Step) -> bool) -> Vec<&'p [Step]> {
    let rest = paths.iter().filter_map(|path| path.split_first());
    rest.filter(|(step, _)| taken(step)).map(|(_, rest)| rest).collect()
}

fn start<'p, 's, S: Sink>(paths: &'p [Vec<Step>], sink: &'s mut S) -> Walk<'p, 's, S> {
    let paths = paths.iter().map(Vec::as_slice).collect();
    Walk { paths, sink, outermost: true, key: None }
}

/// Values go straight to the collector.
struct Direct<'c, 'a> {
    out: &'c mut Collector<'a>,
    reader: Reader,
    failed: Option<Error>,
}

impl Direct<'_, '_> {
    fn add(&mut self, indicator: Indicator, written: &[u8]) -> Result<(), ()> {
        self.out.report.recognised += 1;
        let added = self.out.add(self.out.report.lines, indicator, written);
        added.map_err(|error| self.failed = Some(error))
    }
}

impl Sink for Direct<'_, '_> {
    fn text(&mut self, text: &str) -> Result<(), ()> {
        self.out.report.lines += 1;
        let text = text.trim().as_bytes();
        match self.reader.read(text) {
            Ok(indicator) => self.add(indicator, text),
            Err(reason) => {
                self.out.skip(self.out.report.lines, reason, text);
                Ok(())
            }
        }
    }

    fn number(&mut self, number: u64) -> Result<(), ()> {
        self.out.report.lines += 1;
        if let Ok(number) = u32::try_from(number) {
            self.add(Indicator::As(number), b"")
        } else {
            let text = number.to_string();
            self.out.skip(self.out.report.lines, SkipReason::NotAnIndicator, text.as_bytes());
            Ok(())
        }
    }

    fn other(&mut self) {
        self.out.report.lines += 1;
        self.out.skip(self.out.report.lines, SkipReason::NotAnIndicator, b"(not a text)");
    }
}

pub(super) fn document(
    out: &mut Collector<'_>,
    options: &Json,
    input: &mut dyn BufRead,
) -> Result<()> {
    let paths = compile(out, &options.path)?;
    let reader = Reader::new(options.zero_padded, options.value_kind);
    let mut sink = Direct { out, reader, failed: None };
    let bounded = Bounded::after_mark(input).map_err(|error| sink.out.read_error(&error))?;
    let mut json = serde_json::Deserializer::from_reader(bounded);
    let walked = start(&paths, &mut sink).deserialize(&mut json).and_then(|()| json.end());
    match (walked, sink.failed) {
        (_, Some(error)) => Err(error),
        (Ok(()), None) => Ok(()),
        (Err(error), None) => Err(json_error(out, &error)),
    }
}

pub(super) fn json_error(out: &Collector<'_>, error: &serde_json::Error) -> Error {
    let line = (error.line() > 0).then_some(error.line() as u64);
    out.fail(line, format!("not the JSON expected: {}", excerpt(&error.to_string())))
}

/// Values of one line, kept until it is clear that the line counts.
struct Row<'o> {
    options: &'o Ndjson,
    texts: Vec<String>,
    numbers: Vec<u64>,
    others: u64,
    skip: bool,
}

impl Sink for Row<'_> {
    fn text(&mut self, text: &str) -> Result<(), ()> {
        self.texts.push(text.trim().to_owned());
        Ok(())
    }

    fn number(&mut self, number: u64) -> Result<(), ()> {
        self.numbers.push(number);
        Ok(())
    }

    fn other(&mut self) {
        self.others += 1;
    }

    fn wants(&self, key: &str) -> bool {
        self.options.skip_if.contains_key(key)
    }

    fn member(&mut self, key: &str, value: &str) {
        self.skip |= self.options.skip_if.get(key).is_some_and(|unwanted| unwanted == value);
    }
}

pub(super) fn lines(
    out: &mut Collector<'_>,
    options: &Ndjson,
    input: &mut dyn BufRead,
) -> Result<()> {
    let paths = compile(out, &options.path)?;
    let mut reader = Reader::new(options.zero_padded, options.value_kind);
    each_line(out, input, |out, number, line| {
        let line = line.trim_ascii();
        if line.is_empty() {
            out.report.blank += 1;
            return Ok(());
        }
        if line.starts_with(b"#") {
            out.report.comments += 1;
            return Ok(());
        }
        let mut row =
            Row { options, texts: Vec::new(), numbers: Vec::new(), others: 0, skip: false };
        let mut json = serde_json::Deserializer::from_slice(line);
        let walked = start(&paths, &mut row).deserialize(&mut json).and_then(|()| json.end());
        if walked.is_err() {
            out.skip(number, SkipReason::BadRecord, line);
            return Ok(());
        }
        if row.skip {
            out.skip(number, SkipReason::Filtered, line);
            return Ok(());
        }
        let mut found = false;
        let mut reason = SkipReason::NotAnIndicator;
        for text in &row.texts {
            match reader.read(text.as_bytes()) {
                Ok(indicator) => {
                    found = true;
                    out.add(number, indicator, text.as_bytes())?;
                }
                Err(why) => reason = why,
            }
        }
        for asn in row.numbers.iter().filter_map(|asn| u32::try_from(*asn).ok()) {
            found = true;
            out.add(number, Indicator::As(asn), line)?;
        }
        if found {
            out.report.recognised += 1;
        } else {
            out.skip(number, reason, line);
        }
        Ok(())
    })
}

/// A reader that gives up on a text of more than [`Self::LONGEST`] bytes, which the JSON reader
/// would otherwise hold whole, and passes over a byte order mark.
pub(super) struct Bounded<'a> {
    input: &'a mut dyn BufRead,
    since_quote: usize,
}

impl<'a> Bounded<'a> {
    const LONGEST: usize = 16 << 20;

    /// Buffered, as the JSON reader asks for single bytes.
    pub(super) fn after_mark(input: &'a mut dyn BufRead) -> std::io::Result<BufReader<Self>> {
        if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        Ok(BufReader::new(Self { input, since_quote: 0 }))
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(out)?;
        let read = out.get(..count).unwrap_or_default();
        match (memchr::memchr(b'"', read), memchr::memrchr(b'"', read)) {
            (Some(first), Some(last)) => {
                self.since_quote += first;
                if self.since_quote <= Self::LONGEST {
                    self.since_quote = count - last;
                }
            }
            _ => self.since_quote += count,
        }
        if self.since_quote > Self::LONGEST {
            let reason = format!("more than {} bytes without a quote", Self::LONGEST);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
        }
        Ok(count)
    }
}
