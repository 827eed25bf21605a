/** `latchkey policy …`: access policies, with dry runs. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment, type Answer, type Api } from '../api.ts'
import {
  calling, repeated, requireChange, showPage, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
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

/** The answer of a dry run: what a change would do. */
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

export function policyCommands (): Command {
  const policy = new Command('policy').description(
    'access policies: restrictions of credentials (docs/policies.md)'
  )
  const create = policy.command('create').description('create a policy').argument('<name>')
    .option('--org <id>', 'the organization that it binds; omitted: the deployment, so that it binds every ' +
      'organization')
    .option('--description <text>', 'a description')
    .addOption(effectOption().makeOptionMandatory())
    .option('--disabled', 'create it without putting it in force')
  withDryRun(withConditions(create)).action(calling<Policy | Impact, PolicyFlags>(showPolicyOrImpact, createPolicy))
  withSearchFlags(
    policy.command('list').description('list the policies, newest first'),
    { org: true, found: 'the name', sorts: ['name'] }
  )
    .option('--deployment', 'only those of the deployment')
    .action(calling<Page<Policy>, SearchFlags & { deployment?: boolean }>(
      showPolicies, (api, { deployment, ...flags }) => api.get('/policies', {
        ...searchQuery(flags), ...(deployment ? { organization: 'deployment' } : {})
      })
    ))
  policy.command('show').description('show a policy').argument('<id>')
    .action(calling(showPolicy, (api, _flags, id) => api.get(pathOf(id))))
  const update = policy.command('update').description(
    'change a policy; given conditions replace all previous ones'
  ).argument('<id>')
    .option('--name <text>', 'a display name')
    .option('--description <text>', 'a description')
    .addOption(effectOption())
    .addOption(new Option('--always', 'remove all conditions'))
  withDryRun(withConditions(update)).action(calling<Policy | Impact, PolicyFlags>(showPolicyOrImpact, updatePolicy))
  for (const [name, enabled] of [['enable', true], ['disable', false]] as const) {
    withDryRun(
      policy.command(name).description(enabled ? 'put a policy in force' : 'put a policy out of force')
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
    '--effect <name>', 'deny: refuse what matches; allow: of its credentials, refuse what no allow policy matches'
  ).choices(['allow', 'deny'])
}

function withDryRun (command: Command): Command {
  return command
    .option('--dry-run', 'change nothing, and list the credentials that would gain or lose scopes')
    .option('--force', 'apply it even if no credential of the organization could undo it')
}

function withConditions (command: Command): Command {
  const several = (flags: string, description: string) =>
    new Option(flags, `${description}; repeat it for several`).argParser(repeated)
  return command
    .addOption(several('--for-org <id>', 'an organization whose credentials it applies to, in a policy of the ' +
      'deployment'))
    .addOption(several('--group <id>', 'keys bound to a member of this group'))
    .addOption(several('--kind <name>', 'api_key, access_token, management_token, session or webhook_token'))
    .addOption(several('--resource <id>', 'the API, by id or identifier'))
    .addOption(several('--scope <name>', 'a scope or a pattern; omitted: the whole request'))
    .addOption(several('--address <range>', 'an address or CIDR range'))
    .option('--from <time>', 'since this instant: 2027-01-31T00:00:00Z')
    .option('--until <time>', 'until this instant')
    .addOption(several('--day <name>', 'mon, tue, wed, thu, fri, sat or sun'))
    .option('--hours <from-until>', '09:00-17:30, or past midnight: 22:00-06:00', readHours)
    .option('--zone <name>', 'the time zone of days and hours; default: UTC')
}

/** @throws InvalidArgumentError. */
function readHours (text: string): { from: string, until: string } {
  const match = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Write two times: 09:00-17:30.')
  return { from: match[1]!, until: match[2]! }
}

/** The conditions of the flags; undefined: none. */
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
  return await api.patch(pathOf(id), { ...requireChange(change, 'the flags in --help'), dryRun, force })
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
  if (conditions === null) return [['conditions', 'cannot be parsed: it denies everything']]
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
  if (pagination.hasMore) process.stderr.write('There are more than shown; use the API with limit and cursor.\n')
  const rows = data.flatMap(({ credential, name, resources }) =>
    resources.map(
      ({ resource, gains, loses, sometimes }) =>
        [credential, name, resource, words(gains), words(loses), words(sometimes)]
    )
  )
  const table = rows.length === 0
    ? ''
    : tableLines(['CREDENTIAL', 'NAME', 'API', 'GAINS', 'LOSES', 'ONLY SOMETIMES'], rows)
  const warning = wouldLockOut ? 'No credential of the organization could undo it: it needs --force.\n' : ''
  return `Nothing was changed. Of ${Number(credentials)} credentials that it would change, ${
    Number(gaining)
  } would gain and ${Number(losing)} would lose.\n${warning}${table}`
}

const showPolicies = showPage<Policy>(
  ['ID', 'NAME', 'BINDS', 'EFFECT', 'IN FORCE'],
  policy => [
    policy.id, policy.name, policy.organization ?? 'the deployment', policy.effect, policy.enabled ? 'yes' : 'no'
  ],
  'There is no policy yet, so none restricts a credential. Create one: npx latchkey policy create NAME ' +
    '--effect deny --scope NAME'
)
