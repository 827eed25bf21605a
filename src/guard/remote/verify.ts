/** A decision of the server: `POST /api/v1/verify` for one request, where memory does not do. */
import { unknownAddress } from '../../base/ip-address.ts'
import type { Credential, Principal } from '../../domain/access/principal.ts'
import type { Style } from '../../domain/resources/style.ts'
import type { Environment } from '../../secrets/credential-text.ts'
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

/** @throws Unreachable when the server does not decide. */
export async function askServer (
  transport: Transport, { credential: { kind, text }, request, needs, resource, style, environment }: Question
): Promise<Decision> {
  const { scopes, apiKeyOnly, feature, object, credits, organizationId, objectId } = needs
  const { status, body } = await transport.send('POST', '/api/v1/verify', {
    credential: text,
    kind,
    resource,
    scopes,
    apiKeyOnly,
    credits,
    method: request.method,
    ...(readablePath.test(request.path) ? { path: request.path } : {}),
    ...(request.address === unknownAddress ? {} : { address: request.address }),
    ...(organizationId === null ? {} : { organization: organizationId }),
    ...(feature === null ? {} : { feature }),
    ...(object === null ? {} : { object: { type: object.type, id: objectId ?? '' } }),
    ...(environment === null ? {} : { environment })
  }, answerTimeout)
  if (status !== 200) throw new Unreachable('verify', new Error(`status ${status}`))
  return body.allowed === true
    ? { ok: true, principal: readPrincipal(body.principal), headers: readHeaders(body.headers), style }
    : { ok: false, answer: readAnswer(body.refusal), refusal: null }
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
