// Input, questions, time.

import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Engine } from "artif";

const samples = fileURLToPath(new URL("../../artif-core/samples", import.meta.url));

/** A generator of pseudo-random 32-bit numbers, the same in every run. */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

export const text = (v4) => `${v4 >>> 24}.${(v4 >>> 16) & 255}.${(v4 >>> 8) & 255}.${v4 & 255}`;
export const number = (ip) => ip.split(".").reduce((v4, part) => v4 * 256 + Number(part), 0);

const corpus = process.env.ARTIF_CORPUS ?? "";
const real = existsSync(join(corpus, "feeds.json"));

/** Real feeds where there are, else made-up ones in this folder. */
export function settings(folder) {
  console.log(real ? "input: the corpus, real feeds and databases" : "input: 20 made-up feeds");
  return real
    ? {
        catalogue: [join(corpus, "feeds.json")],
        geo: {
          asn: join(corpus, "mmdb/GeoLite2-ASN.mmdb"),
          country: join(corpus, "mmdb/GeoLite2-Country.mmdb"),
        },
      }
    : {
        catalogue: [],
        feed: madeUp(folder),
        geo: {
          asn: join(samples, "sample-asn.mmdb"),
          country: join(samples, "sample-country.mmdb"),
        },
      };
}

/** Feeds as lists of IPv4 networks, and a data folder with the same in it. */
export async function input() {
  const folder = mkdtempSync(join(tmpdir(), "artif-bench-"));
  const given = settings(folder);
  const data = join(folder, "data");
  const engine = new Engine({ data, ...given });
  const report = await engine.refresh();
  const loaded = report.feeds.filter((feed) => feed.outcome === "loaded").length;
  const { counts } = report.snapshot;
  console.log(`${loaded} feeds, ${JSON.stringify(counts)}, ${report.timings.total} ms`);
  engine.close();
  const files = real
    ? readdirLists()
    : given.feed.map(({ id, url }) => [id, url.slice("file:".length)]);
  const lists = files.map(([id, file]) => [id, networks(readFileSync(file, "latin1"))]);
  return { data, lists, geo: given.geo, settings: given };
}

function readdirLists() {
  const catalogue = JSON.parse(readFileSync(join(corpus, "feeds.json"), "utf8"));
  const feeds = Array.isArray(catalogue) ? catalogue : catalogue.feeds;
  return feeds
    .map(({ name, path }) => [name, join(corpus, path)])
    .filter(([, file]) => existsSync(file));
}

/** As one would read a list by hand. */
function networks(content) {
  const found = [];
  for (const line of content.split("\n")) {
    const match = /^[\s"]*(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?:\/(\d{1,2}))?(?![\d.])/.exec(line);
    if (match) found.push([match[1], Number(match[2] ?? 32)]);
  }
  return found;
}

function madeUp(folder) {
  const next = numbers(1);
  return Array.from({ length: 20 }, (_, n) => {
    const file = join(folder, `list-${n}.txt`);
    const lines = Array.from({ length: 10_000 }, () => {
      const v4 = 0x0b000000 + (next() % 0x50000000);
      return next() % 10 === 0 ? `${text(v4 & ~255)}/24` : text(v4);
    });
    writeFileSync(file, lines.join("\n"));
    return { id: `list-${n}`, url: `file:${file}` };
  });
}

/** So many questions: anywhere, only what is listed, and as visitors come. */
export function questions(lists, count) {
  const next = numbers(7);
  const listed = lists.flatMap(([, entries]) => entries.map(([ip]) => text(number(ip))));
  const uniform = Array.from({ length: count }, () => text(0x01000000 + (next() % 0xdf000000)));
  const hits = Array.from({ length: count }, () => listed[next() % listed.length]);
  // A few visitors come often: Zipf over 20,000, of whom 2 % are listed.
  const visitors = Array.from({ length: 20_000 }, (_, n) =>
    n % 50 === 49 ? hits[n % count] : uniform[n % count],
  );
  const web = Array.from({ length: count }, () => {
    const rank = Math.floor(visitors.length ** (next() / 2 ** 32));
    return visitors[Math.min(rank, visitors.length) - 1];
  });
  return { uniform, hits, web };
}

/** Nanoseconds of CPU time that `ask` takes for each of `list`, contestants taking turns. */
export function compare(contestants, list, rounds = 7) {
  const times = new Map(contestants.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, ask, limit = list.length] of contestants) {
      const before = process.cpuUsage();
      ask(limit < list.length ? list.slice(0, limit) : list);
      const { user, system } = process.cpuUsage(before);
      // The first round warms up.
      if (round > 0) times.get(name).push(((user + system) * 1000) / Math.min(limit, list.length));
    }
  }
  const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
  return new Map([...times].map(([name, all]) => [name, median(all)]));
}
