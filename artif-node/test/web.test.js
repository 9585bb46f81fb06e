"use strict";

// One table of requests for every framework.

const assert = require("node:assert/strict");
const { validateHeaderValue } = require("node:http");
const { before, describe, test } = require("node:test");
const { BadPrefixError, byRisk, Engine, Gate, InvalidError, Reader } = require("artif");
const { names, serve } = require("./frameworks.js");
const { BAD, folder, GOOD, listed, published, until, vectors } = require("./support.js");

const PROXY = "10.0.0.7";
const OPTIONS = {
  mode: "enforce",
  trustedProxies: ["10.0.0.0/8"],
  exempt: ["/health", "/static/*"],
};
const forwarded = (...values) => values.map((value) => ["X-Forwarded-For", value]);

const TABLE = [
  ["a bad peer", "/", BAD, [], 403],
  ["a good peer", "/", GOOD, [], 200],
  ["blocked by an operator", "/", "8.8.4.4", [], 403],
  ["mapped", "/", `::ffff:${BAD}`, [], 403],
  ["IPv6", "/", "2001:470:1::9", [], 403],
  ["private", "/", "10.1.2.3", [], 200],
  ["unknown passes", "/", null, [], 200],
  ["behind the proxy", "/", PROXY, [BAD], 403],
  ["behind the proxy, good", "/", PROXY, [GOOD], 200],
  ["a lie further left does not help", "/", PROXY, [`${GOOD}, ${BAD}`], 403],
  ["a lie further left does not hurt", "/", PROXY, [`${BAD}, ${GOOD}`], 200],
  ["a lie in its own header", "/", PROXY, [BAD, GOOD], 200],
  ["who is no proxy is not believed", "/", BAD, [GOOD], 403],
  ["exempt", "/health", BAD, [], 200],
  ["exempt whatever is asked", "/health?x=/", BAD, [], 200],
  ["exempt below", "/static/logo.svg", BAD, [], 200],
  ["not exempt", "/healthy", BAD, [], 403],
  ["not exempt by the query", "/?/health", BAD, [], 403],
  ["a way out of an exempt path", "/static/../login", BAD, [], 403],
  ["a way out, written otherwise", "/static/%2e%2e/login", BAD, [], 403],
];

let data;
before(async () => {
  data = await published();
});

for (const name of names) {
  describe(name, () => {
    test("requests", async () => {
      const rulings = [];
      const app = await serve(name, { ...OPTIONS, data, log: (ruling) => rulings.push(ruling) });
      for (const [about, path, peer, values, expected] of TABLE) {
        const { status, body, headers } = await app.ask(path, peer, forwarded(...values));
        assert.equal(status, expected, about);
        if (status === 403) {
          const last = rulings.at(-1);
          assert.equal(body, `Forbidden\nReference: ${last.reference}\n`, about);
          assert.equal(headers["cache-control"], "no-store");
          assert.equal(JSON.parse(last.toLogJson()).action, "block");
        }
      }
      assert.equal(rulings.length, TABLE.filter((row) => row[4] === 403).length);
      await app.close();
    });

    test("monitoring only logs", async () => {
      const rulings = [];
      const app = await serve(name, { data, log: (ruling) => rulings.push(ruling) });
      assert.deepEqual((await app.ask("/", BAD)).body, BAD);
      assert.deepEqual((await app.ask("/", GOOD)).body, GOOD);
      assert.equal((await app.ask("/", "2001:470:1::9")).body, "2001:470:1::9");
      assert.equal(rulings.length, 2);
      const line = JSON.parse(rulings[0].toLogJson());
      assert.deepEqual([line.action, line.ip, line.feeds], ["flag", BAD, ["mine"]]);
      assert.ok(rulings[0].reputation.isActive);
      await app.close();
    });

    test("without a snapshot the policy decides", async () => {
      const { data: later, engine } = listed();
      const nothing = folder();
      const open = await serve(name, { data: nothing, mode: "enforce", log() {} });
      assert.equal((await open.ask("/", BAD)).status, 200);
      await open.close();
      const closed = await serve(name, {
        data: later,
        mode: "enforce",
        unknown: "block",
        log() {},
      });
      assert.equal((await closed.ask("/", GOOD)).status, 403);
      await engine.refresh();
      await until(async () => (await closed.ask("/", GOOD)).status === 200, "opening the snapshot");
      await closed.close();
      engine.close();
    });

    test("a response of one's own", async () => {
      const refused = {
        http: (_, __, response) => response.writeHead(418).end("no"),
        express: (_, __, response) => response.status(418).send("no"),
        fastify: (_, __, reply) => reply.code(418).send("no"),
        koa: (_, context) => {
          context.status = 418;
          context.body = "no";
        },
        hono: (_, context) => context.text("no", 418),
      }[name];
      const app = await serve(name, { data, mode: "enforce", refused, log() {} });
      const { status, body } = await app.ask("/", BAD);
      assert.deepEqual([status, body], [418, "no"]);
      await app.close();
    });

    test("a closed engine is an error of the server's, not the end of it", async (context) => {
      context.mock.method(console, "error", () => {});
      const engine = new Reader(data);
      const app = await serve(name, { engine, mode: "enforce" });
      engine.close();
      assert.equal((await app.ask("/", GOOD)).status, 500);
      await app.close();
    });

    test("client address vectors", async () => {
      const seen = new Set();
      const reader = new Reader(data);
      const { vectors: all } = vectors("client_address.json");
      const byOptions = Map.groupBy?.(all, key) ?? groupBy(all, key);
      for (const [given, group] of byOptions) {
        const { header: clientHeader, trusted_proxies, trusted_hops } = JSON.parse(given);
        const options = {
          clientHeader,
          trustedProxies: trusted_proxies,
          trustedHops: trusted_hops,
        };
        const app = await serve(name, { engine: reader, ...options });
        for (const { id, when, then } of group) {
          // What HTTP forbids in a header does not arrive at all.
          if (!when.headers.every(sendable)) continue;
          const { body } = await app.ask("/", when.peer, when.headers);
          const expected = then.client === null ? "none" : reader.check(then.client).ip;
          assert.equal(body, expected, id);
          seen.add(id);
        }
        await app.close();
      }
      assert.ok(seen.size > 80, `${seen.size} of ${all.length}`);
    });
  });
}

