/** A running count on stderr during long commands; silent without a terminal. */
export interface Progress {
  add (count: number): void
  end (): void
}

const refreshMs = 200

/** Shows the count of `unit` a few times a second; null: shows nothing. */
export function showProgress (unit: string | null): Progress {
  let total = 0
  let shown = 0
  const visible = unit !== null && process.stderr.isTTY
  return {
    add (count) {
      total += count
      if (!visible || Date.now() - shown < refreshMs) return
      shown = Date.now()
      process.stderr.write(`\r${total} ${unit}`)
    },
    end () {
      if (visible) process.stderr.write(`\r${total} ${unit}\n`)
    },
  }
}
