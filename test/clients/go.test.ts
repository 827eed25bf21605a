/** The Go guard: its own tests, and a Go API in front of a real server. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { goFor, moduleFolder } from '../support/go-module.ts'
import { startGuardedApi, startLatchkeyProcess } from '../support/guarded-api.ts'
import { run, stop } from '../support/running-server.ts'
import { eventually, timed } from '../support/waiting.ts'

const go = await goFor('1.22')
const built = join(import.meta.dirname, '../../node_modules/.cache/clients/go')

/** Milliseconds for which a guard of a server on SQLite may answer from memory. */
const lease = 1_000

/** The part of a lease that a guard uses. */
const used = 0.95

// With -race they are a judge: test/judges/go-guard.ts.
tap.test('the Go module passes its vet and its own tests: vectors, stubs that lie and cut, a real server', go, async t => {
  // Not from Go's cache, which does not know that the server has changed.
  for (const parameters of [['vet', './...'], ['test', '-v', '-count=1', '.']]) {
    const { code, stdout, stderr } = await run(go.path, parameters, { cwd: moduleFolder })
    t.equal(code, 0, `go ${parameters.join(' ')}`, code === 0 ? {} : { stdout, stderr })
    t.notMatch(stdout, /no tests to run|--- SKIP/)
  }
})

tap.test('LK-06: 100 revocations, each asked of a Go API after its answer; then it is stopped, and its server is killed', go, async t => {
  const program = join(built, 'api')
  await mkdir(built, { recursive: true })
  t.equal((await run(go.path, ['build', '-o', program, './examples/api'], { cwd: moduleFolder })).code, 0)
  const latchkey = await startLatchkeyProcess(t)
  const api = await startGuardedApi(t, [program], await latchkey.guardEnvironment())
  const withKey = (key: string): Promise<number> => api.ask({ 'x-api-key': key })

  t.equal(await api.ask({}), 401)
  const [before, after]: [number[], number[]] = [[], []]
  for (let i = 0; i < 100; i++) {
    const { id, key } = await latchkey.createKey()
    before.push(await withKey(key), await withKey(key))
    await latchkey.manage('POST', `/api-keys/${id}/revoke`)
    after.push(await withKey(key))
  }
  t.strictSame(before, Array.from({ length: 200 }, () => 200))
  t.strictSame(after, Array.from({ length: 100 }, () => 401), 'none of 100 passes after its revocation')

  const { clientId, token } = await latchkey.createToken()
  t.equal(await api.ask({ authorization: `Bearer ${token}` }), 200)
  await latchkey.manage('POST', `/clients/${clientId}/revoke`)
  t.equal(await api.ask({ authorization: `Bearer ${token}` }), 401)

  const counted = await latchkey.createKey()
  for (let i = 0; i < 7; i++) t.equal(await withKey(counted.key), 200)
  const usage = await eventually(
    () => latchkey.manage('GET', `/api-keys/${counted.id}/usage`), ({ callsToday }) => callsToday >= 7
  )
  t.equal(usage.callsToday, 7)

  const late = await latchkey.createKey()
  t.equal(await withKey(late.key), 200)
  api.process.kill('SIGSTOP')
  const waited = await timed(() => latchkey.manage('POST', `/api-keys/${late.id}/revoke`))
  t.ok(waited > lease / 2, `the change waits for the guard that is stopped: ${waited} ms`)
  const first = Array.from({ length: 5 }, () => withKey(late.key))
  api.process.kill('SIGCONT')
  t.strictSame(await Promise.all(first), Array.from({ length: 5 }, () => 401), 'the first answers on waking')

  const last = await latchkey.createKey()
  t.equal(await eventually(() => withKey(last.key), found => found === 200), 200)
  latchkey.process.kill('SIGKILL')
  const killed = performance.now()
  let passed = 0
  const refused = await eventually(async () => {
    const asked = performance.now()
    const found = await withKey(last.key)
    if (found === 200) passed = asked - killed
    return found
  }, found => found !== 200, 1)
  t.ok(passed < used * lease, `the last request that passed was asked ${passed} ms after the kill`)
  t.equal(refused, 503)
  t.equal(await withKey(last.key), 503)
  await stop(latchkey.process)
})
