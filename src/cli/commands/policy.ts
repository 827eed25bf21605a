import { Command, InvalidArgumentError, Option } from 'commander'
import { segment, type Answer, type Api } from '../api.ts'
import {
  calling, pageQuery, repeated, requireChange, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { fieldLines, instant, tableLines, words, type Field } from '../print.ts'

interface Times {
  from?: string, until?: string, days?: string[], hours?: { from: string, until: string }, zone?: string
}
interface Conditions {
  organizations?: string[],
  groups?: string[],
  kinds?: string[],
  resources?: string[],
  scopes?: string[],
  addresses?: string[],
  times?: Times
}

interface Policy {
  id: string
  organization: string | null
  name: string
  description: string | null
  effect: string
  enabled: boolean
  conditions: Conditions | null
  createdBy: string
  createdAt: string
  updatedAt: string
}

/** What a change would do, told by a dry run. */
interface Impact {
  dryRun: true
  wouldLockOut: boolean
  totals: { credentials: number, gaining: number, losing: number }
  data: {
    credential: string,
    kind: string,
    name: string,
    resources: { resource: string, gains: string[], loses: string[], sometimes: string[] }[]
  }[]
  pagination: { hasMore: boolean, nextCursor?: string }
}

interface ConditionFlags {
  forOrg?: string[]
  group?: string[]
  kind?: string[]
  resource?: string[]
  scope?: string[]
  address?: string[]
  from?: string
  until?: string
  day?: string[]
  hours?: { from: string, until: string }
  zone?: string
}

interface PolicyFlags extends ConditionFlags {
  org?: string
  name?: string
  description?: string
  effect?: string
  disabled?: boolean
  always?: boolean
  dryRun?: boolean
  force?: boolean
}

/** `latchkey policy …` */
export function policyCommands (): Command {
  const policy = new Command('policy').description(
    'access policies: what credentials may do less than they were given (docs/policies.md)'
  )
  const create = policy.command('create').description('create a policy').argument('<name>')
    .option('--org <id>', 'the organization it belongs to and binds; left out: it is the deployment\'s and binds ' +
      'everybody')
    .option('--description <text>', 'what it is for')
    .addOption(effectOption().makeOptionMandatory())
    .option('--disabled', 'it is not in force yet')
  withDryRun(withConditions(create)).action(calling<Policy | Impact, PolicyFlags>(showPolicyOrImpact, createPolicy))
  withPageFlags(policy.command('list').description('list the policies, newest first'), { org: true })
    .option('--deployment', 'only those that belong to no organization')
    .action(calling<Page<Policy>, ListFlags & { deployment?: boolean }>(showPolicies, (api, { deployment, ...flags }) =>
      api.get('/policies', { ...pageQuery(flags), ...(deployment ? { organization: 'deployment' } : {}) })))
  policy.command('show').description('show a policy').argument('<id>')
    .action(calling(showPolicy, (api, _flags, id) => api.get(pathOf(id))))
  const update = policy.command('update').description(
    'change a policy; conditions that are given replace all there were'
  ).argument('<id>')
    .option('--name <text>', 'what people call it')
    .option('--description <text>', 'what it is for')
    .addOption(effectOption())
    .addOption(new Option('--always', 'no condition at all'))
  withDryRun(withConditions(update)).action(calling<Policy | Impact, PolicyFlags>(showPolicyOrImpact, updatePolicy))
  for (const [name, enabled] of [['enable', true], ['disable', false]] as const) {
    withDryRun(
      policy.command(name).description(enabled ? 'put a policy in force' : 'put a policy out of force and keep it')
        .argument('<id>')
    )
      .action(
        calling<Policy | Impact, PolicyFlags>(showPolicyOrImpact, (api, { dryRun, force }, id) =>
          api.patch(pathOf(id), { enabled, dryRun, force }))
      )
  }
  withDryRun(policy.command('delete').description('delete a policy').argument('<id>'))
    .action(calling<Policy | Impact, PolicyFlags>(showPolicyOrImpact, async (api, { dryRun, force }, id) => {
      const policy = await api.get<Policy>(pathOf(id))
      const impact = await api.delete<Impact | null>(pathOf(id), {
        dryRun: dryRun ? 'true' : undefined, force: force ? 'true' : undefined
      })
      return impact.value === null ? policy : impact as Answer<Impact>
    }))
  return policy
}

function effectOption (): Option {
  return new Option(
    '--effect <name>', 'deny: what it is about is refused; allow: what it is about passes under its conditions only'
  ).choices(['allow', 'deny'])
}

function withDryRun (command: Command): Command {
  return command
    .option('--dry-run', 'change nothing, and tell who would gain or lose what')
    .option('--force', 'also if nobody in the organization could undo it')
}

function withConditions (command: Command): Command {
  const several = (flags: string, description: string) =>
    new Option(flags, `${description}; repeat it for several`).argParser(repeated)
  return command
    .addOption(several('--for-org <id>', 'whose credentials, in a policy of the deployment'))
    .addOption(several('--group <id>', 'keys that are bound to a member of this group'))
    .addOption(several('--kind <name>', 'api_key, access_token, management_token, session or webhook_token'))
    .addOption(several('--resource <id>', 'the API, by id or identifier'))
    .addOption(several('--scope <name>', 'a scope or a pattern; left out: the request as a whole'))
    .addOption(several('--address <range>', 'an address or CIDR range'))
    .option('--from <time>', 'from this instant on: 2027-01-31T00:00:00Z')
    .option('--until <time>', 'up to this instant')
    .addOption(several('--day <name>', 'mon, tue, wed, thu, fri, sat or sun'))
    .option('--hours <from-until>', '09:00-17:30, or past midnight: 22:00-06:00', readHours)
    .option('--zone <name>', 'the time zone of days and hours; UTC unless given')
}

/** @throws InvalidArgumentError. */
function readHours (text: string): { from: string, until: string } {
  const match = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Write two times: 09:00-17:30.')
  return { from: match[1]!, until: match[2]! }
}

/** Undefined: no flag names one. */
function conditionsOf (
  { forOrg, group, kind, resource, scope, address, from, until, day, hours, zone }: ConditionFlags
): Conditions | undefined {
  const times = presentMembers({ from, until, days: day, hours, zone })
  return presentMembers({
    organizations: forOrg, groups: group, kinds: kind, resources: resource, scopes: scope, addresses: address, times
  })
}

function presentMembers<T extends object> (members: T): { [Name in keyof T]: NonNullable<T[Name]> } | undefined {
  const present = Object.entries(members).filter(([, value]) => value !== undefined)
  return present.length === 0 ? undefined : Object.fromEntries(present) as { [Name in keyof T]: NonNullable<T[Name]> }
}

async function createPolicy (api: Api, flags: PolicyFlags, name: string): Promise<Answer<Policy | Impact>> {
  const { org, description, effect, disabled, dryRun, force } = flags
  return await api.post('/policies', {
    organization: org,
    name,
    description,
    effect,
    enabled: disabled ? false : undefined,
    conditions: conditionsOf(flags),
    dryRun,
    force
  })
}

async function updatePolicy (api: Api, flags: PolicyFlags, id: string): Promise<Answer<Policy | Impact>> {
  const { name, description, effect, always, dryRun, force } = flags
  const change = { name, description, effect, conditions: conditionsOf(flags) ?? (always ? {} : undefined) }
  return await api.patch(pathOf(id), { ...requireChange(change, 'those that --help lists'), dryRun, force })
}

function pathOf (id: string): string {
  return `/policies/${segment(id)}`
}

function showPolicy (policy: Policy): string {
  return fieldLines([
    ['id', policy.id],
    ['name', policy.name],
    ['for', policy.description],
    ['binds', policy.organization ?? 'the deployment'],
    ['effect', policy.enabled ? policy.effect : `${policy.effect}, disabled`],
    ...conditionFields(policy.conditions),
    ['created', `${instant(policy.createdAt)} by ${policy.createdBy}`],
    ['updated', instant(policy.updatedAt)],
  ])
}

function conditionFields (conditions: Conditions | null): Field[] {
  if (conditions === null) return [['conditions', 'cannot be read: it denies everything']]
  const { organizations, groups, kinds, resources, scopes, addresses, times } = conditions
  const { from, until, days, hours, zone } = times ?? {}
  return [
    ['organizations', words(organizations)],
    ['groups', words(groups)],
    ['credentials', words(kinds)],
    ['APIs', words(resources)],
    ['scopes', words(scopes)],
    ['addresses', words(addresses)],
    ['from', instant(from)],
    ['until', instant(until)],
    ['days', words(days)],
    ['hours', hours === undefined ? null : `${hours.from} to ${hours.until} ${zone ?? 'UTC'}`],
  ]
}

function showPolicyOrImpact (answer: Policy | Impact): string {
  if (!('dryRun' in answer)) return showPolicy(answer)
  const { totals: { credentials, gaining, losing }, wouldLockOut, data, pagination } = answer
  if (pagination.hasMore) process.stderr.write('There are more than are shown; --json and the API go page by page.\n')
  const rows = data.flatMap(({ credential, name, resources }) =>
    resources.map(
      ({ resource, gains, loses, sometimes }) =>
        [credential, name, resource, words(gains), words(loses), words(sometimes)]
    )
  )
  const table = rows.length === 0
    ? ''
    : tableLines(['CREDENTIAL', 'NAME', 'API', 'GAINS', 'LOSES', 'ONLY SOMETIMES'], rows)
  const warning = wouldLockOut ? 'Nobody in the organization could undo it: it would take --force.\n' : ''
  return `Nothing was changed. Of ${Number(credentials)} credentials that it would change, ${
    Number(gaining)
  } would gain and ${Number(losing)} would lose.\n${warning}${table}`
}

const showPolicies = showPage<Policy>(
  ['ID', 'NAME', 'BINDS', 'EFFECT', 'IN FORCE'],
  policy => [policy.id, policy.name, policy.organization ?? 'the deployment', policy.effect, policy.enabled ? 'yes' : 'no'],
  'There is no policy yet: every credential may do what it was given. Create one: npx latchkey policy create NAME ' +
    '--effect deny --scope NAME'
)
