/**
 * Rate limits by reputation.
 *
 * @module
 */

import type { Reputation } from "./answer.js";
import type { Verdict } from "./model.js";
import { native } from "./native.js";

/** How many requests a client may make in a window. */
export interface RiskLimits {
  /** Of clients that nothing is known against. */
  safe: number;
  /** Of those that were listed lately or need a look, and of those that are not known. */
  doubtful: number;
  /** Of those that are listed now, where they are let in at all. */
  bad: number;
}

/** A request, or a context of Koa or Hono, that middleware of this package saw. */
export type Seen =
  | { reputation?: Reputation | null | undefined }
  | { state: { reputation?: Reputation | null } }
  | { get(name: "reputation"): Reputation | null | undefined };

type Risk = keyof RiskLimits;

const RISKS: Record<Verdict, Risk> = {
  "No action needed": "safe",
  allowed: "safe",
  not_applicable: "safe",
  "Manual triage needed": "doubtful",
  suspicious: "doubtful",
  dangerous: "bad",
  blocked: "bad",
};

/** Whoever holds one address of IPv6 holds a network of so many bits. */
const V6_BITS = 64;

/**
 * Options for a rate limiter that is stricter with worse clients: `limit` and `keyGenerator` are what
 * `express-rate-limit` and its kin take; `rate-limiter-flexible` takes `limiter.consume(key, cost)`,
 * with `safe` for its points.
 *
 * The key is the client's IPv4 address or IPv6 network of 64 bits. All clients that are not known
 * share one.
 *
 * @throws {RangeError} for limits that are not at least 1, or not smaller for worse clients.
 * @example
 * ```ts
 * import { byRisk } from "artif";
 * import { artif } from "artif/express";
 * import express from "express";
 * import { rateLimit } from "express-rate-limit";
 *
 * const app = express();
 * app.use(artif({ data: "/var/lib/artif", trustedHops: 1 }));
 * const { limit, keyGenerator } = byRisk({ safe: 300, doubtful: 30, bad: 3 });
 * app.use(rateLimit({ windowMs: 60_000, limit, keyGenerator }));
 * ```
 */
export function byRisk(limits: RiskLimits): {
  /** How many requests this client may make in a window. */
  limit: (request: object) => number;
  /** What its requests are counted by. */
  keyGenerator: (request: object) => string;
  /** How many of `safe` points one of its requests takes. */
  cost: (request: object) => number;
} {
  const { safe, doubtful, bad } = limits;
  if (!(bad >= 1 && doubtful >= bad && safe >= doubtful)) {
    throw new RangeError(
      "limits are at least 1, and smaller for worse clients: safe, doubtful, bad",
    );
  }
  const limit = (request: object) => {
    const seen = reputationOf(request as Seen);
    return limits[seen ? RISKS[seen.verdict] : "doubtful"];
  };
  return {
    limit,
    keyGenerator: (request) => {
      const seen = reputationOf(request as Seen);
      return seen ? native.network(seen.ip, 32, V6_BITS) : "unknown";
    },
    cost: (request) => Math.ceil(safe / limit(request)),
  };
}

function reputationOf(seen: Seen): Reputation | null | undefined {
  if ("reputation" in seen) return seen.reputation;
  if ("state" in seen && typeof seen.state === "object") return seen.state.reputation;
  if ("get" in seen && typeof seen.get === "function") return seen.get("reputation");
  return undefined;
}
