/** The client that asks for a decision: authenticated as at introspection (RFC 7662 §2.1), with JSON for the form. */
import type { FastifyRequest } from 'fastify'
import { addressOf, countedAddress } from '../base/ip-address.ts'
import type { Clock } from '../base/clock.ts'
import { Failure } from '../base/errors.ts'
import { digestOf } from '../secrets/digest.ts'
import { newId } from '../secrets/random.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { RefusalEntry, RefusalLog } from '../domain/audit/refusal-log.ts'
import type { UsedAssertions } from '../domain/core/used-assertions.ts'
import { isActive, statusOfClient, type Client } from '../domain/credentials/client.ts'
import { isAbandoned } from '../domain/credentials/client-registration.ts'
import type { LastUsedRecorder } from '../domain/metering/last-used.ts'
import type { WindowLimiter } from '../domain/metering/window-limiter.ts'
import { faultOfAssertion, useAssertion } from '../protocol/provider/assertion-proof.ts'
import {
  failureKey, holdsSecret, reasonAgainstClient, sharesSecret
} from '../protocol/provider/client-authentication.ts'
import { clientProof, type ClientCredentials, type ClientProof } from './client-proof.ts'

export interface AskingClientOptions {
  issuer: string
  registry: Registry
  clock: Clock
  /** Counts failures by client and address, with those of the other endpoints. */
  failures: WindowLimiter
  usage: Pick<LastUsedRecorder, 'touch'>
  refusals: RefusalLog
  usedAssertions: UsedAssertions
}

/** Why a proof fails. `said`: the sentence for a client that has proved itself; null: it has not. */
interface Fault { reason: string, said: string | null, reused?: 'assertion_replayed' }

/**
 * The client behind a request to `endpoint`: by HTTP Basic, or by the members of its body. @throws Failure
 * `unauthorized` when it proves none, `too_many_requests` after too many failures, `insufficient_permissions` for one
 * that is kept out, `invalid_request` for several proofs.
 */
export async function askingClient (
  options: AskingClientOptions, request: FastifyRequest, endpoint: string, body: ClientCredentials
): Promise<Client> {
  const { registry, clock, failures, usage } = options
  const proof = clientProof(request, body)
  if (proof === null) throw notAuthenticated()
  const counted = failureKey(proof.clientId, countedAddress(request))
  const isLimited = failures.exhausted(counted) !== null
  if (isLimited && proof.secret === null) throw new Failure('too_many_requests')
  // Made before it is known whether there is such a client: the time of an answer must not tell (SECURITY T9).
  const digest = proof.secret === null ? null : digestOf(proof.secret)
  const found = registry.client(proof.clientId)
  const client = found instanceof Promise ? await found : found
  const now = clock()
  const fault = digest === null
    ? await faultOfSigner(options, client, proof, endpoint, now)
    : faultOfSecret(client, digest, now)
  if (fault !== null) {
    failures.count(counted)
    record(options, request, client, fault)
    // An unknown client has cost a look-up in the database: a known one costs it as well.
    if (client !== null) await registry.client(newId('cli'))
    throw isLimited ? new Failure('too_many_requests') : notAuthenticated(fault.said)
  }
  await requireAdmissible(options, request, client!)
  usage.touch(client!.id, now)
  return client!
}

function faultOfSecret (client: Client | null, digest: string, now: Date): Fault | null {
  const reason = reasonAgainstUse(client, now) ??
    (sharesSecret(client!) ? null : 'the client does not authenticate by a secret') ??
    (holdsSecret(client!, digest, now) ? null : 'invalid secret provided')
  return reason === null ? null : { reason, said: null }
}

async function faultOfSigner (
  { issuer, usedAssertions }: AskingClientOptions, client: Client | null, { assertion }: ClientProof, endpoint: string,
  now: Date
): Promise<Fault | null> {
  const reason = reasonAgainstUse(client, now)
  if (reason !== null) return { reason, said: null }
  const fault = await faultOfAssertion(client!, { text: assertion!, issuer, endpoint, now })
  if (fault !== null) return { reason: fault.reason, said: fault.isAuthentic ? refused(fault.reason) : null }
  if (await useAssertion(usedAssertions, assertion!)) return null
  return { reason: 'the assertion was used before', said: refused('it was used before'), reused: 'assertion_replayed' }
}

function refused (reason: string): string {
  return `The client_assertion is refused: ${reason}.`
}

function reasonAgainstUse (client: Client | null, now: Date): string | null {
  if (client === null) return 'client not found'
  if (!isActive(client)) return `the client is ${statusOfClient(client)}`
  return isAbandoned(client, now) ? 'the client is abandoned' : null
}

/** @throws Failure `insufficient_permissions` for a client whose organization or address keeps it out. */
async function requireAdmissible (
  options: AskingClientOptions, request: FastifyRequest, client: Client
): Promise<void> {
  const owner = client.organizationId === null ? null : options.registry.organization(client.organizationId)
  const organization = owner instanceof Promise ? await owner : owner
  const against = reasonAgainstClient(client, organization, addressOf(request))
  if (against === null) return
  record(options, request, client, { reason: against.error_detail ?? against.error, said: null })
  throw new Failure('insufficient_permissions', { message: against.error_description ?? against.message })
}

function record (
  { refusals }: AskingClientOptions, request: FastifyRequest, client: Client | null, { reason, reused }: Fault
): void {
  const entry: Omit<RefusalEntry, 'type' | 'reason'> = {
    subject: client?.id ?? null,
    organizationId: client?.organizationId ?? null,
    address: addressOf(request),
    requestId: request.id
  }
  refusals.record({ ...entry, type: 'client.refused', reason: reason.slice(0, 200) })
  if (reused !== undefined) refusals.record({ ...entry, type: 'credential.reuse_detected', reason: reused })
}

function notAuthenticated (said: string | null = null): Failure {
  return new Failure('unauthorized', {
    message: said ?? 'The client did not authenticate: send its id and its secret by HTTP Basic, or as client_id and ' +
      'client_secret in the body, or a client_assertion.'
  })
}
