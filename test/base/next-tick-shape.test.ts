/** `process.nextTick` stays fast: src/base/node/next-tick-shape.ts. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'

/** Runs code in its own process, and counts the objects left once it is idle and garbage is collected. */
const program = (before: string) => `
import { AsyncLocalStorage } from 'node:async_hooks'
import { getHeapSnapshot } from 'node:v8'
import { setTimeout as pause } from 'node:timers/promises'
import { json } from 'node:stream/consumers'
import { loadConfig, openLatchkey } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)}
import { pinNextTickShape } from ${JSON.stringify(new URL('../../src/base/node/next-tick-shape.ts', import.meta.url).href)}
class StoreOfCaller {}
async function openAndClose () {
  const latchkey = await openLatchkey(loadConfig({ LATCHKEY_DATA: process.argv[1], LATCHKEY_ISSUER: 'http://127.0.0.1:1', LATCHKEY_LOG_LEVEL: 'silent' }))
  await latchkey.close()
}
${before}
await pause(50)
const { snapshot: { meta }, nodes, edges, strings } = await json(getHeapSnapshot())
let at = 0
let [ticks, stores] = [0, 0]
for (let i = 0; i < nodes.length; i += meta.node_fields.length) {
  const field = name => nodes[i + meta.node_fields.indexOf(name)]
  const names = new Set()
  for (let n = 0; n < field('edge_count'); n++, at += meta.edge_fields.length) {
    if (meta.edge_types[0][edges[at]] === 'property') names.add(strings[edges[at + 1]])
  }
  if (names.has('callback') && names.has('<symbol kAsyncContextFrame>')) ticks++
  if (meta.node_types[0][field('type')] === 'object' && strings[field('name')] === 'StoreOfCaller') stores++
}
console.log(JSON.stringify({ ticks, stores }))
`

async function leftAfter (folder: string, before: string): Promise<{ ticks: number, stores: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(before), folder])
  return JSON.parse(stdout) as { ticks: number, stores: number }
}

test('a process that opened a server keeps one object of process.nextTick, so that V8 never drops their hidden class', async t => {
  const folder = t.testdir()
  t.equal((await leftAfter(folder, '')).ticks, 0)
  t.equal((await leftAfter(folder, 'await openAndClose(); await openAndClose()')).ticks, 1)
})

test('the AsyncLocalStorage of the caller is not kept with it', async t => {
  const left = await leftAfter(
    t.testdir(), 'const ask = () => { new AsyncLocalStorage().run(new StoreOfCaller(), pinNextTickShape) }; ask()'
  )
  t.same(left, { ticks: 1, stores: 0 })
})
