// Read by the Prisma command line only (`npm run generate`, editors). The running server never loads it.
import { defineConfig } from 'prisma/config'

export default defineConfig({
  schema: `prisma/${process.env.LATCHKEY_PRISMA_PROVIDER ?? 'sqlite'}`
})
