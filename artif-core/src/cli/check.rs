//! `artif check`.

use std::io::{BufRead as _, BufReader, Read};

use owo_colors::Style;
use serde::Serialize;

use super::args::{CheckArgs, Format};
use super::context::{Context, address};
use super::output::{Done, Screen, Stop};
use super::{exit, human};
use crate::engine::{Reader, ReputationEngine as _};
use crate::error::Error;
use crate::reputation::Reputation;
use crate::score::State;
use crate::seed_json;
use crate::verdict::Verdict;

const COLUMNS: [&str; 10] = [
    "ip",
    "score",
    "risk",
    "verdict",
    "is_active",
    "historical",
    "asn",
    "country",
    "org",
    "blacklists",
];

/// The longest text form of an address has 45 characters; more of a line is not kept.
const LONGEST_LINE: usize = 256;

pub(super) fn run(args: &CheckArgs, context: &mut Context<'_>) -> Done {
    let reader = context.reader()?;
    let json = context.screen.json;
    let format = args.format.unwrap_or(if json { Format::Json } else { Format::Text });
    if reader.status().snapshot.stale {
        let created = human::moment(reader.status().snapshot.created);
        context.screen.note(format!("the snapshot is stale, it was created {created}"));
    }
    let mut answers = Answers { reader, format, count: 0, invalid: false, listed: false };
    let screen = &mut context.screen;
    answers.begin(screen)?;
    for argument in &args.addresses {
        if argument == "-" {
            answers.stream(&mut context.stdin, screen)?;
        } else {
            answers.answer(argument, screen)?;
        }
    }
    answers.end(screen)?;
    Ok(match (answers.listed && args.exit_code, answers.invalid) {
        (true, _) => exit::LISTED,
        (false, true) => exit::BAD_ADDRESS,
        (false, false) => exit::OK,
    })
}

/// The answer to what is no address.
#[derive(Serialize)]
struct Refused {
    ip: String,
    error: Problem,
}

#[derive(Serialize)]
struct Problem {
    code: &'static str,
    message: String,
}

struct Answers {
    reader: Reader,
    format: Format,
    count: u64,
    invalid: bool,
    listed: bool,
}

impl Answers {
    fn begin(&self, screen: &mut Screen<'_>) -> Result<(), Stop> {
        match self.format {
            Format::Json => screen.out().write_all(b"[")?,
            Format::Csv => row(screen, COLUMNS)?,
            Format::Text | Format::Ndjson | Format::SeedJson => {}
        }
        Ok(())
    }

