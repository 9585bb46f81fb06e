/**
 * IP reputation inside the application: threat feeds in, a verdict with its reasons out.
 *
 * One process owns a data folder and refreshes it; any number of others answer from it. Equal
 * processes, such as the workers of a cluster, are each a {@link Member}: one of them is the owner.
 *
 * Scores go from 0 (certainly bad) to 100 (safe). Lookups never touch disk or network and never wait
 * for a refresh. For web applications see `artif/express`, `artif/fastify`, `artif/koa`, `artif/hono`
 * and `artif/http`.
 *
 * @module
 */

export { type Columns, Explanation, letters, NO_ADDRESS, type Reputation } from "./answer.js";
export { Engine, Member, type OverrideOptions, Reader, type RefreshOptions } from "./engine.js";
export * from "./errors.js";
export { Gate, type GatekeeperOptions, type GateOptions, Ruling } from "./gate.js";
export { byRisk, type RiskLimits } from "./limits.js";
export * from "./model.js";
export type { EngineOptions, MemberOptions, Path, Settings } from "./options.js";
export {
  type BacktestOptions,
  BacktestReport,
  type BacktestReportJson,
  backtest,
  type DayJson,
  FeedsReport,
  type FeedsReportJson,
  type Report,
} from "./report.js";

import { native } from "./native.js";

/** The version of this build. */
export const version: string = native.version();
