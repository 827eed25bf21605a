/**
 * Steps of an authorization: a question to a person, a pushed request, a code, a refresh token. Each is found by the
 * digest of a text that the browser or the client has, and none is read by a check of a credential.
 */
import type { AuthorizationSet } from './authorization.ts'

export type StepKind = 'interaction' | 'pushed_request' | 'code' | 'refresh_token'

export interface AuthorizationStep {
  /** Of the text that stands for it; the text itself is never stored. */
  digest: string
  kind: StepKind
  /** Null: it is not decided yet. */
  authorizationId: string | null
  /** As the protocol keeps it. */
  content: Readonly<Record<string, unknown>>
  createdAt: Date
  expiresAt: Date
  /** Null: it can be used. */
  consumedAt: Date | null
}

export interface AuthorizationStepRepository {
  /** False: there is one of this digest already, which stays as it is. */
  insert (step: AuthorizationStep): Promise<boolean>
  /** Replaces its content and its expiry; false: it is gone, and stays so. */
  update (step: Pick<AuthorizationStep, 'digest' | 'content' | 'expiresAt'>): Promise<boolean>
  get (kind: StepKind, digest: string): Promise<AuthorizationStep | null>
  /** Of any number that try at once, one gets true. */
  consume (digest: string, at: Date): Promise<boolean>
  /** False: there is none. */
  remove (digest: string): Promise<boolean>
  removeOf (authorizationId: string): Promise<void>
  /** Removes those of all authorizations of a set that have ended. */
  removeOfEnded (set: AuthorizationSet): Promise<void>
  /** Deletes at most `limit` questions and pushed requests that expired before `asking`, and others before `given`. */
  prune (before: { asking: Date, given: Date }, limit: number): Promise<number>
}

export interface AuthorizationStepPort { authorizationSteps: AuthorizationStepRepository }
