"use strict";

// A primary with four workers, each with an application of its own; prints the port.

const cluster = require("node:cluster");
const { createServer } = require("node:http");

const [, , data] = process.argv;
if (cluster.isPrimary) {
  let listening = 0;
  for (let n = 0; n < 4; n++) cluster.fork();
  cluster.on("listening", (_, address) => {
    listening += 1;
    if (listening === 4) process.stdout.write(`${address.port}\n`);
  });
  // The parent closes standard input when it has seen enough.
  process.stdin.resume().on("end", () => {
    cluster.disconnect(() => process.exit(0));
  });
} else {
  const { guard } = require("artif/http");
  const answer = (_, response) => response.end(String(process.pid));
  const log = () => {};
  const options = { data, mode: "enforce", trustedHops: 1, log };
  createServer(guard(answer, options)).listen(0, "127.0.0.1");
}
