"use strict";

// A primary with four workers, equal members of one folder; prints the port, and forks another
// worker where one dies.

const cluster = require("node:cluster");
const { createServer } = require("node:http");

const [, , config] = process.argv;
if (cluster.isPrimary) {
  let listening = 0;
  let ending = false;
  for (let n = 0; n < 4; n++) cluster.fork();
  cluster.on("listening", (_, address) => {
    listening += 1;
    if (listening === 4) process.stdout.write(`${address.port}\n`);
  });
  cluster.on("exit", () => {
    if (!ending) cluster.fork();
  });
  // The parent closes standard input when it has seen enough.
  process.stdin.resume().on("end", () => {
    ending = true;
    cluster.disconnect(() => process.exit(0));
  });
} else {
  const { Gate, guard } = require("artif/http");
  const options = { mode: "enforce", trustedHops: 1, log() {} };
  const gate = new Gate({ config, ...options });
  const answer = (_, response) => {
    const { isOwner, hasSnapshot } = gate.engine;
    response.end(JSON.stringify({ pid: process.pid, isOwner, hasSnapshot }));
  };
  createServer(guard(answer, { engine: gate.engine, ...options })).listen(0, "127.0.0.1");
}
