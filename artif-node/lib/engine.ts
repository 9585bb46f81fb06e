/**
 * Engines and readers.
 *
 * @module
 */

import type { Handle } from "../native.js";
import { answer, type Columns, Explanation, type Reputation, type View } from "./answer.js";
import { CancelledError } from "./errors.js";
import type {
  Address,
  Evidence,
  Override,
  PastReputation,
  RefreshEvent,
  RefreshReport,
  Sighted,
  Signal,
  Status,
} from "./model.js";
import { native, SCORE, scratch, VIEW } from "./native.js";
import {
  asOptions,
  configuration,
  type EngineOptions,
  type MemberOptions,
  type Path,
  path,
} from "./options.js";
import { FeedsReport } from "./report.js";

/** What owners and readers answer alike. */
export abstract class Answers {
  /** Keeps what `#id` names until it is closed or collected. */
  readonly #handle: Handle;
  readonly #id: number;
  readonly #gate: (ip: Address) => void;
  #view: View = NO_VIEW;
  #viewKey = -1;
  #closed = false;

  /** @internal */
  constructor(handle: Handle) {
    this.#handle = handle;
    this.#id = handle.id;
    this.#gate = native.gateOf(handle.id);
  }

  /** @internal */
  get id(): number {
    return this.#id;
  }

  /**
   * The score of an address alone, 0 (certainly bad) to 100 (safe): the cheapest question. Mind that
   * an operator's override shows in the verdict only.
   *
   * @throws {BadAddressError} for what is no address.
   * @example
   * ```ts
   * import { Engine } from "artif";
   *
   * const engine = new Engine({ inMemory: true });
   * if (engine.gate("8.8.8.8") < 20) throw new Error("no");
   * ```
   */
  gate(ip: Address): number {
    this.#gate(ip);
    return scratch[SCORE] as number;
  }

