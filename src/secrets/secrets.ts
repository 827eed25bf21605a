/**
 * The one place that makes, digests and compares secrets. A secret leaves this module as a return value of the function
 * that made it, once; what is stored is its digest. All of them are random with at least 160 bits, so a fast digest is
 * the right one: nobody can try their way through 2^160 of anything.
 */
import { createCipheriv, createDecipheriv, createHmac, hash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { isBase64url } from '../base/plain-text.ts'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const keyBodyLength = 27 // 27 × log2(62) = 160.7 bits
const keyCheckLength = 6 // 62^6 > 2^32

/** SHA-256 of a secret's text, base64url. What the store holds, and what look-ups go by. */
export function digestOf (secret: string): string {
  return hash('sha256', secret, 'base64url')
}

/**
 * A SHA-256 as `digestOf` spells it, from base64url or hex. Null: the text is neither, or base64url that no encoder
 * writes.
 */
export function readDigest (text: string): string | null {
  if (text.length === 43) return isBase64url(text) ? text : null
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex').toString('base64url') : null
}

/** Whether two digests are the same, in time that does not depend on where they differ. */
export function sameDigest (one: string, other: string): boolean {
  const a = Buffer.from(one)
  const b = Buffer.from(other)
  return a.length === b.length && timingSafeEqual(a, b)
}

/** `length` characters of base62, each drawn evenly. */
export function randomBase62 (length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 = 4 × 62: bytes above would make the first characters likelier.
      if (byte < 248 && text.length < length) text += base62[byte % 62]
    }
  }
  return text
}

/** An identifier that is never given out twice: `<kind>_` and 130 random bits. Not a secret. */
export function newId (kind: string): string {
  return `${kind}_${randomBase62(22)}`
}

/** A 256-bit secret in the base64url alphabet, because real SDKs send Basic credentials without form encoding them. */
export function newSecret (): string {
  return randomBytes(32).toString('base64url')
}

/** A 256-bit secret that says what it is: `<label>_…`. */
export function newLabelledSecret (label: string): string {
  return `${label}_${newSecret()}`
}

/** What people may see of a secret to tell it from another: its last four characters. */
export function hintOf (secret: string): string {
  return `…${secret.slice(-4)}`
}

function checkOf (text: string): string {
  let rest = crc32(text)
  let check = ''
  for (let i = 0; i < keyCheckLength; i++) {
    check = base62.charAt(rest % 62) + check
    rest = Math.floor(rest / 62)
  }
  return check
}

/** Whether a text ends with the check of what stands before: `checkOf`, read instead of written. */
function hasRightCheck (text: string): boolean {
  const end = text.length - keyCheckLength
  let check = 0
  for (let i = end; i < text.length; i++) check = check * 62 + base62ValueOf(text.charCodeAt(i))
  return check === crc32(text.slice(0, end))
}

/** The value of a digit of base62, by its character code. */
function base62ValueOf (code: number): number {
  if (code <= 57) return code - 48
  return code <= 90 ? code - 55 : code - 61
}

export type Environment = 'live' | 'test'

/** The public parts of an API key's text. */
export interface ApiKeyText {
  prefix: string
  environment: Environment
}

/** A new API key: `<prefix>_<live|test>_<body><check>`. `prefix` is lower-case letters and digits. */
export function newApiKeyText (prefix: string, environment: Environment): string {
  const stem = `${prefix}_${environment}_${randomBase62(keyBodyLength)}`
  return stem + checkOf(stem)
}

/** A new publishable key: `<prefix>_pub_<live|test>_…`. Never taken for an API key, and no secret. */
export function newPublishableText (prefix: string, environment: Environment): string {
  return `${prefix}_pub_${environment}_${randomBase62(22)}`
}

const managementTokenLabel = 'lkmat'

