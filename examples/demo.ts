/**
 * The main job, as real requests against a real server: `npm run demo`. It starts on an empty temporary database, with
 * LedgerBee mounted behind the guard, and stays up afterwards. With `--once` it ends: exit code 0 if every step held.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { announceServer } from '../src/config.ts'
import { buildServer, loadConfig, openLatchkey } from '../src/index.ts'
import { declareLedgerbee, ledgerbee } from './ledgerbee/api.ts'
import { openBooks } from './ledgerbee/books.ts'
import { mainJob, type Leftovers } from './main-job.ts'
import { Transcript, Unexpected } from './transcript.ts'

const once = process.argv.includes('--once')
const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'))
const port = await freePort()
const origin = `http://127.0.0.1:${port}`
const config = loadConfig({ PORT: String(port), LATCHKEY_ISSUER: origin, LATCHKEY_DATA: folder, LATCHKEY_LOG_LEVEL: 'error' })

const latchkey = await openLatchkey(config)
await declareLedgerbee(latchkey)
const app = await buildServer(latchkey)
await app.register(ledgerbee(latchkey, openBooks()))
await app.listen({ port, host: config.host })
announceServer(config, origin)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
console.log(`Latchkey listens at ${origin}, with LedgerBee, a small protected API, behind its guard. The empty database is in ${folder}.`)

const http = new Transcript(origin)
try {
  const leftovers = await mainJob(http, origin, config.generatedAdminToken!)
  console.log(`\nEvery step held: ${http.held} expectations.`)
  if (once) await end()
  else console.log(goOn(leftovers))
} catch (error) {
  console.error(error instanceof Unexpected ? `\nThis did not hold: ${error.message}` : error)
  process.exitCode = 1
  await end()
}

function goOn ({ key, agentId, agentSecret }: Leftovers): string {
  return `
It stays up. Go on in another terminal:

  curl -i -H 'x-api-key: ${key}' ${origin}/api/v1/company
  curl -u '${agentId}:${agentSecret}' -d grant_type=client_credentials ${origin}/api/v1/auth/token
  LATCHKEY_DATA=${folder} npx latchkey client list

Ctrl-C ends it and removes ${folder}.`
}

/** Lets go of the database, then removes it. */
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
