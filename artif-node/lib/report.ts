/**
 * Reports about feeds and scorers.
 *
 * @module
 */

import { native } from "./native.js";
import { configuration, type Path, path, type Settings } from "./options.js";

/** How feeds compare, as JSON. */
export interface FeedsReportJson {
  feeds: Array<{ id: string } & Record<string, unknown>>;
  [more: string]: unknown;
}

/** How well scorers did, as JSON. */
export interface BacktestReportJson {
  scorers: string[];
  days: DayJson[];
  [more: string]: unknown;
}

/** One day that was judged, as JSON. */
export interface DayJson {
  date: string;
  judged_by: string;
  [more: string]: unknown;
}

/** A report; `String()` of it is a text for people. */
export class Report<Json> {
  readonly #json: string;
  readonly #text: string;

  /** @internal */
  constructor(json: string, text: string) {
    this.#json = json;
    this.#text = text;
  }

  /** Everything, with the names of the JSON form. */
  toJSON(): Json {
    return JSON.parse(this.#json);
  }

  /** Everything as JSON text, byte for byte the same in all languages. */
  json(): string {
    return this.#json;
  }

  toString(): string {
    return this.#text;
  }
}

/**
 * How feeds compare: how much each lists, what nobody else does, who is first, which are copies of
 * others.
 */
export class FeedsReport extends Report<FeedsReportJson> {
  readonly #html: string;

  /** @internal */
  constructor(json: string, text: string, html: string) {
    super(json, text);
    this.#html = html;
  }

  /** Everything as one HTML page with plots, which needs nothing from elsewhere. */
  html(): string {
    return this.#html;
  }
}

/** How well scorers told bad addresses from others. */
export class BacktestReport extends Report<BacktestReportJson> {}

/** How scorers are judged. */
export interface BacktestOptions extends Settings {
  /** What describes the feeds; those that it does not know are free text. */
  catalogue?: string;
  /** The path of an `artif.toml` for geo databases, history and thresholds, in place of its keys. */
  config?: Path;
  /** All, where nothing is said. */
  scorers?: ReadonlyArray<"classic" | "risk">;
  /** The first day that is judged, as in `2026-08-05`. */
  start?: string;
  /** How many addresses are drawn a day to compare with. */
  negatives?: number;
  /** The same seed draws the same ones. */
  seed?: number;
  /** Called with each day that was judged. */
  onDay?: (day: DayJson) => void;
}

/**
 * Judges scorers by folders of feeds that are named like `2026-08-05`, one a day: each day by what
 * the days before knew. It happens on another thread.
 *
 * @throws {FileError} where there are no such folders.
 * @example
 * ```ts
 * import { backtest } from "artif";
 *
 * console.log(`${await backtest("replay", { scorers: ["risk"] })}`);
 * ```
 */
export async function backtest(
  replay: Path,
  options: BacktestOptions = {},
): Promise<BacktestReport> {
  const { catalogue, config, scorers, start, negatives, seed, onDay, ...settings } = options;
  const [file, keys] = configuration(config === undefined ? settings : { ...settings, config });
  const done = await native.backtest(
    path(replay),
    catalogue ?? null,
    file,
    keys,
    scorers === undefined ? null : [...scorers],
    start ?? null,
    negatives ?? null,
    seed ?? null,
    onDay === undefined ? null : (day: string) => onDay(JSON.parse(day)),
  );
  return new BacktestReport(...(JSON.parse(done) as [string, string]));
}