/** A new access token of the management API: `lkmat_<body><check>`, as random and as checkable as an API key. */
export function newManagementTokenText (): string {
  const stem = `${managementTokenLabel}_${randomBase62(keyBodyLength)}`
  return stem + checkOf(stem)
}

/** Whether a text has the form of an access token of the management API, and its check is right. Needs no look-up. */
export function isManagementTokenText (text: string): boolean {
  return /^lkmat_[0-9A-Za-z]{33}$/.test(text) && hasRightCheck(text)
}

/** Whether a text was meant to be one, however damaged. */
export function resemblesManagementToken (text: string): boolean {
  return text.startsWith(`${managementTokenLabel}_`)
}

/** A new secret for the path of a webhook: `whk_` and 256 random bits. */
export function newWebhookToken (): string {
  return newLabelledSecret('whk')
}

/** Whether a text has the form of a webhook's secret. */
export function isWebhookToken (text: string): boolean {
  return /^whk_[A-Za-z0-9_-]{43}$/.test(text)
}

/**
 * Whether a text has the form of a secret that is no token of a client: an API key, an access token of the management
 * API, the secret of a webhook or of a registration, the admin token.
 */
export function isLastingSecretText (text: string): boolean {
  return isApiKeyText(text) || isManagementTokenText(text) || isWebhookToken(text) ||
    /^lk[a-z]{3}_[A-Za-z0-9_-]{43}$/.test(text)
}

/** A path whose segments that look like a webhook's secret, however they are encoded, are taken out. */
export function withoutWebhookToken (path: string): string {
  if (!/whk_/i.test(decoded(path))) return path
  return path.split('/').map(segment => /whk_/i.test(decoded(segment)) ? 'whk_…' : segment).join('/')
}

function decoded (segment: string): string {
  return segment.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}

/** What people may see of an API key: prefix, environment and the last four characters. */
export function apiKeyHint (text: string): string {
  return `${text.slice(0, text.lastIndexOf('_') + 1)}…${text.slice(-4)}`
}

const apiKeyPattern = /^([a-z][a-z0-9]{0,15})_(live|test)_[0-9A-Za-z]{33}$/

/** Reads an API key's text without a look-up. Null: it has not the form of a key, or its check is wrong. */
export function readApiKeyText (text: string): ApiKeyText | null {
  const match = apiKeyPattern.exec(text)
  return match === null || !hasRightCheck(text) ? null : { prefix: match[1]!, environment: match[2] as Environment }
}

/**
 * Whether a text has the form of an API key, and its check is right: `readApiKeyText` for whoever asks at every
 * request.
 */
export function isApiKeyText (text: string): boolean {
  return apiKeyPattern.test(text) && hasRightCheck(text)
}

/** Whether a text was meant to be an API key of this server, however damaged. For explanations, never for decisions. */
export function resemblesApiKey (text: string): boolean {
  return /^[a-z][a-z0-9]{0,15}_(live|test)_/.test(text)
}

// Strangers choose the texts that these go through. None looks at a character more than a fixed number of times: a key
// is found by its middle, and what may be the first part of a JWT is passed over as a whole, also where no second part
// follows.
const apiKeyForm = /(?<=[a-z][a-z0-9]{0,15})(_(?:live|test)_)[0-9A-Za-z]+/g
const labelledForm = /(lk[a-z]{3}_|whk_)[\w-]{8,}/g
const jwtForm = /(eyJ)[\w-]+(\.[\w.-]+)?/g

/**
 * A text with everything in it that looks like a secret of ours cut short: API keys, labelled secrets, those of
 * webhooks, JWTs. Each keeps what tells people its kind. For logs, and for errors that quote what was sent.
 */
export function withoutSecrets (text: string): string {
  return text.replace(apiKeyForm, '$1…').replace(labelledForm, '$1…')
    .replace(jwtForm, (whole, start: string, rest: string | undefined) => rest === undefined ? whole : `${start}…`)
}

