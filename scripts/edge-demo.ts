// npm run edge-demo [-- --revocations N]: one Latchkey, and APIs in Node, Python and Go that guard themselves. Revokes
// keys under load and asks each API after each acknowledgement; then stops one API, and at last kills the server. Exit
// code 1 if a revoked key passed anywhere, or an API answered from memory for longer than its trust.
import { parseArgs } from 'node:util'
import { startEdge } from '../test/support/edge.ts'

const { values } = parseArgs({ options: { revocations: { type: 'string', default: '300' } } })
const revocations = Number(values.revocations)
if (!Number.isSafeInteger(revocations) || revocations < 1) {
  console.error('npm run edge-demo -- [--revocations N]')
  process.exit(2)
}

const edge = await startEdge()
let failed = false
const expect = (holds: boolean, sentence: string): void => {
  console.log(`${holds ? 'ok' : 'NOT OK'}: ${sentence}`)
  failed ||= !holds
}
try {
  const names = edge.apis.map(({ name }) => name)
  console.log(`Latchkey at ${edge.server.url}; APIs that guard themselves: ${names.join(', ')}`)
  const { passed, waits } = await edge.revoke(revocations)
  waits.sort((one, other) => one - other)
  const at = (share: number): string => `${waits[Math.floor((waits.length - 1) * share)]!.toFixed(1)} ms`
  expect(passed === 0, `${revocations} revocations under load, each asked of ${names.length} APIs: ${passed} passed`)
  console.log(`acknowledged in ${at(0.5)} (p50), ${at(0.99)} (p99)`)

  for (const api of edge.apis) {
    const { waited, first } = await edge.stopDuring(api)
    expect(first === 401, `${api.name} stopped: the change waited ${waited} ms; its first answer on waking: ${first}`)
  }

  const { lastPass, refused } = await edge.killServer()
  for (const { name } of edge.apis) {
    expect(
      lastPass[name]! <= 950 + edge.slack,
      `server killed: ${name} passed by memory until ${lastPass[name]} ms after, then ${refused[name]}`
    )
  }
} finally {
  await edge.close()
}
process.exit(failed ? 1 : 0)
