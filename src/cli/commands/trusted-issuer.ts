/** `latchkey trusted-issuer …`: platforms whose tokens prove which workload asks, and the dry run of a token. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import {
  calling, pageQuery, readCount, removed, repeated, requireChange, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { UsageError } from '../failure.ts'
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
  tokenReview: { url: string, fingerprint: string, hint: string } | null
  algorithms: string[]
  maxAge: number
  singleUse: boolean
  createdBy: string
  createdAt: string
}

interface Attempt {
  accepted: boolean
  reason: string | null
  detail: string | null
  rule: string | null
  reviewed: boolean
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
  /** False: it is taken away. */
  tokenReview?: string | false
  reviewerToken?: string
  reviewCa?: string
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
  ).option('--no-token-review', 'ask its cluster no more')
    .action(calling<Issuer, IssuerFlags>(showIssuer, (api, flags, id) =>
      api.patch(pathOf(id), requireChange(
        { name: flags.name, ...settingsOf(flags) },
        '--name, --jwks, --jwks-uri, --ca, --audience, --algorithm, --max-age, --single-use, --no-single-use, ' +
          '--token-review, --reviewer-token, --review-ca, --no-token-review'
      ))))
  issuer.command('delete').description('take the trust back: the tokens of its workloads end').argument('<id>')
    .action(calling<Issuer, object>(showIssuer, async (api, _flags, id) => await removed(api, pathOf(id))))
  issuer.command('try').description(
    'say which rule a token of the platform meets; exit code 1 and why, if it would be refused'
  )
    .argument('<file>', 'a file with the token; - is the standard input')
    .option('--client <id>', 'the client that the request names')
    .action(calling<Attempt, { client?: string }>(showAttempt, async (api, { client }, file) => {
      const answer = await api.post<Attempt>('/trusted-issuers/try', { assertion: readText(file), client })
      if (!answer.value.accepted) process.exitCode = 1
      return answer
    }))
  return issuer
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
    .option('--max-age <seconds>', 'the longest life of a token of the platform', readCount)
    .option('--single-use', 'take each jti once')
    .option('--no-single-use', 'take a token again and again')
    .option('--token-review <url>', 'of Kubernetes: the API server, asked before each token whether it is still good')
    .option('--reviewer-token <file>', 'the token of the account that asks; - is the standard input')
    .option('--review-ca <file>', 'the authority of the API server, in PEM')
}

function settingsOf (flags: IssuerFlags) {
  const { jwks, jwksUri, ca, audience, algorithm, maxAge, singleUse } = flags
  return {
    jwks: jwks === undefined ? undefined : readPublicKeys(jwks),
    jwksUri,
    ca: ca === undefined ? undefined : readText(ca),
    audiences: audience,
    algorithms: algorithm,
    maxAge: maxAge === undefined ? undefined : Number(maxAge),
    singleUse,
    tokenReview: reviewOf(flags),
  }
}

/** Undefined: no flag is about it. */
function reviewOf ({ tokenReview: url, reviewerToken, reviewCa }: IssuerFlags): object | null | undefined {
  if (url === false) {
    if (reviewerToken === undefined && reviewCa === undefined) return null
    throw new UsageError('--no-token-review takes the review away: leave --reviewer-token and --review-ca out.')
  }
  const [token, ca] = [reviewerToken, reviewCa].map(file => file === undefined ? undefined : readText(file))
  return url === undefined && token === undefined && ca === undefined ? undefined : { url, token, ca }
}

function pathOf (id: string): string {
  return `/trusted-issuers/${segment(id)}`
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
    ...reviewLines(issuer),
    ['algorithms', issuer.algorithms.join(', ')],
    ['longest life', `${issuer.maxAge} seconds`],
    ['each jti', issuer.singleUse ? 'once' : 'again and again'],
    ['created', `${instant(issuer.createdAt)} by ${issuer.createdBy}`],
  ])
}

function reviewLines ({ tokenReview: review }: Issuer): [string, string][] {
  if (review === null) return []
  return [['token review', review.url], ['asked with', `…${review.hint} (fingerprint ${review.fingerprint})`]]
}

const showIssuers = showPage<Issuer>(
  ['ID', 'NAME', 'ISSUER', 'ORGANIZATION', 'CREATED'],
  ({ id, name, issuer, organization, createdAt }) => [id, name, issuer, organization, instant(createdAt)],
  'No issuer is trusted yet: npx latchkey trusted-issuer create NAME --preset PLATFORM --issuer ISS --org ORG'
)

function showAttempt ({ accepted, detail, rule, reviewed, issuer, issuers }: Attempt): string {
  const outcome = fieldLines([
    ['accepted', accepted ? `by ${rule ?? issuer ?? ''}` : `no: ${detail ?? ''}`],
    ['its cluster', reviewed ? 'says that it is still good' : null],
    ...issuers.filter(({ detail: why }) => why !== null)
      .map(({ name, detail: why }): [string, string] => ['issuer', `${name}: ${why!}`])
  ])
  const rules = issuers.flatMap(each => each.rules.map(({ id, name, problem }) => [id, name, problem ?? 'is met']))
  return rules.length === 0 ? outcome : `${outcome}\n${tableLines(['RULE', 'NAME', 'WHY'], rules)}`
}
