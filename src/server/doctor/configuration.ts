/** Checks the configuration: with a problem in it, nothing else can be checked. */
import { ConfigurationError } from '../../base/errors.ts'
import { inspectConfig, type Config } from '../../config/config.ts'
import { failed, type Finding } from './finding.ts'

type Environment = Parameters<typeof inspectConfig>[0]

/** Null: there are problems. */
export function readConfiguration (
  environment: Environment | undefined, folder: string | undefined
): { config: Config, problems: [] } | { config: null, problems: Finding[] } {
  try {
    return { config: inspectConfig(environment, folder), problems: [] }
  } catch (error) {
    const problems = error instanceof ConfigurationError ? error.problems : [String(error)]
    const remedy = 'Set the variable it names; the README lists all variables.'
    return { config: null, problems: problems.map(problem => failed('configuration', problem, remedy)) }
  }
}

export function checkUnknownVariables ({ unknownVariables }: Config): Finding[] {
  const remedy = 'Correct its name, or remove it: an ignored variable has no effect.'
  return unknownVariables.map(sentence => failed('variables', sentence, remedy))
}
