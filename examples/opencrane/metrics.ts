/** The server's use of its machine, for operators. */
import { statfs } from 'node:fs/promises'
import { cpus, freemem, loadavg, totalmem } from 'node:os'
import { Type } from 'typebox'
import type { Collection } from './context.ts'

const Size = Type.Integer({ minimum: 0 })
const Snapshot = Type.Object({
  cpuPercent: Type.Number({ minimum: 0, maximum: 100 }),
  memoryUsedBytes: Size,
  memoryTotalBytes: Size,
  storageUsedBytes: Size,
  storageTotalBytes: Size,
  activeTenants: Size,
  sampledAt: Type.String({ format: 'date-time' })
})

/** `folder`: on the disk that is measured. */
export function metrics (folder: string): Collection {
  return (app, plane) => {
    app.get('/metrics/server', {
      schema: {
        operationId: 'getServerMetrics',
        summary: 'Read the use of the machine',
        tags: ['Metrics'],
        response: { 200: Snapshot }
      }
    }, async request => {
      // The health of the server is for operators.
      await plane.latchkey(request).get('/health')
      const { blocks, bfree, bsize } = await statfs(folder)
      return {
        cpuPercent: Math.min(100, Math.round(loadavg()[0]! / cpus().length * 1_000) / 10),
        memoryUsedBytes: totalmem() - freemem(),
        memoryTotalBytes: totalmem(),
        storageUsedBytes: (blocks - bfree) * bsize,
        storageTotalBytes: blocks * bsize,
        activeTenants: [...plane.declared.tenants.values()].filter(({ suspended }) => !suspended).length,
        sampledAt: new Date().toISOString()
      }
    })
  }
}
