// Drives the official client: one call a line on stdin ({"method": "chamada.ligar", "args": [...]}),
// one line on stdout: {"value": ...}, {"rejected": ...} or {"thrown": "..."}.
"use strict";

const readline = require("node:readline");
const TotalVoice = require("totalvoice-node");

const [baseUrl, token] = process.argv.slice(2);
const client = new TotalVoice(token, baseUrl);

async function carryOut({ method, args }) {
  const [resource, name] = method.split(".");
  try {
    return { value: await client[resource][name](...args) };
  } catch (error) {
    return error instanceof Error ? { thrown: error.message } : { rejected: error };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await carryOut(JSON.parse(line)))}\n`);
  }
})();
