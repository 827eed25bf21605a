/**
 * The package, packed and installed into an empty folder: what is in it, and that it runs there on each Node.js. It
 * takes more than a minute: `npm run test:package` runs it, and `npm test` where judges are required.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import ts from 'typescript'
import { emptyProject, onNode, packProject, serve, shell, type Project } from '../support/installed-package.ts'
import { missing, type ForeignProgram } from '../support/foreign-programs.ts'
import { npmTools } from '../support/foreign-tools.ts'
import { run } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const sample = blockOf('ts')
const [initialize, install, start] = blockOf('bash').trim().split('\n') as [string, string, string]

const nodes = await nodePackages()
const nodeIn = (name: string) => join(dirname(nodes.path), `${name}-${process.arch}`, 'bin')
const ours = dirname(process.execPath)
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

/** As the README says it, on the oldest Node.js. */
const project = nodes.skip === false ? await emptyProject(tap, nodeIn('oldest')) : { folder: '', env: {} }
let said = ''
if (nodes.skip === false) {
  const tarball = await packProject(tap)
  await shell(project, initialize)
  // An older Node.js trusts the authorities of the machine, as its packages by a distribution do, only when it is told.
  const trusting = { ...project, env: { ...project.env, NODE_OPTIONS: '--use-system-ca' } }
  const { stdout, stderr } = await shell(trusting, install.replace(/\S+\.tgz/, tarball))
  said = stdout + stderr
}
const installation = join(project.folder, 'node_modules')
const home = join(installation, 'latchkey')

interface Manifest {
  engines: { node: string }
  dependencies: Record<string, string>
  scripts?: Record<string, string>
  gypfile?: boolean
}

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest

/** Every Node.js that Latchkey promises to run on, by its name in titles. */
const supported = [['the oldest Node.js', nodeIn('oldest')], ['the Node.js of the project', ours]] as const

async function nodePackages (): Promise<ForeignProgram> {
  if (process.env.LATCHKEY_JUDGES !== 'required') return { path: '', skip: 'npm run test:package runs it' }
  const found = await npmTools(join(import.meta.dirname, 'nodes'))
  if (found.skip !== false || existsSync(join(dirname(found.path), `oldest-${process.arch}`))) return found
  return missing('an older Node.js', 'npm has packages of it for Linux only')
}

/** The first block of a language in the README. */
function blockOf (language: string): string {
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(readme)![1]!
}

function filesIn (folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
}

