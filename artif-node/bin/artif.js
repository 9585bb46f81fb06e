#!/usr/bin/env node
"use strict";

const { cli } = require("../dist/native.js");

process.exitCode = cli(["artif", ...process.argv.slice(2)]);
