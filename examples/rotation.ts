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

A key is replaced while a program uses it all the time, and no call of that program fails. Both keys work until the
overlap ends, so there is no instant at which everything has to switch at once (CL-10, CD-08).

This page is the output of \`node examples/rotation.ts\`, and a test runs it. \`$LATCHKEY\` is the address of a server with
the example CraftDesk; \`admin\` holds the header \`authorization: Bearer …\` with the admin token. Keys are kept in files
that curl reads headers from, so that they stand neither on a command line nor on this page.

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

The new key has the properties of the old one. \`overlapSeconds\` says for how long both work: 0 is the emergency and ends
the old one at once, with all that led to it and are still in their overlap; 2592000 (30 days) is the most. It is ${overlap} here
so that the end of this page comes soon.`,
  [
    `curl -s -H @admin -H 'content-type: application/json' -d '{"overlapSeconds":${overlap}}' ${manage}/$ID/rotate > ` +
      'rotated',
    'grep -o \'"rotatedFrom":"[^"]*"\' rotated',
    headerFrom('rotated', 'new'),
    both,
  ],
  '## Switch\n\nThe program goes on with the old key until it gets the new one, whenever that suits it.',
  ['sleep 1; cp new next; mv next current'],
  'Before the old key ends, see that nobody uses it any more: its count stands still.',
  [
    `sleep 1; for i in 1 2; do curl -s -H @admin ${manage}/$ID/usage | grep -o '"callsToday":[0-9]*'; sleep 1; done`,
  ],
  '## After the overlap',
  [`sleep ${overlap}`, both, `curl -s -H @old ${api}; echo`],
  'All the calls that the program made meanwhile, by their status: no refusal.',
  ['rm traffic; wait', 'sort statuses | uniq -c'],
  `An old key that is still in use when its overlap nears its end can be found by its usage and its \`lastUsedAt\`. One that
leaked is ended at once: \`POST /api/v1/api-keys/{id}/revoke\`.

## What rotated keys share, and how they end

- **One allowance.** The new key shares the month and the minute of the old one: a rotation begins nothing anew.
- **The overlap ends early by revoking the old key, or by the next rotation without one**, and is changed in no other
  way: neither prolonged nor narrowed. What is changed on the new key, its allowlist say, does not change the old one;
  only limits bind both.
- **At most 100 keys that led to one key work in their overlap at a time**: the next rotation with an overlap answers 409 until some have ended. A rotation without one always goes.
- **A rotation without an overlap ends every key of the chain**, also those that were in an overlap, since nobody can
  tell which of them has leaked; each has an event of its own that names the new key under \`endedWith\`.
- **The secrets of a client** are bounded alike: at most 100 that were replaced work beside the newest, and
  \`overlapSeconds: 0\` ends all of them and every token of the client.
- **Revoking a key revokes every key that it replaced and that still works in its overlap**, in the same transaction, each with an event of its own that names the key under \`revokedWith\`. The key that replaced it stays: a leaked old key is no reason to stop the new one.
- **What has expired stays expired.** Such a key gets no other end and is not rotated; create a new one.`,
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
