type Address = string | number | bigint | Uint8Array;
type Latin1 = string | undefined | null;

/** Stops a refresh. */
export declare class Cancel {
  constructor()
  /** Stops it soon. */
  set(): void
}

/** Keeps a slot until it is closed or collected. */
export declare class Handle {
  get id(): number
  /** Empties the slot; its number is not used again before this object is collected. */
  close(): void
}

/** Takes the content that the guard refused of a feed; resolves to the report as JSON. */
export declare function acceptFeed(id: number, feed: string): Promise<string>

/** Adds an operator's decision for a network; `expires` in milliseconds since 1970. */
export declare function addOverride(id: number, network: string, allow: boolean, reason?: string | undefined | null, author?: string | undefined | null, expires?: number | undefined | null): Promise<string>

export declare function answerCategories(view: number, ip: Address): string

export declare function answerDescription(view: number, ip: Address): string

export declare function answerFeeds(view: number, ip: Address): Array<string>

/** Milliseconds since 1970. */
export declare function answerFirstSeen(view: number, ip: Address): number | null

export declare function answerIp(view: number, ip: Address): string

export declare function answerIsStale(view: number, ip: Address): boolean

export declare function answerJson(view: number, ip: Address): string

export declare function answerLabels(view: number, ip: Address): Array<string>

/** Milliseconds since 1970. */
export declare function answerLastSeen(view: number, ip: Address): number | null

export declare function answerOrganisation(view: number, ip: Address): string | null

export declare function answerOverride(view: number, ip: Address): string | null

/** What the application reported of it that counts, as JSON. */
export declare function answerSignals(view: number, ip: Address): string

export declare function answerSnapshotId(view: number, ip: Address): number

export declare function answerSpecialPurpose(view: number, ip: Address): string | null

export declare function answerWarninglists(view: number, ip: Address): Array<string>

/**
 * Judges scorers; resolves to JSON and text, as a JSON array. `start` is a day as in `2026-08-05`;
 * `onDay` is called with days as JSON.
 */
export declare function backtest(replay: string, catalogue: string | undefined | null, config: string | undefined | null, settings: string | undefined | null, scorers: Array<string> | undefined | null, start: string | undefined | null, negatives: number | undefined | null, seed: number | undefined | null, onDay?: ((day: string) => void) | undefined | null): Promise<string>

/** Writes an answer to the scratch array. */
export declare function check(id: number, ip: Address): void

/** What was known of the address at a moment, in milliseconds since 1970, as JSON. */
export declare function checkAt(id: number, ip: Address, at: number): string

/** Texts joined by line feeds, so many of them. */
export declare function checkJoined(id: number, text: string, count: number): Columns | null

/** IPv4 addresses as numbers. */
export declare function checkNumbers(id: number, numbers: Uint32Array): Columns

/** Addresses of 4 or 16 bytes each, in network order. */
export declare function checkPacked(id: number, packed: Uint8Array, width: number): Columns

/** Texts one by one. */
export declare function checkTexts(id: number, texts: Array<string>): Columns

/** Runs one `artif` command line and returns its exit code. */
export declare function cli(args: Array<string>): number

/** One number an address in each column. */
export interface Columns {
  score: Float64Array
  verdict: Uint8Array
  state: Uint8Array
  asn: Uint32Array
  country: Uint16Array
  /** How many were no addresses. */
  invalid: number
}

/** The data folder, null in memory. */
export declare function data(id: number): string | null

/** Nothing but a call with a text: what benches hold the others against. */
export declare function emptyCall(text: string): number

/** Switches a feed on or off, from the next refresh on. */
export declare function enableFeed(id: number, feed: string, enabled: boolean): Promise<string>

/** The answer with all its reasons, as JSON and as text. */
export declare function explain(id: number, ip: Address): Array<string>

/** How feeds compare; resolves to JSON, text and HTML, as a JSON array. */
export declare function feedReport(id: number): Promise<string>

/** Forgets all that the application reported of an address; says whether there was anything. */
export declare function forgetSignals(id: number, ip: Address): boolean

