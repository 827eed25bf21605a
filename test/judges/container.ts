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
import { run } from '../support/running-server.ts'
import { eventually } from '../support/waiting.ts'
import { makeImages, namedImages } from './container/images.ts'
import { follow, outputOf, sections, type Runner } from './container/page.ts'
import { openRoom, type Room } from './container/room.ts'
import { judgeUnit } from './container/unit.ts'

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

tap.test('each command of docs/deployment.md stands in a section that is followed', async t => {
  const followed = ['The image', 'Two servers with Compose', 'systemd']
  for (const [title, blocks] of sections) {
    if (followed.includes(title)) continue
    // Settings, as they stand in an environment file.
    for (const { text } of blocks) t.match(text, /^(\w+=\S+\n)+$/, title)
  }
})

tap.test('docs/deployment.md', podman, async t => {
  const room = await openRoom(t, podman.path, tools.path)
  const clone = join(room.folder, 'clone')
  await copyClone(clone)
  await makeImages(room)
  t.strictSame(await namedImages().then(images => images.length), 3)
  await t.test('the image', async t => { await judgeImage(t, room, clone) })
  await t.test('the unit', async t => { await judgeUnit(t, room, clone) })
  await t.test('the compose file', async t => { await judgeCompose(t, room, clone) })
})

/** The files that a clone has, in `folder`. */
async function copyClone (folder: string): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const name of stdout.trim().split('\n')) {
    await cp(join(root, name), join(folder, name), { verbatimSymlinks: true })
  }
}

/** The first build has the network of this machine. All else has that of the room: later builds find each layer. */
function runnerIn (room: Room, clone: string): Runner {
  return async script => {
    const building = /^docker build/m.test(script)
    return await room.run(script, { cwd: clone, network: !building })
  }
}

async function judgeImage (t: Test, room: Room, clone: string): Promise<void> {
  const inRoom = runnerIn(room, clone)
  const healthy = () => eventually(() => inRoom('podman healthcheck run latchkey'), ({ code }) => code === 0, 500)
  const built = await inRoom('docker build --target build --tag localhost/latchkey-build .')
  if (built.code !== 0) throw new Error(built.stderr)
  const organizations = () => outputOf(inRoom, 'docker exec latchkey latchkey org list')
  await follow(t, 'The image', inRoom, async script => {
    if (/^docker (run --detach|start)/m.test(script)) t.equal((await healthy()).code, 0, 'the health check passes')
    if (!/^docker stop/m.test(script)) return
    t.equal(await outputOf(inRoom, 'docker inspect --format "{{.State.ExitCode}}" latchkey'), '0', 'SIGTERM ends it')
    t.match(await outputOf(inRoom, 'docker logs latchkey'), '"signal":"SIGTERM","msg":"shutting down"')
    await outputOf(inRoom, 'docker start latchkey')
    await healthy()
    t.match(await organizations(), ' Acme ', 'the volume has the data')
    await outputOf(inRoom, 'docker exec latchkey latchkey org create Later')
    await outputOf(inRoom, 'docker stop latchkey')
  })
  t.match(await organizations(), ' Acme ', 'the backup has what was made before it')
  t.notMatch(await organizations(), ' Later ', 'a restore leaves nothing that was made later')
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
  const organizations = () => outputOf(inRoom, 'sh latchkey.sh org list')
  const commands = await follow(t, 'Two servers with Compose', inRoom, async script => {
    await allAnswer()
    if (/migrate$/m.test(script)) await outputOf(inRoom, 'sh latchkey.sh org create Later')
  })
  t.match(await organizations(), ' Acme ', 'the backup has what was made before it')
  t.notMatch(await organizations(), ' Later ', 'a restore leaves nothing that was made later')
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
