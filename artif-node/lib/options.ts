/**
 * How engines are opened.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** A path, or a `file:` URL. */
export type Path = string | URL;

/**
 * Keys of `artif.toml`, as they are spelt there; sections are objects.
 *
 * @see https://github.com/artif/artif/blob/main/examples/artif.toml
 */
export interface Settings {
  catalogue?: string | string[];
  feed?: Array<{ id: string; url: string } & Record<string, unknown>>;
  feeds?: Record<string, unknown>;
  fetch?: Record<string, unknown>;
  geo?: Record<string, unknown>;
  guard?: Record<string, unknown>;
  history?: Record<string, unknown>;
  middleware?: Record<string, unknown>;
  parse?: Record<string, unknown>;
  schedule?: Record<string, unknown>;
  scoring?: Record<string, unknown>;
  signals?: Record<string, unknown>;
  snapshot?: Record<string, unknown>;
  warninglists?: Record<string, unknown>;
}

/** How a {@link Member} is opened: by a file, or by its keys. */
export interface MemberOptions extends Settings {
  /** The path of an `artif.toml`, in place of single keys. */
  config?: Path;
  /** The data folder, in place of the configuration's. */
  data?: Path;
}

/** How an {@link Engine} is opened. */
export interface EngineOptions extends MemberOptions {
  /** No folder, no lock, nothing left behind. */
  inMemory?: boolean;
}

/**
 * A path is a configuration of its own.
 *
 * @internal
 */
export function asOptions<Options extends MemberOptions>(options: Path | Options): Options {
  const isPath = typeof options === "string" || options instanceof URL;
  return isPath ? ({ config: options } as Options) : options;
}

/**
 * A configuration as native code takes it: its path, its keys as JSON, the data folder.
 *
 * @internal
 */
export function configuration(
  options: MemberOptions,
): [config: string | null, settings: string | null, data: string | null] {
  const { config, data, ...settings } = options;
  return [
    config === undefined ? null : path(config),
    Object.keys(settings).length === 0 ? null : JSON.stringify(settings),
    data === undefined ? null : path(data),
  ];
}

/** @internal */
export function path(given: Path): string {
  return given instanceof URL ? fileURLToPath(given) : given;
}
