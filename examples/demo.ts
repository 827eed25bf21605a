/**
 * The main job of an example, as real requests to a real server: `npm run demo`, or `npm run demo -- --example
 * craftkit`. It starts on an empty temporary database, with the example mounted behind the guard, and stays up
 * afterwards. With `--once` it ends: exit code 0 if every step held. `--dashboard` fills an organization with thirty
 * days instead, and prints a link that signs in.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildServer, loadConfig, openLatchkey } from '../src/index.ts'
import { livePastDays, PastClock } from './dashboard/past-days.ts'
import type { Leftovers } from './example.ts'
import { examples } from './examples.ts'
import { Transcript, Unexpected } from './transcript.ts'

const usage = `npm run demo -- [--example NAME] [--dashboard] [--once]

  --example NAME  ${Object.keys(examples).join(', ')}; default: ledgerbee
  --dashboard     thirty days of calls, and a link that signs in to the dashboard
  --once          end when every step is told`

const { once, dashboard, example: name } = options()
const example = examples[name]
if (example === undefined) {
  console.error(`There is no example ${JSON.stringify(name)}; there are: ${Object.keys(examples).join(', ')}.`)
  process.exit(1)
}

const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'))
const port = await freePort()
// A passkey needs a name, and no address.
const origin = `http://${dashboard ? 'localhost' : '127.0.0.1'}:${port}`
const config = loadConfig({
  PORT: String(port),
  LATCHKEY_ISSUER: origin,
  LATCHKEY_DATA: folder,
  LATCHKEY_LOG_LEVEL: 'error',
  ...example.environment
})

const past = new PastClock(dashboard)
const latchkey = await openLatchkey(config, past.now)
const app = await buildServer(latchkey, example.routes)
await example.mount(app, latchkey)
await app.listen({ port, host: config.host })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
console.log(
  `Latchkey listens at ${origin}, with ${example.title}, a small protected API, behind its guard. The empty database ` +
    `is in ${folder}.`
)

const stopping = `Ctrl-C ends it and removes ${folder}.`
const http = new Transcript(origin)
try {
  if (dashboard) {
    console.log('\nThirty days pass …')
    const link = new URL(await livePastDays(origin, config.generatedAdminToken!, past))
    link.searchParams.set('return_to', '/dashboard')
    console.log(`\nSign in as Ada Lovelace, an owner, once, within ten minutes:\n\n  ${link}\n\n${stopping}`)
    if (once) await end()
  } else await tellJob()
} catch (error) {
  console.error(error instanceof Unexpected ? `\nThis did not hold: ${error.message}` : error)
  process.exitCode = 1
  await end()
}

function options () {
  try {
    const { help, ...given } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        dashboard: { type: 'boolean', default: false },
        example: { type: 'string', default: 'ledgerbee' },
        help: { type: 'boolean', short: 'h', default: false }
      }
    }).values
    if (!help) return given
    console.log(usage)
    process.exit(0)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    process.exit(1)
  }
}

async function tellJob (): Promise<void> {
  const leftovers = await example!.tell({ http, origin, adminToken: config.generatedAdminToken! })
  console.log(`\nEvery step held: ${http.held} expectations.`)
  if (once) await end()
  else console.log(goOn(leftovers))
}

function goOn ({ curl, latchkey }: Leftovers): string {
  const commands = latchkey === undefined ? curl : [...curl, `LATCHKEY_DATA=${folder} npx latchkey ${latchkey}`]
  return `
It stays up. Go on in another terminal:

${commands.map(command => `  ${command}`).join('\n')}

${stopping}`
}

/** Closes the database, then removes it. */
async function end (): Promise<void> {
  await app.close()
  await rm(folder, { recursive: true, force: true })
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