  /**
   * The answer for an address.
   *
   * @throws {BadAddressError} for what is no address.
   * @example
   * ```ts
   * import { Engine } from "artif";
   *
   * const answer = new Engine({ inMemory: true }).check("8.8.8.8");
   * console.log(answer.verdict, answer.score, answer.feeds);
   * // No action needed 100 []
   * ```
   */
  check(ip: Address): Reputation {
    native.check(this.#id, ip);
    return answer(this.view(), ip);
  }

  /**
   * The answers for many addresses, as columns; their order is the same.
   *
   * An `Uint32Array` holds IPv4 addresses as numbers, a `Uint8Array` or `Buffer` addresses of `width`
   * bytes each in network order, 4 where nothing is said.
   *
   * @throws {InvalidError} for bytes that are no whole number of addresses.
   */
  checkMany(ips: readonly string[] | Uint32Array): Columns;
  checkMany(ips: Uint8Array, options?: { width?: 4 | 16 }): Columns;
  checkMany(
    ips: readonly string[] | Uint32Array | Uint8Array,
    options: { width?: 4 | 16 } = {},
  ): Columns {
    if (ips instanceof Uint32Array) return native.checkNumbers(this.#id, ips);
    if (ips instanceof Uint8Array) return native.checkPacked(this.#id, ips, options.width ?? 4);
    if (ips.length === 0) return native.checkTexts(this.#id, []);
    // One long text crosses into native code much faster than many short ones.
    const columns = native.checkJoined(this.#id, ips.join("\n"), ips.length);
    return columns ?? native.checkTexts(this.#id, ips.map(String));
  }

  /**
   * The answer with all its reasons. May take microseconds.
   *
   * @example
   * ```ts
   * import { Engine } from "artif";
   *
   * const explanation = new Engine({ inMemory: true }).explain("8.8.8.8");
   * console.log(`${explanation}`);
   * ```
   */
  explain(ip: Address): Explanation {
    const [json, text] = native.explain(this.#id, ip);
    return new Explanation(json as string, text as string);
  }

  /** Every listing of the address within the retention: active ones first. */
  history(ip: Address): Evidence[] {
    return JSON.parse(native.history(this.#id, ip));
  }

  /** What was known of the address at a moment in the past. */
  checkAt(ip: Address, at: Date): PastReputation {
    return JSON.parse(native.checkAt(this.#id, ip, at.getTime()));
  }

  /**
   * Adds reports of the application about an address, of a kind that `signals` of the configuration
   * describes; says whether they are kept. They count at once in all processes.
   */
  signal(ip: Address, name: string, count = 1): boolean {
    return native.signal(this.#id, ip, name, count);
  }

  /** What the application reported of an address, by kind. */
  signals(ip: Address): Signal[] {
    return JSON.parse(native.signals(this.#id, ip));
  }

  /** Forgets all that the application reported of an address; says whether there was anything. */
  forgetSignals(ip: Address): boolean {
    return native.forgetSignals(this.#id, ip);
  }

  /**
   * How the feeds of the current snapshot compare. It is made on another thread; of 85 feeds with a
   * million networks the comparison was measured to take 44 ms.
   *
   * @example
   * ```ts
   * import { Engine } from "artif";
   *
   * const report = await new Engine({ inMemory: true }).feedReport();
   * console.log(`${report}`, report.toJSON().feeds.length);
   * ```
   */
  async feedReport(): Promise<FeedsReport> {
    return new FeedsReport(...(JSON.parse(await native.feedReport(this.#id)) as FeedReportParts));
  }

  /** How the engine is: what it answers from, how its feeds are, what is wrong. */
  status(): Status {
    return JSON.parse(native.status(this.#id));
  }

  /** Whether {@link Answers.close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Gives the folder up, once a refresh under way has ended; answers already given stay valid.
   */
  close(): void {
    this.#closed = true;
    this.#view = NO_VIEW;
    this.#viewKey = -1;
    this.#handle.close();
  }

  /** For `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * What the scratch array was written from.
   *
   * @internal
   */
  view(): View {
    const key = scratch[VIEW] as number;
    if (key !== this.#viewKey) {
      this.#view = new HeldView(native.view(this.#id));
      this.#viewKey = key;
    }
    return this.#view;
  }
}

/** JSON, text and HTML. */
type FeedReportParts = [string, string, string];

class HeldView implements View {
  readonly id: number;
  /** Collected with this, and what it keeps with it. */
  readonly handle: Handle;

  constructor(handle: Handle) {
    this.handle = handle;
    this.id = handle.id;
  }
}

const NO_VIEW: View = { id: -1 };

/**
 * Answers from the snapshots of a data folder that another process owns, and follows new ones.
 *
 * Any number of processes and worker threads may read one folder; they share the snapshot's memory.
 *
 * @example
 * ```ts
 * import { Reader } from "artif";
 *
 * using reader = new Reader("/var/lib/artif");
 * console.log(reader.check("198.51.100.7").verdict);
 * ```
 */
export class Reader extends Answers {
  /** @throws {NoSnapshotError} where no owner has published one yet. */
  constructor(data: Path) {
    super(native.openReader(path(data)));
  }

  /**
   * Takes up what was published meanwhile at once, instead of within a quarter of a second. Says
   * whether there was anything.
   */
  reload(): boolean {
    return native.reload(this.id);
  }
}

/** What a refresh is to do. */
export interface RefreshOptions {
  /** The ids of the feeds to fetch; all that are enabled where nothing is said. */
  feeds?: readonly string[];
  /** Take what the guard would refuse, after a look at it. */
  force?: boolean;
  /** Say what would change and write nothing. */
  dryRun?: boolean;
  /** Stops it. What was committed by then stays, each feed whole. */
  signal?: AbortSignal;
  /** Called as things happen. */
  onProgress?: (event: RefreshEvent) => void;
}

/** What an operator says beside the network. */
export interface OverrideOptions {
  reason?: string;
  author?: string;
  expires?: Date;
}

/**
 * The owner of a data folder: refreshes it and answers from it. Whatever writes to disk or waits for
 * the network happens on another thread.
 *
 * `ARTIF_*` environment variables count over what is given here.
 *
 * @example
 * ```ts
 * import { Engine } from "artif";
 *
 * using engine = new Engine({ data: "artif-data", history: { window: "14d" } });
 * const report = await engine.refresh();
 * console.log(report.snapshot.counts, engine.check("198.51.100.7").verdict);
 * ```
 */
export class Engine extends Answers {
  /**
   * Opens a folder, by the path of an `artif.toml` or by single keys.
   *
   * @throws {LockedError} where somebody else owns the folder: open a {@link Reader} then.
   * @throws {ConfigError} for keys that are unknown or make no sense.
   */
  constructor(options: Path | EngineOptions = {}) {
    const { inMemory = false, ...rest } = asOptions<EngineOptions>(options);
    super(native.openEngine(...configuration(rest), inMemory));
  }

  /**
   * Fetches feeds, and publishes a new snapshot if an answer may differ. Nothing waits for it:
   * questions are answered meanwhile.
   *
   * @throws the signal's reason once it is aborted.
   * @throws {UnknownFeedError} for an id that is not configured. Feeds that fail are no error; they
   * are in the report.
   * @example
   * ```ts
   * import { Engine } from "artif";
   *
   * const engine = new Engine({ inMemory: true, catalogue: [] });
   * const report = await engine.refresh({
   *   signal: AbortSignal.timeout(60_000),
   *   onProgress: (event) => console.log(event.event),
   * });
   * console.log(report.feeds.length);
   * ```
   */
  async refresh(options: RefreshOptions = {}): Promise<RefreshReport> {
    const { feeds = [], force = false, dryRun = false, signal, onProgress } = options;
    signal?.throwIfAborted();
    const cancel = new native.Cancel();
    const stop = () => cancel.set();
    signal?.addEventListener("abort", stop, { once: true });
    const told = onProgress && ((event: string) => onProgress(JSON.parse(event)));
    try {
      return JSON.parse(
        await native.refresh(this.id, [...feeds], force, dryRun, cancel, told ?? null),
      );
    } catch (error) {
      // The engine's own word for it is of no interest to who aborted.
      if (error instanceof CancelledError) signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Takes the content that the guard refused of a feed, after a look at it. */
  async acceptFeed(id: string): Promise<RefreshReport> {
    return JSON.parse(await native.acceptFeed(this.id, id));
  }

  /** Switches a feed on or off, from the next refresh on. */
  async enableFeed(id: string, enabled: boolean): Promise<void> {
    await native.enableFeed(this.id, id, enabled);
  }

  /** Lets a network in, whatever feeds say; counts in every process within a second. */
  async allow(network: string, options: OverrideOptions = {}): Promise<void> {
    await this.#override(network, true, options);
  }

  /** Keeps a network out, whatever feeds say; counts in every process within a second. */
  async block(network: string, options: OverrideOptions = {}): Promise<void> {
    await this.#override(network, false, options);
  }

  /** Removes the decision for exactly this network; says whether there was one. */
  async removeOverride(network: string, options: { author?: string } = {}): Promise<boolean> {
    return JSON.parse(await native.removeOverride(this.id, network, options.author ?? ""));
  }

  /** The operators' decisions, expired ones too. */
  overrides(): Override[] {
    return JSON.parse(native.overrides(this.id));
  }

  /**
   * Notes that an address was met, or was harmless, for MISP servers with `sightings`: the next sync
   * says it there. Says whether it will be sent.
   */
  sighting(ip: Address, options: { falsePositive?: boolean } = {}): boolean {
    return native.sighting(this.id, ip, options.falsePositive ?? false);
  }

  /** Sends what was noted now; resolves to what became of it on each server. */
  async sendSightings(): Promise<Sighted[]> {
    return JSON.parse(await native.sendSightings(this.id));
  }

  /** The data folder; null in memory. */
  get data(): string | null {
    return native.data(this.id);
  }

  async #override(network: string, allow: boolean, options: OverrideOptions): Promise<void> {
    const { reason = null, author = null, expires } = options;
    const until = expires === undefined ? null : expires.getTime();
    await native.addOverride(this.id, network, allow, reason, author, until);
  }
}

/**
 * One of several equal processes on one data folder, such as the workers of a cluster.
 *
 * One of them owns the folder and refreshes it by the schedule of the configuration; all answer from
 * what it publishes and share its memory. Where the owner goes away, however it does, another takes
 * over within a second. While there is no snapshot, nothing is known of any address.
 *
 * @example
 * ```ts
 * import { Member } from "artif";
 *
 * const member = new Member("artif.toml");
 * console.log(member.isOwner, member.hasSnapshot, member.check("198.51.100.7").verdict);
 * ```
 */
export class Member extends Answers {
  /**
   * Joins the processes on the folder, by the path of an `artif.toml` or by single keys.
   *
   * @throws {ConfigError} for keys that are unknown or make no sense.
   */
  constructor(options: Path | MemberOptions = {}) {
    super(native.openMember(...configuration(asOptions<MemberOptions>(options))));
  }

  /** Whether this process owns the folder and refreshes it now. */
  get isOwner(): boolean {
    return native.isOwner(this.id);
  }

  /** Whether a snapshot was published yet; without one nothing is known of any address. */
  get hasSnapshot(): boolean {
    return native.hasSnapshot(this.id);
  }

  /** The data folder. */
  get data(): string {
    return native.memberData(this.id);
  }

  /**
   * Takes up what was published meanwhile at once, instead of within a quarter of a second. Says
   * whether there was anything.
   */
  reload(): boolean {
    return native.reload(this.id);
  }

  /** Gives the folder up, where this process owns it, and leaves it to others for two seconds. */
  async resign(): Promise<void> {
    await native.resign(this.id);
  }
}

/**
 * Checks what a member is to be opened with; its section `[middleware]`.
 *
 * @internal
 */
export function memberMiddleware(options: Path | MemberOptions): Record<string, unknown> {
  return JSON.parse(native.memberMiddleware(...configuration(asOptions<MemberOptions>(options))));
}
