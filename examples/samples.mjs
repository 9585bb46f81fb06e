// Makes a data folder from the sample feeds, so that the examples run offline.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Engine } from "artif";

const samples = fileURLToPath(new URL("../artif-core/samples", import.meta.url));

/** Listed by four of the sample feeds. */
export const BAD = "22.66.6.66";
export const GOOD = "22.201.0.1";

/** What an `artif.toml` would say. */
export const settings = {
  catalogue: [join(samples, "catalogue.toml")],
  geo: { asn: join(samples, "sample-asn.mmdb"), country: join(samples, "sample-country.mmdb") },
};

/** Refreshes a folder of its own; in production `artif refresh` does this, by cron or a timer. */
export async function dataFolder() {
  const data = await mkdtemp(join(tmpdir(), "artif-example-"));
  const engine = new Engine({ data, ...settings });
  await engine.refresh();
  engine.close();
  return data;
}

/** Asks a server as two clients would through a proxy. */
export async function askAsTwo(url) {
  for (const client of [GOOD, BAD]) {
    const answer = await fetch(url, { headers: { "x-forwarded-for": client } });
    console.log(answer.status, (await answer.text()).trim());
  }
}