/** The client's address, null where it is not known. */
export declare function gatekeeperClient(id: number, peer: Latin1, value: Latin1): string | null

export declare function gatekeeperEnforces(id: number): boolean

/** The one header that is read, in lower case. */
export declare function gatekeeperHeader(id: number): string | null

export declare function gatekeeperIsExempt(id: number, path: string): boolean

/**
 * A function that writes the score of its argument to the scratch array, for one engine or reader.
 *
 * By hand: with the slot's number in the function itself, a question takes two calls into Node, one
 * of which is for the text.
 */
export declare function gateOf(id: number): (ip: Address) => void

/** Whether a snapshot was published yet. */
export declare function hasSnapshot(id: number): boolean

/** Every listing of the address within the retention, as JSON. */
export declare function history(id: number, ip: Address): string

/** Whether it owns the folder and refreshes it now. */
export declare function isOwner(id: number): boolean

/** The data folder. */
export declare function memberData(id: number): string

/** Checks what a member is to be opened with; its section `[middleware]` as JSON. */
export declare function memberMiddleware(config?: string | undefined | null, settings?: string | undefined | null, data?: string | undefined | null): string

/** The network of this many bits around an address, in CIDR notation. */
export declare function network(ip: Address, v4: number, v6: number): string

export declare function openEngine(config: string | undefined | null, settings: string | undefined | null, data: string | undefined | null, inMemory: boolean): Handle

/** Options as JSON, with the keys of `[middleware]`. */
export declare function openGatekeeper(options: string): Handle

export declare function openMember(config?: string | undefined | null, settings?: string | undefined | null, data?: string | undefined | null): Handle

export declare function openReader(data: string): Handle

/** The operators' decisions, expired ones too, as JSON. */
export declare function overrides(id: number): string

/** Resolves to the report as JSON. `progress` is called with events as JSON. */
export declare function refresh(id: number, feeds: Array<string>, force: boolean, dryRun: boolean, cancel: Cancel, progress?: ((event: string) => void) | undefined | null): Promise<string>

/** Takes up what was published meanwhile at once; says whether there was anything. */
export declare function reload(id: number): boolean

/** Removes the decision for exactly this network; resolves to whether there was one, as JSON. */
export declare function removeOverride(id: number, network: string, author: string): Promise<string>

/** Gives the folder up, where it owns it, and leaves it to others for two seconds. */
export declare function resign(id: number): Promise<string>

/**
 * Finds the client of a request and decides: 0 pass, 1 flag, 2 block, 3 exempt. Writes the answer
 * to the scratch array, a view of 0 saying that the client is not known. `engine` is null where
 * there is none yet: then no client is known.
 */
export declare function rule(id: number, engine: number | undefined | null, path: string | undefined | null, peer: Latin1, value: Latin1): number

/** The client of the last ruling, as text. */
export declare function ruledClient(): string | null

/** The line of the last ruling for the log. */
export declare function ruledLog(): string | null

/** The reference of the last ruling, which passing ones have not. */
export declare function ruledReference(): string | null

/** Sends what was noted; resolves to what became of it on each server, as JSON. */
export declare function sendSightings(id: number): Promise<string>

/** Before anything else in each thread: how errors are made, and where answers are written. */
export declare function setUp(maker: (code: string, message: string, isRetryable: boolean) => Error, scratch: Float64Array): void

/**
 * Notes that an address was met, or was harmless, for the MISP servers that want to hear of it;
 * whether it will be sent.
 */
export declare function sighting(id: number, ip: Address, falsePositive: boolean): boolean

/** Adds reports of the application about an address; says whether they are kept. */
export declare function signal(id: number, ip: Address, name: string, count: number): boolean

/** What the application reported of an address, by kind, as JSON. */
export declare function signals(id: number, ip: Address): string

/** How the engine is, as JSON. */
export declare function status(id: number): string

/** The version of this build. */
export declare function version(): string

/** What `check` answered from last, to be kept as long as such answers are. */
export declare function view(id: number): Handle
