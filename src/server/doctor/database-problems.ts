/** Why a database cannot be inspected, and what to do. No driver repeats the password in its messages. */
import { startProblem } from '../../storage/engine/postgresql/start-problems.ts'
import { UnusableDatabase } from '../../storage/engine/unusable-database.ts'

interface Problem { found: string, remedy: string }

export function databaseProblem (error: unknown, databaseUrl: string): Problem {
  const problem = startProblem(error, databaseUrl)
  if (problem instanceof UnusableDatabase) return { found: problem.reason, remedy: asSentence(problem.remedy) }
  const { code = '', message = '' } = error as { code?: string, message?: string }
  const [text = ''] = (message === '' ? code : message).split('\n')
  if (databaseUrl.startsWith('file:')) return sqliteProblem(code, text, databaseUrl.slice('file:'.length))
  return postgresqlProblem(code, text, URL.parse(databaseUrl)?.host ?? '')
}

/** With a capital letter and a full stop. */
export function asSentence (text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function sqliteProblem (code: string, text: string, file: string): Problem {
  if (code.startsWith('SQLITE_BUSY')) {
    return {
      found: `another program has locked ${file}`,
      remedy: `Wait until that program, such as a backup, has finished; \`fuser ${file}\` finds it.`,
    }
  }
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return {
      found: `${file} is damaged, or not a SQLite database (${text})`,
      remedy: 'Set it aside and restore a backup, or name another file in DATABASE_URL.',
    }
  }
  return {
    found: `${file} cannot be read: ${text}`,
    remedy: 'Let this account read it, or correct DATABASE_URL; restore a backup if it is damaged.',
  }
}

function postgresqlProblem (code: string, text: string, host: string): Problem {
  if (code === 'ECONNREFUSED') {
    return {
      found: `no PostgreSQL listens at ${host} (${code})`,
      remedy: 'Start it, or correct host and port in DATABASE_URL.',
    }
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return {
      found: `the host of the database, ${host}, cannot be resolved (${code})`,
      remedy: 'Correct it in DATABASE_URL, or correct the name resolution of this machine.',
    }
  }
  return {
    found: `the database at ${host} cannot be reached or read: ${text}`,
    remedy: 'Start it, or correct DATABASE_URL.',
  }
}
