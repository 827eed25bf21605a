/**
 * The guard for other processes, packed and installed into an empty project: what is in it, and that it guards an API
 * there in each framework and on each Node.js, as strict TypeScript and by the code of its README.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { symlink, writeFile, copyFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { emptyProject, onNode, packGuard, shell, type Project } from '../support/installed-package.ts'
import { oldest as leastVersion } from '../../packages/guard/src/supported-node.ts'
import { npmTools } from '../support/foreign-tools.ts'
import { startLatchkeyProcess, startProgram, type LatchkeyProcess } from '../support/guarded-api.ts'
import { run } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const readme = readFileSync(join(root, 'packages/guard/README.md'), 'utf8')
const frameworks = await npmTools(join(import.meta.dirname, 'guard'))
const nodes = await npmTools(join(import.meta.dirname, 'nodes'))
const needed = { skip: frameworks.skip === false ? nodes.skip : frameworks.skip }
const oldest = join(dirname(nodes.path), `oldest-${process.arch}`, 'bin')
const tooOld = join(dirname(nodes.path), `too-old-${process.arch}`, 'bin')
const ours = dirname(process.execPath)

const [project, latchkey] = await prepared()

/** The tarball alone is installed; the frameworks are where Node.js finds them, one folder above. */
async function prepared (): Promise<[Project, LatchkeyProcess]> {
  if (needed.skip !== false) return [{ folder: '', env: {} }, {} as LatchkeyProcess]
  const [tarball, user, server] = await Promise.all(
    [packGuard(tap), emptyProject(tap, oldest), startLatchkeyProcess(tap)] as const
  )
  await shell(user, 'npm init --yes && npm pkg set type=module')
  await shell(user, `npm install --no-audit --no-fund '${tarball}'`)
  await symlink(dirname(frameworks.path), join(user.folder, '..', 'node_modules'))
  await copyFile(join(import.meta.dirname, 'guard/api.ts'), join(user.folder, 'api.ts'))
  const flags = '--strict --module nodenext --target es2023 --types node --skipLibCheck false --outDir built'
  await shell(user, `'${join(ours, 'node')}' '${compiler}' ${flags} api.ts`)
  return [user, server]
}

tap.test('the guard installs as one package below 300 kB, without dependencies or scripts', needed, async t => {
  const installation = join(project.folder, 'node_modules')
  t.strictSame(readdirSync(installation).filter(name => !name.startsWith('.')), ['@latchkey'])
  const home = join(installation, '@latchkey', 'guard')
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' }).map(name => ({
    name, size: statSync(join(home, name)).isFile() ? statSync(join(home, name)).size : 0
  }))
  const size = files.reduce((sum, file) => sum + file.size, 0)
  t.ok(size > 50_000 && size < 300_000, `${size} bytes`)
  t.strictSame(files.filter(({ name }) => /\.map$|(?<!\.d)\.ts$/.test(name)), [])
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Record<string, any>
  t.strictSame(Object.keys(manifest).filter(name => /dependencies/i.test(name)), [])
  t.strictSame(Object.keys(manifest.scripts), ['prepack'], 'npm runs nothing at an installation')
  t.notMatch(readFileSync(join(project.folder, 'package-lock.json'), 'utf8'), /hasInstallScript/)
  for (const { types, default: code } of Object.values(manifest.exports as Record<string, Record<string, string>>)) {
    for (const path of [types!, code!]) t.ok(files.some(({ name }) => `./${name}` === path), path)
  }
})

type Ask = (headers: Record<string, string>, path?: string) => Promise<Response>

function asking (port: number): Ask {
  return async (headers, path = '/invoices') => await fetch(`http://127.0.0.1:${port}${path}`, { headers })
}

async function createKey (
  more: Record<string, unknown> = {}
): Promise<{ id: string, headers: { 'x-api-key': string } }> {
  const { id, key } = await latchkey.manage('POST', '/api-keys', {
    organization: latchkey.organization,
    resource: latchkey.resource,
    environment: 'live',
    name: 'ci',
    scopes: ['invoices:read'],
    ...more
  }) as { id: string, key: string }
  return { id, headers: { 'x-api-key': key } }
}

