/** The schemas of the routes of remote guards. docs/remote-guard.md has the protocol. */
import type { FailureCode } from '../../base/errors.ts'
import { Type } from '../../http/typebox-lite.ts'
import { clientProof } from '../../protocol/shared/descriptions.ts'
import { as, exactly, Id, list, nullable } from '../../management/conventions/schemas.ts'

const tags = ['decisions']

/** With the limit on the members of a body. */
const mostReported = 500

export const SessionParams = exactly({ session: as(Id, 'gds_5vSXHvDRKzVzyhBqxXqF1K') })

export const OpenBody = exactly({
  resource: as(Type.String({ minLength: 1, maxLength: 2_048 }), 'https://api.acme.test'),
  guard: Type.Optional(Type.String({ maxLength: 128, description: 'Name and version of the guard, for people.' })),
  templates: Type.Optional(Type.Boolean({ description: 'Whether the answer has the refusals as templates.' })),
})

export const PollBody = exactly({
  applied: Type.Integer({ minimum: 0, description: 'The position up to which the guard has applied every change.' }),
  counted: Type.Optional(Type.Integer({
    minimum: 0, description: '`counted` of the last answer whose `elsewhere` the guard has added; 0: of none.'
  })),
})

export const LookupBody = exactly({
  credential: Type.String({ minLength: 1, maxLength: 8_192 }),
  kind: Type.Enum(['api_key', 'access_token'], { description: 'How it was presented.' }),
  address: Type.Optional(Type.String({ maxLength: 64, description: 'The caller\'s, for the audit log.' })),
})

export const UsageBody = exactly({
  sequence: Type.Integer({ minimum: 1, description: '1 for the first report of a session, then one more for each.' }),
  entries: Type.Array(
    exactly({
      key: as(Type.With(Id, { description: 'Of a key, or of an authorization.' }), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
      calls: Type.Integer({ minimum: 0, maximum: 100_000_000 }),
      day: as(Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', description: 'UTC.' }), '2026-11-30'),
    }),
    { maxItems: mostReported }
  ),
})

const Subjects = list(Type.String())
const Answer = Type.Object({ status: Type.Integer(), headers: Type.Record(Type.String(), Type.String()) })

const Opened = Type.Object({
  session: Type.String(),
  position: Type.Integer(),
  lease: Type.Integer({ description: 'Milliseconds for which an answer can be trusted at most.' }),
  issuer: Type.String(),
  resource: Type.Object({
    id: Type.String(),
    identifier: Type.String(),
    organization: nullable(Type.String()),
    style: Type.Unknown(),
    metadata: nullable(Type.String()),
    tokenScopes: Type.With(list(Type.String()), { description: 'The declared scopes without API-key-only ones.' }),
    initialScopes: Type.With(list(Type.String()), {
      description: 'What the challenge of a route that needs no scope names: the default scopes of an MCP server.'
    })
  }),
  keys: Type.With(list(Type.Unknown()), { description: 'The keys that verify access tokens (RFC 7517).' }),
  refusals: Type.Optional(Type.Record(Type.String(), Type.Record(Type.String(), Answer))),
  unavailable: Type.Optional(Answer),
}, { title: 'GuardSession' })

const Totals = Type.With(Type.Record(Type.String(), Type.Integer({ minimum: 0 })), {
  description: 'By holder of a limit per minute: the calls that were counted elsewhere since the session asked first.'
})

const News = Type.Object({
  position: Type.Integer(),
  changes: Type.With(Subjects, { description: 'The subjects whose entries are outdated.' }),
  trustFor: Type.Integer({ description: 'Milliseconds from the moment at which the poll was sent; 0: none.' }),
  counted: Type.Optional(Type.Integer({ description: 'The number of `elsewhere`, to be confirmed by the next poll.' })),
  elsewhere: Type.Optional(Totals),
}, { title: 'GuardNews' })

const Found = Type.Object({
  position: Type.Union([Type.Integer(), Type.Null()], {
    description: 'The changes that the answer includes; null: it is not to be kept.'
  }),
  entry: Type.Optional(Type.Object({ facts: Type.Unknown(), follows: Subjects, asksEachTime: Type.Boolean() })),
  elsewhere: Type.Optional(Totals),
  refusal: Type.Optional(Type.Object({ reason: Type.String() })),
}, { title: 'GuardLookup' })

const Nothing = Type.Null({ description: 'Done.' })

/** The failures of each route, for its document. */
export const failures: Readonly<Record<keyof typeof schemas, FailureCode[]>> = {
  open: ['unauthorized', 'insufficient_permissions', 'too_many_requests'],
  poll: ['unauthorized', 'insufficient_permissions', 'not_found', 'session_ended', 'too_many_requests'],
  lookup: ['unauthorized', 'insufficient_permissions', 'not_found', 'session_ended', 'too_many_requests'],
  usage: ['unauthorized', 'insufficient_permissions', 'not_found', 'conflict', 'too_many_requests'],
  end: ['unauthorized', 'insufficient_permissions', 'not_found', 'too_many_requests'],
}

/** Summary, description and answers, by route. */
export const schemas = {
  open: {
    summary: 'Open the session of a remote guard',
    description: 'For a client that introspects the resource. The guard begins with an empty memory.',
    operationId: 'openGuardSession',
    tags,
    security: clientProof,
    response: { 201: Opened },
  },
  poll: {
    summary: 'Report what is applied, and wait for changes',
    description: 'Held until there is a change or a count, for a quarter of the lease at most. 410: open another ' +
      'session.',
    operationId: 'pollGuardSession',
    tags,
    security: clientProof,
    response: { 200: News },
  },
  lookup: {
    summary: 'Ask what a verdict on a credential follows from',
    description: 'An entry for the memory of the guard, or the reason against the credential.',
    operationId: 'lookUpCredential',
    tags,
    security: clientProof,
    response: { 200: Found },
  },
  usage: {
    summary: 'Report calls that were admitted from memory',
    description: 'Counted once, for keys and authorizations that this session asked about, for today and yesterday.',
    operationId: 'reportGuardUsage',
    tags,
    security: clientProof,
    response: { 204: Nothing },
  },
  end: {
    summary: 'End the session of a remote guard',
    description: 'The guard has emptied its memory: from now on no change waits for it.',
    operationId: 'endGuardSession',
    tags,
    security: clientProof,
    response: { 204: Nothing },
  },
}
