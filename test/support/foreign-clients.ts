/**
 * The test bed for client libraries of other languages: a server, credentials of both kinds, and the program that uses
 * them.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { decodeProtectedHeader, exportJWK, exportPKCS8, generateKeyPair, type JWK } from 'jose'
import type { Test } from 'tap'
import { secondsAfter } from '../../src/base/clock.ts'
import { publicationTime, type SigningAlgorithm } from '../../src/domain/tokens/signing-key.ts'
import { run } from './foreign-tools.ts'
import { startServer } from './test-server.ts'

/** A program's report on a client that got through, with the settings that it needed. */
export interface Passed { client: string, settings: string }

/** The folder with the judges of this language, and the one that keeps their builds between runs. */
export function foldersOf (language: string): { sources: string, built: string } {
  const root = join(import.meta.dirname, '../..')
  return {
    sources: join(root, 'test/judges', language),
    built: join(root, 'node_modules', '.cache', 'judges', language)
  }
}

/**
 * Starts a server on a port of its own. Returns the environment variables of a foreign client: a client with a secret,
 * one with an RSA key whose assertions may be as RFC 7523 allows (`assertionProfile`), and a token of the first.
 * `algorithm` signs the tokens.
 */
export async function startJudged (t: Test, algorithm: SigningAlgorithm): Promise<Record<string, string>> {
  const sent: Sent[] = []
  const server = await startServer({ mount: async app => { hearAssertions(app.server, sent) } })
  t.teardown(async () => { await keepAssertions(server.issuer, sent, jwks.keys[0]!) })
  const { signingKeys, operation } = server.latchkey
  // Published long ago, so that a resource may switch to this algorithm.
  const earlier = { ...operation, clock: () => secondsAfter(operation.clock(), -publicationTime) }
  await signingKeys.provide(earlier, algorithm, true)
  const { json } = await server.admin('PATCH', '/resources/res_host', { signingAlgorithm: algorithm })
  if (json.signingAlgorithm !== algorithm) throw new Error(JSON.stringify(json))
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-judge-'))
  t.teardown(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  const { organization, ...client } = await server.createClient()
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwks = { keys: [{ ...await exportJWK(publicKey), kid: 'first', alg: 'RS256' }] }
  const { data: resources } = (await server.admin('GET', '/resources')).json
  const resource = resources.find(({ identifier }: { identifier: string }) => identifier === server.issuer)
  const keyed = await server.createClient({
    organization,
    tokenEndpointAuthMethod: 'private_key_jwt',
    jwks,
    assertionProfile: 'rfc7523',
    introspects: [resource.id],
  })
  const [pem, jwk] = [join(folder, 'key.pem'), join(folder, 'key.jwk')]
  await writeFile(pem, await exportPKCS8(privateKey), { mode: 0o600 })
  await writeFile(jwk, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600 })
  const token = await server.tokenFor(client)
  if (decodeProtectedHeader(token).alg !== algorithm) throw new Error(`a token that is not signed by ${algorithm}`)
  return {
    ISSUER: server.issuer,
    RESOURCE: server.issuer,
    API: `${server.issuer}/api/v1/invoices`,
    CLIENT_ID: client.clientId,
    CLIENT_SECRET: client.clientSecret,
    KEYED_CLIENT_ID: keyed.clientId,
    KEY_FILE: pem,
    JWK_FILE: jwk,
    KEY_ID: 'first',
    TOKEN: token,
  }
}

/**
 * The recorded assertions that `npm test` reads: our changes do not affect what these clients sign, so one recording is
 * enough.
 */
const assertionsFile = join(import.meta.dirname, '../protocol/foreign-assertions.json')

/** An assertion that a foreign client signed: the client, the issuer, the time, and the public half of its key. */
export interface ForeignAssertion { client: string, issuer: string, sentAt: number, jwk: JWK, assertion: string }

export async function foreignAssertions (): Promise<ForeignAssertion[]> {
  return JSON.parse(await readFile(assertionsFile, 'utf8')) as ForeignAssertion[]
}

type Sent = Pick<ForeignAssertion, 'assertion' | 'sentAt'>

/** Records every assertion in a request body that `server` receives. */
function hearAssertions (server: Server, sent: Sent[]): void {
  server.prependListener('request', request => {
    const push = request.push.bind(request)
    request.push = (chunk: unknown, encoding) => {
      const assertion = new URLSearchParams(String(chunk ?? '')).get('client_assertion')
      if (assertion !== null) sent.push({ assertion, sentAt: Math.floor(Date.now() / 1000) })
      return push(chunk, encoding)
    }
  })
}

/**
 * JUDGES_RECORD=on npm run judges: adds the recorded assertions to the file; the library's name is to be written there
 * by hand.
 */
async function keepAssertions (issuer: string, sent: readonly Sent[], jwk: JWK): Promise<void> {
  if (process.env.JUDGES_RECORD !== 'on' || sent.length === 0) return
  const kept = await foreignAssertions().catch(() => [])
  const added = sent.map(each => ({ client: 'unnamed', issuer, jwk, ...each }))
  await writeFile(assertionsFile, `${JSON.stringify([...kept, ...added], null, 2)}\n`)
}

/** Runs a judge; resolves to its output. @throws its standard error when it exits with another code than 0. */
export async function judge (
  command: string, parameters: string[], environment: Record<string, string>
): Promise<Passed[]> {
  const { stdout } = await promisify(execFile)(command, parameters, { env: { ...process.env, ...environment } })
  return stdout.trim().split('\n').map(line => JSON.parse(line) as Passed)
}

/** Builds a judge. @throws the compiler's output when it fails. */
export async function build (command: string, parameters: string[], cwd: string): Promise<void> {
  const { code, output } = await run(command, parameters, { cwd })
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')} ended with ${code}\n${output}`)
}
