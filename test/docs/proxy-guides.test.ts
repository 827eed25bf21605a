/** docs/guides/nginx.md and caddy.md as they stand: an API behind the proxy, open before, guarded after. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import { addedLines, openGuide, type Guide, type Places } from '../support/followed-guide.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { startUpstream, valuesOf } from '../support/proxies.ts'
import { freePort, startServer, stop } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const root = resolve(import.meta.dirname, '../..')
const nginx = foreignProgram('nginx', 'apt-get install nginx-light')
const caddy = foreignProgram('caddy', 'apt-get install caddy')

interface Site {
  name: 'nginx' | 'caddy'
  sample: string
  /** The language of the configuration on the page. */
  language: string
  /** What else the page says, and what stands in its place here. */
  places: (folder: string, port: number) => Places
  /** Starts the proxy with the configuration of before, and puts the command that the page calls into the folder. */
  start: (guide: Guide, before: string, port: number) => Promise<ChildProcess>
}

async function fromOpenToGuarded (t: Test, site: Site): Promise<void> {
  const server = await startServer(t, { LATCHKEY_TRUST_PROXY: '127.0.0.1,::1' })
  const [api, port] = [await startUpstream(), await freePort()]
  t.teardown(() => api.close())
  const apiAddress = `127.0.0.1:${api.port}`
  // The two addresses of the sample, as a reader with other ones replaces them.
  const replaced = ` -e 's/127.0.0.1:3000/${new URL(server.url).host}/' -e 's/127.0.0.1:8080/${apiAddress}/'`
  const guide = await openGuide(t, site.name, server, folder => [
    ['http://localhost:8000/', `http://localhost:${port}/`],
    [` ${site.sample} >`, `${replaced} ${site.sample} >`],
    ...site.places(folder, port)
  ])
  const [before] = guide.blocks(site.language)
  const proxy = await site.start(guide, before!.replace('127.0.0.1:8080', apiAddress), port)
  let said = ''
  for (const stream of [proxy.stdout!, proxy.stderr!]) stream.on('data', bytes => { said += String(bytes) })
  t.teardown(() => stop(proxy))
  const status = async () => (await fetch(`http://localhost:${port}/`).catch(() => null))?.status
  await until('the proxy serves', async () => {
    if (proxy.exitCode !== null) throw new Error(`the proxy did not start:\n${said}`)
    return await status() === 200
  })
  const [open, declared, changed, ...guarded] = guide.blocks('console')
  for (const transcript of [open!, declared!, changed!]) await guide.follow(transcript)
  await until('the proxy has the new configuration', async () => await status() === 401)
  const calls = api.seen.length
  for (const transcript of guarded) await guide.follow(transcript)
  guide.holdTime()
  guide.says(`The sample has ${addedLines('', await readFile(join(root, site.sample), 'utf8'))} lines besides comments`)
  t.equal(guarded.length, 2)
  const [admitted, ...more] = api.seen.slice(calls)
  t.strictSame(more, [], 'one call was admitted')
  t.match(valuesOf(admitted!, 'x-latchkey-id'), [/^key_/])
  t.strictSame(valuesOf(admitted!, 'x-api-key'), [])
}

tap.test('an API behind nginx, as docs/guides/nginx.md tells it', nginx, t => fromOpenToGuarded(t, {
  name: 'nginx',
  sample: 'deploy/nginx/forward-auth.conf',
  language: 'nginx',
  places: (folder, port) => [
    ['127.0.0.1:8000', `127.0.0.1:${port}`], ['/etc/nginx/conf.d/api.conf', `${folder}/api.conf`]
  ],
  start: async (guide, before) => {
    const { folder } = guide
    await guide.write('api.conf', before)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map(name => `${name}_temp_path ${folder}/${name};`)
    await guide.write('nginx.conf', [
      `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log info;`,
      process.getuid!() === 0 ? 'user root;' : '',
      'events { worker_connections 256; }',
      `http { access_log off; ${temporary.join(' ')} include ${folder}/api.conf; }`
    ].join('\n'))
    await guide.program('nginx', `${nginx.path} -p ${folder} -c ${folder}/nginx.conf -e ${folder}/error.log`)
    return spawn(`${folder}/nginx`, { stdio: ['ignore', 'pipe', 'pipe'] })
  }
}))

tap.test('an API behind Caddy, as docs/guides/caddy.md tells it', caddy, t => fromOpenToGuarded(t, {
  name: 'caddy',
  sample: 'deploy/caddy/Caddyfile',
  language: 'caddyfile',
  places: (folder, port) => [
    ['http://localhost:8000 {', `http://localhost:${port} {\\n\\tbind 127.0.0.1`],
    ['/etc/caddy/Caddyfile', `${folder}/Caddyfile`]
  ],
  start: async (guide, before) => {
    const { folder } = guide
    Object.assign(guide.env, {
      HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, CADDY_ADMIN: `127.0.0.1:${await freePort()}`
    })
    await guide.write('Caddyfile', before.replace('\\n\\t', '\n\t'))
    return spawn(caddy.path, ['run', '--config', `${folder}/Caddyfile`, '--adapter', 'caddyfile'], {
      stdio: ['ignore', 'pipe', 'pipe'], env: guide.env
    })
  }
}))
