/**
 * Answers.
 *
 * @module
 */

import {
  type Address,
  type Change,
  type Evidence,
  type ExplanationJson,
  type Override,
  type ReputationJson,
  type Signal,
  STATES,
  type State,
  type Term,
  VERDICTS,
  type Verdict,
} from "./model.js";
import { ASN, COUNTRY, native, RISK, SCORE, STATE, scratch, VERDICT } from "./native.js";

/**
 * What answers were made from; kept as long as one of them is.
 *
 * @internal
 */
export interface View {
  readonly id: number;
}

/** The one instance per process whose numbers come from the scratch array. */
const MADE_HERE = Symbol("artif");

/**
 * What is known of one address.
 *
 * Score, verdict, state, `asn` and `country` are there; everything else is decoded when it is asked
 * for. It belongs to the snapshot that answered and stays as it is when new ones arrive.
 *
 * @example
 * ```ts
 * import { Engine } from "artif";
 *
 * const answer = new Engine({ inMemory: true }).check("10.1.2.3");
 * console.log(answer.verdict, answer.specialPurpose);
 * // not_applicable Private-Use
 * ```
 */
export class Reputation {
  readonly #view: View;
  readonly #address: Address;
  readonly #verdict: number;
  readonly #state: number;
  readonly #asn: number;
  readonly #country: number;
  readonly #risk: number;
  /** 0 (certainly bad) to 100 (safe). An override does not change it. */
  readonly score: number;

  /** @internal Reads the scratch array. */
  constructor(key: symbol, view: View, address: Address) {
    if (key !== MADE_HERE) throw new TypeError("answers are made by engines and readers");
    this.#view = view;
    this.#address = address;
    this.score = scratch[SCORE] as number;
    this.#risk = scratch[RISK] as number;
    this.#verdict = scratch[VERDICT] as number;
    this.#state = scratch[STATE] as number;
    this.#asn = scratch[ASN] as number;
    this.#country = scratch[COUNTRY] as number;
  }

