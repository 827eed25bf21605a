/**
 * Loads the configuration of a server from the environment. Every variable has a default for a laptop; a server that
 * others can reach must be given its issuer and its secrets. All problems are reported at once, each with its variable.
 */
import { join } from 'node:path'
import { ConfigurationError } from '../base/errors.ts'
import { digestOf } from '../secrets/digest.ts'
import { newAdminTokenText } from '../secrets/credential-text.ts'
import { newSecret } from '../secrets/random.ts'
import { secretsInCommon } from './distinct-secrets.ts'
import { providersOf, unknownOfProviders } from './identity-providers.ts'
import { generateOnce, requireGenerated, type LocalSecret } from './local-secrets.ts'
import { hostOf, isLoopback } from './loopback.ts'
import { howToGenerate, listedSecrets } from './readers.ts'
import { withSecretFiles } from './secret-files.ts'
import { singleSettings, type Config, type TracingConfig } from './settings.ts'
import { readTable, textOf, type Environment } from './table.ts'
import { unknownVariables } from './unknown-variables.ts'
import { allVariables, variables, type Settings } from './variables.ts'

export type { Config } from './settings.ts'

/**
 * Loads the configuration. Generates the secrets that a local server lacks into its data folder (mode 0600).
 * @throws ConfigurationError listing every problem.
 */
export function loadConfig (environment: Environment = process.env, folder: string = process.cwd()): Config {
  return readConfig(environment, folder, generateOnce)
}

/** As `loadConfig`, but generates nothing: a missing secret is a problem. */
export function inspectConfig (environment: Environment = process.env, folder: string = process.cwd()): Config {
  return readConfig(environment, folder, requireGenerated)
}

/** The issuer of a server for which none is set. */
export function defaultIssuer (port: number): string {
  const { port: portRow, issuer } = variables
  return readTable({ portRow, issuer }, { [portRow.name]: String(port) }, '').settings.issuer
}

function readConfig (given: Environment, folder: string, localSecret: LocalSecret): Config {
  const { environment, problems: ofFiles } = withSecretFiles(given, allVariables, folder)
  const { settings, problems } = readTable(variables, environment, folder)
  problems.unshift(...ofFiles)
  const unknown = unknownVariables(environment)
  problems.push(
    ...missingForRemote(settings, environment), ...secretsInCommon(settings),
    ...unknownOfProviders(environment, allVariables)
  )
  // A missing variable may be set under a mistyped name.
  if (problems.length > 0) throw new ConfigurationError([...problems, ...unknown])
  const { secrets, adminToken, adminTokenFile, isNewToken } = withLocalSecrets(settings, localSecret)
  // The text of a generated secret may have been copied into a variable.
  const inCommon = secretsInCommon({ ...settings, secrets, adminToken })
  if (inCommon.length > 0) throw new ConfigurationError(inCommon)
  return {
    ...singleSettings(settings),
    secrets,
    adminTokenDigest: digestOf(adminToken),
    generatedAdminToken: isNewToken ? adminToken : null,
    adminTokenFile,
    shutdown: { delay: settings.shutdownDelay, patience: settings.shutdownPatience },
    tracing: tracingOf(settings),
    identityProviders: providersOf(settings),
    unknownVariables: unknown,
  }
}

/** A generated secret is good for one machine: a server that others can reach must be given one. */
function missingForRemote ({ host, issuer, secrets, adminToken }: Settings, environment: Environment): string[] {
  const hasIssuer = textOf(variables.issuer.name, environment) !== undefined
  const isLocal = isLoopback(host) && isLoopback(hostOf(issuer))
  const missingSecrets = [
    ...(secrets === null ? [variables.secrets.name] : []), ...(adminToken === null ? [variables.adminToken.name] : [])
  ]
  return [
    ...(isLoopback(host) || hasIssuer
      ? []
      : [
          `${variables.issuer.name}: is required when ${variables.host.name} is ${host}: set the origin at which ` +
          'clients reach this server'
        ]),
    ...(isLocal
      ? []
      : missingSecrets.map(name => `${name}: is required for a server that others can reach; ${howToGenerate}`)),
  ]
}

function withLocalSecrets (
  { dataFolder, databaseUrl, secrets, adminToken }: Settings, localSecret: LocalSecret
): { secrets: readonly string[], adminToken: string, adminTokenFile: string | null, isNewToken: boolean } {
  const databaseFile = databaseUrl.startsWith('file:') ? databaseUrl.slice('file:'.length) : null
  const secret = (name: string, make: () => string) => localSecret(join(dataFolder, name), make, databaseFile)
  const ownSecrets = secrets ?? listedSecrets(secret('secret', newSecret).text)
  if (adminToken !== null) return { secrets: ownSecrets, adminToken, adminTokenFile: null, isNewToken: false }
  const { text, isNew } = secret('admin-token', () => newAdminTokenText())
  return {
    secrets: ownSecrets, adminToken: text, adminTokenFile: join(dataFolder, 'admin-token'), isNewToken: isNew
  }
}

function tracingOf ({ tracesUrl, tracesHeaders, serviceName, tracesRatio }: Settings): TracingConfig | null {
  return tracesUrl === null ? null : { url: tracesUrl, headers: tracesHeaders, serviceName, ratio: tracesRatio }
}
