/** The first screen: what was called and refused, which keys need somebody, and the first steps until they are done. */
import { html } from 'ghtml'
import { dashboardPath, type Screen } from '../frame.ts'
import { screenAt, type Dashboard, type Visit } from '../visit.ts'
import { callsOf } from './calls.ts'
import { firstSteps } from './first-steps.ts'
import { keysInNeed, mostUsedKeys, usedKeysOf } from './keys.ts'
import { refusalsOf } from './refusals.ts'
import { serversOf } from './servers.ts'

export function overviewScreen (app: Dashboard): void {
  screenAt(app, '', overview)
}

async function overview (visit: Visit): Promise<Screen> {
  const used = await usedKeysOf(visit)
  const parts = await Promise.all([
    firstSteps(visit, used), callsOf(visit), refusalsOf(visit), mostUsedKeys(used, visit), keysInNeed(visit),
    serversOf(visit)
  ])
  return {
    title: 'Overview',
    path: [],
    place: dashboardPath,
    lead: visit.me.deployment
      ? 'The whole deployment, with every organization.'
      : 'What programs did in your organization, and what needs somebody.',
    content: html`!${parts}`
  }
}
