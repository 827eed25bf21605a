/**
 * docs/deployment.md as it stands: the image is built and run, the compose file with two servers and a proxy, the unit
 * by systemd itself. podman and podman-compose are called `docker` and `docker compose` there; the images that a
 * registry would give are made of Debian's packages.
 */
import { cp, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { foreignProgram, type ForeignProgram } from '../support/foreign-programs.ts'
import { pythonTools } from '../support/foreign-tools.ts'
import { run, type Ran } from '../support/running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from '../support/transcript.ts'
import { eventually } from '../support/waiting.ts'
import { makeImage, makeImages, namedImages } from './container/images.ts'
import { openRoom, type Room } from './container/room.ts'

const root = resolve(import.meta.dirname, '../..')
const packages = 'podman crun netavark aardvark-dns catatonit debootstrap iproute2 iptables systemd'
const tools = await pythonTools(join(import.meta.dirname, 'container'))
const needed = [
  ...['podman', 'crun', 'catatonit', 'debootstrap', 'ip', 'iptables', 'systemd-analyze', 'nsenter', 'curl'].map(name =>
    foreignProgram(name, `apt-get install ${packages}`)),
  { path: 'root', skip: process.getuid?.() === 0 ? false : 'only root makes namespaces and file systems' } as const,
  tools,
]
const podman: ForeignProgram = { path: needed[0]!.path, skip: needed.find(({ skip }) => skip !== false)?.skip ?? false }

tap.test('hadolint finds nothing in Dockerfile', tools, async t => {
  const { code, stdout } = await run(join(tools.path, 'hadolint'), ['Dockerfile'])
  t.equal(code, 0, stdout)
})

const words = new Words()
const page = examplesAsPlaceholders(await readFile(join(root, 'docs/deployment.md'), 'utf8'), 'http://localhost:3000')
  .replaceAll('http://127.0.0.1:3000', 'http://localhost:3000')
const sections = new Map(page.split(/^## /m).slice(1).map(text => [text.split('\n')[0]!, blocksOf(text)]))

interface Block { language: string, text: string }

function blocksOf (text: string): Block[] {
  return Array.from(text.matchAll(/^```(\w+)\n([^]*?)^```$/gm), ([, language, text]) => ({
    language: language!, text: text!
  }))
}

type Runner = (script: string) => Promise<Ran>

/** Runs the blocks of a section in order, `after` after each; returns the commands of its transcripts. */
async function follow (
  t: Test, section: string, runner: Runner, after: (block: string) => Promise<void>
): Promise<string[]> {
  const commands: string[] = []
  const blocks = sections.get(section) ?? []
  t.ok(blocks.length > 0, section)
  for (const { language, text } of blocks) {
    if (language === 'sh') {
      const { code, stdout, stderr } = await runner(`set -eu\n${text}`)
      if (!t.equal(code, 0, text)) throw new Error(`${text}\n${stdout}${stderr}`)
      await after(text)
      continue
    }
    for (const { command, output } of readTranscript(text)) {
      commands.push(words.fill(command))
      const { stdout, stderr } = await runner(commands.at(-1)!)
      const shown = stdout.replace(/(?<=[^\n])$/, '\n')
      if (!t.ok(words.matches(output, shown), command)) throw new Error(`${command}\n${stdout}${stderr}`)
    }
  }
  return commands
}

tap.test('docs/deployment.md', podman, async t => {
  const room = await openRoom(t, podman.path, tools.path)
  const clone = join(room.folder, 'clone')
  await copyClone(clone)
  await makeImages(room)
  t.strictSame(await namedImages().then(images => images.length), 3)
  await t.test('the image', async t => { await judgeImage(t, room, clone) })
  await t.test('the compose file', async t => { await judgeCompose(t, room, clone) })
  await t.test('the unit', async t => { await judgeUnit(t, room, clone) })
})

/** The files that a clone has, in `folder`. */
async function copyClone (folder: string): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const name of stdout.trim().split('\n')) {
    await cp(join(root, name), join(folder, name), { verbatimSymlinks: true })
  }
}

/** Builds have the network of this machine, everything else that of the room. */
function runnerIn (room: Room, clone: string): Runner {
  return async script => {
    const building = /^docker build/m.test(script)
    return await room.run(script.replace(' --build', ''), { cwd: clone, network: !building })
  }
}

async function judgeImage (t: Test, room: Room, clone: string): Promise<void> {
  const inRoom = runnerIn(room, clone)
  const healthy = () => eventually(() => inRoom('podman healthcheck run latchkey'), ({ code }) => code === 0, 500)
  const built = await inRoom('docker build --target build --tag localhost/latchkey-build .')
  if (built.code !== 0) throw new Error(built.stderr)
  await follow(t, 'The image', inRoom, async block => {
    if (block.startsWith('docker run')) t.equal((await healthy()).code, 0, 'the health check passes')
  })
  const { stdout: ended } = await inRoom('docker inspect --format "{{.State.ExitCode}}" latchkey')
  t.equal(ended.trim(), '0', 'SIGTERM ends it with 0')
  t.match((await inRoom('docker logs latchkey')).stdout, '"signal":"SIGTERM","msg":"shutting down"')

  await inRoom('docker start latchkey')
  await healthy()
  t.match((await inRoom('docker exec latchkey latchkey org list')).stdout, ' Acme ', 'the volume has the data')
  const inside = async (script: string) => (await inRoom(`docker exec latchkey sh -c '${script}'`)).stdout.trim()
  t.match(await inside('cat /proc/*/status | grep -E "^(Uid|CapEff|CapBnd|NoNewPrivs):" | sort -u'), new RegExp([
    '^CapBnd:\\s0+', 'CapEff:\\s0+', 'NoNewPrivs:\\s1', 'Uid:\\s1000\\s1000\\s1000\\s1000$'
  ].join('\n')), 'no process has root or a capability')
  const ofKernel = ['/proc', '/sys', '/dev'].map(path => `-path ${path} -prune -o `).join('')
  const writable = (await inside(`find / ${ofKernel} -type d -writable -print`)).split('\n')
  t.strictSame(writable.filter(path => !path.startsWith('/var/lib/latchkey/')), ['/var/lib/latchkey'])
  await noSecrets(t, inRoom, clone, ['latchkey'])
  await inRoom('docker rm --force latchkey')
}

/** No layer, configuration or log contains a secret; the environment of a container has paths alone. */
async function noSecrets (t: Test, inRoom: Runner, clone: string, containers: readonly string[]): Promise<void> {
  const names = ['secret', 'admin-token', 'database-password']
  const texts = await Promise.all(names.map(async name =>
    (await readFile(join(clone, 'deploy/secrets', name), 'utf8')).trim()))
  const scripts = ['docker image inspect localhost/latchkey', 'docker history --no-trunc localhost/latchkey',
    ...containers.flatMap(name => [`docker inspect ${name}`, `docker logs ${name} 2>&1`])]
  for (const script of scripts) {
    const { stdout } = await inRoom(script)
    t.ok(stdout.length > 0, script)
    for (const text of texts) t.notMatch(stdout, text, script)
  }
}

async function judgeCompose (t: Test, room: Room, clone: string): Promise<void> {
  const inRoom = runnerIn(room, clone)
  const compose = 'docker compose --file deploy/compose.yaml'
  const servers = ['server-1', 'server-2']
  const nameOf = async (service: string) => (await inRoom(
    `docker ps --all --filter label=com.docker.compose.service=${service} --format "{{.Names}}"`)).stdout.trim()
  // Podman waits for no health check here: a server that comes before PostgreSQL ends, and is restarted.
  const allAnswer = async () => {
    for (const service of servers) {
      const name = await nameOf(service)
      if (name === '') continue
      const ask = `podman healthcheck run ${name}`
      const { stdout: state } = await inRoom(`docker inspect --format "{{.State.Status}}" ${name}`)
      if (state.trim() !== 'exited') await eventually(() => inRoom(ask), ({ code }) => code === 0, 500)
    }
    const throughProxy = 'curl --silent --insecure --fail https://localhost/healthz'
    await eventually(() => inRoom(throughProxy), ({ code }) => code === 0, 500)
  }
  const commands = await follow(t, 'Two servers with Compose', inRoom, allAnswer)
  const [, client, secret] = /-u (\w+):(\S+)/.exec(commands.at(-1)!)!
  const ask = async (parameters: string) => (await inRoom(`curl --silent --cacert ca.pem ${parameters}`)).stdout
  const statusOf = (url: string, more = '') => ask(`--output /dev/null --write-out '%{http_code}' ${more} ${url}`)
  const origin = 'https://localhost'
  const token = async () => JSON.parse(
    await ask(`-u ${client}:${secret} -d grant_type=client_credentials ${origin}/api/v1/auth/token`)
  ).access_token as string
  const logsOf = async (service: string) => (await inRoom(`docker logs ${await nameOf(service)}`)).stdout

  await t.test('both servers take requests, and what one revokes the other refuses', async t => {
    const bearer = `-H 'authorization: Bearer ${await token()}'`
    const principals = (times: number) => Promise.all(Array.from({ length: times }, () =>
      statusOf(`${origin}/api/v1/principal`, bearer)))
    t.strictSame(new Set(await principals(20)), new Set(['200']))
    for (const server of servers) t.match(await logsOf(server), '"path":"/api/v1/principal"', server)
    const revoked = await inRoom(`${compose} exec -T server-1 latchkey client revoke ${client} --yes`)
    t.equal(revoked.code, 0, revoked.stderr)
    t.strictSame(new Set(await principals(20)), new Set(['401']))
  })

  await t.test('only the proxy says where a request comes from', async t => {
    const forged = "-H 'x-forwarded-for: 203.0.113.9' -H 'x-forwarded-proto: http' -H 'x-forwarded-host: evil.test'"
    const metadata = '/.well-known/oauth-authorization-server'
    t.match(await ask(`${forged} ${origin}${metadata}`), `"issuer":"${origin}"`)
    for (const server of servers) t.notMatch(await logsOf(server), '203.0.113.9')
    const address = await inRoom(
      `docker inspect --format '{{json .NetworkSettings.Networks}}' ${await nameOf('server-1')}`
    )
    const { latchkey_front: front } = JSON.parse(address.stdout) as Record<string, { IPAddress: string }>
    const direct = `http://${front!.IPAddress}:3000`
    t.equal(await statusOf(`${direct}/healthz`), '200')
    t.equal(await statusOf(`${direct}${metadata}`, "-H 'x-forwarded-proto: https'"), '403')
    for (const path of ['/prom', '/readyz']) {
      t.equal(await statusOf(`${direct}${path}`), '200')
      t.equal(await statusOf(`${origin}${path}`), '404', `${path} is not public`)
    }
    t.equal(await statusOf('http://localhost/'), '308', 'plain HTTP leads to TLS')
  })

  await t.test('requests go on while one server is stopped', async t => {
    for (const server of servers) {
      let stopped = false
      const stopping = inRoom(`${compose} stop ${server}`).finally(() => { stopped = true })
      const statuses = new Set<string>()
      const keys = `${origin}/.well-known/jwks.json`
      for (let more = 20; more > 0; more -= stopped ? 1 : 0) statuses.add(await statusOf(keys))
      t.strictSame(statuses, new Set(['200']), `${server} is stopped`)
      t.equal((await stopping).code, 0)
      const ended = await inRoom(`docker inspect --format '{{.State.ExitCode}}' ${await nameOf(server)}`)
      t.equal(ended.stdout.trim(), '0')
      await inRoom(`${compose} start ${server}`)
      await allAnswer()
    }
  })

  await noSecrets(t, inRoom, clone, await Promise.all([...servers, 'postgres', 'proxy'].map(nameOf)))
  const url = (await readFile(join(clone, 'deploy/secrets/database-url'), 'utf8')).trim()
  const migrated = await inRoom(
    'docker run --rm --network latchkey_back --env HOST=127.0.0.1 ' +
      `--env DATABASE_URL='${url}' localhost/latchkey migrate`
  )
  t.equal(migrated.code, 0, `DATABASE_URL as an environment variable: ${migrated.stderr}`)
  await inRoom(`${compose} down --volumes`)
}

async function judgeUnit (t: Test, room: Room, clone: string): Promise<void> {
  await cp(join(clone, 'deploy'), join(room.folder, 'machine/deploy'), { recursive: true })
  await makeImage(room, 'localhost/machine', 'systemd', 'machine')
  const started = await room.run(
    'docker run --detach --tty --name machine --systemd=always --privileged localhost/machine'
  )
  t.equal(started.code, 0, started.stderr)
  const inMachine: Runner = script =>
    room.run(`docker exec --workdir /source machine sh -c '${script.replaceAll("'", "'\\''")}'`)
  await eventually(() => inMachine('systemctl is-system-running'), ({ stdout }) => /running|degraded/.test(stdout), 500)
  await follow(t, 'systemd', inMachine, async () => {
    const asked = 'curl --silent --fail http://localhost:3000/healthz'
    await eventually(() => inMachine(asked), ({ code }) => code === 0, 500)
  })

  const outputOf = async (script: string) => (await inMachine(script)).stdout.trim()
  const verified = await inMachine('systemd-analyze verify /etc/systemd/system/latchkey.service')
  t.strictSame([verified.code, verified.stdout + verified.stderr], [0, ''])
  const security = await outputOf('systemd-analyze security --no-pager latchkey.service')
  const exposure = Number(/Overall exposure level for latchkey.service: ([\d.]+)/.exec(security)![1])
  t.ok(exposure <= 1.5, `systemd-analyze security: ${exposure} of 10`)
  t.comment(security.split('\n').at(-1)!)
  const pid = await outputOf('systemctl show --property=MainPID --value latchkey')
  const status = await outputOf(`grep -E "^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/${pid}/status`)
  t.match(status, /^Uid:\s[1-9]\d*\s/, 'an account that is not root')
  t.match(status, /CapEff:\s0+\nCapBnd:\s0+\nNoNewPrivs:\s1\nSeccomp:\s2$/)
  const secret = await outputOf('cat /etc/latchkey/secret')
  t.match(secret, /^\w{64}$/)
  t.notMatch(await outputOf(`tr "\\0" "\\n" < /proc/${pid}/environ`), secret)
  t.notMatch(await outputOf('systemctl show latchkey'), secret)
  await inMachine('systemctl stop latchkey')
  const ended = await outputOf('systemctl show --property=Result,ExecMainStatus latchkey')
  t.equal(ended, 'Result=success\nExecMainStatus=0')
  await room.run('docker rm --force machine')
}
