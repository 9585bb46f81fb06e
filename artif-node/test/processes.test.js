"use strict";

// Threads and processes, and what many questions leave behind.

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { createServer } = require("node:http");
const { join } = require("node:path");
const { test } = require("node:test");
const { Worker } = require("node:worker_threads");
const { BAD, GOOD, listed, until } = require("./support.js");

/** No public resolver: warninglists keep those from being refused. */
const LATER = "93.184.216.77";

/** A worker thread that has `artif`, `parentPort` and `workerData`. */
function worker(script, workerData) {
  const head = `
    const { parentPort, workerData } = require("node:worker_threads");
    const artif = require(${JSON.stringify(require.resolve("artif"))});`;
  return new Worker(`${head}\n${script}`, { eval: true, workerData });
}

test("worker threads follow too", async () => {
  const { data, engine, write } = listed();
  await engine.refresh();
  const follow = `
    const reader = new artif.Reader(workerData.data);
    let refused = "";
    try { reader.check("10.1"); } catch (error) { refused = error.code; }
    parentPort.postMessage([reader.check(workerData.bad).verdict, refused]);
    const timer = setInterval(() => {
      if (!reader.check(workerData.later).isActive) return;
      clearInterval(timer);
      parentPort.postMessage("followed");
    }, 10);`;
  const threads = [1, 2, 3].map(() => worker(follow, { data, bad: BAD, later: LATER }));
  const exits = threads.map((thread) => once(thread, "exit"));
  const first = await Promise.all(threads.map((thread) => once(thread, "message")));
  assert.deepEqual(first, Array(3).fill([["dangerous", "ARTIF_BAD_ADDRESS"]]));
  const followed = threads.map((thread) => once(thread, "message"));
  write([BAD, LATER]);
  await engine.refresh();
  assert.deepEqual(await Promise.all(followed), Array(3).fill(["followed"]));
  // Nothing of theirs keeps them alive.
  await Promise.all(exits);
  assert.ok(engine.gate(BAD) < 1, "theirs end without ours");
});

test("a worker thread that ends stops its refresh", async () => {
  let asked;
  const reached = new Promise((resolve) => {
    asked = resolve;
  });
  // Says nothing until its client leaves.
  const server = createServer((request) => asked(request)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/list.txt`;
  const refresh = `
    const engine = new artif.Engine({ inMemory: true, feed: [{ id: "slow", url: workerData }] });
    engine.refresh({ onProgress() {} });`;
  const thread = worker(refresh, url);
  const request = await reached;
  const left = once(request.socket, "close");
  await thread.terminate();
  await left;
  server.close();
});

test("every process of a cluster follows", async () => {
  const { data, engine, write } = listed();
  await engine.refresh();
  const app = spawn(process.execPath, [join(__dirname, "cluster-app.js"), data], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await once(app.stdout.setEncoding("utf8"), "data");
  const url = `http://127.0.0.1:${line.trim()}/`;
  const ask = (ip) => fetch(url, { headers: { "x-forwarded-for": ip, connection: "close" } });
  assert.equal((await ask(BAD)).status, 403);
  write([BAD, LATER]);
  await engine.refresh();
  let inARow = 0;
  await until(async () => {
    const { status } = await ask(LATER);
    assert.ok(status === 200 || status === 403);
    inARow = status === 403 ? inARow + 1 : 0;
    // Connections go round, so each process was asked several times.
    return inARow >= 40;
  }, "following in every worker");
  const processes = new Set();
  for (let n = 0; n < 16; n++) processes.add(await (await ask(GOOD)).text());
  assert.equal(processes.size, 4);
  app.stdin.end();
  assert.deepEqual(await once(app, "exit"), [0, null]);
});

test("memory stays flat over many questions", async () => {
  const { data, engine } = listed();
  await engine.refresh();
  engine.close();
  // In a process of its own: other tests leave things to be collected.
  const script = `
    const { Reader } = require("artif");
    const reader = new Reader(process.argv[1]);
    const ips = Array.from({ length: 4096 }, (_, n) => "93.184." + (n >> 8) + "." + (n & 255));
    const ask = (rounds) => {
      let kept = 0;
      for (let round = 0; round < rounds; round++)
        for (const ip of ips) {
          const answer = reader.check(ip);
          kept += answer.score + reader.gate(ip);
          if (answer.isActive) kept += answer.feeds.length;
          try { if (round % 64 === 0) reader.gate("no"); } catch { kept += 1; }
        }
      reader.checkMany(ips);
      return kept;
    };
    ask(50);
    global.gc();
    const before = process.memoryUsage.rss();
    ask(500);
    global.gc();
    console.log(process.memoryUsage.rss() - before);`;
  const app = spawn(process.execPath, ["--expose-gc", "-e", script, data], { cwd: __dirname });
  app.stderr.pipe(process.stderr);
  let grown = "";
  for await (const part of app.stdout.setEncoding("utf8")) grown += part;
  // Two million answers of a hundred bytes would be 200 MB.
  assert.ok(Number(grown) < 20e6, `${grown} bytes more`);
});

test("a refresh leaves the event loop alone", async () => {
  const many = Array.from(
    { length: 200_000 },
    (_, n) => `93.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
  );
  const { engine } = listed(many);
  let turns = 0;
  let running = true;
  const turn = () => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  turn();
  const report = await engine.refresh({ onProgress() {} });
  running = false;
  assert.equal(report.snapshot.counts.active, many.length);
  // A refresh on JavaScript's thread would leave it one turn or two.
  assert.ok(turns > 100, `${turns} turns in ${report.timings.total} ms`);
  engine.close();
});

test("questions are answered while snapshots are exchanged", async () => {
  const { engine, write } = listed([BAD, GOOD]);
  await engine.refresh();
  let wrong = 0;
  let asked = 0;
  let running = true;
  const ask = () => {
    if (!running) return;
    for (let n = 0; n < 200; n++) {
      const answer = engine.check(BAD);
      const { is_Active, snapshot } = answer.toJSON();
      if (!answer.isActive || !is_Active || snapshot.id !== answer.snapshotId) wrong += 1;
      asked += 1;
    }
    setImmediate(ask);
  };
  ask();
  for (let n = 0; n < 20; n++) {
    write(n % 2 ? [BAD, GOOD] : [BAD, LATER]);
    const report = await engine.refresh();
    assert.ok(report.published);
  }
  running = false;
  assert.equal(wrong, 0, `${wrong} of ${asked}`);
  assert.ok(asked > 200);
  engine.close();
});
