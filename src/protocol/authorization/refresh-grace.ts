/**
 * Refresh tokens that rotate (RFC 9700 §4.14.2), with a grace for clients that send one twice at once, or that lose the
 * answer: each gets the same successor, which is derived and never stored. A token that is sent after its grace, or
 * after its successor was used, is in foreign hands.
 */
import { Provider } from 'oidc-provider'
import { addressOf } from '../../base/ip-address.ts'
import type { AuthorizationStep } from '../../domain/authorizations/authorization-step.ts'
import { successorOf } from '../../secrets/authentication-code.ts'
import { digestOf } from '../../secrets/digest.ts'
import { contextOf } from '../provider/request-context.ts'
import type { CodeFlowOptions } from './code-flow-options.ts'

/** Seconds for which a used refresh token may be sent again. */
export const refreshGrace = 30

/** Names the successor of the token that is being rotated by that token; other tokens are random. */
export function useSuccessors (provider: Provider, { people }: Pick<CodeFlowOptions, 'people'>): void {
  const named = provider.RefreshToken.prototype as unknown as { generateTokenId (): string }
  const random = named.generateTokenId
  named.generateTokenId = function () {
    const rotated = Provider.ctx?.oidc.entities.RotatedRefreshToken
    return rotated === undefined ? random.call(this) : successorOf(rotated.jti, people.secrets.at(-1)!)
  }
}

/** Whether a refresh token that was used may be sent again: soon enough, and before anybody has used its successor. */
export async function isInGrace (
  { store, clock, people }: CodeFlowOptions, id: string, { consumedAt }: AuthorizationStep
): Promise<boolean> {
  if (consumedAt === null || clock().getTime() - consumedAt.getTime() >= refreshGrace * 1000) return false
  const successor = await store.authorizationSteps.get(
    'refresh_token', digestOf(successorOf(id, people.secrets.at(-1)!))
  )
  return successor === null || successor.consumedAt === null
}

/** Records that a used refresh token was sent again, and was taken. */
export function noteRepeat ({ refusals }: CodeFlowOptions, authorizationId: string, memberOrganization: string): void {
  const { request } = contextOf(Provider.ctx!)
  refusals.record({
    type: 'authorization.refresh_repeated',
    reason: null,
    subject: authorizationId,
    organizationId: memberOrganization,
    address: addressOf(request),
    requestId: request.id,
  })
}
