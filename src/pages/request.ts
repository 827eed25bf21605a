/** What pages read from a request, and how they answer a form. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import type { Clock } from '../base/clock.ts'
import { Failure } from '../base/errors.ts'
import type { IdentityProvider } from '../config/identity-providers.ts'
import type { Operation } from '../domain/core/operation.ts'
import { personActor } from '../domain/people/person-session.ts'
import type { Repositories, Store } from '../domain/store.ts'
import type { UpstreamSignIn } from '../protocol/upstream/begin-sign-in.ts'
import { readReturnTo } from '../protocol/upstream/return-to.ts'
import type { CurrentPerson } from './current-person.ts'
import { wantsPage } from './error-page.ts'

/** The answer to a form: another page (303, so that a reload sends nothing again); to a program: done. */
export async function seeOther (request: FastifyRequest, reply: FastifyReply, path: string): Promise<FastifyReply> {
  return wantsPage(request) ? await reply.redirect(path, 303) : await reply.code(204).send()
}

/** @throws Failure `invalid_request` unless the body has one text of this name. */
export function field ({ body }: FastifyRequest, name: string): string {
  const value = (body as Readonly<Record<string, unknown>> | null | undefined)?.[name]
  if (typeof value === 'string' && value !== '') return value
  throw new Failure('invalid_request', {
    message: `${name} is missing, or there are several.`, details: { field: name }
  })
}

/** Where a form leads afterwards, checked; null: nowhere in particular. @throws Failure `invalid_request`. */
export function returnToOf ({ body }: FastifyRequest): string | null {
  const given = (body as Readonly<Record<string, unknown>> | null | undefined)?.return_to
  if (given === undefined || given === '') return null
  if (typeof given === 'string') return readReturnTo(given)
  throw new Failure('invalid_request', { message: 'return_to is not one text.', details: { field: 'return_to' } })
}

/** The operation of a person on themselves. */
export function operationOf (
  { store, clock }: { store: Store, clock: Clock }, request: FastifyRequest, { member }: CurrentPerson
): Operation<Repositories> {
  return { store, clock, actor: personActor(member, { address: addressOf(request), requestId: request.id }) }
}

/** The providers of the configuration. */
export function configuredProviders ({ clients }: Pick<UpstreamSignIn, 'clients'>): IdentityProvider[] {
  return Array.from(clients.values(), ({ provider }) => provider)
}

/** What a check has against a person, as their page says it; null: nothing. */
export function reasonOf (check: () => void): string | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof Failure) return error.message
    throw error
  }
}

/** The query of the sign-in page, as it was sent. */
export type SignInQuery = Partial<Record<'provider' | 'return_to' | 'organization' | 'max_age' | 'prompt', Texts>>

type Texts = string | string[]

/** What the sign-in page was asked for. */
export interface AskedSignIn {
  /** The id of the provider to go to at once; null: the person chooses. */
  provider: string | null
  /** Where to go afterwards, checked; null: nowhere in particular. */
  returnTo: string | null
  organizationId: string | null
  /** Whether the person has to prove anew who they are, signed in or not. */
  anew: boolean
  /** The most seconds since they proved it; null: the provider decides. */
  maxAge: number | null
}

/** @throws Failure `invalid_request` for a repeated or malformed parameter, and a path that leads elsewhere. */
export function askedSignIn (query: SignInQuery): AskedSignIn {
  const [returnTo, maxAge] = [single(query.return_to, 'return_to'), readMaxAge(single(query.max_age, 'max_age'))]
  const anew = isPrompt(single(query.prompt, 'prompt'))
  return {
    provider: single(query.provider, 'provider') ?? null,
    returnTo: returnTo === undefined || returnTo === '' ? null : readReturnTo(returnTo),
    organizationId: single(query.organization, 'organization') ?? null,
    anew,
    maxAge: anew ? 0 : maxAge,
  }
}

/** @throws Failure `invalid_request` for a repeated parameter. */
export function single (value: Texts | undefined, name: string): string | undefined {
  if (!Array.isArray(value)) return value
  throw new Failure('invalid_request', { message: `${name} must not be repeated.`, details: { field: name } })
}

function isPrompt (text: string | undefined): boolean {
  if (text === undefined || text === 'login') return text !== undefined
  throw new Failure('invalid_request', {
    message: 'prompt is login, for people who have to sign in again, or absent.', details: { field: 'prompt' }
  })
}

function readMaxAge (text: string | undefined): number | null {
  if (text === undefined) return null
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new Failure('invalid_request', {
    message: 'max_age is a number of seconds, at most 999999.', details: { field: 'max_age' }
  })
}
