/** Failures of a database at a start, as configuration errors. */
import { ConfigurationError, Failure } from '../../base/errors.ts'
import { startProblem } from './postgresql/start-problems.ts'

/** At a start, an unreachable or full database is a configuration error; other errors stay as they are. */
export function asConfigurationError (thrown: unknown, url: string): unknown {
  const error = startProblem(thrown, url)
  if (!(error instanceof Failure)) return error
  const reason = lastLine(error.detail)
  switch (error.code) {
    case 'storage_full':
      return new ConfigurationError([`DATABASE_URL: the database is full (${reason}); make room on its disk`])
    case 'storage_unavailable':
      return new ConfigurationError([
        `DATABASE_URL: the database cannot be reached or written${
          reason === '' ? '' : ` (${reason})`
        }; start it, or name another`
      ])
    default: return error
  }
}

/** The driver's message, which is the last line of Prisma's. No driver repeats the password. */
function lastLine (detail = ''): string {
  return detail.trim().split('\n').at(-1)!
}
