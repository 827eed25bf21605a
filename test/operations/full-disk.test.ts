/**
 * A full disk, a real one: answers, readiness and metrics report it, reads go on, and all works again once there is
 * room.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { copyTemplate } from '../support/databases.ts'
import { startServer } from '../support/test-server.ts'
import { administer, startPostgres } from '../support/postgres.ts'
import { eventually } from '../support/waiting.ts'

function mount (folder: string, megabytes: number): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]).status === 0
}

function unmount (folder: string): void {
  spawnSync('umount', ['-l', folder])
  rmdirSync(folder)
}

/** Undefined: file systems can be mounted here; else the reason to skip the test. */
const withoutDisks = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-disk-'))
  const can = mount(folder, 1)
  unmount(folder)
  return can ? undefined : 'no file system can be mounted here (mount -t tmpfs needs root)'
})()

/** Mounts a file system of so many megabytes. */
function smallDisk (t: Test, megabytes: number): { folder: string, fill (): void, clear (): void } {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-disk-'))
  mount(folder, megabytes)
  t.teardown(() => { unmount(folder) })
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill () {
      const file = openSync(ballast, 'a')
      for (let size = 1_048_576; size >= 1;) {
        try {
          if (writeSync(file, Buffer.alloc(size)) < size) size >>= 1
        } catch {
          size >>= 1
        }
      }
      closeSync(file)
    },
    clear () { rmSync(ballast) },
  }
}

async function isToldAsFull (t: Test, url: string, { fill, clear }: { fill (): void, clear (): void }): Promise<void> {
  const server = await startServer({ database: url, environment: { LATCHKEY_LOG_LEVEL: 'silent' } })
  t.teardown(server.close)
  const token = await server.tokenFor(await server.createClient())
  const create = () => server.admin('POST', '/organizations', { name: 'x'.repeat(200) })
  const ready = async () => await server.send({ path: '/readyz' })
  t.equal((await server.bearer(token)).status, 200)
  t.equal((await ready()).status, 200)

  fill()
  // The database still accepts what fits into the files that it has.
  const refused = await eventually(create, ({ status }) => status !== 201, 0)
  t.equal(refused.status, 503, refused.text)
  t.match(refused.json, {
    code: 'STORAGE_FULL',
    error: 'The database is full; changes are refused until an operator frees space.'
  })
  t.match(refused.headers['retry-after'], /^\d+$/)
  const told = await eventually(ready, ({ status }) => status !== 200)
  t.match(told.json, { code: 'NOT_READY', details: { notReady: ['disk_space'] } })
  t.match((await server.admin('GET', '/health')).json.checks, {
    disk_space: { ok: false, problem: 'the database has no room for what is to be written' }, database: { ok: true }
  })
  t.match((await server.send({ path: '/prom' })).text, /^latchkey_database_errors_total\{error="storage_full"\} [1-9]/m)
  t.equal((await server.bearer(token)).status, 200, 'a check needs no write')

  clear()
  t.equal((await eventually(create, ({ status }) => status === 201)).status, 201)
  t.equal((await eventually(ready, ({ status }) => status === 200)).status, 200)
}

tap.test('SQLite on a full disk [sqlite]', { skip: withoutDisks }, async t => {
  const disk = smallDisk(t, 8)
  const file = join(disk.folder, 'latchkey.db')
  await copyTemplate(file)
  await isToldAsFull(t, `file:${file}`, disk)
})

tap.test('PostgreSQL on a full disk [postgresql]', { skip: withoutDisks }, async t => {
  const disk = smallDisk(t, 64)
  const postgres = await startPostgres()
  t.teardown(postgres.stop)
  chmodSync(disk.folder, 0o777)
  await administer(postgres.url, `COPY (SELECT '') TO PROGRAM 'mkdir -m 700 ${disk.folder}/space'`)
  await administer(postgres.url, `CREATE TABLESPACE small LOCATION '${disk.folder}/space'`)
  await administer(postgres.url, 'CREATE DATABASE small TABLESPACE small')
  await isToldAsFull(t, Object.assign(new URL(postgres.url), { pathname: '/small' }).href, disk)
})
