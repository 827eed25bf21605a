/** What people read: short aligned lines. Names come from strangers, so nothing they hold can steer a terminal. */

/** A label and its value; null and undefined are left out. */
export type Field = readonly [label: string, value: string | number | null | undefined]

/** Aligned `label  value` lines. */
export function fieldLines (fields: readonly Field[]): string {
  const present = fields.filter(field => field[1] !== null && field[1] !== undefined)
  const width = Math.max(...present.map(field => field[0].length))
  return present.map(([label, value]) => `${label.padEnd(width)}  ${printable(String(value))}\n`).join('')
}

/** Aligned columns under a line of headings. */
export function tableLines (headings: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number | null | undefined>>): string {
  const cells = [headings, ...rows.map(row => row.map(cell => printable(String(cell ?? '-'))))]
  const widths = headings.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  return cells.map(row => `${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()}\n`).join('')
}

/** Several lines as they are, a key in PEM say. */
export function block (text: string): string {
  return text.trimEnd().split('\n').map(line => `${printable(line)}\n`).join('')
}

/** An instant of the API without its milliseconds. */
export function instant (text: string | null | undefined): string | null {
  return text?.replace(/\.\d+Z$/, 'Z') ?? null
}

/** Several words on one line; null for none. */
export function words (list: readonly string[] | undefined): string | null {
  return list === undefined || list.length === 0 ? null : list.join(' ')
}

/** Control, bidirectional and other invisible characters as their code points. */
function printable (text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}
