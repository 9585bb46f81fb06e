/**
 * Reputation for Fastify.
 *
 * @example
 * ```ts
 * import { artif } from "artif/fastify";
 * import fastify from "fastify";
 *
 * const app = fastify();
 * app.register(artif, { data: "/var/lib/artif", mode: "enforce", trustedHops: 1 });
 * app.get("/", (request) => request.reputation);
 * app.get("/health", { config: { artif: false } }, () => "ok");
 * ```
 *
 * @module
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Reputation } from "./answer.js";
import { asking, Gate, type GateOptions, REFUSAL_HEADERS, type Ruling, refusal } from "./gate.js";

export { Gate, type GateOptions, Ruling } from "./gate.js";

declare module "fastify" {
  interface FastifyRequest {
    /** What is known of the client; null where its address is not, or the route is exempt. */
    readonly reputation: Reputation | null;
    /** What was decided about the request; null where its route is exempt. */
    readonly artif: Ruling | null;
  }
  interface FastifyContextConfig {
    /** `false` lets requests to the route through, whoever they come from. */
    artif?: boolean;
  }
}

const RULING = Symbol("artif");
type Ruled = FastifyRequest & { [RULING]?: Ruling | null };

/** Options of {@link artif}. */
export interface ArtifOptions extends GateOptions {
  /** Answers a refused request in place of 403 with a reference. */
  refused?: (ruling: Ruling, request: FastifyRequest, reply: FastifyReply) => unknown;
}

/**
 * Rules on each request of the application, whatever is registered before or after.
 *
 * `request.reputation` is the client's {@link Reputation}, null where the client is not known;
 * `request.artif` the {@link Ruling}. Rulings are logged by the request's logger unless `log` says
 * otherwise. Fastify's own `trustProxy` is not used: the gate reads the connection and the one header
 * that it was told to believe.
 */
export function artif(
  app: FastifyInstance,
  options: ArtifOptions,
  done: (error?: Error) => void,
): void {
  const { refused = refuse, log, ...rest } = options;
  // Fastify adds keys of its own.
  const { prefix: _, logLevel: __, logSerializers: ___, ...own } = rest as Record<string, unknown>;
  const gate = new Gate(own);
  // As getters: Fastify writes values into each request, by name, which costs more than all of this.
  app.decorateRequest("artif", {
    getter(this: Ruled) {
      return this[RULING] ?? null;
    },
  });
  app.decorateRequest("reputation", {
    getter(this: Ruled) {
      return this[RULING]?.reputation ?? null;
    },
  });
  app.addHook("onRequest", (request, reply, next) => {
    // Fastify makes a route's options anew each time: they are asked for where they matter.
    let exempt = false;
    const told = (ruling: Ruling) => {
      exempt = request.routeOptions.config.artif === false;
      if (exempt) return;
      if (log !== undefined) log(ruling);
      else request.log.warn({ artif: JSON.parse(ruling.toLogJson()) }, "artif");
    };
    const ruling = gate.rule(asking(gate, request.raw, request.raw.url), told);
    if (exempt) {
      next();
      return;
    }
    (request as Ruled)[RULING] = ruling;
    if (ruling?.action === "block") refused(ruling, request, reply);
    else next();
  });
  done();
}

function refuse(ruling: Ruling, _request: FastifyRequest, reply: FastifyReply): void {
  reply.code(403).headers(REFUSAL_HEADERS).send(refusal(ruling));
}

// Without these, the hook would hold for the plugin's own routes only.
Object.assign(artif, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "artif",
  [Symbol.for("plugin-meta")]: { fastify: ">=4", name: "artif" },
});
