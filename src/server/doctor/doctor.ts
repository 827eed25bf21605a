/**
 * Examines a deployment without changing it, whether its server runs or not. Every finding that is not ok says what to
 * do.
 */
import { checkDatabaseClock, checkServerClock } from './clocks.ts'
import { checkUnknownVariables, readConfiguration } from './configuration.ts'
import { checkDataFolder } from './data-folder.ts'
import { inspectAndCheckDatabase } from './database.ts'
import { ok, type Finding } from './finding.ts'
import { checkIdentityProviders } from './identity-providers.ts'
import { checkIssuer } from './issuer.ts'
import { askIssuer, findServer } from './probe.ts'
import { checkLostChanges, checkStandbys } from './replication.ts'
import { checkOlderSecrets, checkSigningKeys } from './secrets.ts'
import { checkServer, checkSingleServer } from './server.ts'

type Environment = Parameters<typeof readConfiguration>[0]

/** Runs every check. Never throws: an error is a finding. */
export async function examine (environment?: Environment, folder?: string): Promise<Finding[]> {
  const { config, problems } = readConfiguration(environment, folder)
  if (config === null) return problems
  const { inspection, findings: database } = await inspectAndCheckDatabase(config)
  const local = await findServer(config)
  const outside = await askIssuer(config, local)
  return [
    ok('configuration', `complete; the issuer is ${outside.issuer}`),
    ...checkUnknownVariables(config),
    checkDataFolder(config),
    ...database,
    checkSigningKeys(inspection, config),
    checkOlderSecrets(inspection, config),
    checkServer(local, outside, inspection),
    checkIssuer(local, outside),
    checkSingleServer(inspection, local, outside, config),
    ...await checkIdentityProviders(config),
    checkDatabaseClock(inspection),
    checkStandbys(inspection),
    checkLostChanges(inspection),
    checkServerClock(outside.answer.response === null ? local.answer : outside.answer),
  ]
}
