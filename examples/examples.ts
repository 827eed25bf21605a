/** The examples by the name that `npm run demo -- --example` takes. */
import { declareCraftdesk, craftdesk, craftdeskPath } from './craftdesk/api.ts'
import { openDesk } from './craftdesk/desk.ts'
import { craftdeskJob } from './craftdesk/main-job.ts'
import { craftkit, craftkitPath, declareCraftkit } from './craftkit/api.ts'
import { craftkitJob } from './craftkit/main-job.ts'
import { openStudio } from './craftkit/studio.ts'
import { craneLedger, craneLedgerPath, declareCraneLedger } from './crane-ledger/api.ts'
import { openBooks as openCraneBooks } from './crane-ledger/books.ts'
import { craneLedgerJob } from './crane-ledger/main-job.ts'
import type { Example } from './example.ts'
import { declareLedgerbee, ledgerbee } from './ledgerbee/api.ts'
import { openBooks } from './ledgerbee/books.ts'
import { mainJob } from './main-job.ts'
import { mountOpenCrane } from './opencrane/api.ts'
import { managementPrefix } from './opencrane/control-plane.ts'
import { openCraneJob } from './opencrane/main-job.ts'

export const examples: Readonly<Record<string, Example>> = {
  ledgerbee: {
    title: 'LedgerBee',
    environment: {},
    async mount (app, latchkey) {
      await declareLedgerbee(latchkey)
      await app.register(ledgerbee(latchkey, openBooks()))
    },
    async tell ({ http, origin, adminToken }) {
      const { key, agentId, agentSecret } = await mainJob(http, origin, adminToken)
      return {
        curl: [
          `curl -i -H 'x-api-key: ${key}' ${origin}/api/v1/company`,
          `curl -u '${agentId}:${agentSecret}' -d grant_type=client_credentials ${origin}/api/v1/auth/token`,
        ],
        latchkey: 'client list',
      }
    },
  },
  'crane-ledger': {
    title: 'Crane Ledger',
    // Its requests require TLS; the demo acts as the proxy that terminates it.
    environment: { LATCHKEY_TRUST_PROXY: '127.0.0.1' },
    async mount (app, latchkey) {
      await declareCraneLedger(latchkey)
      await app.register(craneLedger(latchkey, openCraneBooks()), { prefix: craneLedgerPath })
    },
    tell: craneLedgerJob,
  },
  craftkit: {
    title: 'CraftKit',
    environment: {},
    async mount (app, latchkey) {
      await declareCraftkit(latchkey)
      await app.register(craftkit(latchkey, openStudio()), { prefix: craftkitPath })
    },
    tell: craftkitJob,
  },
  craftdesk: {
    title: 'CraftDesk',
    environment: {},
    async mount (app, latchkey) {
      await declareCraftdesk(latchkey)
      await app.register(craftdesk(latchkey, openDesk()), { prefix: craftdeskPath })
    },
    tell: craftdeskJob,
  },
  opencrane: {
    title: 'OpenCrane',
    environment: {},
    routes: { management: { prefix: managementPrefix } },
    mount: mountOpenCrane,
    tell: openCraneJob,
  },
}
