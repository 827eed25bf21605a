/** Organizations that partners' keys provisioned. */
import type { ProvisionRepository } from '../../domain/partners/provision.ts'
import type { Queries } from '../engine/prisma.ts'

export function provisionRepository ({ provision: table }: Queries): ProvisionRepository {
  return {
    async insert (provision) {
      await table.create({ data: provision })
    },
    async byExternalId (keyChainId, externalId) {
      return await table.findUnique({ where: { keyChainId_externalId: { keyChainId, externalId } } })
    },
    async ofOrganization (organizationId) {
      return await table.findUnique({ where: { organizationId } })
    },
  }
}
