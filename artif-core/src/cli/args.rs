//! What the command line looks like.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::category::{Category, ThreatLevel};
use crate::feed::{self, FeedId, Format as FeedFormat};
use crate::ledger::OverrideAction;
use crate::net::Prefix;

const EXIT_CODES: &str = "\
Exit codes:
    0  all went well
    1  refresh, geo update: some failed or were refused, the rest is in force
    2  the command line or the configuration is wrong
    3  the engine cannot work: folder locked, no snapshot, ledger or disk in trouble
    4  something given was no IP address
   10  check --exit-code: an address is dangerous or blocked (goes before 4)
  130  stopped by Ctrl-C; watch ends with 0 then

Environment: ARTIF_<SECTION>_<KEY> overrides the configuration, NO_COLOR switches colours off,
ARTIF_LOG or RUST_LOG say what is logged to standard error (as in ARTIF_LOG=artif_core=debug).";

/// IP reputation from threat feeds.
#[derive(Debug, Parser)]
#[command(
    name = "artif",
    version,
    after_help = EXIT_CODES,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// The data folder [default: `data` of the configuration, else artif-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The configuration [default: artif.toml in the current folder, if there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Colours on standard output
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(super) color: When,
    /// The same as --color never
    #[arg(long, global = true, conflicts_with = "color")]
    pub(super) no_color: bool,
    /// Log to standard error: -v what happens, -vv details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// No progress, no notes; errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Take this moment (RFC 3339, or a date) for now, to replay dated feeds
    #[arg(long, global = true, value_name = "TIME", value_parser = moment)]
    pub(super) as_of: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Fetch the feeds, take in what changed, publish a new snapshot
    Refresh(RefreshArgs),
    /// Keep all of it current: each feed at its interval, until Ctrl-C
    Watch(WatchArgs),
    /// Look addresses up
    Check(CheckArgs),
    /// Look an address up and say why it has its answer
    Explain(ExplainArgs),
    /// Every listing of an address, now and within the retention
    History(HistoryArgs),
    /// Say how snapshot, feeds, geo databases and ledger are
    Status(StatusArgs),
    /// List the feeds, switch them on and off, accept what was refused
    #[command(subcommand)]
    Feeds(FeedsCommand),
    /// The lists of known-good and shared infrastructure
    #[command(subcommand)]
    Warninglists(WarninglistsCommand),
    /// Exchange feeds with the MISP servers of the configuration
    #[cfg(feature = "misp")]
    #[command(subcommand)]
    Misp(MispCommand),
    /// Let networks in or keep them out, whatever feeds say
    #[command(subcommand)]
    Override(OverrideCommand),
    /// Report of an address what you know yourself, or list what was reported
    Signal(SignalArgs),
    /// Update the databases of autonomous systems and countries
    #[command(subcommand)]
    Geo(GeoCommand),
    /// Look at the snapshot file
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Judge the scorers on dated folders of feeds: would they have told what came next?
    ///
    /// For each dated folder but the last, everything up to that day is taken in and scored, and the
    /// next folder says who was right. New: addresses listed for the first time then, against addresses
    /// drawn uniformly from all announced IPv4 space that no feed ever listed. Back: of the addresses
    /// that left all feeds, those that return, against those that stay away. For each scorer: AUC, the
    /// share caught (TPR) where 0.1, 1 and 5 % of the others are caught too (FPR), and how far
    /// probabilities are off (ECE) at equal numbers of both.
    ///
    /// What can be judged by it: which scorer knows more, whether a feed or a database of autonomous
    /// systems helps, whether probabilities are what they claim. What cannot: how many of your visitors
    /// would be blocked in error, since uniform addresses are not visitors; and whether feeds are right,
    /// since the next day's feeds are all the truth there is here.
    ///
    /// All of it happens in memory; the data folder is neither read nor written.
    Backtest(BacktestArgs),
    /// Show it all on sample feeds that this program carries
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
pub(super) struct RefreshArgs {
    /// Take the feeds from this file in place of the configuration's catalogues (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub(super) catalogue: Vec<PathBuf>,
    /// Fetch this feed only (may be repeated)
    #[arg(long, value_name = "ID")]
    pub(super) feed: Vec<FeedId>,
    /// MaxMind DB file with autonomous systems
    #[arg(long, value_name = "MMDB")]
    pub(super) asn: Option<PathBuf>,
    /// MaxMind DB file with countries
    #[arg(long, value_name = "MMDB")]
    pub(super) country: Option<PathBuf>,
    /// Say what would change since the snapshot and what would be refused, and write nothing; needs
    /// no lock, so it works beside an owner
    #[arg(long)]
    pub(super) dry_run: bool,
    /// A line for every feed
    #[arg(long)]
    pub(super) table: bool,
}

