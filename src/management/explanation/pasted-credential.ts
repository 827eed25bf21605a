/**
 * The credential that a text is, for an actor that may see it. To have the text is no evidence of a right to it: what
 * belongs to another organization is not found, by the same answer as what does not exist.
 */
import type { Authenticator } from '../../domain/access/authenticator.ts'
import { keyFactsIn } from '../../domain/access/checks/check-api-key.ts'
import { notFound } from '../../domain/access/facts.ts'
import { judgeCredential } from '../../domain/access/judge-credential.ts'
import { type Verdict } from '../../domain/access/judge.ts'
import type { Presentation, Reason } from '../../domain/access/principal.ts'
import type { Actor } from '../../domain/core/actor.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import { managementResourceId } from '../../domain/resources/resource.ts'
import type { Store } from '../../domain/store.ts'
import { isJwtByForm, type TokenReader } from '../../domain/tokens/access-token.ts'
import { foreseenByFacts, foreseenOn, type ForeseeingDependencies, type ForeseenCall } from '../../guard/admission.ts'
import {
  isApiKeyText, isPersonSessionText, isWebhookToken, resemblesApiKey, resemblesManagementToken
} from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import {
  describedById, describedKey, describedManagementToken, type DescribedCredential
} from './described-credential.ts'

/** What credentials are recognized and judged with. */
export interface Recognizing {
  store: Store
  actor: Pick<Actor, 'organizationId'>
  judging: ForeseeingDependencies & { reader: TokenReader, authenticator: Pick<Authenticator, 'gatherClaims'> }
  now: Date
}

/** A credential that was recognized. `judge`: the guard's verdict on it; null: its text is needed for one. */
export interface RecognizedCredential {
  described: DescribedCredential
  judge: ((call: ForeseenCall) => Promise<Verdict>) | null
}

/** An id of ours in the place of a text: of a key, a client, a token of the management API, or an authorization. */
const idForm = /^(key|cli|mat|aut)_[0-9A-Za-z]{22}$/

/** Null: there is none, or none that the actor may see. */
export async function recognized (asked: Recognizing, text: string): Promise<RecognizedCredential | null> {
  const found = idForm.test(text) ? await byId(asked, text) : await byText(asked, text)
  return found !== null && isVisible(asked, found.described.organizationId) ? found : null
}

/** The reason for a text that is no credential here, told by the text alone. */
export function reasonOfUnknown (text: string): Extract<Reason, 'malformed' | 'unknown'> {
  if (idForm.test(text)) return 'unknown'
  const isDamaged = (resemblesApiKey(text) && !isApiKeyText(text)) || isJwtByForm(text)
  return isDamaged || text.length < 16 || /\s/.test(text) ? 'malformed' : 'unknown'
}

function isVisible ({ actor }: Recognizing, organizationId: string | null): boolean {
  return actor.organizationId === null || actor.organizationId === organizationId
}

/** The credential with this id, as a request in the log names it. */
export async function byId (asked: Recognizing, id: string): Promise<RecognizedCredential | null> {
  const { store, now } = asked
  const key = id.startsWith('key_') ? await store.apiKeys.get(id) : null
  if (key !== null) return ofKey(asked, key)
  const described = await describedById(store, id, now)
  return described && { described, judge: null }
}

/** Judged by its record: the text that was pasted, or lost, is not needed. */
function ofKey ({ judging: { registry }, now }: Recognizing, found: ApiKey): RecognizedCredential {
  return {
    described: describedKey(found, now),
    async judge (call) {
      // As checks have it, which may know of a change that the row lost.
      const key = await registry.apiKeyById(found.id)
      const facts = key === null ? notFound('unknown', 'api_key') : await keyFactsIn(registry, key, call)
      return await foreseenByFacts(call, facts)
    }
  }
}

/** By one query, whether it is found or not: only then is it looked at more closely. */
async function byText (asked: Recognizing, text: string): Promise<RecognizedCredential | null> {
  const { judging, actor } = asked
  if (isPersonSessionText(text)) return await personSession(asked, text)
  if (isWebhookToken(text)) return await webhookToken(asked, text)
  if (resemblesManagementToken(text)) return await managementToken(asked, text)
  const keys = await asked.store.apiKeys.ofDigest(digestOf(text))
  const key = keys.find(({ organizationId }) => isVisible(asked, organizationId))
  if (key !== undefined) return ofKeyText(asked, key, text)
  if (isJwtByForm(text)) return await accessToken(asked, text) ?? await sessionToken(asked, text)
  return actor.organizationId === null && judging.authenticator.isAdminToken(text) ? adminToken(text) : null
}

