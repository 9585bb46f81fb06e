/**
 * Reputation for Express, and for Connect and its kin.
 *
 * @example
 * ```ts
 * import express from "express";
 * import { artif } from "artif/express";
 *
 * const app = express();
 * app.use(artif({ data: "/var/lib/artif", mode: "enforce", trustedHops: 1 }));
 * app.get("/", (request, response) => {
 *   response.send(request.reputation?.verdict);
 * });
 * ```
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { asking, Gate, type GateOptions, type Ruling } from "./gate.js";
import { refuse } from "./http.js";

export { Gate, type GateOptions, Ruling } from "./gate.js";

/** A request of Express: its `url` is below where the middleware is mounted, `originalUrl` is not. */
export interface ExpressRequest extends IncomingMessage {
  originalUrl?: string;
}

/** Options of {@link artif}. */
export interface ArtifOptions<Request = ExpressRequest, Response = ServerResponse>
  extends GateOptions {
  /** Answers a refused request in place of 403 with a reference. */
  refused?: (ruling: Ruling, request: Request, response: Response) => void;
}

/**
 * Rules on each request before what is mounted after it.
 *
 * `request.reputation` is the client's {@link Reputation}, null where the client is not known;
 * `request.artif` the {@link Ruling}. Express's own `trust proxy` is not used: the gate reads the
 * connection and the one header that it was told to believe.
 */
export function artif<
  Request extends ExpressRequest = ExpressRequest,
  Response extends ServerResponse = ServerResponse,
>(
  options: ArtifOptions<Request, Response>,
): (request: Request, response: Response, next: (error?: unknown) => void) => void {
  const { refused = refuse, ...rest } = options;
  const gate = new Gate(rest);
  return (request, response, next) => {
    let ruling: Ruling | null;
    try {
      ruling = gate.rule(asking(gate, request, request.originalUrl ?? request.url));
    } catch (error) {
      // Such as an engine that was closed.
      next(error);
      return;
    }
    request.artif = ruling;
    request.reputation = ruling?.reputation ?? null;
    if (ruling?.action === "block") refused(ruling, request, response);
    else next();
  };
}
