/**
 * What the middleware of all frameworks shares: where answers come from, who a request comes from,
 * what is logged.
 *
 * @module
 */

import type { Handle } from "../native.js";
import { answer, type Reputation } from "./answer.js";
import { type Answers, type Engine, Member, memberMiddleware, Reader } from "./engine.js";
import { ArtifError } from "./errors.js";
import type { Address, Verdict } from "./model.js";
import { CLIENT, native, scratch, VIEW } from "./native.js";
import type { MemberOptions, Path } from "./options.js";

/** How requests are decided about: the keys of `[middleware]` in an `artif.toml`. */
export interface GatekeeperOptions {
  /** Annotate and log (the default), or refuse with 403. */
  mode?: "monitor" | "enforce";
  /** Verdicts that are refused, `["dangerous"]` by default; what an operator blocked always is. */
  block?: readonly Verdict[];
  /** A score below which requests are refused too, 0 to 100, 100 = safe. */
  blockBelow?: number;
  /** Requests whose client is not known, and all while there is no snapshot: "pass" by default. */
  unknown?: "pass" | "block";
  /** Networks of proxies whose header is believed. Nobody by default. */
  trustedProxies?: readonly string[];
  /** In place of networks: so many proxies. They are not checked. */
  trustedHops?: number;
  /** The one header that is read. */
  clientHeader?: "x-forwarded-for" | "forwarded" | "x-real-ip" | "cf-connecting-ip";
  /** Paths that are let through unseen; a `*` at the end stands for anything. */
  exempt?: readonly string[];
}

/**
 * Where answers come from, and how requests are decided about: `config`, `data` or `engine`, and
 * options that count over the section `[middleware]` of `config`.
 */
export interface GateOptions extends GatekeeperOptions {
  /**
   * The path of an `artif.toml`, or its keys: then the processes of a cluster are members
   * ({@link Member}), of which one refreshes by itself. It is checked at once and opened when the
   * first request arrives; until there is a snapshot no client is known, and the option `unknown`
   * decides.
   */
  config?: Path | MemberOptions;
  /**
   * A folder that something else refreshes (`artif watch`, or `artif refresh` by cron), opened in the
   * same way. Together with `config` it is the folder to use in place of the configuration's.
   */
  data?: Path;
  /** An engine, member or reader to use in place of both. */
  engine?: Engine | Member | Reader;
  /** Hears of flagged and refused requests; by default a line of JSON goes to `console.warn`. */
  log?: (ruling: Ruling) => void;
}

/** The decision about one request. */
export class Ruling {
  /** `"flag"` while monitoring: it would be refused. */
  readonly action: "pass" | "flag" | "block";
  /** The answer for the client; null where its address is not known. */
  readonly reputation: Reputation | null;
  /**
   * Where it is flagged or refused: what the client may be shown, to find the log line again; else
   * null.
   */
  readonly reference: string | null;
  readonly #log: string;

  /** @internal */
  constructor(
    action: Ruling["action"],
    reputation: Reputation | null,
    reference: string | null,
    log: string,
  ) {
    this.action = action;
    this.reputation = reputation;
    this.reference = reference;
    this.#log = log;
  }

  /**
   * One line of JSON for the log, with the reason. Not for the client. Empty for what simply passes.
   */
  toLogJson(): string {
    return this.#log;
  }
}

/** A request as the frameworks have it: its path, the other end of the connection, one header. */
export interface Asking {
  /** Without the query. */
  path: string;
  peer: string | undefined;
  value: string | undefined;
}

/** What `native.rule` returns for paths that are let through unseen. */
const EXEMPT = 3;
const ACTIONS = ["pass", "flag", "block"] as const;
const RETRY_MILLISECONDS = 1_000;

/**
 * Rules on requests for one application; the middleware of each framework is made of it.
 *
 * @example
 * ```ts
 * import { Engine } from "artif";
 * import { Gate } from "artif/http";
 *
 * const gate = new Gate({ engine: new Engine({ inMemory: true }), trustedProxies: ["10.0.0.0/8"] });
 * console.log(gate.header, gate.client("10.0.0.7", "1.1.1.1, 203.0.113.9"));
 * // x-forwarded-for 203.0.113.9
 * ```
 */
export class Gate {
  /** The one header whose value is needed, in lower case; null where none is read. */
  readonly header: string | null;
  /** Whether requests are refused, or flagged. */
  readonly mode: "monitor" | "enforce";
  readonly #handle: Handle;
  readonly #id: number;
  readonly #exempts: boolean;
  readonly #config: MemberOptions | undefined;
  readonly #data: Path | undefined;
  readonly #log: (ruling: Ruling) => void;
  #engine: Answers | undefined;
  #nextTry = 0;

