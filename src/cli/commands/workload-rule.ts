/** `latchkey trusted-issuer add-rule …`: the rules of trusted issuers, which say what a workload gets. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment } from '../api.ts'
import {
  calling, pageQuery, removed, requireChange, scopeOption, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { fieldLines, instant } from '../print.ts'

interface Condition { claim: string, value: string, separators?: string[] }

interface Rule {
  id: string
  issuer: string
  name: string
  claims: Condition[]
  client: string | null
  forOrganization: string | null
  resource: string
  scopes: string[]
  createdBy: string
  createdAt: string
}

interface RuleFlags {
  name?: string
  issuer?: string
  claim?: Condition[]
  prefix?: Condition[]
  client?: string
  forOrg?: string
  resource?: string
  scope?: string[]
}

/** Subcommands of `latchkey trusted-issuer`. */
export function workloadRuleCommands (): Command[] {
  return [
    withRuleFlags(
      new Command('add-rule').description('say what a workload with these claims gets').argument('<name>')
        .requiredOption('--issuer <id>', 'the trusted issuer')
        .option('--client <id>', 'the client that it acts as; default: it acts as itself')
        .addOption(new Option('--for-org <id>', 'for rules of the deployment: for which it acts as itself')
          .conflicts('client'))
    ).action(calling<Rule, RuleFlags>(showRule, (api, flags, name) =>
      api.post('/workload-rules', {
        issuer: flags.issuer, name, client: flags.client, forOrganization: flags.forOrg, ...ruleOf(flags)
      }))),
    withPageFlags(new Command('rules').description('list the rules, newest first'), { org: true })
      .option('--issuer <id>', 'only of this issuer')
      .action(calling<Page<Rule>, ListFlags & { issuer?: string }>(showRules, (api, flags) =>
        api.get('/workload-rules', { ...pageQuery(flags), issuer: flags.issuer }))),
    new Command('rule').description('show a rule').argument('<id>')
      .action(calling(showRule, (api, _flags, id) => api.get(rulePath(id)))),
    withRuleFlags(
      new Command('update-rule').description('change a rule: the tokens that it gave end').argument('<id>')
        .option('--name <text>', 'its name')
    ).action(calling<Rule, RuleFlags>(showRule, (api, flags, id) =>
      api.patch(rulePath(id), requireChange(
        { name: flags.name, ...ruleOf(flags) }, '--name, --claim, --prefix, --resource, --scope'
      )))),
    new Command('delete-rule').description('delete a rule: the tokens that it gave end').argument('<id>')
      .action(calling<Rule, object>(showRule, async (api, _flags, id) => await removed(api, rulePath(id))))
  ]
}

function withRuleFlags (command: Command): Command {
  return command
    .addOption(new Option('--claim <path=value>', 'a claim, as /sub=text; repeat it for several').argParser(
      (text, before: Condition[] = []) => [...before, readCondition(text)]
    ))
    .addOption(new Option('--prefix <path=value>', 'its beginning, as /sub=system:serviceaccount:prod:*').argParser(
      (text, before: Condition[] = []) => [...before, { ...readCondition(text), separators: [':', '/'] }]
    ))
    .option('--resource <id>', 'the resource, by id or identifier')
    .addOption(scopeOption())
}

function readCondition (text: string): Condition {
  const end = text.indexOf('=')
  if (end < 2) throw new InvalidArgumentError('Write PATH=VALUE, such as /kubernetes.io/namespace=prod')
  return { claim: text.slice(0, end), value: text.slice(end + 1) }
}

function ruleOf ({ claim, prefix, resource, scope }: RuleFlags) {
  const claims = claim === undefined && prefix === undefined ? undefined : [...claim ?? [], ...prefix ?? []]
  return { claims, resource, scopes: scope }
}

function rulePath (id: string): string {
  return `/workload-rules/${segment(id)}`
}

function showRule (rule: Rule): string {
  return fieldLines([
    ['id', rule.id],
    ['name', rule.name],
    ['issuer', rule.issuer],
    ...rule.claims.map(({ claim, value, separators }): [string, string] =>
      [separators === undefined ? 'claim' : 'prefix', `${claim} = ${value}`]),
    ['acts as', rule.client ?? `itself, for ${rule.forOrganization ?? 'none'}`],
    ['resource', rule.resource],
    ['scopes', rule.scopes.join(', ')],
    ['created', `${instant(rule.createdAt)} by ${rule.createdBy}`],
  ])
}

const showRules = showPage<Rule>(
  ['ID', 'NAME', 'ISSUER', 'ACTS AS', 'SCOPES'],
  ({ id, name, issuer, client, scopes }) => [id, name, issuer, client ?? 'itself', scopes.join(' ')],
  'There is no rule yet: npx latchkey trusted-issuer add-rule NAME --issuer ID --claim /sub=…'
)
