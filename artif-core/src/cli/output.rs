//! Where text goes, and how a command ends.

use std::fmt::{Display, Write as _};
use std::io::{self, BufWriter, ErrorKind, Write};

use owo_colors::{OwoColorize as _, Style};
use serde::Serialize;
use serde_json::json;

use super::args::{Global, When};
use super::{exit, human};
use crate::error::Error;

/// An exit code, or why there is no better one.
pub(super) type Done = Result<u8, Stop>;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The engine said no.
    Engine(Error),
    /// The configuration or an argument is wrong.
    Usage(Error),
    /// The engine said no, and there is something else to try.
    Advice(Box<Error>, String),
    /// Standard input could not be read.
    Input(io::Error),
    /// Standard output could not be written.
    Output(io::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Only writing to standard output gives bare I/O errors; the engine's are wrapped.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<csv::Error> for Stop {
    fn from(error: csv::Error) -> Self {
        Self::Output(error.into())
    }
}

impl Stop {
    /// A wrong argument.
    pub(super) fn usage(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Usage(Error::Invalid { what, reason: reason.into() })
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Input(_) | Self::Output(_) => exit::ENGINE,
            Self::Engine(error) => engine_code(error),
            Self::Advice(error, _) => engine_code(error.as_ref()),
        }
    }
}

fn engine_code(error: &Error) -> u8 {
    match error {
        Error::BadAddress { .. } => exit::BAD_ADDRESS,
        Error::BadPrefix { .. }
        | Error::Invalid { .. }
        | Error::Config { .. }
        | Error::UnknownFeed { .. } => exit::USAGE,
        Error::Cancelled => exit::INTERRUPTED,
        _ => exit::ENGINE,
    }
}

/// Both outputs of a command.
#[expect(clippy::struct_excessive_bools, reason = "what was asked for, and two of everything")]
pub(super) struct Screen<'a> {
    out: BufWriter<Box<dyn Write + 'a>>,
    err: Box<dyn Write + 'a>,
    out_terminal: bool,
    err_terminal: bool,
    out_colour: bool,
    err_colour: bool,
    pub(super) json: bool,
    pub(super) quiet: bool,
    verbose: u8,
}

impl<'a> Screen<'a> {
    pub(super) fn new(
        out: Box<dyn Write + 'a>,
        err: Box<dyn Write + 'a>,
        out_terminal: bool,
        err_terminal: bool,
    ) -> Self {
        let mut screen = Self {
            out: BufWriter::with_capacity(1 << 16, out),
            err,
            out_terminal,
            err_terminal,
            out_colour: false,
            err_colour: false,
            json: false,
            quiet: false,
            verbose: 0,
        };
        screen.colour(When::Auto);
        screen
    }

    pub(super) fn configure(&mut self, global: &Global) {
        self.json = global.json;
        self.quiet = global.quiet;
        self.verbose = global.verbose;
        self.colour(if global.no_color { When::Never } else { global.color });
    }

    fn colour(&mut self, when: When) {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let auto = !set("NO_COLOR") && !dumb;
        let decide = |terminal| match when {
            When::Auto => auto && terminal,
            When::Always => true,
            When::Never => false,
        };
        (self.out_colour, self.err_colour) = (decide(self.out_terminal), decide(self.err_terminal));
    }

    pub(super) fn err_colour(&self) -> bool {
        self.err_colour
    }

    /// Whether a progress bar would be seen and disturb nothing.
    pub(super) fn wants_progress(&self) -> bool {
        let logs = ["ARTIF_LOG", "RUST_LOG"].iter().any(|name| std::env::var_os(name).is_some());
        self.err_terminal && !self.quiet && self.verbose == 0 && !logs
    }

    /// Whether somebody is there to answer a question.
    pub(super) fn interactive(&self) -> bool {
        self.out_terminal && self.err_terminal && !self.json && !self.quiet
    }

    /// Puts a question on standard error.
    pub(super) fn ask(&mut self, question: &str) {
        let _ = self.out.flush();
        let _ = write!(self.err, "{question} ").and_then(|()| self.err.flush());
    }

    pub(super) fn verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Text in a style, where standard output has colours.
    pub(super) fn paint(&self, text: impl Display, style: Style) -> String {
        if self.out_colour { text.style(style).to_string() } else { text.to_string() }
    }

    /// A line of output.
    pub(super) fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A name and what it stands for, in two columns.
    pub(super) fn pair(&mut self, name: &str, value: impl Display) -> io::Result<()> {
        let name = self.paint(format_args!("{name:<12}"), Style::new().dimmed());
        let value = value.to_string();
        writeln!(self.out, "  {name}{}", human::printable(&value))
    }

