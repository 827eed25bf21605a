/**
 * schemathesis generates valid and invalid requests from the document, and checks every answer: no 5xx, no undocumented
 * status or body, no invalid request accepted and no valid one refused, methods, authentication, use after deletion.
 * LATCHKEY_JUDGE_EXAMPLES sets the number of examples for each operation; 200 by default.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { pythonTools, run } from '../support/foreign-tools.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { exceptions, type Finding } from './schemathesis/exceptions.ts'

const tools = await pythonTools(join(import.meta.dirname, 'schemathesis'))
const examples = process.env.LATCHKEY_JUDGE_EXAMPLES ?? '200'

tap.test('OC-01: schemathesis finds nothing, with all checks, that is not explained', tools, async t => {
  const server = await startServer({ registration: 'open' })
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-schemathesis-'))
  t.teardown(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  await writeFile(join(folder, 'schemathesis.toml'), await configuration(server))
  const { output } = await run(join(tools.path, 'schemathesis'), [
    'run', `${server.url}/api/v1/openapi.json`, '--checks', 'all', '--max-examples', examples, '--no-color',
    '--report', 'junit', '--report-junit-path', join(folder, 'report.xml'),
  ], { cwd: folder })
  const summary = output.slice(output.indexOf('= SUMMARY ='))
  t.comment(summary)
  const tested = /Tested: (\d+)/.exec(output)?.[1]
  t.equal(Number(tested), Number(/Selected: (\d+)/.exec(output)?.[1]), 'every operation was tested')
  t.ok(Number(tested) > 100, output.slice(-2_000))
  t.notMatch(summary, /^Errors:$/m, 'it could make requests for every operation')
  t.notMatch(summary, /Unsupported regex/, 'it could read every pattern')
  const findings = findingsIn(await readFile(join(folder, 'report.xml'), 'utf8'))
  t.equal(findings.length, Number(/found (\d+) unique failures/.exec(output)?.[1] ?? 0), 'all of its report was read')
  const explained = findings.map(finding => ({ finding, exception: exceptions.find(each => each.covers(finding)) }))
  for (const { finding, exception } of explained) {
    if (exception === undefined) {
      t.fail(`${finding.check} ${finding.operation} ${finding.status}`, {
        answer: finding.answer, request: finding.request.slice(0, 2_000)
      })
    }
  }
  for (const { because, covers } of exceptions) t.comment(`${findings.filter(covers).length} explained: ${because}`)
  // The run counts only if the server was intact until its end.
  t.equal((await server.send({ path: '/readyz' })).status, 200)
  t.strictSame(server.lines.filter(line => /"level":[56]0/.test(line)), [], 'nothing went wrong unseen')
})

/** A credential for each authentication scheme, one at a time; and the refusals that depend on state. */
async function configuration (server: TestServer): Promise<string> {
  const { id: organization } = await server.createOrganization()
  const { key } = await server.createKey({ organization })
  const { clientId, clientSecret } = await server.createClient({ organization, introspects: [server.issuer] })
  const registered =
    (await server.send({ method: 'POST', path: '/api/v1/oauth/register', body: { client_name: 'fuzzed' } })).json
  const lines = {
    'auth.openapi.bearer': { bearer: server.adminToken },
    'auth.openapi.clientBasic': { username: clientId, password: clientSecret },
    'auth.openapi.registrationAccessToken': { bearer: registered.registration_access_token },
    // A single worker: Python 3.11 miscounts the depth of its parser when several use it.
    '': { workers: 1, 'continue-on-failure': true },
    generation: { 'with-security-parameters': false, database: 'none', 'no-shrink': true },
    // Quotations in answers are compared with the request.
    'output.sanitization': { enabled: false },
    'output.truncation': { enabled: false },
    // No schema expresses ownership, existence, revisions and remaining credits.
    'checks.positive_data_acceptance': { 'expected-statuses': ['2xx', 401, 402, 403, 404, 409, 412, 422, 429] },
  }
  const tables = Object.entries(lines).sort(([one], [other]) => one.localeCompare(other)).map(([name, values]) =>
    [
      ...(name === '' ? [] : [`[${name}]`]),
      ...Object.entries(values).map(([option, value]) => `${option} = ${JSON.stringify(value)}`), ''
    ].join('\n')
  )
  return [
    ...tables,
    '[[operations]]',
    'include-operation-id = "getOwnApiKey"',
    `headers = { "x-api-key" = ${JSON.stringify(key)} }`,
    '',
    '[[operations]]',
    'include-path-regex = "oauth/register/"',
    `parameters = { "path.clientId" = ${JSON.stringify(registered.client_id)} }`,
    ''
  ].join('\n')
}

/** The failures of a JUnit report: a case for each operation, several failures in its text. */
function findingsIn (report: string): Finding[] {
  return [...report.matchAll(/<testcase name="([^"]*)"[^>]*[^/]>([\s\S]*?)<\/testcase>/g)].flatMap((
    [, operation = '', failures = '']
  ) =>
    [...failures.matchAll(/<failure [^>]*>([\s\S]*?)<\/failure>/g)].flatMap(([, text = '']) =>
      findingsOf(unescaped(operation), unescaped(text))
    )
  )
}

/** A numbered test case has one or more failures, the answer and the command that repeats it. */
function findingsOf (operation: string, text: string): Finding[] {
  return text.split(/(?=^\d+\. Test Case ID: )/m).flatMap(testCase => {
    const [, status = '0', answer = ''] =
      /^\[(\d{3})\] [^\n]*:\n\n {4}`?([\s\S]*?)`?\n\nReproduce with:/m.exec(testCase) ?? []
    const [, request = ''] = /Reproduce with: *\n\n {4}([\s\S]*?)(?:\n\n|$)/.exec(testCase) ?? []
    return [...testCase.matchAll(/^- (ST\d+) /gm)].map(([, check = '']) => ({
      check, operation, status: Number(status), answer, request
    }))
  })
}

function unescaped (text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
}
