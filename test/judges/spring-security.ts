/** docs/guides/spring-security.md as it stands: a Spring Boot application by its blocks, asked before and after. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { addedLines, openGuide, type Guide } from '../support/followed-guide.ts'
import { build } from '../support/foreign-clients.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { freePort, run, startServer } from '../support/running-server.ts'
import { until } from '../support/waiting.ts'

const java = foreignProgram('java', 'apt-get install openjdk-17-jdk-headless')
const maven = foreignProgram('mvn', 'apt-get install maven')

/** Runs a block of the shell whose last command is the application, until it answers. Returns what stops it. */
async function startApplication (guide: Guide, block: string, port: number): Promise<() => Promise<void>> {
  // Maven starts the application as a process of its own: a group, so that both can be ended.
  const child = spawn('sh', ['-e', '-c', guide.words.fill(block)], {
    cwd: guide.folder, env: guide.env, detached: true, stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => { said += String(bytes) })
  const closed = once(child, 'close')
  await until('the application serves', async () => {
    if (child.exitCode !== null) throw new Error(`the application did not start:\n${said}`)
    return await fetch(`http://localhost:${port}/invoices`).then(answer => answer.status === 401, () => false)
  })
  return async () => {
    end(child)
    await closed
  }
}

function end (child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGTERM')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A token for another API of the same issuer: valid, and not for this one. */
async function tokenForAnother ({ env }: Guide, issuer: string): Promise<string> {
  const latchkey = async (parameters: string) =>
    JSON.parse((await run('latchkey', [...parameters.split(' '), '--json'], { env })).stdout)
  const { data: [{ id: org }] } = await latchkey('org list')
  await latchkey('resource create https://other.acme.test --scope invoices:read')
  const { clientId, clientSecret } = await latchkey(
    `client create --org ${org} --resource https://other.acme.test --scope invoices:read --name other`
  )
  const answer = await fetch(`${issuer}/api/v1/auth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' })
  })
  return (await answer.json() as { access_token: string }).access_token
}

async function follow (t: Test): Promise<void> {
  const server = await startServer(t)
  const port = await freePort()
  const guide = await openGuide(t, 'spring-security', server, () => [
    ['http://localhost:8080', `http://localhost:${port}`], ['port: 8080', `port: ${port}`]
  ])
  for (const folder of ['java/acme', 'resources']) {
    await mkdir(join(guide.folder, 'src/main', folder), { recursive: true })
  }
  const [invoices, routes, tokens] = guide.blocks('java')
  const [byJwt, byIntrospection] = guide.blocks('yaml')
  const [properties, decoder, introspection] = guide.blocks('sh')
  const [declared, refused, asked, revoked, declaredAgain, introspected] = guide.blocks('console')
  await guide.write('pom.xml', guide.blocks('xml')[0]!)
  // What Maven fetches, it fetches before anything waits for it.
  await build(maven.path, ['--quiet', '--batch-mode', 'compile', 'spring-boot:help'], guide.folder)
  const steps = [
    {
      files: { Invoices: invoices!, Routes: routes! },
      yaml: byJwt!,
      start: properties!,
      before: declared!,
      after: [refused!]
    },
    { files: { Tokens: tokens! }, yaml: byJwt!, start: decoder!, before: null, after: [asked!, revoked!] },
    { files: {}, yaml: byIntrospection!, start: introspection!, before: declaredAgain!, after: [introspected!] }
  ]
  const yamlLines = (yaml: string) => addedLines(yaml.slice(0, yaml.indexOf('spring:')), yaml)
  guide.says(`with ${yamlLines(byJwt!)} lines of YAML and a class of ${addedLines('', tokens!)} lines`)
  guide.says(`introspection with ${yamlLines(byIntrospection!)} lines of YAML alone`)
  let foreign: string | null = null
  for (const { files, yaml, start, before, after } of steps) {
    if (before !== null) await guide.follow(before)
    for (const [name, text] of Object.entries(files)) await guide.write(`src/main/java/acme/${name}.java`, text)
    await guide.write('src/main/resources/application.yaml', yaml)
    const stopApplication = await startApplication(guide, start, port)
    for (const transcript of after) await guide.follow(transcript)
    foreign ??= await tokenForAnother(guide, server.url)
    const headers: Record<string, string> = { authorization: `Bearer ${foreign}` }
    t.equal((await fetch(`http://localhost:${port}/invoices`, { headers })).status, 401, 'another API\'s token')
    await stopApplication()
  }
  guide.holdTime()
}

tap.test('a Spring Boot application behind Latchkey, as docs/guides/spring-security.md tells it', {
  skip: java.skip || maven.skip
}, follow)