    /// A heading; none in JSON.
    pub(super) fn head(&mut self, text: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let text = self.paint(text, Style::new().bold());
        writeln!(self.out, "\n{text}")
    }

    /// How many characters fit on a line of standard output; `None` where it is no terminal, and
    /// nobody says so in `COLUMNS`.
    pub(super) fn width(&self) -> Option<usize> {
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        said.or_else(|| if self.out_terminal { terminal() } else { None })
    }

    /// A table; the first row names the columns, and columns for which `right` says so are aligned
    /// to the right.
    pub(super) fn table<const N: usize>(
        &mut self,
        head: [(&str, bool); N],
        rows: &[[String; N]],
    ) -> io::Result<()> {
        let rows: Vec<_> = rows.iter().map(|row| row.to_vec()).collect();
        self.columns(&head, &rows)
    }

    /// The same of as many columns as there are.
    pub(super) fn columns(
        &mut self,
        head: &[(&str, bool)],
        rows: &[Vec<String>],
    ) -> io::Result<()> {
        let clean = |text: &str| human::printable(text).into_owned();
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        let mut widths: Vec<usize> = head.iter().map(|(name, _)| name.chars().count()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let names: Vec<String> = head.iter().map(|(name, _)| (*name).to_owned()).collect();
        for (number, row) in std::iter::once(&names).chain(&rows).enumerate() {
            let mut line = String::new();
            for ((cell, width), (_, right)) in row.iter().zip(&widths).zip(head) {
                let gap = if line.is_empty() { "" } else { "  " };
                // Writing to a string cannot fail.
                let _ = if *right {
                    write!(line, "{gap}{cell:>width$}")
                } else {
                    write!(line, "{gap}{cell:<width$}")
                };
            }
            let line = line.trim_end();
            let style = if number == 0 { Style::new().bold() } else { Style::new() };
            let line = self.paint(line, style);
            self.line(line)?;
        }
        Ok(())
    }

    /// One JSON document, indented.
    pub(super) fn document(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }

    /// Standard output itself.
    pub(super) fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Something worth knowing that is no output.
    pub(super) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.complain("note", &text.to_string(), Style::new().cyan());
        }
    }

    /// Something that went wrong.
    pub(super) fn error(&mut self, text: impl Display) {
        self.complain("error", &text.to_string(), Style::new().red().bold());
    }

    fn complain(&mut self, kind: &str, text: &str, style: Style) {
        // Order counts where both outputs are one terminal; and there is nobody to tell that
        // standard error is gone.
        let _ = self.out.flush();
        let text = human::printable_lines(text);
        let _ = if self.err_colour {
            writeln!(self.err, "{}: {text}", kind.style(style))
        } else {
            writeln!(self.err, "{kind}: {text}")
        };
    }

    /// Prints what clap has to say: help, version, or what is wrong.
    pub(super) fn refused(mut self, refused: &clap::Error) -> u8 {
        let fine = !refused.use_stderr();
        let colour = if fine { self.out_colour } else { self.err_colour };
        let text = refused.render();
        let text = if colour { text.ansi().to_string() } else { text.to_string() };
        let to: &mut dyn Write = if fine { &mut self.out } else { &mut self.err };
        let _ = to.write_all(text.as_bytes());
        let _ = self.out.flush();
        if fine { exit::OK } else { exit::USAGE }
    }

    /// Says why a command ended, if need be, and gives its exit code.
    pub(super) fn finish(mut self, done: Done) -> u8 {
        let done = done.and_then(|code| self.out.flush().map(|()| code).map_err(Stop::Output));
        let stop = match done {
            Ok(code) => return code,
            // Whoever read the output has seen enough.
            Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
                return exit::OK;
            }
            Err(stop) => stop,
        };
        let code = stop.exit_code();
        let (name, mut text, advice) = match stop {
            Stop::Engine(error) | Stop::Usage(error) => (error.code(), chain(&error), None),
            Stop::Advice(error, advice) => (error.code(), chain(&error), Some(advice)),
            Stop::Input(error) => {
                ("ARTIF_IO", format!("reading standard input failed: {error}"), None)
            }
            Stop::Output(error) => {
                ("ARTIF_IO", format!("writing standard output failed: {error}"), None)
            }
        };
        if let Some(advice) = advice {
            text = format!("{text}\n{advice}");
        }
        if self.json {
            let _ = self.out.flush();
            let error = json!({"error": {"code": name, "message": text}});
            let _ = writeln!(self.err, "{error}");
        } else {
            self.error(text);
        }
        code
    }
}

/// An error with the errors underneath that its own text does not repeat.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let below = error.to_string();
        if !text.contains(&below) {
            text = format!("{text}: {below}");
        }
        source = error.source();
    }
    text
}
