"use strict";

// The vectors that every language runs.

const assert = require("node:assert/strict");
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { before, describe, test } = require("node:test");
const artif = require("artif");
const { artifCommand, folder, REPOSITORY, vectors } = require("./support.js");

describe("client address vectors", () => {
  const engine = new artif.Engine({ inMemory: true });
  for (const { id, given, when, then } of vectors("client_address.json").vectors) {
    test(id, () => {
      const gate = new artif.Gate({
        engine,
        clientHeader: given.header,
        trustedProxies: given.trusted_proxies,
        trustedHops: given.trusted_hops,
      });
      const values = when.headers.filter(([name]) => name.toLowerCase() === gate.header);
      // As Node joins them.
      const value = values.length > 0 ? values.map(([, one]) => one).join(", ") : undefined;
      assert.equal(gate.client(when.peer ?? undefined, value), then.client);
    });
  }
});

describe("engine vectors", () => {
  const { given, vectors: all } = vectors("engine.json");
  let reader;
  before(() => {
    reader = new artif.Reader(replay(given));
  });
  for (const { id, when, then } of all) {
    test(id, () => {
      let answer;
      try {
        const at = when.at && new Date(when.at);
        answer = at ? reader.checkAt(when.lookup, at) : reader.check(when.lookup).toJSON();
        if (answer.evidence) answer.evidence = answer.evidence.length;
      } catch (error) {
        answer = { error: error.code };
      }
      const found = Object.fromEntries(Object.keys(then).map((name) => [name, answer[name]]));
      assert.deepEqual(found, then);
    });
  }
});

describe("signals vectors", () => {
  const { given, vectors: all } = vectors("signals.json");
  const near = (one, other) => assert.ok(Math.abs(one - other) < 0.01, `${one}, not ${other}`);
  for (const { id, when, then } of all) {
    test(id, () => {
      const engine = new artif.Engine({ inMemory: true, ...given });
      const report = () => when.reports.forEach((one) => void engine.signal(...one));
      if (then.error) {
        assert.throws(report, { code: then.error });
        return;
      }
      report();
      if (when.forget) assert.equal(engine.forgetSignals(when.forget), true);
      const answer = engine.check(when.lookup);
      near(answer.score, then.score);
      assert.equal(answer.verdict, then.verdict);
      const said = engine.signals(when.lookup);
      assert.deepEqual(answer.toJSON().signals ?? [], said);
      assert.deepEqual(answer.signals, said);
      assert.equal(engine.gate(when.lookup), answer.score);
      assert.deepEqual(
        said.map(({ name }) => name),
        then.signals.map(({ name }) => name),
      );
      for (const [at, { count, effect }] of then.signals.entries()) {
        near(said[at].count, count);
        near(said[at].effect, effect);
      }
    });
  }
});

/** The refreshes of `given`, each by the command at its time. All overrides that expire have. */
function replay({ config, feeds, days, overrides }) {
  const dir = folder();
  const data = join(dir, "data");
  const sections = feeds.map((feed) =>
    Object.entries({ ...feed, url: `file:${join(dir, feed.id)}` })
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
      .join(""),
  );
  const toml = join(dir, "artif.toml");
  writeFileSync(toml, config + sections.map((section) => `\n[[feed]]\n${section}`).join(""));
  const run = (at, ...args) => {
    const done = artifCommand("--config", toml, "--data", data, "--as-of", at, ...args);
    assert.equal(done.status, 0, done.stderr);
  };
  for (const [number, { at, lists }] of days.entries()) {
    for (const [feed, list] of Object.entries(lists)) {
      writeFileSync(join(dir, feed), list.join("\n"));
    }
    if (number === days.length - 1) {
      for (const { prefix, action, reason, author, created, expires } of overrides) {
        const until = expires ? ["--expires", expires] : [];
        const said = ["--reason", reason, "--author", author, ...until];
        run(created, "override", "add", prefix, action, ...said);
      }
    }
    run(at, "refresh");
  }
  return data;
}

test("every error code has a class", () => {
  const source = readFileSync(join(REPOSITORY, "artif-core", "src", "error.rs"), "utf8");
  const codes = new Set([...source.matchAll(/=> "(ARTIF_[A-Z_]+)"/g)].map(([, code]) => code));
  assert.ok(codes.size > 15);
  assert.deepEqual(new Set(artif.BY_CODE.keys()), codes);
  for (const [code, kind] of artif.BY_CODE) {
    const error = new kind("what happened", { isRetryable: true });
    assert.deepEqual([error.code, error.name, error.isRetryable], [code, kind.name, true]);
    assert.ok(error instanceof artif.ArtifError);
  }
});
