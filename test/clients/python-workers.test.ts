/** Forked workers of gunicorn, which loaded the application and its guard before: each has a session of its own. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { pythonTools } from '../support/foreign-tools.ts'
import { startLatchkeyProcess } from '../support/guarded-api.ts'
import { freePort, ownEnvironment, stop } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const python = await pythonTools(join(import.meta.dirname, 'python-tools'))

const application = `
import os
from latchkey_guard import Guard, Rule
from latchkey_guard.wsgi import WSGIGuard

guard = Guard(
    os.environ["LATCHKEY_URL"], os.environ["LATCHKEY_CLIENT_ID"], os.environ["LATCHKEY_CLIENT_SECRET"],
    os.environ["LATCHKEY_RESOURCE"]
)
if not guard.start(10):
    raise SystemExit(guard.problem)

def worker(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [f"{os.getpid()} {guard.is_trusted}".encode()]

app = WSGIGuard(worker, guard, [Rule("GET", "/invoices", scopes=["invoices:read"])])
`

tap.test('workers that were forked from a started guard decide from memories of their own, and none passes what was revoked', python, async t => {
  const latchkey = await startLatchkeyProcess(t)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-workers-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'app.py'), application)
  const port = await freePort()
  const gunicorn = spawn(join(python.path, 'gunicorn'), [
    '--preload', '--workers=3', '--worker-class=gthread', '--threads=4', '--no-control-socket',
    `--bind=127.0.0.1:${port}`, 'app:app'
  ], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: ownEnvironment({
      ...await latchkey.guardEnvironment(), PYTHONPATH: join(import.meta.dirname, '../../clients/python/src')
    })
  })
  const said: string[] = []
  for (const stream of [gunicorn.stdout, gunicorn.stderr]) stream.on('data', bytes => { said.push(String(bytes)) })
  t.teardown(() => stop(gunicorn))
  /** Twelve at once, each on a connection of its own, so that every worker gets some. */
  const ask = async (key: string): Promise<[number, string][]> => {
    const headers = { 'x-api-key': key, connection: 'close' }
    return await Promise.all(Array.from({ length: 12 }, async (): Promise<[number, string]> => {
      const answer = await fetch(`http://127.0.0.1:${port}/invoices`, { headers })
      return [answer.status, await answer.text()]
    }))
  }
  const first = await latchkey.createKey()
  const trusted = new Set<string>()
  await until('three workers have trust', async () => {
    if (gunicorn.exitCode !== null) throw new Error(`gunicorn did not start:\n${said.join('')}`)
    for (const [status, text] of await ask(first.key).catch(() => [])) {
      if (status === 200 && text.endsWith(' True')) trusted.add(text)
    }
    return trusted.size === 3
  })
  for (let i = 0; i < 20; i++) {
    const { id, key } = await latchkey.createKey()
    t.ok((await ask(key)).every(([status]) => status === 200))
    await latchkey.manage('POST', `/api-keys/${id}/revoke`)
    t.strictSame((await ask(key)).map(([status]) => status), Array.from({ length: 12 }, () => 401))
  }
})
