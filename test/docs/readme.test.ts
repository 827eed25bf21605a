/** Checks the README: its transcript is run again, its program is run, and the command line accepts its commands. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import tap, { type Test } from 'tap'
import { commands as ownCommands } from '../../src/cli/commands.ts'
import { freePort, latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'
import { readTranscript, Words } from '../support/transcript.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>, files: string[]
}

/** The fenced blocks of a language. */
function blocks (language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(match => match[1]!)
}

/** The commands of `sh` blocks, without comments. */
const commands = blocks('sh').flatMap(block => block.trim().split('\n')).map(line => line.replace(/\s+#.*/, ''))

interface Started { port: number, environment: Record<string, string>, folder: string }

/** Runs a program with a data folder and a port of its own until the test ends, and waits until its port answers. */
async function start (t: Test, command: string, parameters: string[]): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-readme-'))
  const port = await freePort()
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`
  const environment = ownEnvironment({
    LATCHKEY_DATA: join(folder, 'data'), PORT: String(port), PATH, LATCHKEY_LOG_LEVEL: 'warn'
  })
  // A process group: npm does not forward every signal to its child.
  const child = spawn(command, parameters, { cwd: root, env: environment, stdio: 'ignore', detached: true })
  const closed = once(child, 'close')
  t.teardown(async () => {
    if (child.exitCode === null) process.kill(-child.pid!, 'SIGTERM')
    await closed
    await until('its port is free', async () => !await answers(port))
    await rm(folder, { recursive: true, force: true })
  })
  await until('it answers', async () => child.exitCode !== null || await answers(port))
  return { port, environment, folder }
}

async function answers (port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`).then(({ ok }) => ok, () => false)
}

/** The parts that differ between runs, as placeholders: ids, secrets, tokens, times. */
function withPlaceholders (transcript: string): string {
  let text = transcript.replace(/eyJ[\w.-]*…/g, '{token}').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '{}').replace(
    /^(secret +).*$/m, '$1{}'
  )
  const unknown = [...text.matchAll(/(?:org|res|cli)_\w{22}/g), ...text.matchAll(/(?<=client secret +)\S+/g)].map(
    match => match[0]
  )
  for (const [index, word] of [...new Set(unknown)].entries()) text = text.replaceAll(word, `{word${index}}`)
  return text
}

tap.test('the transcript: npm start, then every command prints what the README shows', async t => {
  t.ok(commands.includes('npm start'))
  const { port, environment } = await start(t, 'npm', ['start'])
  const words = new Words()
  const steps = readTranscript(withPlaceholders(blocks('console').join('')))
  t.ok(steps.length >= 6)
  for (const { command, output } of steps) {
    const { stdout } = await run('sh', ['-c', words.fill(command).replaceAll(':3000', `:${port}`)], {
      env: environment
    })
    const shown = stdout.replaceAll(`:${port}`, ':3000').replace(/\n?$/, '\n')
    t.ok(words.matches(output, shown), command, { expected: output, found: shown })
  }
})

tap.test('the program of ten lines guards its route', async t => {
  const [program] = blocks('ts')
  const lines = program!.split('\n').filter(line => line.trim() !== '')
  t.ok(lines.length <= 12, `${lines.length} lines`)
  const source = await mkdtemp(join(tmpdir(), 'latchkey-program-'))
  t.teardown(async () => await rm(source, { recursive: true, force: true }))
  const library = pathToFileURL(join(root, 'src/index.ts')).href
  await writeFile(join(source, 'server.ts'), program!.replace('\'latchkey\'', `'${library}'`))
  const { port, environment } = await start(t, process.execPath, [join(source, 'server.ts')])

  const url = `http://127.0.0.1:${port}`
  // As a reader types it beside the program: the command finds the server and its admin token by the data folder.
  const latchkey = async (...parameters: string[]) => JSON.parse(
    (await run(process.execPath, [latchkeyCommand, '--json', ...parameters], { env: environment })).stdout
  )
  const { id } = await latchkey('org', 'create', 'Acme')
  const create = [
    'key', 'create', '--org', id, '--resource', `http://localhost:${port}`, '--env', 'live', '--name', 'ci'
  ]
  const good = await latchkey(...create, '--scope', 'invoices:read')
  const without = await latchkey(...create)

  const invoices = async (headers: Record<string, string>) => await fetch(`${url}/invoices`, { headers })
  const letIn = await invoices({ 'x-api-key': good.key })
  t.equal(letIn.status, 200)
  t.same(await letIn.json(), { invoicesOf: id })
  t.equal((await invoices({ 'x-api-key': without.key })).status, 403)
  t.equal((await invoices({})).status, 401)
})

tap.test('every command it names exists and is spelled as the command line takes it', async t => {
  for (const script of commands.join('\n').matchAll(/npm (?:run )?(?!ci)(\w+)/g)) {
    t.ok(manifest.scripts[script[1]!], String(script[0]))
  }
  const examples = commands.filter(line => line.startsWith('npx latchkey '))
  t.ok(examples.length > 0)
  for (const line of examples) {
    const mine = line.replace(
      'npx latchkey', `'${process.execPath}' '${latchkeyCommand}' --url http://127.0.0.1:1 --token none`
    )
    const { code, stderr } = await run('sh', ['-c', mine], { env: ownEnvironment({}) })
    t.equal(code, 1, `${line}\nis understood, and fails only for want of a server: ${stderr}`)
  }
})

tap.test('what it links to is there', async t => {
  for (const [, target] of readme.matchAll(/\]\((?!http)([^)#]+)\)/g)) t.ok(existsSync(join(root, target!)), target!)
})

tap.test('the list of commands has every one that is shown by --help', async t => {
  const [, listed = ''] = /lists them: ([^]*?)\. They call/.exec(readme) ?? []
  const names = [...listed.matchAll(/`([\w-]+)`/g)].map(match => match[1]!)
  t.strictSame(names.sort(), ['serve', 'migrate', ...ownCommands().map(command => command.name())].sort())
})
