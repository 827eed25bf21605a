/** Which API key is the virtual key of an organization. */
import type { VirtualKeyRepository } from '../../domain/spending/virtual-key.ts'
import type { Queries } from '../engine/prisma.ts'

export function virtualKeyRepository ({ virtualKey: table }: Queries): VirtualKeyRepository {
  return {
    async of (organizationId) {
      return await table.findUnique({ where: { organizationId } })
    },
    async set ({ organizationId, ...key }) {
      await table.upsert({ where: { organizationId }, create: { organizationId, ...key }, update: key })
    },
  }
}
