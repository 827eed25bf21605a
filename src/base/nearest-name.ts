/** Suggests the known name that a mistyped one is nearest to. */

/** The name with the smallest Levenshtein distance to `text`, and that distance. `names`: one or more. */
export function nearest (text: string, names: readonly string[]): { name: string, edits: number } {
  return names.map(name => ({ name, edits: editsBetween(text, name) })).reduce(
    (best, each) => each.edits < best.edits ? each : best
  )
}

/** Levenshtein distance: how many characters to insert, delete or replace. */
function editsBetween (one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row.at(-1)!
}
