/** `npm run demo`, as a newcomer runs it. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import tap from 'tap'
import { Transcript, Unexpected } from '../../examples/transcript.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'

const demo = resolve(import.meta.dirname, '../../examples/demo.ts')
// Variables of another server must not reach the demo's.
const environment = ownEnvironment({
  PORT: '1', DATABASE_URL: 'postgresql://127.0.0.1:1/none', LATCHKEY_REGISTRATION: 'closed'
})

tap.test('--once tells the main job, every step holds, nothing is left behind', async t => {
  const { code, stdout, stderr } = await run(process.execPath, [demo, '--once'], { env: environment })
  t.equal(code, 0)
  t.equal(stderr, '')
  const steps = stdout.match(/^\d+\. /gm) ?? []
  const held = stdout.match(/^ {2}✓ /gm) ?? []
  t.ok(steps.length >= 20, `${steps.length} steps`)
  t.match(stdout, `Every step held: ${held.length} expectations.`)
  t.notMatch(stdout, '✗')
  t.notOk(existsSync(folderOf(stdout)), 'the database is gone')
})

tap.test('what it prints shortens every secret', async t => {
  const { stdout } = await run(process.execPath, [demo, '--once'], { env: environment })
  t.match(stdout, /Bearer lkadm_.{4}…/)
  for (
    const secret of [
      /lkadm_[\w-]{10,}/, /lkrgt_[\w-]{10,}/, /lkrat_[\w-]{10,}/, /lb_live_\w{10,}/, /eyJ[\w-]{20,}/,
      /Basic [\w=]{20,}/, /"(client_s|clientS)ecret": "[^"…]*"/
    ]
  ) t.notMatch(stdout, secret)
})

tap.test('--dashboard: thirty days have passed, and the link that it prints leads to the dashboard', async t => {
  const child = spawn(process.execPath, [demo, '--dashboard'], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const link = new URL(/http:\S+#\S+/.exec(await saidBy(child))![0])
  const signedIn = await fetch(new URL(link.pathname, link), {
    method: 'POST',
    redirect: 'manual',
    headers: { 'sec-fetch-site': 'same-origin', accept: 'text/html' },
    body: new URLSearchParams({ token: link.hash.slice(1), return_to: link.searchParams.get('return_to')! })
  })
  t.equal(signedIn.status, 200)
  const cookie = signedIn.headers.get('set-cookie')!.split(';', 1)[0]!
  const text = async (path: string) => await (await fetch(new URL(path, link), { headers: { cookie } })).text()
  const keys = await text('/dashboard/api-keys?sort=name')
  for (const shown of ['Nightly reports', 'Expires in 9 days', 'Partner import', 'Revoked', 'Replaced', 'Disabled']) {
    t.match(keys, shown)
  }
  const { data } = JSON.parse(await text('/api/v1/api-keys?name=Nightly%20reports'))
  const { days } = JSON.parse(await text(`/api/v1/api-keys/${data[0].id}/usage?from=${daysAgo(29)}&to=${daysAgo(0)}`))
  t.ok(days.length >= 29, `${days.length} days with calls`)
  child.kill('SIGINT')
  t.strictSame(await once(child, 'close'), [0, null])
})

/** What a demo that stays up has printed once it is done. */
function saidBy (child: ChildProcessByStdio<null, Readable, Readable>): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', bytes => { if ((text += String(bytes)).includes('Ctrl-C')) resolve(text) })
    child.once('close', () => reject(new Error(text)))
  })
}

function daysAgo (days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
}

tap.test('without --once it stays up, and what it says to type works; Ctrl-C cleans up', async t => {
  const child = spawn(process.execPath, [demo], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const said = await saidBy(child)
  const [withKey, getToken, list] = said.slice(said.indexOf('It stays up')).match(/^ {2}(curl|LATCHKEY_DATA).*$/gm)!
    .map(line => line.trim()) as [string, string, string]

  t.match((await shell(withKey)).stdout, /^HTTP\/1\.1 200 OK[^]*"currency":"EUR"/)
  t.match(JSON.parse((await shell(getToken)).stdout), { token_type: 'Bearer', scope: 'invoices:read' })
  t.match(await shell(list.replace('npx latchkey', `'${process.execPath}' '${latchkeyCommand}'`)), {
    code: 0, stdout: /Agent 7/
  })

  child.kill('SIGINT')
  const [code] = await once(child, 'close') as [number | null]
  t.equal(code, 0)
  t.notOk(existsSync(folderOf(said)), 'the database is gone')
})

tap.test('an expectation that does not hold ends the story', async t => {
  const transcript = new Transcript('http://127.0.0.1:1')
  const { log } = console
  console.log = () => {}
  t.teardown(() => { console.log = log })
  t.throws(() => transcript.expect('water is dry', false), Unexpected)
  transcript.expect('water is wet', true)
  t.equal(transcript.held, 1)
})

async function shell (command: string) {
  return await run('sh', ['-c', command], { env: environment })
}

function folderOf (said: string): string {
  const folder = /(\/\S*latchkey-demo-\w+)/.exec(said)?.[1]
  if (folder === undefined) throw new Error('it does not say where its data is')
  return folder
}
