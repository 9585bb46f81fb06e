// Builds the addon for this machine, its loader and its types: `node scripts/build.mjs`, with
// `--release` as it is to be used, with `--after-tests` of what `cargo test --workspace
// --all-features` compiled.
//
// `napi build` does the same for any machine, but always into a target folder of its own, where
// everything below the addon is compiled once more.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateTypeDef, parseTriple, writeJsBinding } from "@napi-rs/cli";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const workspace = dirname(here);
const release = process.argv.includes("--release");
// Tests want more features of some libraries; asking for less would compile the engine again.
const selection = process.argv.includes("--after-tests")
  ? ["--workspace", "--all-features", "--lib", "--bins", "--tests", "--examples"]
  : ["-p", "artif-node"];
const { name, version, napi } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));

/** What napi-derive says of each exported item, gathered while it is compiled. */
const typeDefDir = join(workspace, "target", "napi-types");
rmSync(typeDefDir, { recursive: true, force: true });
mkdirSync(typeDefDir, { recursive: true });

// Nobody debugs a release from here, and symbols are four fifths of it.
const build = release
  ? ["rustc", "--locked", "-p", "artif-node", "--lib", "--release", "--", "-C", "strip=symbols"]
  : ["build", "--locked", ...selection];
run("cargo", build, {
  NAPI_TYPE_DEF_TMP_FOLDER: typeDefDir,
  // Cached compilation would say nothing of its types.
  NAPI_FORCE_BUILD_ARTIF_NODE: String(Date.now()),
});

const host = run("rustc", ["-vV"], {}, "pipe").match(/^host: (.+)$/m)[1];
const library =
  { win32: "artif_node.dll", darwin: "libartif_node.dylib" }[process.platform] ??
  "libartif_node.so";
const built = join(workspace, "target", release ? "release" : "debug", library);
const binary = `${napi.binaryName}.${parseTriple(host).platformArchABI}.node`;
copyFileSync(built, join(here, binary));

const { exports: idents, dts } = await generateTypeDef({
  typeDefDir,
  cwd: here,
  configDtsHeader: napi.dtsHeader,
});
writeFileSync(join(here, "native.d.ts"), dts);
await writeJsBinding({
  platform: true,
  idents,
  jsBinding: "native.js",
  binaryName: napi.binaryName,
  packageName: name,
  version,
  outputDir: here,
});
console.log(`${binary}, ${idents.length} exports`);

function run(command, args, env, stdout = "inherit") {
  const done = spawnSync(command, args, {
    cwd: workspace,
    env: { ...process.env, ...env },
    stdio: ["ignore", stdout, "inherit"],
    encoding: "utf8",
  });
  if (done.error) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
  return done.stdout;
}
