/** docs/guides/express.md as it stands: an existing API, what changes in it, and what each command prints. */
import { symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import tap from 'tap'
import { npmTools } from '../support/foreign-tools.ts'
import { shell } from '../support/installed-package.ts'
import { followGuide } from '../support/node-guide.ts'

const frameworks = await npmTools(resolve(import.meta.dirname, '../package/guard'))

tap.test('an existing Express API behind Latchkey, as docs/guides/express.md tells it', frameworks, async t => {
  await followGuide(t, {
    name: 'express',
    changed: 'api.js',
    prepare: async (folder, env) => {
      await shell({ folder, env }, 'npm init --yes && npm pkg set type=module')
      // One folder above, where Node.js finds it: Express is there before the guide begins.
      await symlink(dirname(frameworks.path), join(folder, '..', 'node_modules'))
    }
  })
})
