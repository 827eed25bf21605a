/** `latchkey serve` as a person starts it: on a terminal, in an empty folder. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { foreignProgram } from './foreign-programs.ts'
import { freePort, latchkeyCommand, ownEnvironment } from './running-server.ts'
import { until } from './waiting.ts'

/** Runs a program on a terminal of its own. */
const script = foreignProgram('script', 'apt-get install bsdutils')

/** It is itself the options of a tap test. */
export const terminal = { skip: script.skip }

/** Starts it and returns the sign-in link that it prints; the end of the test stops and removes it. */
export async function linkOfFirstStart (t: { teardown (work: () => unknown): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-terminal-'))
  const env = ownEnvironment({ LATCHKEY_DATA: join(folder, 'data'), PORT: String(await freePort()) })
  const server = spawn(script.path, ['-qec', `exec ${process.execPath} ${latchkeyCommand} serve`, '/dev/null'], {
    cwd: folder, env
  })
  let said = ''
  server.stdout.on('data', bytes => { said += String(bytes) })
  t.teardown(async () => {
    server.kill()
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
    await rm(folder, { recursive: true, force: true })
  })
  const link = /http:\/\/localhost:\d+\/api\/v1\/auth\/link#[\w-]{49}/
  await until('the first start prints a link', () => link.test(said) || server.exitCode !== null)
  return link.exec(said)?.[0] ?? said
}
