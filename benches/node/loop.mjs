// How long the event loop of a server is held up while the same process refreshes: delays in the server,
// requests from a process of their own.

import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import { settings as given } from "./support.mjs";

const ROUNDS = Number(process.env.ARTIF_BENCH_ROUNDS ?? 10);
const CONNECTIONS = 4;
/** So many requests a second: a loop that always has work to do is late without any refresh. */
const RATE = 1_000;

if (process.send) await fire(process.argv[2]);
else await measure();

/** Asks until it is told to stop. */
async function fire(url) {
  const headers = { "x-forwarded-for": "93.184.216.1" };
  const shots = autocannon({
    url,
    duration: 3_600,
    connections: CONNECTIONS,
    overallRate: RATE,
    headers,
  });
  process.once("message", () => shots.stop());
  const { requests, latency, errors, non2xx } = await shots;
  process.send({ total: requests.total, p99: latency.p99, failed: errors + non2xx });
  process.disconnect();
}

async function measure() {
  const { Engine } = await import("artif");
  const { guard } = await import("artif/http");
  const folder = mkdtempSync(join(tmpdir(), "artif-bench-"));
  const settings = given(folder);
  const list = join(folder, "changing.txt");
  const write = (n) => writeFileSync(list, `93.184.216.${100 + (n % 100)}\n`);
  write(0);
  const feed = [...(settings.feed ?? []), { id: "changing", url: `file:${list}` }];
  const open = (data) => new Engine({ ...settings, data: join(folder, data), feed });
  const engine = open("data");
  const first = await engine.refresh();
  const answer = (_, response) => response.end("hello");
  const options = { engine, mode: "enforce", trustedHops: 1, log() {} };
  const server = createServer(guard(answer, options)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/`;
  const self = fileURLToPath(import.meta.url);
  const rows = [];

  /** Does what `prepare` gives under load, and tells of the delays meanwhile. */
  async function under(name, prepare) {
    const load = fork(self, [url]);
    await sleep(1_000);
    const [took, half, most, longest] = [[], [], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      const { work, after } = prepare(round);
      await sleep(50);
      // One for each round: what goes on between them would be a delay of the next.
      const delay = monitorEventLoopDelay({ resolution: 1 });
      const began = performance.now();
      delay.enable();
      await work();
      delay.disable();
      took.push(performance.now() - began);
      half.push(delay.percentile(50));
      most.push(delay.percentile(99));
      longest.push(delay.max);
      after?.();
      await sleep(50);
    }
    const told = once(load, "message");
    load.send("stop");
    const [{ total, p99, failed }] = await told;
    const ms = (nanoseconds) => (nanoseconds / 1e6).toFixed(1);
    const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
    rows.push({
      name,
      "ms each": median(took).toFixed(0),
      "loop p50": ms(median(half)),
      "loop p99": ms(median(most)),
      "loop max": ms(Math.max(...longest)),
      requests: total,
      "request p99 ms": p99,
      failed,
    });
  }

  await under("nothing else", () => ({ work: () => sleep(300) }));
  await under("one feed changes", (round) => {
    write(round + 1);
    return { work: () => engine.refresh() };
  });
  await under("everything is new", (round) => {
    const other = open(`data-${round}`);
    return { work: () => other.refresh(), after: () => other.close() };
  });
  const { active } = first.snapshot.counts;
  const load = loadavg()[0].toFixed(1);
  console.log(`${active} listed networks, ${cpus().length} processors, load average ${load}`);
  console.log(`delays of the event loop in ms, timers of 1 ms; ${RATE} requests a second`);
  console.table(rows);
  server.close();
  server.closeAllConnections();
  engine.close();
}
