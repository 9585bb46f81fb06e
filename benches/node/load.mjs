// A cluster under load while snapshots change: what clients see, how long workers take to follow, the
// memory of each; ten million questions.

import cluster from "node:cluster";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import autocannon from "autocannon";
import { input } from "./support.mjs";

const WORKERS = 4;
const SECONDS = Number(process.env.ARTIF_BENCH_SECONDS ?? 20);
const LATER = "93.184.216.77";

if (cluster.isWorker) await serve(process.env.KIND, process.env.DATA);
else await measure();

async function serve(kind, data) {
  let reader;
  let answer = (_, response) => response.end("hello");
  if (kind === "guarded") {
    const { guard } = await import("artif/http");
    const { Reader } = await import("artif");
    reader = new Reader(data);
    answer = guard(answer, { data, mode: "enforce", trustedHops: 1, log() {} });
  }
  createServer(answer).listen(0, "127.0.0.1");
  process.on("message", (message) => {
    if (message === "sequence")
      process.send({ sequence: reader?.status().snapshot.id ?? 0 });
    if (message === "questions") process.send({ grown: manyQuestions(reader) });
  });
}

/** Bytes of resident memory that ten million questions leave behind. */
function manyQuestions(reader) {
  const ips = Array.from({ length: 65_536 }, (_, n) => `93.184.${n >> 8}.${n & 255}`);
  const ask = (count) => {
    let kept = 0;
    for (let n = 0; n < count; n++) kept += reader.check(ips[n & 65_535]).score;
    return kept;
  };
  ask(1_000_000);
  const before = process.memoryUsage.rss();
  ask(10_000_000);
  return process.memoryUsage.rss() - before;
}

/** Private and shared memory of a process, each page by how many processes map it, in MB. */
function proportional(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)[1]) / 1000;
}

async function started(kind, data) {
  const workers = Array.from({ length: WORKERS }, () => cluster.fork({ KIND: kind, DATA: data }));
  const addresses = await Promise.all(workers.map((worker) => once(worker, "listening")));
  return { workers, url: `http://127.0.0.1:${addresses[0][0].port}/` };
}

async function asked(worker, what) {
  const answer = once(worker, "message");
  worker.send(what);
  return (await answer)[0];
}

function fired(url, seconds) {
  const headers = { "x-forwarded-for": "93.184.216.1" };
  return autocannon({ url, duration: seconds, connections: 32, headers });
}

async function measure() {
  const { data, settings } = await input();
  const { Engine } = await import("artif");

  const plain = await started("plain", data);
  await fired(plain.url, 5);
  const bare = plain.workers.map((worker) => proportional(worker.process.pid));
  for (const worker of plain.workers) worker.kill();
  const { workers, url } = await started("guarded", data);
  await fired(url, 5);

  // One more list, which changes each time: a snapshot a second.
  const list = `${data}/../changing.txt`;
  const write = (n) => writeFileSync(list, `${n % 2 ? "" : `${LATER}\n`}93.184.216.78\n`);
  write(1);
  const feed = [...(settings.feed ?? []), { id: "changing", url: `file:${list}` }];
  const engine = new Engine({ ...settings, data, feed });
  let swaps = 0;
  const slowest = [];
  let firing = true;
  const shots = Promise.resolve(fired(url, SECONDS)).finally(() => {
    firing = false;
  });
  while (firing) {
    write(swaps);
    const { snapshot } = await engine.refresh();
    const published = performance.now();
    const waiting = new Set(workers);
    while (waiting.size > 0) {
      for (const worker of [...waiting]) {
        const { sequence } = await asked(worker, "sequence");
        if (sequence >= snapshot.id) waiting.delete(worker);
      }
      if (waiting.size > 0) await sleep(5);
    }
    slowest.push(performance.now() - published);
    swaps += 1;
    await sleep(200);
  }
  const result = await shots;
  console.log(
    `${WORKERS} workers, ${SECONDS} s, ${swaps} snapshots: ${result.requests.total} requests, ` +
      `${result["2xx"]} answered, ${result["5xx"]} failed, ${result.errors} errors, ` +
      `p99 ${result.latency.p99} ms`,
  );
  console.log(`last worker on a new snapshot after at most ${Math.max(...slowest).toFixed(0)} ms`);
  const guarded = workers.map((worker) => proportional(worker.process.pid));
  const mean = (all) => all.reduce((sum, one) => sum + one, 0) / all.length;
  console.log(
    `memory (Pss) of a worker: ${mean(bare).toFixed(1)} MB plain, ${mean(guarded).toFixed(1)} MB ` +
      `with artif: ${(mean(guarded) - mean(bare)).toFixed(1)} MB more`,
  );
  const { grown } = await asked(workers[0], "questions");
  console.log(`ten million questions: ${(grown / 1e6).toFixed(1)} MB more`);
  for (const worker of workers) worker.kill();
  engine.close();
}
