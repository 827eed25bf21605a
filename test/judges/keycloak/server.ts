/** A Keycloak in development mode on loopback: its realms in memory, and its administration API. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newSecret } from '../../../src/secrets/random.ts'
import { missing, foreignProgram, type ForeignProgram } from '../../support/foreign-programs.ts'
import { mavenArchives } from '../../support/foreign-tools.ts'
import { freePort, ownEnvironment } from '../../support/running-server.ts'

export interface Keycloak {
  issuerOf (realm: string): string
  /** A request to its administration API. @throws for an answer that is no success. */
  admin (method: string, path: string, body?: object): Promise<any>
  /** Ends the process; its port stays free. */
  stop (): Promise<void>
}

/**
 * The distribution: the unpacked folder that LATCHKEY_TEST_KEYCLOAK names, else the one that Maven fetches. `path` is a
 * folder with `bin/kc.sh`.
 */
export async function keycloakDistribution (): Promise<ForeignProgram> {
  const java = foreignProgram('java', 'apt-get install openjdk-21-jre-headless')
  if (java.skip !== false) return java
  const given = process.env.LATCHKEY_TEST_KEYCLOAK
  if (given !== undefined) return { path: given, skip: false }
  const archives = await mavenArchives(import.meta.dirname)
  if (archives.skip !== false) return archives
  const name = (await readdir(archives.path)).find(each => each.startsWith('keycloak-'))
  return name === undefined
    ? missing('Keycloak', 'LATCHKEY_TEST_KEYCLOAK=<the folder of an unpacked distribution>')
    : { path: join(archives.path, name), skip: false }
}

/** Starts it in a copy of the distribution, which it writes into. `realms` are imported. */
export async function startKeycloak (distribution: string, realms: readonly object[]): Promise<Keycloak> {
  const home = await mkdtemp(join(tmpdir(), 'latchkey-keycloak-'))
  await cp(distribution, home, { recursive: true })
  const imported = join(home, 'data', 'import')
  await mkdir(imported, { recursive: true })
  await Promise.all(realms.map((realm, i) => writeFile(join(imported, `${i}.json`), JSON.stringify(realm))))
  const url = `http://127.0.0.1:${await freePort()}`
  const administrator = { username: 'administrator', password: newSecret() }
  const child = spawn('bash', [join(home, 'bin', 'kc.sh'), 'start-dev', ...parametersFor(url)], {
    cwd: home,
    // Its script starts Java as a process of its own: a group, so that both can be ended.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: ownEnvironment({
      KC_BOOTSTRAP_ADMIN_USERNAME: administrator.username, KC_BOOTSTRAP_ADMIN_PASSWORD: administrator.password
    })
  })
  await listening(child)
  const issuerOf = (realm: string) => `${url}/realms/${realm}`
  return {
    issuerOf,
    async admin (method, path, body) {
      const token = await adminToken(issuerOf('master'), administrator)
      const answer = await fetch(`${url}/admin/realms${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return text === '' ? null : JSON.parse(text)
    },
    async stop () {
      if (child.exitCode === null && child.signalCode === null) {
        process.kill(-child.pid!, 'SIGKILL')
        await once(child, 'close')
      }
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** `--hostname`: without it, the issuer is what a request calls the host. */
function parametersFor (url: string): string[] {
  const { hostname, port } = new URL(url)
  return [
    `--hostname=${url}`, `--http-host=${hostname}`, `--http-port=${port}`, '--db=dev-mem', '--import-realm'
  ]
}

/** @throws Error with its log, when it ends before it listens. */
async function listening (child: ChildProcess): Promise<void> {
  let said = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', bytes => {
        said += String(bytes)
        if (said.includes('Listening on:')) resolve()
      })
    }
    child.once('error', reject)
    child.once('close', code => { reject(new Error(`Keycloak ended with ${code}:\n${said}`)) })
  })
}

/** RFC 6749 §4.3. It lives for a minute. */
async function adminToken (issuer: string, administrator: { username: string, password: string }): Promise<string> {
  const answer = await fetch(`${issuer}/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...administrator })
  })
  return (await answer.json() as { access_token: string }).access_token
}
