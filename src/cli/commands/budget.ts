/** `latchkey budget …`: AI budgets, what was spent, and the virtual keys that spend it. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment, type Api } from '../api.ts'
import { calling, pageQuery, repeated, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { UsageError } from '../failure.ts'
import { fieldLines, instant, tableLines } from '../print.ts'

interface Budget {
  id: string,
  kind: string,
  account: string | null,
  organization: string | null,
  day: number | null,
  month: number | null
}
interface Period { limit: number | null, spent: number, reserved: number, left: number | null, resetsAt: string }
interface State extends Omit<Budget, 'id' | 'day' | 'month'> { isSet: boolean, day: Period, month: Period }
interface Sum { name: string, amount: number, calls: number, inputTokens: number, outputTokens: number }
interface Reservation {
  id: string,
  status: string,
  credential: string,
  model: string,
  estimate: number,
  amount: number | null,
  createdAt: string
}
interface VirtualKey { id: string, organization: string, hint: string, status: string, budget: State, key?: string }

interface HolderFlags { org?: string, account?: string, global?: boolean }
interface LimitFlags extends HolderFlags { day?: Limit, month?: Limit }
interface SpendFlags { by: string, org?: string, key?: string, model?: string, from?: string, to?: string }
interface NewKeyFlags { resource: string, scope?: string[], name?: string, env?: string }

/** Wrapped, because commander treats null as absent. */
interface Limit { amount: number | null }

export function budgetCommands (): Command {
  const budget = new Command('budget').description('AI budgets in micro-dollars: a million is one dollar')
  withPageFlags(budget.command('list').description('list the budgets that are set, newest first'), { org: true })
    .action(calling<Page<Budget>, ListFlags>(showBudgets, (api, flags) => api.get('/budgets', pageQuery(flags))))
  withHolder(budget.command('show').description('show a budget, with what is spent and left of it'))
    .action(calling<State, HolderFlags>(showState, (api, flags) => api.get(pathOf(flags))))
  withHolder(budget.command('set').description('set a budget, or replace it; a limit that is left out is unlimited'))
    .option('--day <micro-dollars>', 'for a day, UTC; or "unlimited"', readLimit)
    .option('--month <micro-dollars>', 'for a calendar month, UTC; or "unlimited"', readLimit)
    .action(calling<State, LimitFlags>(showState, setBudget))
  withHolder(budget.command('remove').description('remove a budget: nothing is limited then'))
    .action(calling<unknown, HolderFlags>(() => 'The budget is removed.\n', (api, flags) => api.delete(pathOf(flags))))
  budget.command('spend').description('add up what was spent')
    .addOption(
      new Option('--by <name>', 'add up by this').choices(['day', 'model', 'credential', 'organization']).default('day')
    )
    .option('--org <id>', 'only of this organization')
    .option('--key <id>', 'only of this key')
    .option('--model <name>', 'only of this model')
    .option('--from <day>', 'the first day: 2027-01-01')
    .option('--to <day>', 'the last day')
    .action(calling<{ data: Sum[] }, SpendFlags>(showSums, (api, { by, org: organization, key: credential, ...rest }) =>
      api.get('/spend/sums', { by, organization, credential, model: rest.model, from: rest.from, to: rest.to })))
  withPageFlags(budget.command('reservations').description('list reservations of calls, newest first'), { org: true })
    .addOption(
      new Option('--status <name>', 'only in this state').choices(['open', 'settled', 'released', 'unsettled'])
    )
    .action(calling<Page<Reservation>, ListFlags & { status?: string }>(showReservations, (api, { status, ...flags }) =>
      api.get('/spend/reservations', { ...pageQuery(flags), status })))
  return budget.addCommand(virtualKeyCommands())
}

