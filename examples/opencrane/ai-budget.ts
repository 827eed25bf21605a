/** AI budgets in US dollars a month, what is spent of them, and the virtual key by which a tenant spends. */
import { Type, type Static } from 'typebox'
import { Refusal, type Latchkey } from './control-plane.ts'
import {
  exactly, NameParams, pageOf, pageQuery, PageQuerystring, shown, Text, type Collection
} from './context.ts'
import { byOrganization, organizationOf, visibleTenant } from './tenants.ts'

const Usd = Type.Number({ minimum: 0, maximum: 1_000_000_000 })
const Limit = exactly({ monthlyLimitUsd: Usd })
const WireBudget = Type.Object({
  monthlyLimitUsd: Type.Union([Type.Number(), Type.Null()], { description: 'Null: unlimited.' }),
  currentSpendUsd: Type.Number(),
  budgetAlertState: Type.Enum(['ok', 'warning', 'exceeded'])
})
const AccountBudget = Type.Object({ userId: Type.String(), ...WireBudget.properties })
const WireKey = Type.Object({ id: Type.String(), hint: Type.String(), status: Type.String(), budget: WireBudget })
const WireUsage = Type.Object({
  tenant: Type.Optional(Type.String()),
  model: Type.String(),
  inputTokens: Type.Integer(),
  outputTokens: Type.Integer(),
  totalCostUsd: Type.Number(),
  recordedAt: Type.String({ format: 'date-time' })
})

interface Period { limit: number | null, spent: number }
export interface Budget { isSet: boolean, day: Period, month: Period }
interface Key { id: string, hint: string, status: string, budget: Budget }
interface Line {
  organization: string, model: string, amount: number, inputTokens: number, outputTokens: number, createdAt: string
}

/** From this part of the limit on, an operator is warned. */
const warned = 0.8

/** Whole micro-dollars. @throws Refusal VALIDATION_ERROR for a part of one. */
export function microDollars (usd: number): number {
  const amount = Math.round(usd * 1_000_000)
  if (Math.abs(usd * 1_000_000 - amount) > 0.001) {
    throw new Refusal(400, 'VALIDATION_ERROR', `${usd} is no whole number of millionths of a dollar.`)
  }
  return amount
}

/** Sets the limit of a month, and leaves that of a day. */
export async function setMonthlyLimit (latchkey: Latchkey, path: string, month: number | null): Promise<Budget> {
  const { day: { limit: day } } = await latchkey.get<Budget>(path)
  return await latchkey.send<Budget>('PUT', path, { day, month })
}

function wireBudget ({ month: { limit, spent } }: Budget): Static<typeof WireBudget> {
  const budgetAlertState = limit === null || spent < limit * warned ? 'ok' : spent < limit ? 'warning' : 'exceeded'
  return {
    monthlyLimitUsd: limit === null ? null : limit / 1_000_000, currentSpendUsd: spent / 1_000_000, budgetAlertState
  }
}

export const aiBudget: Collection = (app, plane) => {
  const tags = ['AI Budget']
  const path = '/budgets/global'
  app.get('/ai-budget/global', {
    schema: {
      operationId: 'getGlobalBudget', summary: 'Get the budget of the platform', tags, response: { 200: WireBudget }
    }
  }, async request => wireBudget(await plane.latchkey(request).get<Budget>(path)))

  app.put('/ai-budget/global', {
    schema: {
      operationId: 'updateGlobalBudget',
      summary: 'Set the budget of the platform',
      tags,
      body: Limit,
      response: { 200: WireBudget }
    }
  }, async request => wireBudget(
    await setMonthlyLimit(plane.latchkey(request), path, microDollars(request.body.monthlyLimitUsd))
  ))
  accounts(app, plane)
  ofTenants(app, plane)
  tokenUsage(app, plane)
}

