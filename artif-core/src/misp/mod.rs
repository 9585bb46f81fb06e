//! MISP servers as sources.
//!
//! # Set-up
//!
//! 1. In MISP, make a user with the role "User" (or "Read Only") in an organisation that may see the
//!    events you want, and an auth key for it (Administration, List Auth Keys).
//! 2. Put the key into a file: `install -m 600 /dev/stdin /etc/artif/misp.key`, or a variable.
//! 3. In `artif.toml`:
//!    ```toml
//!    [misp]
//!    url = "https://misp.example/"
//!    key = "file:/etc/artif/misp.key"
//!    ```
//! 4. `artif refresh`: the first time everything is read, then what changed.
//! 5. `artif status` says how the server is, `artif feeds list` which feeds were made of it.
//!
//! Keys and defaults: [`crate::config::Misp`]. For several servers write `[[misp]]` and give each an
//! `id`.
//!
//! # What becomes what
//!
//! Attributes of the types `ip-src`, `ip-dst`, either with `|port`, and `domain|ip` are listed: the
//! address or network in them, by the rules for all feeds (no special-purpose space, nothing wider
//! than the floor). Each event is a feed, `misp.UUID`, with the event's title, organisation and threat
//! level; or, by `feeds`, each feed of the server, each organisation, each tag, or all of the server
//! together. With `feeds = "feed"` what a feed of the server wrote is one feed here, by its name and
//! provider: the event that is its own (`fixed_event`), else those that MISP called after it; every
//! other event is a feed by itself. (The key has to see the server's feeds for it; who is no site admin
//! sees those with `lookup_visible`.) An address in several events is in several feeds: what belongs
//! together is found here, not by MISP's correlation.
//!
//! An attribute counts while it is not deleted, is meant for detection (`to_ids`), and its event is
//! published (`unpublished`) and not left out by `tags`, `not_tags`, `orgs` or `not_orgs`. Tags of an
//! attribute count as those of its event do.
//!
//! Categories come from tags: those named in `categories`, the names of
//! [categories](crate::Category), the usual other names (`c2`, `scanner`, `brute-force` …), galaxies
//! (`misp-galaxy:botnet=…`, `…:ransomware=…`, `…:threat-actor=…`, attack patterns such as T1110), and
//! taxonomies (`kill-chain:`, `rsit:`, `ecsirt:`, `circl:incident-classification=`, `enisa:`). Where
//! none says anything it is `general`. In `categories` a `*` stands for anything, and an empty list
//! silences a tag. `admiralty-scale:`, `estimative-language:` and `misp:confidence-level=` make the
//! feed's confidence, the lowest where there are several. A `tlp:` tag is the feed's licence.
//!
//! # How it is kept current
//!
//! A sync reads the list of events and asks for what changed since the last one, deletions included:
//! two requests where nothing did, one more where feeds are exchanged or make feeds, and one with
//! `read_sightings`. Events that are new, that came from another server with times of theirs, or of
//! which more is gone than was said, are read again. After `resync` all of it is: so what bears no new
//! time is noticed at the latest, such as a tag that is put on an attribute locally. (The list of
//! events has the tags of events, not those of attributes. Where such tags decide what counts, make
//! `resync` shorter.) Pages are ordered by id, and a short or even empty one is not taken for the last.
//! They become smaller where the server is slow, and larger again. A sync that breaks off goes on where
//! it was, also in another process; until it is whole, what was there before counts.
//!
//! What is held of a server is in the folder `misp` of the data folder, 52 bytes an attribute; memory
//! does not grow with it.
//!
//! With `warninglists`, the lists that are switched on in MISP and hold addresses become
//! warninglists here, each fetched again when its version changes. They mean what the list of that
//! name means ([`crate::warninglist`]): public resolvers and CDNs cap, clouds and VPNs only annotate,
//! whatever MISP calls a false positive; `[warninglists]` has the last word.
//!
//! # Since when, and until when
//!
//! A listing begins when the attribute was first seen (`first_seen`), else when it was last changed,
//! and at the latest now: so history and the age that scores know are the server's, from the first sync
//! on. What is listed already does not begin anew when that changes, and an address that comes back
//! begins at the earliest when it went. There is no place in a listing for the other end:
//! `last_seen` and sightings tell how old an attribute is for `max_age` and nothing else. With `decay`
//! what all of the server's decaying models call decayed is left out; the scores themselves are no
//! weights, as risk has a decay of its own.
//!
//! With `read_sightings` each sync asks, in one request, for what users of the server said of
//! attributes; it counts for 90 days. An attribute is withdrawn while, since it was last changed, more
//! false positives (type 1) than sightings (type 0) were reported, or while it was said to have expired
//! (type 2) and was not seen since. Who changes the attribute afterwards has the last word. A sighting
//! makes the attribute younger for `max_age`. What is taken back there is noticed after `resync`.
//!
//! # Sightings
//!
//! `artif misp sighting IP…` ([`crate::Engine::send_sightings`]) says on the servers with `sightings`
//! that addresses were met, or with `--false-positive` that they were harmless: once an hour an
//! address at most, many in a request, and only of what is an attribute there. An application notes
//! what it met with [`crate::Engine::note_sighting`] (`engine.sighting(ip)` in Python and Node), which
//! waits for nothing; the next sync sends it. Nothing is said by itself: a hit alone is no news to who
//! listed the address.
//!
//! # Feeds on both sides
//!
//! `artif misp sync` ([`crate::Engine::exchange_feeds`]; with `exchange`, each sync) makes our feeds
//! known to the server and its feeds ours. It compares first and does what is missing, so that it can
//! be repeated; where neither side changed it takes one request. `--dry-run` prints the plan, `--init`
//! has the server switch on, fetch and cache all of ours: the first run.
//!
//! A feed of ours that MISP can read is created there, fetched and cached by the server, into an
//! event of its own (`fixed_event`) from which nothing is deleted because a download came out short
//! (`delta_merge` off, and switched off where somebody switched it on). Once that event is known
//! here, it gets the feed's threat level, and its categories as tags. Feeds with keys, files, and
//! feeds that are no threats are not handed on. What such an event holds comes from a list that is
//! fetched here already, and is not taken back: one witness, not two. So it is with every feed of the
//! server whose address is that of a feed that is enabled and was loaded here, and that has an event of
//! its own. Where that list is switched off here, the event counts. A feed of the server that is switched on there
//! becomes a file in `feeds.d` of the data folder; the configuration is not touched. The key's role
//! has to be that of a site admin for it.
//!
//! # Compared with the system artif grew from
//!
//! That one asked MISP for each lookup and stored everything in it; here lookups never leave the
//! process, and MISP is one source of several. Events that are not published do not count unless
//! `unpublished` is set. A list that was fetched on both sides was two witnesses there. Threat level 4, "undefined", is the lowest and not the highest. Its feeds were
//! merged with deletions on (`delta_merge`), so that one empty download emptied an event.
//!
//! # When something goes wrong
//!
//! Answers go on with what was there. `artif status` says since when and why; the code in brackets is
//! stable ([`Problem::code`]).
//!
//! | answer | code | what to do |
//! |---|---|---|
//! | 403 "Authentication failed. Please make sure …" | `misp-key-rejected` | check the key and its expiry |
//! | 403 "Your user account has been disabled." | `misp-account-disabled` | have the user enabled |
//! | 403 "not possible to use this Auth key from your IP address" | `misp-key-address` | allow this machine's address |
//! | 403 "You do not have permission …", 405 "… not authorised." | `misp-no-permission` | use a key whose role may do it |
//! | 302 to `/users/login` | `misp-login-page` | wait: it is in maintenance; or let the interface past the login in front of it |
//! | any other 3xx | `misp-redirected` | put the final address into `url` |
//! | 200 with a page | `misp-not-json` | check `url` and what stands in front of MISP |
//! | 404 "Not Found", 404 with a page | `misp-no-such-page` | check the path in `url` |
//! | 404, 405 "Invalid event", "Invalid attribute", "Invalid Feed." … | `misp-not-found` | it was deleted, or is not shared with the key's organisation |
//! | 404 "Event already exists …", 403 "A similar attribute already exists …" | `misp-already-there` | change the one that is there |
//! | 403 "Event blocked by event blocklist." | `misp-blocklisted` | remove it from the blocklist |
//! | 403, 405 with `errors`, text or object | `misp-invalid` | see which field it names |
//! | 400, 404, 405 "Invalid ID …", "Invalid JSON input …", "… via POST requests." | `misp-bad-request` | report it |
//! | 404 "Invalid output format." | `misp-bad-format` | report it |
//! | 200 `{"saved": false …}`, "Could not …", "… has failed." | `misp-not-done` | see what it says |
//! | 200 with what was not asked for | `misp-unfiltered` | find out who drops the body of requests |
//! | 200 cut short, or of another shape | `misp-unreadable` | none: it is tried again |
//! | 429 with `X-Rate-Limit-Reset` | `misp-rate-limited` | wait, or raise the limit of the role |
//! | 500 "An Internal Error Has Occurred." | `misp-internal` | see the error log of MISP |
//! | 502, 503, 504, 408 | `misp-gateway` | see whether PHP runs |
//! | 413 | `misp-request-too-large` | raise the limit of its web server |
//! | any other status | `misp-unexpected-status` | see what stands between |
//! | no answer within `timeout` | `misp-timed-out` | smaller pages, more patience |
//! | an answer above `fetch.max_bytes` | `misp-answer-too-large` | smaller pages, a higher bound |
//! | no connection, or it broke off | `misp-unreachable` | check address, proxy, firewall |
//! | a certificate that is not believed | `misp-tls` | name the authority in `ca_file` |
//! | a key or file that is missing here | `misp-setup` | correct the configuration |

mod problem;
mod report;
#[cfg(feature = "misp")]
mod server;

pub use problem::Problem;
#[cfg(feature = "misp")]
pub(crate) use report::statuses;
pub use report::{ServerStatus, SyncReport};
#[cfg(all(any(test, fuzzing), feature = "misp"))]
pub(crate) use server::fuzz;
#[cfg(feature = "misp")]
pub use server::{Action, Exchange, Sighted, SightingKind, Step};
#[cfg(feature = "misp")]
pub(crate) use server::{
    Checked, Client, Folder, Known, KnownList, Made, Remote, State, Synced, exchange, feed, lists,
    mapping, origin, send_all, sync, told,
};
