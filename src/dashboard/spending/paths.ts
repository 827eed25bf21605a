/** The paths of AI spending. */
import { dashboardPath } from '../frame.ts'

export const spendingPath = `${dashboardPath}/spending`
