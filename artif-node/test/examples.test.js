"use strict";

// The examples, and what the READMEs say to paste, run from the installed package.

const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const { REPOSITORY } = require("./support.js");

/** `scripts/packed.mjs` puts the examples where the installed package is found from. */
const INSTALLED = join(__dirname, "..");
const EXAMPLES = join(INSTALLED, "examples");
const skip = existsSync(EXAMPLES) ? false : "for scripts/packed.mjs";

function run(file, cwd = INSTALLED) {
  const done = spawnSync(process.execPath, [file], { cwd, encoding: "utf8", timeout: 60_000 });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

for (const framework of ["cluster", "express", "fastify"]) {
  test(`the example of ${framework} runs`, { skip }, () => {
    const lines = run(join(EXAMPLES, framework, "app.mjs"));
    assert.match(lines, /^200 .*22\.201\.0\.1/m);
    assert.match(lines, /^403 Forbidden\nReference: [0-9a-z]{13}$/m);
  });
}

/** The code of one language below a heading. */
function pasted(readme, heading) {
  const text = readFileSync(join(REPOSITORY, readme), "utf8");
  const from = text.slice(text.indexOf(`\n${heading}\n`) + heading.length + 2);
  const section = from.slice(0, from.search(/^#/m));
  return [...section.matchAll(/^```(js|cjs)\n(.*?)^```/gms)].map(([, kind, code]) => [kind, code]);
}

test("the README's start works when pasted, as a module and in CommonJS", { skip }, () => {
  const blocks = pasted("README.md", "### Node.js");
  assert.deepEqual(
    blocks.map(([kind]) => kind),
    ["js", "cjs"],
  );
  for (const [kind, code] of blocks) {
    const folder = join(INSTALLED, `pasted-${kind}`);
    mkdirSync(folder);
    symlinkSync(join(REPOSITORY, "artif-core"), join(folder, "artif-core"));
    const file = join(folder, kind === "js" ? "start.mjs" : "start.cjs");
    writeFileSync(file, code);
    assert.match(
      run(file, folder),
      /^dangerous 0\.00\d+ \[.*\n22\.66\.6\.66 {2}score 0\.0 of 100/s,
    );
  }
});
