// npm run rotations [-- --rotations N --servers N --revoke-every N]: real server processes on one PostgreSQL, under
// load. Rotates the signing key immediately, on each of them in turn, and regularly revokes it instead. Exit code 1 if
// a token was refused whose key was not revoked, or a server could not answer.
import { parseArgs } from 'node:util'
import { rotateUnderLoad } from '../test/support/emergency-rotations.ts'
import { startCluster } from '../test/support/cluster.ts'
import { startPostgres } from '../test/support/postgres.ts'

const { values } = parseArgs({
  options: {
    rotations: { type: 'string', default: '100' },
    servers: { type: 'string', default: '2' },
    'revoke-every': { type: 'string', default: '10' }
  }
})
const [rotations, servers, revokeEvery] = [values.rotations, values.servers, values['revoke-every']].map(Number) as [
  number, number, number
]
if (!(rotations >= 1) || !(servers >= 2) || !(revokeEvery >= 0)) {
  console.error('npm run rotations -- [--rotations N] [--servers N] [--revoke-every N]')
  process.exit(2)
}

const postgres = await startPostgres()
const cluster = await startCluster(postgres.url, servers, 2_000)
try {
  const seen = await rotateUnderLoad(cluster, { rotations, revokeEvery })
  const quantile = (share: number) =>
    seen.took[Math.min(seen.took.length - 1, Math.floor(seen.took.length * share))]!.toFixed(0)
  console.log(
    `${seen.rotations} emergency rotations on ${servers} servers, ${seen.revocations} of them by revoking the key: ` +
      `${seen.tokens} tokens by ${seen.keys} keys, ${seen.uses} uses`
  )
  console.log(
    `refused: ${seen.refused.length}, unavailable: ${seen.unavailable.length}; a rotation took ${
      quantile(0.5)
    } ms (p50), ${quantile(0.99)} ms (p99)`
  )
  for (const what of [...seen.refused, ...seen.unavailable].slice(0, 10)) console.log(`  ${what}`)
  if (seen.refused.length + seen.unavailable.length > 0) process.exitCode = 1
} finally {
  await cluster.stop()
  await postgres.stop()
}
