"use strict";

// One small application in each framework, on a real server. It answers with the client's address as
// the answer has it, or "none".

const { createServer, request } = require("node:http");

const text = (reputation) => (reputation ? reputation.ip : "none");

const FRAMEWORKS = {
  http(options) {
    const { guard } = require("artif/http");
    return createServer(guard((req, res) => res.end(text(req.reputation)), options));
  },
  express(options) {
    const express = require("express");
    const { artif } = require("artif/express");
    const app = express();
    app.use(artif(options));
    app.use((req, res) => res.send(text(req.reputation)));
    return createServer(app);
  },
  async fastify(options) {
    const { artif } = require("artif/fastify");
    const app = require("fastify")({ logger: false });
    app.register(artif, options);
    app.get("/exempt-route", { config: { artif: false } }, (req) => text(req.reputation));
    app.get("/*", (req) => text(req.reputation));
    await app.ready();
    return app.server;
  },
  koa(options) {
    const Koa = require("koa");
    const { artif } = require("artif/koa");
    const app = new Koa();
    app.silent = true;
    app.use(artif(options));
    app.use((context) => {
      context.body = text(context.state.reputation);
    });
    return createServer(app.callback());
  },
  hono(options) {
    const { Hono } = require("hono");
    const { createAdaptorServer } = require("@hono/node-server");
    const { artif } = require("artif/hono");
    const app = new Hono();
    app.use(artif(options));
    app.get("*", (context) => context.text(text(context.get("reputation"))));
    return createAdaptorServer(app);
  },
};

/** A running application; connections to it seem to come from whatever `peer` says. */
async function serve(name, options) {
  const server = await FRAMEWORKS[name](options);
  let seen;
  server.on("connection", (socket) => {
    const peer = seen;
    Object.defineProperty(socket, "remoteAddress", { get: () => peer });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    /** Asks from `peer`; headers are pairs, and the same name may come twice. */
    ask(path, peer, headers = []) {
      seen = peer ?? undefined;
      return new Promise((resolve, reject) => {
        const flat = [["Host", "localhost"], ...headers].flat();
        const sent = request({ port, path, host: "127.0.0.1", headers: flat, agent: false });
        sent.on("error", reject);
        sent.on("response", async (response) => {
          let body = "";
          for await (const part of response.setEncoding("utf8")) body += part;
          resolve({ status: response.statusCode, body, headers: response.headers });
        });
        sent.end();
      });
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

module.exports = { names: Object.keys(FRAMEWORKS), serve };
