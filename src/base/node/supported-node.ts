/**
 * Refuses an older Node.js when it is loaded. The first import of each entry of the package: modules run in the order
 * of imports. All are linked before, so what Node.js 18 lacks in a built-in module is no named import anywhere:
 * `crypto.hash`, `zlib.crc32`.
 */
import { readFileSync } from 'node:fs'
import { ConfigurationError } from '../errors.ts'
import { isOlder } from './version-order.ts'

const { engines } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  engines: { node: string }
}

requireNode()

/** @throws ConfigurationError when `present`, a version, is older than the package says. */
export function requireNode (present = process.versions.node): void {
  const needed = engines.node.replace('>=', '')
  if (!isOlder(present, needed)) return
  throw new ConfigurationError([
    `Node.js: this is ${present}, and Latchkey needs ${needed} or newer; install one from https://nodejs.org`
  ])
}
