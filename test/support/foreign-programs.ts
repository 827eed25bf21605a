/**
 * Programs of others that judge ours (pgbouncer, nginx, Python, Go, …). A machine may lack them: a test skips then, and
 * its skip names the program and where it comes from. With LATCHKEY_JUDGES=required, as `.ci/run` sets it, a missing
 * one fails.
 *
 *   const pgbouncer = foreignProgram('pgbouncer', 'apt-get install pgbouncer')
 *   tap.test('a server behind PgBouncer', pgbouncer, async t => { spawn(pgbouncer.path, …) })
 */
import tap from 'tap'
import { programPath } from './program-path.ts'

/** A program that a test needs. It is itself the options of a tap test: `skip` is the reason, or false. */
export interface ForeignProgram {
  /** The path of the program; its name when it is missing. */
  path: string
  skip: string | false
}

/** Finds a program on the path. `hint`: the command that installs it. */
export function foreignProgram (name: string, hint: string): ForeignProgram {
  const path = programPath(name)
  return path === null ? missing(name, hint) : { path, skip: false }
}

/** A missing dependency. `name`: a program or a library; `hint`: the command that installs it. */
export function missing (name: string, hint: string): ForeignProgram {
  const skip = `${name} is not installed: ${hint}`
  if (process.env.LATCHKEY_JUDGES === 'required') tap.fail(`${skip} (LATCHKEY_JUDGES=required)`)
  return { path: name, skip }
}
