/** What the authorization code grant needs beside the rest of the authorization server. */
import type { FastifyRequest } from 'fastify'
import type { Clock } from '../../base/clock.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { Member } from '../../domain/members/permissions.ts'
import type { PersonSession } from '../../domain/people/person-session.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { Store } from '../../domain/store.ts'
import type { IdTokenAlgorithm, KeyRing } from '../../domain/tokens/signing-key.ts'
import type { HostedClients } from '../hosted-clients/hosted-clients.ts'

/** What a client asks a person for. */
export interface AskedAccess {
  client: Client
  resource: Resource
  /** Names of scopes of the resource. */
  scopes: readonly string[]
  identityScopes: readonly string[]
}

/** What is at fault in a request that must not be answered at its redirect URI, as it was sent. */
export interface SentRequest {
  clientId: string
  /** Null: there is no such client. */
  client: Client | null
  redirectUri: string
}

/** The parts of it that know pages and cookies, handed in. */
export interface PeopleOptions {
  /** LATCHKEY_SECRET, newest first: for the cookies of a request that is under way. */
  secrets: readonly string[]
  /** Where the page is that asks a person; the id of the interaction is appended. */
  interactionPath: string
  /** The person whose session a request carries; null: there is none. */
  currentPerson (request: FastifyRequest): Promise<{ session: PersonSession, member: Member } | null>
  /**
   * Begins an authorization by what the person has allowed the client before, without a page; returns its id. Null:
   * they have to be asked.
   */
  allowRemembered (request: FastifyRequest, asked: AskedAccess): Promise<string | null>
  /** A page for an error that must not be sent to the client. */
  errorPage (problem: {
    status: number, code: string, message: string, requestId: string, sent: SentRequest | null
  }): { headers: Readonly<Record<string, string>>, body: string }
  /** A page for an error that is sent to an unverified client once the person says so: `location` leads there. */
  holdingPage (problem: {
    client: Client, code: string, message: string, location: string
  }): { headers: Readonly<Record<string, string>>, body: string }
}

export interface CodeFlowOptions {
  issuer: string
  store: Store
  registry: Registry
  clock: Clock
  refusals: RefusalLog
  people: PeopleOptions
  /** Whether a key signs by the algorithm; makes the first one. */
  signerFor?: ((algorithm: IdTokenAlgorithm) => Promise<boolean>) | undefined
  /** Clients that a document describes; undefined: there are none. */
  hostedClients?: HostedClients | undefined
}

/** With the keys that sign its tokens. */
export interface SigningCodeFlow extends CodeFlowOptions { ring: KeyRing }
