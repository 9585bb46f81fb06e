/**
 * What can go wrong, a class for each code of the engine.
 *
 * @module
 */

/** What an {@link ArtifError} is made of, beside its text. */
export interface ArtifErrorOptions extends ErrorOptions {
  /** Whether the same may succeed later without anyone changing anything. */
  isRetryable?: boolean;
}

/**
 * Any error of the engine.
 *
 * @example
 * ```ts
 * import { ArtifError, Engine } from "artif";
 *
 * try {
 *   new Engine({ inMemory: true }).check("10.1");
 * } catch (error) {
 *   if (error instanceof ArtifError) console.log(error.name, error.code, error.isRetryable);
 * }
 * // BadAddressError ARTIF_BAD_ADDRESS false
 * ```
 */
export class ArtifError extends Error {
  /** The code of the class's errors. */
  static readonly code: string = "ARTIF";
  /** Stable, the same in all languages; texts may change. */
  readonly code: string;
  /** Whether the same may succeed later without anyone changing anything. */
  readonly isRetryable: boolean;

  constructor(message?: string, options: ArtifErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = new.target.code;
    this.isRetryable = options.isRetryable ?? false;
  }
}

/** Something is not an IPv4 or IPv6 address. */
export class BadAddressError extends ArtifError {
  static override readonly code = "ARTIF_BAD_ADDRESS";
}

/** Text is not a network in CIDR notation. */
export class BadPrefixError extends ArtifError {
  static override readonly code = "ARTIF_BAD_PREFIX";
}

/** An argument makes no sense, or the engine is closed. */
export class InvalidError extends ArtifError {
  static override readonly code = "ARTIF_INVALID";
}

/** The configuration or a catalogue is wrong. */
export class ConfigError extends ArtifError {
  static override readonly code = "ARTIF_CONFIG";
}

/** No feed has this id. */
export class UnknownFeedError extends ArtifError {
  static override readonly code = "ARTIF_UNKNOWN_FEED";
}

/** A feed could not be fetched. */
export class FetchError extends ArtifError {
  static override readonly code = "ARTIF_FETCH";
}

/** A MISP server said no, or nothing; the code in brackets says which it was. */
export class MispError extends ArtifError {
  static override readonly code = "ARTIF_MISP";
}

/** A feed's document is broken as a whole. */
export class ParseError extends ArtifError {
  static override readonly code = "ARTIF_PARSE";
}

/** New content of a feed looked wrong; the last good content stays. */
export class RefusedError extends ArtifError {
  static override readonly code = "ARTIF_REFUSED";
}

/** The ledger failed. */
export class LedgerError extends ArtifError {
  static override readonly code = "ARTIF_LEDGER";
}

/** The ledger's content is damaged. */
export class LedgerCorruptError extends ArtifError {
  static override readonly code = "ARTIF_LEDGER_CORRUPT";
}

/** A geo database could not be used. */
export class GeoError extends ArtifError {
  static override readonly code = "ARTIF_GEO";
}

/** A snapshot or overlay file is damaged. */
export class SnapshotError extends ArtifError {
  static override readonly code: string = "ARTIF_SNAPSHOT";
}

/** A snapshot was written by another version of the format. */
export class SnapshotVersionError extends SnapshotError {
  static override readonly code = "ARTIF_SNAPSHOT_VERSION";
}

/** The folder has no snapshot yet. */
export class NoSnapshotError extends ArtifError {
  static override readonly code = "ARTIF_NO_SNAPSHOT";
}

/** Another process, or another engine of this one, owns the folder. */
export class LockedError extends ArtifError {
  static override readonly code = "ARTIF_LOCKED";
}

/** The operating system refused a file operation. */
export class FileError extends ArtifError {
  static override readonly code = "ARTIF_IO";
}

/** The work was stopped; nothing half-done was kept. */
export class CancelledError extends ArtifError {
  static override readonly code = "ARTIF_CANCELLED";
}

/** Every class by its code. */
export const BY_CODE: ReadonlyMap<string, typeof ArtifError> = new Map(
  [
    BadAddressError,
    BadPrefixError,
    InvalidError,
    ConfigError,
    UnknownFeedError,
    FetchError,
    MispError,
    ParseError,
    RefusedError,
    LedgerError,
    LedgerCorruptError,
    GeoError,
    SnapshotError,
    SnapshotVersionError,
    NoSnapshotError,
    LockedError,
    FileError,
    CancelledError,
  ].map((error) => [error.code, error]),
);
