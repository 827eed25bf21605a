/**
 * On a shared machine a folder may hold files of another account: compiled code that would run, an address that a token
 * would be sent to, a secret that the other account knows.
 */
import { once } from 'node:events'
import {
  chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { proofOf } from '../../src/secrets/authentication-code.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { writeServerFile, challengeHeader, proofHeader } from '../../src/config/server-file.ts'
import type { ConfigurationError } from '../../src/base/errors.ts'
import { examine } from '../../src/server/doctor/doctor.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'

const secret = '0123456789abcdefghijklmnopqrstuvwxyz'

function folderOf (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-accounts-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/**
 * Ways to give a file or folder to another account: write permission, or, where this account may change owners,
 * ownership.
 */
const takings: [string, (path: string) => void][] = [
  ['its group may write', path => {
    chmodSync(path, statSync(path).mode | 0o020)
  }],
  ['everybody may write', path => {
    chmodSync(path, statSync(path).mode | 0o002)
  }],
  ...(process.getuid!() === 0
    ? [['another account owns it', (path: string) => {
        chownSync(path, 12_345, 12_345)
      }] as [string, (path: string) => void]]
    : [])
]

async function latchkey (folder: string, parameters: readonly string[], more: Record<string, string> = {}) {
  // The tests' own cache of compiled code would take precedence over the server's.
  const { NODE_COMPILE_CACHE: _, ...env } = ownEnvironment({ LATCHKEY_DATA: 'data', ...more })
  return await run(process.execPath, [latchkeyCommand, ...parameters], { cwd: folder, env })
}

function problemsOf (load: () => unknown): readonly string[] {
  try {
    load()
    return []
  } catch (error) {
    return (error as ConfigurationError).problems
  }
}

function cached (folder: string): string[] {
  const cache = join(folder, 'data', 'compile-cache')
  return existsSync(cache)
    ? readdirSync(cache, { recursive: true, encoding: 'utf8' }).filter(name => statSync(join(cache, name)).isFile())
    : []
}

tap.test('compiled code is kept in a folder of this account, closed to others whatever the umask', async t => {
  const folder = folderOf(t)
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  const before = process.umask(0o000)
  t.teardown(() => { process.umask(before) })
  t.equal((await latchkey(folder, ['--version'])).code, 0)
  const first = cached(folder)
  t.ok(first.length > 0)
  for (const name of readdirSync(join(folder, 'data', 'compile-cache'), { recursive: true, encoding: 'utf8' })) {
    t.equal(statSync(join(folder, 'data', 'compile-cache', name)).mode & 0o077, 0, name)
  }
  rmSync(join(folder, 'data', 'compile-cache', first[0]!))
  t.equal((await latchkey(folder, ['--version'])).code, 0)
  t.ok(cached(folder).length >= first.length, 'and used again')
})

tap.test('code that another account may have put into the folder of compiled code is not run', async t => {
  const places: [string, (folder: string) => string][] = [
    ['the folder above the data folder', folder => folder],
    ['the data folder', folder => join(folder, 'data')],
    ['the folder of compiled code', folder => join(folder, 'data', 'compile-cache')],
    ['a file in it', folder => join(folder, 'data', 'compile-cache', 'code')],
  ]
  for (const [place, path] of places) {
    for (const [why, take] of takings.slice(1)) {
      const folder = folderOf(t)
      mkdirSync(join(folder, 'data', 'compile-cache'), { recursive: true, mode: 0o700 })
      writeFileSync(join(folder, 'data', 'compile-cache', 'code'), 'x', { mode: 0o600 })
      take(path(folder))
      t.equal((await latchkey(folder, ['--version'])).code, 0)
      t.strictSame(cached(folder), ['code'], `${place}: ${why}`)
    }
  }
  const folder = folderOf(t)
  const elsewhere = folderOf(t)
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  symlinkSync(elsewhere, join(folder, 'data', 'compile-cache'))
  chmodSync(elsewhere, 0o777)
  t.equal((await latchkey(folder, ['--version'])).code, 0)
  t.strictSame(readdirSync(elsewhere), [], 'a link leads to where others may write')
})

tap.test('a token is sent to no address that another account may have written', async t => {
  const seen: (string | undefined)[] = []
  const key = newSecret()
  const server = createServer((request, response) => {
    const { [challengeHeader]: challenge } = request.headers
    if (typeof challenge === 'string') response.setHeader(proofHeader, proofOf(key, challenge))
    else seen.push(request.headers.authorization)
    response.setHeader('content-type', 'application/json').end('{"data":[],"pagination":{"limit":50,"hasMore":false}}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const [i, [why, take]] of takings.entries()) {
    // With an explicit token, and with the one of the folder.
    for (
      const given of (i === 0 ? [{ LATCHKEY_TOKEN: secret }, {}] : [{ LATCHKEY_TOKEN: secret }]) as Record<
        string,
        string
      >[]
    ) {
      const folder = folderOf(t)
      mkdirSync(join(folder, 'data'), { mode: 0o700 })
      writeFileSync(join(folder, 'data', 'server.json'), JSON.stringify({ url, key }), { mode: 0o600 })
      writeFileSync(join(folder, 'data', 'admin-token'), secret, { mode: 0o600 })
      t.equal((await latchkey(folder, ['org', 'list'], given)).code, 0, 'one of this account is gone by')
      t.strictSame(seen.splice(0), [`Bearer ${secret}`])
      take(join(folder, 'data', 'server.json'))
      const { code, stderr } = await latchkey(folder, ['org', 'list'], given)
      t.equal(code, 1, why)
      t.equal(
        stderr,
        `latchkey: ${
          join(folder, 'data', 'server.json')
        } belongs to another account, or another account may write to it: it is not trusted. Use the account that runs the server, or name the server with LATCHKEY_URL and LATCHKEY_TOKEN.\n`
      )
      t.strictSame(seen, [])
      t.equal((await latchkey(folder, ['org', 'list', '--url', url, '--token', secret])).code, 0, 'unless it is named')
      t.strictSame(seen.splice(0), [`Bearer ${secret}`])
    }
  }
})

tap.test('a server does not start on a secret that another account owns or may write, and doctor names the owner', async t => {
  for (const name of ['secret', 'admin-token']) {
    for (const [why, take] of takings) {
      const folder = folderOf(t)
      loadConfig({}, folder)
      const file = join(folder, 'data', name)
      const made = readFileSync(file, 'utf8')
      take(file)
      t.strictSame(problemsOf(() => loadConfig({}, folder)), [
        `LATCHKEY_DATA: ${file} belongs to another account, or another account may write to it, so that account ` +
          'may know or choose its content; use a folder of this account, or change owner and permissions of the file ' +
          '(chown, chmod go-w)'
      ], why)
      t.equal(readFileSync(file, 'utf8'), made, 'nothing is written')
      t.match(await examine({}, folder), [{ check: 'configuration', status: 'failed' }])
    }
  }
  if (process.getuid!() !== 0) return
  const folder = folderOf(t)
  loadConfig({}, folder)
  chownSync(join(folder, 'data'), 12_345, 12_345)
  t.match((await examine({}, folder)).find(({ check }) => check === 'data folder'), {
    status: 'failed', found: `another account owns ${join(folder, 'data')}`
  })
})

tap.test('a server does not start on a secret that cannot be read, and makes no other one', async t => {
  const folder = folderOf(t)
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  const file = join(folder, 'data', 'secret')
  symlinkSync(file, file)
  t.strictSame(problemsOf(() => loadConfig({}, folder)), [
    `LATCHKEY_DATA: ${file} cannot be read or written (ELOOP); use a folder that this account may read and write`
  ])
})

tap.test('where the server listens is written into a new file, never through a link', async t => {
  const folder = folderOf(t)
  const config = loadConfig({}, folder)
  const victim = join(folder, 'victim')
  writeFileSync(victim, 'untouched')
  symlinkSync(victim, join(folder, 'data', 'server.json'))
  writeServerFile(config.dataFolder, { url: 'http://127.0.0.1:1', key: 'k' })
  t.equal(readFileSync(victim, 'utf8'), 'untouched')
  t.equal(readFileSync(join(folder, 'data', 'server.json'), 'utf8'), '{"url":"http://127.0.0.1:1","key":"k"}\n')
  t.equal(statSync(join(folder, 'data', 'server.json')).mode & 0o777, 0o600)
  t.strictSame(readdirSync(join(folder, 'data')).sort(), ['admin-token', 'secret', 'server.json'])
})
