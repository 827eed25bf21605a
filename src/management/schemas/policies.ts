/** Schemas of access policies: conditions, changes, and the answer of a dry run. */
import { namedListOrders } from '../../domain/core/list.ts'
import { credentialKinds, effects } from '../../domain/policy/policy.ts'
import { days } from '../../domain/policy/time-window.ts'
import { Type } from '../../http/typebox-lite.ts'
import {
  Allowlist, Description, exactly, Flag, Id, Instant, Moment, Name, listQuerystring, Pagination, ScopeNames,
} from '../conventions/schemas.ts'

const Ids = Type.Array(Id, { minItems: 1, maxItems: 200 })
const Hour = Type.String({ pattern: '^([01][0-9]|2[0-4]):[0-5][0-9]$' })
export const Conditions = exactly({
  organizations: Type.Optional({
    ...Ids,
    description: 'Organizations whose credentials it applies to; only in a ' +
      'policy of the deployment.'
  }),
  groups: Type.Optional({ ...Ids, description: 'API keys bound to a member of one of these groups.' }),
  kinds: Type.Optional(Type.Array(Type.Enum([...credentialKinds]), { minItems: 1, maxItems: credentialKinds.length })),
  resources: Type.Optional({ ...Ids, description: 'By id or identifier.' }),
  scopes: Type.Optional(
    Type.Array(Type.String({ maxLength: 128 }), {
      ...ScopeNames, minItems: 1, description: 'Scopes and patterns of scopes; omitted: the whole request.'
    })
  ),
  addresses: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), {
      ...Allowlist, minItems: 1, description: 'IP addresses and CIDR ranges of the caller.'
    })
  ),
  times: Type.Optional(exactly({
    from: Type.Optional(Instant),
    until: Type.Optional(Instant),
    days: Type.Optional(Type.Array(Type.Enum([...days]), { minItems: 1, maxItems: 7 })),
    hours: Type.Optional(exactly({ from: Hour, until: Hour })),
    zone: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'IANA time zone of days and hours. Default: UTC.' })
    )
  }))
})
const rehearsal = {
  dryRun: Type.Optional(Type.Boolean({ description: 'Change nothing and list what would change.' })),
  force: Type.Optional(
    Type.Boolean({
      description: 'Apply it even if no credential of the organization could undo it, or not your own session.'
    })
  )
}

const Effect = Type.Enum([...effects])
export const NewPolicy = exactly({
  organization: Type.Optional(Id),
  name: Name,
  description: Type.Optional(Description),
  effect: Effect,
  enabled: Type.Optional(Type.Boolean()),
  conditions: Type.Optional(Conditions),
  ...rehearsal,
})
export const PolicyChange = exactly({
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  effect: Type.Optional(Effect),
  enabled: Type.Optional(Type.Boolean()),
  conditions: Type.Optional(Conditions),
  ...rehearsal,
})
export const PolicyQuerystring = exactly({
  ...listQuerystring({ records: 'policies', found: 'the name', sorts: namedListOrders }),
  organization: Type.Optional({ ...Id, description: 'An organization, or `deployment` for policies without one.' }),
  effect: Type.Optional(Effect),
  enabled: Flag,
})
export const WirePolicy = exactly({
  id: Id,
  organization: Type.Union([Id, Type.Null()]),
  name: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  effect: Effect,
  enabled: Type.Boolean(),
  conditions: Type.Union([Conditions, Type.Null()], {
    description: 'Null: the stored conditions cannot be parsed; the policy denies everything.'
  }),
  createdBy: Type.String(),
  createdAt: Moment,
  updatedAt: Moment,
})
const Scopes = Type.Array(Type.String())
export const WireImpact = exactly({
  dryRun: Type.Literal(true),
  wouldLockOut: Type.Boolean({ description: 'Whether it would be refused unless it is forced.' }),
  wouldLockOutYou: Type.Boolean({
    description: 'Whether your own session would be refused afterwards, from the address of this request.'
  }),
  totals: exactly({ credentials: Type.Integer(), gaining: Type.Integer(), losing: Type.Integer() }),
  data: Type.Array(exactly({
    credential: Id,
    kind: Type.String(),
    name: Type.String(),
    organization: Type.Union([Id, Type.Null()]),
    resources: Type.Array(exactly({ resource: Type.String(), gains: Scopes, loses: Scopes, sometimes: Scopes })),
  })),
  pagination: Pagination,
})
