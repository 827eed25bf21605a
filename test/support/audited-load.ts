// node test/support/audited-load.ts URL SECRET: creates organizations until it is killed.
import { systemActor } from '../../src/domain/core/actor.ts'
import { createOrganization } from '../../src/domain/tenancy/organization.ts'
import { openStorage } from '../../src/storage/index.ts'
import { patientLimits } from './waiting.ts'

const { store } = await openStorage(process.argv[2]!, { limits: patientLimits, secrets: [process.argv[3]!] })
const operation = { store, clock: () => new Date(), actor: systemActor }
await createOrganization(operation, { name: 'first' })
process.stdout.write('ready\n')
for (;;) {
  await Promise.all([createOrganization(operation, { name: 'one' }), createOrganization(operation, { name: 'other' })])
}
