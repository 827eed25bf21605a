/**
 * The time from the start of the process to the first token, against a bare Fastify that loads the same packages and
 * answers once. Both have compiled code from their last start.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { ask, askForToken, firstAnswer, installed } from './installed.ts'
import { median, packagedCommand, run, scratch, stop, type Part } from './measuring.ts'

const barePort = 4306

export const startUp: Part = async ({ rounds }) => {
  const server = await installed('start', 4305, 1)
  const command = packagedCommand()
  // Beside the package, so that it resolves the same packages.
  const bare = join(scratch, 'package', 'bare-start.js')
  cpSync(join(import.meta.dirname, 'bare-start.js'), bare)
  const ours = () => timed([command, 'serve'], () => askForToken(server), server.environment)
  const theirs = () =>
    timed(
      [bare, String(barePort), join(scratch, 'bare-compiled')], () => ask(`http://127.0.0.1:${barePort}/`),
      server.environment
    )
  // Two unmeasured starts each: the first writes the compiled code that later ones find.
  for (let i = 0; i < 2; i++) for (const each of [ours, theirs]) await each()
  const times: [number, number][] = []
  for (let round = 0; round < Math.max(rounds, 5); round++) times.push([await ours(), await theirs()])
  const middle = (which: 0 | 1) => `${Math.round(median(times.map(pair => pair[which])))} ms`
  return [{
    what: 'start to the first token',
    against: 'bare Fastify, same packages',
    values: times.map(([one, other]) => one / other),
    reach: ['≤', 1.5],
    absolute: `${middle(0)} against ${middle(1)}`
  }]
}

async function timed (
  parameters: string[], asking: () => Promise<number>, environment: NodeJS.ProcessEnv
): Promise<number> {
  const began = performance.now()
  const child = run(parameters, environment)
  child.stdout!.resume()
  try {
    return await firstAnswer(began, asking)
  } finally {
    await stop(child)
  }
}
