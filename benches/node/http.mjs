// What the middleware adds to a request of Fastify: CPU time of the server's process.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import fastify from "fastify";
import { input } from "./support.mjs";

/** Short rounds and many, since what else the machine does changes from second to second. */
const REQUESTS = 5_000;
const ROUNDS = 20;

if (process.send) await serve();
else await measure();

async function serve() {
  const [, , kind, data] = process.argv;
  const app = fastify();
  if (kind === "hooked") {
    app.addHook("onRequest", (_request, _reply, next) => next());
  } else if (kind === "guarded") {
    const { artif } = await import("artif/fastify");
    await app.register(artif, { data, mode: "enforce", trustedHops: 1 });
  }
  app.get("/", () => "hello");
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  process.on("message", () => process.send({ cpu: process.cpuUsage() }));
  process.send({ url });
}

async function measure() {
  const { data } = await input();
  const self = fileURLToPath(import.meta.url);
  // The same twice, to see what the method itself makes of nothing.
  const times = { plain: [], again: [], hooked: [], guarded: [] };
  const servers = [];
  for (const kind of Object.keys(times)) {
    const child = fork(self, [kind, data]);
    const [{ url }] = await once(child, "message");
    servers.push({ kind, child, url });
  }
  const used = async (child) => {
    child.send("used");
    const [{ cpu }] = await once(child, "message");
    return cpu.user + cpu.system;
  };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { kind, child, url } of servers) {
      const before = await used(child);
      // A good client: what is refused costs less.
      const headers = { "x-forwarded-for": "198.18.0.1, 93.184.216.1" };
      const { errors, non2xx } = await autocannon({
        url,
        amount: REQUESTS,
        connections: 16,
        headers,
      });
      if (errors + non2xx > 0) throw new Error(`${errors} errors, ${non2xx} refused`);
      // The first round warms up.
      if (round > 0) times[kind].push((await used(child)) - before);
    }
  }
  const median = (all) => all.slice().sort((a, b) => a - b)[all.length >> 1];
  const plain = median(times.plain) / REQUESTS;
  console.log(`Fastify: ${plain.toFixed(1)} µs of CPU time a request`);
  const more = (kind, than) => {
    // Within one round all had the same machine.
    const differences = times[kind].map((time, round) => time - times[than][round]);
    return median(differences) / REQUESTS;
  };
  const shown = (micros) => `${micros.toFixed(2)} µs, ${((micros / plain) * 100).toFixed(1)} %`;
  console.log(`the same server again: ${shown(more("again", "plain"))} more`);
  console.log(`a hook that does nothing: ${shown(more("hooked", "plain"))} more`);
  console.log(`artif: ${shown(more("guarded", "plain"))} more`);
  console.log(`of which what artif does in its hook: ${shown(more("guarded", "hooked"))}`);
  for (const { child } of servers) child.kill();
}
