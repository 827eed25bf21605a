/** Parses the text format of Prometheus, strictly enough to validate it. */

export interface Sample { name: string, labels: Record<string, string>, value: number }
export interface Family { type: string, help: string, samples: Sample[] }

/** @throws for a line outside of the format, a sample without its family, or a duplicate series. */
export function readExposition (text: string): Map<string, Family> {
  const families = new Map<string, Family>()
  const seen = new Set<string>()
  for (const line of text.split('\n').filter(each => each !== '')) {
    const [, what, name, rest] = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line) ?? []
    if (what === 'HELP') families.set(name!, { type: '', help: rest!, samples: [] })
    else if (what === 'TYPE') families.get(name!)!.type = rest!
    else addSample(families, seen, line)
  }
  return families
}

function addSample (families: Map<string, Family>, seen: Set<string>, line: string): void {
  const [series, name, labels = '', value] =
    /^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (NaN|[-+]?Inf|[-\d.e+]+)$/.exec(line) ?? []
  if (series === undefined) throw new Error(`no sample: ${line}`)
  const family = families.get(name!) ?? families.get(name!.replace(/_(bucket|sum|count)$/, ''))
  if (family === undefined) throw new Error(`no family for ${name}`)
  const key = `${name}{${labels}}`
  if (seen.has(key)) throw new Error(`twice: ${key}`)
  seen.add(key)
  const pairs = Array.from(
    labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g), ([, label, text]): [string, string] => [label!, text!]
  )
  family.samples.push({ name: name!, labels: Object.fromEntries(pairs), value: Number(value) })
}
