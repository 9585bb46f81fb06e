/**
 * Reputation for Koa.
 *
 * @example
 * ```ts
 * import Koa from "koa";
 * import { artif } from "artif/koa";
 *
 * const app = new Koa();
 * app.use(artif({ data: "/var/lib/artif", mode: "enforce", trustedHops: 1 }));
 * app.use((context) => {
 *   context.body = context.state.reputation?.verdict;
 * });
 * ```
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import { asking, Gate, type GateOptions, REFUSAL_HEADERS, type Ruling, refusal } from "./gate.js";

export { Gate, type GateOptions, Ruling } from "./gate.js";

/** What is used of Koa's context. */
export interface KoaContext {
  req: IncomingMessage;
  // biome-ignore lint/suspicious/noExplicitAny: it is Koa's
  state: any;
  status: number;
  body: unknown;
  set(fields: Record<string, string>): void;
}

/** Options of {@link artif}. */
export interface ArtifOptions<Context = KoaContext> extends GateOptions {
  /** Answers a refused request in place of 403 with a reference. */
  refused?: (ruling: Ruling, context: Context) => unknown;
}

/**
 * Rules on each request before what is used after it.
 *
 * `context.state.reputation` is the client's {@link Reputation}, null where the client is not known;
 * `context.state.artif` the {@link Ruling}.
 */
export function artif<Context extends KoaContext = KoaContext>(
  options: ArtifOptions<Context>,
): (context: Context, next: () => Promise<unknown>) => Promise<unknown> {
  const { refused = refuse, ...rest } = options;
  const gate = new Gate(rest);
  return async (context, next) => {
    const { req } = context;
    const url = (req as { originalUrl?: string }).originalUrl ?? req.url;
    const ruling = gate.rule(asking(gate, req, url));
    context.state.artif = ruling;
    context.state.reputation = ruling?.reputation ?? null;
    return ruling?.action === "block" ? refused(ruling, context) : next();
  };
}

function refuse(ruling: Ruling, context: KoaContext): void {
  context.status = 403;
  context.set(REFUSAL_HEADERS);
  context.body = refusal(ruling);
}