function virtualKeyCommands (): Command {
  const key = new Command('key').description('the virtual key by which an organization calls models')
  const path = (id: string) => `/organizations/${segment(id)}/virtual-key`
  key.command('show').description('show the virtual key of an organization').argument('<organization>')
    .action(calling<VirtualKey, object>(showKey, (api, _flags, id) => api.get(path(id))))
  key.command('create').description('create the virtual key of an organization').argument('<organization>')
    .requiredOption('--resource <identifier>', 'the protected API of the gateway')
    .option('--scope <name>', 'a scope; repeat it for several', repeated)
    .option('--name <text>', 'the name of the key')
    .addOption(new Option('--env <name>', 'the environment').choices(['live', 'test']))
    .action(calling<VirtualKey, NewKeyFlags>(showKey, (api, { resource, scope: scopes, name, env: environment }, id) =>
      api.post(path(id), { resource, scopes, name, environment })))
  key.command('revoke').description('revoke the virtual key of an organization').argument('<organization>')
    .option('--reason <text>', 'the reason, kept with the record')
    .action(calling<VirtualKey, { reason?: string }>(showKey, (api, { reason }, id) =>
      api.post(`${path(id)}/revoke`, { reason })))
  return key
}

function withHolder (command: Command): Command {
  return command
    .option('--org <id>', 'the budget of this organization')
    .option('--account <id>', 'the budget of this account')
    .option('--global', 'the budget of the deployment')
}

function pathOf ({ org, account, global }: HolderFlags): string {
  const paths = [
    ...(org === undefined ? [] : [`/budgets/organizations/${segment(org)}`]),
    ...(account === undefined ? [] : [`/budgets/accounts/${segment(account)}`]),
    ...(global === true ? ['/budgets/global'] : [])
  ]
  if (paths.length !== 1) throw new UsageError('Name one budget: --org ORG, --account ACCOUNT or --global.')
  return paths[0]!
}

async function setBudget (api: Api, { day, month, ...holder }: LimitFlags) {
  const path = pathOf(holder)
  if (day === undefined && month === undefined) throw new UsageError('Name a limit: --day or --month.')
  return await api.put<State>(path, { day: day?.amount ?? null, month: month?.amount ?? null })
}

/** @throws InvalidArgumentError. */
function readLimit (text: string): Limit {
  if (text === 'unlimited') return { amount: null }
  const amount = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(amount)) return { amount }
  throw new InvalidArgumentError('Write a whole number of micro-dollars: 1000000 is one dollar.')
}

function nameOf ({ kind, account, organization }: Pick<Budget, 'kind' | 'account' | 'organization'>): string {
  return account ?? organization ?? kind
}

const unlimited = 'unlimited'

function showState (state: State): string {
  return fieldLines([['budget of', nameOf(state)]]) + tableLines(
    ['PERIOD', 'LIMIT', 'SPENT', 'RESERVED', 'LEFT', 'BEGINS ANEW'],
    (['day', 'month'] as const).map(period => {
      const { limit, spent, reserved, left, resetsAt } = state[period]
      return [period, limit ?? unlimited, spent, reserved, left ?? unlimited, instant(resetsAt)]
    })
  )
}

const showBudgets = showPage<Budget>(
  ['BUDGET OF', 'KIND', 'DAY', 'MONTH'],
  budget => [nameOf(budget), budget.kind, budget.day ?? unlimited, budget.month ?? unlimited],
  'No budget is set.'
)

function showSums ({ data }: { data: Sum[] }): string {
  return tableLines(['NAME', 'MICRO-DOLLARS', 'CALLS', 'TOKENS IN', 'TOKENS OUT'], data.map(sum => [
    sum.name, sum.amount, sum.calls, sum.inputTokens, sum.outputTokens
  ]))
}

const showReservations = showPage<Reservation>(
  ['ID', 'STATUS', 'CREDENTIAL', 'MODEL', 'ESTIMATE', 'AMOUNT', 'MADE'],
  each => [each.id, each.status, each.credential, each.model, each.estimate, each.amount, instant(each.createdAt)],
  'There are no reservations.'
)

function showKey ({ id, organization, hint, status, budget, key }: VirtualKey): string {
  return fieldLines([
    ['id', id],
    ['organization', organization],
    ['hint', hint],
    ['status', status],
    ['left this month', budget.month.left ?? unlimited],
    ...(key === undefined ? [] : [['key', key] as const]),
  ]) + (key === undefined ? '' : 'Keep the key: it is not shown again.\n')
}
