/** Header lines that were sent more than once: Node keeps the first of some, and joins others. */

/** How many header lines have this name. Names are at even indexes, in any case. */
export function timesSent (rawHeaders: readonly string[], name: string): number {
  let times = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length === name.length && rawHeaders[i]!.toLowerCase() === name) times++
  }
  return times
}
