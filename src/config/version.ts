/** The version of this program, and the Node.js that it needs. */
import { readFileSync } from 'node:fs'
import { ConfigurationError } from '../base/errors.ts'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
  engines: { node: string }
}

/** The version of this program. */
export const { version } = manifest

/** An older Node.js crashes without a message when it loads the SQLite driver. @throws ConfigurationError. */
export function requireNode (present = process.versions.node): void {
  const needed = manifest.engines.node.replace('>=', '')
  if (parseInt(present) >= parseInt(needed)) return
  throw new ConfigurationError([`Node.js: this is ${present}, and Latchkey needs ${needed} or newer`])
}
