// Express behind one proxy, with reputation on every request and a rate limit that goes by it.
//
// `node app.mjs` asks it as two clients; `node app.mjs 8080` serves.

import { byRisk } from "artif";
import { artif } from "artif/express";
import express from "express";
import { rateLimit } from "express-rate-limit";
import { askAsTwo, dataFolder } from "../samples.mjs";

const app = express();
app.use(artif({ data: await dataFolder(), mode: "enforce", trustedHops: 1, exempt: ["/health"] }));
const { limit, keyGenerator } = byRisk({ safe: 300, doubtful: 30, bad: 3 });
app.use(rateLimit({ windowMs: 60_000, limit, keyGenerator }));

app.get("/", (request, response) => {
  const { ip, verdict, score, country } = request.reputation;
  response.send(`${ip}: ${verdict}, score ${score}, ${country}\n`);
});
// The load balancer, whatever it looks like.
app.get("/health", (_, response) => response.send("ok\n"));

const port = Number(process.argv[2] ?? 0);
const server = app.listen(port, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  if (port !== 0) {
    console.log(`listening on ${url}`);
    return;
  }
  await askAsTwo(url);
  server.close();
  server.closeAllConnections();
});