#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Take the feeds from this file in place of the configuration's catalogues (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub(super) catalogue: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// IPv4 or IPv6 addresses; - reads them from standard input, one a line
    #[arg(required = true, value_name = "IP")]
    pub(super) addresses: Vec<String>,
    /// How answers are written [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// End with code 10 if an address is dangerous or blocked
    #[arg(long)]
    pub(super) exit_code: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line for people
    Text,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    #[value(help = "ip,score,risk,verdict,is_active,historical,asn,country,org,blacklists")]
    Csv,
    /// The objects that clients of the seed system know, one a line
    SeedJson,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// How it is written [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<StatusFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusFormat {
    /// For people
    Text,
    /// One object
    Json,
    /// Figures for a monitoring system
    Prometheus,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// IPv4 or IPv6 address
    pub(super) ip: String,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// IPv4 or IPv6 address
    pub(super) ip: String,
    /// What was known at this moment (RFC 3339, or a date)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) at: Option<DateTime<Utc>>,
}

#[derive(Debug, Subcommand)]
pub(super) enum FeedsCommand {
    /// The feeds of the configuration with their state in the snapshot
    List {
        /// More columns
        #[arg(long)]
        table: bool,
        /// Those that are switched off too
        #[arg(long)]
        all: bool,
    },
    /// Compare the feeds: what each has alone, who is early, who copies whom
    ///
    /// Measures, from the snapshot alone: networks and addresses, what no other feed has, overlaps and
    /// near-copies, coverage of what others agree on, shared infrastructure and junk, who lists first,
    /// what comes and goes, half-lives. They compare feeds with each other; none of them says who is
    /// right. Times need some days of refreshes.
    Report(ReportArgs),
    /// All about one feed
    Show {
        /// The feed
        id: FeedId,
    },
    /// Fetch a feed and take its content though it was refused
    Accept {
        /// The feed
        id: FeedId,
    },
    /// Look at a list, say how it would be read, and add it to this data folder
    Add(Box<AddArgs>),
    /// Add the feeds that another system's file names: the seed system's settings.yaml, MISP's feed
    /// metadata (defaults.json), a list of addresses as of FireHOL's ipsets, or a catalogue
    Import(ImportArgs),
    /// Remove a feed that was added to this data folder
    Remove {
        /// The feed
        id: FeedId,
    },
    /// Switch a feed on for this data folder, from the next refresh on
    Enable {
        /// The feed
        id: FeedId,
    },
    /// Switch a feed off for this data folder, from the next refresh on
    Disable {
        /// The feed
        id: FeedId,
    },
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// How it is written [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<ReportFormat>,
    /// Write to this file in place of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// A table for people
    Text,
    /// All of it
    Json,
    /// One page with plots, which needs nothing from elsewhere
    Html,
}

#[derive(Debug, Subcommand)]
pub(super) enum WarninglistsCommand {
    /// The lists in the snapshot, and what a hit on each means
    List,
    /// Fetch the lists of the configuration, and no feed
    Update,
}

#[cfg(feature = "misp")]
#[derive(Debug, Subcommand)]
pub(super) enum MispCommand {
    /// How the servers were when they were last asked
    Status,
    /// Create our feeds on the servers, have them fetched, cached and tagged, and add theirs here
    ///
    /// Prints what was done, or with --dry-run what would be. Attributes are read by `artif
    /// refresh`. With `exchange` under [misp] each refresh does this, too.
    Sync(MispSyncArgs),
    /// Say on the servers with `sightings` that addresses were met
    ///
    /// Only of what is an attribute there, and once an hour at most.
    Sighting(SightingArgs),
}

#[cfg(feature = "misp")]
#[derive(Debug, Args)]
pub(super) struct SightingArgs {
    /// The addresses
    #[arg(required = true)]
    pub(super) ip: Vec<String>,
    /// They were met, and were harmless
    #[arg(long)]
    pub(super) false_positive: bool,
}

#[cfg(feature = "misp")]
#[derive(Debug, Args)]
pub(super) struct MispSyncArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// First run: have the servers switch on, fetch and cache all of our feeds
    #[arg(long)]
    pub(super) init: bool,
    /// Go in one direction only [default: what the configuration says, else both]
    #[arg(long, value_enum)]
    pub(super) direction: Option<Direction>,
}

