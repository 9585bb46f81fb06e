"use strict";

// Equal processes on one folder: one refreshes, the others follow, another takes over.

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { existsSync, writeFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { join } = require("node:path");
const { test } = require("node:test");
const artif = require("artif");
const { Gate, guard } = require("artif/http");
const { BAD, folder, GOOD, until } = require("./support.js");

const { Engine, Member } = artif;

/** A configuration with one list, and what writes it. */
function configured() {
  const dir = folder();
  const list = join(dir, "list.txt");
  const write = (lines) => writeFileSync(list, `${lines.join("\n")}\n`);
  write([BAD]);
  const config = join(dir, "artif.toml");
  const data = join(dir, "data");
  writeFileSync(
    config,
    `data = '${data}'\n[middleware]\nmode = 'monitor'\nunknown = 'block'\nexempt = ['/health']\n` +
      `[[feed]]\nid = 'mine'\nurl = 'file:${list}'\nrefresh = '1s'\n`,
  );
  return { config, data, write };
}

test("a member alone, and one that takes over", async () => {
  const { config, data } = configured();
  const member = new Member(config);
  await until(() => member.hasSnapshot && member.isOwner, "publishing by itself");
  assert.equal(member.data, data);
  assert.ok(member.gate(BAD) < 1 && member.gate(GOOD) > 90);
  assert.equal(member.check(BAD).verdict, "dangerous");
  assert.equal(member.checkMany([BAD]).score[0], member.gate(BAD));
  assert.ok(member.status().snapshot.id >= 1);
  assert.throws(() => new Engine(config), artif.LockedError);
  const second = new Member({ config });
  assert.ok(second.check(BAD).isActive);
  assert.equal(second.isOwner, false);
  await member.resign();
  assert.equal(member.isOwner, false);
  await until(() => second.isOwner, "the other taking over");
  second.close();
  await until(() => member.isOwner, "the first taking over again");
  member.close();
  assert.throws(() => member.check(BAD), /closed/);
  new Engine(config).close();
});

test("a member of a wrong configuration", () => {
  assert.throws(() => new Member({ scoring: { prior: 2 } }), artif.ConfigError);
  const feed = [{ id: "mine", url: "nonsense" }];
  assert.throws(() => new Member({ feed }), /nonsense/);
  assert.throws(() => new Gate({ config: { feed } }), /nonsense/);
  assert.throws(() => new Gate({}), /needs config/);
  const engine = new Engine({ inMemory: true });
  assert.throws(() => new Gate({ config: {}, engine }), /needs config/);
});

test("a gate by configuration is a member, and options count over its section", async () => {
  const { config, data, write } = configured();
  const options = { config, mode: "enforce", trustedHops: 1, log() {} };
  const gate = new Gate(options);
  assert.ok(!existsSync(data), "nothing is opened before it is needed");
  assert.equal(gate.mode, "enforce");
  assert.ok(gate.isExempt("/health"));
  const listener = guard((_, response) => response.end("in"), options);
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/`;
  const ask = async (ip, path = "") => {
    const headers = { "x-forwarded-for": ip, connection: "close" };
    return (await fetch(`${url}${path}`, { headers })).status;
  };
  // Nobody is known while there is no snapshot, and unknown ones are refused by the file.
  assert.ok([200, 403].includes(await ask(GOOD)));
  await until(async () => (await ask(GOOD)) === 200, "a snapshot");
  assert.deepEqual([await ask(BAD), await ask(BAD, "health")], [403, 200]);
  write([BAD, GOOD]);
  await until(async () => (await ask(GOOD)) === 403, "a refresh by the schedule");
  server.close();
  const other = join(folder(), "data");
  const elsewhere = new Gate({ ...options, data: other });
  assert.equal(elsewhere.engine.data, other);
  elsewhere.engine.close();
});

test("a cluster refreshes by itself, also when its owner is killed", async () => {
  const { config, write } = configured();
  const app = spawn(process.execPath, [join(__dirname, "member-app.js"), config], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const [line] = await once(app.stdout.setEncoding("utf8"), "data");
    const url = `http://127.0.0.1:${line.trim()}/`;
    // What the primary was about to hand to the killed worker is never answered.
    const ask = (ip) => {
      const headers = { "x-forwarded-for": ip, connection: "close" };
      return fetch(url, { headers, signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    };
    const owners = async () => {
      const found = new Set();
      for (let n = 0; n < 24; n++) {
        const response = await ask(GOOD);
        if (response?.status !== 200) continue;
        const { pid, isOwner } = await response.json();
        if (isOwner) found.add(pid);
      }
      return found;
    };
    const inARow = async (ip, status) => {
      for (let n = 0; n < 40; n++) if ((await ask(ip))?.status !== status) return false;
      return true;
    };
    const follow = async (address, listed) => {
      await until(() => inARow(address, 200), "a snapshot in every worker");
      write(listed);
      await until(() => inARow(address, 403), "the new snapshot in every worker");
    };
    await until(async () => (await owners()).size === 1, "one owner");
    const [first] = await owners();
    assert.notEqual(first, app.pid);
    await follow("93.184.216.77", [BAD, "93.184.216.77"]);

    process.kill(first, "SIGKILL");
    await until(async () => {
      const now = await owners();
      return now.size === 1 && !now.has(first);
    }, "another owner");
    await follow("93.184.216.78", [BAD, "93.184.216.78"]);
  } finally {
    app.stdin.end();
  }
  assert.deepEqual(await once(app, "exit"), [0, null]);
});
