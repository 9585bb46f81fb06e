// Compiled, not run: what type checks, and what must not.

import {
  type Address,
  ArtifError,
  BadAddressError,
  byRisk,
  type Columns,
  Engine,
  type Evidence,
  type Explanation,
  Gate,
  Reader,
  type RefreshReport,
  type Reputation,
  type ReputationJson,
  type Ruling,
  type State,
  type Status,
  type Verdict,
} from "artif";
import { artif as forExpress } from "artif/express";
import { artif as forFastify } from "artif/fastify";
import { type ArtifVariables, artif as forHono } from "artif/hono";
import { guard } from "artif/http";
import { artif as forKoa } from "artif/koa";
import express from "express";
import { rateLimit } from "express-rate-limit";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function engines(): Promise<void> {
  using engine = new Engine({ data: "artif-data", history: { window: "14d" } });
  new Engine("artif.toml");
  new Engine(new URL("file:///etc/artif.toml"));
  new Engine({ config: "artif.toml", inMemory: true });
  const reader = new Reader("artif-data");

  const answer = engine.check("8.8.8.8");
  same<typeof answer, Reputation>(true);
  same<typeof answer.verdict, Verdict>(true);
  same<typeof answer.state, State>(true);
  same<typeof answer.firstSeen, Date | null>(true);
  same<typeof answer.asn, number | null>(true);
  same<ReturnType<typeof answer.toJSON>, ReputationJson>(true);
  same<ReturnType<typeof engine.gate>, number>(true);
  const addresses: Address[] = ["8.8.8.8", 0x08080808, 0x08080808n, Buffer.of(8, 8, 8, 8)];
  for (const ip of addresses) reader.check(ip);

  same<Parameters<typeof reader.check>, [ip: Address]>(true);
  const columns: Columns = reader.checkMany(["8.8.8.8"] as const);
  same<typeof columns.asn, Uint32Array<ArrayBufferLike>>(true);
  reader.checkMany(Uint32Array.of(1));
  reader.checkMany(Buffer.alloc(16), { width: 16 });

  const explanation: Explanation = reader.explain("8.8.8.8");
  same<typeof explanation.evidence, Evidence[]>(true);
  const status: Status = reader.status();
  status.problems.map((problem) => problem.length);

  const report = await engine.refresh({
    signal: AbortSignal.timeout(1_000),
    onProgress(event) {
      if (event.event === "received") same<typeof event.bytes, number>(true);
      // @ts-expect-error only one kind of event has bytes
      event.bytes;
    },
  });
  same<typeof report, RefreshReport>(true);
  await engine.block("192.0.2.0/24", { reason: "why", expires: new Date() });
  same<Awaited<ReturnType<typeof engine.removeOverride>>, boolean>(true);

  // @ts-expect-error readers do not write
  reader.refresh();
  // @ts-expect-error answers are not changed
  answer.score = 1;
  // @ts-expect-error a wrong unit of bytes
  reader.checkMany(Buffer.alloc(6), { width: 6 });
  // @ts-expect-error a key that there is not
  new Engine({ histry: {} });
  // @ts-expect-error no address
  reader.check({});
}

export function errors(error: unknown): string {
  if (error instanceof BadAddressError) same<typeof error.isRetryable, boolean>(true);
  return error instanceof ArtifError ? error.code : "";
}

export function web(engine: Engine): void {
  const options = { engine, mode: "enforce", trustedProxies: ["10.0.0.0/8"] } as const;
  const gate = new Gate(options);
  const ruling = gate.rule({ path: "/", peer: undefined, value: undefined });
  same<typeof ruling, Ruling | null>(true);
  // @ts-expect-error a mode that there is not
  new Gate({ engine, mode: "on" });
  // @ts-expect-error a verdict that there is not
  new Gate({ engine, block: ["bad"] });

  const app = express();
  app.use(forExpress(options));
  app.use(forExpress({ ...options, refused: (_, __, response) => response.writeHead(403).end() }));
  const { limit, keyGenerator } = byRisk({ safe: 300, doubtful: 30, bad: 3 });
  app.use(rateLimit({ windowMs: 60_000, limit, keyGenerator }));
  app.get("/", (request, response) => {
    same<typeof request.reputation, Reputation | null | undefined>(true);
    response.send(request.reputation?.verdict);
  });

  const fast = fastify();
  fast.register(forFastify, options);
  // @ts-expect-error an option that there is not
  fast.register(forFastify, { ...options, mod: "enforce" });
  fast.get("/", { config: { artif: false } }, (request) => {
    same<typeof request.reputation, Reputation | null>(true);
    same<typeof request.artif, Ruling | null>(true);
    return request.reputation;
  });

  const koa = new Koa();
  koa.use(forKoa(options));

  const hono = new Hono<{ Variables: ArtifVariables }>();
  hono.use(forHono(options));
  hono.get("/", (context) => {
    const reputation = context.get("reputation");
    same<typeof reputation, Reputation | null>(true);
    return context.text(reputation?.verdict ?? "");
  });

  guard((request, response) => response.end(request.reputation?.verdict), options);
}
