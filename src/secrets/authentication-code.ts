/** Message authentication codes (HMAC-SHA256): marks of texts, audit rows, and the proof of a running server. */
import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { sameDigest } from './digest.ts'
import { derivedKey } from './sealing.ts'

/**
 * Appends a mark that proves that this deployment made the text, for `purpose`. The text stays readable; any change to
 * it breaks the mark. `text` has no full stop.
 */
export function withMark (text: string, master: string, purpose: string): string {
  return `${text}.${markOf(text, master, purpose)}`
}

/** The text before a mark that was made under any of `masters` for `purpose`. Null: the mark is not one of them. */
export function readMarked (marked: string, masters: readonly string[], purpose: string): string | null {
  const [text, mark, ...rest] = marked.split('.')
  if (text === undefined || mark === undefined || rest.length > 0) return null
  return masters.some(master => sameDigest(markOf(text, master, purpose), mark)) ? text : null
}

function markOf (text: string, master: string, purpose: string): string {
  // 128 bits: marks are verified, never looked up.
  return createHmac('sha256', derivedKey(master, 'marks v1')).update(`${purpose}\n${text}`).digest().subarray(0, 16)
    .toString('base64url')
}

/** Marks of this process: each text has one, which tells nothing of the text. For names that leave the process. */
export function newMarks (): (text: string) => string {
  const key = randomBytes(32)
  return text => createHmac('sha256', key).update(text).digest().subarray(0, 16).toString('base64url')
}

/** A key that authenticates rows. `id` names it and reveals nothing about it. */
export interface MacKey { readonly id: string, readonly key: Buffer }

/** The keys of the audit log, one for each of `masters`: the first authenticates new rows, all of them verify. */
export function auditKeys (masters: readonly string[]): readonly MacKey[] {
  return masters.map(master => ({
    id: Buffer.from(hkdfSync('sha256', master, 'latchkey', 'audit chain key id v1', 6)).toString('base64url'),
    key: derivedKey(master, 'audit chain v1'),
  }))
}

/** HMAC-SHA256, base64url. */
export function macOf (text: string, { key }: MacKey): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

/**
 * The refresh token that follows another one: whoever sends the same token twice gets the same successor, and none is
 * stored. A holder of `master` and of one token can compute all that follow it. `master`: the oldest that is still
 * accepted, so that servers agree while LATCHKEY_SECRET is rotated.
 */
export function successorOf (token: string, master: string): string {
  return createHmac('sha256', derivedKey(master, 'successors of refresh tokens v1')).update(token).digest('base64url')
}

/** Proves to the server with `key` that a command has read it on the server's machine: HMAC-SHA256, base64url. */
export function commandProofOf (key: string): string {
  return createHmac('sha256', key).update('command proof v1').digest('base64url')
}

/** Proves to a process that sent `challenge` that this process has `key`: HMAC-SHA256, base64url. */
export function proofOf (key: string, challenge: string): string {
  return createHmac('sha256', key).update(`server proof v1 ${challenge}`).digest('base64url')
}

/** Names a secret in rows that are marked or sealed under it. Reveals nothing of it. */
export function secretId (master: string): string {
  return Buffer.from(hkdfSync('sha256', master, 'latchkey', 'secret id v1', 6)).toString('base64url')
}
