/** docs/guides/sign-in-with-latchkey.md as it stands: its commands, and its program, to which a person signs in. */
import { spawn } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import tap from 'tap'
import { answerPage } from '../support/authorizing.ts'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { openGuide } from '../support/followed-guide.ts'
import { fromOwnPages } from '../support/people.ts'
import { freePort, startServer, stop } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')

tap.test('a person signs in to a web application, as docs/guides/sign-in-with-latchkey.md tells it', async t => {
  const token = 'a-token-of-an-operator-for-the-guide-of-this-test'
  const server = await startServer(t, { LATCHKEY_ADMIN_TOKEN: token })
  const issuer = server.url.replace('127.0.0.1', 'localhost')
  const port = await freePort()
  const app = `http://localhost:${port}`
  const guide = await openGuide(t, 'sign-in-with-latchkey', server, () => [
    ['localhost:8080', `localhost:${port}`], ['listen(8080', `listen(${port}`],
    ['lksil_acAQx4AJkqarlbEsvNoLFc5z5Kk6bS4m0R-h_sHxNU0', '{link}']
  ])
  guide.env.LATCHKEY_TOKEN = token
  const [clients, members, end, rs256] = guide.blocks('console') as [string, string, string, string]
  await guide.follow(clients)
  await guide.follow(members)
  await symlink(join(root, 'node_modules'), join(guide.folder, 'node_modules'))
  await guide.write('app.mjs', guide.blocks('js')[0]!)
  const child = spawn('sh', ['-c', `exec env ${guide.words.fill(guide.blocks('sh')[0]!)}`], {
    cwd: guide.folder, env: guide.env, stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => stop(child))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
  await until('the application listens', async () => {
    if (child.exitCode !== null) throw new Error(`the application did not start:\n${said}`)
    return await fetch(`${app}/none`).then(() => true, () => false)
  })

  const browser = newBrowser()
  const silent = await browser.open(`${app}/sign-in?silent`)
  t.match(silent, { status: 403, text: 'Not signed in: login_required\n' })
  await signIn(browser, issuer, guide.words.get('link'))
  await allow(browser, await browser.open(app))
  const { text } = await browser.open(app)
  t.match(text, /^Ada, ada@acme\.test, mem_\w{22}\n$/)
  const again = await browser.open(`${app}/sign-in`)
  t.match(again.text, /name="shown"/, 'with a loopback redirect URI the person is asked at every sign-in')
  const denied = await answerPage({ url: issuer, issuer }, browser, again, 'deny', isBack)
  t.match(await browser.open(denied.url), { status: 403, text: 'Not signed in: access_denied\n' })
  t.match(await browser.open(denied.url), { status: 403, text: 'Not signed in: this browser has not begun it\n' })
  t.match((await browser.open(`${app}/sign-in?silent`)).text, 'Not signed in: interaction_required\n')
  const stranger = await newBrowser().open(`${app}/callback?code=x&state=y`)
  t.match(stranger, { status: 403, text: 'Not signed in: this browser has not begun it\n' })
  await guide.follow(rs256)
  await allow(browser, await browser.open(`${app}/sign-in`))
  await guide.follow(end)

  function isBack (url: string): boolean {
    return url.startsWith(app)
  }

  async function allow (person: Browser, page: Visit): Promise<void> {
    const back = await answerPage({ url: issuer, issuer }, person, page, 'allow', isBack)
    const home = await person.open(back.url)
    if (home.status !== 200) throw new Error(`not signed in: ${home.status} ${home.text}`)
  }
})

async function signIn (browser: Browser, issuer: string, link: string): Promise<void> {
  const { status, text } = await browser.send('POST', `${issuer}/api/v1/auth/link`, { token: link }, fromOwnPages)
  if (status !== 303) throw new Error(`the link does not sign in: ${status} ${text}`)
}