  /** The address as it was looked up: IPv4 carried in IPv6 is shown as IPv4. */
  get ip(): string {
    return native.answerIp(this.#view.id, this.#address);
  }

  /**
   * Calibrated probability, 0 to 1, that it is malicious now; null from scorers that are not
   * calibrated.
   */
  get risk(): number | null {
    return Number.isNaN(this.#risk) ? null : this.#risk;
  }

  /** What to do about it. */
  get verdict(): Verdict {
    return VERDICTS[this.#verdict] as Verdict;
  }

  /** Where threat feeds say it stands. */
  get state(): State {
    return STATES[this.#state] as State;
  }

  /** Whether a threat feed lists it, or did within the history window. */
  get isIoc(): boolean {
    return this.#state !== 0;
  }

  /** Whether a threat feed lists it now. */
  get isActive(): boolean {
    return this.#state === 2;
  }

  /** Whether no threat feed lists it now but one did within the history window. */
  get isHistorical(): boolean {
    return this.#state === 1;
  }

  /** The verdict in a sentence. */
  get description(): string {
    return native.answerDescription(this.#view.id, this.#address);
  }

  /** The autonomous system's number. */
  get asn(): number | null {
    return this.#asn < 0 ? null : this.#asn;
  }

  /** The country's ISO 3166 code. */
  get country(): string | null {
    return letters(this.#country);
  }

  /** The organisation behind the autonomous system. */
  get organisation(): string | null {
    return native.answerOrganisation(this.#view.id, this.#address);
  }

  /** The ids of the threat feeds that list it; where historical, that listed it. */
  get feeds(): string[] {
    return native.answerFeeds(this.#view.id, this.#address);
  }

  /** The ids of the label and benign feeds that list it: what it is, not that it is bad. */
  get labels(): string[] {
    return native.answerLabels(this.#view.id, this.#address);
  }

  /**
   * The names of the warninglists it is on: shared infrastructure, which feeds alone make no worse
   * than "Manual triage needed" where such a list caps.
   */
  get warninglists(): string[] {
    return native.answerWarninglists(this.#view.id, this.#address);
  }

  /** What these feeds say it does. */
  get categories(): string[] {
    return JSON.parse(native.answerCategories(this.#view.id, this.#address));
  }

  /** When a threat feed that makes it active or historical first listed it. */
  get firstSeen(): Date | null {
    return date(native.answerFirstSeen(this.#view.id, this.#address));
  }

  /** When a threat feed was last seen to list it. */
  get lastSeen(): Date | null {
    return date(native.answerLastSeen(this.#view.id, this.#address));
  }

  /** The name of the special-purpose block it is in, such as "Private-Use". */
  get specialPurpose(): string | null {
    return native.answerSpecialPurpose(this.#view.id, this.#address);
  }

  /** What the application reported of it that counts, by kind. */
  get signals(): Signal[] {
    return JSON.parse(native.answerSignals(this.#view.id, this.#address));
  }

  /** The operator's decision that holds for it. */
  get override(): Override | null {
    const entry = native.answerOverride(this.#view.id, this.#address);
    return entry === null ? null : JSON.parse(entry);
  }

  /** The number of the snapshot that answered. */
  get snapshotId(): number {
    return native.answerSnapshotId(this.#view.id, this.#address);
  }

  /** Whether that snapshot is older than it should get. */
  get isStale(): boolean {
    return native.answerIsStale(this.#view.id, this.#address);
  }

  /** Everything, with the names of the JSON form. */
  toJSON(): ReputationJson {
    return JSON.parse(this.json());
  }

  /**
   * Everything as JSON text, byte for byte the same in all languages. (`JSON.stringify` writes `100`
   * where it says `100.0`.)
   */
  json(): string {
    return native.answerJson(this.#view.id, this.#address);
  }

  /** For people, such as `22.66.6.66: dangerous, score 0.0, feeds a, b`. */
  toString(): string {
    const feeds = this.feeds;
    const shown = feeds.length > 3 ? [...feeds.slice(0, 3), "…"] : feeds;
    const listed = shown.length === 0 ? "" : `, feeds ${shown.join(", ")}`;
    return `${this.ip}: ${this.verdict}, score ${this.score.toFixed(1)}${listed}`;
  }

  /** What `console.log` shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Reputation { ${this} }`;
  }
}

/**
 * Makes an answer of what stands in the scratch array.
 *
 * @internal
 */
export function answer(view: View, address: Address): Reputation {
  // Bytes may change under it.
  const kept = typeof address === "object" ? address.slice() : address;
  return new Reputation(MADE_HERE, view, kept);
}

/** An answer with its reasons; `String()` of it is a text for people. */
export class Explanation {
  readonly #json: string;
  readonly #text: string;
  #fields: ExplanationJson | undefined;

  /** @internal */
  constructor(json: string, text: string) {
    this.#json = json;
    this.#text = text;
  }

  /** The score: 100 and the contributions of all terms. */
  get score(): number {
    return this.toJSON().score;
  }

  /** Why the score is what it is. */
  get terms(): Term[] {
    return this.toJSON().terms;
  }

  /** Every listing within the retention: active ones first. */
  get evidence(): Evidence[] {
    return this.toJSON().evidence;
  }

  /** What would change the answer. */
  get changes(): Change[] {
    return this.toJSON().changes;
  }

  /** Everything, with the names of the JSON form. */
  toJSON(): ExplanationJson {
    this.#fields ??= JSON.parse(this.#json) as ExplanationJson;
    return this.#fields;
  }

  /** Everything as JSON text, byte for byte the same in all languages. */
  json(): string {
    return this.#json;
  }

  toString(): string {
    return this.#text;
  }
}

/** What stands in {@link Columns.verdict} for text that is no address. */
export const NO_ADDRESS = 255;

/**
 * Answers for many addresses, a number for each in every column.
 *
 * @example
 * ```ts
 * import { Engine, VERDICTS } from "artif";
 *
 * const columns = new Engine({ inMemory: true }).checkMany(["8.8.8.8", "10.0.0.1", "no"]);
 * console.log(columns.score, columns.invalid, VERDICTS[columns.verdict[1] ?? 0]);
 * // Float64Array(3) [ 100, 100, NaN ] 1 not_applicable
 * ```
 */
export interface Columns {
  /** 0 (certainly bad) to 100 (safe); not a number for text that is no address. */
  readonly score: Float64Array;
  /** The place in {@link VERDICTS}; {@link NO_ADDRESS} for text that is no address. */
  readonly verdict: Uint8Array;
  /** The place in {@link STATES}. */
  readonly state: Uint8Array;
  /** The autonomous system's number, 0 where unknown. */
  readonly asn: Uint32Array;
  /** The country's two letters, the first of them in the upper byte; 0 where unknown. */
  readonly country: Uint16Array;
  /** How many were no addresses. */
  readonly invalid: number;
}

/** The letters of a {@link Columns.country}; null where unknown. */
export function letters(country: number): string | null {
  return country === 0 ? null : String.fromCharCode(country >> 8, country & 0xff);
}

function date(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds);
}