#[cfg(feature = "misp")]
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Direction {
    /// Create ours there
    Push,
    /// Add theirs here
    Pull,
    /// Both
    Both,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Where the list is: https:, http:, file: or a path
    pub(super) url: String,
    /// What it is called in answers and commands [default: made from the address]
    #[arg(long)]
    pub(super) id: Option<FeedId>,
    /// Its name for people [default: the id]
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Who publishes it: lists of one publisher are one witness [default: the host]
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// What its addresses do, separated by commas [default: guessed]
    #[arg(long, value_delimiter = ',', value_name = "CATEGORY")]
    pub(super) categories: Vec<Category>,
    /// How bad they are: 1 high, 2 medium, 3 low, 4 undefined
    #[arg(long, value_name = "1-4", value_parser = threat_level)]
    pub(super) threat_level: Option<ThreatLevel>,
    /// How it is written, as in a catalogue: a name, or { type = "csv", … }
    /// [default: guessed]
    #[arg(long, value_parser = feed_format)]
    pub(super) format: Option<FeedFormat>,
    /// How often it is fetched
    #[arg(long, value_name = "6h", default_value = "1h", value_parser = refresh)]
    pub(super) refresh: u32,
    /// Add it without asking
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Only say what would be added
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file; what it is shows in its content
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Add all of them switched off
    #[arg(long)]
    pub(super) disabled: bool,
    /// Add them without asking
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Only say what would be added
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum OverrideCommand {
    /// Decide about a network, in place of what was decided about the same one before
    Add {
        /// Address or network
        prefix: Prefix,
        /// allow or block
        #[arg(value_parser = action, value_name = "allow|block")]
        action: OverrideAction,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// Who decided [default: the user's name]
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
        /// Until when: from now (7d, 12h) or a moment (RFC 3339)
        #[arg(long, value_name = "7d|TIME")]
        expires: Option<String>,
    },
    /// Take back what was decided about exactly this network
    Remove {
        /// Address or network
        prefix: Prefix,
        /// Who decided [default: the user's name]
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
    },
    /// All of them, expired ones too
    List,
}

#[derive(Debug, Args)]
pub(super) struct SignalArgs {
    /// The address
    pub(super) address: String,
    /// A kind of the configuration's [signals.NAME]; without it, what was reported is listed
    pub(super) name: Option<String>,
    /// How many such reports
    #[arg(long, default_value_t = 1, requires = "name")]
    pub(super) count: u32,
    /// Forget all that was reported of it
    #[arg(long, conflicts_with_all = ["name", "count"])]
    pub(super) forget: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum GeoCommand {
    /// Look for newer databases where [geo] says they come from, and put them in place
    Update {
        /// Fetch in any case, and compare with nothing
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// What the snapshot says of itself
    Info,
    /// Check every byte of it
    Verify,
}

#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// The folder with folders named like 2026-08-05, which hold a file for each feed
    #[arg(long, value_name = "DIR")]
    pub(super) replay: PathBuf,
    /// Take formats, publishers, categories … from this catalogue, by the names of files
    /// [default: free text, each file by a publisher of its own]
    #[arg(long, value_name = "FILE")]
    pub(super) catalogue: Option<PathBuf>,
    /// MaxMind DB file with autonomous systems
    #[arg(long, value_name = "MMDB")]
    pub(super) asn: Option<PathBuf>,
    /// MaxMind DB file with countries
    #[arg(long, value_name = "MMDB")]
    pub(super) country: Option<PathBuf>,
    /// Which scorers
    #[arg(long, value_enum, value_name = "SCORER", default_value_t)]
    pub(super) scorer: Scorers,
    /// Judge from this day on; those before are only taken in
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<NaiveDate>,
    /// Draw so many addresses a day to compare with
    #[arg(long, value_name = "N", default_value_t = 160_000)]
    pub(super) negatives: u32,
    /// Draw other ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// How it is written [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<TextOrJson>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Scorers {
    Classic,
    Risk,
    #[default]
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TextOrJson {
    /// Tables for people
    Text,
    /// All of it
    Json,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Fetch the default catalogue's feeds over the network in place of the samples
    #[arg(long)]
    pub(super) online: bool,
    /// Keep the data in this new or empty folder
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
}

/// A moment in RFC 3339, or the midnight (UTC) a date begins with.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|_| "neither RFC 3339 (2026-08-05T06:00:00Z) nor a date (2026-08-05)".to_owned())
}

fn action(text: &str) -> Result<OverrideAction, String> {
    match text {
        "allow" => Ok(OverrideAction::Allow),
        "block" => Ok(OverrideAction::Block),
        _ => Err("neither allow nor block".to_owned()),
    }
}

fn threat_level(text: &str) -> Result<ThreatLevel, String> {
    let number = text.trim().parse().unwrap_or(0);
    ThreatLevel::new(number).map_err(|error| error.to_string())
}

fn refresh(text: &str) -> Result<u32, String> {
    let seconds = feed::parse_duration(text).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| "expected text like 6h or 1d".to_owned())
}

fn feed_format(text: &str) -> Result<FeedFormat, String> {
    #[derive(serde::Deserialize)]
    struct Written {
        #[serde(deserialize_with = "feed::format_or_name")]
        format: FeedFormat,
    }
    let text = text.trim();
    let value = if text.starts_with('{') { text.to_owned() } else { format!("{text:?}") };
    let written = toml::from_str::<Written>(&format!("format = {value}"));
    written.map(|written| written.format).map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn moments() {
        assert_eq!(moment("2026-08-05").unwrap().to_rfc3339(), "2026-08-05T00:00:00+00:00");
        assert_eq!(
            moment("2026-08-05T08:00:00+02:00").unwrap().to_rfc3339(),
            "2026-08-05T06:00:00+00:00"
        );
        assert!(moment("yesterday").is_err());
    }
}
