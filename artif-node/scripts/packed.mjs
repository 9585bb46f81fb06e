// Packs the package, installs it in a folder of its own with the frameworks that it is tested with,
// and runs tests and examples from there: `node scripts/packed.mjs [FOLDER]`.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const repository = dirname(here);
const folder = resolve(process.argv[2] ?? join(repository, "target", "packed"));
const { devDependencies } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const frameworks = Object.entries(devDependencies)
  .filter(([name]) => !/^@types\/|^@napi-rs\/|^@biomejs\/|^typescript$/.test(name))
  .map(([name, version]) => `${name}@${version}`);

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const [{ filename }] = JSON.parse(
  run("npm", ["pack", "--json", "--pack-destination", folder], here),
);
writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel", "error"];
run("npm", ["install", ...quiet, join(folder, filename), ...frameworks], folder);
cpSync(join(here, "test"), join(folder, "test"), { recursive: true });
for (const part of ["examples", join("artif-core", "samples")]) {
  cpSync(join(repository, part), join(folder, part), {
    recursive: true,
    filter: (from) => !from.includes("node_modules"),
  });
}
const tests = readdirSync(join(folder, "test")).filter((name) => /\.test\.m?js$/.test(name));
const files = tests.map((name) => join("test", name));
run(process.execPath, ["--test", "--test-timeout=120000", ...files], folder, "inherit");

function run(command, args, cwd, stdout = "pipe") {
  const done = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ARTIF_REPOSITORY: repository },
    stdio: ["ignore", stdout, "inherit"],
    shell: process.platform === "win32",
  });
  if (done.error) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
  return done.stdout;
}
