/** `latchkey explain` and `latchkey key requests`: why a request was refused, and the last requests of a key. */
import { text as contentOf } from 'node:stream/consumers'
import { Command } from 'commander'
import { subjectIn } from '../../management/explanation/subject-form.ts'
import { segment, type Answer, type Api } from '../api.ts'
import { calling, readWhole, repeated } from '../command.ts'
import { UsageError } from '../failure.ts'
import { fieldLines, instant, tableLines, words, type Field } from '../print.ts'

interface LoggedRequest {
  createdAt: string
  requestId: string | null
  route: string | null
  status: number | null
  reason: string | null
  credential: string | null
  resource: string | null
  addressBlock: string | null
}

interface Explanation {
  subject: {
    kind: string,
    idKind?: string,
    id: string,
    authorization: string | null,
    name: string | null,
    hint: string | null
    organization: string | null,
    status: string,
    resource: string | null,
    expiresAt: string | null
  } | null
  form: string | null
  request: LoggedRequest | null
  verdict: {
    allowed: boolean,
    resource: string | null,
    route: string | null,
    scopes: string[] | null
    refusal: {
      reason: string
      code: string | null
      status: number
      because: string
      requiredScopes: string[]
      policy: string | null
    } | null
  } | null
  refusals: (LoggedRequest & { reason: string, because: string, remedy: string, omitted: number })[]
  remedy: string | null
}

interface ExplainFlags {
  resource?: string
  scope?: string[]
  route?: string
  org?: string
  from?: string
  credits?: number
}

/** `latchkey explain CREDENTIAL|REQUEST-ID|ADDRESS` */
export function explainCommand (): Command {
  return new Command('explain').description(
    'say why a request was refused, and what to do: by a credential, the id of an answer (X-Request-Id) or an address'
  ).argument('<subject>', 'the text, or - to read it from standard input, so that it is not kept by the shell')
    .option('--resource <api>', 'judge the credential at this API; default: its own')
    .option('--scope <name>', 'judge it for this scope; repeat it for several', repeated)
    .option('--route <route>', 'judge it for a route that the server guards: "GET /v1/invoices/:id"')
    .option('--org <id>', 'the organization that the request names')
    .option('--credits <number>', 'what the call costs, where no route is named', readWhole)
    .option('--from <address>', 'the address that the request comes from')
    .action(calling<Explanation, ExplainFlags>(showExplanation, explain))
}

async function explain (api: Api, flags: ExplainFlags, given: string): Promise<Answer<Explanation>> {
  const subject = subjectIn(given === '-' ? await contentOf(process.stdin) : given)
  if ('credential' in subject && subject.credential === '') throw new UsageError('There is nothing to explain.')
  const { resource, scope: scopes, route, org: organization, from, credits } = flags
  return await api.post('/explain', { ...subject, resource, scopes, route, organization, from, credits })
}

/** `latchkey key requests ID` */
export function keyRequestsCommand (): Command {
  return new Command('requests').description('list the last requests of a key: admitted ones sampled, and refused ones')
    .argument('<id>')
    .action(calling<{ data: LoggedRequest[] }, object>(
      ({ data }) => data.length === 0 ? '' : requestLines(data),
      (api, _flags, id) => api.get(`/api-keys/${segment(id)}/requests`)
    ))
}

function requestLines (rows: readonly LoggedRequest[]): string {
  return tableLines(['TIME', 'ROUTE', 'STATUS', 'REASON', 'FROM', 'REQUEST'], rows.map(row => [
    instant(row.createdAt), row.route, row.status, row.reason, row.addressBlock, row.requestId
  ]))
}

function showExplanation ({ subject, form, request, verdict, refusals, remedy }: Explanation): string {
  const facts = fieldLines([
    ...subjectFields(subject),
    ['has the form of', form?.replaceAll('_', ' ')],
    ...requestFields(request),
    ...verdictFields(verdict),
    ...remediedFields({ verdict, refusals, remedy }),
    ['what to do', remedy ?? 'nothing']
  ])
  return refusals.length === 0 ? facts : `${facts}\nLast refusals:\n${requestLines(refusals)}`
}

function subjectFields (subject: Explanation['subject']): Field[] {
  if (subject === null) return []
  return [
    ['credential', subject.idKind === 'api_key' ? `${subject.kind} of an API key` : subject.kind],
    ['id', subject.id],
    ['authorization', subject.authorization],
    ['name', subject.name],
    ['looks like', subject.hint],
    ['organization', subject.organization],
    ['status', subject.status],
    ['API', subject.resource],
    ['expires', instant(subject.expiresAt)],
  ]
}

function requestFields (request: Explanation['request']): Field[] {
  if (request === null) return []
  const { createdAt, route, status, reason, addressBlock } = request
  return [
    ['request', `${route}, ${instant(createdAt)}, from ${addressBlock}`],
    ['answered', reason === null ? status : `${status}, ${reason}`],
  ]
}

/** Where nothing speaks against a credential now, what is to do is about the last refusal. */
function remediedFields (
  { verdict, refusals: [last], remedy }: Pick<Explanation, 'verdict' | 'refusals' | 'remedy'>
): Field[] {
  if (last === undefined || verdict?.refusal || last.remedy !== remedy) return []
  return [[verdict === null ? 'because' : 'last refusal', last.because]]
}

function verdictFields (verdict: Explanation['verdict']): Field[] {
  if (verdict === null) return []
  const { refusal, route, scopes } = verdict
  const asked: Field = ['judged for', route]
  if (refusal === null) return [asked, ['now', 'admitted'], ['scopes', words(scopes ?? [])]]
  return [
    asked,
    ['now', `refused: ${refusal.reason} (${[refusal.status, refusal.code].filter(each => each !== null).join(' ')})`],
    ['because', refusal.because],
    ['needs', words(refusal.requiredScopes)],
    ['policy', refusal.policy],
  ]
}
