/**
 * Reputation for `node:http`, and for whatever is made on it.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { guard } from "artif/http";
 *
 * const listener = guard(
 *   (request, response) => response.end(`${request.reputation?.verdict}\n`),
 *   { data: "/var/lib/artif", mode: "enforce", trustedHops: 1 },
 * );
 * createServer(listener).listen(8080);
 * ```
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Reputation } from "./answer.js";
import { asking, Gate, type GateOptions, REFUSAL_HEADERS, type Ruling, refusal } from "./gate.js";

export { Gate, type GateOptions, Ruling } from "./gate.js";

declare module "node:http" {
  interface IncomingMessage {
    /** What is known of the client; null where its address is not, or the path is exempt. */
    reputation?: Reputation | null;
    /** What was decided about the request; null where its path is exempt. */
    artif?: Ruling | null;
  }
}

/** Options of {@link guard}. */
export interface GuardOptions extends GateOptions {
  /** Answers a refused request in place of 403 with a reference. */
  refused?: (ruling: Ruling, request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * Rules on each request before `listener` sees it.
 *
 * For upgrades (WebSockets), which are no requests here, ask {@link Gate.rule} in the server's
 * `upgrade` event.
 */
export function guard(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  options: GuardOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { refused = refuse, ...rest } = options;
  const gate = new Gate(rest);
  return (request, response) => {
    let ruling: Ruling | null;
    try {
      ruling = gate.rule(asking(gate, request, request.url));
    } catch (error) {
      // Such as an engine that was closed: nobody else would catch it.
      console.error(error);
      response.writeHead(500).end();
      return;
    }
    request.artif = ruling;
    request.reputation = ruling?.reputation ?? null;
    if (ruling?.action === "block") refused(ruling, request, response);
    else listener(request, response);
  };
}

/** The response to refused requests where nothing else was asked for. */
export function refuse(ruling: Ruling, _request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(403, REFUSAL_HEADERS).end(refusal(ruling));
}
