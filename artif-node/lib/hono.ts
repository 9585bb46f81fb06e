/**
 * Reputation for Hono on Node.js.
 *
 * @example
 * ```ts
 * import { serve } from "@hono/node-server";
 * import { artif, type ArtifVariables } from "artif/hono";
 * import { Hono } from "hono";
 *
 * const app = new Hono<{ Variables: ArtifVariables }>();
 * app.use(artif({ data: "/var/lib/artif", mode: "enforce", trustedHops: 1 }));
 * app.get("/", (context) => context.text(`${context.get("reputation")?.verdict}`));
 * serve(app);
 * ```
 *
 * @module
 */

import type { Context, MiddlewareHandler } from "hono";
import type { Reputation } from "./answer.js";
import { Gate, type GateOptions, REFUSAL_HEADERS, type Ruling, refusal } from "./gate.js";

export { Gate, type GateOptions, Ruling } from "./gate.js";

/** What a context has once the middleware saw it. */
export interface ArtifVariables {
  /** What is known of the client; null where its address is not, or the path is exempt. */
  reputation: Reputation | null;
  /** What was decided about the request; null where its path is exempt. */
  artif: Ruling | null;
}

/** Options of {@link artif}. */
export interface ArtifOptions extends GateOptions {
  /** Answers a refused request in place of 403 with a reference. */
  refused?: (ruling: Ruling, context: Context) => Response | Promise<Response>;
  /**
   * The other end of the connection; by default as `@hono/node-server` has it. Without it no client
   * is known.
   */
  peer?: (context: Context) => string | undefined;
}

/**
 * Rules on each request before what is used after it.
 *
 * `context.get("reputation")` is the client's {@link Reputation}, null where the client is not known;
 * `context.get("artif")` the {@link Ruling}.
 */
export function artif(options: ArtifOptions): MiddlewareHandler<{ Variables: ArtifVariables }> {
  const { refused = refuse, peer = connected, ...rest } = options;
  const gate = new Gate(rest);
  return async (context, next) => {
    const ruling = gate.rule({
      path: context.req.path,
      peer: peer(context),
      // Occurrences are joined by commas.
      value: gate.header === null ? undefined : context.req.header(gate.header),
    });
    context.set("artif", ruling);
    context.set("reputation", ruling?.reputation ?? null);
    if (ruling?.action === "block") return refused(ruling, context);
    await next();
  };
}

function refuse(ruling: Ruling, context: Context): Response {
  return context.body(refusal(ruling), 403, REFUSAL_HEADERS);
}

function connected(context: Context): string | undefined {
  const env = context.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
  return env?.incoming?.socket?.remoteAddress;
}
