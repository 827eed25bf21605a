/** Creations: status 201, and one answer for each Idempotency-Key. */
import type { Repositories } from '../../domain/store.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answerLifetime, type Idempotency } from '../../domain/core/idempotency.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { Failure } from '../../base/errors.ts'
import { operationOf, type ManagementDependencies } from './operation.ts'
import { revision, type Tagged } from './etags.ts'

export interface CreationDependencies extends ManagementDependencies { answers: Idempotency }

/** Those of routes about identity providers. */
export interface IdentityProviderDependencies extends CreationDependencies {
  /** The providers of the configuration. */
  identityProviders: readonly { id: string, name: string, issuer: string }[]
}

/**
 * Answers a creation with the result of `make`, which writes through the given operation only: with an Idempotency-Key
 * it runs in one transaction, and a repeated request gets the stored answer, secrets included.
 */
export async function created<T extends object> (
  dependencies: CreationDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
  make: (operation: Operation<Repositories>) => Promise<T>,
  status = 201
): Promise<T> {
  return await createdAfter(dependencies, request, reply, async () => {}, make, status)
}

/**
 * Like `created`, in two steps: `prepare` is committed and applied on every server before `make` starts with its
 * result.
 */
export async function createdAfter<T extends object, P> (
  dependencies: CreationDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
  prepare: (operation: Operation<Repositories>) => Promise<P>,
  make: (operation: Operation<Repositories>, prepared: P) => Promise<T>,
  status = 201
): Promise<T> {
  if (request.routeOptions.config.repeatable !== true) {
    throw new Error(
      `The route ${request.method} ${request.routeOptions.url} creates without declaring it: give it a response 201, ` +
        'or config: { repeatable: true }.'
    )
  }
  reply.code(status)
  const operation = operationOf(dependencies, request)
  const key = idempotencyKey(request)
  if (key === null) return await make(operation, await prepare(operation))
  const { method, url, body } = request
  const answer = await dependencies.answers.run(
    operation,
    { key, request: { method, url, body }, lifetime: answerSeconds(request) },
    async (inside, prepared: P) => {
      const made = await make(inside, prepared)
      return { shown: (made as Tagged)[revision] ?? null, made }
    },
    prepare
  )
  return answer.shown === null ? answer.made : { ...answer.made, [revision]: answer.shown }
}

/** Answers 204 after `ending`. */
export async function ended (reply: FastifyReply, ending: Promise<unknown>): Promise<FastifyReply> {
  await ending
  return await reply.code(204).send()
}

/** The form of an Idempotency-Key, as a schema: the document shows the form that is parsed. */
export const idempotencyKeyForm = {
  pattern: '^("[!#-\\[\\]-~]{1,128}"|[!#-+\\x2d-\\[\\]-~]{1,128})$',
} as const
const form = new RegExp(idempotencyKeyForm.pattern)

/**
 * The Idempotency-Key of a request; null: none. The quoted form of draft-ietf-httpapi-idempotency-key-header §2.1 and
 * the unquoted form that most clients send are the same key. @throws Failure `invalid_request`.
 */
export function idempotencyKey ({ headers }: FastifyRequest): string | null {
  const value = headers['idempotency-key']
  if (value === undefined) return null
  if (typeof value === 'string' && form.test(value)) return withoutQuotes(value)
  throw new Failure('invalid_request', {
    message:
      'Idempotency-Key must be 1 to 128 visible ASCII characters without quotation mark, backslash and comma, such ' +
        'as a new UUID.',
    details: { field: 'idempotency-key' }
  })
}

/** The key itself, of either form. */
export function withoutQuotes (key: string): string {
  return key.startsWith('"') ? key.slice(1, -1) : key
}

/** The form of an Idempotency-Answer-Lifetime: seconds. */
export const answerSecondsForm = { pattern: '^[1-9][0-9]{0,4}$' } as const
const seconds = new RegExp(answerSecondsForm.pattern)

/** The seconds for which the answer to a request may be repeated. @throws Failure `invalid_request`. */
export function answerSeconds ({ headers }: FastifyRequest): number {
  const value = headers['idempotency-answer-lifetime']
  if (value === undefined) return answerLifetime
  if (typeof value === 'string' && seconds.test(value) && Number(value) <= answerLifetime) return Number(value)
  throw new Failure('invalid_request', {
    message: `Idempotency-Answer-Lifetime must be a number of seconds from 1 to ${answerLifetime}.`,
    details: { field: 'idempotency-answer-lifetime' }
  })
}
