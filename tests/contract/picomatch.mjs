// Makes picomatch.json: what picomatch says of patterns of our dialect and paths that meet them.
//
//   npm install picomatch@4 && node picomatch.mjs > picomatch.json
//
// Patterns are put together from pieces by a generator with a fixed seed, so that the table can be made again.
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const picomatch = require("picomatch");
const { version } = require("picomatch/package.json");

const OPTIONS = { dot: true, nocase: true };

let state = 20241124;
function random(below) {
  // xorshift32: small, and the same everywhere.
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const pick = (list) => list[random(list.length)];

const WORDS = ["raw", "Raw", "trip", "@eaDir", "#recycle", ".hidden", "._a", "a", "b", "été", "IMG 1", "x+y", "a,b", "$1", "(2)", "a.b"];
const ENDINGS = ["jpg", "JPG", "tif", "cr2"];
const escaped = (word) => word.replace(/[*?[\]{}()!\\+@|^$,]/g, "\\$&");

function segment() {
  switch (random(12)) {
    case 0: return "*";
    case 1: return "?";
    case 2: return `${escaped(pick(WORDS))}*`;
    case 3: return `*${escaped(pick(WORDS))}`;
    case 4: return `{${escaped(pick(WORDS))},${escaped(pick(WORDS))}}`;
    case 5: return `[${pick(["ab", "a-c", "^a", "0-9", "^0-9", "r"])}]${pick(["", "*", "aw"])}`;
    case 6: return `?${escaped(pick(WORDS))}`;
    case 7: return `{${escaped(pick(WORDS))},{${escaped(pick(WORDS))},b}c}`;
    case 8: return `*.${pick(ENDINGS)}`;
    case 9: return `*.{${pick(ENDINGS)},${pick(ENDINGS)}}`;
    default: return escaped(pick(WORDS));
  }
}

function pattern() {
  const parts = [];
  const count = 1 + random(3);
  for (let number = 0; number < count; number += 1) {
    parts.push(random(5) === 0 ? "**" : segment());
  }
  const head = random(2) ? "**/" : `/${escaped(pick(WORDS))}/`;
  // Where we differ, on purpose: a first segment "*" is a segment, and not the nothing before the leading slash.
  if (head === "**/" && count > 1) {
    while (["*", "**"].includes(parts[0])) parts[0] = segment();
  }
  return head + parts.join("/") + (random(3) === 0 ? "/**" : "");
}

function path() {
  const parts = [];
  const count = 1 + random(4);
  for (let number = 0; number < count; number += 1) parts.push(pick(WORDS));
  parts.push(random(3) ? `${pick(WORDS)}.${pick(ENDINGS)}` : pick(WORDS));
  return `/${parts.join("/")}`;
}

// Where we differ, on purpose: what ends in /** is about what lies *below* a directory, and not about a file that has
// the directory's name.
function isBelow(one, candidate) {
  const stripped = one.replace(/(\/\*\*)+$/, "");
  if (stripped === one || stripped === "**") return true;
  const named = picomatch(stripped, OPTIONS);
  const segments = candidate.split("/");
  for (let end = 2; end < segments.length; end += 1) {
    if (named(segments.slice(0, end).join("/"))) return true;
  }
  return false;
}

const distinct = (make, count) => {
  const found = new Set();
  while (found.size < count) found.add(make());
  return [...found];
};

const DEFAULTS = ["**/@eaDir/**", "**/._*", "**/#recycle/**", "**/#snapshot/**", "**/.stversions/**", "**/.stfolder/**",
  "**/*.{tif,jpg}", "**/*.tif", "**/hidden.jpg", "**/Raw/**"];
const paths = distinct(path, 240);
const table = distinct(pattern, 600).concat(DEFAULTS).map((one) => {
  const matches = picomatch(one, OPTIONS);
  const hits = [];
  paths.forEach((candidate, index) => { if (matches(candidate) && isBelow(one, candidate)) hits.push(index); });
  return [one, hits];
});
process.stdout.write(
  `{"picomatch":"${version}","options":{"dot":true,"nocase":true},\n"paths":${JSON.stringify(paths)},\n"table":[\n` +
  table.map((row) => JSON.stringify(row)).join(",\n") + "\n]}\n",
);