  /** @throws {InvalidError} for options that are unknown or make no sense. */
  constructor(options: GateOptions) {
    const { config, data, engine, log, ...rest } = options;
    if ((config === undefined && data === undefined) === (engine === undefined)) {
      throw new TypeError(
        "artif middleware needs config: FILE, data: FOLDER, or else engine: ENGINE",
      );
    }
    this.#config = config === undefined ? undefined : memberOptions(config, data);
    const section = this.#config === undefined ? {} : memberMiddleware(this.#config);
    const configured: Configured = { ...section, ...asConfigured(rest) };
    this.#handle = native.openGatekeeper(JSON.stringify(configured));
    this.#id = this.#handle.id;
    this.#data = data;
    this.#engine = engine;
    this.#log = log ?? ((ruling) => console.warn(ruling.toLogJson()));
    this.#exempts = (configured.exempt?.length ?? 0) > 0;
    this.header = native.gatekeeperHeader(this.#id);
    this.mode = native.gatekeeperEnforces(this.#id) ? "enforce" : "monitor";
  }

  /**
   * Whether there are paths that are let through unseen.
   *
   * @internal
   */
  get exempts(): boolean {
    return this.#exempts;
  }

  /** What answers, undefined while there is no snapshot. */
  get engine(): Answers | undefined {
    return this.#engine ?? this.#tryOpen();
  }

  /** The client's address, null where it is not known. */
  client(peer: string | undefined, value: string | undefined): string | null {
    return native.gatekeeperClient(this.#id, peer, value);
  }

  /** Whether requests to this path, without a query, go on unseen. */
  isExempt(path: string): boolean {
    return this.#exempts && native.gatekeeperIsExempt(this.#id, path);
  }

  /**
   * Rules on a request, and logs it where it is not simply let through; null where its path is
   * exempt. `log` hears of it in place of the gate's own.
   */
  rule({ path, peer, value }: Asking, log = this.#log): Ruling | null {
    const engine = this.engine;
    const ruled = native.rule(
      this.#id,
      engine === undefined ? null : engine.id,
      this.#exempts ? path : null,
      peer,
      value,
    );
    if (ruled === EXEMPT) return null;
    // A view of 0: the client is not known.
    const known = engine !== undefined && scratch[VIEW] !== 0;
    const reputation = known ? answer(engine.view(), ruledClient()) : null;
    if (ruled === 0) return new Ruling("pass", reputation, null, "");
    const [reference, line] = [native.ruledReference(), native.ruledLog() ?? ""];
    const ruling = new Ruling(ACTIONS[ruled] ?? "block", reputation, reference, line);
    log(ruling);
    return ruling;
  }

  #tryOpen(): Answers | undefined {
    const now = performance.now();
    if (now < this.#nextTry) return undefined;
    this.#nextTry = now + RETRY_MILLISECONDS;
    try {
      if (this.#config !== undefined) this.#engine = new Member(this.#config);
      else if (this.#data !== undefined) this.#engine = new Reader(this.#data);
    } catch (error) {
      if (!(error instanceof ArtifError)) throw error;
      console.warn(`artif: no answers yet: ${error.message}`);
    }
    return this.#engine;
  }
}

function memberOptions(config: Path | MemberOptions, data: Path | undefined): MemberOptions {
  const isPath = typeof config === "string" || config instanceof URL;
  const options: MemberOptions = isPath ? { config } : { ...config };
  if (data !== undefined) options.data = data;
  return options;
}

function ruledClient(): Address {
  const number = scratch[CLIENT] as number;
  return number >= 0 ? number : (native.ruledClient() as string);
}

/** Options with the names that the configuration has. */
type Configured = Record<string, unknown> & { exempt?: readonly string[] };

function asConfigured(options: GatekeeperOptions): Configured {
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [snake(name), value]));
}

/** What a refused client is told: where to point when it complains, never why. */
export function refusal(ruling: Ruling): string {
  return `Forbidden\nReference: ${ruling.reference}\n`;
}

/** What goes with {@link refusal}. */
export const REFUSAL_HEADERS = {
  "content-type": "text/plain; charset=utf-8",
  "cache-control": "no-store",
} as const;

/** The path of a request's target. */
export function pathOf(url: string | undefined): string {
  if (url === undefined) return "";
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

/** A request of `node:http`, which most frameworks are made on. */
interface Incoming {
  rawHeaders: string[];
  socket: { remoteAddress?: string | undefined };
}

/** What the gate needs of a request. */
export function asking(gate: Gate, request: Incoming, url: string | undefined): Asking {
  return {
    path: gate.exempts ? pathOf(url) : "",
    peer: request.socket.remoteAddress,
    value: gate.header === null ? undefined : headerOf(request.rawHeaders, gate.header),
  };
}

/**
 * All occurrences of a header, joined by commas as Node does; undefined where there is none. Asking
 * for `headers` would have Node read all of them, which few requests need otherwise.
 */
function headerOf(raw: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const found = raw[at] as string;
    if (found.length === name.length && found.toLowerCase() === name) {
      value = value === undefined ? raw[at + 1] : `${value}, ${raw[at + 1]}`;
    }
  }
  return value;
}