tap.test('LK-14: an installation says nothing but how many packages it has added', nodes, async t => {
  t.match(said.replace(/\n+$/, '').split('\n').at(-1)!, /^(added|found|up to date| +run `npm fund)/)
  t.notMatch(said, /warn|gyp|install.script/i)
})

tap.test('the oldest Node.js that the tests run on is the one that package.json names', nodes, async t => {
  const { stdout } = await run(join(nodeIn('oldest'), 'node'), ['--version'])
  t.equal(manifestOf(home).engines.node, `>=${stdout.trim().slice(1)}`)
})

tap.test('an installation has one SQLite driver, no install scripts, nothing of the development', nodes, async t => {
  const packages = filesIn(installation)
    .filter(name => /(^|node_modules\/)(@[^/]+\/)?[^/@]+\/package\.json$/.test(name)).map(name => dirname(name))
  t.ok(packages.length > 100)
  const named = (pattern: RegExp) => packages.filter(name => pattern.test(name))
  t.strictSame(named(/sqlite/), ['better-sqlite3'])
  t.strictSame(named(/^node-linux|^prisma$|prisma\/client$|swagger|scarf|fontsource|typescript$|^tap$|embedded|^react/), [])
  const scripts = packages.filter(name => {
    const { scripts = {}, gypfile } = manifestOf(join(installation, name))
    // npm compiles a package with this file that does not forbid it.
    const isCompiled = existsSync(join(installation, name, 'binding.gyp')) && gypfile !== false
    return isCompiled || ['preinstall', 'install', 'postinstall'].some(each => each in scripts)
  })
  t.strictSame(scripts, [])
  t.notOk('prepare' in manifestOf(home).scripts!, 'npm would warn of it for a tarball')
  const lock = readFileSync(join(project.folder, 'package-lock.json'), 'utf8')
  t.notMatch(lock, /hasInstallScript/)
})

tap.test('an installation takes at most 100 MB', nodes, async t => {
  const bytes = filesIn(installation).map(name => statSync(join(installation, name)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
  t.ok(bytes < 100e6, `${Math.round(bytes / 1e6)} MB`)
  t.ok(bytes > 20e6, 'there is something to measure')
})

tap.test('the package has no source maps, no sources, and the declarations of its entries alone', nodes, async t => {
  const files = filesIn(home)
  t.strictSame(files.filter(name => /\.map$|(?<!\.d)\.ts$|^(src|test|scripts|tools)\b/.test(name)), [])
  t.ok(files.includes('dist/index.d.ts'))
  t.notOk(files.some(name => name.endsWith('.d.ts') && name.includes('generated')))
  t.notMatch(readFileSync(join(home, 'dist/index.js'), 'utf8'), /sourceMappingURL/)
})

tap.test('OC-10: the package brings the hooks of LiteLLM that its documents name, and nothing beside them', nodes, async t => {
  const files = filesIn(home).filter(name => name.startsWith('integrations/') && statSync(join(home, name)).isFile())
  t.strictSame(files.toSorted(), [
    'integrations/litellm/README.md', 'integrations/litellm/config.yaml', 'integrations/litellm/latchkey_litellm.py'
  ])
})

tap.test('the package imports nothing but its own files, its dependencies and Node.js', nodes, async t => {
  const { dependencies } = manifestOf(home)
  const ourOwn = filesIn(join(home, 'dist')).filter(each => /\.(js|d\.ts)$/.test(each) && !each.includes('swagger-ui/'))
  for (const name of ourOwn) {
    const path = join(home, 'dist', name)
    for (const { fileName } of ts.preProcessFile(readFileSync(path, 'utf8'), true, true).importedFiles) {
      const [scope, second] = fileName.split('/')
      const from = scope!.startsWith('@') ? `${scope}/${second}` : scope!
      const isThere = fileName.startsWith('.')
        ? existsSync(resolve(dirname(path), fileName.replace(/(?<!\.d)\.ts$/, '.d.ts')))
        : isBuiltin(fileName) || from in dependencies
      if (!isThere) t.fail(`${name} imports ${fileName}`)
    }
  }
})

for (const [name, node] of supported) {
  tap.test(`on ${name}, npx latchkey serve issues a token that a guarded route admits`, nodes, async t => {
    const own = await onNode(project, node)
    const url = await serve(t, own, start)
    const { clientId: id, clientSecret: secret, organization } = await firstClient(own)
    const { access_token: token } = await (await fetch(`${url}/api/v1/auth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })).json() as { access_token: string }
    const admitted = await fetch(`${url}/api/v1/principal`, { headers: { authorization: `Bearer ${token}` } })
    t.match(await admitted.json(), { kind: 'access_token', id, organization, scopes: ['invoices:read'] })
    t.equal((await fetch(`${url}/api/v1/principal`)).status, 401)
    t.match(await (await fetch(`${url}/reference/swagger-ui-bundle.js`)).text(), /SwaggerUIBundle/)
    t.match((await fetch(`${url}/assets/inter.woff2`)).headers.get('content-type'), 'font/woff2')
    t.equal((await fetch(`${url}/prom`)).status, 200)
    const { stdout } = await shell(own, 'node_modules/.bin/latchkey doctor')
    t.match(stdout, /migrations +ok/)
  })

  tap.test(`on ${name}, the library sample of the README guards its route`, nodes, async t => {
    await t.test('as TypeScript, strict', async t => {
      const flags = '--strict --module nodenext --target es2023 --skipLibCheck false --outDir built'
      await writeFile(join(project.folder, 'typed.ts'), sample)
      await shell(project, `'${join(ours, 'node')}' '${compiler}' ${flags} typed.ts`)
      await guardsInvoices(t, await onNode(project, node), 'node built/typed.js')
    })
    await t.test('as JavaScript', async t => {
      await writeFile(join(project.folder, 'plain.js'), sample)
      await guardsInvoices(t, await onNode(project, node), 'node plain.js')
    })
    const required = 'node --print "Object.keys(require(\'latchkey/guard\'))"'
    const { stdout } = await shell(await onNode(project, node), required)
    t.match(stdout, /'guard'/, 'CommonJS can require it')
  })
}

/** Creates an organization, a resource and a client, by the commands of the README. */
async function firstClient (own: Project) {
  const resource = 'https://api.acme.test'
  const { id: org } = await latchkey(own, 'org create Acme')
  await latchkey(own, `resource create ${resource} --scope invoices:read`)
  const flags = `--org ${org} --resource ${resource} --scope invoices:read --name billing`
  return await latchkey(own, `client create ${flags}`)
}

async function latchkey (own: Project, line: string): Promise<Record<string, string>> {
  return JSON.parse((await shell(own, `node_modules/.bin/latchkey --json ${line}`)).stdout) as Record<string, string>
}

async function guardsInvoices (t: Test, own: Project, line: string): Promise<void> {
  const url = await serve(t, own, line)
  const { id: org } = await latchkey(own, 'org create Acme')
  const flags = `--org ${org} --resource ${url} --env live --name ci`
  const { key } = await latchkey(own, `key create ${flags} --scope invoices:read`)
  const { key: weak } = await latchkey(own, `key create ${flags}`)
  const invoices = async (headers: Record<string, string>) => await fetch(`${url}/invoices`, { headers })
  t.strictSame(await (await invoices({ 'x-api-key': key! })).json(), { invoicesOf: org })
  t.equal((await invoices({ 'x-api-key': weak! })).status, 403)
  t.equal((await invoices({})).status, 401)
}

tap.test('an older Node.js gets a sentence, from the command and from the library', nodes, async t => {
  const own = await onNode(project, nodeIn('too-old'))
  const sentence = /Node\.js: this is 18\.\d+\.\d+, and Latchkey needs 22\.\d+\.\d+ or newer/
  // What tap loads into each process needs a newer one.
  const shellOf = (line: string) => run('sh', ['-c', `unset NODE_OPTIONS; ${line}`], { cwd: own.folder, env: own.env })
  const command = await shellOf(start.replace('npx latchkey', 'node node_modules/.bin/latchkey'))
  t.equal(command.code, 1)
  t.match(command.stderr, sentence)
  t.notMatch(command.stderr, /^ +at /m)
  for (const entry of ['latchkey', 'latchkey/guard']) {
    await writeFile(join(own.folder, 'old.mjs'), `import '${entry}'`)
    const library = await shellOf('node old.mjs')
    t.equal(library.code, 1)
    t.match(library.stderr, sentence, entry)
  }
})
