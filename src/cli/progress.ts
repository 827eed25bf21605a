/** A count on the terminal while something long goes on; nothing where nobody watches. */
export interface Progress {
  add (count: number): void
  end (): void
}

const refreshMs = 200

/** Shows `what` was counted so far on standard error, a few times a second; null: shows nothing. */
export function showProgress (what: string | null): Progress {
  let total = 0
  let shown = 0
  const visible = what !== null && process.stderr.isTTY
  return {
    add (count) {
      total += count
      if (!visible || Date.now() - shown < refreshMs) return
      shown = Date.now()
      process.stderr.write(`\r${total} ${what}`)
    },
    end () {
      if (visible) process.stderr.write(`\r${total} ${what}\n`)
    },
  }
}
