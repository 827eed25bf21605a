/** A server whose every text holds what steers a terminal: nothing that the command line prints of it does. */
import { createServer, type ServerResponse } from 'node:http'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import tap from 'tap'
import { managementApi } from '../../src/cli/api.ts'
import { jsonLines } from '../../src/cli/print.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'

/** Clears the screen, sets the title, by C0 and by C1; goes back; turns the text around; begins a line of its own. */
const evil = '\u001b[2J\u009b2J\u001b]0;x\u0007\r\b\u007f\u202e\u2066\u200b\u2028\u{e0001}\nlatchkey: all is well'
/** As JSON may hold it: what RFC 8259 lets stand in a string stands there as it is. */
const raw = JSON.stringify(evil)

const members = [
  'id', 'name', 'status', 'createdAt', 'createdBy', 'description', 'organization', 'actor', 'type', 'subject',
  'address', 'identifier', 'effect', 'kind', 'credential', 'resource', 'hint', 'chain', 'hash', 'message', 'role',
  'clientId', 'reason'
]
const record = `{${
  members.map(name => `"${name}":${raw}`).join(',')
},"sequence":1,"detail":{"reason":${raw}},"conditions":{},"scopes":[${raw}],"features":[${raw}],"allowlist":[],"objects":{},"grants":[],"secrets":[],"limits":{}}`
const page = `{"data":[${record}],"pagination":{"limit":1,"hasMore":true,"nextCursor":${raw}}}`
const impact =
  `{"dryRun":true,"wouldLockOut":false,"totals":{"credentials":${raw},"gaining":${raw},"losing":${raw}},` +
  '"data":[],"pagination":{"limit":1,"hasMore":true}}'
const fault = `{"checked":1,"fault":${record}}`
const drift = `{"differences":1,"replicas":[{"replica":${raw},"source":"database","held":0,"differences":[{"kind":${
  raw},"id":${raw},"difference":${raw},"fields":[${raw}]}]}]}`
const refusal = `{\r\n"error":${raw},"code":${raw}}`

const answers: Record<string, (response: ServerResponse) => void> = {
  ok: response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(record)
  },
  page: response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(page)
  },
  impact: response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(impact)
  },
  fault: response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(fault)
  },
  drift: response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(drift)
  },
  refusal: response => {
    response.writeHead(409, { 'content-type': 'application/json' }).end(refusal)
  },
  stranger: response => {
    response.writeHead(401, { 'content-type': 'application/json' }).end(refusal)
  },
  nonsense: response => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(evil)
  },
  lines: response => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(`${record}\n${record}\r\n`)
  },
  // More than a pipe or a stream takes at once.
  many: response => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(`${record}\n`.repeat(1_000))
  },
  cut: response => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write(`${record}\n`, () => response.destroy())
  },
  silent: () => {}
}

let answer = answers.ok!
const server = createServer((request, response) => {
  request.resume()
  answer(response)
}).listen(0, '127.0.0.1')
await once(server, 'listening')
tap.teardown(() => { server.close() })
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const environment = ownEnvironment({ LATCHKEY_URL: url, LATCHKEY_TOKEN: 'x', LATCHKEY_DATA: '/nonexistent' })

const commands: [string, string[]][] = [
  ['ok', ['org', 'show', 'x']],
  ['ok', ['org', 'show', 'x', '--json']],
  ['ok', ['org', 'create', 'x']],
  ['ok', ['client', 'show', 'x']],
  ['ok', ['whoami']],
  ['page', ['org', 'list']],
  ['page', ['org', 'list', '--json']],
  ['page', ['audit', 'list']],
  ['page', ['policy', 'list']],
  ['impact', ['policy', 'create', 'x', '--effect', 'deny', '--dry-run']],
  ['impact', ['policy', 'create', 'x', '--effect', 'deny', '--dry-run', '--json']],
  ['fault', ['audit', 'verify']],
  ['fault', ['audit', 'verify', '--json']],
  ['drift', ['access', 'drift']],
  ['lines', ['audit', 'export']],
  ['many', ['audit', 'export']],
  ['cut', ['audit', 'export']],
  ...['refusal', 'stranger', 'nonsense'].flatMap(kind =>
    [['org', 'show', 'x'], ['org', 'show', 'x', '--json'], ['audit', 'export']].map(each =>
      [kind, each] as [string, string[]]
    )
  )
]

tap.test('nothing of what a server sends steers a terminal: answers, lists, errors, exports, with and without --json', async t => {
  for (const [kind, parameters] of commands) {
    answer = answers[kind]!
    const ran = await run(process.execPath, [latchkeyCommand, ...parameters], { env: environment })
    const said = ran.stdout + ran.stderr
    const what = `${kind}: ${parameters.join(' ')}`
    t.ok(said.length > 0, `${what} says something`)
    t.notMatch(said, /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what)
    t.notMatch(said, /^latchkey: all is well/m, `${what}: it begins no line of its own`)
    if (!parameters.includes('--json')) continue
    const json = ran.stdout === '' ? ran.stderr : ran.stdout
    if (kind !== 'nonsense' && kind !== 'fault') {
      t.strictSame(
        JSON.parse(json), JSON.parse({ ok: record, page, impact, refusal, stranger: refusal }[kind]!),
        `${what}: the same value`
      )
    }
  }
})

tap.test('JSON keeps its value, whatever stands in it', async t => {
  for (const value of [evil, 'Jürgen 株式会社 🙂', '\\u001b', '"', '\t']) {
    for (
      const text of [JSON.stringify({ [value]: value }), JSON.stringify({ value }, null, '\t').replaceAll('\n', '\r\n')]
    ) t.strictSame(JSON.parse(jsonLines(text)), JSON.parse(text))
  }
})

tap.test('a server that checks in the database is listed as one without records in memory', async t => {
  answer = answers.drift!
  const { stdout } = await run(process.execPath, [latchkeyCommand, 'access', 'drift'], { env: environment })
  t.match(stdout, /^server .* reads the database for every check$/m)
})

tap.test('an export arrives whole, and one that breaks off is said to be incomplete', async t => {
  answer = answers.many!
  const whole = await run(process.execPath, [latchkeyCommand, 'audit', 'export'], { env: environment })
  t.equal(whole.stdout, jsonLines(`${record}\n`.repeat(1_000)))
  answer = answers.cut!
  t.match(await run(process.execPath, [latchkeyCommand, 'audit', 'export'], { env: environment }), {
    code: 1, stderr: /^latchkey: The export failed \(.+\); its output is incomplete\. Run it again\.$/m
  })
})

tap.test('an export that the server does not begin in time is given up', async t => {
  answer = answers.silent!
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.timers.reset() })
  const download = managementApi({ url, token: 'x', local: null }).download('/audit/export')
  await once(server, 'request')
  mock.timers.tick(30_000)
  await t.rejects(download, { name: 'CommandError', message: `${url} did not answer in time.` })
})

tap.test('a command whose reader closes the pipe ends, as a success and without a word', async t => {
  for (const [kind, parameters] of [['page', ['org', 'list']], ['many', ['audit', 'export']]] as const) {
    answer = answers[kind]!
    const child = spawn(process.execPath, [latchkeyCommand, ...parameters], {
      env: environment, stdio: ['ignore', 'pipe', 'pipe']
    })
    child.stdout.destroy()
    let said = ''
    child.stderr.on('data', bytes => { said += String(bytes) })
    t.strictSame([await once(child, 'close'), said.replace(/^There are more.*\n/, '')], [[0, null], ''], kind)
  }
})
