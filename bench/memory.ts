/** The memory of an idle server, and whether it stays flat under load. */
import { setTimeout as pause } from 'node:timers/promises'
import { ask, askForToken, firstAnswer, installed } from './installed.ts'
import { measure, packagedCommand, resident, run, stop, tokenRequests, type Part } from './measuring.ts'

export const memory: Part = async ({ soak }) => {
  const server = await installed('memory', 4304, 100)
  const command = packagedCommand()
  // Log lines that are not read would stay in the server, and be measured.
  const child = run([command, 'serve'], server.environment, 'ignore')
  try {
    await firstAnswer(performance.now(), () => askForToken(server))
    for (const path of ['/healthz', '/.well-known/oauth-authorization-server', '/.well-known/jwks.json']) {
      await ask(server.url + path)
    }
    await pause(30_000)
    const idle = resident(child.pid!)
    const during: number[] = []
    const load = {
      name: 'token requests',
      pid: child.pid!,
      url: `${server.url}/api/v1/auth/token`,
      script: tokenRequests(server.clients)
    }
    const slices = Math.max(6, Math.round(soak / 10))
    for (let i = 0; i < slices; i++) {
      measure(load, Math.max(1, Math.round(soak / slices)))
      during.push(resident(child.pid!))
    }
    const [start, middle, end] = [during[0]!, during[Math.floor(slices / 2)]!, during.at(-1)!]
    return [
      {
        what: 'resident memory, idle',
        against: '',
        values: [idle],
        reach: ['≤', 130],
        unit: ' MB',
        absolute: '30 s after a token and a few requests'
      },
      {
        what: `memory after ${soak} s of load`,
        against: 'in the middle of it',
        values: [end / middle],
        reach: ['≤', 1.05],
        absolute: `${Math.round(start)}, ${Math.round(middle)}, ${Math.round(end)} MB at start, middle, end`
      }
    ]
  } finally {
    await stop(child)
  }
}
