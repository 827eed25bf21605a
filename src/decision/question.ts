/** One question of a body of `POST /api/v1/verify`, read and checked before anything is judged. */
import { readAddress } from '../base/ip-address.ts'
import { Failure } from '../base/errors.ts'
import type { Resource } from '../domain/resources/resource.ts'
import { takesKeysAsBearer } from '../domain/resources/style.ts'
import { isJwtByForm } from '../domain/tokens/access-token.ts'
import { pathOf } from '../guard/log.ts'
import type { PresentedCredential } from '../guard/presentation.ts'
import { askableResource, type AskableResources } from './askable-resources.ts'
import { anyCredential, type Question } from './asked-call.ts'
import type { QuestionBody, VerifyBody } from './verify-schema.ts'

/** A question with the credential that it is about, and the request that a refusal would answer. */
export interface CredentialQuestion extends Question {
  presented: PresentedCredential
  /** The same text as a key, where keys that were taken over may have the form of a JWT; null: it cannot be one. */
  asKey: PresentedCredential | null
  /** Null: not given. */
  method: string | null
  /** Without query and secrets. */
  path: string
}

/** A question with the member of the body that it was read from. */
export interface AskedQuestion { question: CredentialQuestion, body: QuestionBody }

const wholeQuestion = [
  'credential', 'kind', 'resource', 'scopes', 'organization', 'object', 'feature', 'credits', 'apiKeyOnly',
  'environment', 'address', 'method', 'path'
] as const

/** The questions of a body, all of them good. @throws Failure as `readQuestion`, and for items with equal ids. */
export function questionsOf (resources: AskableResources, body: VerifyBody): AskedQuestion[] {
  const { items } = body
  if (items === undefined) {
    const only = onlyQuestion(body)
    return [{ question: readQuestion(resources, only, ''), body: only }]
  }
  const stray = wholeQuestion.find(name => body[name] !== undefined)
  if (stray !== undefined) throw malformed(`body.${stray} belongs into the items.`, stray)
  const ids = new Set<string>()
  return items.map((item, i) => {
    if (item.id !== undefined && ids.size === ids.add(item.id).size) {
      throw malformed(`body.items.${i}.id is that of another item.`, `items.${i}.id`)
    }
    return { question: readQuestion(resources, item, `items.${i}.`), body: item }
  })
}

/** The question of a body without items, without the members by which its client authenticates. */
function onlyQuestion (body: VerifyBody): QuestionBody {
  const { credential, resource, scopes, client_id: _, client_secret: __, client_assertion: ___, ...needs } = body
  if (credential === undefined) throw malformed('body.credential is missing.', 'credential')
  if (resource === undefined) throw malformed('body.resource is missing.', 'resource')
  if (scopes === undefined) throw withoutScopes('')
  const { client_assertion_type: ____, items: _____, ...rest } = needs
  return { credential, resource, scopes, ...rest }
}

/** Requires that each item of a body names its scopes. @throws Failure `invalid_request`. */
export function requireScopes (body: unknown): void {
  const { items } = (body ?? {}) as { items?: unknown }
  if (!Array.isArray(items)) return
  const bare = items.findIndex(item => typeof item === 'object' && item !== null && !('scopes' in item))
  if (bare !== -1) throw withoutScopes(`items.${bare}.`)
}

/** A question that forgot them would let any valid credential pass. */
function withoutScopes (place: string): Failure {
  return malformed(
    `body.${place}scopes is missing: name the scopes that the request needs, or write [] if any valid ` +
      'credential will do.',
    `${place}scopes`
  )
}

function malformed (message: string, field: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}

/**
 * Reads the question at `place`, which is empty or ends with a dot. @throws Failure `invalid_request` naming the
 * member, `insufficient_permissions` for a resource that the client may not ask about, existing or not.
 */
function readQuestion (resources: AskableResources, body: QuestionBody, place: string): CredentialQuestion {
  const resource = askableResource(resources, body.resource)
  if (resource === null) {
    throw new Failure('insufficient_permissions', {
      message: 'This client may not ask about that resource, or there is none. It needs `introspects`: `latchkey ' +
        'client update CLIENT --introspect RESOURCE`.',
      details: { field: `${place}resource` }
    })
  }
  const { credential, kind, organization, object, environment, method, path } = body
  return {
    resource,
    requirements: requirementsOf(resource, body, place),
    organizationId: organization ?? null,
    objectId: object?.id ?? null,
    address: addressIn(body, place),
    environment: environment ?? null,
    ...presentations(credential, kind, resource),
    method: method ?? null,
    path: path === undefined ? '/' : pathOf({ url: path })
  }
}

function requirementsOf ({ mostCredits, identifier }: Resource, body: QuestionBody, place: string) {
  const { scopes, feature = null, object, credits = 0, apiKeyOnly = false } = body
  if (credits > mostCredits) {
    throw malformed(
      `body.${place}credits is more than the ${mostCredits} that a call of ${identifier} may cost; an operator can ` +
        'raise that: latchkey resource update RESOURCE --most-credits N.',
      `${place}credits`
    )
  }
  // Credits belong to API keys, as on a route behind a guard.
  return {
    ...anyCredential, scopes, feature, object: object ?? null, credits, apiKeyOnly
  }
}

function addressIn ({ address }: QuestionBody, place: string): string | null {
  if (address === undefined) return null
  const read = readAddress(address)
  if (read !== null) return read
  throw malformed(`body.${place}address is not an IP address.`, `${place}address`)
}

/** A text in the form of a JWT is a token, everything else a key. What only other routes take is unknown as either. */
function presentations (
  text: string, kind: QuestionBody['kind'], { style }: Resource
): Pick<CredentialQuestion, 'presented' | 'asKey'> {
  if (kind !== undefined) return { presented: { credential: { kind, text }, inQuery: false }, asKey: null }
  const asBearer = takesKeysAsBearer(style)
  const key: PresentedCredential = { credential: { kind: 'api_key', text }, inQuery: false }
  if (asBearer ? !isJwtByForm(text) : !text.startsWith('eyJ')) return { presented: key, asKey: null }
  return {
    presented: { credential: { kind: 'access_token', text }, inQuery: false },
    asKey: style.importedKeys === true && !asBearer ? key : null
  }
}
