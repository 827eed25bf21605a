/**
 * A process under load, to be killed in the middle: `node metered-load.ts URL KEY_ID`. Prints a line for each admitted
 * request.
 */
import type { ApiKey } from '../../src/domain/credentials/api-key.ts'
import { noLimits } from '../../src/domain/tenancy/limits.ts'
import { meter } from '../../src/domain/metering/meter.ts'
import { openStorage } from '../../src/storage/index.ts'
import { patientLimits } from './waiting.ts'

const { store } = await openStorage(process.argv[2]!, { limits: patientLimits })
const key = await store.apiKeys.get(process.argv[3]!) as ApiKey
const calls = meter(store, () => new Date())
// The test's month: a run over the end of a month must not look like a lost credit.
const now = new Date('2026-01-15T12:00:00Z')

async function load (): Promise<void> {
  for (;;) {
    const verdict = await calls.admit({ consumer: key, organization: noLimits, credits: 2, now })
    process.stdout.write(verdict.ok ? `${verdict.spending}\n` : `refused: ${verdict.reason}\n`)
  }
}

await Promise.all(Array.from({ length: 20 }, load))
