/** A call with an API key, asked of a remote guard without an API in between. */
import type { Decision, RemoteGuard } from '../../../packages/guard/src/index.ts'
import { noNeeds, requestWith } from '../../support/guard-requests.ts'

const needs = { ...noNeeds, scopes: ['invoices:read'] }

export async function decide (guard: RemoteGuard, key: string): Promise<Decision> {
  return await guard.decide(requestWith(key), needs)
}

/** Whether a call passes. */
export async function passes (guard: RemoteGuard, key: string): Promise<boolean> {
  return (await decide(guard, key)).ok
}

/** The calls that a limit per minute has left after one more, or, refused, the seconds until it has, as -seconds. */
export async function left (guard: RemoteGuard, key: string): Promise<number> {
  const decision = await decide(guard, key)
  if (!decision.ok) return -Number(decision.answer.headers['retry-after'])
  return Number(/^"minute";r=(\d+)/.exec(decision.headers.ratelimit ?? '')?.[1])
}
