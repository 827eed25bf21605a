/** `latchkey trusted-issuer …`: platforms whose tokens prove which workload asks, and the rules on what it gets. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment, type Api } from '../api.ts'
import {
  calling, pageQuery, repeated, requireChange, scopeOption, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { readPublicKeys } from '../flags/public-keys.ts'
import { readText } from '../flags/text-file.ts'
import { fieldLines, instant, tableLines } from '../print.ts'

interface Issuer {
  id: string
  organization: string | null
  name: string
  preset: string
  profile: string
  issuer: string
  audience: string
  keys: string
  jwksUri: string | null
  algorithms: string[]
  maxAge: number
  singleUse: boolean
  createdBy: string
  createdAt: string
}

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

interface Attempt {
  accepted: boolean
  reason: string | null
  detail: string | null
  rule: string | null
  issuer: string | null
  issuers: {
    id: string, name: string, detail: string | null, rules: { id: string, name: string, problem: string | null }[]
  }[]
}

interface IssuerFlags {
  org?: string
  deployment?: boolean
  name?: string
  preset?: string
  profile?: string
  issuer?: string
  jwks?: string
  jwksUri?: string
  ca?: string
  audience?: string[]
  algorithm?: string[]
  anchor?: string[]
  maxAge?: string
  singleUse?: boolean
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

export function trustedIssuerCommands (): Command {
  const issuer = new Command('trusted-issuer').description(
    'trusted issuers: platforms whose workloads get tokens without a secret, and the rules that say which'
  )
  withSettings(
    issuer.command('create').description('trust an issuer: its workloads get nothing until a rule says what')
      .argument('<name>').option('--org <id>', 'the organization; default: the token\'s own')
      .addOption(new Option('--deployment', 'the deployment\'s own').conflicts('org'))
      .addOption(new Option('--preset <platform>', 'what is known of the platform').choices(presets))
      .addOption(new Option('--profile <name>', 'id-jag: clients act for people').choices(['workload', 'id-jag']))
      .option('--issuer <iss>', 'the iss of its tokens; spiffe://… for a trust domain')
      .option('--anchor <path>', 'a claim that tenants cannot choose; repeat it for several', repeated)
  ).action(calling<Issuer, IssuerFlags>(showIssuer, (api, flags, name) =>
    api.post('/trusted-issuers', {
      organization: flags.deployment ? null : flags.org,
      name,
      preset: flags.preset,
      profile: flags.profile,
      issuer: flags.issuer,
      anchors: flags.anchor,
      ...settingsOf(flags)
    })))
  withPageFlags(issuer.command('list').description('list the trusted issuers, newest first'), { org: true })
    .action(calling<Page<Issuer>, ListFlags>(showIssuers, (api, flags) =>
      api.get('/trusted-issuers', pageQuery(flags))))
  issuer.command('show').description('show a trusted issuer').argument('<id>')
    .action(calling(showIssuer, (api, _flags, id) => api.get(pathOf(id))))
  withSettings(
    issuer.command('update').description('change its keys and settings: the tokens of its workloads end')
      .argument('<id>').option('--name <text>', 'its name')
  ).action(calling<Issuer, IssuerFlags>(showIssuer, (api, flags, id) =>
    api.patch(pathOf(id), requireChange(
      { name: flags.name, ...settingsOf(flags) }, '--name, --jwks, --jwks-uri, --ca, --audience, --algorithm, --max-age'
    ))))
  issuer.command('delete').description('take the trust back: the tokens of its workloads end').argument('<id>')
    .action(calling<Issuer, object>(showIssuer, async (api, _flags, id) => await removed(api, pathOf(id))))
  issuer.command('try').description('say which rule a token of the platform meets, or why it meets none')
    .argument('<file>', 'a file with the token; - is the standard input')
    .option('--client <id>', 'the client that the request names')
    .action(calling<Attempt, { client?: string }>(showAttempt, (api, { client }, file) =>
      api.post('/trusted-issuers/try', { assertion: readText(file), client })))
  addRules(issuer)
  return issuer
}

function addRules (issuer: Command): void {
  withRuleFlags(
    issuer.command('add-rule').description('say what a workload with these claims gets').argument('<name>')
      .requiredOption('--issuer <id>', 'the trusted issuer')
      .option('--client <id>', 'the client that it acts as; default: it acts as itself')
      .addOption(new Option('--for-org <id>', 'for rules of the deployment: for which it acts as itself')
        .conflicts('client'))
  ).action(calling<Rule, RuleFlags>(showRule, (api, flags, name) =>
    api.post('/workload-rules', {
      issuer: flags.issuer, name, client: flags.client, forOrganization: flags.forOrg, ...ruleOf(flags)
    })))
  withPageFlags(issuer.command('rules').description('list the rules, newest first'), { org: true })
    .option('--issuer <id>', 'only of this issuer')
    .action(calling<Page<Rule>, ListFlags & { issuer?: string }>(showRules, (api, flags) =>
      api.get('/workload-rules', { ...pageQuery(flags), issuer: flags.issuer })))
  issuer.command('rule').description('show a rule').argument('<id>')
    .action(calling(showRule, (api, _flags, id) => api.get(rulePath(id))))
  withRuleFlags(
    issuer.command('update-rule').description('change a rule: the tokens that it gave end').argument('<id>')
      .option('--name <text>', 'its name')
  ).action(calling<Rule, RuleFlags>(showRule, (api, flags, id) =>
    api.patch(rulePath(id), requireChange(
      { name: flags.name, ...ruleOf(flags) }, '--name, --claim, --prefix, --resource, --scope'
    ))))
  issuer.command('delete-rule').description('delete a rule: the tokens that it gave end').argument('<id>')
    .action(calling<Rule, object>(showRule, async (api, _flags, id) => await removed(api, rulePath(id))))
}

/** The same list as the API's; a test compares them. */
const presets = ['kubernetes', 'spiffe', 'github-actions', 'gitlab', 'google', 'aws', 'azure', 'custom']

