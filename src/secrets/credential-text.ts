/** The text of credentials: how it is made, and how it is recognized without a look-up. */
import zlib from 'node:zlib'
import { base62, newLabelledSecret, randomBase62 } from './random.ts'

const keyBodyLength = 27 // 27 × log2(62) = 160.7 bits
const keyCheckLength = 6 // 62^6 > 2^32

export type Environment = 'live' | 'test'

/** A new API key: `<prefix>_<live|test>_<body><check>`. `prefix` is lower-case letters and digits. */
export function newApiKeyText (prefix: string, environment: Environment): string {
  const stem = `${prefix}_${environment}_${randomBase62(keyBodyLength)}`
  return stem + checkOf(stem)
}

const apiKeyPattern = /^([a-z][a-z0-9]{0,15})_(live|test)_[0-9A-Za-z]{33}$/

/** Whether a text has the form of an API key with a right check. Allocates nothing: it runs for every request. */
export function isApiKeyText (text: string): boolean {
  return apiKeyPattern.test(text) && hasRightCheck(text)
}

/** Whether a text looks like an API key of this server, even if damaged. For explanations, never for decisions. */
export function resemblesApiKey (text: string): boolean {
  return /^[a-z][a-z0-9]{0,15}_(live|test)_/.test(text)
}

/** The part of an API key that may be shown: prefix, environment and the last four characters. */
export function apiKeyHint (text: string): string {
  return `${text.slice(0, text.lastIndexOf('_') + 1)}…${text.slice(-4)}`
}

/** A new publishable key: `<prefix>_pub_<live|test>_…`. Not a secret, and never taken for an API key. */
export function newPublishableText (prefix: string, environment: Environment): string {
  return `${prefix}_pub_${environment}_${randomBase62(22)}`
}

/** Whether a text has the form of a publishable key. */
export function isPublishableText (text: string): boolean {
  return /^[a-z][a-z0-9]{0,15}_pub_(live|test)_[0-9A-Za-z]{22}$/.test(text)
}

const managementTokenLabel = 'lkmat'

/** A new access token of the management API: `lkmat_<body><check>`, with body and check of an API key. */
export function newManagementTokenText (): string {
  const stem = `${managementTokenLabel}_${randomBase62(keyBodyLength)}`
  return stem + checkOf(stem)
}

/** Whether a text has the form of an access token of the management API with a right check. */
export function isManagementTokenText (text: string): boolean {
  return /^lkmat_[0-9A-Za-z]{33}$/.test(text) && hasRightCheck(text)
}

/** Whether a text looks like an access token of the management API, even if damaged. */
export function resemblesManagementToken (text: string): boolean {
  return text.startsWith(`${managementTokenLabel}_`)
}

/** A new text for the cookie of a person's session: `lkpse_` and 256 random bits. */
export function newPersonSessionText (): string {
  return newLabelledSecret('lkpse')
}

/** Whether a text has the form of the cookie of a person's session. */
export function isPersonSessionText (text: string): boolean {
  return /^lkpse_[A-Za-z0-9_-]{43}$/.test(text)
}

/** A new secret for the fragment of a sign-in link: `lksil_` and 256 random bits. */
export function newSignInLinkText (): string {
  return newLabelledSecret('lksil')
}

/** Whether a text has the form of the secret of a sign-in link. */
export function isSignInLinkText (text: string): boolean {
  return /^lksil_[A-Za-z0-9_-]{43}$/.test(text)
}

/** The secret in the fragment of a URL of a sign-in link; null: the text is none. */
export function signInLinkSecretIn (text: string): string | null {
  return /^https?:\/\/[^#\s]{1,2000}#(lksil_[A-Za-z0-9_-]{43})$/.exec(text)?.[1] ?? null
}

/** A new secret with which clients register themselves: `lkrgt_` and 256 random bits. */
export function newRegistrationTokenText (): string {
  return newLabelledSecret('lkrgt')
}

/** Whether a text has the form of a secret with which clients register themselves. */
export function isRegistrationTokenText (text: string): boolean {
  return /^lkrgt_[A-Za-z0-9_-]{43}$/.test(text)
}

/** A new secret for the configuration endpoint of a client (RFC 7592 §3): `lkrat_` and 256 random bits. */
export function newRegistrationAccessText (): string {
  return newLabelledSecret('lkrat')
}

/** Whether a text has the form of a secret for the configuration endpoint of a client. */
export function isRegistrationAccessText (text: string): boolean {
  return /^lkrat_[A-Za-z0-9_-]{43}$/.test(text)
}

/** A new admin token: `lkadm_` and 256 random bits. */
export function newAdminTokenText (): string {
  return newLabelledSecret('lkadm')
}

/** Whether a text looks like an admin token that a server made. An operator may set another text. */
export function resemblesAdminToken (text: string): boolean {
  return text.startsWith('lkadm_')
}

/** Whether a text has the form of a secret without a label: of a client, of a code, of a refresh token. */
export function isUnlabelledSecret (text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text)
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
 * Whether a text has the form of a secret that is not a client's token: an API key, an access token of the management
 * API, the secret of a webhook or of a registration, the admin token.
 */
export function isLastingSecretText (text: string): boolean {
  return isApiKeyText(text) || isManagementTokenText(text) || isWebhookToken(text) ||
    /^lk[a-z]{3}_[A-Za-z0-9_-]{43}$/.test(text)
}

/** The part of a secret that may be shown: its last four characters. */
export function hintOf (secret: string): string {
  return `…${secret.slice(-4)}`
}

/** CRC-32 of a text in base62. */
function checkOf (text: string): string {
  let rest = zlib.crc32(text)
  let check = ''
  for (let i = 0; i < keyCheckLength; i++) {
    check = base62.charAt(rest % 62) + check
    rest = Math.floor(rest / 62)
  }
  return check
}

/** Whether a text ends with `checkOf` the text before. Reads the check instead of making another one. */
function hasRightCheck (text: string): boolean {
  const end = text.length - keyCheckLength
  let check = 0
  for (let i = end; i < text.length; i++) check = check * 62 + base62ValueOf(text.charCodeAt(i))
  return check === zlib.crc32(text.slice(0, end))
}

/** The value of a digit of base62, given by its character code. */
function base62ValueOf (code: number): number {
  if (code <= 57) return code - 48
  return code <= 90 ? code - 55 : code - 61
}
