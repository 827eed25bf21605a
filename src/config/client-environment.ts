/** The environment of commands: where their server is, and with which credential they call it. */
import { readTable, textOf, type Environment } from './table.ts'
import { unknownVariables } from './unknown-variables.ts'
import { commandVariables, variables } from './variables.ts'

/** Null: not set. */
export interface ClientEnvironment {
  url: string | null
  token: string | null
  /** The admin token of the server on this machine: sent to that server alone. */
  adminToken: string | null
  dataFolder: string
  /** As `Config.unknownVariables`. */
  unknownVariables: readonly string[]
}

export function readClientEnvironment (
  environment: Environment = process.env, folder: string = process.cwd()
): ClientEnvironment {
  const { settings } = readTable({ ...commandVariables, dataFolder: variables.dataFolder }, environment, folder)
  return {
    ...settings,
    adminToken: textOf(variables.adminToken.name, environment) ?? null,
    unknownVariables: unknownVariables(environment),
  }
}
