/**
 * Tools from npm, PyPI, Go's module proxy and Maven, in the versions pinned beside the judges that use them. Each is
 * installed once, into a folder of its own in the user's cache; `npm ci` installs none of them.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { foreignProgram, missing, type ForeignProgram } from './foreign-programs.ts'

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'latchkey-judges')

/** The programs of `folder`/package.json. `path` is their folder. */
export async function npmTools (folder: string): Promise<ForeignProgram> {
  return await installed(folder, 'package.json', async target => {
    await cp(join(folder, 'package.json'), join(target, 'package.json'))
    const { code, output } = await run('npm', [
      'install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'
    ], { cwd: target })
    return code === 0 ? null : output
  }, join('node_modules', '.bin'))
}

/** The programs of `folder`/requirements.txt, in a virtual environment of their own. `path` is their folder. */
export async function pythonTools (folder: string): Promise<ForeignProgram> {
  const python = foreignProgram('python3', 'apt-get install python3 python3-venv')
  if (python.skip !== false) return python
  return await installed(folder, 'requirements.txt', async target => {
    const made = await run(python.path, ['-m', 'venv', target])
    if (made.code !== 0) return made.output
    const { code, output } = await run(join(target, 'bin', 'python'), [
      '-m', 'pip', 'install', '--quiet', '--requirement', join(folder, 'requirements.txt')
    ])
    return code === 0 ? null : output
  }, 'bin')
}

/** The program of a Go package, as `module@version`. `path` is the program. */
export async function goTool (module: string): Promise<ForeignProgram> {
  const go = foreignProgram('go', 'install Go 1.24 or newer')
  if (go.skip !== false) return go
  const path = join(
    cache, 'go', module.replace(/[^\w.-]+/g, '-'), basename(module.split('@')[0]!.replace(/\/v\d+$/, ''))
  )
  if (await exists(path)) return { path, skip: false }
  const { code, output } = await run(go.path, ['install', module], { env: { ...process.env, GOBIN: join(path, '..') } })
  return code === 0 ? { path, skip: false } : missing(module, lastLineOf(output))
}

/** The archives that `folder`/pom.xml depends on, unpacked. `path` is the folder with their contents. */
export async function mavenArchives (folder: string): Promise<ForeignProgram> {
  const maven = foreignProgram('mvn', 'apt-get install maven')
  if (maven.skip !== false) return maven
  return await installed(folder, 'pom.xml', async target => {
    // Its markers of what is unpacked would be written beside the pom.
    const { code, output } = await run(maven.path, [
      '--quiet', '--batch-mode', `--file=${join(folder, 'pom.xml')}`, `-DoutputDirectory=${target}`,
      `-DmarkersDirectory=${join(target, 'markers')}`, 'dependency:unpack-dependencies'
    ])
    return code === 0 ? null : output
  }, '.')
}

export interface Ended { code: number, output: string }

/** Runs a program; resolves to its exit code, -1 when a signal ended it, and its output. */
export function run (
  program: string, parameters: readonly string[], options: { cwd?: string, env?: NodeJS.ProcessEnv } = {}
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.on('error', reject)
    child.on('close', code => { resolve({ code: code ?? -1, output }) })
  })
}

/** Resolves to null, or to the reason of the failure. */
type Install = (target: string) => Promise<string | null>

/**
 * Named by the text of the list, so that other versions get another folder. A Python environment cannot be moved: each
 * installation is made in a folder of its own, and the first that is complete gets the name, by a link. So several
 * processes may install at once, and one that is killed leaves nothing under the name.
 */
async function installed (folder: string, list: string, install: Install, programs: string): Promise<ForeignProgram> {
  const digest = createHash('sha256').update(await readFile(join(folder, list))).digest('hex').slice(0, 12)
  const name = `${basename(folder)}-${digest}`
  const link = join(cache, 'installed', name)
  if (!await exists(link)) {
    await mkdir(join(cache, 'installed'), { recursive: true })
    const target = await mkdtemp(join(cache, `${name}-`))
    const problem = await install(target)
    const isFirst = problem === null && await linked(target, link)
    if (!isFirst) await rm(target, { recursive: true, force: true })
    if (problem !== null) return missing(join(basename(folder), list), lastLineOf(problem))
  }
  return { path: join(await realpath(link), programs), skip: false }
}

/** False: another process was faster. */
async function linked (target: string, link: string): Promise<boolean> {
  try {
    await symlink(target, link)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function exists (path: string): Promise<boolean> {
  return await access(path).then(() => true, () => false)
}

function lastLineOf (output: string): string {
  return output.trim().split('\n').at(-1) ?? ''
}
