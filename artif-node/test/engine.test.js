"use strict";

const assert = require("node:assert/strict");
const { createServer } = require("node:http");
const { mkdirSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { spawnSync } = require("node:child_process");
const { pathToFileURL } = require("node:url");
const { before, test } = require("node:test");
const artif = require("artif");
const { artifCommand, BAD, folder, GOOD, listed, published } = require("./support.js");

const { Engine, Reader } = artif;

let data;
let reader;
before(async () => {
  data = await published();
  reader = new Reader(data);
});

const PACKED = Uint8Array.from(BAD.split("."), Number);
const NUMBER = PACKED.reduce((number, byte) => number * 256 + byte, 0);
const MAPPED = Uint8Array.from([...Array(10).fill(0), 255, 255, ...PACKED]);

test("addresses in every form", () => {
  for (const ip of [
    BAD,
    NUMBER,
    BigInt(NUMBER),
    PACKED,
    Buffer.from(PACKED),
    `::ffff:${BAD}`,
    MAPPED,
  ]) {
    const answer = reader.check(ip);
    assert.deepEqual([answer.ip, answer.isActive, answer.feeds], [BAD, true, ["mine"]], String(ip));
    assert.ok(reader.gate(ip) < 1);
  }
  const v6 = 0x20010470_0001_0000_0000_0000_0000_0009n;
  assert.equal(reader.check(v6).ip, "2001:470:1::9");
  assert.ok(reader.check(v6).isActive);
});

test("bytes that change after the question do not change the answer", () => {
  const bytes = PACKED.slice();
  const answer = reader.check(bytes);
  bytes.fill(8);
  assert.equal(answer.ip, BAD);
});

test("what is no address", () => {
  const longer = `${"1".repeat(63)}.2.3.4`;
  const others = [
    "",
    "10.1",
    "01.2.3.4",
    "1.2.3.4 ",
    "\u0131.2.3.4",
    "1.2.3.4\0",
    longer,
    "::1%lo",
  ];
  const odd = [-1, 1.5, 2 ** 32, Number.NaN, -1n, 2n ** 128n, null, undefined, [], {}, true];
  const bytes = [Uint8Array.of(1, 2, 3), new Uint16Array(4), new ArrayBuffer(4)];
  for (const ip of [...others, ...odd, ...bytes, Symbol("ip")]) {
    for (const ask of [
      (it) => reader.check(it),
      (it) => reader.gate(it),
      (it) => reader.explain(it),
    ]) {
      assert.throws(
        () => ask(ip),
        (error) => {
          assert.ok(error instanceof artif.BadAddressError, String(error));
          assert.ok(error instanceof artif.ArtifError && error instanceof Error);
          assert.deepEqual([error.code, error.name], ["ARTIF_BAD_ADDRESS", "BadAddressError"]);
          return true;
        },
      );
    }
  }
  assert.throws(() => reader.gate("10.1"), /"10.1" is not an IP address/);
  assert.throws(() => reader.gate(1.5), /"1.5" is not an IP address/);
});

test("answers", () => {
  const answer = reader.check(BAD);
  assert.deepEqual([answer.verdict, answer.state], ["dangerous", "active"]);
  assert.ok(answer.score < 1 && Math.abs(answer.score - 100 * (1 - answer.risk)) < 1e-9);
  assert.deepEqual([answer.feeds, answer.categories, answer.labels], [["mine"], ["attack"], []]);
  assert.deepEqual([answer.isIoc, answer.isActive, answer.isHistorical], [true, true, false]);
  assert.deepEqual([answer.asn, answer.country, answer.organisation], [null, null, null]);
  assert.ok(answer.firstSeen instanceof Date && answer.lastSeen >= answer.firstSeen);
  assert.deepEqual([answer.snapshotId, answer.isStale, answer.override], [1, false, null]);
  assert.equal(answer.description, "IP is an active IoC");
  assert.equal(String(answer), `${BAD}: dangerous, score ${answer.score.toFixed(1)}, feeds mine`);
  assert.deepEqual(JSON.parse(JSON.stringify({ answer })).answer, JSON.parse(answer.json()));
  assert.equal(answer.toJSON().blacklists[0], "mine");
  assert.ok(reader.check("2001:470:1:2::3").isActive);
  const resolver = reader.check("9.9.9.9");
  assert.deepEqual([resolver.isActive, resolver.verdict], [true, "Manual triage needed"]);
  assert.equal(resolver.warninglists.length, 1);
  assert.equal(reader.check("10.1.2.3").specialPurpose, "Private-Use");
  assert.equal(reader.check("8.8.4.4").override.reason, "a test");
  assert.equal(reader.check("8.8.4.4").verdict, "blocked");
  assert.deepEqual(
    [reader.check("8.8.8.8").verdict, reader.check(GOOD).firstSeen],
    ["allowed", null],
  );
});

test("JSON is the command's, byte for byte", () => {
  const run = artifCommand("--data", data, "check", "--format", "ndjson", BAD);
  assert.equal(run.stdout, `${reader.check(BAD).json()}\n`);
  assert.equal(JSON.parse(run.stdout).score, reader.check(BAD).score);
});

test("many addresses at once", () => {
  const texts = [BAD, GOOD, "8.8.8.8", "nonsense", "::ffff:10.0.0.1", "2001:470:1::9"];
  const columns = reader.checkMany(texts);
  assert.equal(columns.invalid, 1);
  const seen = [...columns.verdict].map((number) => artif.VERDICTS[number] ?? number);
  const expected = ["dangerous", "No action needed", "allowed", artif.NO_ADDRESS];
  assert.deepEqual(seen, [...expected, "not_applicable", "dangerous"]);
  assert.deepEqual([...columns.state], [2, 0, 0, 0, 0, 2]);
  const scores = texts.map((text) => (text === "nonsense" ? Number.NaN : reader.gate(text)));
  assert.deepEqual([...columns.score], scores);
  assert.ok(scores[0] < 1 && scores[1] > 90 && scores[4] === 100);
  const numbers = reader.checkMany(Uint32Array.of(NUMBER, 0x08080808));
  assert.deepEqual([...numbers.verdict], [3, 5]);
  const packed = Buffer.concat([PACKED, Buffer.of(8, 8, 8, 8)]);
  assert.deepEqual([...reader.checkMany(packed).verdict], [3, 5]);
  assert.deepEqual([...reader.checkMany(Buffer.from(MAPPED), { width: 16 }).verdict], [3]);
  assert.throws(() => reader.checkMany(Buffer.alloc(7)), artif.InvalidError);
  assert.throws(() => reader.checkMany(Buffer.alloc(8), { width: 8 }), artif.InvalidError);
  assert.equal(reader.checkMany([]).score.length, 0);
  assert.equal(reader.checkMany(new Uint32Array()).score.length, 0);
  const split = reader.checkMany([`${BAD}\n${GOOD}`, BAD]);
  assert.deepEqual([split.score.length, split.invalid, split.verdict[1]], [2, 1, 3]);
});

test("reasons", () => {
  const explanation = reader.explain(BAD);
  const total = explanation.terms.reduce((sum, term) => sum + term.contribution, 100);
  assert.ok(Math.abs(total - explanation.score) < 1e-9);
  assert.deepEqual([explanation.evidence[0].feed, explanation.evidence[0].ended], ["mine", null]);
  assert.ok(`${explanation}`.startsWith(BAD));
  const changes = explanation.changes.map((one) => [one.name, one.feed, one.verdict]);
  assert.deepEqual(changes, [["feed", "mine", "suspicious"]]);
  assert.ok(`${explanation}`.includes(explanation.changes[0].text));
  assert.deepEqual(reader.history(BAD), explanation.evidence);
  const before = reader.checkAt(BAD, new Date("2020-01-01"));
  assert.deepEqual([before.state, before.evidence], ["unknown", []]);
  assert.equal(reader.checkAt(BAD, new Date("2100-01-01")).state, "active");
  assert.throws(() => reader.checkAt(BAD, new Date(Number.NaN)), artif.InvalidError);
});

test("a refresh tells and reports", async () => {
  const dir = folder();
  writeFileSync(join(dir, "a"), "93.184.216.0/24\n");
  const feed = ["a", "gone"].map((id) => ({ id, url: `file:${join(dir, id)}` }));
  const engine = new Engine({ inMemory: true, feed });
  const events = [];
  const report = await engine.refresh({ onProgress: (event) => events.push(event.event) });
  assert.deepEqual(
    report.feeds.map((one) => one.outcome),
    ["loaded", "failed"],
  );
  assert.equal(report.published, true);
  assert.equal(events[0], "started");
  assert.ok(events.includes("feed"));
  assert.equal((await engine.refresh({ feeds: ["a"] })).feeds[0].outcome, "unchanged");
  await assert.rejects(engine.refresh({ feeds: ["b"] }), (error) => {
    assert.ok(error instanceof artif.UnknownFeedError);
    assert.equal(error.code, "ARTIF_UNKNOWN_FEED");
    return true;
  });
  await assert.rejects(engine.refresh({ feeds: ["B b"] }), artif.ArtifError);
  assert.ok(engine.status().feeds.some((one) => one.id === "a" && one.count === 1));
  const dry = await engine.refresh({ dryRun: true, force: true });
  assert.equal(dry.published, false);
  engine.close();
  assert.equal(engine.closed, true);
  assert.throws(() => engine.check(GOOD), /closed/);
  await assert.rejects(engine.refresh(), artif.InvalidError);
});

test("an aborted refresh stops", async () => {
  const reached = Promise.withResolvers?.() ?? withResolvers();
  // Says nothing until its client leaves.
  const server = createServer(() => reached.resolve()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${server.address().port}/list.txt`;
  const engine = new Engine({ inMemory: true, feed: [{ id: "slow", url }] });
  const controller = new AbortController();
  const refreshing = engine.refresh({ signal: controller.signal });
  await reached.promise;
  controller.abort(new Error("enough"));
  await assert.rejects(refreshing, /enough/);
  await assert.rejects(engine.refresh({ signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(engine.status().snapshot.id, 0, "nothing was published");
  server.close();
  server.closeAllConnections();
});

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

test("one owner, many readers", async () => {
  const { data: owned, engine } = listed();
  await engine.refresh();
  assert.throws(
    () => new Engine({ data: owned }),
    (error) => {
      assert.ok(error instanceof artif.LockedError && error.isRetryable);
      return true;
    },
  );
  const other = new Reader(pathToFileURL(owned));
  assert.ok(other.check(BAD).isActive);
  await engine.block(GOOD, { expires: new Date(Date.now() + 3_600_000) });
  other.reload();
  assert.equal(other.check(GOOD).verdict, "blocked");
  assert.deepEqual(
    engine.overrides().map((one) => one.prefix),
    [`${GOOD}/32`],
  );
  assert.deepEqual(
    [await engine.removeOverride(GOOD), await engine.removeOverride(GOOD)],
    [true, false],
  );
  assert.equal(engine.sighting(BAD), false, "no server wants to hear of it");
  assert.throws(() => engine.sighting("x", { falsePositive: true }), artif.BadAddressError);
  assert.deepEqual(await engine.sendSightings(), []);
  await assert.rejects(engine.block("10.0.0.0/33"), artif.BadPrefixError);
  await engine.enableFeed("mine", false);
  assert.equal(engine.status().feeds[0].enabled, false);
  await assert.rejects(engine.enableFeed("other", true), artif.UnknownFeedError);
  await assert.rejects(engine.acceptFeed("other"), artif.UnknownFeedError);
  assert.equal(engine.data, owned);
  engine.close();
  {
    const again = new Engine({ data: owned });
    again[Symbol.dispose]();
    assert.ok(again.closed);
  }
});

test("answers stay as they were when a new snapshot arrives", async () => {
  const { engine, write } = listed();
  await engine.refresh();
  const old = engine.check(BAD);
  write([GOOD]);
  await engine.refresh({ force: true });
  assert.deepEqual([old.isActive, old.feeds, old.snapshotId], [true, ["mine"], 1]);
  const now = engine.check(BAD);
  assert.deepEqual([now.isActive, now.snapshotId], [false, 2]);
  engine.close();
  assert.deepEqual([old.feeds, now.toJSON().is_Active], [["mine"], false], "after closing, too");
});

test("numbers of closed engines are not used for others", () => {
  const first = new Reader(data);
  first.close();
  const second = new Reader(data);
  assert.throws(() => first.gate(BAD), artif.InvalidError);
  assert.ok(second.gate(BAD) < 1);
});

test("errors say what to do", () => {
  assert.throws(() => new Reader(folder()), artif.NoSnapshotError);
  assert.throws(
    () => new Engine({ inMemory: true, histry: {} }),
    (error) => {
      assert.ok(error instanceof artif.ConfigError);
      assert.match(error.message, /did you mean/);
      return true;
    },
  );
  assert.throws(() => new Engine({ config: "/nowhere/artif.toml" }), artif.FileError);
});

test("configuration by file", () => {
  const dir = folder();
  writeFileSync(join(dir, "artif.toml"), 'data = "here"\ncatalogue = []\n');
  const engine = new Engine(join(dir, "artif.toml"));
  assert.equal(engine.data, join(dir, "here"));
  engine.close();
  const both = { config: join(dir, "artif.toml"), history: { window: "1d" } };
  assert.throws(() => new Engine(both), /not both/);
});

test("answers cannot be made by hand", () => {
  assert.throws(() => new (reader.check(BAD).constructor)(), TypeError);
});

test("command line", () => {
  assert.match(artifCommand("--version").stdout, /^artif \d/);
  assert.match(artifCommand("--data", data, "check", BAD).stdout, /dangerous/);
  assert.equal(artifCommand("--data", data, "check", "--exit-code", BAD).status, 10);
  assert.equal(artifCommand("chekc").status, 2);
});

test("nothing keeps the process alive", () => {
  const script = `
    const { Engine, Reader } = require("artif");
    global.kept = [new Reader(process.argv[1]), new Engine({ inMemory: true })];
    console.log(kept[0].check("${BAD}").verdict);`;
  const run = spawnSync(process.execPath, ["-e", script, data], {
    cwd: __dirname,
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.deepEqual([run.status, run.stdout, run.stderr], [0, "dangerous\n", ""]);
});

test("one version for all", () => {
  assert.equal(artif.version, require("artif/package.json").version);
});

test("the score alone follows, and ends with its engine", async () => {
  const { engine, write, data } = listed();
  assert.ok(engine.gate(BAD) > 98);
  await engine.refresh();
  const follower = new Reader(data);
  const scores = [engine.gate(BAD), follower.gate(BAD), follower.gate(GOOD)];
  assert.ok(scores[0] < 1 && scores[1] === scores[0] && scores[2] > 90, `${scores}`);
  write([BAD, GOOD]);
  await engine.refresh();
  follower.reload();
  assert.ok(engine.gate(GOOD) < 1 && follower.gate(GOOD) < 1);
  // Texts of two bytes a character, longer than any address, and made of parts.
  assert.throws(() => engine.gate(`${BAD}\u0100`), artif.BadAddressError);
  assert.throws(() => engine.gate(BAD.repeat(9)), artif.BadAddressError);
  assert.throws(() => engine.gate(`${BAD}\u00b2`), artif.BadAddressError);
  assert.throws(() => engine.gate(), artif.BadAddressError);
  assert.equal(engine.gate(["93", "184", "216", "34"].join(".")), engine.gate(BAD));
  assert.equal(engine.gate(`\u0100${BAD}`.slice(1)), engine.gate(BAD));
  for (const closed of [engine, follower]) {
    closed.close();
    assert.throws(() => closed.gate(BAD), /closed/);
    assert.throws(() => closed.gate(NUMBER), /closed/);
  }
});

test("signals stand in the answers that they count in", () => {
  const engine = new Engine({ inMemory: true, signals: { abuse: { danger: 3 } } });
  assert.ok(engine.signal(GOOD, "abuse", 2));
  const answer = engine.check(GOOD);
  assert.equal(answer.signals.length, 1);
  assert.deepEqual([answer.signals[0].name, answer.signals[0].count], ["abuse", 2]);
  assert.deepEqual(answer.signals, engine.signals(GOOD));
  assert.deepEqual(answer.signals, answer.toJSON().signals);
  assert.equal(engine.gate(GOOD), answer.score);
  assert.deepEqual(engine.check(BAD).signals, []);
});

test("the feed report", async () => {
  const dir = folder();
  writeFileSync(join(dir, "wide"), "93.184.216.0/24\n");
  writeFileSync(join(dir, "narrow"), "93.184.216.34\n198.41.0.9\n");
  const feed = ["wide", "narrow"].map((id) => ({ id, url: `file:${join(dir, id)}` }));
  const engine = new Engine({ data: join(dir, "data"), feed });
  await engine.refresh();
  const report = await engine.feedReport();
  engine.close();
  assert.deepEqual(
    report
      .toJSON()
      .feeds.map(({ id }) => id)
      .sort(),
    ["narrow", "wide"],
  );
  assert.deepEqual(JSON.parse(report.json()), report.toJSON());
  assert.match(report.html(), /^<!DOCTYPE html>/);
  const said = artifCommand("--data", join(dir, "data"), "feeds", "report");
  assert.equal(said.stdout, String(report));
});

test("a backtest", async () => {
  const dir = folder();
  for (const [day, lines] of [
    ["01", "23.1.1.1"],
    ["02", "23.1.1.1\n23.1.1.2"],
    ["03", "23.1.1.2"],
  ]) {
    mkdirSync(join(dir, `2026-08-${day}`));
    writeFileSync(join(dir, `2026-08-${day}`, "list.txt"), `${lines}\n`);
  }
  const days = [];
  const options = { scorers: ["classic"], negatives: 1000, seed: 2, history: { window: "3d" } };
  const onDay = ({ date }) => days.push(date);
  const report = await artif.backtest(dir, { ...options, onDay });
  assert.deepEqual(days, ["2026-08-01", "2026-08-02"]);
  assert.deepEqual(
    report.toJSON().days.map(({ date }) => date),
    days,
  );
  assert.deepEqual(report.toJSON().scorers, ["classic"]);
  assert.equal(report.toJSON().days[0].new.bad, 1);
  assert.match(String(report), /classic/);
  const later = await artif.backtest(dir, { negatives: 1000, start: "2026-08-02" });
  assert.equal(later.toJSON().days.length, 1);
  await assert.rejects(artif.backtest(join(dir, "nowhere")), artif.FileError);
  await assert.rejects(artif.backtest(dir, { scorers: ["clasic"] }), /did you mean/);
  await assert.rejects(artif.backtest(dir, { start: "soon" }), artif.InvalidError);
});
