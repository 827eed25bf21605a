/**
 * Log lines on standard output. One that cannot be written is lost and reported: a full disk keeps no server from
 * serving or from ending.
 */
import { writeSync } from 'node:fs'
import type { Report } from './background.ts'

/** How often a line is tried to be written to a pipe whose reader is behind, and milliseconds in between. */
const attempts = 100
const between = 1

/**
 * Writes in the same turn, so that what was logged before a crash is there. A reader that has gone is no failure: it
 * has seen enough.
 */
export function standardOutput (report: Report): { write (text: string): void } {
  return {
    write (text) {
      try {
        writeWhole(Buffer.from(text))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') report(error)
      }
    },
  }
}

function writeWhole (bytes: Buffer): void {
  for (let written = 0, tries = 1; written < bytes.length;) {
    try {
      written += writeSync(1, bytes, written)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || tries++ === attempts) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, between)
    }
  }
}
