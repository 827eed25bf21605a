/** The datasets, as programs of tenants read them: a protected API beside the control plane. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { mayTouch, styles, type Latchkey } from '../../src/index.ts'
import { declare } from '../declare.ts'
import { Text } from './context.ts'
import { Refusal } from './control-plane.ts'
import type { Declarations } from './declarations.ts'

/** Where its routes are mounted; part of its identifier. */
export const datasetsPath = '/opencrane'

function identifierOf ({ config }: Latchkey): string {
  return `${config.issuer}${datasetsPath}`
}

/** The identifier of the AI gateway, as its config names it. */
export function gatewayOf ({ config }: Latchkey): string {
  return `${config.issuer}${datasetsPath}/models`
}

/** Declares what programs of tenants use: the datasets, and the models behind the AI gateway. */
export async function declareOpenCrane (latchkey: Latchkey): Promise<void> {
  await declare(latchkey, {
    identifier: gatewayOf(latchkey), name: 'Models', scopes: ['models:use'], style: styles.opencrane
  })
  await declare(latchkey, {
    identifier: identifierOf(latchkey), name: 'OpenCrane', scopes: ['datasets:read'], style: styles.opencrane
  })
}

/** The guard has checked scope and tenant before a handler runs; which datasets a tenant may read is declared. */
export function datasets (latchkey: Latchkey, declared: Declarations): FastifyPluginAsyncTypebox {
  return async app => {
    await app.register(latchkey.guard, { resource: identifierOf(latchkey) })
    app.get('/datasets/:dataset', {
      config: { scopes: ['datasets:read'] }, schema: { params: Type.Object({ dataset: Text }) }
    }, async ({ principal, organizationId, params: { dataset } }) => {
      const tenant = [...declared.tenants.values()].find(({ organization }) => organization === organizationId)
      const circles = Object.entries(tenant?.datasets ?? {}).filter(([, names]) => names.includes(dataset))
      if (circles.length === 0 || !mayTouch(principal, 'datasets', dataset)) {
        throw new Refusal(403, 'DATASET_DENIED', `This credential may not read the dataset ${JSON.stringify(dataset)}.`)
      }
      return { dataset, tenant: tenant!.name, circles: circles.map(([circle]) => circle) }
    })
  }
}
