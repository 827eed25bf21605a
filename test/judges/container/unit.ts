/** deploy/latchkey.service as systemd runs it, on a machine of its own: installed as docs/deployment.md says. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { eventually } from '../../support/waiting.ts'
import { makeImage } from './images.ts'
import { follow, outputOf, type Runner } from './page.ts'
import type { Room } from './room.ts'

const latchkey = 'LATCHKEY_URL=http://localhost:3000 LATCHKEY_TOKEN_FILE=/etc/latchkey/admin-token ' +
  '/opt/latchkey/node_modules/.bin/latchkey'

/** Follows the section on a machine with systemd. `clone`: the folder of the clone that it gets. */
export async function judgeUnit (t: Test, room: Room, clone: string): Promise<void> {
  const inMachine = await startMachine(room, clone)
  const answers = async () => {
    const asked = 'curl --silent --fail http://localhost:3000/healthz'
    const { code } = await eventually(() => inMachine(asked), ({ code }) => code === 0, 500)
    if (code !== 0) throw new Error((await inMachine('journalctl --no-pager --lines 40 --unit latchkey')).stdout)
  }
  await follow(t, 'systemd', inMachine, async script => {
    await answers()
    if (script.includes('latchkey backup')) await outputOf(inMachine, `${latchkey} org create Later`)
  })
  const organizations = await outputOf(inMachine, `${latchkey} org list`)
  t.match(organizations, ' Acme ', 'the backup has what was made before it')
  t.notMatch(organizations, ' Later ', 'a restore leaves nothing that was made later')
  t.match(await outputOf(inMachine, `${latchkey} audit verify`), /verified/)

  await judgeSandbox(t, inMachine)
  await judgeRestart(t, inMachine, answers)
  await judgeDatabaseUrl(t, inMachine)
  await room.run('docker rm --force machine')
}

/** A container as a machine: systemd is its first process, and has booted. */
async function startMachine (room: Room, clone: string): Promise<Runner> {
  await cp(clone, join(room.folder, 'machine/clone'), { recursive: true, verbatimSymlinks: true })
  await makeImage(room, 'localhost/machine', 'systemd', 'machine')
  await outputOf(room.run, 'docker run --detach --tty --name machine --systemd=always --privileged localhost/machine')
  const inMachine: Runner = script =>
    room.run(`docker exec --workdir /source machine sh -c '${script.replaceAll("'", "'\\''")}'`)
  await eventually(() => inMachine('systemctl is-system-running'), ({ stdout }) => /running|degraded/.test(stdout), 500)
  return inMachine
}

async function judgeSandbox (t: Test, inMachine: Runner): Promise<void> {
  const verified = await inMachine('systemd-analyze verify /etc/systemd/system/latchkey.service')
  t.strictSame([verified.code, verified.stdout + verified.stderr], [0, ''])
  const security = await outputOf(inMachine, 'systemd-analyze security --no-pager latchkey.service')
  const exposure = Number(/Overall exposure level for latchkey.service: ([\d.]+)/.exec(security)![1])
  t.ok(exposure <= 1.5, `systemd-analyze security: ${exposure} of 10`)
  t.comment(security.split('\n').at(-1)!)

  const pid = await mainProcess(inMachine)
  const status = await outputOf(inMachine, `grep -E "^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/${pid}/status`)
  t.match(status, /^Uid:\s[1-9]\d*\s/, 'an account that is not root')
  t.match(status, /CapEff:\s0+\nCapBnd:\s0+\nNoNewPrivs:\s1\nSeccomp:\s2$/)
  // As root, in the file system that the service sees: what is read-only is so for every account.
  const seen = (script: string) => inMachine(`nsenter --target ${pid} --mount sh -c '${script}'`)
  for (const folder of ['/', '/etc', '/opt/latchkey', '/usr', '/var']) {
    t.match((await seen(`touch ${folder}/written`)).stderr, 'Read-only file system', folder)
  }
  t.equal((await seen('touch /var/lib/latchkey/written && rm /var/lib/latchkey/written')).code, 0)
  t.equal((await seen('ls -A /root /home')).stdout.replace(/^\/\w+:$/gm, '').trim(), '', 'home folders look empty')

  const secret = await outputOf(inMachine, 'cat /etc/latchkey/secret')
  t.match(secret, /^\w{64}$/)
  t.equal((await seen('cat /run/credentials/latchkey.service/secret')).stdout.trim(), secret)
  const reader = 'setpriv --reuid=nobody --regid=nogroup --clear-groups cat'
  for (const path of ['/etc/latchkey/secret', '/run/credentials/latchkey.service/secret']) {
    t.match((await inMachine(`${reader} ${path}`)).stderr, 'Permission denied', `${path} is not for other accounts`)
  }
  t.notMatch(await outputOf(inMachine, `tr "\\0" "\\n" < /proc/${pid}/environ`), secret)
  t.notMatch(await outputOf(inMachine, 'systemctl show latchkey'), secret)
  t.notMatch(await outputOf(inMachine, 'journalctl --no-pager --unit latchkey'), secret)
}

async function judgeRestart (t: Test, inMachine: Runner, answers: () => Promise<void>): Promise<void> {
  const killed = await mainProcess(inMachine)
  await outputOf(inMachine, `kill -KILL ${killed}`)
  const again = await eventually(() => mainProcess(inMachine), pid => pid !== '0' && pid !== killed, 500)
  t.notMatch([killed, '0'], [again], 'it is started again after it was killed')
  await answers()
  await outputOf(inMachine, 'systemctl stop latchkey')
  const ended = await outputOf(inMachine, 'systemctl show --property=Result,ExecMainStatus latchkey')
  t.equal(ended, 'Result=success\nExecMainStatus=0')
}

/** What `systemctl edit` writes, with the two lines of the page: the service gets the URL, and tries that database. */
async function judgeDatabaseUrl (t: Test, inMachine: Runner): Promise<void> {
  const page = await outputOf(inMachine, 'cat docs/deployment.md')
  const lines = ['LoadCredential=database-url', 'Environment=DATABASE_URL_FILE'].map(start =>
    new RegExp(`\`(${start}[^\`]+)\``).exec(page)![1]!)
  // Port 9: nothing listens there.
  await outputOf(inMachine, [
    'set -e',
    'echo postgresql://latchkey:passes-no-log@127.0.0.1:9/latchkey > /etc/latchkey/database-url',
    'mkdir /etc/systemd/system/latchkey.service.d',
    `printf "%s\\n" "[Service]" ${lines.map(line => `"${line}"`).join(' ')} > ` +
      '/etc/systemd/system/latchkey.service.d/override.conf',
    'systemctl daemon-reload',
    'systemctl start latchkey',
  ].join('\n'))
  const log = await eventually(
    () => outputOf(inMachine, 'journalctl --no-pager --unit latchkey'), log => log.includes('127.0.0.1:9'), 500
  )
  t.match(log, '127.0.0.1:9')
  t.notMatch(log, 'passes-no-log')
}

function mainProcess (inMachine: Runner): Promise<string> {
  return outputOf(inMachine, 'systemctl show --property=MainPID --value latchkey')
}