/** Passes with a good key, and no longer with the next request after it was revoked; 403 without the scope. */
async function guards (t: Test, ask: Ask): Promise<void> {
  const [{ id, headers }, weak] = [await createKey(), await createKey({ scopes: [] })]
  for (let i = 0; i < 2; i++) t.equal((await ask(headers)).status, 200)
  t.equal((await ask(weak.headers)).status, 403)
  t.equal((await ask({})).status, 401)
  await latchkey.manage('POST', `/api-keys/${id}/revoke`)
  t.equal((await ask(headers)).status, 401, 'the next request after the acknowledgement')
}

async function judgeFramework (t: Test, ask: Ask): Promise<void> {
  await guards(t, ask)
  const { id, headers } = await createKey({ callsPerMinute: 3, allowlist: ['127.0.0.1'], objects: { ledger: ['42'] } })
  const first = await ask(headers)
  t.strictSame(await first.json(), {
    kind: 'api_key', id, organizationId: latchkey.organization, scopes: ['invoices:read']
  })
  t.match(first.headers.get('ratelimit-policy'), /q=3;w=60/)
  t.match(first.headers.get('ratelimit'), /r=2/)
  t.equal(first.headers.get('cache-control'), 'private')
  t.match(first.headers.get('vary'), /^authorization, x-api-key$/i)

  const ledger = await ask(headers, '/ledgers/42')
  t.strictSame([ledger.status, (await ledger.json() as { id: string }).id], [200, id])
  t.match(ledger.headers.get('ratelimit'), /r=1/)
  t.equal(ledger.headers.get('cache-control'), 'max-age=5', 'what the handler says counts')
  t.equal(ledger.headers.get('vary')!.toLowerCase(), 'origin, authorization, x-api-key')
  t.equal((await ask(headers, '/ledgers/43')).status, 403)
  const own = await ask(headers, `/organizations/${latchkey.organization}/invoices`)
  t.equal(own.status, 200)
  const limited = await ask(headers)
  t.equal(limited.status, 429)
  t.match(limited.headers.get('retry-after'), /^\d+$/)
  const other = await createKey()
  t.equal((await ask(other.headers, '/organizations/org_0000000000000000000000/invoices')).status, 404)
  const elsewhere = await createKey({ allowlist: ['192.0.2.1'] })
  t.equal((await ask(elsewhere.headers)).status, 401)
  const { token } = await latchkey.createToken()
  t.match(await (await ask({ authorization: `Bearer ${token}` })).json(), { kind: 'access_token' })
}

for (const [name, node] of [['the oldest Node.js', oldest], ['the Node.js of the project', ours]] as const) {
  tap.test(`on ${name}, strict TypeScript guards an API in every framework`, needed, async t => {
    const { folder: cwd, env } = await onNode(project, node)
    const { line } = await startProgram(t, [join(node, 'node'), 'built/api.js'], {
      cwd, env: { ...env, ...await latchkey.guardEnvironment() }
    })
    const ports = Object.entries(JSON.parse(line) as Record<string, number>)
    t.equal(ports.length, 7)
    for (const [framework, port] of ports) {
      await t.test(framework, async t => { await judgeFramework(t, asking(port)) })
    }
    for (const [, port] of ports.filter(([framework]) => framework.startsWith('express'))) {
      const { headers } = await createKey()
      t.equal(await (await asking(port)({}, '/answered')).text(), 'answered')
      t.equal((await asking(port)(headers)).status, 200, 'a guard that comes too late does not end the process')
    }
    const missing = 'import("@latchkey/guard").then(({ openGuard }) => openGuard({ server: "http://localhost:1" }))'
    const { stdout: told } = await shell({ folder: cwd, env }, `node -e '${missing}' 2>&1 || true`)
    t.match(told, /The guard needs clientId, which is missing/)
    const required = 'console.log(typeof require(\'@latchkey/guard\').openGuard)'
    await writeFile(join(cwd, 'common.cjs'), required)
    t.equal((await shell({ folder: cwd, env }, 'node common.cjs')).stdout.trim(), 'function', 'CommonJS can require it')
  })
}

