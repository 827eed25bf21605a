/** What `process.nextTick` makes stays quick to make: src/tick.ts. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'

/** Prints how many objects of `process.nextTick` outlive everything that waits, after a full collection, in a process of its own. */
const survivors = (before: string) => `
import { getHeapSnapshot } from 'node:v8'
import { setTimeout as pause } from 'node:timers/promises'
import { json } from 'node:stream/consumers'
import { keepTickShape } from ${JSON.stringify(new URL('../src/tick.ts', import.meta.url).href)}
${before}
await pause(20)
const snapshot = await json(getHeapSnapshot())
const { edge_fields: fields, edge_types: [types] } = snapshot.snapshot.meta
const isProperty = ([type, name]) => types[type] === 'property' && snapshot.strings[name] === 'callback'
const edges = Array.from({ length: snapshot.edges.length / fields.length }, (_, i) => snapshot.edges.slice(i * fields.length, (i + 1) * fields.length))
console.log(edges.filter(isProperty).length)
`

async function countAfter (before: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', survivors(before)])
  return Number(stdout)
}

test('one object of process.nextTick is kept, so that V8 never forgets their shape', async t => {
  const [unasked, asked] = await Promise.all([countAfter(''), countAfter('keepTickShape()')])
  t.equal(asked, unasked + 1)
})
