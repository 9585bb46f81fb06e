// A cluster behind one proxy, whose workers keep what they know current by themselves: each is a member
// of one data folder, one of them refreshes it, and another takes over where that one dies.
//
// `node app.mjs` asks it as two clients; `node app.mjs 8080` serves.

import cluster from "node:cluster";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { guard } from "artif/http";
import { askAsTwo, GOOD, settings } from "../samples.mjs";

const port = Number(process.argv[2] ?? 0);
if (cluster.isPrimary) await manage();
else serve(process.env.DATA);

function serve(data) {
  const answer = (request, response) => {
    const { ip, verdict, score, country } = request.reputation;
    response.end(`${ip}: ${verdict}, score ${score}, ${country}\n`);
  };
  // In production `config: "artif.toml"`. Before the first refresh nobody is known, so nobody gets in.
  const options = { config: settings, data, mode: "enforce", unknown: "block", trustedHops: 1 };
  createServer(guard(answer, options)).listen(port, "127.0.0.1");
}

async function manage() {
  const data = mkdtempSync(join(tmpdir(), "artif-example-"));
  const workers = Array.from({ length: 2 }, () => cluster.fork({ DATA: data }));
  const [[address]] = await Promise.all(workers.map((worker) => once(worker, "listening")));
  const url = `http://127.0.0.1:${address.port}/`;
  if (port !== 0) {
    console.log(`listening on ${url}`);
    cluster.on("exit", () => cluster.fork({ DATA: data }));
    return;
  }
  const asked = { headers: { "x-forwarded-for": GOOD, connection: "close" } };
  // A while without a refusal: every worker has a snapshot.
  for (let inARow = 0; inARow < 20; ) {
    inARow = (await fetch(url, asked)).status === 200 ? inARow + 1 : 0;
    if (inARow === 0) await sleep(50);
  }
  await askAsTwo(url);
  cluster.disconnect(() => process.exit(0));
}
