/** A decision of the server: `POST /api/v1/verify` for one request, where memory does not do. */
import { unknownAddress } from '../../base/ip-address.ts'
import { isPlainText } from '../../base/plain-text.ts'
import type { Credential, Principal } from '../../domain/access/principal.ts'
import type { Style } from '../../domain/resources/style.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { newId } from '../../secrets/random.ts'
import { GuardRefused, refusesGuard } from './contact.ts'
import type { Decision, GuardedRequest, Needs } from './guarded-request.ts'
import { readAnswer, readHeaders } from './read-entry.ts'
import { answerTimeout } from './session.ts'
import { Unreachable, type Transport } from './transport.ts'

interface Question {
  credential: Credential
  request: GuardedRequest
  needs: Needs
  resource: string
  style: Style
  environment: Environment | null
}

/** What the server takes for a path: another one is not named in a refusal. */
const readablePath = /^\/[\x21-\x7e]{0,2047}$/

/** What the server takes for a method: another one is not named in its audit log. */
const readableMethod = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/

/** Characters that the server takes for the id of an organization, and of an object. */
const longest = { organization: 512, object: 128 }

/** An id of no organization. */
const noOrganization = 'org_none'

/** @throws Unreachable when the server does not decide; GuardRefused when it refuses the guard. */
export async function askServer (
  transport: Transport, { credential: { kind, text }, request, needs, resource, style, environment }: Question
): Promise<Decision> {
  const { scopes, apiKeyOnly, feature, object, credits, organizationId } = needs
  const { status, body } = await transport.send('POST', '/api/v1/verify', {
    credential: text,
    kind,
    resource,
    scopes,
    apiKeyOnly,
    credits,
    ...(readableMethod.test(request.method) ? { method: request.method } : {}),
    ...(readablePath.test(request.path) ? { path: request.path } : {}),
    ...(request.address === unknownAddress ? {} : { address: request.address }),
    ...(organizationId === null ? {} : { organization: organizationIn(organizationId) }),
    ...(feature === null ? {} : { feature }),
    ...(object === null ? {} : { object: { type: object.type, id: objectIn(needs) } }),
    ...(environment === null ? {} : { environment })
  }, answerTimeout, 'once')
  if (refusesGuard(status)) throw new GuardRefused(`The authorization server answered verify with ${status}.`)
  if (status !== 200) throw new Unreachable('verify', new Error(`status ${status}`))
  return body.allowed === true
    ? { ok: true, principal: readPrincipal(body.principal), headers: readHeaders(body.headers), style }
    : { ok: false, answer: readAnswer(body.refusal), refusal: null }
}

/** A path may hold any text: what is no id is that of nothing, and is judged as such. */
function organizationIn (text: string): string {
  return isId(text, longest.organization) ? text : noOrganization
}

/** No credential is restricted to an id that was made just now. */
function objectIn ({ objectId }: Needs): string {
  return objectId !== null && isId(objectId, longest.object) ? objectId : newId('obj')
}

function isId (text: string, most: number): boolean {
  return text !== '' && isPlainText(text) && Array.from(text).length <= most
}

/** A principal as the management API shows it. */
function readPrincipal ({ organization, expiresAt, ...principal }: Record<string, any>): Principal {
  return {
    subject: null,
    resourceId: null,
    groups: null,
    creator: null,
    ...principal,
    organizationId: organization,
    expiresAt: expiresAt === null ? null : new Date(expiresAt)
  } as Principal
}
