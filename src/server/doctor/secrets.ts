/** Checks that LATCHKEY_SECRET opens what is sealed in the database, and which of its secrets are still needed. */
import type { Config } from '../../config/config.ts'
import { auditKeys, secretId } from '../../secrets/authentication-code.ts'
import { providerKeySealing, unseal, unsealOlder } from '../../secrets/sealing.ts'
import type { Inspection } from '../../storage/migrations/inspection.ts'
import { failed, ok, skipped, type Finding } from './finding.ts'

export function checkSigningKeys (inspection: Inspection | null, { secrets }: Config): Finding {
  const check = 'signing keys'
  if (inspection === null || inspection.applied === null) return skipped(check, 'needs a database')
  const { signingKeys } = inspection
  if (signingKeys.length === 0) {
    return failed(
      check, 'the database has no key to sign with',
      'Start the server once: on an empty database it makes one. Otherwise restore a backup.'
    )
  }
  const closed = signingKeys.filter(key => unseal(key.sealedPrivateKey, secrets, key.kid) === null)
  if (closed.length > 0) {
    return failed(
      check, `${closed.length} of ${signingKeys.length} were sealed under another secret`,
      'List that secret behind the present one: LATCHKEY_SECRET=present,former'
    )
  }
  return ok(check, `LATCHKEY_SECRET opens all ${signingKeys.length}`)
}

/** Whether secrets behind the first may be dropped. The key of a chain head that was never sealed is empty. */
export function checkOlderSecrets (inspection: Inspection | null, { secrets }: Config): Finding {
  const check = 'older secrets'
  if (inspection === null || inspection.applied === null) return skipped(check, 'needs a database')
  const isUnknown = inspection.auditKeys.some(key => key !== '' && !auditKeys(secrets).some(({ id }) => id === key))
  if (isUnknown) {
    return failed(
      check, 'audit chains are sealed under another secret',
      'List that secret behind the present one, LATCHKEY_SECRET=present,former, and start a server with it.'
    )
  }
  const closed = inspection.providerKeys.filter(({ id, sealedKey }) =>
    unseal(sealedKey, secrets, id, providerKeySealing) === null)
  if (closed.length > 0) {
    return failed(
      check, `${closed.length} provider keys are sealed under another secret`,
      'List that secret behind the present one, LATCHKEY_SECRET=present,former, or set those keys anew.'
    )
  }
  for (const [what, ids] of sealedByIds(inspection)) {
    if (ids.some(id => !secrets.map(secretId).includes(id))) {
      return failed(
        check, `${what} are sealed under another secret`,
        'List that secret behind the present one, LATCHKEY_SECRET=present,former, and start a server with it.'
      )
    }
  }
  const sealed = sealedUnderOlder(inspection, secrets)
  if (sealed.length > 0) {
    return failed(
      check, `${sealed.join(' and ')} are still sealed under an older secret of LATCHKEY_SECRET`,
      'Restart a server with this LATCHKEY_SECRET: it seals them under the first one. Keep the older one until then.'
    )
  }
  return ok(
    check,
    secrets.length === 1
      ? 'none is needed'
      : 'nothing is sealed under them: remove them once every server has the first secret'
  )
}

function sealedUnderOlder (inspection: Inspection, secrets: readonly string[]): string[] {
  const [newest, ...older] = secrets as [string, ...string[]]
  const keys = inspection.signingKeys.filter(({ kid, sealedPrivateKey }) =>
    unsealOlder(sealedPrivateKey, secrets, kid) !== null)
  const heads = inspection.auditKeys.filter(key =>
    auditKeys(older).some(({ id }) => id === key) && key !== auditKeys([newest])[0]!.id
  )
  const providers = inspection.providerKeys.filter(({ id, sealedKey }) =>
    unsealOlder(sealedKey, secrets, id, providerKeySealing) !== null)
  return [
    ...(keys.length > 0 ? [`${keys.length} signing keys`] : []),
    ...(providers.length > 0 ? [`${providers.length} provider keys`] : []),
    ...(heads.length > 0 ? ['audit chains'] : []),
    ...sealedByIds(inspection).filter(([, ids]) => ids.some(id => id !== secretId(newest))).map(([what]) => what)
  ]
}

/** What says itself which secret it is sealed under. */
function sealedByIds (
  { sourceSecrets, skillSecrets, reviewerSecrets }: Inspection
): [what: string, ids: string[]][] {
  return [
    ['headers of third-party sources', sourceSecrets],
    ['skills', skillSecrets],
    ['tokens that review those of service accounts', reviewerSecrets],
  ]
}
