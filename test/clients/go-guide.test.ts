/** docs/guides/go.md as it stands: an empty folder, the module of a clone, its program, what each command prints. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter, dirname, join } from 'node:path'
import tap from 'tap'
import { openGuide, sidesOf } from '../support/followed-guide.ts'
import { goFor, moduleFolder } from '../support/go-module.ts'
import { freePort, run, startServer } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const go = await goFor('1.22')

tap.test('from an empty folder to a revoked key, as docs/guides/go.md tells it', go, async t => {
  const port = await freePort()
  const guide = await openGuide(t, 'go', await startServer(t), () => [
    ['localhost:8080', `localhost:${port}`], ['../latchkey/clients/go', moduleFolder]
  ])
  const { folder, env, words } = guide
  // Nothing is fetched: the module has no dependencies.
  Object.assign(env, {
    GOPROXY: 'off', GOMODCACHE: join(folder, 'modules'), PATH: [dirname(go.path), env.PATH].join(delimiter)
  })
  const [declared, asked, revoked] = guide.blocks('console')
  const [install, start] = guide.blocks('sh')
  const { before, after, added } = sidesOf(guide.blocks('diff')[0]!)
  await guide.follow(declared!)
  t.match(await run('sh', ['-ec', install!], { env, cwd: folder }), { code: 0 })
  for (const program of [before, after]) {
    const file = await guide.write('invoices/main.go', program)
    t.strictSame(await run('gofmt', ['-l', file], { env }), { code: 0, stdout: '', stderr: '' })
  }
  const api = spawn('sh', ['-c', words.fill(start!)], {
    env, cwd: join(folder, 'invoices'), stdio: 'ignore', detached: true
  })
  const closed = once(api, 'close')
  t.teardown(async () => {
    if (api.exitCode === null) process.kill(-api.pid!, 'SIGTERM')
    await closed
  })
  await until('the API answers', async () => {
    if (api.exitCode !== null) throw new Error(`the API ended with ${api.exitCode}`)
    return await fetch(`http://localhost:${port}/invoices`).then(() => true, () => false)
  })
  for (const transcript of [asked!, revoked!]) await guide.follow(transcript)
  guide.holdTime()
  guide.says(`by ${added} lines`)
})
