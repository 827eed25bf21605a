/** The commands of docs/workloads.md, of its page on Kubernetes and of docs/registries.md run as they stand. */
import { readFileSync, writeFileSync, chmodSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import tap from 'tap'
import { startCluster } from '../support/api-server.ts'
import { latchkeyCommand, run, startServer, type RunningServer } from '../support/running-server.ts'
import { newPlatform } from '../support/workload-platform.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = tap.testdir({ latchkey: `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n` })
chmodSync(join(folder, 'latchkey'), 0o755)

/** The commands of the `sh` blocks of a page. */
function commandsOf (page: string): string[] {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/^```sh\n([^]*?)^```$/gm)]
    .flatMap(([, block]) => block!.trim().split('\n'))
}

function shellOf ({ environment }: RunningServer) {
  const env = { ...environment, PATH: `${folder}${delimiter}${process.env.PATH}` }
  return async (command: string) => await run('sh', ['-c', command], { cwd: folder, env })
}

tap.test('every command of docs/workloads.md works; a refused assertion is explained by the id of its answer', async t => {
  const server = await startServer(t)
  const shell = shellOf(server)
  const { id: org } = JSON.parse((await shell('latchkey org create Acme --json')).stdout)
  await shell('latchkey resource create https://api.acme.test --scope invoices:read')
  const platform = await newPlatform('https://kubernetes.default.svc.cluster.local')
  writeFileSync(join(folder, 'jwks.json'), JSON.stringify(platform.jwks))
  const aud = `${server.url.replace('127.0.0.1', 'localhost')}/organizations/${org}`
  const token = await platform.token({ aud, sub: 'system:serviceaccount:prod:web' })
  writeFileSync(join(folder, 'token.jwt'), token)
  writeFileSync(join(folder, 'other.jwt'), await platform.token({ aud, sub: 'system:serviceaccount:prod:other' }))
  const [create, trust, rule, dryRun, trade, explain, audit, ...more] = commandsOf('docs/workloads.md')
  t.strictSame(more, [])
  const known: Record<string, string> = { ORG: org, 'https://auth.acme.test': server.url }
  const done = async (command: string) => {
    const filled = Object.entries(known).reduce((text, [from, to]) => text.replaceAll(from, to), command)
    const ran = await shell(filled.replace('curl ', 'curl -si '))
    t.equal(ran.code, 0, `${filled}\n${ran.stdout}${ran.stderr}`)
    return ran.stdout
  }
  known['cli_…'] = /cli_\w+/.exec(await done(create!))![0]
  const trusted = await done(trust!)
  known['tri_…'] = /tri_\w+/.exec(trusted)![0]
  t.ok(trusted.includes(aud), 'it shows the audience')
  await done(rule!)
  t.match(await done(dryRun!), /^accepted +by twr_/)
  t.match(await done(trade!), /^HTTP\/1\.1 200 [^]*"scope":"invoices:read"/)
  const refused = await done(trade!.replace('token.jwt', 'other.jwt'))
  known['X-REQUEST-ID-OF-THE-ANSWER'] = /^x-request-id: (\S+)/mi.exec(refused)![1]!
  t.match(await done(explain!), /no_rule/)
  t.match(await done(audit!), /workload\.refused[^]*workload\.admitted/)
})

tap.test('a cluster is asked by the commands of docs/workloads/kubernetes.md, as long as its account is there', async t => {
  const server = await startServer(t)
  const shell = shellOf(server)
  const sub = 'system:serviceaccount:prod:web'
  const cluster = await startCluster(t, sub)
  const platform = await newPlatform('https://kubernetes.default.svc.cluster.local')
  writeFileSync(join(folder, 'jwks.json'), JSON.stringify(platform.jwks))
  // What kubectl finds in the cluster.
  const kubectl = `#!/bin/sh
case "$*" in
  "get secret latchkey-reviewer -n latchkey -o jsonpath={.data.token}") printf %s "${cluster.reviewer}" | base64 ;;
  "get secret latchkey-reviewer -n latchkey -o jsonpath={.data.ca\\.crt}") printf %s "${cluster.ca}" | base64 ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac
`
  writeFileSync(join(folder, 'kubectl'), kubectl, { mode: 0o755 })
  const json = async (command: string) => JSON.parse((await shell(`latchkey ${command} --json`)).stdout)
  const { id: org } = await json('org create Acme')
  await json('resource create https://api.acme.test --scope invoices:read')
  const { id, audience } = await json(
    `trusted-issuer create prod --deployment --preset kubernetes --issuer ${platform.issuer} --jwks jwks.json`
  )
  await json(
    `trusted-issuer add-rule web --issuer ${id} --claim /sub=${sub} --for-org ${org} ` +
      '--resource https://api.acme.test --scope invoices:read'
  )
  writeFileSync(join(folder, 'token.jwt'), await platform.token({ sub, aud: audience }))
  const commands = commandsOf('docs/workloads/kubernetes.md')
  for (const command of commands) {
    const filled = command.replace('tri_…', id).replace('https://cluster.acme.test:6443', cluster.url)
    const { code, stdout, stderr } = await shell(filled)
    t.equal(code, 0, `${filled}\n${stdout}${stderr}`)
  }
  cluster.accounts.delete(sub)
  const { code, stdout } = await shell(commands.at(-1)!)
  t.match([code, stdout], [1, /^accepted +no: The cluster does not vouch for it/])
})

tap.test('a client of the MCP registry reads an organization by the commands of docs/registries.md', async t => {
  const server = await startServer(t)
  const shell = shellOf(server)
  const { id: org } = JSON.parse((await shell('latchkey org create Acme --json')).stdout)
  await shell(`latchkey mcp-server create https://tools.acme.com/mcp --org ${org}`)
  const [create, list, latest, ...more] = commandsOf('docs/registries.md').map(command =>
    command.replace('/ORG/', `/${org}/`).replace('--org ORG', `--org ${org}`))
  t.strictSame(more, [])
  const at = (url: string, command: string) => command.replace('https://auth.acme.test', url)
  const issuer = server.url.replace('127.0.0.1', 'localhost')
  const { key } = JSON.parse((await shell(`${at(issuer, create!)} --json`)).stdout)
  const read = async (command: string) =>
    JSON.parse((await shell(at(server.url, command).replace('$KEY', key).replace('curl ', 'curl -s '))).stdout)
  t.match(await read(list!), { servers: [{ server: { name: 'com.acme.tools/mcp' } }], metadata: { count: 1 } })
  t.match(await read(latest!), { server: { name: 'com.acme.tools/mcp' } })
})
