/** The schemas of reservations and leases. docs/ai-budgets.md has the protocol. */
import { greatestCharge } from '../../domain/spending/budget.ts'
import { providerForm } from '../../domain/spending/provider-key.ts'
import { Type } from '../../http/typebox-lite.ts'
import { as, exactly, IdParams, ResourceName } from '../../management/conventions/schemas.ts'
import { WirePrincipal } from '../../management/schemas/principal.ts'
import { reservationMembers } from '../../management/schemas/reservation.ts'
import { clientCredentials } from '../client-proof.ts'

const plain = { pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$' }

/** An account, as a gateway names it. */
export const Account = as(Type.String({ minLength: 1, maxLength: 128, ...plain }), 'mem_3kPq8RsTuVwXyZ0aBcDeFg')
export const Model = as(Type.String({ minLength: 1, maxLength: 128, ...plain }), 'gpt-5')
const Amount = (minimum: number, description: string) =>
  as(Type.Integer({ minimum, maximum: greatestCharge, description }), 2_000)
const Tokens = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

export const ReservationBody = exactly({
  ...clientCredentials,
  credential: as(
    Type.String({ minLength: 1, maxLength: 8_192, description: 'The API key or the access token of the caller.' }),
    'oc_live_4f2a…'
  ),
  estimate: Amount(1, 'Micro-dollars that the call may cost.'),
  model: Model,
  reference: as(
    Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: '^[\\x21-\\x7e]+$',
      description: 'Your name of this call: the same one again gets the same reservation.'
    }),
    'chatcmpl-8e03978e'
  ),
  account: Type.Optional(Type.With(Account, {
    description: 'Whose budget it counts in beside that of the organization. Left out: the member that the ' +
      'credential is bound to.'
  })),
  resource: Type.Optional(Type.With(ResourceName, {
    description: 'The resource of the credential. Left out: the only one that this client introspects.'
  })),
  scopes: Type.Optional(as(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
    maxItems: 50, description: 'Scopes that the call needs. Left out: none.'
  }), ['models:use'])),
  address: Type.Optional(as(Type.String({
    maxLength: 64, description: 'The IP address of the caller. Left out: unknown, so no allowlist lets it pass.'
  }), '203.0.113.7')),
  provider: Type.Optional(as(Type.String({
    ...providerForm, description: 'The provider whose key the call needs: the answer names the key to lease.'
  }), 'openai')),
}, 'AskedReservation')

export const SettlementBody = exactly({
  ...clientCredentials,
  amount: Amount(0, 'Micro-dollars that the call has cost, rounded up once.'),
  usage: Type.Optional(exactly({ inputTokens: Tokens, outputTokens: Tokens }, 'ReportedTokens')),
  force: Type.Optional(Type.Boolean({ description: 'Whether it may be more than 100 times the estimate.' })),
}, 'Settlement')

/** Optional as a whole: Fastify passes a missing body to the schema as null. */
export const EndingBody = Type.Union([exactly(clientCredentials, 'ClientCredentials'), Type.Null()])

export const ReservationParams = IdParams

export const WireNewReservation = Type.Object({
  ...reservationMembers,
  principal: WirePrincipal,
  providerKey: Type.Optional(Type.Union([
    Type.Object({ id: Type.String(), fingerprint: Type.String() }), Type.Null()
  ], { description: 'The key to lease for the provider that was named; null: there is none.' })),
}, { title: 'NewReservation' })
