/**
 * Two servers that differ in one thing: one takes the fast path around oidc-provider, the other does not. Whatever is
 * sent goes to both, byte by byte, and what comes back and what it left behind are compared.
 */
import type { FastifyInstance } from 'fastify'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { authenticator } from '../../src/domain/access/authenticator.ts'
import type { Registry } from '../../src/domain/access/registry.ts'
import { tokenReader } from '../../src/domain/tokens/access-token.ts'
import { Failure } from '../../src/base/errors.ts'
import type { ProtocolLimits } from '../../src/protocol/shared/limits.ts'
import type { Tracing } from '../../src/telemetry/tracing.ts'
import { newTelemetry } from '../../src/telemetry/telemetry.ts'
import type { TestServer } from './authorization-server.ts'
import { eventually, patience } from './waiting.ts'
import { serve } from './serving.ts'

/** What one of the servers did: what it sent, and what it noted, counted, logged and traced meanwhile. */
export interface Observed { text: string, effects: string[] }

export interface Compared {
  withShortcut: Observed
  without: Observed
  /** Whether the fast path answered, all or a part of what was sent. */
  short: boolean
}

export interface Twins {
  /** Sends pieces with a pause between them, to both; the last request has to say `Connection: close`. */
  compare (...pieces: string[]): Promise<Compared>
  /** Look-ups that fail, by the name of the registry's method. */
  failing: Set<keyof Registry>
  close (): Promise<void>
}

interface Twin { app: FastifyInstance, port: number, effects: string[], short: () => boolean }

export async function twins (server: TestServer, limits: Partial<ProtocolLimits>): Promise<Twins> {
  const failing = new Set<keyof Registry>()
  const registry = failingRegistry(server.registry, failing)
  const pair = [await twin(server, registry, limits, true), await twin(server, registry, limits, false)] as const
  return {
    failing,
    async compare (...pieces) {
      const [withShortcut, without] = await Promise.all(pair.map(each => observe(server, each, pieces))) as [
        Observed, Observed
      ]
      return { withShortcut, without, short: pair[0].short() }
    },
    async close () {
      for (const { app } of pair) await app.close()
    },
  }
}

async function twin (
  server: TestServer, registry: Registry, limits: Partial<ProtocolLimits>, fastPath: boolean
): Promise<Twin> {
  const { issuer, store, clock, ring } = server
  const effects: string[] = []
  let short = false
  const reader = tokenReader(issuer, { ring: () => ring })
  const telemetry = newTelemetry(recordingSpans(effects))
  telemetry.metrics.tokens.increment = label => { effects.push(`measured ${label}`) }
  const logger = { level: 'info', stream: { write: (line: string) => { effects.push(`logged ${line}`) } } }
  const app = await serve({
    issuer,
    store,
    registry,
    clock,
    ring: () => ring,
    reader,
    refusals: {
      record: ({ requestId: _, ...entry }) => {
        effects.push(`refused ${JSON.stringify(entry)}`)
      },
      flush: async () => {},
      stop: async () => 0
    },
    usage: {
      touch (id) {
        if (new Error().stack!.includes('fast-path.ts')) short = true
        effects.push(`used ${id}`)
      },
      flush: async () => {},
      stop: async () => 0
    },
    tokens: {
      count: (id, organizationId) => {
        effects.push(`counted ${id} ${organizationId}`)
      },
      flush: async () => {},
      stop: async () => 0
    },
    authenticator: authenticator({ registry, reader, adminTokenDigest: null }),
    registration: 'closed',
    limits,
    telemetry,
    fastPath,
  }, { port: 0, headers: { vary: 'Cookie', 'content-type': 'text/html' }, fastify: { logger } })
  return {
    app,
    port: (app.server.address() as AddressInfo).port,
    effects,
    short () {
      const was = short
      short = false
      return was
    }
  }
}

function recordingSpans (effects: string[]): Tracing {
  return {
    span (name, work) {
      effects.push(`span ${name}`)
      return work()
    },
    annotate: attributes => { effects.push(`annotated ${JSON.stringify(attributes)}`) },
    outgoing: () => ({}),
  }
}

function failingRegistry (real: Registry, failing: ReadonlySet<keyof Registry>): Registry {
  return new Proxy(real, {
    get (target, name: keyof Registry) {
      if (failing.has(name)) return async () => { throw new Failure('storage_unavailable') }
      // A database that is gone leaves nothing that could be gone by.
      if (name === 'state') return failing.size > 0 ? null : target.state
      return (target[name] as (argument: string) => unknown).bind(target)
    },
  })
}

async function observe (server: TestServer, { port, effects }: Twin, pieces: readonly string[]): Promise<Observed> {
  effects.length = 0
  const text = comparable(await exchange(port, pieces))
  // What the last request left behind is logged after its answer.
  await eventually(
    () => effects.filter(each => each.includes('request completed')).length, completed => completed >= answersIn(text)
  )
  const seen = effects.map(comparable)
  // Requests that were sent at once are answered at once: in which order they come to what is their own affair.
  return { text: await withReadableTokens(server, text), effects: answersIn(text) > 1 ? seen.sort() : seen }
}

function answersIn (text: string): number {
  return text.match(/^x-request-id/gm)?.length ?? 0
}

function exchange (port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', async () => {
      socket.setNoDelay(true)
      for (const [i, piece] of pieces.entries()) {
        if (i > 0) await setTimeout(5)
        socket.write(piece, 'latin1')
      }
    })
    let text = ''
    socket.setTimeout(patience, () => {
      socket.destroy(new Error(`no answer to ${pieces.join('').slice(0, 400)}`))
    })
    socket.setEncoding('utf8').on('data', chunk => {
      text += chunk
    }).on('error', reject).on('close', () => {
      resolve(text)
    })
  })
}

/** Without what differs from one request to the next: ids of requests, and times and places of the machine. */
function comparable (text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replaceAll(/^date: .*$/gim, 'DATE')
    .replaceAll(/"(time|pid|remotePort|responseTime)":[\d.]+/g, '"$1":0')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HERE')
}

/** Tokens as what they say, in its order, with a `jti` of the right form; and whether they hold. */
async function withReadableTokens (server: TestServer, text: string): Promise<string> {
  const tokens = text.match(/(?<="access_token":")[\w.-]+/g) ?? []
  const reader = tokenReader(server.issuer, { ring: () => server.ring })
  for (const token of tokens) {
    const [header = '', payload = ''] = token.split('.').map(part => Buffer.from(part, 'base64url').toString())
    const holds = await reader.read(token) !== null
    text = text.replace(
      token, `${header} ${payload.replace(/"jti":"[\w-]{43}"/, '"jti":"43 characters"')} ${token.length} ${holds}`
    )
  }
  return comparable(text)
}
