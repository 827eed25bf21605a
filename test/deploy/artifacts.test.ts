/** Facts that stand both in deploy/ or Dockerfile and elsewhere, without running any of them. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import tap from 'tap'
import { allVariables, variables } from '../../src/config/variables.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const files = [
  'Dockerfile', 'deploy/compose.yaml', 'deploy/latchkey.service', 'deploy/reverse-proxy/Caddyfile',
  'deploy/reverse-proxy/nginx.conf', 'docs/deployment.md'
]

tap.test('the image has the Node.js that a clone works with', async t => {
  const { optionalDependencies } = JSON.parse(read('tools/node/package.json')) as {
    optionalDependencies: Record<string, string>
  }
  const [, version] = /^ARG NODE_VERSION=(\S+)$/m.exec(read('Dockerfile'))!
  t.strictSame(new Set(Object.values(optionalDependencies)), new Set([version]))
})

tap.test('every variable that is set for a server is one of the table, and secrets come as files', async t => {
  const known = new Set(allVariables.flatMap(({ name, inFile }) => inFile === true ? [name, `${name}_FILE`] : [name]))
  for (const file of files) {
    for (const [name] of read(file).matchAll(/\b(?:LATCHKEY|OTEL)_[A-Z][A-Z_]*[A-Z]\b/g)) {
      t.ok(known.has(name), `${file}: ${name}`)
    }
    t.notMatch(read(file), /\b(?:LATCHKEY_SECRET|LATCHKEY_ADMIN_TOKEN|DATABASE_URL)[=:] *\S/, file)
  }
})

tap.test('a server is given the time to shut down: its delay, its patience and 10 s more', async t => {
  const patience = Number(variables.shutdownPatience.default)
  const compose = read('deploy/compose.yaml')
  const [, delay] = /LATCHKEY_SHUTDOWN_DELAY: "(\d+)"/.exec(compose)!
  t.equal(Number(/stop_grace_period: (\d+)s/.exec(compose)![1]), Number(delay) + patience + 10)
  const [, stop] = /^TimeoutStopSec=(\d+)$/m.exec(read('deploy/latchkey.service'))!
  t.ok(Number(stop) >= Number(variables.shutdownDelay.default) + patience + 10)
})

tap.test('the proxy has the one address that the servers trust, outside of the range of the others', async t => {
  const compose = read('deploy/compose.yaml')
  const [, trusted] = /LATCHKEY_TRUST_PROXY: (\S+)/.exec(compose)!
  t.equal(/ipv4_address: (\S+)/.exec(compose)![1], trusted)
  const [, range] = /ip_range: (\S+)\/25/.exec(compose)!
  t.match(range, /\.128$/)
  t.ok(Number(trusted!.split('.').at(-1)) < 128)
})
