/** The Python guard: its own tests, and a Python API before a real server. */
import { join } from 'node:path'
import tap from 'tap'
import { foreignProgram } from '../support/foreign-programs.ts'
import { run } from '../support/foreign-tools.ts'
import { startGuardedApi, startLatchkeyProcess, type LatchkeyProcess } from '../support/guarded-api.ts'
import { ownEnvironment } from '../support/running-server.ts'
import { eventually, timed } from '../support/waiting.ts'

const folder = join(import.meta.dirname, '../../clients/python')
const python = foreignProgram('python3', 'apt-get install python3')
const environment = { PYTHONPATH: join(folder, 'src'), PYTHONDONTWRITEBYTECODE: '1' }
const example = [python.path, join(folder, 'examples/api.py')]

/** One server for all tests; the last one kills it. */
let started: Promise<LatchkeyProcess> | undefined
function server (): Promise<LatchkeyProcess> {
  started ??= startLatchkeyProcess(tap)
  return started
}

/** Milliseconds for which a guard of a server on SQLite may answer from memory. */
const lease = 1_000

tap.test('the tests of the Python package pass: vectors, rules, middleware', python, async t => {
  const { code, output } = await run(python.path, ['-W', 'error::ResourceWarning', '-m', 'unittest', '-q'], {
    cwd: folder, env: ownEnvironment(environment)
  })
  t.match(output, /^Ran [1-9]\d+ tests/m)
  t.equal(code, 0, output)
})

tap.test('a Python API: what is revoked is refused on the next request, and calls are counted', python, async t => {
  const latchkey = await server()
  const api = await startGuardedApi(t, example, { ...environment, ...await latchkey.guardEnvironment() })
  t.equal(await api.ask({}), 401)
  const revocable = async (i: number): Promise<{ headers: Record<string, string>, path: string }> => {
    if (i % 4 !== 0) {
      const { id, key } = await latchkey.createKey()
      return { headers: { 'x-api-key': key }, path: `/api-keys/${id}/revoke` }
    }
    const { clientId, token } = await latchkey.createToken()
    return { headers: { authorization: `Bearer ${token}` }, path: `/clients/${clientId}/revoke` }
  }
  const [before, after]: [number[], number[]] = [[], []]
  for (let i = 0; i < 100; i++) {
    const { headers, path } = await revocable(i)
    before.push(await api.ask(headers), await api.ask(headers))
    await latchkey.manage('POST', path)
    after.push(await api.ask(headers))
  }
  t.strictSame(before, Array.from({ length: 200 }, () => 200))
  t.strictSame(after, Array.from({ length: 100 }, () => 401))
  const { id, key } = await latchkey.createKey()
  for (let i = 0; i < 7; i++) t.equal(await api.ask({ 'x-api-key': key }), 200)
  const counted = async (): Promise<number> => {
    const { days } = await latchkey.manage('GET', `/api-keys/${id}/usage`)
    return (days as { calls: number }[]).reduce((sum, { calls }) => sum + calls, 0)
  }
  t.equal(await eventually(counted, calls => calls >= 7), 7)
})

tap.test('a Python API begins with what another one has counted for a limit per minute', python, async t => {
  const latchkey = await server()
  const environmentOfBoth = { ...environment, ...await latchkey.guardEnvironment() }
  const one = await startGuardedApi(t, example, environmentOfBoth)
  const other = await startGuardedApi(t, example, environmentOfBoth)
  const { id, key } = await latchkey.createKey({ callsPerMinute: 1 })
  t.equal(await one.ask({ 'x-api-key': key }), 200)
  await eventually(() => latchkey.manage('GET', `/api-keys/${id}/usage`), ({ callsToday }) => callsToday === 1)
  t.equal(await other.ask({ 'x-api-key': key }), 429)
})

tap.test('a Python API: a monthly quota is counted exactly, by the server', python, async t => {
  const latchkey = await server()
  const api = await startGuardedApi(t, example, { ...environment, ...await latchkey.guardEnvironment() })
  const { key } = await latchkey.createKey({ callsPerMonth: 3 })
  const statuses = await Promise.all(Array.from({ length: 8 }, () => api.ask({ 'x-api-key': key })))
  t.strictSame(statuses.sort(), [200, 200, 200, 429, 429, 429, 429, 429])
})

tap.test('a Python API that is stopped delays a change by a lease, and does not pass what was revoked meanwhile', python, async t => {
  const latchkey = await server()
  const api = await startGuardedApi(t, example, { ...environment, ...await latchkey.guardEnvironment() })
  const { id, key } = await latchkey.createKey()
  const headers = { 'x-api-key': key }
  t.equal(await api.ask(headers), 200)
  t.equal(await api.ask(headers), 200)
  api.process.kill('SIGSTOP')
  const took = await timed(() => latchkey.manage('POST', `/api-keys/${id}/revoke`))
  t.ok(took > lease / 2, `it waited for the guard: ${took} ms`)
  const first = Array.from({ length: 5 }, () => api.ask(headers))
  api.process.kill('SIGCONT')
  t.strictSame(await Promise.all(first), Array.from({ length: 5 }, () => 401))
  const again = await latchkey.createKey()
  t.equal(await eventually(() => api.ask({ 'x-api-key': again.key }), status => status === 200), 200)
  t.equal(await api.ask(headers), 401)
})

tap.test('a Python API whose server is gone passes nothing after its trust', python, async t => {
  const latchkey = await server()
  const api = await startGuardedApi(t, example, { ...environment, ...await latchkey.guardEnvironment() })
  const { key } = await latchkey.createKey()
  const headers = { 'x-api-key': key }
  t.equal(await eventually(() => api.ask(headers), status => status === 200), 200)
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
    latchkey.process.kill(signal)
    const since = performance.now()
    const asked: { at: number, status: number }[] = []
    const isOver = () => asked.filter(({ status }) => status === 503).length >= 3
    while (!isOver() || performance.now() < since + lease) {
      const at = performance.now() - since
      asked.push({ at, status: await api.ask(headers) })
    }
    t.strictSame(asked.filter(({ at, status }) => at > 0.95 * lease && status !== 503), [], signal)
    t.strictSame(asked.filter(({ status }) => status !== 503 && status !== 200), [])
    if (signal === 'SIGKILL') continue
    latchkey.process.kill('SIGCONT')
    t.equal(await eventually(() => api.ask(headers), status => status === 200), 200, 'it goes on with its server')
  }
})
