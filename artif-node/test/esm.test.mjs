// Every entry can be imported by name, and is the same as what `require` gives.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import {
  ArtifError,
  BadAddressError,
  byRisk,
  Engine,
  Gate,
  Reader,
  VERDICTS,
  version,
} from "artif";
import { artif as express } from "artif/express";
import { artif as fastify } from "artif/fastify";
import { artif as hono } from "artif/hono";
import { guard } from "artif/http";
import { artif as koa } from "artif/koa";

const require = createRequire(import.meta.url);

test("modules and CommonJS share one package", () => {
  const required = require("artif");
  const named = { ArtifError, BadAddressError, byRisk, Engine, Gate, Reader, VERDICTS, version };
  for (const [name, value] of Object.entries(named)) assert.equal(value, required[name], name);
  const middleware = { express, fastify, hono, koa };
  for (const [name, value] of Object.entries(middleware)) {
    assert.equal(value, require(`artif/${name}`).artif, name);
  }
  assert.equal(guard, require("artif/http").guard);
});

test("answers", () => {
  const engine = new Engine({ inMemory: true });
  assert.equal(engine.check("10.1.2.3").verdict, "not_applicable");
  assert.throws(() => engine.check("10.1"), BadAddressError);
});
