#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one is told so instead of failing on syntax.
import { existsSync } from 'node:fs'

const needed = 24

if (Number(process.versions.node.split('.')[0]) < needed) {
  console.error(`latchkey needs Node.js ${needed} or newer; this is ${process.version}. In a clone, \`npm ci\` brings the right one along: use \`npx latchkey …\` and \`npm start\`.`)
  process.exitCode = 1
} else {
  const sources = new URL('../src/cli/main.ts', import.meta.url)
  await import(existsSync(sources) ? sources.href : new URL('../dist/cli/main.js', import.meta.url).href)
}
