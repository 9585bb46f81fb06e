// Compiles the examples in the documentation: `node scripts/examples.mjs`.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
// Within the package, so that its name and its tools are found.
const folder = join(here, "test", ".examples");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);

let found = 0;
for (const name of readdirSync(join(here, "lib"))) {
  const source = readFileSync(join(here, "lib", name), "utf8");
  for (const [, block] of source.matchAll(/ \* ```ts\n(.*?)\n *\* ```/gs)) {
    const code = block.replace(/^ *\* ?/gm, "");
    found += 1;
    writeFileSync(join(folder, `${name.replace(".ts", "")}-${found}.mts`), `${code}\n`);
  }
}
const config = {
  extends: "../../tsconfig.json",
  compilerOptions: {
    rootDir: ".",
    skipLibCheck: true,
    // Koa's state is anything.
    noPropertyAccessFromIndexSignature: false,
  },
  include: ["*.mts"],
};
writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
const tsc = join(here, "node_modules", "typescript", "bin", "tsc");
const done = spawnSync(process.execPath, [tsc, "-p", folder], { stdio: "inherit" });
rmSync(folder, { recursive: true });
console.log(`${found} examples`);
process.exit(found < 12 ? 1 : (done.status ?? 1));
