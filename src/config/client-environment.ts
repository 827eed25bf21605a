/** The environment of commands: where their server is, and with which credential they call it. */
import { readTable, textOf, type Environment } from './table.ts'
import { withSecretFiles } from './secret-files.ts'
import { unknownVariables } from './unknown-variables.ts'
import { commandVariables, variables } from './variables.ts'

/** Null: not set. */
export interface ClientEnvironment {
  url: string | null
  token: string | null
  /** The admin token of the server on this machine: sent to that server alone. */
  adminToken: string | null
  dataFolder: string
  /** A sentence for each token whose file cannot be read. */
  problems: readonly string[]
  /** As `Config.unknownVariables`. */
  unknownVariables: readonly string[]
}

export function readClientEnvironment (
  given: Environment = process.env, folder: string = process.cwd()
): ClientEnvironment {
  // Only the files of tokens: this account may not be able to read those of the server.
  const { environment, problems } = withSecretFiles(given, [commandVariables.token, variables.adminToken], folder)
  const { settings } = readTable({ ...commandVariables, dataFolder: variables.dataFolder }, environment, folder)
  return {
    ...settings,
    adminToken: textOf(variables.adminToken.name, environment) ?? null,
    problems,
    unknownVariables: unknownVariables(environment),
  }
}
