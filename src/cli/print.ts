/**
 * Output for a terminal: aligned lines, tables and JSON. Text of users and servers is escaped, so that it cannot
 * control the terminal.
 */

/** A label and its value; null and undefined are omitted. */
export type Field = readonly [label: string, value: string | number | null | undefined]

/** Aligned `label  value` lines. */
export function fieldLines (fields: readonly Field[]): string {
  const present = fields.filter(field => field[1] !== null && field[1] !== undefined)
  const width = Math.max(...present.map(field => field[0].length))
  return present.map(([label, value]) => `${label.padEnd(width)}  ${printable(String(value))}\n`).join('')
}

/** Aligned columns under a line of headings. */
export function tableLines (
  headings: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number | null | undefined>>
): string {
  const cells = [headings, ...rows.map(row => row.map(cell => printable(String(cell ?? '-'))))]
  const widths = headings.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  return cells.map(row => `${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()}\n`).join('')
}

/** Several lines unchanged, such as a PEM key. */
export function block (text: string): string {
  return `${printableLines(text.trimEnd())}\n`
}

/** An instant of the API without milliseconds. */
export function instant (text: string | null | undefined): string | null {
  return text?.replace(/\.\d+Z$/, 'Z') ?? null
}

/** Several words on one line; null for none. */
export function words (list: readonly string[] | undefined): string | null {
  return list === undefined || list.length === 0 ? null : list.join(' ')
}

/** The JSON of the API, with characters that control a terminal as JSON escapes, which changes no value. */
export function jsonLines (json: string): string {
  return json.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => {
    if (character === '\n' || character === '\t') return character
    // JSON strings cannot contain it: it stands between tokens.
    if (character === '\r') return ' '
    return Array.from(
      { length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`
    ).join('')
  })
}

/** Like `printable`, for several lines. */
export function printableLines (text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** Control, bidirectional and other invisible characters as their code points. */
export function printable (text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, character => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}
