/** The API server of a cluster, as TokenReview shows it: accounts that are deleted while their tokens live on. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { newSecret } from '../../src/secrets/random.ts'
import { makeAuthority } from './certificates.ts'
import type { Json } from './test-server.ts'

export const reviewPath = '/apis/authentication.k8s.io/v1/tokenreviews'

export interface Cluster {
  /** The token of the account that may ask. */
  reviewer: string
  /** Names of the accounts that are there. */
  accounts: Set<string>
  /** What was asked: method, authorization and body. */
  asked: { method: string, authorization: string | undefined, body: Json }[]
  /** Answers instead of its own from now on; null: its own. */
  answer: ((request: IncomingMessage, response: ServerResponse, review: Json) => void) | null
  handle (request: IncomingMessage, response: ServerResponse): void
}

/** Answers as an API server of Kubernetes. */
export function newCluster (...accounts: string[]): Cluster {
  const cluster: Cluster = {
    reviewer: newSecret(),
    accounts: new Set(accounts),
    asked: [],
    answer: null,
    handle: (request, response) => { answerTo(cluster, request, response).catch(() => { response.destroy() }) },
  }
  return cluster
}

async function answerTo (cluster: Cluster, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', headers: { authorization } } = request
  const body = JSON.parse(await text(request) || '{}') as Json
  cluster.asked.push({ method, authorization, body })
  if (cluster.answer !== null) {
    cluster.answer(request, response, body)
    return
  }
  const isReviewer = authorization === `Bearer ${cluster.reviewer}`
  answerJson(response, isReviewer ? 201 : 401, isReviewer ? reviewOf(body, cluster.accounts) : { kind: 'Status' })
}

/** The answer to a review, as Kubernetes writes it: what is false or empty is left out. */
function reviewOf ({ apiVersion, kind, spec }: Json, accounts: ReadonlySet<string>): Json {
  const { sub = '', aud = [] } = decodeJwt(spec.token)
  const audiences = [aud].flat().filter(each => spec.audiences.includes(each))
  const status = accounts.has(sub) && audiences.length > 0
    ? { authenticated: true, user: { username: sub, uid: 'one', groups: ['system:serviceaccounts'] }, audiences }
    : { user: {}, error: `[invalid bearer token, serviceaccounts "${sub.split(':').at(-1)}" not found]` }
  return { apiVersion, kind, metadata: {}, spec, status }
}

export function answerJson (response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** A cluster at an address of its own, with a certificate of its own authority. */
export async function startCluster (
  t: { teardown (work: () => unknown): void }, ...accounts: string[]
): Promise<Cluster & { url: string, ca: string }> {
  const cluster = newCluster(...accounts)
  const authority = makeAuthority()
  const { certificate: cert, key } = authority.certify('127.0.0.1')
  const server = createServer({ cert, key }, (request, response) => {
    if (request.url === reviewPath) cluster.handle(request, response)
    else response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return Object.assign(cluster, { url: `https://127.0.0.1:${port}`, ca: authority.certificate })
}
