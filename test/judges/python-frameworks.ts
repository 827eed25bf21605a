/**
 * The Python guard with programs of others: docs/guides/fastapi.md as it stands, forked workers of gunicorn, mypy. One
 * file, because two would install the same environment at once.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { addedLines, openGuide } from '../support/followed-guide.ts'
import { pythonTools, run } from '../support/foreign-tools.ts'
import { startLatchkeyProcess } from '../support/guarded-api.ts'
import { freePort, ownEnvironment, startServer, stop } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')
const client = join(root, 'clients/python')
const tools = await pythonTools(join(import.meta.dirname, 'python-tools'))

/** The package of this repository, installed from its sources; the requirements have what builds it. */
async function installGuard (t: Test, folder: string): Promise<string> {
  const [sources, target] = [join(folder, 'sources'), join(folder, 'installed')]
  await cp(client, sources, { recursive: true })
  const { code, output } = await run(join(tools.path, 'python'), [
    '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-build-isolation', '--target', target, sources
  ])
  t.equal(code, 0, output)
  return target
}

/** The application of the guide as it was. */
const unguarded = `
from fastapi import FastAPI

app = FastAPI()

@app.get("/invoices")
async def invoices():
    return {"invoices": []}

@app.post("/organizations/{org}/invoices")
async def create(org: str):
    return {"created": True}
`

tap.test('a FastAPI application behind Latchkey, as docs/guides/fastapi.md tells it', tools, async t => {
  const api = `http://localhost:${await freePort()}`
  const guide = await openGuide(t, 'fastapi', await startServer(t), () => [
    ['http://localhost:8000', api], ['--port 8000', `--port ${new URL(api).port}`]
  ])
  const { folder, env } = guide
  Object.assign(env, {
    PATH: [folder, tools.path, process.env.PATH].join(delimiter), PYTHONPATH: await installGuard(t, folder)
  })
  const [program] = guide.blocks('python')
  await guide.write('api.py', program!)
  guide.says(`with ${addedLines(unguarded, program!)} lines`)
  const [install, start] = guide.blocks('sh').map(each => each.trim())
  t.equal(install, 'pip install ./clients/python fastapi uvicorn')
  const [declared, ...asked] = guide.blocks('console')
  await guide.follow(declared!)
  const said: string[] = []
  const uvicorn = spawn('sh', ['-c', `exec env ${guide.words.fill(start!)}`], { cwd: folder, env })
  for (const stream of [uvicorn.stdout, uvicorn.stderr]) stream.on('data', bytes => { said.push(String(bytes)) })
  t.teardown(() => stop(uvicorn))
  await until('the application has trust', async () => {
    if (uvicorn.exitCode !== null) throw new Error(`the application did not start:\n${said.join('')}`)
    const answer = await fetch(`${api}/invoices`, { headers: { 'x-api-key': 'none' } }).catch(() => null)
    return answer?.status === 401
  })
  for (const transcript of asked) await guide.follow(transcript)
  const answer = await fetch(`${api}/invoices`)
  t.match(answer.headers.get('www-authenticate'), /^Bearer resource_metadata=/)
  t.notMatch(said.join(''), /lb_live_\w{10,}/)
})

tap.test('the Python package is typed, strictly', tools, async t => {
  const { code, output } = await run(join(tools.path, 'mypy'), [
    '--strict', '--cache-dir=/dev/null', 'src/latchkey_guard', 'tests', 'examples'
  ], { cwd: client, env: ownEnvironment({ MYPYPATH: 'src' }) })
  t.equal(code, 0, output)
})

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

tap.test('workers that were forked from a started guard decide from memories of their own, and none passes what was revoked', tools, async t => {
  const latchkey = await startLatchkeyProcess(t)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-workers-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'app.py'), application)
  const port = await freePort()
  const gunicorn = spawn(join(tools.path, 'gunicorn'), [
    '--preload', '--workers=3', '--worker-class=gthread', '--threads=4', '--no-control-socket',
    `--bind=127.0.0.1:${port}`, 'app:app'
  ], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: ownEnvironment({
      ...await latchkey.guardEnvironment(), PYTHONPATH: join(client, 'src')
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
