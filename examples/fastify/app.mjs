// Fastify behind one proxy, with reputation on every request.
//
// `node app.mjs` asks it as two clients; `node app.mjs 8080` serves.

import { artif } from "artif/fastify";
import fastify from "fastify";
import { askAsTwo, dataFolder } from "../samples.mjs";

// Refused requests are logged by the request's logger; it is switched on for serving only.
const port = Number(process.argv[2] ?? 0);
const app = fastify({ logger: port !== 0 });
app.register(artif, { data: await dataFolder(), mode: "enforce", trustedHops: 1 });

app.get("/", (request) => request.reputation);
// The load balancer, whatever it looks like.
app.get("/health", { config: { artif: false } }, () => "ok\n");

const url = await app.listen({ port, host: "127.0.0.1" });
if (port === 0) {
  await askAsTwo(url);
  await app.close();
}