tap.test('the first block of the README is strict TypeScript as it stands', needed, async t => {
  const [block] = /(?<=^```js\n)[^]*?(?=^```)/m.exec(readme)!
  await writeFile(join(project.folder, 'sample.ts'), block)
  const flags = '--noEmit --strict --module nodenext --target es2023 --types node --skipLibCheck false'
  const { code, stdout } = await run(join(ours, 'node'), [compiler, ...flags.split(' '), 'sample.ts'], {
    cwd: project.folder, env: project.env
  })
  t.equal(code, 0, stdout)
})

tap.test('an older Node.js gets a sentence', needed, async t => {
  const { folder: cwd, env } = await onNode(project, tooOld)
  await writeFile(join(cwd, 'old.mjs'), 'import \'@latchkey/guard\'')
  // What tap loads into each process needs a newer one.
  const { code, stderr } = await run('sh', ['-c', 'unset NODE_OPTIONS; node old.mjs'], { cwd, env })
  t.equal(code, 1)
  t.match(stderr, new RegExp(`Node\\.js: this is 18\\.[\\d.]+, and @latchkey/guard needs ${leastVersion} or newer`))
  const { engines } = JSON.parse(readFileSync(join(root, 'packages/guard/package.json'), 'utf8')) as Record<string, any>
  t.equal(engines.node, `>=${leastVersion}`)
})

const [whole, ...parts] = [...readme.matchAll(/^```js\n([^]*?)^```/gm)].map(([, block]) => block!)
const opening = whole!.slice(whole!.indexOf('const guard'), whole!.indexOf('const app'))
const listening = 'server.listen(process.env.PORT, "127.0.0.1")\nprocess.once("SIGTERM", () => process.exit(0))\n'
const served = (handler: string) =>
  'import { getRequestListener } from \'@hono/node-server\'\nimport { createServer } from \'node:http\'\n' +
  `const server = createServer(getRequestListener((request, bindings) => ${handler}))\n${listening}`

/** What stands around each further block of the README, by the adapter that the block imports. */
const around: Record<string, [before: string, after: string]> = {
  expressGuard: ['import express from \'express\'\nconst app = express()\n', `const server = app\n${listening}`],
  honoGuard: ['import { Hono } from \'hono\'\nconst app = new Hono()\n', served('app.fetch(request, bindings)')],
  nextGuard: ['', served('GET(request, { params: Promise.resolve({}) })')],
  fetchGuard: ['', served('handle(request)')],
  httpGuard: ['', listening]
}

tap.test('each block of the README of the guard guards its route, as JavaScript', needed, async t => {
  const programs = new Map([['fastify', whole!.replace('port: 3000', 'port: process.env.PORT')]])
  for (const part of parts) {
    const adapter = /import \{ (\w+) \} from '@latchkey/.exec(part)![1]!
    const [before, after] = around[adapter]!
    programs.set(adapter, `import { openGuard } from '@latchkey/guard'\n${opening}${before}${part}${after}`)
  }
  t.strictSame([...programs.keys()].slice(1), Object.keys(around))
  const settings = { ...await latchkey.guardEnvironment(), LATCHKEY_SERVER: latchkey.url }
  for (const [name, text] of programs) {
    await t.test(name, async t => {
      const { folder, env } = await onNode(project, ours)
      const program = text.replaceAll('https://api.acme.test', latchkey.resource)
      await writeFile(join(folder, `${name}.js`), `${program}\nconsole.log("started")\n`)
      await startProgram(t, [process.execPath, `${name}.js`], {
        cwd: folder,
        env: { ...env, ...settings }
      })
      const ask = asking(Number(env.PORT))
      await until('it listens', async () => await ask({}).then(() => true, () => false))
      await guards(t, ask)
    })
  }
})
