/** Refuses an older Node.js when the package is imported: it would fail later, and without a sentence. */
import { isOlder } from '../../../src/base/node/version-order.ts'

/** As `engines` of package.json says. */
export const oldest = '22.15.0'

const present = process.versions.node
if (isOlder(present, oldest)) {
  throw new Error(
    `Node.js: this is ${present}, and @latchkey/guard needs ${oldest} or newer; install one from https://nodejs.org`
  )
}