function sendable([name, value]) {
  try {
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

const key = (vector) => JSON.stringify(vector.given);
function groupBy(list, keyOf) {
  const groups = new Map();
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

test("fastify exempts routes", async () => {
  const app = await serve("fastify", { data, mode: "enforce", log() {} });
  const { status, body } = await app.ask("/exempt-route", BAD);
  assert.deepEqual([status, body], [200, "none"]);
  await app.close();
});

test("fastify logs with the request's logger", async () => {
  const lines = [];
  const stream = { write: (line) => lines.push(JSON.parse(line)) };
  const app = require("fastify")({ logger: { level: "warn", stream } });
  app.register(require("artif/fastify").artif, { engine: new Reader(data), trustedHops: 1 });
  app.get("/", () => "hello");
  const headers = { "x-forwarded-for": BAD };
  assert.equal((await app.inject({ url: "/", headers })).statusCode, 200);
  assert.deepEqual([lines.length, lines[0].artif.ip, lines[0].artif.feeds], [1, BAD, ["mine"]]);
  await app.close();
});

test("options that make no sense", () => {
  const engine = new Engine({ inMemory: true });
  assert.throws(() => new Gate({ engine, mod: "enforce" }), InvalidError);
  assert.throws(() => new Gate({ engine, mode: "on" }), InvalidError);
  assert.throws(() => new Gate({ engine, trustedProxies: ["x"] }), BadPrefixError);
  assert.throws(() => new Gate({ engine, blockBelow: 200 }), InvalidError);
  assert.throws(
    () => new Gate({ engine, trustedHops: 1, trustedProxies: ["10.0.0.0/8"] }),
    InvalidError,
  );
  assert.throws(() => new Gate({}), TypeError);
  assert.throws(() => new Gate({ engine, data }), TypeError);
});

test("the default log is one line of JSON", (context) => {
  const warn = context.mock.method(console, "warn", () => {});
  const gate = new Gate({ engine: new Reader(data), blockBelow: 50 });
  const ruling = gate.rule({ path: "/", peer: BAD, value: undefined });
  assert.deepEqual([ruling.action, gate.mode, gate.header], ["flag", "monitor", null]);
  assert.equal(warn.mock.callCount(), 1);
  assert.equal(JSON.parse(warn.mock.calls[0].arguments[0]).reference, ruling.reference);
  assert.match(ruling.reference, /^[0-9a-z]{13}$/);
});

test("headers longer than most", () => {
  const gate = new Gate({ engine: new Reader(data), trustedProxies: ["10.0.0.0/8"] });
  for (let hops = 1; hops < 400; hops += 7) {
    const value = `1.1.1.1, 203.0.113.9, ${Array(hops).fill("10.0.0.1").join(", ")}`;
    assert.equal(gate.client(PROXY, value), "203.0.113.9", `${value.length} bytes`);
  }
});

test("limits by risk", async () => {
  const { limit, keyGenerator, cost } = byRisk({ safe: 300, doubtful: 30, bad: 3 });
  const reader = new Reader(data);
  const request = (ip) => ({ reputation: ip === null ? null : reader.check(ip) });
  assert.deepEqual(
    [GOOD, BAD, "9.9.9.9", null].map((ip) => limit(request(ip))),
    [300, 3, 30, 30],
  );
  assert.deepEqual(
    [GOOD, BAD].map((ip) => cost(request(ip))),
    [1, 100],
  );
  assert.equal(keyGenerator(request(GOOD)), `${GOOD}/32`);
  assert.equal(keyGenerator(request(`::ffff:${GOOD}`)), `${GOOD}/32`);
  assert.equal(keyGenerator(request("2001:470:1:2:3::4")), "2001:470:1:2::/64");
  assert.equal(keyGenerator(request(null)), "unknown");
  assert.equal(limit({ state: request(BAD) }), 3, "Koa");
  assert.equal(limit({ get: () => request(BAD).reputation }), 3, "Hono");
  assert.throws(() => byRisk({ safe: 1, doubtful: 2, bad: 3 }), RangeError);

  const express = require("express");
  const { rateLimit } = require("express-rate-limit");
  const app = express();
  app.use(require("artif/express").artif({ engine: reader, trustedHops: 1, log() {} }));
  app.use(rateLimit({ windowMs: 60_000, limit, keyGenerator }));
  app.use((_, response) => response.send("in"));
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const ask = async (ip) => (await fetch(url, { headers: { "x-forwarded-for": ip } })).status;
  assert.deepEqual(
    [await ask(BAD), await ask(BAD), await ask(BAD), await ask(BAD)],
    [200, 200, 200, 429],
  );
  assert.equal(await ask(GOOD), 200);
  server.close();
  server.closeAllConnections();

  const { RateLimiterMemory } = require("rate-limiter-flexible");
  const limiter = new RateLimiterMemory({ points: 300, duration: 60 });
  const consume = () => limiter.consume(keyGenerator(request(BAD)), cost(request(BAD)));
  await consume();
  await consume();
  await consume();
  await assert.rejects(consume(), { remainingPoints: 0 });
});
