/**
 * The shapes of what is answered: the engine's JSON, with the same names in all languages.
 *
 * @module
 */

/** What to do about an address. The last two are an operator's override. */
export type Verdict =
  | "No action needed"
  | "Manual triage needed"
  | "suspicious"
  | "dangerous"
  | "not_applicable"
  | "allowed"
  | "blocked";

/** Where threat feeds say an address stands. */
export type State = "unknown" | "historical" | "active";

/** Every verdict, in the order of their numbers in {@link Columns.verdict}. */
export const VERDICTS: readonly Verdict[] = [
  "No action needed",
  "Manual triage needed",
  "suspicious",
  "dangerous",
  "not_applicable",
  "allowed",
  "blocked",
];

/** Every state, in the order of their numbers in {@link Columns.state}. */
export const STATES: readonly State[] = ["unknown", "historical", "active"];

/**
 * An address: text, an IPv4 address as a number, any as a `bigint`, or its 4 or 16 bytes in network
 * order (a `Buffer` is fine).
 */
export type Address = string | number | bigint | Uint8Array;

/** An operator's decision for a network, which beats everything else. */
export interface Override {
  prefix: string;
  action: "allow" | "block";
  reason: string;
  author: string;
  created: string;
  expires: string | null;
}

/** What became of sightings on one MISP server. */
export interface Sighted {
  server: string;
  asked: number;
  repeated: number;
  listed: number;
  sent: number;
  requests: number;
}

/** A warninglist that names an address. */
export interface OnWarninglist {
  name: string;
  category: string | null;
  action: string | null;
}

/** An answer as JSON. */
export interface ReputationJson {
  ip: string;
  is_IoC: boolean;
  is_Active: boolean;
  historical: boolean;
  metadata: { asn: string | null; country: string | null; org: string | null };
  /** 0 (certainly bad) to 100 (safe). */
  score: number;
  /** Probability, 0 to 1, of being malicious now; null from scorers that are not calibrated. */
  risk: number | null;
  description: string;
  /** The names of the threat feeds. */
  blacklists: string[];
  labels: string[];
  warninglists: OnWarninglist[];
  /** What the feeds say it does. */
  type: string[];
  verdict: Verdict;
  first_seen: string | null;
  last_seen: string | null;
  override: Override | null;
  special_purpose: string | null;
  /** What the application reported of it, where that moves score and verdict. */
  signals?: Signal[];
  snapshot: { id: number; created: string; stale: boolean };
}

/** What reports of one kind say of an address now. */
export interface Signal {
  /** The kind, as it is configured. */
  name: string;
  /** How many reports, each counted half after every half-life. */
  count: number;
  /** When the newest of them came. */
  newest: string;
  /** How far they move the log-odds of being bad: positive for danger, negative for trust. */
  effect: number;
  /** When they are forgotten unless another one comes; null where they only fade. */
  expires: string | null;
}

/** One listing of an address: which feed lists, or listed, which network around it, and when. */
export interface Evidence {
  feed: string;
  name: string;
  /** The publisher: feeds of one publisher are one witness. */
  source_group: string;
  role: "threat" | "label" | "benign" | "warninglist";
  network: string;
  categories: string[];
  /** 1 (high) to 4 (undefined). */
  threat_level: number;
  first_seen: string;
  /** It was there when the feed was first loaded, so it may be listed for longer. */
  since_start: boolean;
  /** When it was seen to be gone; null while it is listed. */
  ended: string | null;
}

/** One reason for a score. */
export interface Term {
  /** What it is about, stable: "asn", "country", "listing" … */
  name: string;
  /** Points on the 0 to 100 scale that it takes away (negative) or gives. */
  contribution: number;
  /** A sentence for an analyst. */
  text: string;
}

/** Something that would change an answer, all else being as it is. */
export interface Change {
  /** What it is about: "feed", "feeds", "window", "warninglist", "override", "signals". */
  name: string;
  /** The feed's id, where it is about one. */
  feed: string | null;
  /** When it happens by itself; null where somebody has to act. */
  at: string | null;
  /** The score then. */
  score: number;
  /** The verdict then. */
  verdict: Verdict;
  /** A sentence for an analyst. */
  text: string;
}

/** An explanation as JSON. */
export interface ExplanationJson extends ReputationJson {
  evidence: Evidence[];
  terms: Term[];
  /** The score may as well be from here to there; null where the scorer does not say. */
  interval: [number, number] | null;
  /** How much of the scale the evidence rules out, 0 to 1: from the width of the interval. */
  confidence: number | null;
  overrides: Override[];
  changes: Change[];
}

/** What was known of an address at a moment in the past. */
export interface PastReputation {
  ip: string;
  at: string;
  state: State;
  /** What its verdict would have been from listings alone. */
  verdict: Verdict;
  evidence: Evidence[];
  /** The earliest moment for which the memory is whole: "unknown" before it means nothing. */
  remembers_since: string;
}

/** What became of one feed. */
export interface FeedReport {
  feed: string;
  outcome: "loaded" | "unchanged" | "failed" | "refused";
  error: string | null;
  /** What was read, where anything was. */
  parse: Record<string, unknown> | null;
  /** What changed, where anything did. */
  commit: Record<string, number> | null;
  /** In a dry run: what would change. */
  changes?: Record<string, unknown>;
  /** Seconds for which the server asked to be left alone. */
  retry_after?: number;
}

/** The snapshot that answers. */
export interface SnapshotStatus {
  /** 0 before the first refresh. */
  id: number;
  created: string;
  stale: boolean;
  /** Null in memory. */
  path: string | null;
  bytes: number;
  scorer: string;
  counts: Record<string, number>;
}

/** What a refresh did. */
export interface RefreshReport {
  feeds: FeedReport[];
  warninglists: FeedReport[];
  /** Ended listings forgotten because they passed the retention. */
  expired: number;
  published: boolean;
  snapshot: SnapshotStatus;
  /** Where the time went, in milliseconds. */
  timings: { feeds: number; geo: number; compile: number; publish: number; total: number };
}

/** What happens during a refresh. */
export type RefreshEvent =
  | { event: "started"; feeds: number }
  | { event: "received"; feed: string; bytes: number; total: number | null }
  | { event: "feed"; feed: string; report: FeedReport }
  | { event: "compiling" }
  | { event: "publishing" };

/** How own signals are kept. */
export interface SignalsStatus {
  kinds: string[];
  capacity: number;
  entries: number;
  /** How many made room for others, and how many reports found none. */
  evicted: number;
  refused: number;
  bytes: number;
  path: string | null;
  /** Whether this process may report. */
  writable: boolean;
  problem: string | null;
}

/** How an engine is. */
export interface Status {
  version: string;
  data: string | null;
  /** Whether it owns the folder, or reads from it. */
  owner: boolean;
  snapshot: SnapshotStatus;
  feeds: Array<
    { id: string; name: string; enabled: boolean; count: number } & Record<string, unknown>
  >;
  warninglists: Array<{ id: string; name: string } & Record<string, unknown>>;
  geo: Array<Record<string, unknown>>;
  geo_updates: Array<Record<string, unknown>>;
  overrides: number;
  /** Own signals, where kinds of them are configured. */
  signals?: SignalsStatus;
  ledger: Record<string, unknown> | null;
  /** What somebody should look at, one sentence each. */
  problems: string[];
}
