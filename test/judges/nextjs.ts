/** docs/guides/nextjs.md as it stands: Next.js builds an application and serves it behind the guard. */
import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import tap from 'tap'
import { npmTools } from '../support/foreign-tools.ts'
import { followGuide } from '../support/node-guide.ts'

const folder = join(import.meta.dirname, 'nextjs')
const next = await npmTools(folder)

tap.test('an existing Next.js application behind Latchkey, as docs/guides/nextjs.md tells it', next, async t => {
  await followGuide(t, {
    name: 'nextjs',
    changed: 'app/invoices/route.js',
    prepare: async project => {
      await cp(join(folder, 'package.json'), join(project, 'package.json'))
      // Next.js takes packages from the application's own folder alone.
      await cp(dirname(next.path), join(project, 'node_modules'), { recursive: true, verbatimSymlinks: true })
    }
  })
})
