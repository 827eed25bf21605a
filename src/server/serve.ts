/** `latchkey serve`: a server that listens until a signal ends it. */
import type { FastifyInstance } from 'fastify'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { openLatchkey, type Latchkey } from '../app.ts'
import { ConfigurationError } from '../base/errors.ts'
import { loadConfig, type Config } from '../config/config.ts'
import { hostOf, isLoopback } from '../config/loopback.ts'
import { waitingOperator } from '../domain/providers/waiting-operator.ts'
import { createSignInLink, signInLinkUrl } from '../domain/people/sign-in-link.ts'
import { operatorsId } from '../domain/tenancy/organization.ts'
import { standardOutput } from '../telemetry/standard-output.ts'
import { buildServer } from './http-server.ts'
import { metricsListener } from './metrics-listener.ts'
import { shutDownOnSignal } from './shutdown.ts'
import { surviveUncaught } from './uncaught-errors.ts'

/** Serves until a signal ends the process, and prints how to go on. */
export async function serve (): Promise<void> {
  const config = loadConfig()
  const { shutdown: { delay, patience } } = config
  const latchkey = await openLatchkey(config)
  const output = standardOutput(latchkey.telemetry.background.report('log'))
  const app = await buildServer(latchkey, { log: output })
  shutDownOnSignal(app, latchkey.telemetry, { delayMs: delay * 1000, timeoutMs: patience * 1000 })
  // The hook runs before the one that announces the server to commands, so that it is complete when they find it.
  app.addHook('onListen', done => {
    surviveUncaught(latchkey.telemetry.metrics)
    done()
  })
  const metrics = metricsListener(latchkey)
  try {
    await metrics.start()
    app.server.once('close', () => { metrics.stop().catch(() => {}) })
    await app.listen({ port: config.port, host: config.host })
  } catch (error) {
    await metrics.stop()
    await app.close()
    throw asConfigurationError(error as NodeJS.ErrnoException, config)
  }
  output.write(await welcome(latchkey))
  await warmUp(app, latchkey)
}

/** How long the first requests, which have waited for the start, are left undisturbed. */
const warmUpDelayMs = 500

/** Loads what the first change needs, off the first requests. Errors are ignored: the first use retries. */
async function warmUp ({ server }: FastifyInstance, latchkey: Latchkey): Promise<void> {
  const closing = new AbortController()
  server.once('close', () => { closing.abort() })
  try {
    await pause(warmUpDelayMs, undefined, { signal: closing.signal })
    await latchkey.prepareForChanges()
  } catch {}
}

/** The variable whose value prevents listening; other errors stay as they are. */
function asConfigurationError (error: NodeJS.ErrnoException, { port, host }: Config): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new ConfigurationError([
        `PORT: another program listens on ${host}:${port}; stop it, or choose another port`
      ])
    case 'EACCES':
      return new ConfigurationError([`PORT: this account may not listen on ${port}; choose 1024 or more`])
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND': return new ConfigurationError([`HOST: ${host} is no address of this machine`])
    default: return error
  }
}

/** Whether what is printed is read here and now: logs of containers are shipped elsewhere, and kept. */
function isRead (): boolean {
  return process.stdout.isTTY === true
}

/** How the first operator signs in, until one can alone. A link is printed only to a terminal on this machine. */
async function firstSignIn ({ config: { issuer }, operation }: Latchkey): Promise<string[]> {
  const operator = await waitingOperator(operation.store)
  if (operator === null) return []
  const { id } = operator
  if (!isLoopback(hostOf(issuer)) || !isRead()) {
    return [`Make a sign-in link for the first operator: npx latchkey member sign-in-link ${id}`]
  }
  const { text } = await createSignInLink(operation, id, { vouchedBy: null, sessionEndsAt: null })
  return ['Sign in as the first operator (once, within ten minutes):', `  ${signInLinkUrl(issuer, text)}`]
}

async function welcome (latchkey: Latchkey): Promise<string> {
  const { config, config: { issuer, dataFolder, databaseUrl } } = latchkey
  const isNew = await isUnused(latchkey)
  return [
    '',
    `Latchkey serves ${issuer}; its data is in ${placeOfData(databaseUrl, dataFolder)}.`,
    ...(isNew ? adminTokenLine(config) : []),
    ...await firstSignIn(latchkey),
    ...(isNew ? firstCommands : []),
    ''
  ].join('\n')
}

const firstCommands = [
  'Next, in another terminal:',
  '',
  '  npx latchkey org create "Acme"',
  '  npx latchkey resource create https://api.acme.test --scope invoices:read',
  '  npx latchkey client create --org ORG_ID --resource https://api.acme.test --scope invoices:read --name billing',
  ''
]

/** Where the admin token of a new deployment is; where this start has made it, itself, but to a terminal alone. */
function adminTokenLine ({ generatedAdminToken, adminTokenFile }: Config): string[] {
  if (adminTokenFile === null) return []
  return generatedAdminToken !== null && isRead()
    ? [`Admin token (shown this once): ${generatedAdminToken}`]
    : [`The admin token is in ${adminTokenFile}; commands on this machine find it there.`]
}

/** Whether no organization has been created yet, besides that of the operators. */
async function isUnused ({ operation: { store } }: Latchkey): Promise<boolean> {
  const { items } = await store.organizations.page({ limit: 2, after: null }, {})
  return items.every(({ id }) => id === operatorsId)
}

/** Where the records are, without the password of the database. */
function placeOfData (databaseUrl: string, dataFolder: string): string {
  if (databaseUrl.startsWith('file:')) {
    const file = databaseUrl.slice('file:'.length)
    return dirname(file) === dataFolder ? dataFolder : file
  }
  const { host = '', pathname = '/' } = URL.parse(databaseUrl) ?? {}
  return `the PostgreSQL database ${pathname.slice(1)} at ${host === '' ? 'this machine' : host}`
}
