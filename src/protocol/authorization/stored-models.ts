/** oidc-provider's storage: its short-lived models are steps of authorizations, and its grants are authorizations. */
import { errors, type Adapter, type AdapterPayload } from 'oidc-provider'
import { epochSeconds, secondsAfter } from '../../base/clock.ts'
import { systemActor } from '../../domain/core/actor.ts'
import { handableScopes } from '../../domain/authorizations/allow.ts'
import { endByProtocol } from '../../domain/authorizations/end.ts'
import type { AuthorizationStep, StepKind } from '../../domain/authorizations/authorization-step.ts'
import type { AuthorizationEnd } from '../../domain/authorizations/authorization.ts'
import { identityResourceId } from '../../domain/resources/resource.ts'
import { grantableNow } from '../../domain/resources/scope.ts'
import { digestOf } from '../../secrets/digest.ts'
import { isInGrace, noteRepeat } from './refresh-grace.ts'
import type { CodeFlowOptions } from './code-flow-options.ts'

const kinds: Readonly<Record<string, StepKind>> = {
  Interaction: 'interaction',
  PushedAuthorizationRequest: 'pushed_request',
  AuthorizationCode: 'code',
  RefreshToken: 'refresh_token',
}

/** The instant of a grant's end for the provider, which must not find it over before we do: the year 9999. */
const never = 253_402_300_799

/** What the provider stores and finds by model. A model that is not named here is neither. */
export function storedModels (options: CodeFlowOptions): (model: string) => Adapter {
  return model => {
    const kind = kinds[model]
    if (kind !== undefined) return stepsOf(options, kind)
    return model === 'Grant' ? grants(options) : { ...nothing(model), revokeByGrantId: async () => {} }
  }
}

/** An adapter that finds nothing and refuses to store. */
export function nothing (model: string): Adapter {
  const none = async () => undefined
  const refuse = async () => {
    throw new TypeError(`oidc-provider tried to store a ${model}`)
  }
  return {
    find: none,
    findByUid: none,
    findByUserCode: none,
    upsert: refuse,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: refuse,
  }
}

function stepsOf (options: CodeFlowOptions, kind: StepKind): Adapter {
  const { store, clock } = options
  const steps = store.authorizationSteps
  return {
    ...nothing(kind),
    async upsert (id, { jti: _, ...content }, expiresIn) {
      const createdAt = clock()
      const authorizationId = content.grantId ?? null
      const step = {
        digest: digestOf(id),
        kind,
        authorizationId,
        content,
        createdAt,
        expiresAt: secondsAfter(createdAt, expiresIn!),
        consumedAt: null
      }
      // A question that is answered was put before: one that went on meanwhile does not come back.
      if (kind !== 'interaction' || content.result === undefined) await steps.insert(step)
      else if (!await steps.update(step)) throw over()
    },
    async find (id) {
      const step = await steps.get(kind, digestOf(id))
      // One that was used is found until it is removed: that it is used again is what the provider has to learn.
      if (step === null || (step.expiresAt <= clock() && step.consumedAt === null)) return undefined
      const { content, consumedAt } = step
      const isUsed = consumedAt !== null && !(kind === 'refresh_token' && await isInGrace(options, id, step))
      return { ...content, jti: id, ...(isUsed && { consumed: true }) } as AdapterPayload
    },
    async consume (id) {
      const isFirst = await isFirstUse(options, kind, digestOf(id))
      const step = await steps.get(kind, digestOf(id))
      if (step !== null && await isTaken(options, id, step, isFirst)) return
      throw new errors.InvalidGrant('it was used already')
    },
    async destroy (id) {
      const isFirst = await steps.remove(digestOf(id))
      // Of two that go on at once with one answer, one gets a code.
      if (kind === 'interaction' && !isFirst) throw over()
    },
    // The authorization takes its steps along, and the provider ends that next.
    revokeByGrantId: async () => {},
  }
}

function over (): Error {
  return new errors.SessionNotFound('the question is over')
}

/**
 * Whether this request uses a step up. A code is used and its authorization redeemed in one: another request that finds
 * it used ends the authorization, and could do so in between, so that none of them would get a token.
 */
async function isFirstUse ({ store, clock }: CodeFlowOptions, kind: StepKind, digest: string): Promise<boolean> {
  if (kind !== 'code') return await store.authorizationSteps.consume(digest, clock())
  return await store.transaction(async tx => {
    const now = clock()
    if (!await tx.authorizationSteps.consume(digest, now)) return false
    const step = await tx.authorizationSteps.get(kind, digest)
    return step?.authorizationId == null || await tx.authorizations.redeem(step.authorizationId, now)
  })
}

/** Whether a step that was consumed, by this request or by another one, counts for this request. */
async function isTaken (
  options: CodeFlowOptions, id: string, step: AuthorizationStep, isFirst: boolean
): Promise<boolean> {
  const { kind, authorizationId } = step
  if (authorizationId === null) return isFirst
  if (isFirst) return true
  if (kind === 'refresh_token' && await isInGrace(options, id, step)) {
    const authorization = await options.store.authorizations.get(authorizationId)
    if (authorization !== null) noteRepeat(options, authorizationId, authorization.organizationId)
    return true
  }
  await endReused(options, authorizationId, kind)
  return false
}

/** Ends an authorization whose code or refresh token was used twice: somebody else may have it. */
export async function endReused (
  { store, clock }: Pick<CodeFlowOptions, 'store' | 'clock'>, authorizationId: string, kind: StepKind
): Promise<void> {
  const reason: AuthorizationEnd = kind === 'code' ? 'code-reused' : 'refresh-token-reused'
  await endByProtocol({ store, clock, actor: systemActor }, authorizationId, reason)
}

/** Authorizations as the provider's grants. Pages begin them; the provider finds them and ends them. */
function grants ({ store, registry, clock }: CodeFlowOptions): Adapter {
  return {
    ...nothing('Grant'),
    async find (id) {
      const authorization = await store.authorizations.get(id)
      if (authorization === null || authorization.endedAt !== null || authorization.expiresAt <= clock()) {
        return undefined
      }
      const { memberId, clientId, scopes, identityScopes } = authorization
      const [resource, member] = await Promise.all([
        registry.resource(authorization.resourceId), registry.member(memberId)
      ])
      // A token promises no more than the guard would take of it now.
      const handable = resource === null || member === null ? [] : handableScopes(member, resource)
      const granted = resource?.id === identityResourceId
        ? identityScopes
        : grantableNow(scopes.filter(scope => handable.includes(scope)), resource?.scopes ?? [])
      return {
        jti: id,
        kind: 'Grant',
        accountId: memberId,
        clientId,
        iat: epochSeconds(authorization.createdAt),
        exp: never,
        ...(identityScopes.length > 0 && { openid: { scope: identityScopes.join(' ') } }),
        ...(granted.length > 0 && { resources: { [resource!.identifier]: granted.join(' ') } }),
      }
    },
    async destroy (id) {
      await endByProtocol({ store, clock, actor: systemActor }, id, 'token-revoked')
    },
  }
}
