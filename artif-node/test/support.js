"use strict";

const { spawnSync } = require("node:child_process");
const { mkdtempSync, readFileSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { Engine } = require("artif");

/** Listed by the feed "mine". */
const BAD = "93.184.216.34";
const GOOD = "93.184.216.1";

/** The repository, for vectors and examples; tests may run from elsewhere. */
const REPOSITORY = process.env.ARTIF_REPOSITORY ?? join(__dirname, "..", "..");

function folder() {
  return mkdtempSync(join(tmpdir(), "artif-node-"));
}

/** A folder with a list and an engine that reads it; `lists` is written to it. */
function listed(lists = [BAD]) {
  const dir = folder();
  const list = join(dir, "list.txt");
  const write = (lines) => writeFileSync(list, `${lines.join("\n")}\n`);
  write(lists);
  const data = join(dir, "data");
  const feed = [{ id: "mine", url: `file:${list}`, categories: ["attack"] }];
  return { dir, data, write, engine: new Engine({ data, feed }) };
}

/** A data folder with one published snapshot and no owner. */
async function published() {
  const { data, engine } = listed([BAD, "9.9.9.9", "2001:470:1::/48", "10.1.2.3"]);
  await engine.refresh();
  await engine.block("8.8.4.4", { reason: "a test", author: "ana" });
  await engine.allow("8.8.8.0/24");
  engine.close();
  return data;
}

function vectors(name) {
  return JSON.parse(readFileSync(join(REPOSITORY, "tests", "conformance", name), "utf8"));
}

/** Runs the package's command. */
function artifCommand(...args) {
  const bin = join(require.resolve("artif/package.json"), "..", "bin", "artif.js");
  return spawnSync(process.execPath, [bin, ...args], { encoding: "utf8" });
}

/** Waits until `condition` holds, for followers that look four times a second. */
async function until(condition, what) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come true in 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

module.exports = { artifCommand, BAD, GOOD, REPOSITORY, folder, listed, published, until, vectors };