function withSettings (command: Command): Command {
  return command
    .option('--jwks <file>', 'its public keys as a JWK Set, or a SPIFFE bundle: nothing is fetched')
    .option('--jwks-uri <url>', 'where its keys are; default: its discovery document says so')
    .option('--ca <file>', 'the authority of that host, in PEM')
    .option('--audience <text>', 'an aud that is taken besides ours; repeat it for several', repeated)
    .option('--algorithm <name>', 'an algorithm of its signatures; repeat it for several', repeated)
    .option('--max-age <seconds>', 'the longest life of a token of the platform')
    .option('--single-use', 'take each jti once')
    .option('--no-single-use', 'take a token again and again')
}

function settingsOf ({ jwks, jwksUri, ca, audience, algorithm, maxAge, singleUse }: IssuerFlags) {
  return {
    jwks: jwks === undefined ? undefined : readPublicKeys(jwks),
    jwksUri,
    ca: ca === undefined ? undefined : readText(ca),
    audiences: audience,
    algorithms: algorithm,
    maxAge: maxAge === undefined ? undefined : Number(maxAge),
    singleUse,
  }
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

async function removed<T extends object> (api: Api, path: string) {
  const record = await api.get<T>(path)
  await api.delete(path)
  return record
}

function pathOf (id: string): string {
  return `/trusted-issuers/${segment(id)}`
}

function rulePath (id: string): string {
  return `/workload-rules/${segment(id)}`
}

function showIssuer (issuer: Issuer): string {
  return fieldLines([
    ['id', issuer.id],
    ['name', issuer.name],
    ['organization', issuer.organization ?? 'the deployment'],
    ['preset', issuer.preset],
    ['profile', issuer.profile],
    ['issuer', issuer.issuer],
    ['audience', issuer.audience],
    ['keys', issuer.jwksUri ?? issuer.keys],
    ['algorithms', issuer.algorithms.join(', ')],
    ['longest life', `${issuer.maxAge} seconds`],
    ['each jti', issuer.singleUse ? 'once' : 'again and again'],
    ['created', `${instant(issuer.createdAt)} by ${issuer.createdBy}`],
  ])
}

const showIssuers = showPage<Issuer>(
  ['ID', 'NAME', 'ISSUER', 'ORGANIZATION', 'CREATED'],
  ({ id, name, issuer, organization, createdAt }) => [id, name, issuer, organization, instant(createdAt)],
  'No issuer is trusted yet: npx latchkey trusted-issuer create NAME --preset PLATFORM --issuer ISS --org ORG'
)

function showRule (rule: Rule): string {
  return fieldLines([
    ['id', rule.id],
    ['name', rule.name],
    ['issuer', rule.issuer],
    ...rule.claims.map(({ claim, value }): [string, string] => ['claim', `${claim} = ${value}`]),
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

function showAttempt ({ accepted, detail, rule, issuer, issuers }: Attempt): string {
  const outcome = fieldLines([
    ['accepted', accepted ? `by ${rule ?? issuer ?? ''}` : `no: ${detail ?? ''}`],
    ...issuers.filter(({ detail: why }) => why !== null)
      .map(({ name, detail: why }): [string, string] => ['issuer', `${name}: ${why!}`])
  ])
  const rules = issuers.flatMap(each => each.rules.map(({ id, name, problem }) => [id, name, problem ?? 'is met']))
  return rules.length === 0 ? outcome : `${outcome}\n${tableLines(['RULE', 'NAME', 'WHY'], rules)}`
}
