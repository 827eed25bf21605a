/** `latchkey key usage`, `latchkey authorization usage` and `latchkey org credits`. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment, type Answer, type Api } from '../api.ts'
import { calling } from '../command.ts'
import { UsageError } from '../failure.ts'
import { fieldLines, instant, tableLines } from '../print.ts'

interface Usage {
  /** Of a key. */
  apiKey?: string
  /** Of what a member has allowed a client. */
  authorization?: string
  environment: string
  from: string
  to: string
  lastUsedAt: string | null
  calls: number
  credits: number
  callsToday: number
  days: { day: string, calls: number, credits: number }[]
}

interface Credits {
  organization: string, live: number, test: number
}
interface CreditEntry {
  id: string, environment: string, amount: number, balance: number, reason: string, createdAt: string
}

interface GrantFlags { grant?: number, env?: string, reason?: string }

/** `latchkey key usage ID` */
export function keyUsageCommand (): Command {
  return usageCommand('a key', '/api-keys')
}

/** `latchkey authorization usage ID` */
export function authorizationUsageCommand (): Command {
  return usageCommand('an authorization', '/authorizations')
}

function usageCommand (what: string, collection: string): Command {
  return new Command('usage').description(
    `show the usage of ${what} by day (UTC); default: this month`
  ).argument('<id>')
    .option('--from <day>', 'the first day: 2027-01-01')
    .option('--to <day>', 'the last day')
    .action(
      calling<Usage, { from?: string, to?: string }>(showUsage, (api, { from, to }, id) =>
        api.get(`${collection}/${segment(id)}/usage`, { from, to }))
    )
}

/** `latchkey org credits ID` */
export function creditsCommand (): Command {
  return new Command('credits').description('show the credit balances of an organization, or grant credits').argument(
    '<id>'
  )
    .option('--grant <n>', 'the number of credits to grant', readCredits)
    .addOption(new Option('--env <name>', 'the account').choices(['live', 'test']))
    .option('--reason <text>', 'the reason, kept with the record')
    .action(calling<Credits | CreditEntry, GrantFlags>(showCredits, creditsOrGrant))
}

async function creditsOrGrant (
  api: Api, { grant, env, reason }: GrantFlags, id: string
): Promise<Answer<Credits | CreditEntry>> {
  const path = `/organizations/${segment(id)}/credits`
  if (grant === undefined) {
    if (env !== undefined || reason !== undefined) throw new UsageError('--env and --reason go with --grant.')
    return await api.get<Credits>(path)
  }
  if (env === undefined) throw new UsageError('Name the account: --env live or --env test.')
  return await api.post<CreditEntry>(path, { environment: env, amount: grant, reason: reason ?? 'granted' })
}

/** @throws InvalidArgumentError. */
function readCredits (text: string): number {
  const amount = /^[1-9]\d*$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(amount)) return amount
  throw new InvalidArgumentError('Write a whole number, 1 or greater.')
}

function showUsage (usage: Usage): string {
  const { environment, from, to, lastUsedAt, calls, credits, callsToday, days } = usage
  const total = fieldLines([
    ['key', usage.apiKey ?? null],
    ['authorization', usage.authorization ?? null],
    ['environment', environment],
    ['days', `${from} to ${to}, UTC`],
    ['calls', calls],
    ['credits', credits],
    ['calls today', callsToday],
    ['last used', instant(lastUsedAt) ?? 'never'],
  ])
  return days.length === 0
    ? total
    : `${total}\n${
      tableLines(['DAY', 'CALLS', 'CREDITS'], days.map(({ day, calls, credits }) => [day, calls, credits]))
    }`
}

function showCredits (answer: Credits | CreditEntry): string {
  if ('live' in answer) {
    return fieldLines([['organization', answer.organization], ['live', answer.live], ['test', answer.test]])
  }
  return fieldLines([
    ['granted', `${answer.amount} ${answer.environment} credits`],
    ['balance', answer.balance],
    ['reason', answer.reason],
    ['entry', answer.id],
  ])
}
