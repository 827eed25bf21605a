/** The package as a user has it: packed in a copy of the project, and installed into an empty folder. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { freePort, ownEnvironment, run } from './running-server.ts'
import { until } from './waiting.ts'

const root = resolve(import.meta.dirname, '../..')

const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: readonly string[] }

/**
 * What `npm pack` reads: what package.json names, and what makes dist/. A copy, because it generates the clients, which
 * other tests use at the same time.
 */
const packed = new Set([
  ...files.map(name => name.split('/')[0]!).filter(name => name !== 'dist'),
  'packages/guard/README.md', 'scripts', 'src', 'package.json', 'tsconfig.json', 'tsconfig.build.json',
  'prisma.config.ts', 'README.md', 'LICENSE'
])

interface Cleaner { teardown (work: () => unknown): void }

/** Runs `npm pack` and returns the path of the tarball. */
export async function packProject (t: Cleaner): Promise<string> {
  return await pack(t, packed, '.')
}

/** As `packProject`, for packages/guard. */
export async function packGuard (t: Cleaner): Promise<string> {
  const names = ['packages/guard', 'scripts/build-guard.ts', 'src', 'package.json', 'tsconfig.json', 'LICENSE']
  return await pack(t, names, 'packages/guard')
}

async function pack (t: Cleaner, names: Iterable<string>, folder: string): Promise<string> {
  const copy = await temporary(t, 'pack')
  for (const name of names) await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  // The last line; those before it are of the build.
  const { stdout } = await succeed('npm', ['pack'], join(copy, folder), ownEnvironment({}))
  return join(copy, folder, stdout.trim().split('\n').at(-1)!)
}

/** The folder of a user, and the environment of its terminal. */
export interface Project { folder: string, env: Record<string, string> }

/**
 * An empty folder, with an empty cache of npm, without a compiler, and with nothing of this project on the path.
 * `node`: the folder of the user's Node.js.
 */
export async function emptyProject (t: Cleaner, node: string): Promise<Project> {
  const parent = await temporary(t, 'user')
  const folder = join(parent, 'project')
  await mkdir(folder)
  const inherited = Object.entries(ownEnvironment({})).filter(([name]) =>
    !/^(npm_(?!config_registry)|node_options|_?tap|init_cwd)/i.test(name)
  )
  const env = {
    ...Object.fromEntries(inherited),
    npm_config_cache: join(parent, 'cache'),
    CC: '/bin/false',
    CXX: '/bin/false',
    PYTHON: '/bin/false',
    LATCHKEY_LOG_LEVEL: 'warn',
  }
  return await onNode({ folder, env }, node)
}

/** The same folder in another terminal, with another Node.js, port and data folder. */
export async function onNode ({ folder, env }: Project, node: string): Promise<Project> {
  const path = process.env.PATH!.split(delimiter).filter(each => !each.includes('node_modules'))
  const port = String(await freePort())
  const own = { PATH: [node, ...path].join(delimiter), PORT: port, LATCHKEY_DATA: join(folder, `data-${port}`) }
  return { folder, env: { ...env, ...own } }
}

/** Runs a command line to its end and returns what it wrote. @throws when it fails. */
export async function shell ({ folder, env }: Project, line: string): Promise<{ stdout: string, stderr: string }> {
  return await succeed('sh', ['-c', line], folder, env)
}

async function succeed (command: string, parameters: string[], cwd: string, env: Record<string, string>) {
  const { code, stdout, stderr } = await run(command, parameters, { cwd, env })
  if (code !== 0) throw new Error(`${[command, ...parameters].join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
  return { stdout, stderr }
}

/** Starts a command line that serves, until the test ends. @returns the server's URL, once it answers there. */
export async function serve (t: Cleaner, { folder, env }: Project, line: string): Promise<string> {
  // A process group: neither the shell nor npx forwards signals.
  const child = spawn('sh', ['-c', line], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said.push(String(bytes)) })
  const closed = once(child, 'close')
  t.teardown(async () => {
    if (child.exitCode === null) process.kill(-child.pid!, 'SIGTERM')
    await closed
  })
  const url = `http://localhost:${env.PORT}`
  await until('the server answers', async () => {
    if (child.exitCode !== null) throw new Error(`${line} ended:\n${said.join('')}`)
    return await fetch(`${url}/healthz`).then(({ ok }) => ok, () => false)
  })
  return url
}

async function temporary (t: Cleaner, name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `latchkey-${name}-`))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  return folder
}
