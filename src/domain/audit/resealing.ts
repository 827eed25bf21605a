/** What is sealed under LATCHKEY_SECRET: at the start of a server, what is under an older secret gets the newest. */
import { secretId } from '../../secrets/authentication-code.ts'
import type { Operation } from '../core/operation.ts'
import { auditEvent, type AuditEventType } from './event.ts'
import type { AuditPort } from './log.ts'

/** A record with its seal. `anew`: its seal under the newest secret; null: it has that, or no known secret opens it. */
export interface SealedRecord { id: string, organizationId: string | null, sealed: string, anew: string | null }

/** A new seal of a record that still has the seal `from`. `sealedBy`: the id of its secret. */
export interface Reseal { id: string, from: string, to: string, sealedBy: string }

/** How the sealed records of one kind are read and written. */
export interface SealedKind<Ports> {
  /** The event of each one; null: it is not audited. */
  event: AuditEventType | null
  /** At least those under another secret than the first of `secrets`. */
  read (store: Ports, secrets: readonly string[]): AsyncIterable<SealedRecord>
  /** False: the record has another seal meanwhile, or is gone. */
  write (tx: Ports, reseal: Reseal): Promise<boolean>
}

/** Seals every record that an older one of `secrets` opens under the first; returns how many. The others stay. */
export async function reseal<Ports> (
  { store, clock, actor }: Operation<AuditPort & Ports>, kinds: readonly SealedKind<Ports>[], secrets: readonly string[]
): Promise<number> {
  const sealedBy = secretId(secrets[0]!)
  let resealed = 0
  for (const { event, read, write } of kinds) {
    for await (const { id, organizationId, sealed, anew } of read(store, secrets)) {
      if (anew === null) continue
      await store.transaction(async tx => {
        // Another server was faster, or the record was changed.
        if (!await write(tx, { id, from: sealed, to: anew, sealedBy })) return
        if (event !== null) await tx.audit.append(auditEvent(actor, clock(), event, { organizationId, subject: id }))
        resealed++
      }, 'read committed')
    }
  }
  return resealed
}

/** Every record of a table that is read in batches, each behind an id. */
export async function * everyBatch<R extends { id: string }> (
  batch: (after: string) => Promise<R[]>
): AsyncGenerator<R> {
  for (let records = await batch(''); records.length > 0; records = await batch(records.at(-1)!.id)) yield * records
}
