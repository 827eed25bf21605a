/** Health and metrics of this server as JSON (OC-13). Both require a deployment-wide credential. */
import { Type } from '../../http/typebox-lite.ts'
import type { Aggregate } from '../../observability/aggregate.ts'
import type { Prober } from '../../observability/readiness.ts'
import { operationOf, requireDeployment, type ManagementDependencies } from '../conventions/operation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'

export interface ServerDependencies {
  prober: Prober
  aggregate (): Aggregate
  version: string
}

const readAccess = { scopes: ['server:read'] }

const Count = Type.Integer({ minimum: 0 })
const Counts = Type.Record(Type.String(), Count)
const Health = Type.Object({
  status: Type.Enum(['ready', 'not_ready']),
  version: Type.String(),
  startedAt: Type.String({ format: 'date-time' }),
  uptimeSeconds: Count,
  checks: Type.Record(
    Type.String(),
    Type.Object({ ok: Type.Boolean(), problem: Type.Union([Type.String(), Type.Null()]), milliseconds: Count })
  )
})
const Metrics = Type.Object({
  requests: Type.Object({
    total: Count, inFlight: Count, byStatus: Counts, turnedAway: Counts, meanMilliseconds: Type.Number()
  }),
  verdicts: Type.Object({ admitted: Count, refused: Count, byReason: Counts }),
  tokensIssued: Counts,
  registry: Type.Object({ records: Counts, hits: Count, misses: Count }),
  database: Type.Object({
    statements: Count,
    meanMilliseconds: Type.Number(),
    transactions: Counts,
    openTransactions: Count,
    retries: Count,
    errors: Counts,
    connections: Counts
  }),
  pruned: Type.Object({ rows: Counts, at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]) }),
  eventLoop: Type.Object({ meanMilliseconds: Type.Number(), maxMilliseconds: Type.Number() }),
  memory: Type.Object({ residentBytes: Count, heapUsedBytes: Count }),
})

interface Dependencies extends ManagementDependencies { server: ServerDependencies }

export const serverRoutes = routes<Dependencies>(
  getHealthRoute, getMetricsRoute
)

function getHealthRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/health', {
    config: readAccess,
    schema: {
      summary: 'Read the health of this server',
      description: 'Runs the checks of `/readyz` now. Requires a deployment-wide credential.',
      tags: ['server'],
      response: { 200: Health },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Reading the health of the server')
    const { prober, version } = dependencies.server
    const { ready, checks } = await prober.probe()
    const uptimeSeconds = Math.floor(process.uptime())
    return {
      status: ready ? 'ready' as const : 'not_ready' as const,
      version,
      startedAt: new Date(Date.now() - uptimeSeconds * 1000).toISOString(),
      uptimeSeconds,
      checks
    }
  })
}

function getMetricsRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/metrics', {
    config: readAccess,
    schema: {
      summary: 'Read the metrics of this server since its start',
      description: 'Requires a deployment-wide credential.',
      tags: ['server'],
      response: { 200: Metrics },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Reading the metrics of the server')
    return dependencies.server.aggregate()
  })
}
