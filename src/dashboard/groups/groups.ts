/** The screens of groups. */
import { searchAt } from '../search.ts'
import { formAt, screenAt, type Dashboard } from '../visit.ts'
import { createGroup, creationScreen, mended } from './creation.ts'
import { deletionScreen, deleteGroup } from './deletion.ts'
import { listScreen } from './list.ts'
import { addMember, change, groupScreen, mendedChange, removeMember } from './one-group.ts'

export function groupScreens (app: Dashboard): void {
  screenAt(app, '/groups', listScreen)
  searchAt(app, '/groups', ['sort'])
  screenAt(app, '/groups/new', creationScreen)
  formAt(app, '/groups', createGroup, mended)
  screenAt(app, '/groups/:id', groupScreen)
  formAt(app, '/groups/:id', change, mendedChange)
  formAt(app, '/groups/:id/members', addMember)
  formAt(app, '/groups/:id/members/:member/remove', removeMember)
  screenAt(app, '/groups/:id/delete', deletionScreen)
  formAt(app, '/groups/:id/delete', deleteGroup)
}