const accounts: Collection = (app, plane) => {
  const tags = ['AI Budget']
  const UserParams = Type.Object({ userId: Text })
  const pathOf = (userId: string) => `/budgets/accounts/${encodeURIComponent(userId)}`
  app.get('/ai-budget/accounts', {
    schema: {
      operationId: 'listAccountBudgets',
      summary: 'List the budgets of accounts',
      tags,
      querystring: PageQuerystring,
      response: { 200: pageOf(AccountBudget) }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { data, pagination } = await latchkey.page<{ account: string }>(
      '/budgets', request.query, { kind: 'account' }
    )
    const states = data.map(async ({ account: userId }) => (
      { userId, ...wireBudget(await latchkey.get<Budget>(pathOf(userId))) }
    ))
    return { data: await Promise.all(states), pagination }
  })

  app.put('/ai-budget/accounts/:userId', {
    schema: {
      operationId: 'upsertAccountBudget',
      summary: 'Set the budget of an account',
      tags,
      params: UserParams,
      body: Limit,
      response: { 200: AccountBudget }
    }
  }, async request => {
    const { userId } = request.params
    const limit = microDollars(request.body.monthlyLimitUsd)
    return { userId, ...wireBudget(await setMonthlyLimit(plane.latchkey(request), pathOf(userId), limit)) }
  })

  app.delete('/ai-budget/accounts/:userId', {
    schema: {
      operationId: 'deleteAccountBudget',
      summary: 'Remove the budget of an account',
      tags,
      params: UserParams,
      response: { 200: Type.Object({ userId: Type.String(), status: Type.String() }) }
    }
  }, async request => {
    const { userId } = request.params
    await plane.latchkey(request).send('DELETE', pathOf(userId))
    return { userId, status: 'deleted' }
  })
}

const ofTenants: Collection = (app, plane) => {
  const tags = ['AI Budget']
  app.get('/ai-budget/:name/spend', {
    schema: {
      operationId: 'getTenantSpend',
      summary: 'Get what a tenant has spent this month',
      tags,
      params: NameParams,
      response: { 200: WireBudget }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { organization: { id } } = await visibleTenant(plane, latchkey, request.params.name)
    return wireBudget(await latchkey.get<Budget>(`/budgets/organizations/${id}`))
  })

  app.get('/ai-budget/:name/litellm-key', {
    schema: {
      operationId: 'getTenantLiteLlmKey',
      summary: 'Get the virtual key of a tenant, without its text',
      tags,
      params: NameParams,
      response: { 200: WireKey }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { organization } = await visibleTenant(plane, latchkey, request.params.name)
    return wireKey(await latchkey.get<Key>(`/organizations/${organization.id}/virtual-key`))
  })

  app.post('/ai-budget/:name/litellm-key/revoke', {
    schema: {
      operationId: 'revokeTenantLiteLlmKey',
      summary: 'Revoke the virtual key of a tenant',
      tags,
      params: NameParams,
      description: 'PUT /tenants/{name} makes another.',
      response: { 200: WireKey }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { organization } = await visibleTenant(plane, latchkey, request.params.name)
    return wireKey(await latchkey.send<Key>('POST', `/organizations/${organization.id}/virtual-key/revoke`))
  })
}

function wireKey ({ id, hint, status, budget }: Key): Static<typeof WireKey> {
  return { id, hint, status, budget: wireBudget(budget) }
}

const tokenUsage: Collection = (app, plane) => {
  app.get('/token-usage', {
    schema: {
      operationId: 'listTokenUsage',
      summary: 'List the tokens of AI models that tenants have used, by day and model',
      tags: ['Token Usage'],
      querystring: exactly({ ...pageQuery, tenant: Type.Optional(Text) }),
      response: { 200: pageOf(WireUsage) }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    const { tenant, ...query } = request.query
    const organization = await organizationOf(plane, latchkey, tenant)
    const known = byOrganization(plane)
    return shown(await latchkey.page<Line>('/spend', query, { organization }), line => {
      const name = known.get(line.organization)?.name
      return {
        ...(name === undefined ? {} : { tenant: name }),
        model: line.model,
        inputTokens: line.inputTokens,
        outputTokens: line.outputTokens,
        totalCostUsd: line.amount / 1_000_000,
        recordedAt: line.createdAt
      }
    })
  })
}