/** Where only bearer tokens are taken, a key is judged as the guard finds it: by its text, at that resource. */
function ofKeyText (asked: Recognizing, key: ApiKey, text: string): RecognizedCredential {
  return {
    described: describedKey(key, asked.now),
    judge: call => foreseenOn(call, { credential: { kind: 'api_key', text }, inQuery: false })
  }
}

async function managementToken ({ store, now }: Recognizing, text: string): Promise<RecognizedCredential | null> {
  const token = await store.managementTokens.byDigest(digestOf(text))
  return token && { described: describedManagementToken(token, now), judge: asBearer(text) }
}

function adminToken (text: string): RecognizedCredential {
  const none = { authorizationId: null, hint: null, organizationId: null, expiresAt: null }
  return {
    described: {
      ...none, kind: 'admin_token', id: 'admin', name: 'admin token', status: 'active', resourceId: managementResourceId
    },
    judge: asBearer(text)
  }
}

async function webhookToken ({ store, judging, now }: Recognizing, text: string): Promise<RecognizedCredential | null> {
  const token = await store.webhookTokens.byDigest(digestOf(text))
  if (token === null) return null
  const { id, hint, organizationId, resourceId, object } = token
  const facts = await judging.webhooks.gather(text, { ...anywhere(now), webhookType: object.type })
  return {
    described: {
      kind: 'webhook_token',
      id,
      authorizationId: null,
      name: `${object.type} ${object.id}`,
      hint,
      organizationId,
      status: judgeCredential(facts, { ...anywhere(now), webhookType: object.type })?.reason ?? 'active',
      resourceId,
      expiresAt: null
    },
    judge: call => foreseenOn(
      { ...call, webhookToken: text, webhookType: call.webhookType ?? object.type }, notFound('no_credential', null)
    )
  }
}

async function personSession (
  { store, judging: { people }, now }: Recognizing, text: string
): Promise<RecognizedCredential | null> {
  const facts = await people?.gather(text, { ...anywhere(now), changes: false })
  if (facts?.kind !== 'person') return null
  const { session, member } = facts
  const { organizationId } = member ?? (await store.members.get(session.memberId))!
  return {
    described: {
      kind: 'person_session',
      id: session.id,
      authorizationId: null,
      name: member?.name ?? null,
      hint: null,
      organizationId,
      status: judgeCredential(facts, anywhere(now))?.reason ?? 'active',
      resourceId: managementResourceId,
      expiresAt: null
    },
    judge: call => foreseenOn(call, { session: text })
  }
}

async function accessToken ({ store, judging, now }: Recognizing, text: string): Promise<RecognizedCredential | null> {
  const claims = await judging.reader.read(text, now)
  if (claims === null) return null
  const facts = await judging.authenticator.gatherClaims(claims, anywhere(now))
  const resource = await store.resources.byIdentifier(claims.aud)
  const isOfKey = claims.sub_kind === 'api_key'
  const isOfRule = claims.sub_kind === 'workload' && claims.gen === undefined
  const holders = isOfKey ? store.apiKeys : isOfRule ? store.workloadRules : store.clients
  const subject = await holders.get(claims.client_id)
  return {
    described: {
      kind: 'access_token',
      ...(isOfKey ? { idKind: 'api_key' as const } : {}),
      id: claims.sub,
      authorizationId: isOfKey ? null : claims.gnt ?? null,
      name: subject?.name ?? null,
      hint: null,
      organizationId: claims.org_id ?? null,
      status: judgeCredential(facts, anywhere(now))?.reason ?? 'active',
      resourceId: resource?.id ?? null,
      expiresAt: new Date(claims.exp * 1000)
    },
    judge: asBearer(text)
  }
}

async function sessionToken ({ store, judging, now }: Recognizing, text: string): Promise<RecognizedCredential | null> {
  const facts = await judging.sessions.gather(text, anywhere(now))
  if (facts.kind !== 'session') return null
  const { claims } = facts
  const key = await store.publishableKeys.get(claims.client_id)
  return {
    described: {
      kind: 'session',
      id: claims.client_id,
      authorizationId: null,
      name: key?.name ?? null,
      hint: null,
      organizationId: claims.org_id,
      status: judgeCredential(facts, anywhere(now))?.reason ?? 'active',
      resourceId: key?.resourceId ?? null,
      expiresAt: new Date(claims.exp * 1000)
    },
    judge: asBearer(text)
  }
}

function asBearer (text: string): (call: ForeseenCall) => Promise<Verdict> {
  return call => foreseenOn(call, { credential: { kind: 'access_token', text }, inQuery: false })
}

/** For any resource and from any address: what a credential is does not depend on them. */
function anywhere (now: Date): Presentation {
  return { resource: null, address: null, leavesAllowlist: true, now }
}
