/** The file of a client's public keys. */
import { readFileSync } from 'node:fs'
import { CommandError } from '../failure.ts'

/** Reads a JWK set, and refuses private keys: none may leave this machine. */
export function readPublicKeys (file: string): unknown {
  const set = readJson(file) as { keys?: unknown } | null
  if (!Array.isArray(set?.keys) || set.keys.length === 0) {
    throw new CommandError(`${file} is not a JWK set: it must have the form {"keys": [{"kty": …}]} (RFC 7517 §5).`)
  }
  if (set.keys.some(key => ['d', 'k', 'p', 'q'].some(member => Object.hasOwn(Object(key), member)))) {
    throw new CommandError(`${file} contains a private key: send public keys only. Nothing was sent.`)
  }
  return set
}

function readJson (file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError(`${file} is not JSON.`)
  }
}