    fn end(&self, screen: &mut Screen<'_>) -> Result<(), Stop> {
        if self.format == Format::Json {
            screen.out().write_all(if self.count == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        Ok(())
    }

    /// Answers line by line; whoever waits at the other end of a pipe gets each answer as soon as
    /// there is no further line to read.
    fn stream(&mut self, input: &mut dyn Read, screen: &mut Screen<'_>) -> Result<(), Stop> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let mut line = Vec::new();
        loop {
            if input.buffer().is_empty() {
                screen.out().flush()?;
            }
            line.clear();
            if !read_line(&mut input, &mut line).map_err(Stop::Input)? {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                self.answer(&text, screen)?;
            }
        }
    }

    fn answer(&mut self, text: &str, screen: &mut Screen<'_>) -> Result<(), Stop> {
        self.count += 1;
        if self.format == Format::Json {
            screen.out().write_all(if self.count == 1 { b"\n" } else { b",\n" })?;
        }
        match address(text) {
            Ok(address) => {
                let answer = self.reader.check(address);
                self.listed |= matches!(answer.verdict(), Verdict::Dangerous | Verdict::Blocked);
                self.good(&answer, screen)
            }
            Err(error) => {
                self.invalid = true;
                self.bad(text.trim(), &error, screen)
            }
        }
    }

    fn good(&self, answer: &Reputation, screen: &mut Screen<'_>) -> Result<(), Stop> {
        match self.format {
            Format::Text => {
                let line = text(answer, screen);
                screen.line(line)?;
            }
            Format::Json => serde_json::to_writer(screen.out(), answer).map_err(written)?,
            Format::Ndjson => {
                serde_json::to_writer(screen.out(), answer).map_err(written)?;
                screen.out().write_all(b"\n")?;
            }
            Format::Csv => {
                let names: Vec<&str> = answer.feeds().map(|feed| feed.name.as_str()).collect();
                row(
                    screen,
                    [
                        answer.ip().to_string(),
                        answer.score().to_string(),
                        answer.risk().map(|risk| risk.to_string()).unwrap_or_default(),
                        answer.verdict().to_string(),
                        answer.is_active().to_string(),
                        answer.is_historical().to_string(),
                        answer.asn().map(|asn| format!("AS{asn}")).unwrap_or_default(),
                        answer.country().map(|country| country.to_string()).unwrap_or_default(),
                        answer.organisation().unwrap_or_default().to_owned(),
                        names.join(";"),
                    ],
                )?;
            }
            Format::SeedJson => screen.line(answer.to_seed_json())?,
        }
        Ok(())
    }

    fn bad(&self, text: &str, error: &Error, screen: &mut Screen<'_>) -> Result<(), Stop> {
        match self.format {
            Format::Text => screen.error(error),
            Format::Json | Format::Ndjson => {
                let ip = crate::error::excerpt(text);
                let error = Problem { code: error.code(), message: error.to_string() };
                serde_json::to_writer(screen.out(), &Refused { ip, error }).map_err(written)?;
                if self.format == Format::Ndjson {
                    screen.out().write_all(b"\n")?;
                }
            }
            Format::Csv => {
                let ip = crate::error::excerpt(text);
                row(screen, [ip.as_str(), "", "", "invalid", "", "", "", "", "", ""])?;
            }
            Format::SeedJson => {
                let description =
                    if text.is_empty() { seed_json::ENTER_IP } else { seed_json::ENTER_VALID_IP };
                screen.line(seed_json::only(description))?;
            }
        }
        Ok(())
    }
}

fn written(error: serde_json::Error) -> Stop {
    Stop::Output(error.into())
}

fn row<const N: usize>(screen: &mut Screen<'_>, fields: [impl AsRef<[u8]>; N]) -> Result<(), Stop> {
    let mut writer = csv::Writer::from_writer(screen.out());
    writer.write_record(fields)?;
    // Into the screen's buffer, not to the disk.
    writer.into_inner().map_err(|error| Stop::Output(error.into_error()))?;
    Ok(())
}

/// One line: address, verdict, score, then what there is to say.
pub(super) fn text(answer: &Reputation, screen: &Screen<'_>) -> String {
    let verdict = answer.verdict();
    let word = screen.paint(format_args!("{:<20}", verdict.as_str()), colour(verdict));
    let state = match answer.state() {
        State::Active => "active",
        State::Historical => "historical",
        State::Unknown => answer.special_purpose().map_or("unknown", |block| block.name),
    };
    let mut parts = vec![
        format!("{:<15}", answer.ip()),
        word,
        format!("{:>5.1}", answer.score()),
        format!("{state:<10}"),
    ];
    let asn = answer.asn().map(|asn| format!("AS{asn}"));
    let country = answer.country().map(|country| country.to_string());
    let place = [asn, country, answer.organisation().map(str::to_owned)];
    let place: Vec<String> = place.into_iter().flatten().collect();
    let feeds: Vec<&str> = answer.feeds().map(|feed| feed.name.as_str()).collect();
    let labels: Vec<&str> = answer.labels().map(|feed| feed.name.as_str()).collect();
    let mut say = |text: &str| parts.push(human::printable(text).into_owned());
    if !place.is_empty() {
        say(&place.join(" "));
    }
    if !feeds.is_empty() {
        say(&format!("[{}]", feeds.join(", ")));
    }
    if !labels.is_empty() {
        say(&format!("({})", labels.join(", ")));
    }
    let mut known: Vec<&str> = answer
        .warninglists()
        .filter_map(|l| Some(l.warninglist.as_ref()?.meaning.as_str()))
        .collect();
    known.sort_unstable();
    known.dedup();
    if !known.is_empty() {
        say(&format!("known {}", known.join(", ")));
    }
    if answer.override_entry().is_some() {
        say(&answer.description());
    }
    parts.join("  ").trim_end().to_owned()
}

pub(super) fn colour(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Dangerous | Verdict::Blocked => Style::new().red().bold(),
        Verdict::Suspicious | Verdict::Triage => Style::new().yellow(),
        Verdict::NoAction | Verdict::Allowed => Style::new().green(),
        Verdict::NotApplicable => Style::new().dimmed(),
    }
}

/// Reads up to and with the next line feed, keeping only the line's beginning where it is long.
/// Says whether there was a line.
fn read_line(input: &mut BufReader<impl Read>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut any = false;
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = memchr::memchr(b'\n', bytes);
        let (part, _) = bytes.split_at(end.unwrap_or(bytes.len()));
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend(part.iter().take(room));
        let consumed = part.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length() {
        let text = format!("a\n\n{}\r\nlast", "x".repeat(100_000));
        for capacity in [1, 7, 1 << 16] {
            let mut input = BufReader::with_capacity(capacity, text.as_bytes());
            let mut lines = Vec::new();
            let mut line = Vec::new();
            while read_line(&mut input, &mut line).unwrap() {
                lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
            }
            assert_eq!(lines, ["a", "", &"x".repeat(LONGEST_LINE), "last"]);
        }
    }
}
