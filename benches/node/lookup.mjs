// Questions by address, artif beside what one would write by hand.
//
// * peer: a Map of addresses, sorted ranges, and `maxmind` for ASN and country, with its cache.
// * net.BlockList, cidr-matcher, ip-range-check: whether it is listed, nothing else, with as many
//   networks as they can hold.
// * Redis, where `redis-server` is installed: one GET, over a Unix socket.
// * artif: score alone; an answer of which three fields are read; columns for all at once.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { BlockList } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Reader } from "artif";
import CidrMatcher from "cidr-matcher";
import ipRangeCheck from "ip-range-check";
import maxmind from "maxmind";
import { createClient } from "redis";
import { compare, input, number, questions } from "./support.mjs";

const require = createRequire(import.meta.url);
const { native } = require("../../artif-node/dist/native.js");

const COUNT = 100_000;
const { data, lists, geo } = await input();
let sink = 0;

const heap = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1e6;
};

function loaded(name, load) {
  const [memory, began] = [heap(), performance.now()];
  const made = load();
  const took = performance.now() - began;
  console.log(`load ${name}: ${took.toFixed(2)} ms, ${(heap() - memory).toFixed(0)} MB more`);
  return [made, took];
}

const [asn, country] = await Promise.all([maxmind.open(geo.asn), maxmind.open(geo.country)]);
const [reader, ours] = loaded("artif", () => new Reader(data));
const [peer, theirs] = loaded("peer (without its databases)", () => byHand(lists));
console.log(`  ${(theirs / ours).toFixed(0)} times\n`);

/** What one would write. */
function byHand(feeds) {
  const single = new Map();
  const ranges = [];
  for (const [id, entries] of feeds) {
    for (const [ip, length] of entries) {
      if (length === 32) {
        const known = single.get(ip);
        if (known) known.push(id);
        else single.set(ip, [id]);
      } else {
        const size = 2 ** (32 - length);
        const first = Math.floor(number(ip) / size) * size;
        ranges.push([first, first + size - 1, id]);
      }
    }
  }
  ranges.sort((a, b) => a[0] - b[0]);
  const firsts = Float64Array.from(ranges, ([first]) => first);
  // The furthest end so far, to know where to stop looking to the left.
  let end = 0;
  const ends = Float64Array.from(ranges, ([, last]) => (end = Math.max(end, last)));
  return (ip) => {
    const v4 = number(ip);
    const known = single.get(ip);
    const found = known ? known.slice() : [];
    let [low, high] = [0, firsts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (firsts[middle] <= v4) low = middle + 1;
      else high = middle;
    }
    for (let at = low - 1; at >= 0 && ends[at] >= v4; at--) {
      if (ranges[at][1] >= v4) found.push(ranges[at][2]);
    }
    const system = asn.get(ip);
    return {
      feeds: found,
      asn: system?.autonomous_system_number ?? null,
      organisation: system?.autonomous_system_organization ?? null,
      country: country.get(ip)?.country?.iso_code ?? null,
    };
  };
}

const each = (ask) => (ips) => {
  for (const ip of ips) sink += ask(ip);
};
const contestants = [
  ["empty call", each((ip) => native.emptyCall(ip))],
  ["gate", each((ip) => reader.gate(ip))],
  [
    "check, 3 fields",
    each((ip) => {
      const answer = reader.check(ip);
      return answer.score + answer.verdict.length + (answer.asn ?? 0);
    }),
  ],
  [
    "check, feeds too",
    each((ip) => {
      const answer = reader.check(ip);
      return answer.score + answer.verdict.length + (answer.asn ?? 0) + answer.feeds.length;
    }),
  ],
  ["checkMany, texts", (ips) => (sink += reader.checkMany(ips).score[0])],
  [
    "peer",
    each((ip) => {
      const answer = peer(ip);
      return answer.feeds.length + (answer.asn ?? 0) + (answer.country?.length ?? 0);
    }),
  ],
];

for (const [name, list] of Object.entries(questions(lists, COUNT))) {
  const times = compare(contestants, list);
  const packed = Uint32Array.from(list, number);
  for (const [kind, time] of compare(
    [
      ["gate, numbers", each((v4) => reader.gate(v4))],
      ["checkMany, numbers", (v4) => (sink += reader.checkMany(v4).score[0])],
    ],
    packed,
  )) {
    times.set(kind, time);
  }
  console.log(`${name}: ns of CPU time a question, and how many times faster than the peer`);
  for (const [kind, time] of times) {
    const ratio = (times.get("peer") / time).toFixed(1);
    console.log(`  ${kind.padEnd(20)} ${time.toFixed(0).padStart(6)}  ${ratio.padStart(6)}`);
  }
  const overEmpty = times.get("gate") / times.get("empty call");
  console.log(`  gate is ${overEmpty.toFixed(2)} times an empty call with a text\n`);
}

await redis();

/** A question to a Redis server on this machine: the least that any service can cost. */
async function redis() {
  const folder = mkdtempSync(join(tmpdir(), "artif-redis-"));
  const socket = join(folder, "socket");
  const options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder];
  const server = spawn("redis-server", options, { stdio: "ignore" });
  const there = await Promise.race([
    once(server, "error").then(() => false),
    once(server, "spawn").then(() => true),
  ]);
  if (!there) return console.log("redis-server is not installed: not compared\n");
  const client = createClient({ socket: { path: socket, reconnectStrategy: 50 } });
  client.on("error", () => {});
  await client.connect();
  const [list] = Object.values(questions(lists, 20_000));
  await Promise.all(list.map((ip) => client.set(ip, "0")));
  const began = performance.now();
  for (const ip of list) sink += (await client.get(ip)).length;
  const waited = ((performance.now() - began) * 1e6) / list.length;
  const times = compare([["gate", each((ip) => reader.gate(ip))]], list);
  const ratio = waited / times.get("gate");
  console.log(
    `Redis GET, one after the other: ${waited.toFixed(0)} ns each, ${ratio.toFixed(0)} gates\n`,
  );
  await client.close();
  server.kill();
}

const everything = lists.flatMap(([, entries]) => entries);
const { uniform } = questions(lists, 2_000);
console.log("subsets: ns of CPU time a question (listed or not; nothing else)");
for (const size of [1_000, 10_000, 100_000]) {
  const part = everything.slice(0, size);
  if (part.length < size) break;
  const blocked = new BlockList();
  for (const [ip, length] of part) blocked.addSubnet(ip, length, "ipv4");
  const cidrs = part.map(([ip, length]) => `${ip}/${length}`);
  const matcher = new CidrMatcher(cidrs);
  const few = Math.max(20, Math.round(2_000_000 / size));
  const times = compare(
    [
      ["artif, all networks", each((ip) => reader.gate(ip))],
      ["net.BlockList", each((ip) => Number(blocked.check(ip, "ipv4"))), few],
      ["cidr-matcher", each((ip) => Number(matcher.contains(ip))), few],
      ["ip-range-check", each((ip) => Number(ipRangeCheck(ip, cidrs))), Math.min(few, 50)],
    ],
    uniform,
    3,
  );
  const shown = [...times].map(([kind, time]) => `${kind} ${time.toFixed(0)}`);
  console.log(`  ${size} networks: ${shown.join(", ")}`);
}
if (Number.isNaN(sink)) console.log("");
