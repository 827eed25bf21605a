/**
 * docs/guides/kubernetes.md, as far as it goes without a cluster: manifests against the schemas of Kubernetes, and
 * Traefik itself with the specifications of its middlewares and routes.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { addedLines, openGuide, type Guide } from '../support/followed-guide.ts'
import { pythonTools } from '../support/foreign-tools.ts'
import { startUpstream, valuesOf } from '../support/proxies.ts'
import { freePort, run, startServer, stop } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const tools = await pythonTools(join(import.meta.dirname, 'kubernetes'))
const latchkeyService = 'http://latchkey.latchkey.svc.cluster.local:3000'

interface Route { match: string, middlewares: { name: string }[], services: { name: string }[] }
interface Manifest { apiVersion: string, kind: string, metadata: { name: string }, spec: { routes?: Route[] } }

async function manifestsOf (text: string): Promise<Manifest[]> {
  const script = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.argv[1]))))'
  const { code, stdout, stderr } = await run(join(tools.path, 'python'), ['-c', script, text])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Manifest[]
}

/** The validator's word on manifests. */
async function validated (guide: Guide, manifests: readonly unknown[]): Promise<{ code: number | null, said: string }> {
  const files = await Promise.all(manifests.map((each, i) => guide.write(`manifest-${i}.yaml`, JSON.stringify(each))))
  const { code, stdout, stderr } = await run(join(tools.path, 'kubernetes-validate'), ['--strict', ...files])
  return { code, said: stdout + stderr }
}

/** What Traefik makes of its own manifests, as the configuration of its file provider. */
function fileConfiguration (manifests: readonly Manifest[], api: string): object {
  const routes = manifests.flatMap(({ kind, spec }) => kind === 'IngressRoute' ? spec.routes! : [])
  return {
    http: {
      middlewares: Object.fromEntries(
        manifests.filter(({ kind }) => kind === 'Middleware').map(({ metadata, spec }) => [metadata.name, spec])
      ),
      routers: Object.fromEntries(routes.map(({ match, middlewares, services }, i) => [
        `route-${i}`, { rule: match, middlewares: middlewares.map(({ name }) => name), service: services[0]!.name }
      ])),
      services: { api: { loadBalancer: { servers: [{ url: api }] } } }
    }
  }
}

/** What curl needs to find the host of the page here, and its address without TLS. */
function toTraefik (port: number): string[] {
  return ['--connect-to', `api.acme.test:80:127.0.0.1:${port}`, 'http://api.acme.test/']
}

/** Returns what it says. */
async function startTraefik (t: Test, guide: Guide, port: number, configuration: object): Promise<() => string> {
  const file = await guide.write('dynamic.yml', JSON.stringify(configuration))
  const traefik = spawn(join(tools.path, 'traefik'), [
    `--entrypoints.web.address=127.0.0.1:${port}`, `--providers.file.filename=${file}`,
    '--global.checknewversion=false', '--global.sendanonymoususage=false'
  ], { cwd: guide.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [traefik.stdout, traefik.stderr]) stream.on('data', bytes => { said += String(bytes) })
  t.teardown(() => stop(traefik))
  await until('Traefik has its routes', async () => {
    if (traefik.exitCode !== null) throw new Error(`Traefik did not start:\n${said}`)
    const { stdout } = await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...toTraefik(port)])
    return stdout === '401'
  })
  return () => said
}

/** A caller that names itself: replaced, but for the spelling that the page warns of. */
async function forged (t: Test, guide: Guide, port: number): Promise<void> {
  const latchkey = async (parameters: string) =>
    JSON.parse((await run('latchkey', [...parameters.split(' '), '--json'], { env: guide.env })).stdout)
  const { data: [{ id: org }] } = await latchkey('org list')
  const { key } = await latchkey(
    `key create --org ${org} --resource https://api.acme.test --scope invoices:read --env live --name forger`
  )
  const headers = [`x-api-key: ${key}`, 'x-latchkey-id: forged', 'x_latchkey_id: forged'].flatMap(each => ['-H', each])
  const { stdout } = await run('curl', ['-s', ...headers, ...toTraefik(port)])
  t.equal(stdout, '{"served":true}')
}

tap.test('Traefik guards an API, as docs/guides/kubernetes.md tells it', tools, async t => {
  const server = await startServer(t, { LATCHKEY_TRUST_PROXY: '127.0.0.1,::1' })
  const [api, port] = [await startUpstream(), await freePort()]
  t.teardown(() => api.close())
  const guide = await openGuide(t, 'kubernetes', server, () => [
    ['curl -s https://api.acme.test/', `curl -s ${toTraefik(port).join(' ')}`],
    [latchkeyService, server.url]
  ])
  const [declared, asked] = guide.blocks('console')
  await guide.follow(declared!)
  const traefikBlock = guide.blocks('yaml').find(block => block.includes('forwardAuth'))!
  const manifests = await manifestsOf(guide.words.fill(traefikBlock))
  t.strictSame(manifests.map(({ kind }) => kind), ['Middleware', 'Middleware', 'Middleware', 'IngressRoute'])
  const said = await startTraefik(t, guide, port, fileConfiguration(manifests, `http://127.0.0.1:${api.port}`))
  await guide.follow(asked!)
  guide.holdTime()
  guide.says(`one manifest of ${addedLines('', traefikBlock)} lines`)
  t.equal(api.seen.length, 1, 'one call was admitted')
  t.match(valuesOf(api.seen[0]!, 'x-latchkey-id'), [/^key_/])
  t.strictSame(valuesOf(api.seen[0]!, 'x-api-key'), [])
  await forged(t, guide, port)
  const [first, second, ...more] = valuesOf(api.seen[1]!, 'x-latchkey-id')
  t.match([first, second].sort(), ['forged', /^key_/], 'replaced, but for the spelling with underscores')
  t.strictSame(more, [])
  t.notMatch(said(), /ERR/)
})

tap.test('the manifests are those of Kubernetes, as docs/guides/kubernetes.md tells it', tools, async t => {
  const server = await startServer(t)
  const guide = await openGuide(t, 'kubernetes', server, () => [])
  const manifests = (await Promise.all(guide.blocks('yaml').map(manifestsOf))).flat()
  const own = manifests.filter(({ apiVersion }) => /^(v1|networking\.k8s\.io\/v1)$/.test(apiVersion))
  t.strictSame(own.map(({ kind }) => kind), ['NetworkPolicy', 'Service', 'Ingress'])
  const { code, said } = await validated(guide, own)
  t.equal(code, 0, said)
  const mistyped = await validated(guide, [{ ...own[2]!, spec: { ...own[2]!.spec, ingressClass: 'nginx' } }])
  t.equal(mistyped.code, 1, 'the validator sees a member that is none')
})

tap.test('the manifests of docs/workloads/kubernetes.md, by which clusters are asked, are those of Kubernetes', tools, async t => {
  const guide = await openGuide(t, 'kubernetes', await startServer(t), () => [])
  const page = await readFile(join(import.meta.dirname, '../../docs/workloads/kubernetes.md'), 'utf8')
  const blocks = [...page.matchAll(/^```yaml\n(apiVersion[^]*?)^```$/gm)].map(([, block]) => block!)
  const manifests = (await Promise.all(blocks.map(manifestsOf))).flat()
  t.strictSame(manifests.map(({ kind }) => kind), ['ServiceAccount', 'ClusterRoleBinding', 'Secret'])
  const { code, said } = await validated(guide, manifests)
  t.equal(code, 0, said)
})