/** As long as no id of ours is, and as mixed as no word: the secrets that carry no label, ours and other systems'. */
const randomRun = /(?<![\w-])(?=[\w-]*[A-Z0-9])(?=[\w-]*[a-z])[\w-]{33,}/g

/**
 * As `withoutSecrets`, with what could be anybody's secret cut short too: for errors that quote what was sent where a
 * name belongs.
 */
export function withoutAnySecrets (text: string): string {
  return withoutSecrets(text).replace(randomRun, run => `${run.slice(0, 4)}…`)
}

/** What a sealed text is for: keys derived for one purpose open nothing of another. */
export const signingKeySealing = 'signing-key sealing v1'

function derivedKey (master: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', master, 'latchkey', purpose, 32))
}

/**
 * Encrypts with AES-256-GCM under a key derived from `master` for `purpose`; `label` is bound to the result and needed
 * to open it.
 */
export function seal (plaintext: string, master: string, label: string, purpose = signingKeySealing): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', derivedKey(master, purpose), iv).setAAD(Buffer.from(label))
  const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return ['v1', iv.toString('base64url'), cipher.getAuthTag().toString('base64url'), body.toString('base64url')].join(
    '.'
  )
}

/** Opens what `seal` made under any of `masters`. Null: none of them fits, or text, label or purpose were altered. */
export function unseal (
  sealed: string, masters: readonly string[], label: string, purpose = signingKeySealing
): string | null {
  const [version, iv, tag, body] = sealed.split('.')
  if (version !== 'v1' || iv === undefined || tag === undefined || body === undefined) return null
  for (const master of masters) {
    try {
      const decipher = createDecipheriv('aes-256-gcm', derivedKey(master, purpose), Buffer.from(iv, 'base64url'), {
        authTagLength: 16
      })
      decipher.setAAD(Buffer.from(label)).setAuthTag(Buffer.from(tag, 'base64url'))
      return decipher.update(Buffer.from(body, 'base64url'), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      // Not sealed under this one: the next may fit.
    }
  }
  return null
}

/**
 * A text with a mark behind it which says that this deployment made it, for `purpose`. Everybody may read it; who
 * changes it breaks the mark. `text` has no full stop.
 */
export function withMark (text: string, master: string, purpose: string): string {
  return `${text}.${markOf(text, master, purpose)}`
}

/** The text in front of a mark that was made under any of `masters` for `purpose`. Null: it was not. */
export function readMarked (marked: string, masters: readonly string[], purpose: string): string | null {
  const [text, mark, ...rest] = marked.split('.')
  if (text === undefined || mark === undefined || rest.length > 0) return null
  return masters.some(master => sameDigest(markOf(text, master, purpose), mark)) ? text : null
}

function markOf (text: string, master: string, purpose: string): string {
  // 128 bits: it is checked, never looked up.
  return createHmac('sha256', derivedKey(master, 'marks v1')).update(`${purpose}\n${text}`).digest().subarray(0, 16)
    .toString('base64url')
}

/** A key to authenticate rows with; `id` names it without telling anything of it. */
export interface MacKey { readonly id: string, readonly key: Buffer }

/**
 * The keys for the audit log, derived from each of `masters`, in their order: the first authenticates, all of them
 * verify.
 */
export function auditKeys (masters: readonly string[]): readonly MacKey[] {
  return masters.map(master => ({
    id: Buffer.from(hkdfSync('sha256', master, 'latchkey', 'audit chain key id v1', 6)).toString('base64url'),
    key: Buffer.from(hkdfSync('sha256', master, 'latchkey', 'audit chain v1', 32)),
  }))
}

/** What a process proves by that it has `key`, to one that sent it `challenge`: HMAC-SHA256, base64url. */
export function proofOf (key: string, challenge: string): string {
  return createHmac('sha256', key).update(`server proof v1 ${challenge}`).digest('base64url')
}

/** HMAC-SHA256, base64url. */
export function macOf (text: string, { key }: MacKey): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}
