/**
 * The native part, set up: errors are made here, and answers arrive in {@link scratch}.
 *
 * @module
 * @internal
 */

import { type ArtifError, BY_CODE } from "./errors.js";

function load(): typeof import("../native.js") {
  try {
    return require("../native.js");
  } catch (cause) {
    const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } };
    const libc =
      process.platform !== "linux" ? "" : report?.header?.glibcVersionRuntime ? "-gnu" : "-musl";
    const wanted = `${process.platform}-${process.arch}${libc}`;
    throw new Error(
      `artif has no native addon for ${wanted} here. It is an optional dependency of its own, ` +
        `artif-${wanted}: install without --omit=optional and on the kind of machine it is to run ` +
        "on, or build it from the repository with `npm run build`.",
      { cause },
    );
  }
}

/** Where an answer's numbers are found after a call that says so, in this order. */
export const scratch = new Float64Array(8);
export const SCORE = 0;
export const RISK = 1;
export const VERDICT = 2;
export const STATE = 3;
export const ASN = 4;
export const COUNTRY = 5;
export const VIEW = 6;
/** After `rule` only: the client's IPv4 address, -1 where it has another. */
export const CLIENT = 7;

function makeError(code: string, message: string, isRetryable: boolean): ArtifError | Error {
  const made = BY_CODE.get(code);
  return made ? new made(message, { isRetryable }) : new Error(`${message} (${code})`);
}

export const native: typeof import("../native.js") = load();
native.setUp(makeError, scratch);

/**
 * Runs one `artif` command line on this process's own standard streams and returns its exit code.
 *
 * @internal
 */
export const cli: (args: string[]) => number = native.cli;
