/**
 * Removes secrets from texts, for logs and for errors that quote a request. The texts are untrusted: no expression
 * looks at a character more than a fixed number of times.
 */

/** Finds an API key by its middle: a match from its start would try every start. */
const apiKeyForm = /(?<=[a-z][a-z0-9]{0,15})(_(?:live|test)_)[0-9A-Za-z]+/g
const labelledForm = /(lk[a-z]{3}_|whk_)[\w-]{8,}/g
/** Consumes the first part of a JWT even if no second part follows. */
const jwtForm = /(eyJ)[\w-]+(\.[\w.-]+)?/g

/**
 * Truncates everything that looks like a secret of Latchkey: API keys, labelled secrets, secrets of webhooks, JWTs. The
 * rest of each shows its kind.
 */
export function withoutSecrets (text: string): string {
  return text.replace(apiKeyForm, '$1…').replace(labelledForm, '$1…')
    .replace(jwtForm, (whole, start: string, rest: string | undefined) => rest === undefined ? whole : `${start}…`)
}

/** A secret without a label, also of another system: longer than our ids, with letters of both cases or digits. */
const randomRun = /(?<![\w-])(?=[\w-]*[A-Z0-9])(?=[\w-]*[a-z])[\w-]{33,}/g

/** As `withoutSecrets`, and truncates what may be a secret of another system: for errors that quote a name. */
export function withoutAnySecrets (text: string): string {
  return withoutSecrets(text).replace(randomRun, run => `${run.slice(0, 4)}…`)
}

/** Removes the segments of a path that look like a webhook's secret, in any encoding. */
export function withoutWebhookToken (path: string): string {
  if (!/whk_/i.test(decoded(path))) return path
  return path.split('/').map(segment => /whk_/i.test(decoded(segment)) ? 'whk_…' : segment).join('/')
}

function decoded (segment: string): string {
  return segment.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}
