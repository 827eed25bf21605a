/** Log lines on standard output. A line that cannot be written is dropped and reported: a full disk stops no server. */
import { writeSync } from 'node:fs'
import type { Report } from './background.ts'

/** Attempts to write to a pipe that is full because its reader is slow, and the milliseconds between them. */
const mostAttempts = 100
const pauseMs = 1

/** Writes synchronously, so that a crash loses no line. A closed pipe is not reported: its reader wants no more. */
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
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || tries++ === mostAttempts) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
    }
  }
}
