/** A failed background job is logged and counted, has no other effect, and is retried. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, closeSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import tap from 'tap'
import { newBackground, repeatedly, type Job } from '../../src/telemetry/background.ts'
import { housekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { keyRotation } from '../../src/domain/tokens/signing-key-schedule.ts'
import { refusalLog, type RefusalEntry } from '../../src/domain/audit/refusal-log.ts'
import type { SigningKeys } from '../../src/domain/tokens/signing-key.ts'
import type { AuditEvent } from '../../src/domain/audit/event.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { newMetrics } from '../../src/telemetry/metrics.ts'
import { openStorage } from '../../src/storage/index.ts'
import { databases } from '../support/databases.ts'
import { asPerson, createPerson } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'
import { freePort, latchkeyCommand, ownEnvironment } from '../support/running-server.ts'
import { patience, patientLimits } from '../support/waiting.ts'

function watched () {
  const metrics = newMetrics()
  const lines: { job: Job, err: unknown, failuresSinceLastLine: number }[] = []
  const background = newBackground(metrics)
  background.logTo({ error: about => { lines.push(about as typeof lines[number]) } })
  return { background, lines, failures: () => metrics.jobFailures.entries().map(([job, , n]) => [job, n]) }
}

tap.test('N9: work that is done again and again throws, now or later: it is counted, logged once a minute, and done again', async t => {
  const { background, lines, failures } = watched()
  let times = 0
  const works = [() => {
    throw new Error('at once')
  }, async () => {
    await null
    throw new Error('later')
  }, async () => {
    await null
    throw new AggregateError([], 'several')
  }, async () => {}]
  const { start, stop } = repeatedly(1, () => works[times++]?.(), background.report('housekeeping'))
  start()
  for (const began = performance.now(); times <= works.length && performance.now() < began + patience;) await pause(5)
  await stop()
  t.strictSame(failures(), [['housekeeping', 3]])
  t.match(lines, [{ job: 'housekeeping', err: { message: 'at once' }, failuresSinceLastLine: 0 }])
  t.equal(lines.length, 1)
  background.logTo({ error: () => { throw new Error('the disk is full') } })
  background.report('refusals')(new Error('x'))
  t.strictSame(
    failures(), [['housekeeping', 3], ['refusals', 1]], 'a log that cannot be written is no failure of its own'
  )
})

tap.test('N9: housekeeping and the schedule of signing keys fail once, and are done at their next time', async t => {
  const { url, drop } = await databases[0]!.fresh()
  const { store, close } = await openStorage(url, { limits: patientLimits })
  const { background, lines, failures } = watched()
  const metrics = newMetrics()
  let broken = true
  const breaking = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_, name) => {
        if (broken) throw new Error('broken')
        return Reflect.get(target, name) as unknown
      }
    })
  const tended = { times: 0 }
  const signingKeys = {
    rotateWhenDue: async () => {
      if (broken) throw new Error('broken')
    },
    catchUp: () => {
      tended.times++
    }
  } as unknown as SigningKeys
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(async () => {
    mock.timers.reset()
    await close()
    await drop()
  })
  const operation = { store: breaking(store), clock: () => new Date(), actor: systemActor }
  const house = housekeeping(operation, background.report('housekeeping'), undefined, metrics)
  const schedule = keyRotation(signingKeys, operation, 90, background.report('signing_keys'))
  house.start()
  schedule.start()
  mock.timers.tick(3_600_000)
  while (failures().length < 2) await pause(5)
  t.equal(metrics.prunedAt, null)
  t.strictSame(new Set(lines.map(({ job }) => job)), new Set(['housekeeping', 'signing_keys']))
  broken = false
  while (metrics.prunedAt === null || tended.times === 0) {
    mock.timers.tick(3_600_000)
    await pause(5)
  }
  await house.stop()
  await schedule.stop()
  // In the one broken hour: a run of it, and one of each of its minutes.
  t.ok(metrics.jobFailures.entries().every(([, , n]) => n >= 1 && n <= 61), 'and nothing failed any more')
})

tap.test('N9: an entry that cannot become a row is counted, costs its request nothing, and spoils no later round', async t => {
  const { background, failures } = watched()
  const rows: AuditEvent[] = []
  let now = 0
  const refusals = refusalLog(
    {
      audit: {
        append: async event => {
          rows.push(event)
        }
      }
    },
    () => new Date(now),
    undefined,
    background.report('refusals')
  )
  const entry: RefusalEntry = {
    type: 'credential.refused',
    reason: 'unknown',
    subject: null,
    organizationId: null,
    address: '192.0.2.1',
    requestId: 'r'
  }
  for (
    const unfit of [{ address: undefined as never }, { address: 5 as never }, { detail: { n: 1n } }, {
      subject: {} as never
    }]
  ) refusals.record({ ...entry, ...unfit })
  refusals.record(entry)
  refusals.record(entry)
  now = 120_000
  refusals.record({ ...entry, reason: 'expired' })
  t.equal(await refusals.stop(), 0)
  t.strictSame(failures(), [['refusals', 4]])
  t.equal(
    rows.reduce((sum, { detail }) => sum + 1 + ((detail.omitted as number | undefined) ?? 0), 0), 7,
    'the totals are true'
  )
})

tap.test('N9: while the database refuses what is written behind the requests\' backs they are answered; then all of it is written', async t => {
  const { url, drop } = await databases[0]!.fresh()
  const server = await startServer({ database: url })
  t.teardown(async () => {
    await server.close()
    await drop()
  })
  const client = await server.createClient({})
  const key = await server.createKey()
  const { json: access } = await server.admin('POST', '/access-tokens', {
    organization: (await server.createOrganization()).id, name: 'ci', scopes: ['audit:read']
  })
  const ada = await createPerson(server)
  const database = new Database(url.slice('file:'.length), { timeout: 5_000 })
  t.teardown(() => {
    database.close()
  })
  const triggers = {
    calls: 'INSERT ON KeyUsage',
    tokens_issued: 'INSERT ON TokenUsage',
    key_use: 'UPDATE OF lastUsedAt ON ApiKey',
    client_use: 'UPDATE OF lastUsedAt ON Client',
    management_token_use: 'UPDATE OF lastUsedAt ON ManagementToken',
    person_session_use: 'UPDATE OF lastUsedAt ON PersonSession',
    refusals: 'INSERT ON AuditEvent',
    request_log: 'INSERT ON LoggedRequest'
  }
  for (const [job, event] of Object.entries(triggers)) {
    database.exec(`CREATE TRIGGER break_${job} BEFORE ${event} BEGIN SELECT RAISE(ABORT, 'broken'); END`)
  }
  t.equal((await server.withKey(key.key)).status, 200)
  t.equal((await server.tokenRequest(client)).status, 200)
  t.equal(
    (await server.send({ path: '/api/v1/audit', headers: { authorization: `Bearer ${access.token}` } })).status, 200
  )
  // The use of a session is written once a minute.
  server.clock.advance(60)
  t.equal((await asPerson(server, ada)('GET', '/auth/me')).status, 200)
  t.equal((await server.withKey('nonsense')).status, 401)
  const { metrics } = server.latchkey.telemetry
  const failing = () => new Set(metrics.jobFailures.entries().map(([job]) => job))
  while (failing().size < 8) await pause(20)
  t.strictSame(failing(), new Set(Object.keys(triggers)))
  t.match((await server.send({ path: '/prom' })).text, /^latchkey_background_failures_total\{job="calls"\} [1-9]/m)
  const lines = server.lines.filter(line => line.includes('a background job failed')).map(line =>
    JSON.parse(line) as { job: string, level: number }
  )
  t.strictSame(
    new Set(lines.map(({ job, level }) => `${level} ${job}`)), new Set(Object.keys(triggers).map(job => `50 ${job}`))
  )
  for (const job of Object.keys(triggers)) database.exec(`DROP TRIGGER break_${job}`)
  const written = () =>
    [
      'SELECT sum(calls) AS n FROM KeyUsage', 'SELECT sum(tokens) AS n FROM TokenUsage',
      'SELECT count(lastUsedAt) AS n FROM ApiKey', 'SELECT count(lastUsedAt) AS n FROM Client',
      'SELECT count(lastUsedAt) AS n FROM ManagementToken',
      'SELECT count(*) AS n FROM PersonSession WHERE lastUsedAt > createdAt'
    ].map(sql => (database.prepare(sql).get() as { n: number | null }).n)
  while (written().some(n => n === null || n === 0)) await pause(20)
  t.strictSame(written(), [1, 1, 1, 1, 1, 1], 'once')
  await server.close()
  t.equal(metrics.lost.total, 0)
})

/** Starts a server that ends with the test; collects its standard error and its exit. */
async function served (
  t: { teardown(work: () => unknown): void }, options: { preload?: string, output?: number } = {}
) {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-background-'))
  const port = await freePort()
  const environment = ownEnvironment({
    LATCHKEY_DATA: join(folder, 'data'),
    PORT: String(port),
    ...(options.preload === undefined
      ? {}
      : { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(options.preload)}` })
  })
  const child = spawn(process.execPath, [latchkeyCommand, 'serve'], {
    cwd: folder, env: environment, stdio: ['ignore', options.output ?? 'ignore', 'pipe']
  })
  let said = ''
  child.stderr!.on('data', bytes => { said += String(bytes) })
  t.teardown(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  while (!await fetch(`${url}/healthz`).then(answer => answer.ok, () => false)) {
    if (child.exitCode !== null) throw new Error(`the server did not start: ${said}`)
    await pause(50)
  }
  return {
    url,
    child,
    said: () => said,
    async end () {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      return child.exitCode
    },
  }
}

tap.test('N9: an error that nothing catches is told and counted, ends nothing, and is in the exit code of the process', async t => {
  const preload =
    'process.on("SIGUSR2", () => { setTimeout(() => { throw new Error("thrown in a timer") }); setTimeout(() => ' +
      'Promise.reject(new Error("a rejection")), 1_100) })'
  const { url, child, said, end } = await served(t, { preload })
  child.kill('SIGUSR2')
  const uncaught = async () =>
    /^latchkey_uncaught_errors_total (\d+)$/m.exec(await (await fetch(`${url}/prom`)).text())?.[1]
  while (await uncaught() !== '2') await pause(20)
  t.equal((await fetch(`${url}/api/v1/clients`)).status, 401, 'it serves on')
  // What it has written may arrive later than what it counts.
  while (said().trim().split('\n').length < 2) await pause(20)
  const lines = said().trim().split('\n').map(line => JSON.parse(line) as object)
  t.match(lines, [
    {
      level: 60,
      origin: 'uncaughtException',
      uncaught: 1,
      err: { message: 'thrown in a timer', stack: /Error: thrown/ },
      msg: 'uncaught error'
    },
    { level: 60, origin: 'unhandledRejection', uncaught: 2, err: { message: 'a rejection' } }
  ])
  t.equal(lines.length, 2)
  t.equal(await end(), 1, 'whatever started it gets to know')
})

tap.test('N9: a log that cannot be written keeps a server neither from serving nor from ending', async t => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => { closeSync(full) })
  const { url, said, end } = await served(t, { output: full })
  for (let i = 0; i < 5; i++) t.equal((await fetch(`${url}/api/v1/clients`)).status, 401)
  const numbers = await (await fetch(`${url}/prom`)).text()
  t.match(numbers, /^latchkey_background_failures_total\{job="log"\} [1-9]/m)
  t.match(numbers, /^latchkey_uncaught_errors_total 0$/m)
  t.equal(await end(), 0)
  t.equal(said(), '')
})
