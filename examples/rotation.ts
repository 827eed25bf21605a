/**
 * A key is rotated while a program uses it continuously: `node examples/rotation.ts > docs/rotation.md`. A real shell
 * runs every command against a real server, and the page shows its output. Takes some twenty seconds.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildServer, createOrganization, loadConfig, openLatchkey } from '../src/index.ts'
import { craftdeskPath } from './craftdesk/api.ts'
import { examples } from './examples.ts'

/** Text, or commands for the shell. */
type Piece = string | string[]

/** Seconds for which both keys work: enough for a handful of commands. In production rather a day or a month. */
const overlap = 8

const api = `"$LATCHKEY"${craftdeskPath}/v1/projects`
const manage = '"$LATCHKEY"/api/v1/api-keys'
const headerFrom = (answer: string, file: string) =>
  `sed 's/.*"key":"\\([^"]*\\)".*/authorization: Bearer \\1/' ${answer} > ${file}`
const both = `for key in old new; do curl -s -o answer -w "$key %{http_code}\\n" -H @$key ${api}; done`

const story: Piece[] = [
  `# Rotating an API key under traffic

A program calls with a key while the key is replaced, and none of its calls fails. Both keys work until the overlap
ends, so the programs that use the key may switch at different times (CL-10, CD-08).

This page is the output of \`node examples/rotation.ts\`, and a test runs it. \`$LATCHKEY\` is the address of a server with
the example CraftDesk; \`admin\` holds the header \`authorization: Bearer …\` with the admin token. Keys are
stored in files from which curl reads headers, so they appear neither on a command line nor on this page.

## A key, and a program that uses it`,
  [
    'cat key.json',
    `curl -s -H @admin -H 'content-type: application/json' -d @key.json ${manage} > created`,
    'ID=$(sed \'s/.*"id":"\\(key_[^"]*\\)".*/\\1/\' created); echo $ID',
    headerFrom('created', 'old'),
  ],
  'The program reads the key that it is to use from the file `current` and notes the status of every call.',
  [
    'cp old current; touch traffic',
    `while [ -e traffic ]; do curl -s -o body -w '%{http_code}\\n' -H @current ${api}; sleep 0.05; done > statuses &`,
    'sleep 2; sort statuses | uniq -c',
  ],
  `## Rotate

The new key has the properties of the old one. \`overlapSeconds\` is the time for which both work: 0, for
emergencies, ends the old key at once, and with it every key of the chain that is in an overlap; at most 2592000 (30
days). It is ${overlap} here
so that this page ends soon.`,
  [
    `curl -s -H @admin -H 'content-type: application/json' -d '{"overlapSeconds":${overlap}}' ${manage}/$ID/rotate > ` +
      'rotated',
    'grep -o \'"rotatedFrom":"[^"]*"\' rotated',
    headerFrom('rotated', 'new'),
    both,
  ],
  '## Switch\n\nThe program uses the old key until it receives the new one.',
  ['sleep 1; cp new next; mv next current'],
  'Before the old key ends, check that its count of calls no longer grows: no program uses it.',
  [
    `sleep 1; for i in 1 2; do curl -s -H @admin ${manage}/$ID/usage | grep -o '"callsToday":[0-9]*'; sleep 1; done`,
  ],
  '## After the overlap',
  [`sleep ${overlap}`, both, `curl -s -H @old ${api}; echo`],
  'All calls of the program meanwhile, by status: none was refused.',
  ['rm traffic; wait', 'sort statuses | uniq -c'],
  `The usage and the \`lastUsedAt\` of an old key show whether a program still uses it. Revoke a leaked key at once: \`POST
/api/v1/api-keys/{id}/revoke\`.

## What rotated keys share, and how they end

- **One allowance.** The new key shares the limits of the old one, per minute and per month: a rotation resets no count.
- **Only a revocation of the old key, or the next rotation without an overlap, ends the overlap early.** It cannot be
  prolonged. A change of the new key, for example of its allowlist, does not change the old one; limits bind both.
- **At most 100 predecessors of a key are in an overlap at a time**: another rotation with an overlap is 409 until some have ended. A rotation without one is always possible.
- **A rotation without an overlap ends every key of the chain**, also those in an overlap, because it is unknown which of
  them has leaked; each has an audit event that names the new key under \`endedWith\`.
- **The secrets of a client** have the same bound: at most 100 replaced ones work beside the newest, and
  \`overlapSeconds: 0\` ends all of them and every token of the client.
- **Revoking a key revokes every key that it replaced and that still works in its overlap**, in the same transaction, each with an audit event that names the key under \`revokedWith\`. Its successor stays valid: the leak of an old key does not affect the new one.
- **A disabled key is not rotated**, and each key of the chain is disabled by itself ([conventions](conventions.md#disabled-keys-and-clients)).
- **What has expired stays expired.** The expiry of such a key cannot be changed, and the key cannot be rotated; create a new one.`,
]

const folder = await mkdtemp(join(tmpdir(), 'latchkey-rotation-'))
const port = await freePort()
const origin = `http://127.0.0.1:${port}`
const config = loadConfig({
  PORT: String(port), LATCHKEY_ISSUER: origin, LATCHKEY_DATA: join(folder, 'data'), LATCHKEY_LOG_LEVEL: 'error'
})
const latchkey = await openLatchkey(config)
const app = await buildServer(latchkey)
await examples.craftdesk!.mount(app, latchkey)
await app.listen({ port, host: config.host })
try {
  const { id: organization } = await createOrganization(latchkey.operation, { name: 'Acme' })
  await writeFile(join(folder, 'admin'), `authorization: Bearer ${config.generatedAdminToken}\n`, { mode: 0o600 })
  const key = {
    organization, resource: origin + craftdeskPath, environment: 'live', name: 'Dashboard', access: 'read-only'
  }
  await writeFile(join(folder, 'key.json'), `${JSON.stringify(key)}\n`)
  console.log(await tell(story))
} finally {
  await app.close()
  await rm(folder, { recursive: true, force: true })
}

/** The page: text as it is, commands with what they print. */
async function tell (pieces: readonly Piece[]): Promise<string> {
  const shell = openShell()
  const written: string[] = []
  try {
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        written.push(piece)
        continue
      }
      let transcript = ''
      for (const command of piece) transcript += `$ ${command}\n${await shell.run(command)}`
      written.push(`\`\`\`console\n${transcript}\`\`\``)
    }
  } finally {
    await shell.end()
  }
  return written.join('\n\n').replaceAll(`:${port}`, ':3000')
}

/** One shell for all commands, in the temporary folder. */
function openShell () {
  const child = spawn('sh', [], {
    cwd: folder, env: { PATH: process.env.PATH, LATCHKEY: origin }, stdio: ['pipe', 'pipe', 'inherit']
  })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  let printed = ''
  let whenPrinted = () => {}
  child.stdout.on('data', bytes => {
    printed += String(bytes)
    whenPrinted()
  })
  return {
    /** The output of a command. */
    async run (command: string): Promise<string> {
      const mark = `done ${Math.random()}\n`
      child.stdin.write(`${command}\necho '${mark.trim()}'\n`)
      while (!printed.endsWith(mark)) {
        if (child.exitCode !== null) throw new Error(`the shell ended at: ${command}`)
        await Promise.race([new Promise<void>(resolve => { whenPrinted = resolve }), ended])
      }
      const output = printed.slice(0, -mark.length)
      printed = ''
      return output
    },
    /** Ends the traffic too, wherever the page ended. */
    async end (): Promise<void> {
      child.stdin.end('rm -f traffic; wait\n')
      await ended
    },
  }
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
